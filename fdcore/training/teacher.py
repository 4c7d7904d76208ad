"""The EMA teacher: an exponential moving average of the student's weights, or of what is trained.

Left out on purpose: what the teacher reads, and how the student follows it
(`fdcore.training.methods`).
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.distributed.checkpoint.state_dict import set_model_state_dict

from fdcore.model import release
from fdcore.training.checkpoint import PARTIAL


def shared_copy(model: torch.nn.Module) -> torch.nn.Module:
    """A copy with weights of its own where they are trained; frozen ones are the same tensors.

    Of a `peft` model this is a second set of adapters on one base. In eval mode, without gradient.
    """
    frozen = {id(weight): weight for weight in model.parameters() if not weight.requires_grad}
    return copy.deepcopy(model, frozen).eval().requires_grad_(False)


class EMATeacher:
    """The teacher: μ ← α μ + (1 − α) θ at every `every`-th step (arXiv 2605.30861, section 3).

    α is the share that is *kept*: α = 1 is a frozen teacher, α = 0 copies the student. Weights that
    are frozen in the student (the base under adapters) are shared with it and not averaged. Those
    that are trained must be float32: 8 bits would swallow small steps.

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
        self.alpha, self.every = alpha, every
        self.model = shared_copy(student)
        self._names = trained_weights(student).keys()

    @torch.no_grad()
    def update(self, student: torch.nn.Module, step: int) -> bool:
        """Call after optimizer step `step` (the first is 1). True where the teacher moved."""
        if step < 1 or step % self.every:
            return False
        weights = trained_weights(student)
        for name, average in self.state_dict().items():
            average.lerp_(weights[name], 1 - self.alpha)
        for own, other in zip(self.model.buffers(), student.buffers(), strict=True):
            own.copy_(other)
        return True

    def state_dict(self) -> dict[str, Tensor]:
        """The averages themselves, by parameter name."""
        release(self.model)
        return {name: p.data for name, p in self.model.named_parameters() if name in self._names}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restores `state_dict`, of which each process takes its part."""
        set_model_state_dict(self.model, state, options=PARTIAL)


def trained_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """The weights that are trained, by name."""
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}
