"""One training run on several processes, one a GPU (or a CPU, over gloo): who samples and learns what, and what all of them must know.

Every process goes through the same loop with the same problems and seeds. It samples and judges its own part of a batch, all parts are
handed to all, and it learns from every count-th micro-batch; the gradients are summed. So a step of N processes is the step of one, up
to the rounding of sums. Weights are whole on each (LoRA), or shared by FSDP2 (`shard`), and then a layer is gathered where it is used.
Process 0 alone writes files and asks for feedback.

Started by `launch`, with torch's own launcher. Left out on purpose: tensor parallelism, and several nodes.
"""

from __future__ import annotations

import datetime
import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist

from fdcore import REPOSITORY
from fdcore.training.faults import ERROR, HANGS, environment, left, limited, lost

T = TypeVar("T")
LONGEST = datetime.timedelta(
    hours=25
)  # that others wait for process 0's feedback: a batch of Claude's may take a day. `fdcore.training.faults.limited` finds what hangs


class Processes:
    """This process among its like. `Processes()` is one that is alone; `joined()` is one that `launch` has started."""

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | None = None):
        self.rank, self.count = rank, count
        self.device = device or torch.device("cpu")
        self._lines = None  # of `gather`: torch's process group, None for the one of all

    def aside(self) -> Processes:
        """The same, with lines of its own, so that what a second thread gathers never meets what the first sends. All processes must ask."""
        other = Processes(self.rank, self.count, self.device)
        other._lines = dist.new_group(backend="gloo") if self.count > 1 else None
        return other

    def part(self, items: Sequence[T]) -> Sequence[T]:
        """This process's share of a list, in order; `gather` joins the shares again."""
        return items[
            len(items) * self.rank // self.count : len(items) * (self.rank + 1) // self.count
        ]

    def gather(self, mine: Sequence[T]) -> list[T]:
        """All processes' items, by process. What can be pickled."""
        if self.count == 1:
            return list(mine)
        found: list = [None] * self.count
        dist.all_gather_object(found, list(mine), group=self._lines)
        return [item for part in found for item in part]

    def from_first(self, make: Callable[[], T]) -> T:
        """What process 0 makes, for all; an error of its making is raised in all."""
        if self.count == 1:
            return make()
        box: list = [None, None]
        if self.rank == 0:
            try:
                box[0] = make()
            except Exception as error:
                box[1] = error
        dist.broadcast_object_list(box, src=0)
        if box[1] is not None:
            raise box[1]
        return box[0]

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            dist.barrier()

    def sum_gradients(self, model: torch.nn.Module) -> None:
        """Each trained weight's gradient becomes the sum over processes. Under FSDP it is that already."""
        if self.count == 1 or is_sharded(model):
            return
        for weight in model.parameters():
            if weight.requires_grad:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                dist.all_reduce(weight.grad)

    def shards(self, model: torch.nn.Module) -> bool:
        """Whether the processes share the model's weights: not where only adapters are trained, whose base would be gathered for nothing."""
        return self.count > 1 and not any(hasattr(module, "lora_A") for module in model.modules())

    def shard(self, model: torch.nn.Module) -> torch.nn.Module:
        """The same model with each weight cut among the processes (FSDP2, arXiv 2304.11277), layer by layer, where it `shards` them."""
        if not self.shards(model):
            return model
        from torch.distributed.fsdp import fully_shard

        mesh = dist.device_mesh.init_device_mesh(self.device.type, (self.count,))
        layers = [
            module
            for module in model.modules()
            if type(module).__name__ in (model._no_split_modules or ())
        ]
        for module in (*layers, model):
            fully_shard(module, mesh=mesh)
            module.set_gradient_divide_factor(
                1.0
            )  # the sum: each loss is a share of the batch's already
            module.set_force_sum_reduction_for_comms(
                True
            )  # NCCL could multiply on the way, gloo cannot
        return model


def is_sharded(model: torch.nn.Module) -> bool:
    """Whether `Processes.shard` has cut this model's weights."""
    return hasattr(model, "reshard")


def joined(device: torch.device | None = None) -> Processes:
    """This process among those that `launch` has started with it, on the CPU or on a GPU of its own."""
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    device = (
        torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        if device and device.type == "cuda"
        else torch.device("cpu")
    )
    if not dist.is_initialized():
        if device.type == "cuda":
            torch.cuda.set_device(device)
        with limited(600, "meeting the other processes"):
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo", timeout=LONGEST
            )
    return Processes(rank, count, device)


def launch(count: int, arguments: Sequence[str]) -> None:
    """`python -m fdcore ARGUMENTS` in `count` processes on this machine. RuntimeError with the first failed process's line when one fails; all are ended then."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    name = uuid.uuid4().hex  # of the group
    config = LaunchConfig(
        1,
        1,
        count,
        run_id=name,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.2,
    )
    with tempfile.TemporaryDirectory(prefix="fdcore-") as folder:
        told = Path(folder) / "error"
        threads = os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // count)
        try:
            path = os.pathsep.join(
                [str(REPOSITORY), *filter(None, [os.environ.get("PYTHONPATH")])]
            )  # a notebook is somewhere else
            with environment(OMP_NUM_THREADS=str(threads), PYTHONPATH=path, **{ERROR: str(told)}):
                elastic_launch(config, sys.executable)("-m", "fdcore", *arguments)
        except ChildFailedError as error:
            raise RuntimeError(_reason(error.failures.values(), count, left(told))) from None


def _reason(failures: Iterable, count: int, told: str | None) -> str:
    """Of failed processes: a kill comes before what it made the others say, that before any other signal (the launcher's own is SIGTERM). But
    the launcher kills one that hangs when another has said so."""
    if told and HANGS in told:
        return told
    signals = {
        failure.local_rank: failure.signal_name() for failure in failures if failure.exitcode < 0
    }
    killed = [rank for rank, signal in signals.items() if signal == "SIGKILL"] or (
        [] if told else [rank for rank, signal in signals.items() if signal != "SIGTERM"]
    )
    return (
        lost(killed[0], count, signals[killed[0]])
        if killed
        else told or f"one of {count} processes failed; what it printed says more"
    )
