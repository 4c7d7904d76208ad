"""The two methods as the trainer sees them: what to do with a batch of trajectories, and its loss.

A new method is a new class here and a formula in a file of its own; the trainer's loop does not change.
"""
from __future__ import annotations

from typing import Protocol, Sequence

import torch
from torch import Tensor

from fdcore.chat import Chat
from fdcore.distillation import EMATeacher, token_kl
from fdcore.feedback import Producer
from fdcore.grpo import group_advantages, policy_loss, reference_kl, zero_spread_groups
from fdcore.policy import action_logits, action_values, by_sequence, entropy, token_logprobs
from fdcore.profile import GRPO as GRPOSettings
from fdcore.profile import Distillation as DistillationSettings
from fdcore.records import Feedback, Problem, Trajectory


class Method(Protocol):
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

    def __init__(self, settings: DistillationSettings, model, chat: Chat, producer: Producer, *, autocast: bool):
        self.settings, self.chat, self.producer, self.autocast = settings, chat, producer, autocast
        self.teacher = EMATeacher(model, alpha=settings.ema_alpha, every=settings.ema_every)
        self.feedback: list[Feedback] = []

    def prepare(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> dict:
        self.feedback = self.producer.write(list(zip(problems, trajectories)))
        self.trajectories = trajectories
        self.contexts = [self.chat.prompt(problem, feedback.text) for problem, feedback in zip(problems, self.feedback)]
        self.tokens = sum(map(action_tokens, trajectories))
        return {"feedback_tokens": sum(map(len, self.contexts)) / len(self.contexts) - sum(t.prompt_length for t in trajectories) / len(trajectories)}

    def loss(self, model: torch.nn.Module, rows: range) -> tuple[Tensor, dict]:
        picked = [self.trajectories[i] for i in rows]
        student = action_logits(model, [t.token_ids for t in picked], [t.action_mask for t in picked], autocast=self.autocast)
        with torch.no_grad():
            teacher = action_logits(self.teacher.model, *self._with_feedback(rows), autocast=self.autocast)
        everywhere = torch.ones(1, len(student))
        settings = self.settings
        kl = token_kl(student[None], teacher[None], everywhere, direction=settings.direction, beta=settings.beta, top_k=settings.top_k)
        share = len(student) / self.tokens
        return kl * share, {"kl": kl.item() * share, "entropy": entropy(student.detach()).sum().item() / self.tokens}

    def _with_feedback(self, rows: range) -> tuple[list, list]:
        """The same response tokens behind the teacher's prompt: aligned by index within the response."""
        sequences, masks = [], []
        for i in rows:
            trajectory, context = self.trajectories[i], self.contexts[i]
            sequences.append([*context, *trajectory.token_ids[trajectory.prompt_length :]])
            masks.append([*[0] * len(context), *trajectory.action_mask[trajectory.prompt_length :]])
        return sequences, masks

    def after_step(self, model: torch.nn.Module, step: int) -> None:
        self.teacher.update(model, step)

    def state_dict(self) -> dict:
        return self.teacher.state_dict()

    def load_state_dict(self, state: dict) -> None:
        self.teacher.load_state_dict(state)


class GroupRelativePolicyOptimization:
    """GRPO on the verifier's binary reward (arXiv 2402.03300). One optimizer step a batch, so the ratio starts at 1."""

    def __init__(self, settings: GRPOSettings, reference, *, max_tokens: int, autocast: bool):
        self.settings, self.reference, self.autocast = settings, reference, autocast
        self.averaging = {"normalization": settings.normalization, "length": max_tokens}  # one length for all micro-batches

    def prepare(self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]) -> dict:
        ids: dict[str, int] = {}
        groups = [ids.setdefault(problem.id, len(ids)) for problem in problems]
        rewards = [t.reward for t in trajectories]
        self.advantages = group_advantages(rewards, groups, scale=self.settings.scale)
        self.trajectories = trajectories
        self.tokens = sum(map(action_tokens, trajectories))
        return {"zero_spread_groups": zero_spread_groups(rewards, groups), "groups": len(ids)}

    def loss(self, model: torch.nn.Module, rows: range) -> tuple[Tensor, dict]:
        picked, settings = [self.trajectories[i] for i in rows], self.settings
        sequences, masks = [t.token_ids for t in picked], [t.action_mask for t in picked]
        taken = action_values(sequences, masks)
        logits = action_logits(model, sequences, masks, autocast=self.autocast)
        flat = token_logprobs(logits, taken)
        logprobs, mask = by_sequence(flat, masks)
        share = len(flat) / self.tokens if settings.normalization == "token" else len(picked) / len(self.trajectories)
        loss = policy_loss(
            logprobs, logprobs.detach(), self.advantages[rows.start : rows.stop], mask,
            clip_low=settings.clip_low, clip_high=settings.clip_high, **self.averaging,
        )
        parts = {"policy_loss": loss.item() * share, "entropy": entropy(logits.detach()).sum().item() / self.tokens}
        if settings.kl_coefficient:
            with torch.no_grad():
                reference = token_logprobs(action_logits(self.reference, sequences, masks, autocast=self.autocast), taken)
            kl = reference_kl(logprobs, by_sequence(reference, masks)[0], mask, **self.averaging)
            loss, parts["kl"] = loss + settings.kl_coefficient * kl, kl.item() * share
        return loss * share, parts

    def after_step(self, model: torch.nn.Module, step: int) -> None:
        pass

    def state_dict(self) -> dict:
        return {"reference": self.reference.state_dict()}

    def load_state_dict(self, state: dict) -> None:
        self.reference.load_state_dict(state["reference"])
