"""A run's metrics in a tracker as well: trackio, Weights & Biases or TensorBoard.

`metrics.jsonl` stays the truth: a resumed run logs the steps since its checkpoint again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def open_tracker(name: str | None, folder: Path, run: str) -> Iterator[Callable[[dict], None]]:
    """A function that logs a metrics row; None: nowhere. ImportError where it is not installed."""
    if name is None:
        yield lambda row: None
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    where = {"logging_dir": folder} if name == "tensorboard" else {}
    tracker = LOGGER_TYPE_TO_CLASS[name](run, **where)
    tracker.start()
    try:  # a step is the axis, and not a value
        yield lambda row: tracker.log({**row, "step": None}, step=row["step"])
    finally:
        tracker.finish()
