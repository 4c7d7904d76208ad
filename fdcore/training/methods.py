"""The two methods as the trainer sees them: what to do with a batch of trajectories, and its loss.

A new method is a new class here and a formula in a file of its own; the trainer's loop does not change.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from fdcore.feedback.form import report
from fdcore.feedback.sources import Producer
from fdcore.profile import GRPO as GRPOSettings
from fdcore.profile import Distillation as DistillationSettings
from fdcore.records import Feedback, Problem, Trajectory
from fdcore.rollout.chat import Chat
from fdcore.training.checkpoint import load_own_weights, own_weights
from fdcore.training.clock import Clock
from fdcore.training.distillation import (
    Target,
    check_divergence,
    divergence,
    sampled_kl,
    teacher_target,
)
from fdcore.training.distributed import Processes
from fdcore.training.grpo import (
    clip_fraction,
    group_advantages,
    has_spread,
    overlong_punishment,
    policy_loss,
    reference_kl,
    zero_spread_groups,
)
from fdcore.training.importance import importance_weights, logprob_mismatch
from fdcore.training.logits import (
    ActionLogits,
    action_values,
    by_sequence,
    deferred_logits,
    entropy,
    token_logprobs,
)
from fdcore.training.teacher import EMATeacher


class Method(Protocol):
    updates: int  # optimizer steps on a batch
    trajectories: Sequence[Trajectory]  # what `prepare` left of the batch to learn from

    def prepare(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> dict:
        """Take in a batch; returns metrics of it."""

    def loss(self, model: torch.nn.Module, rows: range) -> tuple[Tensor, dict]:
        """The share of those rows in the batch's loss (the shares of all rows add up to it), and sums for metrics."""

    def after_step(self, model: torch.nn.Module, step: int) -> None: ...
    def state_dict(self) -> dict: ...
    def load_state_dict(self, state: dict) -> None: ...


def action_tokens(trajectory: Trajectory) -> int:
    return sum(trajectory.action_mask)


class FeedbackDistillation:
    """Per-token KL from an EMA teacher that has read feedback on the attempt (arXiv 2605.30861)."""

    updates = 1

    def __init__(
        self,
        settings: DistillationSettings,
        model,
        chat: Chat,
        producer: Producer,
        *,
        autocast: bool,
        mismatch: bool = False,
        processes: Processes = Processes(),
        clock: Clock | None = None,
    ):
        """`mismatch`: report how far the sampler's log-probs are from the trainer's, for samplers that are not the trainer's own model. On
        `clock` the producer's time is the phase "feedback", the teacher's is "teacher"."""
        if settings.direction != "sampled":
            check_divergence(
                settings.direction,
                settings.beta,
                settings.top_k,
                settings.tail,
                settings.clip,
                settings.temperature,
            )
        self.settings, self.chat, self.producer, self.autocast = settings, chat, producer, autocast
        self.mismatch, self.processes, self.clock = mismatch, processes, clock or Clock()
        self.teacher = EMATeacher(
            model,
            alpha=settings.ema_alpha,
            every=settings.ema_every,
            warmup=settings.ema_warmup,
            average_on="cpu" if settings.ema_on_cpu else None,
            shard=processes.shard,
        )
        self.feedback: list[Feedback] = []

    def prepare(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> dict:
        items = list(zip(problems, trajectories))
        with self.clock.phase("feedback"):
            self.feedback = self.processes.from_first(lambda: self.producer.write(items))
        self.trajectories = trajectories
        self.contexts = [
            self.chat.prompt(problem, feedback.text)
            for problem, feedback in zip(problems, self.feedback)
        ]
        self.tokens = sum(map(action_tokens, trajectories))
        tokens = sum(map(len, self.contexts)) / len(self.contexts) - sum(
            t.prompt_length for t in trajectories
        ) / len(trajectories)
        return {"feedback_tokens": tokens, **report(items, self.feedback)}

    def loss(self, model: torch.nn.Module, rows: range) -> tuple[Tensor, dict]:
        picked, settings = [self.trajectories[i] for i in rows], self.settings
        sequences, masks = [t.token_ids for t in picked], [t.action_mask for t in picked]
        student = deferred_logits(
            model, sequences, masks, autocast=self.autocast, temperature=settings.temperature
        )
        with torch.no_grad(), self.clock.phase("teacher"):
            teacher = deferred_logits(
                self.teacher.model,
                *self._with_feedback(rows),
                autocast=self.autocast,
                temperature=settings.temperature,
            )
        if student.vocabulary != teacher.vocabulary:
            raise ValueError(
                f"Feedback Distillation: the student's vocabulary has {student.vocabulary} tokens, the teacher's {teacher.vocabulary}; both must come from one tokenizer"
            )
        taken = action_values(sequences, masks).to(student.hidden.device)
        with self.clock.phase("teacher"):
            measure, cap = self._measure(teacher, taken), settings.importance_cap
        sampled = (
            action_values([t.logprobs for t in picked], masks).to(student.hidden.device)
            if self.mismatch or cap
            else None
        )

        def each(
            logits, part
        ):  # what is learned from, the divergence, the entropy, and where asked the log-probs at temperature 1
            values, entropies = measure(logits, part), entropy(logits.detach())
            if sampled is None:
                return values, values.detach(), entropies
            own = token_logprobs(logits.detach() * settings.temperature, taken[part])
            return (
                values * importance_weights(own, sampled[part], cap=cap) if cap else values,
                values.detach(),
                entropies,
                own,
            )

        mean, _, values, entropies, *own = student.mean(each)
        if not torch.isfinite(values).all():
            who = "student" if not torch.isfinite(entropies).all() else "teacher"
            raise ValueError(
                f"Feedback Distillation: the {who}'s logits are not finite on {int((~torch.isfinite(values)).sum())} of {len(values)} action tokens; stop before the weights are spoilt"
            )
        share = len(values) / self.tokens
        parts = {
            "kl": values.mean().item() * share,
            "entropy": entropies.sum().item() / self.tokens,
        }
        if own:
            parts |= {
                name: value * share for name, value in logprob_mismatch(own[0], sampled).items()
            }
        return mean * share, parts

    def _measure(self, teacher: ActionLogits, taken: Tensor) -> Callable[[Tensor, slice], Tensor]:
        """The function from a chunk of the student's logits to divergences. What it needs of the teacher, if small, is computed once, here."""
        settings = self.settings
        how = {"direction": settings.direction, "beta": settings.beta, "clip": settings.clip}
        with torch.no_grad():
            if settings.direction == "sampled":
                (theirs,) = teacher.map(lambda logits, part: (token_logprobs(logits, taken[part]),))
                return lambda logits, part: sampled_kl(
                    token_logprobs(logits, taken[part]), theirs[part]
                )
            if settings.top_k is not None:
                top = Target(
                    *teacher.map(
                        lambda logits, part: teacher_target(logits, settings.top_k, settings.tail)
                    )
                )
                return lambda logits, part: divergence(
                    logits, Target(top.log_p[part], top.indices[part]), **how
                )
        return lambda logits, part: divergence(logits, teacher_target(teacher[part]), **how)

    def _with_feedback(self, rows: range) -> tuple[list, list]:
        """The same response tokens behind the teacher's prompt: aligned by index within the response."""
        sequences, masks = [], []
        for i in rows:
            trajectory, context = self.trajectories[i], self.contexts[i]
            sequences.append([*context, *trajectory.token_ids[trajectory.prompt_length :]])
            masks.append([*[0] * len(context), *trajectory.action_mask[trajectory.prompt_length :]])
        return sequences, masks

    def after_step(self, model: torch.nn.Module, step: int) -> None:
        with self.clock.phase("teacher"):
            self.teacher.update(model, step)

    def state_dict(self) -> dict:
        return self.teacher.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self.teacher.load_state_dict(state)


class GroupRelativePolicyOptimization:
    """GRPO on the verifier's binary reward (arXiv 2402.03300), and by its settings DAPO and Dr. GRPO (see `fdcore.training.grpo`).

    The old log-probs are the trainer's own before the first of the batch's `updates`, and then frozen. Left out of the loss and its
    denominators, by setting: groups without spread, and attempts cut off at the token limit. A batch of which nothing is left goes
    through whole with advantages of 0.
    """

    def __init__(
        self,
        settings: GRPOSettings,
        reference,
        *,
        max_tokens: int,
        autocast: bool,
        mismatch: bool = False,
    ):
        """`mismatch`: as in `FeedbackDistillation`."""
        self.settings, self.reference, self.autocast, self.updates = (
            settings,
            reference,
            autocast,
            settings.updates,
        )
        self.max_tokens, self.mismatch = max_tokens, mismatch
        self.averaging = {
            "normalization": settings.normalization,
            "length": max_tokens,
        }  # one length for all micro-batches

    def prepare(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> dict:
        settings, ids = self.settings, {}
        groups = [ids.setdefault(problem.id, len(ids)) for problem in problems]
        rewards = torch.tensor([t.reward for t in trajectories])
        if settings.overlong_cache:
            rewards += overlong_punishment(
                [action_tokens(t) for t in trajectories],
                limit=self.max_tokens,
                cache=settings.overlong_cache,
            )
        advantages = group_advantages(rewards, groups, scale=settings.scale)
        found = {"zero_spread_groups": zero_spread_groups(rewards, groups), "groups": len(ids)}
        kept = (
            has_spread(rewards, groups)
            if settings.skip_zero_spread
            else torch.ones(len(rewards), dtype=torch.bool)
        )
        if settings.mask_overlong:
            cut = torch.tensor([t.stop_reason == "length" for t in trajectories])
            kept, found["overlong"] = kept & ~cut, int(cut.sum())
        if not kept.any():
            kept, advantages = torch.ones_like(kept), torch.zeros_like(advantages)
        self.trajectories, self.advantages = (
            [t for t, keep in zip(trajectories, kept) if keep],
            advantages[kept],
        )
        self.tokens = sum(map(action_tokens, self.trajectories))
        self.old: dict[int, Tensor] = {}
        return found

    def loss(self, model: torch.nn.Module, rows: range) -> tuple[Tensor, dict]:
        picked, settings = [self.trajectories[i] for i in rows], self.settings
        sequences, masks = [t.token_ids for t in picked], [t.action_mask for t in picked]
        student = deferred_logits(model, sequences, masks, autocast=self.autocast)
        taken = action_values(sequences, masks).to(student.hidden.device)
        flat, entropies = student.map(
            lambda logits, part: (token_logprobs(logits, taken[part]), entropy(logits.detach()))
        )
        old = self.old.setdefault(rows.start, flat.detach())
        (logprobs, mask), old_logprobs, advantages = (
            by_sequence(flat, masks),
            by_sequence(old, masks)[0],
            self.advantages[rows.start : rows.stop].to(flat.device),
        )
        share = (
            len(flat) / self.tokens
            if settings.normalization == "token"
            else len(picked) / len(self.trajectories)
        )
        clip, parts, weights = (
            {"clip_low": settings.clip_low, "clip_high": settings.clip_high},
            {},
            None,
        )
        if self.mismatch or settings.importance_cap:
            sampled = action_values([t.logprobs for t in picked], masks).to(old)
            parts = {
                name: value * len(flat) / self.tokens
                for name, value in logprob_mismatch(old, sampled).items()
            }
            if settings.importance_cap:
                weights = by_sequence(
                    importance_weights(old, sampled, cap=settings.importance_cap), masks
                )[0]
        loss = policy_loss(
            logprobs, old_logprobs, advantages, mask, **clip, **self.averaging, weights=weights
        )
        parts |= {
            "policy_loss": loss.item() * share,
            "entropy": entropies.sum().item() / self.tokens,
        }
        if self.updates > 1:
            parts["clip_fraction"] = (
                clip_fraction(logprobs, old_logprobs, advantages, mask, **clip)
                * len(flat)
                / self.tokens
            )
        if settings.kl_coefficient:
            with torch.no_grad():
                theirs = deferred_logits(self.reference, sequences, masks, autocast=self.autocast)
                (reference,) = theirs.map(
                    lambda logits, part: (token_logprobs(logits, taken[part]),)
                )
            kl = reference_kl(logprobs, by_sequence(reference, masks)[0], mask, **self.averaging)
            loss, parts["kl"] = loss + settings.kl_coefficient * kl, kl.item() * share
        return loss * share, parts

    def after_step(self, model: torch.nn.Module, step: int) -> None:
        pass

    def state_dict(self) -> dict:
        return {"reference": own_weights(self.reference)}

    def load_state_dict(self, state: dict) -> None:
        load_own_weights(self.reference, state["reference"], "GRPO: the saved reference")


class RejectionSamplingFineTuning:
    """Cross-entropy on the student's own verified attempts, the supervised baseline (RFT, arXiv 2308.01825; one round of STaR, arXiv 2203.14465, a step).

    The other attempts go through the model too, with weight 0, so that the entropy is measured on all, as in the other methods.
    """

    updates = 1

    def __init__(self, *, autocast: bool):
        self.autocast = autocast

    def prepare(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> dict:
        self.trajectories = trajectories
        self.tokens = sum(map(action_tokens, trajectories))
        self.kept = sum(action_tokens(t) for t in trajectories if t.verdict.verified)
        return {"kept": sum(t.verdict.verified for t in trajectories)}

    def loss(self, model: torch.nn.Module, rows: range) -> tuple[Tensor, dict]:
        picked = [self.trajectories[i] for i in rows]
        sequences, masks = [t.token_ids for t in picked], [t.action_mask for t in picked]
        student = deferred_logits(model, sequences, masks, autocast=self.autocast)
        taken = action_values(sequences, masks).to(student.hidden.device)
        logprobs, entropies = student.map(
            lambda logits, part: (token_logprobs(logits, taken[part]), entropy(logits.detach()))
        )
        verified = action_values(
            [[float(t.verdict.verified)] * len(t.token_ids) for t in picked], masks
        ).to(logprobs)
        return -(verified * logprobs).sum() / max(1, self.kept), {
            "entropy": entropies.sum().item() / self.tokens
        }

    def after_step(self, model: torch.nn.Module, step: int) -> None:
        pass

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        pass
