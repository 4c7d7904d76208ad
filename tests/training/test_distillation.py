"""The divergence between teacher and student: against formulas written out here, in float64."""

import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.training import distillation
from fdcore.training.distillation import sampled_kl, teacher_target, token_kl


def logits_and_mask(seed: int, batch: int = 2, time: int = 5, vocabulary: int = 7):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (
        3 * torch.randn(batch, time, vocabulary, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
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
        (
            "jsd",
            lambda p, q: (
                0.3 * p * (p / (0.3 * p + 0.7 * q)).log()
                + 0.7 * q * (q / (0.3 * p + 0.7 * q)).log()
            ),
        ),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_value_and_gradient_are_the_formulas(direction, term, seed):
    student, teacher, mask = logits_and_mask(seed)
    ours, theirs = (
        token_kl(student, teacher, mask, direction=direction, beta=0.3),
        by_hand(student, teacher, mask, term),
    )
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
    assert torch.allclose(
        torch.autograd.grad(ours, student)[0],
        torch.autograd.grad(cross_entropy, student)[0],
        atol=1e-12,
    )


def test_top_k_of_the_whole_vocabulary_is_the_full_divergence():
    student, teacher, mask = logits_and_mask(1)
    assert torch.isclose(
        token_kl(student, teacher, mask, top_k=7), token_kl(student, teacher, mask), atol=1e-12
    )


def test_forward_gradient_is_student_minus_teacher_probabilities():
    student, teacher, mask = logits_and_mask(2)
    (grad,) = torch.autograd.grad(token_kl(student, teacher, mask), student)
    expected = (student.softmax(-1) - teacher.softmax(-1)) * mask[..., None] / mask.sum()
    assert torch.allclose(grad, expected, atol=1e-12)


VARIANTS = [
    dict(),
    dict(direction="reverse"),
    dict(direction="jsd"),
    dict(top_k=3),
    dict(top_k=3, tail=True, direction="jsd"),
    dict(clip=0.1),
    dict(temperature=2.0),
]


@given(st.integers(0, 10**6), st.sampled_from(VARIANTS))
@settings(max_examples=30, deadline=None)
def test_padding_and_order_change_nothing(seed, how):
    student, teacher, mask = logits_and_mask(seed)
    value = token_kl(student, teacher, mask, **how)
    garbage = torch.full((2, 3, 7), float("nan"), dtype=torch.float64)
    padded = [torch.cat([tensor, garbage], 1).flip(0) for tensor in (student, teacher)]
    assert torch.isclose(
        value, token_kl(*padded, torch.cat([mask, torch.zeros(2, 3)], 1).flip(0), **how), atol=1e-12
    )


@given(st.integers(0, 10**6), st.sampled_from(["forward", "reverse", "jsd"]))
@settings(max_examples=30, deadline=None)
def test_divergence_is_never_negative_and_zero_where_both_agree(seed, direction):
    student, teacher, mask = logits_and_mask(seed)
    assert token_kl(student, teacher, mask, direction=direction) >= -1e-12
    assert abs(token_kl(student, student + 2.0, mask, direction=direction)) < 1e-12


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 6), st.sampled_from(VARIANTS))
@settings(max_examples=30, deadline=None)
def test_a_batch_is_the_mean_of_its_tokens(seed, batch, time, how):
    student, teacher, mask = logits_and_mask(seed, batch, time)
    alone = [
        token_kl(student[row, t], teacher[row, t], torch.tensor(1), **how)
        for row in range(batch)
        for t in range(time)
        if mask[row, t]
    ]
    assert torch.isclose(
        token_kl(student, teacher, mask, **how), torch.stack(alone).mean(), atol=1e-12
    )


@pytest.mark.parametrize("direction", ["forward", "reverse", "jsd"])
@pytest.mark.parametrize("top_k", [1, 3, 6])
def test_a_tail_makes_it_the_divergence_over_the_top_tokens_and_all_others(direction, top_k):
    student, teacher, mask = logits_and_mask(4)
    indices = teacher.topk(top_k).indices

    def lumped(logits):
        kept = logits.softmax(-1).gather(-1, indices)
        return torch.cat([kept, 1 - kept.sum(-1, keepdim=True)], -1).log()

    how = dict(direction=direction, beta=0.3)
    ours = token_kl(student, teacher, mask, top_k=top_k, tail=True, **how)
    theirs = token_kl(lumped(student), lumped(teacher), mask, **how)
    assert torch.isclose(ours, theirs, atol=1e-10)
    assert torch.allclose(
        torch.autograd.grad(ours, student)[0], torch.autograd.grad(theirs, student)[0], atol=1e-8
    )
    assert 0 <= ours <= token_kl(student, teacher, mask, **how) + 1e-12


def test_a_tail_keeps_its_digits_where_the_top_tokens_hold_nearly_all():
    logits = torch.tensor([[0.0, -30.0, -31.0]])  # 1 - 1 would be log 0 in float32
    assert torch.allclose(
        teacher_target(logits, 1, tail=True).log_p[0, 1],
        torch.logaddexp(torch.tensor(-30.0), torch.tensor(-31.0)),
    )


@pytest.mark.parametrize("clip", [0.01, 0.2, 100.0])
def test_a_clip_caps_what_one_word_adds_and_stops_its_gradient(clip):
    student, teacher, mask = logits_and_mask(3)
    ours, theirs = (
        token_kl(student, teacher, mask, clip=clip),
        by_hand(student, teacher, mask, lambda p, q: torch.clamp_max(p * (p / q).log(), clip)),
    )
    assert torch.isclose(ours, theirs, atol=1e-12)
    assert torch.allclose(
        torch.autograd.grad(ours, student)[0], torch.autograd.grad(theirs, student)[0], atol=1e-12
    )


def test_temperature_divides_both_logits():
    student, teacher, mask = logits_and_mask(5)
    assert torch.isclose(
        token_kl(student, teacher, mask, temperature=2.0), token_kl(student / 2, teacher / 2, mask)
    )


def test_the_sampled_tokens_estimate_is_unbiased_for_reverse_kl_and_its_gradient():
    student, teacher, _ = logits_and_mask(6, 1, 1)
    log_q, log_p = student.log_softmax(-1), teacher.log_softmax(-1)
    estimates = sampled_kl(log_q, log_p)  # every word once: weigh by the student's probability
    expected = token_kl(student, teacher, torch.ones(1, 1), direction="reverse")
    mean = (log_q.exp().detach() * estimates).sum()
    assert torch.isclose(mean, expected, atol=1e-12)
    assert torch.allclose(
        torch.autograd.grad(mean, student)[0], torch.autograd.grad(expected, student)[0], atol=1e-12
    )


def test_no_gradient_reaches_the_teacher():
    student, teacher, mask = logits_and_mask(0)
    teacher.requires_grad_()
    for how in VARIANTS:
        token_kl(student, teacher, mask, **how).backward()
    assert teacher.grad is None and student.grad is not None


def test_half_precision_logits_are_measured_in_float32():
    student, teacher, mask = logits_and_mask(0)
    value = token_kl(student.bfloat16(), teacher.bfloat16(), mask)
    assert value.dtype == torch.float32
    assert torch.isclose(
        value, token_kl(student.bfloat16().float(), teacher.bfloat16().float(), mask)
    )


def with_nan(tensor):
    return (
        tensor.detach()
        .clone()
        .index_put(
            (torch.tensor(0), torch.tensor(0), torch.tensor(1)),
            torch.tensor(float("nan"), dtype=torch.float64),
        )
    )


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


@pytest.mark.parametrize(
    "how",
    [
        dict(direction="sideways"),
        dict(direction="jsd", beta=0.0),
        dict(direction="jsd", beta=1.0),
        dict(top_k=0),
        dict(top_k=2, direction="reverse"),
        dict(clip=0.0),
        dict(temperature=0.0),
    ],
)
def test_bad_settings_are_refused(how):
    with pytest.raises(ValueError, match="token_kl"):
        token_kl(*logits_and_mask(0), **how)
