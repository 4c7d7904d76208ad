"""One training run on several processes, one a GPU (or a CPU, over gloo).

Every process goes through the same loop with the same problems and seeds. It samples and judges its
own part of a batch, all parts go to all, and it learns from every count-th micro-batch; gradients
are summed. A step of N processes is the step of one, up to the rounding of sums. Weights are whole
on each process (adapters), or shared by FSDP2. Process 0 alone writes files and asks for feedback.

Left out on purpose: tensor parallelism, and several nodes.
"""

from __future__ import annotations

import atexit
import datetime
import os
import sys
import uuid
from collections.abc import Sequence
from typing import NoReturn, TypeVar

import torch
import torch.distributed as dist

from fdcore.model import is_sharded

T = TypeVar("T")
LONGEST = datetime.timedelta(hours=3)  # that others wait for process 0's feedback


class Processes:
    """This process among its like. `Processes()` is alone; `join_processes` finds the others."""

    def __init__(self, rank: int = 0, count: int = 1, device: torch.device | None = None):
        self.rank, self.count = rank, count
        self.device = device or torch.device("cpu")

    def part(self, items: Sequence[T]) -> Sequence[T]:
        """This process's share of a list, in order; `gather` joins the shares again."""
        first, last = (len(items) * rank // self.count for rank in (self.rank, self.rank + 1))
        return items[first:last]

    def gather(self, items: Sequence[T]) -> list[T]:
        """All processes' items, by process. They must be picklable."""
        if self.count == 1:
            return list(items)
        parts: list = [None] * self.count
        dist.all_gather_object(parts, list(items))
        return [item for part in parts for item in part]

    def from_first(self, value: T) -> T:
        """Process 0's value, in all processes."""
        box = [value]
        if self.count > 1:
            dist.broadcast_object_list(box, src=0)
        return box[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.count > 1:
            dist.barrier()

    def sum_gradients(self, model: torch.nn.Module) -> None:
        """Each trained weight's gradient becomes the sum over processes. FSDP has done so."""
        if self.count == 1 or is_sharded(model):
            return
        for weight in model.parameters():
            if weight.requires_grad:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                dist.all_reduce(weight.grad)

    def shards(self, model: torch.nn.Module) -> bool:
        """Whether the processes share the model's weights. They hold a base of adapters whole."""
        adapted = any(hasattr(module, "lora_A") for module in model.modules())
        return self.count > 1 and not adapted

    def shard(self, model: torch.nn.Module) -> torch.nn.Module:
        """The same model, its weights cut layer by layer (FSDP2, arXiv 2304.11277) if `shards`."""
        if not self.shards(model):
            return model
        from torch.distributed.fsdp import fully_shard

        mesh = dist.device_mesh.init_device_mesh(self.device.type, (self.count,))
        names = model._no_split_modules or ()
        layers = [module for module in model.modules() if type(module).__name__ in names]
        for module in (*layers, model):
            fully_shard(module, mesh=mesh)
            module.set_gradient_divide_factor(1.0)  # the sum: each loss is a share of the batch's
            module.set_force_sum_reduction_for_comms(True)  # gloo cannot multiply on the way
        return model


def join_processes(device: torch.device | None = None) -> Processes:
    """This process among those that `launch` has started, on the CPU or on a GPU of its own."""
    rank, count = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    on_gpu = device is not None and device.type == "cuda"
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if on_gpu:
        torch.cuda.set_device(device)
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // count))
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=LONGEST)
    return Processes(rank, count, device)


def leave_processes() -> NoReturn:
    """End this process, whose part is done, without shutting Python down.

    gloo's threads free tensors for a moment after a collective has returned, and take Python's lock
    for it. Before 3.14 a thread that waits for the lock of a Python that shuts down is ended where
    it stands, which aborts the process ("terminate called without an active exception").
    """
    if dist.is_initialized():  # vLLM's engine ends the group that it has joined
        dist.destroy_process_group()
    atexit._run_exitfuncs()  # ends Lean's processes
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def launch(count: int, arguments: Sequence[str]) -> None:
    """`python -m fdcore ARGUMENTS` in `count` processes on this machine.

    RuntimeError with the first failed process's reason; all others are ended then.
    """
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        1, 1, count, run_id=uuid.uuid4().hex, rdzv_backend="c10d", rdzv_endpoint="localhost:0"
    )
    config.max_restarts, config.monitor_interval = 0, 0.2
    try:
        elastic_launch(config, sys.executable)("-m", "fdcore", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        message = failure.message  # with torch's `record` in the child: what it raised
        reason = message["message"] if isinstance(message, dict) else message
        raise RuntimeError(f"process {rank} of {count}: {reason}") from None
