"""The divergence between teacher and student, and the EMA teacher: against formulas written out here, in float64."""
import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore import distillation
from fdcore.distillation import EMATeacher, token_kl
from fdcore.model import build_student


def logits_and_mask(seed: int, batch: int = 2, time: int = 5, vocabulary: int = 7):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (3 * torch.randn(batch, time, vocabulary, generator=generator, dtype=torch.float64) for _ in range(2))
    mask = torch.randint(0, 2, (batch, time), generator=generator)
    mask[0, 0] = 1
    return student.requires_grad_(), teacher, mask


def by_hand(student, teacher, mask, term) -> torch.Tensor:
    """Loop over action tokens and vocabulary; `term(p, q)` is what one word adds."""
    values = []
    for row in range(mask.shape[0]):
        for column in range(mask.shape[1]):
            if mask[row, column]:
                p = teacher[row, column].exp() / teacher[row, column].exp().sum()
                q = student[row, column].exp() / student[row, column].exp().sum()
                values.append(sum(term(p[a], q[a]) for a in range(len(p))))
    return torch.stack(values).mean()


def test_the_docstring_examples_hold():
    assert doctest.testmod(distillation).failed == 0


@pytest.mark.parametrize(
    "direction, term",
    [
        ("forward", lambda p, q: p * (p / q).log()),
        ("reverse", lambda p, q: q * (q / p).log()),
        ("jsd", lambda p, q: 0.3 * p * (p / (0.3 * p + 0.7 * q)).log() + 0.7 * q * (q / (0.3 * p + 0.7 * q)).log()),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_value_and_gradient_are_the_formulas(direction, term, seed):
    student, teacher, mask = logits_and_mask(seed)
    ours, theirs = token_kl(student, teacher, mask, direction=direction, beta=0.3), by_hand(student, teacher, mask, term)
    assert torch.isclose(ours, theirs, atol=1e-12)
    (grad,), (expected,) = torch.autograd.grad(ours, student), torch.autograd.grad(theirs, student)
    assert torch.allclose(grad, expected, atol=1e-12)


@pytest.mark.parametrize("top_k", [1, 3, 7])
def test_top_k_has_the_gradient_of_the_papers_cross_entropy(top_k):
    student, teacher, mask = logits_and_mask(0)
    p, log_q = teacher.softmax(-1), student.log_softmax(-1)
    kept = torch.zeros_like(p).scatter_(-1, p.topk(top_k).indices, 1.0)
    cross_entropy = (-(kept * p * log_q).sum(-1) * mask).sum() / mask.sum()
    teacher_part = ((kept * p * p.log()).sum(-1) * mask).sum() / mask.sum()
    ours = token_kl(student, teacher, mask, top_k=top_k)
    assert torch.isclose(ours, cross_entropy + teacher_part, atol=1e-12)
    assert torch.allclose(torch.autograd.grad(ours, student)[0], torch.autograd.grad(cross_entropy, student)[0], atol=1e-12)


def test_top_k_of_the_whole_vocabulary_is_the_full_divergence():
    student, teacher, mask = logits_and_mask(1)
    assert torch.isclose(token_kl(student, teacher, mask, top_k=7), token_kl(student, teacher, mask), atol=1e-12)


def test_forward_gradient_is_student_minus_teacher_probabilities():
    student, teacher, mask = logits_and_mask(2)
    (grad,) = torch.autograd.grad(token_kl(student, teacher, mask), student)
    expected = (student.softmax(-1) - teacher.softmax(-1)) * mask[..., None] / mask.sum()
    assert torch.allclose(grad, expected, atol=1e-12)


@given(st.integers(0, 10**6), st.sampled_from([dict(direction="forward"), dict(direction="reverse"), dict(direction="jsd"), dict(top_k=3)]))
@settings(max_examples=30, deadline=None)
def test_padding_and_order_change_nothing(seed, how):
    student, teacher, mask = logits_and_mask(seed)
    value = token_kl(student, teacher, mask, **how)
    garbage = torch.full((2, 3, 7), float("nan"), dtype=torch.float64)
    padded = [torch.cat([tensor, garbage], 1).flip(0) for tensor in (student, teacher)]
    assert torch.isclose(value, token_kl(*padded, torch.cat([mask, torch.zeros(2, 3)], 1).flip(0), **how), atol=1e-12)


@given(st.integers(0, 10**6), st.sampled_from(["forward", "reverse", "jsd"]))
@settings(max_examples=30, deadline=None)
def test_divergence_is_never_negative_and_zero_where_both_agree(seed, direction):
    student, teacher, mask = logits_and_mask(seed)
    assert token_kl(student, teacher, mask, direction=direction) >= -1e-12
    assert abs(token_kl(student, student + 2.0, mask, direction=direction)) < 1e-12


def test_no_gradient_reaches_the_teacher():
    student, teacher, mask = logits_and_mask(0)
    teacher.requires_grad_()
    for how in (dict(), dict(direction="reverse"), dict(direction="jsd"), dict(top_k=2)):
        token_kl(student, teacher, mask, **how).backward()
    assert teacher.grad is None and student.grad is not None


def test_half_precision_logits_are_measured_in_float32():
    student, teacher, mask = logits_and_mask(0)
    value = token_kl(student.bfloat16(), teacher.bfloat16(), mask)
    assert value.dtype == torch.float32
    assert torch.isclose(value, token_kl(student.bfloat16().float(), teacher.bfloat16().float(), mask))


def with_nan(tensor):
    return tensor.detach().clone().index_put((torch.tensor(0), torch.tensor(0), torch.tensor(1)), torch.tensor(float("nan"), dtype=torch.float64))


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda s, t, m: (s, t, m * 0), "action mask is empty"),
        (lambda s, t, m: (s, t[..., :6], m), "vocabulary has 7 tokens, the teacher's 6"),
        (lambda s, t, m: (s, t, m[:, :4]), "mask"),
        (lambda s, t, m: (with_nan(s), t, m), "student's logits are not finite on 1"),
        (lambda s, t, m: (s, with_nan(t), m), "teacher's logits are not finite on 1"),
    ],
)
def test_bad_tensors_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        token_kl(*change(*logits_and_mask(0)))


@pytest.mark.parametrize("how", [dict(direction="sideways"), dict(direction="jsd", beta=0.0), dict(direction="jsd", beta=1.0), dict(top_k=0), dict(top_k=2, direction="reverse")])
def test_bad_settings_are_refused(how):
    with pytest.raises(ValueError, match="token_kl"):
        token_kl(*logits_and_mask(0), **how)


def line(value: float, dtype=torch.float32) -> torch.nn.Linear:
    layer = torch.nn.Linear(1, 1, bias=False, dtype=dtype)
    torch.nn.init.constant_(layer.weight, value)
    return layer


@pytest.mark.parametrize("alpha, expected", [(1.0, 0.0), (0.9, 0.1), (0.25, 0.75), (0.0, 1.0)])
def test_alpha_is_the_share_that_the_teacher_keeps(alpha, expected):
    teacher = EMATeacher(line(0.0), alpha=alpha, every=1)
    teacher.update(line(1.0), 1)
    assert teacher.model.weight.item() == pytest.approx(expected)


def test_the_teacher_moves_at_every_fifth_step_only():
    teacher = EMATeacher(line(0.0), alpha=0.5, every=5)
    moved = [step for step in range(0, 16) if teacher.update(line(1.0), step)]
    assert moved == [5, 10, 15]
    assert teacher.model.weight.item() == pytest.approx(1 - 0.5**3)


def test_a_frozen_teacher_stays_bit_for_bit():
    student = build_tiny(0)
    teacher = EMATeacher(student, alpha=1.0, every=1)
    teacher.update(build_tiny(1), 1)
    assert all(torch.equal(a, b) for a, b in zip(teacher.model.parameters(), student.parameters()))


def test_small_steps_are_not_lost_in_bfloat16():
    teacher = EMATeacher(line(1.0, torch.bfloat16), alpha=0.999, every=1)
    for step in range(1, 1001):
        teacher.update(line(2.0, torch.bfloat16), step)
    assert teacher.model.weight.dtype == torch.bfloat16
    assert teacher.model.weight.item() == pytest.approx(2 - 0.999**1000, rel=0.01)


def test_the_teacher_is_a_copy_in_eval_mode_without_gradient():
    student = build_tiny(0).train()
    teacher = EMATeacher(student)
    assert not teacher.model.training and student.training
    assert not any(p.requires_grad for p in teacher.model.parameters()) and all(p.requires_grad for p in student.parameters())
    assert teacher.model.lm_head.weight is teacher.model.model.embed_tokens.weight  # tied as in the student
    assert teacher.model.lm_head.weight is not student.lm_head.weight


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_restored_teacher_goes_on_as_the_saved_one(dtype):
    teacher = EMATeacher(build_tiny(0).to(dtype), alpha=0.9, every=1)
    teacher.update(build_tiny(1).to(dtype), 1)
    restored = EMATeacher(build_tiny(5).to(dtype), alpha=0.9, every=1)
    restored.load_state_dict(teacher.state_dict())
    for one in (teacher, restored):
        one.update(build_tiny(2).to(dtype), 2)
    assert all(torch.equal(teacher.state_dict()[name], value) for name, value in restored.state_dict().items())
    assert all(torch.equal(a, b) for a, b in zip(teacher.model.parameters(), restored.model.parameters()))


def test_a_saved_state_does_not_change_with_the_teacher():
    teacher = EMATeacher(line(0.0), alpha=0.5, every=1)
    state = teacher.state_dict()
    teacher.update(line(1.0), 1)
    assert state["weight"].item() == 0.0


def test_another_models_weights_are_refused_and_nothing_changes():
    teacher = EMATeacher(build_tiny(0))
    before = teacher.state_dict()
    other = build_tiny(0, hidden_size=32)
    with pytest.raises(ValueError, match="another model"):
        teacher.update(other, 5)
    with pytest.raises(ValueError, match="another model"):
        teacher.load_state_dict(EMATeacher(other).state_dict())
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize("how", [dict(alpha=-0.1), dict(alpha=1.1), dict(every=0)])
def test_impossible_schedules_are_refused(how):
    with pytest.raises(ValueError, match="EMATeacher"):
        EMATeacher(line(0.0), **how)


def build_tiny(seed: int, **changes):
    shape = dict(hidden_size=16, layers=2, heads=2, kv_heads=1, head_dim=8, intermediate_size=32, vocab_size=50, max_positions=64)
    return build_student(**{**shape, **changes}, seed=seed)
