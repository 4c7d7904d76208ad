"""A run's metrics in a tracker as well: trackio, Weights & Biases or TensorBoard.

`metrics.jsonl` stays the truth: a resumed run logs the steps since its checkpoint again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from fdcore.profile import Profile


@contextlib.contextmanager
def open_tracker(
    profile: Profile, folder: Path, run: str, origin: dict
) -> Iterator[Callable[[dict], None]]:
    """A function that logs a metrics row; nowhere without `profile.tracker`.

    The run carries its settings and where the code is from; the profile's runs are a group.
    ImportError where the tracker is not installed.
    """
    name, settings = profile.tracker, profile.model_dump(mode="json") | {"origin": origin}
    if name is None:
        yield lambda row: None
        return
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    if name == "tensorboard":
        tracker = LOGGER_TYPE_TO_CLASS[name](run, logging_dir=folder)
        tracker.start()
        tracker.tracker.add_text("settings", yaml.safe_dump(settings))
    else:
        about = {"name": run, "group": profile.name, "config": settings}
        tracker = LOGGER_TYPE_TO_CLASS[name]("fdcore", **about)
        tracker.start()
    try:  # a step is the axis, and not a value
        yield lambda row: tracker.log({**row, "step": None}, step=row["step"])
    finally:
        tracker.finish()
