"""The divergence between teacher and student: against formulas written out here, in float64."""

import doctest

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fdcore.training import chunks, distillation
from fdcore.training.distillation import check_divergence, token_kl


def logits_and_mask(seed: int, batch: int = 2, time: int = 5, vocabulary: int = 7):
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (
        3 * torch.randn(batch, time, vocabulary, generator=generator, dtype=torch.float64)
        for _ in range(2)
    )
    mask = torch.randint(0, 2, (batch, time), generator=generator)
    mask[0, 0] = 1
    return student.requires_grad_(), teacher, mask


def mean_kl(student, teacher, mask, **how) -> torch.Tensor:
    """The mean of `token_kl` over the action tokens of a padded batch."""
    chosen = torch.as_tensor(mask).bool()
    return token_kl(student[chosen], teacher.detach()[chosen], **how).kl.mean()


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
        mean_kl(student, teacher, mask, direction=direction, beta=0.3),
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
    ours = mean_kl(student, teacher, mask, top_k=top_k)
    assert torch.isclose(ours, cross_entropy + teacher_part, atol=1e-12)
    assert torch.allclose(
        torch.autograd.grad(ours, student)[0],
        torch.autograd.grad(cross_entropy, student)[0],
        atol=1e-12,
    )


def test_top_k_of_the_whole_vocabulary_is_the_full_divergence():
    student, teacher, mask = logits_and_mask(1)
    assert torch.isclose(
        mean_kl(student, teacher, mask, top_k=7), mean_kl(student, teacher, mask), atol=1e-12
    )


def test_forward_gradient_is_student_minus_teacher_probabilities():
    student, teacher, mask = logits_and_mask(2)
    (grad,) = torch.autograd.grad(mean_kl(student, teacher, mask), student)
    expected = (student.softmax(-1) - teacher.softmax(-1)) * mask[..., None] / mask.sum()
    assert torch.allclose(grad, expected, atol=1e-12)


VARIANTS = [
    dict(),
    dict(direction="reverse"),
    dict(direction="jsd"),
    dict(top_k=3),
]


@given(st.integers(0, 10**6), st.sampled_from(VARIANTS))
@settings(max_examples=30, deadline=None)
def test_padding_and_order_change_nothing(seed, how):
    student, teacher, mask = logits_and_mask(seed)
    value = mean_kl(student, teacher, mask, **how)
    garbage = torch.full((2, 3, 7), float("nan"), dtype=torch.float64)
    padded = [torch.cat([tensor, garbage], 1).flip(0) for tensor in (student, teacher)]
    assert torch.isclose(
        value, mean_kl(*padded, torch.cat([mask, torch.zeros(2, 3)], 1).flip(0), **how), atol=1e-12
    )


@given(st.integers(0, 10**6), st.sampled_from(["forward", "reverse", "jsd"]))
@settings(max_examples=30, deadline=None)
def test_divergence_is_never_negative_and_zero_where_both_agree(seed, direction):
    student, teacher, mask = logits_and_mask(seed)
    assert mean_kl(student, teacher, mask, direction=direction) >= -1e-12
    assert abs(mean_kl(student, student + 2.0, mask, direction=direction)) < 1e-12


@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 6), st.sampled_from(VARIANTS))
@settings(max_examples=30, deadline=None)
def test_a_batch_is_the_mean_of_its_tokens(seed, batch, time, how):
    student, teacher, mask = logits_and_mask(seed, batch, time)
    alone = [
        mean_kl(student[row, t], teacher[row, t], torch.tensor(1), **how)
        for row in range(batch)
        for t in range(time)
        if mask[row, t]
    ]
    assert torch.isclose(
        mean_kl(student, teacher, mask, **how), torch.stack(alone).mean(), atol=1e-12
    )


def test_no_gradient_reaches_the_teacher():
    student, teacher, mask = logits_and_mask(0)
    teacher.requires_grad_()
    for how in VARIANTS:
        token_kl(student[mask.bool()], teacher[mask.bool()], **how).kl.mean().backward()
    assert teacher.grad is None and student.grad is not None


def test_half_precision_logits_are_measured_in_float32():
    student, teacher, mask = logits_and_mask(0)
    value = mean_kl(student.bfloat16(), teacher.bfloat16(), mask)
    assert value.dtype == torch.float32
    assert torch.isclose(
        value, mean_kl(student.bfloat16().float(), teacher.bfloat16().float(), mask)
    )


@pytest.mark.parametrize(
    "setting, how",
    [
        ("direction", dict(direction="sideways")),
        ("top_k", dict(top_k=2, direction="reverse")),
    ],
)
def test_settings_that_define_no_divergence_are_refused(setting, how):
    settings = dict(direction="forward", top_k=None) | how
    with pytest.raises(ValueError, match=f"distillation.{setting}"):
        check_divergence(**settings)


@pytest.mark.parametrize("how", VARIANTS)
@pytest.mark.parametrize("tokens", [1, 3])
def test_in_chunks_value_gradient_and_entropy_are_those_of_the_whole_batch(
    how, tokens, monkeypatch
):
    student, teacher, mask = logits_and_mask(0, batch=3, time=6)
    ours, theirs = [], []
    for rows, size in ((theirs, 10**6), (ours, tokens)):
        monkeypatch.setattr(chunks, "CHUNK", size * 7)
        kl, entropies = token_kl(student[mask.bool()], teacher[mask.bool()], **how)
        rows += [kl, entropies, torch.autograd.grad(kl.mean(), student)[0]]
    for one, other in zip(ours, theirs, strict=True):
        assert torch.allclose(one, other, atol=1e-12)


def test_a_new_divergence_is_one_decorated_function():
    student, teacher, mask = logits_and_mask(0)

    @distillation.divergence
    def total_variation(log_p, log_q, beta):
        return (log_p.exp() - log_q.exp()).abs().sum(-1) / 2

    try:
        ours = mean_kl(student, teacher, mask, direction="total_variation")
        assert torch.isclose(ours, by_hand(student, teacher, mask, lambda p, q: (p - q).abs() / 2))
    finally:
        del distillation.DIVERGENCES["total_variation"]
