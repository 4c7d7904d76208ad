"""Two processes over gloo do what one does, with whole weights and with FSDP's parts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fdcore.training.distributed import Processes
from tests.smallrun import SPLITS, small_trainer, teacher_of, weights_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import json, sys
import torch
from pathlib import Path
from fdcore.training.distributed import join_processes, leave_processes
from tests.smallrun import SPLITS, small_trainer, teacher_of, weights_of
folder, method, kind, *goes = sys.argv[1:]
torch.set_num_threads(1)
processes = join_processes()
for steps in map(int, goes):
    settings = {name: name in kind for name in ("lora", "checkpointing")}
    trainer = small_trainer(Path(folder), method, processes=processes, **settings)
    trainer.train(steps, SPLITS)
state = {"weights": weights_of(trainer), "teacher": teacher_of(trainer)}
torch.save(state, Path(folder) / f"after-{processes.rank}.pt")
leave_processes()
"""


def together(folder: Path, method: str, kind: str, *goes: int, count: int = 2) -> list[dict]:
    """Train in `count` processes; returns what each has at the end."""
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={count}",
        str(script),
        str(folder),
        method,
        kind,
        *map(str, goes),
    ]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return [torch.load(folder / f"after-{rank}.pt", weights_only=True) for rank in range(count)]


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(
        same(one[k], other[k])
        if isinstance(one[k], dict)
        else torch.allclose(one[k], other[k], atol=2e-5)
        for k in one
    )


def rows(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "method, kind",
    [
        ("fd", "lora"),
        ("grpo", "lora"),
        ("fd", "fsdp"),
        ("grpo", "fsdp"),
        ("fd", "fsdp checkpointing"),
        ("grpo", "lora checkpointing"),
    ],
)
def test_two_processes_train_as_one_does_and_go_on_from_what_they_wrote(tmp_path, method, kind):
    alone = small_trainer(tmp_path / "one", method, lora="lora" in kind)
    alone.train(6, SPLITS)
    one = {"weights": weights_of(alone), "teacher": teacher_of(alone)}
    first, second = together(tmp_path / "two", method, kind, 4, 6)  # a second run goes on at step 4
    assert same(first, second) and same(first, one)
    for mine, theirs in zip(rows(tmp_path / "one"), rows(tmp_path / "two"), strict=True):
        assert mine.keys() == theirs.keys()
        for key, value in mine.items():
            assert theirs[key] == (
                pytest.approx(value, rel=1e-3, abs=1e-5) if isinstance(value, float) else value
            ), key
    lines = [
        (tmp_path / name / "trajectories.jsonl").read_text().splitlines() for name in ("one", "two")
    ]
    assert [json.loads(line)["token_ids"] for line in lines[0]] == [
        json.loads(line)["token_ids"] for line in lines[1]
    ]
    again = small_trainer(tmp_path / "two", method, lora="lora" in kind)  # from two to one
    assert len(again.train(7, SPLITS)) == 7
    alone.train(7, SPLITS)
    assert same(weights_of(again), weights_of(alone))


def test_parts_are_joined_again_in_order():
    for size in (0, 1, 5, 8):
        items = list(range(size))
        assert [x for rank in range(3) for x in Processes(rank, 3).part(items)] == items
    alone = Processes()
    assert (
        alone.gather([1, 2]) == [1, 2]
        and alone.from_first(3) == 3
        and not alone.shards(torch.nn.Linear(1, 1))
    )


LEAVE = """
import atexit, os
from fdcore.training.distributed import join_processes, leave_processes
class Late:
    def __del__(self, write=os.write):
        write(1, b"shut down")
late = Late()
atexit.register(print, "closed")
join_processes().wait()
leave_processes()
"""


def test_a_process_leaves_without_shutting_python_down_under_gloos_threads():
    alone = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-c", LEAVE],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), **alone},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "closed\n"), done.stderr
