"""Parts of a batch side by side on a CPU: a model of a million parameters is served better by two threads with one core each than by
one with two, as long as the threads stay (`python -m tests.benchmarks.parallel` prints the ratio).

Left out on purpose: several processes and devices (`fdcore.training.distributed`).
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor

from fdcore.model import is_sharded

T = TypeVar("T")
_here = threading.local()


def side_by_side(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """The tasks' results in order. As many run at once, on one core each, as torch would use cores for one."""
    cores = torch.get_num_threads()
    if min(cores, len(tasks)) <= 1:
        return [task() for task in tasks]

    torch.set_num_threads(1)  # torch keeps one number for all threads
    try:
        return list(_threads(cores).map(lambda task: task(), tasks))
    finally:
        torch.set_num_threads(cores)


@functools.cache
def _threads(cores: int) -> ThreadPoolExecutor:
    """Threads that stay: new ones for each call would begin with cold memory, which costs more than one core each gains."""

    def begin():
        torch.set_num_threads(1)
        _here.threads = cores

    return ThreadPoolExecutor(cores, initializer=begin)


def beside() -> int:
    """How many threads share the time with this one, itself counted: those of `side_by_side`; 1 outside of them."""
    return getattr(_here, "threads", 1)


def accumulate(
    model: torch.nn.Module, parts: Sequence[Callable[[], tuple[Tensor, T]]]
) -> list[tuple[float, T]]:
    """Add the gradients of the parts' losses to `.grad`; returns (loss, what else the part gave), part by part.

    Each part is a function that gives (loss, anything) and must not depend on another. The sums are made in the parts' order, so that
    the result does not depend on which ends first. On a device other than the CPU the parts run one after the other.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def on_its_own(part):
        loss, rest = part()
        return loss.item(), rest, torch.autograd.grad(loss, parameters, allow_unused=True)

    def in_turn(part):
        loss, rest = part()
        loss.backward(inputs=parameters)
        return loss.item(), rest

    def over_processes(part):  # FSDP's hooks hand each weight its gradient
        loss, rest = part()
        loss.backward()
        return loss.item(), rest

    if is_sharded(model):
        return [over_processes(part) for part in parts]
    if min(torch.get_num_threads(), len(parts)) == 1 or parameters[0].device.type != "cpu":
        return [in_turn(part) for part in parts]
    done, cores = [], torch.get_num_threads()
    for first in range(
        0, len(parts), cores
    ):  # no more gradients in memory than parts that run at once
        for loss, rest, gradients in side_by_side(
            [functools.partial(on_its_own, part) for part in parts[first : first + cores]]
        ):
            for parameter, gradient in zip(parameters, gradients):
                if gradient is not None:
                    parameter.grad = (
                        gradient if parameter.grad is None else parameter.grad.add_(gradient)
                    )
            done.append((loss, rest))
    return done
