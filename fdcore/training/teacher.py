"""The EMA teacher: an exponential moving average of the student's weights, full or only of what is trained (LoRA).

Left out on purpose: what the teacher reads and how the student follows it (`fdcore.training.distillation`, `fdcore.training.methods`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from fdcore.training.checkpoint import check_weights, placed
from fdcore.training.distributed import is_sharded


def shared_copy(model: torch.nn.Module) -> torch.nn.Module:
    """A copy of the model with weights of its own where they are trained; frozen ones are the same tensors in both.

    For a `peft` model this is a second set of adapters on one base, with no switching between them. A model whose weights all
    need a gradient is copied whole. In eval mode, without gradient.
    """
    frozen = {
        id(parameter): parameter for parameter in model.parameters() if not parameter.requires_grad
    }
    return copy.deepcopy(model, frozen).eval().requires_grad_(False)


class EMATeacher:
    """The teacher's weights: μ ← α μ + (1 − α) θ at every `every`-th optimizer step (arXiv 2605.30861, section 3; α = 0.9, every 5).

    α is the share that is *kept*: α = 1 is a frozen teacher, α = 0 copies the student. (Other code names the other share: test yours.)
    The average is accumulated in float32 even where the model is bfloat16, whose 8 bits would swallow small steps, and then rounded
    into `model`. Buffers follow the student. `model` is in eval mode and needs no gradient. Weights that are frozen in the student
    (the base under LoRA adapters) are shared with it: neither copied, averaged nor saved. `shard` cuts the teacher among processes
    (`fdcore.training.distributed`); the student, whole when it is given here, is to be cut in the same way before the first update.

    With `warmup` the n-th move keeps min(α, n / (n + 9)) only, so that an average over few moves is not held by where it began
    (TensorFlow's ExponentialMovingAverage with num_updates): 0.1, 0.18, 0.25, ... up to α.

    `average_on`: the device of the float32 averages of half-precision weights, by default that of the weights. On the CPU they cost a
    GPU nothing, and a copy over the bus at every move. A teacher that is cut among processes keeps them where its parts are.

    >>> student = torch.nn.Linear(1, 1, bias=False)
    >>> _ = torch.nn.init.constant_(student.weight, 0.0)
    >>> teacher = EMATeacher(student, alpha=0.9, every=5)
    >>> _ = torch.nn.init.constant_(student.weight, 1.0)
    >>> teacher.update(student, step=4), teacher.update(student, step=5)
    (False, True)
    >>> round(teacher.model.weight.item(), 4)  # 0.9 · 0 + 0.1 · 1
    0.1
    """

    def __init__(
        self,
        student: torch.nn.Module,
        *,
        alpha: float = 0.9,
        every: int = 5,
        warmup: bool = False,
        average_on: str | None = None,
        shard: Callable[[torch.nn.Module], torch.nn.Module] = lambda model: model,
    ):
        if not 0 <= alpha <= 1:
            raise ValueError(
                f"EMATeacher: alpha is the share of the teacher that is kept and must lie in [0, 1], got {alpha}"
            )
        if every < 1:
            raise ValueError(f"EMATeacher: every must be at least 1 step, got {every}")
        self.alpha, self.every, self.warmup = alpha, every, warmup
        self.model = shard(shared_copy(student))
        mine = dict(self.model.named_parameters())
        self._weights = {name: mine[name].data for name in trained(student)}
        if average_on and is_sharded(self.model):
            raise ValueError(
                f"EMATeacher: averages on {average_on} need a teacher that is whole in one process; this one is cut among several"
            )
        self._average = {
            name: weight
            if weight.dtype in (torch.float32, torch.float64)
            else weight.to(average_on or weight.device, torch.float32)
            for name, weight in self._weights.items()
        }

    @torch.no_grad()
    def update(self, student: torch.nn.Module, step: int) -> bool:
        """Call after optimizer step `step` (the first is 1). True when this was a step at which the teacher moved."""
        if step < 1 or step % self.every:
            return False
        weights = trained(student)
        check_weights(self._average, weights, "EMATeacher: the student")
        move = step // self.every
        kept = min(self.alpha, move / (move + 9)) if self.warmup else self.alpha
        for name, weight in self._weights.items():
            average = self._average[name]
            average.lerp_(weights[name].to(average), 1 - kept)
            if average.data_ptr() != weight.data_ptr():
                weight.copy_(average)
        for mine, theirs in zip(self.model.buffers(), student.buffers()):
            mine.copy_(theirs)
        if is_sharded(
            self.model
        ):  # FSDP keeps what it has gathered of the outermost module until a backward pass, and here comes none
            self.model.reshard()
        return True

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by parameter name, at the precision at which they are accumulated: fit for safetensors."""
        return {name: average.clone() for name, average in self._average.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore what `state_dict` gave. ValueError when the state is another model's; the teacher is then untouched."""
        check_weights(self._average, state, "EMATeacher: the saved teacher")
        for name, weight in self._weights.items():
            self._average[name].copy_(placed(state[name], self._average[name]))
            weight.copy_(self._average[name])


def trained(model: torch.nn.Module) -> dict[str, Tensor]:
    """The weights that are trained, by name."""
    return {
        name: parameter.data
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
