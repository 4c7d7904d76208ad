"""Asynchronous sampling: while the trainer learns from one batch, the next is sampled with the weights of the step before.

So a batch's weights are at most one step old (`training.staleness: 1`), which keeps sampler and trainer busy at once where each has
hardware of its own; more would not keep them busier. What is learnt from such a batch is weighted by `fdcore.training.importance`. A step that
saves a checkpoint begins no batch: the one after it is sampled with its weights, so that a run which goes on from there is the same run.
Left out on purpose: parts of batches, and weights that change within an attempt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from fdcore.records import Problem, Trajectory


class Rollouts:
    """`Rollouts(push, roll)`: a call pushes the policy's weights to the sampler and rolls out. `begin` returns at once, with what waits for the result."""

    def __init__(self, push: Callable[[], None], roll: Callable[..., list[Trajectory]]):
        self.push, self.roll = push, roll
        self._thread: ThreadPoolExecutor | None = None

    def __call__(
        self,
        problems: list[Problem],
        seeds: list[int],
        step: int = 0,
        prompts: Sequence[Sequence[int]] | None = None,
    ) -> list[Trajectory]:
        self.push()
        return self.roll(problems, seeds, step, prompts)

    def begin(
        self, problems: list[Problem], seeds: list[int], step: int
    ) -> Callable[[], list[Trajectory]]:
        """The weights are pushed before this returns, so that the policy may change at once. One batch at a time: wait before the next call."""
        self.push()
        self._thread = self._thread or ThreadPoolExecutor(1, thread_name_prefix="rollouts")
        return self._thread.submit(self.roll, problems, seeds, step, None).result
