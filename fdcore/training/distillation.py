"""Feedback Distillation's formulas: how far the student is from the teacher at each token of the student's own trajectory.

The loss of arXiv 2605.30861: the teacher π_μ(· | x, feedback, y_<t) is matched by the student π_θ(· | x, y_<t) on every token of the
student's own trajectory y, by forward KL, trained as the cross-entropy on the teacher's K = 25 likeliest tokens. Beside it: the full
vocabulary, reverse KL, the generalized Jensen-Shannon divergence of GKD (arXiv 2306.13649, section 2), a tail bucket for what lies
outside the top K (SDPO, arXiv 2601.20802), the cap on single vocabulary entries of OPSD (arXiv 2601.18734, section 3.2), and the
estimate from the sampled token alone.

Left out on purpose: prompts, forward passes, the teacher's weights and the optimizer. Nothing here knows where the logits came from.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

Direction = Literal["forward", "reverse", "jsd"]


class Target(NamedTuple):
    """The teacher's side of the divergence. No gradient flows into it."""

    log_p: Tensor  # (..., V) log-probs in nats; or (..., K) of its likeliest tokens; or (..., K + 1), the last for all other tokens
    indices: Tensor | None = None  # (..., K) those tokens; None: the whole vocabulary, in order


def token_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    action_mask: Tensor,
    *,
    direction: Direction = "forward",
    beta: float = 0.5,
    top_k: int | None = None,
    tail: bool = False,
    clip: float | None = None,
    temperature: float = 1.0,
) -> Tensor:
    """Divergence between teacher and student, averaged over action tokens. A scalar in nats; no gradient reaches the teacher.

    student_logits, teacher_logits: (B, T, V), row t predicts token t; action_mask: (B, T), nonzero on the tokens that the student
    sampled. Any leading shape will do as long as the mask has it. Both logits are divided by `temperature` first (as in GKD and TRL,
    without Hinton's factor T²). What is summed at a token, `direction`, `beta` and `clip`: see `divergence`; `top_k` and `tail`: see
    `teacher_target`.

    Logits are raised to float32 (float64 stays). ValueError: shapes or vocabularies differ, the mask is empty, a logit of an action
    token is not finite (others are never read), or a setting that `check_divergence` refuses.

    One token, three words: the teacher is sure, the student is even.

    >>> teacher = torch.tensor([[[0.0, -1e9, -1e9]]])
    >>> round(token_kl(torch.zeros(1, 1, 3), teacher, torch.ones(1, 1)).item(), 4)  # log 3
    1.0986
    >>> round(token_kl(torch.zeros(1, 1, 3), teacher, torch.ones(1, 1), direction="jsd").item(), 4)
    0.3183
    """
    check_divergence(direction, beta, top_k, tail, clip, temperature)
    _check_shapes(student_logits, teacher_logits, action_mask)
    chosen = action_mask.bool()
    student, teacher = (
        _wide(student_logits[chosen]) / temperature,
        _wide(teacher_logits.detach()[chosen]) / temperature,
    )  # (N, V)
    mean = divergence(
        student, teacher_target(teacher, top_k, tail), direction=direction, beta=beta, clip=clip
    ).mean()
    if not torch.isfinite(mean):
        for name, logits in (("student", student), ("teacher", teacher)):
            bad = int((~torch.isfinite(logits)).any(-1).sum())
            if bad:
                raise ValueError(
                    f"token_kl: the {name}'s logits are not finite on {bad} of {len(logits)} action tokens; stop before the weights are spoilt"
                )
    return mean


@torch.no_grad()
def teacher_target(logits: Tensor, top_k: int | None = None, tail: bool = False) -> Target:
    """What the student is to match, from the teacher's (..., V) logits.

    `top_k` is the paper's: the K tokens that the teacher finds likeliest, not renormalised (they keep the normaliser of the whole
    vocabulary). `tail` adds one outcome, "any other token", so that what is compared are distributions (SDPO, arXiv 2601.20802; TRL).

    >>> teacher_target(torch.log(torch.tensor([[0.5, 0.125, 0.375]])), top_k=1, tail=True).log_p.exp()
    tensor([[0.5000, 0.5000]])
    """
    if top_k is None:
        return Target(logits.log_softmax(-1))
    top = logits.topk(min(top_k, logits.shape[-1]), dim=-1)
    log_p = top.values - logits.logsumexp(-1, keepdim=True)
    if tail and top_k < logits.shape[-1]:
        log_p = torch.cat([log_p, _log_tail(logits, top.indices)], -1)
    return Target(log_p, top.indices)


def divergence(
    student: Tensor,
    target: Target,
    *,
    direction: Direction = "forward",
    beta: float = 0.5,
    clip: float | None = None,
) -> Tensor:
    """The divergence at each token: (..., V) student logits -> (...), in nats. With p = π_μ (teacher) and q = π_θ (student):

    - "forward":  KL(p ‖ q) = Σ_a p(a) (log p(a) − log q(a))   (arXiv 2605.30861; GKD, arXiv 2306.13649, section 2)
    - "reverse":  KL(q ‖ p)   (MiniLLM, arXiv 2306.08543, eq. 1)
    - "jsd":      β KL(p ‖ m) + (1 − β) KL(q ‖ m) with m = β p + (1 − β) q   (GKD, eq. 1)

    On a top-K target without a tail (forward only) this is the paper's loss, Σ_{a ∈ topK(p)} p(a) (log p(a) − log q(a)). Its gradient is
    that of the cross-entropy −Σ_{a ∈ topK(p)} p(a) log q(a), because the teacher's term is a constant; taking it off makes the value 0
    where the student agrees, and KL itself at K = V. Where the student puts more mass on these tokens than the teacher does, the
    value can be negative, down to log of the teacher's mass on them. With a tail it is the KL of the two distributions over K + 1
    outcomes: never negative, and at most the full KL.

    `clip` caps what a single vocabulary entry adds to the sum, min(·, clip); a capped entry gives no gradient (OPSD, arXiv 2601.18734,
    section 3.2: a few words of style would else drown the rest).
    """
    log_p, log_q = target.log_p, _student_log_probs(student, target)
    if direction == "forward":
        value = log_p.exp() * (log_p - log_q)
    elif direction == "reverse":
        value = log_q.exp() * (log_q - log_p)
    else:
        log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
        value = beta * (log_p.exp() * (log_p - log_m)) + (1 - beta) * (
            log_q.exp() * (log_q - log_m)
        )
    return (value if clip is None else value.clamp_max(clip)).sum(-1)


def sampled_kl(logprobs: Tensor, teacher_logprobs: Tensor) -> Tensor:
    """Reverse KL at each token from the sampled token y alone, for teachers whose logits do not fit or cannot be had: (...) -> (...).

    Log-probs of y in nats under student and teacher. The value is log q(y) − log p(y), unbiased for KL(q ‖ p) when y ~ q; the gradient is
    the policy gradient (log q(y) − log p(y)) ∇ log q(y), unbiased for ∇ KL(q ‖ p) at this token: REINFORCE (MiniLLM, arXiv 2306.08543,
    eq. 2) with −(log q − log p) as the advantage of y, as in "On-Policy Distillation" (Thinking Machines, 2025) and SDPO (arXiv
    2601.20802).

    >>> sampled_kl(torch.log(torch.tensor([0.5])), torch.log(torch.tensor([0.25])))  # log 2
    tensor([0.6931])
    """
    estimate = (logprobs - teacher_logprobs).detach()
    return estimate * (1 + logprobs - logprobs.detach())


def check_divergence(
    direction: str,
    beta: float,
    top_k: int | None,
    tail: bool,
    clip: float | None,
    temperature: float,
) -> None:
    """ValueError for settings that define no divergence."""
    if direction not in ("forward", "reverse", "jsd"):
        raise ValueError(f"token_kl: direction must be forward, reverse or jsd, got {direction!r}")
    if direction == "jsd" and not 0 < beta < 1:
        raise ValueError(
            f"token_kl: beta must lie between 0 and 1, got {beta}; at 0 and 1 the divergence is 0, take forward or reverse instead"
        )
    if top_k is not None and (top_k < 1 or direction != "forward" and not tail):
        raise ValueError(
            f"token_kl: top_k must be at least 1 and, without a tail, is defined for direction='forward'; got top_k={top_k}, direction={direction!r}"
        )
    if (clip is not None and clip <= 0) or temperature <= 0:
        raise ValueError(
            f"token_kl: clip and temperature must be positive, got clip={clip}, temperature={temperature}"
        )


def _student_log_probs(student: Tensor, target: Target) -> Tensor:
    """The student's log-probs of the target's outcomes. Gathers before it normalises: no (..., V) log-probs are kept for a top-K target."""
    if target.indices is None:
        return student.log_softmax(-1)
    log_q = student.gather(-1, target.indices) - student.logsumexp(-1, keepdim=True)
    if target.log_p.shape[-1] > target.indices.shape[-1]:
        log_q = torch.cat([log_q, _log_tail(student, target.indices)], -1)
    return log_q


def _log_tail(logits: Tensor, indices: Tensor) -> Tensor:
    """Log of the mass outside `indices`, (..., 1); from the other logits themselves, since 1 − Σ loses all digits when the top K hold nearly all."""
    return logits.scatter(-1, indices, -torch.inf).logsumexp(-1, keepdim=True) - logits.logsumexp(
        -1, keepdim=True
    )


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _check_shapes(student: Tensor, teacher: Tensor, mask: Tensor) -> None:
    if student.shape[-1] != teacher.shape[-1]:
        raise ValueError(
            f"token_kl: the student's vocabulary has {student.shape[-1]} tokens, the teacher's {teacher.shape[-1]}; both must come from one tokenizer"
        )
    if student.shape != teacher.shape or student.shape[:-1] != mask.shape:
        raise ValueError(
            f"token_kl: logits must be (B, T, V) and the mask (B, T); got student {tuple(student.shape)}, teacher {tuple(teacher.shape)}, mask {tuple(mask.shape)}"
        )
    if not mask.any():
        raise ValueError(
            "token_kl: the action mask is empty: no token of this batch was sampled by the student"
        )
