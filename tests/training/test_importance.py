"""Importance weights: what they correct, and what is reported of the mismatch."""

import doctest

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fdcore.training import importance
from fdcore.training.importance import importance_weights, logprob_mismatch


def test_the_docstring_examples_hold():
    assert (
        doctest.testmod(
            importance, extraglobs={"torch": torch}, optionflags=doctest.ELLIPSIS
        ).failed
        == 0
    )


@given(st.integers(0, 10**6))
def test_weighted_the_samplers_tokens_have_the_trainers_expectation(seed):
    generator = torch.Generator().manual_seed(seed)
    trainer, sampler = (
        torch.randn(9, generator=generator, dtype=torch.float64).log_softmax(-1) for _ in range(2)
    )
    values = torch.randn(9, generator=generator, dtype=torch.float64)
    weighted = (sampler.exp() * importance_weights(trainer, sampler, cap=1e9) * values).sum()
    assert torch.isclose(weighted, (trainer.exp() * values).sum(), atol=1e-12)
    kl = (
        sampler.exp()
        * torch.tensor(
            [logprob_mismatch(t[None], s[None])["mismatch_kl"] for t, s in zip(trainer, sampler)]
        )
    ).sum()
    assert torch.isclose(kl, (sampler.exp() * (sampler - trainer)).sum(), atol=1e-6)


def test_where_both_agree_nothing_changes():
    logprobs = -torch.rand(5).requires_grad_()
    weights = importance_weights(logprobs, logprobs.detach(), cap=1.0)
    assert torch.equal(weights, torch.ones(5)) and not weights.requires_grad
    assert set(logprob_mismatch(logprobs, logprobs).values()) == {0.0}


@pytest.mark.parametrize(
    "trainer, sampler, cap, message",
    [
        ([-1.0], [-1.0], 0.5, "cap must be at least 1"),
        ([-1.0], [-1.0, -2.0], 2.0, "of the same tokens"),
        ([-1.0], [float("-inf")], 2.0, "1 of 1 log-probs are not finite"),
    ],
)
def test_bad_input_is_named(trainer, sampler, cap, message):
    with pytest.raises(ValueError, match=message):
        importance_weights(torch.tensor(trainer), torch.tensor(sampler), cap=cap)
