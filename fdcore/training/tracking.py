"""A run's metrics in a tracker as well: trackio, Weights & Biases or TensorBoard, where the profile's `tracker` names one.

`metrics.jsonl` stays the truth, the tracker shows a copy. After an interruption a run goes on under its own name and logs the steps
since its checkpoint again, with the same numbers.

Left out on purpose: accounts, servers and folders. Each tracker's own environment variables say where it keeps what it gets.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

TrackerName = Literal["trackio", "wandb", "tensorboard"]
Log = Callable[[int, dict[str, float]], None]  # a step and its numbers


@contextlib.contextmanager
def tracked(
    name: TrackerName, start: int, *, project: str, run: str, folder: Path
) -> Iterator[Log]:
    """Opens the tracker for a run that goes on after step `start`, and closes it. ValueError where it is not installed."""
    try:
        log, close = {"trackio": _trackio, "wandb": _wandb, "tensorboard": _tensorboard}[name](
            project, run, folder, start
        )
    except ImportError as error:
        raise ValueError(
            f"tracker is {name}, but it cannot be imported ({error}); run `pip install {name}`, or leave the tracker out of the profile"
        ) from None
    try:
        yield log
    finally:
        close()


def numbers(row: dict) -> dict[str, float]:
    """What of a metrics row can be drawn.

    >>> numbers({"step": 3, "arm": "fd", "test_accuracy": None, "verdicts": {"failed": 2}})
    {'verdicts/failed': 2}
    """
    found = {}
    for name, value in row.items():
        if isinstance(value, dict):
            found |= {f"{name}/{key}": number for key, number in numbers(value).items()}
        elif (
            isinstance(value, (int, float)) and name != "step"
        ):  # the axis: trackers keep that name to themselves
            found[name] = value
    return found


def _tensorboard(
    project: str, run: str, folder: Path, start: int
) -> tuple[Log, Callable[[], None]]:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tensorboard"), purge_step=start + 1)

    def log(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(name, value, step)

    return log, writer.close


def _wandb(project: str, run: str, folder: Path, start: int) -> tuple[Log, Callable[[], None]]:
    import wandb

    name = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[
        :16
    ]  # the same for the same folder, so that it is found again
    opened = wandb.init(project=project, name=run, id=name, resume="allow", dir=str(folder))
    return lambda step, values: opened.log(values, step=step), opened.finish


def _trackio(project: str, run: str, folder: Path, start: int) -> tuple[Log, Callable[[], None]]:
    import trackio

    trackio.init(project=project, name=run, resume="allow")
    return lambda step, values: trackio.log(values, step=step), trackio.finish
