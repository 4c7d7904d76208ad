"""The methods: what each learns from a batch of the student's own attempts.

A new method is one class with `loss`, a formula in a file of its own, and a section of settings.
The trainer's loop does not change. CONTRIBUTING.md shows an example.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor

from fdcore.model import release
from fdcore.profile import GRPO as GRPOSettings
from fdcore.profile import Distillation as DistillationSettings
from fdcore.records import Feedback, Problem, Trajectory
from fdcore.training.distillation import check_divergence, teacher_target, token_kl
from fdcore.training.grpo import (
    clip_fraction,
    group_advantages,
    importance_weights,
    logprob_mismatch,
    policy_loss,
    reference_kl,
    zero_spread_groups,
)
from fdcore.training.logits import (
    TokenLogprobs,
    action_values,
    by_sequence,
    deferred_logits,
    token_logprobs,
)


@dataclass(frozen=True)
class Batch:
    """Attempts to learn from, and what a method has to know of them."""

    problems: Sequence[Problem]  # one an attempt
    trajectories: Sequence[Trajectory]
    feedback: Sequence[Feedback] = ()  # one an attempt, where the method reads feedback
    contexts: Sequence[list[int]] = ()  # the teacher's prompts, which hold the feedback
    advantages: Tensor | None = None  # (attempts,)
    old_logprobs: Tensor | None = None  # (action tokens,) of a part, before the first update
    whole: Batch | None = None  # the batch of which this is a part

    def part(self, rows: slice) -> Batch:
        """Some attempts of the batch. The losses of all parts add up to the loss of the batch."""
        fields = ("problems", "trajectories", "feedback", "contexts")
        cut = {name: getattr(self, name)[rows] for name in fields}
        advantages = None if self.advantages is None else self.advantages[rows]
        return replace(self, advantages=advantages, whole=self.whole or self, **cut)

    def split(self, size: int) -> list[Batch]:
        """Parts of `size` attempts."""
        return [self.part(slice(i, i + size)) for i in range(0, len(self.trajectories), size)]

    @property
    def sequences(self) -> list[Sequence[int]]:
        return [trajectory.token_ids for trajectory in self.trajectories]

    @property
    def masks(self) -> list[Sequence[int]]:
        return [trajectory.action_mask for trajectory in self.trajectories]

    @cached_property
    def tokens(self) -> int:
        """Action tokens of the whole batch."""
        return self.whole.tokens if self.whole else sum(map(sum, self.masks))

    @property
    def taken(self) -> Tensor:
        """(N,) the ids of the action tokens."""
        return action_values(self.sequences, self.masks)

    @property
    def sampler_logprobs(self) -> Tensor:
        """(N,) the sampler's log-probs of the action tokens."""
        return action_values([trajectory.logprobs for trajectory in self.trajectories], self.masks)

    def behind_feedback(self) -> tuple[list[list[int]], list[list[int]]]:
        """Sequences and masks for the teacher: the same response tokens behind its own prompts."""
        sequences, masks = [], []
        for trajectory, context in zip(self.trajectories, self.contexts, strict=True):
            start = trajectory.prompt_length
            sequences.append([*context, *trajectory.token_ids[start:]])
            masks.append([*[0] * len(context), *trajectory.action_mask[start:]])
        return sequences, masks


class Recipe(Protocol):
    """A method's section of a profile has at least these settings."""

    prompts: int
    samples: int  # attempts at each
    learning_rate: float


class Method:
    """What the trainer asks of a method. `loss` is all that a new one has to define."""

    updates = 1  # optimizer steps on a batch

    def __init__(self, settings: Recipe, *, autocast: bool = False, mismatch: bool = False):
        """`mismatch`: measure how far the sampler's log-probs are from the trainer's."""
        self.settings, self.autocast, self.mismatch = settings, autocast, mismatch

    def prepare(self, student: torch.nn.Module, batch: Batch) -> tuple[Batch, dict]:
        """Once a step, on the whole batch: the batch with what `loss` needs, and metrics."""
        return batch, {}

    def loss(self, student: torch.nn.Module, batch: Batch) -> tuple[Tensor, dict]:
        """The part's share of the batch's loss, and its shares of metrics."""
        raise NotImplementedError

    def read_logprobs(self, model: torch.nn.Module, batch: Batch) -> TokenLogprobs:
        """Log-probs and entropies of the attempts' action tokens under a model."""
        logits = deferred_logits(model, batch.sequences, batch.masks, autocast=self.autocast)
        return token_logprobs(logits, batch.taken)


class FeedbackDistillation(Method):
    """Per-token KL from a teacher that has read feedback on the attempt (arXiv 2605.30861)."""

    def __init__(self, settings: DistillationSettings, teacher: torch.nn.Module, **how):
        super().__init__(settings, **how)
        check_divergence(settings.direction, settings.top_k)
        self.teacher = teacher

    def prepare(self, student: torch.nn.Module, batch: Batch) -> tuple[Batch, dict]:
        prompts = sum(trajectory.prompt_length for trajectory in batch.trajectories)
        count = len(batch.contexts)
        return batch, {"feedback_tokens": sum(map(len, batch.contexts)) / count - prompts / count}

    def loss(self, student: torch.nn.Module, batch: Batch) -> tuple[Tensor, dict]:
        settings, autocast = self.settings, self.autocast
        with torch.no_grad():
            teacher = deferred_logits(self.teacher, *batch.behind_feedback(), autocast=autocast)
            if settings.top_k is not None:
                teacher = teacher_target(teacher, top_k=settings.top_k)
                release(self.teacher)
        logits = deferred_logits(student, batch.sequences, batch.masks, autocast=autocast)
        how = {"direction": settings.direction, "beta": settings.beta}
        kl, entropies = token_kl(logits, teacher, **how)
        check_finite(kl, entropies)
        share = len(kl) / batch.tokens
        metrics = {
            "kl": kl.detach().mean().item() * share,
            "entropy": entropies.sum().item() / batch.tokens,
        }
        if self.mismatch or settings.importance_cap:
            with torch.no_grad():
                own, _ = token_logprobs(logits, batch.taken)
            sampled = batch.sampler_logprobs.to(own)
            metrics |= measure_mismatch(own, sampled, share)
            if settings.importance_cap:
                kl = kl * importance_weights(own, sampled, cap=settings.importance_cap)
        return kl.mean() * share, metrics


class GroupRelativePolicyOptimization(Method):
    """GRPO on the verifier's reward (arXiv 2402.03300); by its settings DAPO or Dr. GRPO.

    With several updates on a batch the old log-probs are the trainer's own before the first.
    """

    def __init__(
        self, settings: GRPOSettings, reference: torch.nn.Module, *, max_tokens: int, **how
    ):
        """`max_tokens`: the length that normalization `constant` divides by."""
        super().__init__(settings, **how)
        self.reference, self.updates = reference, settings.updates
        self.averaging = {"normalization": settings.normalization, "length": max_tokens}

    def prepare(self, student: torch.nn.Module, batch: Batch) -> tuple[Batch, dict]:
        rewards = [trajectory.reward for trajectory in batch.trajectories]
        names = list(dict.fromkeys(problem.id for problem in batch.problems))
        groups = [names.index(problem.id) for problem in batch.problems]
        advantages = group_advantages(rewards, groups, scale=self.settings.scale)
        metrics = {"zero_spread_groups": zero_spread_groups(rewards, groups), "groups": len(names)}
        return replace(batch, advantages=advantages), metrics

    @torch.no_grad()
    def keep_old_logprobs(self, student: torch.nn.Module, batch: Batch) -> Batch:
        """The part with the student's log-probs as they are now; needed where `updates` > 1."""
        return replace(batch, old_logprobs=self.read_logprobs(student, batch).logprobs)

    def loss(self, student: torch.nn.Module, batch: Batch) -> tuple[Tensor, dict]:
        settings, masks = self.settings, batch.masks
        logprobs, entropies = self.read_logprobs(student, batch)
        old = logprobs.detach() if batch.old_logprobs is None else batch.old_logprobs
        (new, mask), (before, _) = by_sequence(logprobs, masks), by_sequence(old, masks)
        advantages, sampled = batch.advantages.to(new.device), batch.sampler_logprobs.to(old)
        if settings.importance_cap:
            weights = importance_weights(old, sampled, cap=settings.importance_cap)
            advantages = advantages[:, None] * by_sequence(weights, masks)[0]
        clip = settings.clip_low, settings.clip_high
        loss = policy_loss(new, before, advantages, mask, clip=clip, **self.averaging)
        share = self._share(batch, len(logprobs))
        metrics = {
            "policy_loss": loss.item() * share,
            "entropy": entropies.sum().item() / batch.tokens,
        }
        if self.mismatch or settings.importance_cap:
            metrics |= measure_mismatch(old, sampled, len(logprobs) / batch.tokens)
        if self.updates > 1:
            fraction = clip_fraction(new, before, advantages, mask, clip=clip)
            metrics["clip_fraction"] = fraction * len(logprobs) / batch.tokens
        if settings.kl_coefficient:
            with torch.no_grad():
                theirs, _ = self.read_logprobs(self.reference, batch)
                release(self.reference)
            kl = reference_kl(new, by_sequence(theirs, masks)[0], mask, **self.averaging)
            loss = loss + settings.kl_coefficient * kl
            metrics["kl"] = kl.item() * share
        return loss * share, metrics

    def _share(self, batch: Batch, tokens: int) -> float:
        """The part's share in the batch's loss: of tokens, or of attempts."""
        if self.settings.normalization == "token":
            return tokens / batch.tokens
        return len(batch.trajectories) / len((batch.whole or batch).trajectories)


class RejectionSamplingFineTuning(Method):
    """Cross-entropy on the student's own verified attempts, the supervised baseline.

    RFT: arXiv 2308.01825; a step is one round of STaR, arXiv 2203.14465. The other attempts have
    weight 0, so that the entropy is measured on all, as in the other methods.
    """

    def prepare(self, student: torch.nn.Module, batch: Batch) -> tuple[Batch, dict]:
        return batch, {"kept": sum(one.verdict.verified for one in batch.trajectories)}

    def loss(self, student: torch.nn.Module, batch: Batch) -> tuple[Tensor, dict]:
        logprobs, entropies = self.read_logprobs(student, batch)
        verified = [
            [float(one.verdict.verified)] * len(one.token_ids) for one in batch.trajectories
        ]
        everything = (batch.whole or batch).trajectories
        kept = sum(sum(one.action_mask) for one in everything if one.verdict.verified)
        weights = action_values(verified, batch.masks).to(logprobs)
        metrics = {"entropy": entropies.sum().item() / batch.tokens}
        return -(weights * logprobs).sum() / max(1, kept), metrics


def measure_mismatch(logprobs: Tensor, sampled: Tensor, share: float) -> dict[str, float]:
    """A part's share of `logprob_mismatch`."""
    return {name: value * share for name, value in logprob_mismatch(logprobs, sampled).items()}


def check_finite(kl: Tensor, entropies: Tensor) -> None:
    """ValueError for divergences that are not finite, with whose logits are to blame."""
    bad = int((~torch.isfinite(kl)).sum())
    if bad:
        who = "teacher" if torch.isfinite(entropies).all() else "student"
        raise ValueError(f"the {who}'s logits are not finite on {bad} of {len(kl)} action tokens")
