"""Feedback Distillation's formulas: the per-token divergence between teacher and student, and the EMA teacher.

The loss of arXiv 2605.30861: the teacher π_μ(· | x, feedback, y_<t) is matched by the student π_θ(· | x, y_<t) on every token of the
student's own trajectory y, by forward KL, trained as the cross-entropy on the teacher's K = 25 likeliest tokens. Beside it: the full
vocabulary, reverse KL, and the generalized Jensen-Shannon divergence of GKD (arXiv 2306.13649, section 2).

Left out on purpose: prompts, forward passes and the optimizer. Nothing here knows where the logits came from.
"""
from __future__ import annotations

import copy
import math
from typing import Literal, Mapping

import torch
from torch import Tensor

Direction = Literal["forward", "reverse", "jsd"]


def token_kl(
    student_logits: Tensor, teacher_logits: Tensor, action_mask: Tensor, *, direction: Direction = "forward", beta: float = 0.5, top_k: int | None = None,
) -> Tensor:
    """Divergence between teacher and student, averaged over action tokens. A scalar in nats; no gradient reaches the teacher.

    student_logits, teacher_logits: (B, T, V), row t predicts token t; action_mask: (B, T), nonzero on the tokens that the student
    sampled. Any leading shape will do as long as the mask has it, so `policy.action_logits`' (N, V) with a mask of N ones fits too.
    With p = π_μ (teacher) and q = π_θ (student), for one token:

    - "forward":  KL(p ‖ q) = Σ_a p(a) (log p(a) − log q(a))
    - "reverse":  KL(q ‖ p)
    - "jsd":      β KL(p ‖ m) + (1 − β) KL(q ‖ m) with m = β p + (1 − β) q   (GKD, arXiv 2306.13649, eq. 1)

    `top_k` (forward only) is the paper's loss: the sum runs over the K tokens that the teacher finds likeliest, p and q are not
    renormalised (both keep the normaliser of the whole vocabulary), and there is no tail bucket:
    Σ_{a ∈ topK(p)} p(a) (log p(a) − log q(a)). Its gradient is that of the cross-entropy −Σ_{a ∈ topK(p)} p(a) log q(a), because the
    teacher's term is a constant; taking it off makes the value 0 where the student agrees, and KL itself at K = V. Where the student
    puts more mass on these tokens than the teacher does, the value can be negative, down to log of the teacher's mass on them.

    Logits are raised to float32 (float64 stays). ValueError: shapes or vocabularies differ, the mask is empty, a logit of an action
    token is not finite (others are never read), top_k < 1 or not forward, beta outside (0, 1).

    One token, three words: the teacher is sure, the student is even.

    >>> teacher = torch.tensor([[[0.0, -1e9, -1e9]]])
    >>> round(token_kl(torch.zeros(1, 1, 3), teacher, torch.ones(1, 1)).item(), 4)  # log 3
    1.0986
    >>> round(token_kl(torch.zeros(1, 1, 3), teacher, torch.ones(1, 1), direction="jsd").item(), 4)
    0.3183
    """
    _check_arguments(student_logits, teacher_logits, action_mask, direction, beta, top_k)
    chosen = action_mask.bool()
    student, teacher = _wide(student_logits[chosen]), _wide(teacher_logits.detach()[chosen])  # (N, V)
    if top_k is not None:
        value = _top_k_kl(student, teacher, top_k)
    else:
        log_q, log_p = student.log_softmax(-1), teacher.log_softmax(-1)
        if direction == "forward":
            value = (log_p.exp() * (log_p - log_q)).sum(-1)
        elif direction == "reverse":
            value = (log_q.exp() * (log_q - log_p)).sum(-1)
        else:
            log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log(1 - beta))
            value = beta * (log_p.exp() * (log_p - log_m)).sum(-1) + (1 - beta) * (log_q.exp() * (log_q - log_m)).sum(-1)
    mean = value.mean()
    if not torch.isfinite(mean):
        for name, logits in (("student", student), ("teacher", teacher)):
            bad = int((~torch.isfinite(logits)).any(-1).sum())
            if bad:
                raise ValueError(f"token_kl: the {name}'s logits are not finite on {bad} of {len(logits)} action tokens; stop before the weights are spoilt")
    return mean


def _top_k_kl(student: Tensor, teacher: Tensor, top_k: int) -> Tensor:
    """Σ over the teacher's K likeliest tokens, (N, V) -> (N,). Gathers before it normalises: no (N, V) log-probs of the student are kept."""
    top = teacher.topk(min(top_k, teacher.shape[-1]), dim=-1)
    log_p = top.values - teacher.logsumexp(-1, keepdim=True)
    log_q = student.gather(-1, top.indices) - student.logsumexp(-1, keepdim=True)
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def _wide(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()


def _check_arguments(student: Tensor, teacher: Tensor, mask: Tensor, direction: str, beta: float, top_k: int | None) -> None:
    if student.shape[-1] != teacher.shape[-1]:
        raise ValueError(f"token_kl: the student's vocabulary has {student.shape[-1]} tokens, the teacher's {teacher.shape[-1]}; both must come from one tokenizer")
    if student.shape != teacher.shape or student.shape[:-1] != mask.shape:
        raise ValueError(
            f"token_kl: logits must be (B, T, V) and the mask (B, T); got student {tuple(student.shape)}, teacher {tuple(teacher.shape)}, mask {tuple(mask.shape)}"
        )
    if not mask.any():
        raise ValueError("token_kl: the action mask is empty: no token of this batch was sampled by the student")
    if direction not in ("forward", "reverse", "jsd"):
        raise ValueError(f"token_kl: direction must be forward, reverse or jsd, got {direction!r}")
    if direction == "jsd" and not 0 < beta < 1:
        raise ValueError(f"token_kl: beta must lie between 0 and 1, got {beta}; at 0 and 1 the divergence is 0, take forward or reverse instead")
    if top_k is not None and (top_k < 1 or direction != "forward"):
        raise ValueError(f"token_kl: top_k must be at least 1 and is defined for direction='forward', got top_k={top_k}, direction={direction!r}")


class EMATeacher:
    """The teacher's weights: μ ← α μ + (1 − α) θ at every `every`-th optimizer step (arXiv 2605.30861, section 3; α = 0.9, every 5).

    α is the share that is *kept*: α = 1 is a frozen teacher, α = 0 copies the student. (Other code names the other share: test yours.)
    The average is accumulated in float32 even where the model is bfloat16, whose 8 bits would swallow small steps, and then rounded
    into `model`. Buffers follow the student. `model` is in eval mode and needs no gradient.

    >>> student = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(student.weight, 0.0)
    >>> teacher = EMATeacher(student, alpha=0.9, every=5)
    >>> _ = torch.nn.init.constant_(student.weight, 1.0)
    >>> teacher.update(student, step=4), teacher.update(student, step=5)
    (False, True)
    >>> round(teacher.model.weight.item(), 4)  # 0.9 · 0 + 0.1 · 1
    0.1
    """

    def __init__(self, student: torch.nn.Module, *, alpha: float = 0.9, every: int = 5):
        if not 0 <= alpha <= 1:
            raise ValueError(f"EMATeacher: alpha is the share of the teacher that is kept and must lie in [0, 1], got {alpha}")
        if every < 1:
            raise ValueError(f"EMATeacher: every must be at least 1 step, got {every}")
        self.alpha, self.every = alpha, every
        self.model = copy.deepcopy(student).eval().requires_grad_(False)
        self._average = {name: weight if weight.dtype in (torch.float32, torch.float64) else weight.float() for name, weight in self._weights(self.model)}

    @staticmethod
    def _weights(model: torch.nn.Module) -> list[tuple[str, Tensor]]:
        return [(name, parameter.data) for name, parameter in model.named_parameters()]

    @torch.no_grad()
    def update(self, student: torch.nn.Module, step: int) -> bool:
        """Call after optimizer step `step` (the first is 1). True when this was a step at which the teacher moved."""
        if step < 1 or step % self.every:
            return False
        weights = dict(self._weights(student))
        self._check(weights, "the student")
        for name, weight in self._weights(self.model):
            average = self._average[name]
            average.lerp_(weights[name].to(average), 1 - self.alpha)
            if average.data_ptr() != weight.data_ptr():
                weight.copy_(average)
        for mine, theirs in zip(self.model.buffers(), student.buffers()):
            mine.copy_(theirs)
        return True

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by parameter name, at the precision at which they are accumulated: fit for safetensors."""
        return {name: average.clone() for name, average in self._average.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` gave. ValueError when the state is another model's; the teacher is then untouched."""
        self._check(state, "the saved teacher")
        for name, weight in self._weights(self.model):
            self._average[name].copy_(state[name])
            weight.copy_(self._average[name])

    def _check(self, weights: Mapping[str, Tensor], whose: str) -> None:
        mine = {name: tuple(average.shape) for name, average in self._average.items()}
        other = {name: tuple(weight.shape) for name, weight in weights.items()}
        if mine != other:
            wrong = sorted(name for name in mine.keys() | other.keys() if mine.get(name) != other.get(name))
            raise ValueError(f"EMATeacher: {whose} is another model: {len(wrong)} weights differ in name or shape, first {wrong[0]} ({mine.get(wrong[0])} here, {other.get(wrong[0])} there)")
