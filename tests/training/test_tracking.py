"""Trackers get a copy of every metrics row, also over an interruption. Each needs its own package; without it, its test is skipped."""

import doctest
import functools
import json
import struct
import sys
import time

import pytest

from fdcore.training import tracking
from fdcore.training.tracking import numbers, tracked
from tests.smallrun import Small

NAMES = ["trackio", "wandb", "tensorboard"]


def test_the_docstring_example_holds():
    assert doctest.testmod(tracking).failed == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_tracker_that_is_not_installed_is_refused_with_the_way_out(tmp_path, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    with (
        pytest.raises(ValueError, match=f"pip install {name}`, or leave the tracker out"),
        tracked(name, 0, project="p", run="r", folder=tmp_path),
    ):
        pass


def seen_by_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {
        (name, event.step): event.value
        for name in events.Tags()["scalars"]
        for event in events.Scalars(name)
    }


def seen_by_trackio(folder):
    from trackio.sqlite_storage import SQLiteStorage

    return {
        (name, row["step"]): value
        for row in SQLiteStorage.get_logs("p", "r")
        for name, value in row.items()
    }


def seen_by_wandb(folder):
    from wandb.proto import wandb_internal_pb2

    found = {}
    for path in sorted(folder.glob("wandb/*/*.wandb")):
        for data in log_records(path.read_bytes()):
            history = wandb_internal_pb2.Record.FromString(data).history
            for item in history.item:
                found["/".join(item.nested_key) or item.key, history.step.num] = json.loads(
                    item.value_json
                )
    return found


def log_records(data: bytes):
    """What a file in LevelDB's log format holds: blocks of 32 kB of parts, each with 7 bytes before it (checksum, length, kind). W&B's own first 7 bytes are skipped."""
    place, begun = 7, b""
    while place + 7 <= len(data):
        if (left := -place % 32768) and left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        begun += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield begun
            begun = b""


@pytest.mark.parametrize("name", NAMES)
def test_every_row_arrives_also_over_an_interruption(tmp_path, name, monkeypatch):
    pytest.importorskip(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    track = functools.partial(tracked, name, project="p", run="r", folder=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        Small(tmp_path, "grpo", fail_at=4).train(5, track=track)  # the checkpoint is step 2's
    rows = Small(tmp_path, "grpo").train(5, track=track)
    look = {"trackio": seen_by_trackio, "wandb": seen_by_wandb, "tensorboard": seen_by_tensorboard}[
        name
    ]
    until = time.monotonic() + 20  # W&B writes in a process of its own
    while ("loss", 5) not in (seen := look(tmp_path)) and time.monotonic() < until:
        time.sleep(0.2)
    for row in rows:
        for key, value in numbers(row).items():
            assert seen[key, row["step"]] == pytest.approx(value, rel=1e-6), (key, row["step"])
        assert seen["seconds/train", row["step"]] > 0


def test_a_run_without_a_tracker_imports_none(tmp_path):
    before = set(sys.modules)
    Small(tmp_path, "grpo").train(1)
    assert not {"trackio", "wandb", "tensorboard"} & (set(sys.modules) - before)
