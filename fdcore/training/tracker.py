"""A run's metrics in a tracker as well: trackio, Weights & Biases or TensorBoard.

`metrics.jsonl` stays the truth. A resumed run logs the steps since its checkpoint again, with the
same numbers. Accounts and servers: each tracker's own environment variables say where it writes.
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
    try:
        yield lambda row: tracker.log(flatten(row), step=row["step"])
    finally:
        tracker.finish()


def flatten(row: dict) -> dict[str, float]:
    """The numbers of a metrics row, without the step.

    >>> flatten({"step": 3, "arm": "fd", "test_accuracy": None, "verdicts": {"failed": 2}})
    {'verdicts/failed': 2}
    """
    pairs = {}
    for key, value in row.items():
        nested = value.items() if isinstance(value, dict) else ()
        pairs |= {key: value} | {f"{key}/{name}": number for name, number in nested}
    return {k: v for k, v in pairs.items() if isinstance(v, (int, float)) and k != "step"}
