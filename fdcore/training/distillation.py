"""Feedback Distillation's loss: how far the student is from the teacher at each action token.

The teacher π_μ(· | x, feedback, y_<t) is matched by the student π_θ(· | x, y_<t) on every token of
the student's own trajectory y (arXiv 2605.30861, section 3): forward KL, trained as the
cross-entropy on the teacher's K = 25 likeliest tokens.

A new divergence is one function with `@divergence`; its name is a value of
`distillation.direction` in a profile. Left out on purpose: prompts, forward passes, the teacher's
weights and the optimizer. Nothing here knows where the logits came from.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from fdcore.training.chunks import in_chunks
from fdcore.training.logits import entropy, widen

Divergence = Callable[[Tensor, Tensor, float], Tensor]
DIVERGENCES: dict[str, Divergence] = {}


class Target(NamedTuple):
    """The teacher's side of the divergence. No gradient flows into it."""

    log_p: Tensor  # (N, V) log-probs, or (N, K) of its likeliest tokens
    indices: Tensor | None  # (N, K): those tokens; None: the whole vocabulary


class TokenKL(NamedTuple):
    kl: Tensor  # (N,) divergences in nats
    entropy: Tensor  # (N,) the student's entropies in nats, without gradient


@in_chunks
def token_kl(
    student: Tensor,
    teacher: Tensor | Target,
    *,
    direction: str = "forward",
    top_k: int | None = None,
    beta: float = 0.5,
) -> TokenKL:
    """Divergence between teacher and student at each of N action tokens, and the student's entropy.

    Args:
        student: (N, V) logits, or `ActionLogits`: row n predicts action token n.
        teacher: the same of the teacher, who has read the feedback; or its `teacher_target`.
        direction: one of `DIVERGENCES`.
        top_k: compare the K tokens that the teacher finds likeliest (the paper: 25); None: all.
        beta: the teacher's weight in the mixture of `jsd`.

    On the top K alone the value is Σ_{a ∈ topK(p)} p(a) (log p(a) − log q(a)), with the gradient of
    the paper's cross-entropy −Σ_{a ∈ topK(p)} p(a) log q(a). It is 0 where the two agree, and
    negative where the student puts more mass on these tokens than the teacher does.

    One token, three words: the teacher is sure, the student is even.

    >>> teacher = torch.tensor([[0.0, -1e9, -1e9]])
    >>> token_kl(torch.zeros(1, 3), teacher).kl  # log 3
    tensor([1.0986])
    >>> token_kl(torch.zeros(1, 3), teacher, direction="jsd").kl
    tensor([0.3183])
    """
    student = widen(student)
    target = teacher if isinstance(teacher, Target) else _target(teacher, top_k)
    if target.indices is None:
        log_q = student.log_softmax(-1)
    else:  # without (N, V) log-probs
        log_q = student.gather(-1, target.indices) - student.logsumexp(-1, keepdim=True)
    return TokenKL(DIVERGENCES[direction](target.log_p, log_q, beta), entropy(student.detach()))


def divergence(function: Divergence) -> Divergence:
    """Registers (log_p, log_q, beta) -> (N,): log_p the teacher's, log_q the student's, (N, K)."""
    DIVERGENCES[function.__name__] = function
    return function


@divergence
def forward(log_p: Tensor, log_q: Tensor, beta: float) -> Tensor:
    """KL(p ‖ q) = Σ_a p(a) (log p(a) − log q(a)): arXiv 2605.30861; GKD, 2306.13649, section 2."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


@divergence
def reverse(log_p: Tensor, log_q: Tensor, beta: float) -> Tensor:
    """KL(q ‖ p): MiniLLM, arXiv 2306.08543, eq. 1."""
    return (log_q.exp() * (log_q - log_p)).sum(-1)


@divergence
def jsd(log_p: Tensor, log_q: Tensor, beta: float) -> Tensor:
    """β KL(p ‖ m) + (1 − β) KL(q ‖ m) with m = β p + (1 − β) q: GKD, arXiv 2306.13649, eq. 1."""
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
    from_teacher, from_student = log_p.exp() * (log_p - log_m), log_q.exp() * (log_q - log_m)
    return (beta * from_teacher + (1 - beta) * from_student).sum(-1)


@torch.no_grad()
def _target(logits: Tensor, top_k: int | None) -> Target:
    logits = widen(logits)
    if top_k is None:
        return Target(logits.log_softmax(-1), None)
    top = logits.topk(min(top_k, logits.shape[-1]), dim=-1)
    return Target(top.values - logits.logsumexp(-1, keepdim=True), top.indices)


@in_chunks
def teacher_target(logits: Tensor, *, top_k: int) -> Target:
    """The K tokens that the teacher finds likeliest, from its (N, V) logits.

    They are not renormalised: they keep the normaliser of the whole vocabulary.

    >>> logits = torch.log(torch.tensor([[0.5, 0.125, 0.375]]))
    >>> teacher_target(logits, top_k=2).log_p.exp()
    tensor([[0.5000, 0.3750]])
    """
    return _target(logits, top_k)


def check_divergence(direction: str, top_k: int | None) -> None:
    """ValueError for settings that define no divergence."""
    if direction not in DIVERGENCES:
        raise ValueError(
            f"distillation.direction: there are {', '.join(DIVERGENCES)}, got {direction!r}"
        )
    if top_k is not None and direction != "forward":
        raise ValueError(
            f"distillation.top_k goes with the direction forward, got top_k {top_k}, {direction}"
        )
