"""Asynchronous sampling: never more than one step behind, corrected, and the same run after an interruption."""

from __future__ import annotations

import pytest
import torch
import yaml

from fdcore.profile import load_profile
from fdcore.training.grpo import policy_loss
from fdcore.training.importance import importance_weights
from fdcore.training.logits import action_logits, action_values, token_logprobs
from tests.smallrun import Small
from tests.training.test_processes import rows, same, together


class Watched(Small):
    """Keeps the weights after each step, and each step's trajectories."""

    def push(self) -> None:
        super().push()
        self.pushed = getattr(self, "pushed", []) + [self.weights()]

    def roll(self, problems, seeds, step, prompts=None):
        found = super().roll(problems, seeds, step)
        self.rolled = getattr(self, "rolled", {}) | {step: (len(self.pushed) - 1, found)}
        return found


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_a_batch_is_sampled_with_the_weights_of_at_most_one_step_before_and_the_first_after_a_checkpoint_with_the_newest(
    tmp_path, method
):
    torch.manual_seed(0)
    small = Watched(tmp_path, method, staleness=1, cap=2.0, checkpoint_every=3)
    weights = {0: small.weights()}
    update = small.run._update
    small.run._update = lambda step, *rest: (
        update(step, *rest),
        weights.update({step: small.weights()}),
    )[0]
    written = small.train(6)
    assert [row["staleness"] for row in written] == [0, 1, 1, 0, 1, 1]
    for row in written:
        pushed, trajectories = small.rolled[row["step"]]
        assert same(small.pushed[pushed], weights[row["step"] - 1 - row["staleness"]])
        sequences, masks = (
            [t.token_ids for t in trajectories],
            [t.action_mask for t in trajectories],
        )
        small.model.load_state_dict(small.pushed[pushed])
        with torch.no_grad():
            theirs = token_logprobs(
                action_logits(small.model, sequences, masks), action_values(sequences, masks)
            )
        assert torch.allclose(
            theirs, action_values([t.logprobs for t in trajectories], masks).to(theirs), atol=1e-4
        )
        assert (row["mismatch_mean"] > 1e-4) == bool(
            row["staleness"]
        )  # what the correction is made from


def test_weights_that_do_not_change_make_it_the_synchronous_run(tmp_path):
    one, other = (
        Small(tmp_path / str(n), "grpo", staleness=n, cap=2.0, learning_rate=0.0).train(5)
        for n in (0, 1)
    )
    assert [{k: v for k, v in row.items() if k != "staleness"} for row in other] == one


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_an_interrupted_run_goes_on_as_if_nothing_had_been(tmp_path, method):
    settings = dict(staleness=1, cap=2.0, checkpoint_every=2)
    whole = Small(tmp_path / "whole", method, **settings).train(6)
    with pytest.raises(KeyboardInterrupt):
        Small(tmp_path / "cut", method, fail_at=4, **settings).train(6)
    assert Small(tmp_path / "cut", method, **settings).train(6) == whole


def test_two_processes_sample_ahead_as_one_does(tmp_path):
    alone = Small(tmp_path / "one", "fd", staleness=1, cap=2.0)
    alone.train(4)
    first, second = together(tmp_path / "two", "fd", "fsdp stale", 4)
    assert same(first, second) and same(first["weights"], alone.weights())
    assert (
        [row["staleness"] for row in rows(tmp_path / "two")]
        == [row["staleness"] for row in rows(tmp_path / "one")]
        == [0, 1, 0, 1]
    )


def test_the_correction_makes_of_the_gradient_on_old_samples_the_one_on_new_samples():
    generator = torch.Generator().manual_seed(0)
    old, theta = (
        torch.randn(9, generator=generator, dtype=torch.float64),
        torch.randn(9, generator=generator, dtype=torch.float64).requires_grad_(),
    )
    advantages = torch.randn(9, generator=generator, dtype=torch.float64)
    ones = torch.ones(9, 1, dtype=torch.bool)

    def gradient(sampler: torch.Tensor, cap: float | None) -> torch.Tensor:
        """Of the mean over all attempts of one token, each as often as the sampler would draw it."""
        logprobs = theta.log_softmax(-1)[:, None]
        weights = (
            None if cap is None else importance_weights(logprobs, sampler.log()[:, None], cap=cap)
        )
        losses = [
            sampler[i]
            * policy_loss(
                logprobs[i : i + 1],
                logprobs[i : i + 1].detach(),
                advantages[i : i + 1],
                ones[i : i + 1],
                clip_low=0.2,
                clip_high=0.2,
                normalization="token",
                length=1,
                weights=None if weights is None else weights[i : i + 1],
            )
            for i in range(9)
        ]
        return torch.autograd.grad(sum(losses), theta)[0]

    on_policy = gradient(theta.detach().softmax(-1), None)
    assert torch.allclose(gradient(old.softmax(-1), 1e9), on_policy, atol=1e-10)
    assert not torch.allclose(gradient(old.softmax(-1), None), on_policy, atol=1e-2)


def test_staleness_without_its_correction_or_with_an_engine_that_sleeps_is_refused(tmp_path):
    def load(**settings):
        path = tmp_path / "p.yaml"
        path.write_text(yaml.safe_dump({"extends": "paper", **settings}))
        return load_profile(path)

    corrected = {
        "training": {"staleness": 1},
        "distillation": {"importance_cap": 2.0},
        "grpo": {"importance_cap": 2.0},
    }
    assert load(**corrected).training.staleness == 1
    with pytest.raises(ValueError, match="training.staleness needs the correction.*importance_cap"):
        load(training={"staleness": 1})
    with pytest.raises(ValueError, match="exclude each other"):
        load(**corrected, sampler={"sleeps": True})
