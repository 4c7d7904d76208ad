"""The EMA teacher: an exponential moving average of the student's weights, or of what is trained.

Left out on purpose: what the teacher reads, and how the student follows it
(`fdcore.training.methods`).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor

from fdcore.model import release
from fdcore.training.checkpoint import check_weights, copy_into


def shared_copy(model: torch.nn.Module) -> torch.nn.Module:
    """A copy with weights of its own where they are trained; frozen ones are the same tensors.

    Of a `peft` model this is a second set of adapters on one base. In eval mode, without gradient.
    """
    frozen = {id(weight): weight for weight in model.parameters() if not weight.requires_grad}
    return copy.deepcopy(model, frozen).eval().requires_grad_(False)


class EMATeacher:
    """The teacher: μ ← α μ + (1 − α) θ at every `every`-th step (arXiv 2605.30861, section 3).

    α is the share that is *kept*: α = 1 is a frozen teacher, α = 0 copies the student. Weights that
    are frozen in the student (the base under adapters) are shared with it and not averaged. Of
    half-precision weights the averages are float32: 8 bits would swallow small steps.

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
        self._wide: dict[str, Tensor] = {}  # float32 averages of half-precision weights

    @torch.no_grad()
    def update(self, student: torch.nn.Module, step: int) -> bool:
        """Call after optimizer step `step` (the first is 1). True where the teacher moved."""
        if step < 1 or step % self.every:
            return False
        weights, averages = trained_weights(student), self._averages()
        if weights.keys() != averages.keys():
            raise ValueError("the student trains other weights than the teacher averages")
        for name, average in averages.items():
            average.lerp_(weights[name].to(average), 1 - self.alpha)
        self._round(averages)
        for own, other in zip(self.model.buffers(), student.buffers(), strict=True):
            own.copy_(other)
        return True

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by parameter name, in the precision in which they are accumulated."""
        return {name: average.clone() for name, average in self._averages().items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restores `state_dict`. ValueError for another model's; the teacher is then untouched."""
        averages = self._averages()
        check_weights(averages, state, "the saved teacher")
        copy_into(averages, state)
        self._round(averages)

    def _averages(self) -> dict[str, Tensor]:
        release(self.model)
        weights = {name: p.data for name, p in self.model.named_parameters() if name in self._names}
        for name, weight in weights.items():
            if weight.dtype not in (torch.float32, torch.float64):
                self._wide.setdefault(name, weight.float())
        return weights | self._wide

    def _round(self, averages: Mapping[str, Tensor]) -> None:
        """The averages as the model's weights, where its precision is another."""
        weights = dict(self.model.named_parameters())
        for name in self._wide:
            weights[name].copy_(averages[name])


def trained_weights(model: torch.nn.Module) -> dict[str, Tensor]:
    """The weights that are trained, by name."""
    return {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}
