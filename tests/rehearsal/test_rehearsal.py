"""A paper profile with its own settings and readers, and stand-ins only at the edges."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fdcore.experiment.run import dump_profile
from fdcore.worlds.problems import load_problems
from tests.rehearsal.standins import FEEDBACK, make_model, shrink_profile, stand_in, write_rows

ROOT = Path(__file__).resolve().parents[2]


def test_the_stand_in_rows_are_read_and_drawn_as_published_ones(tmp_path):
    write_rows(tmp_path)
    with stand_in(tmp_path):
        problems = load_problems(shrink_profile("paper"), tmp_path / "problems")
    sizes = {split: len(rows) for split, rows in problems.items()}
    assert sizes == {"train": 24, "test": 8, "holdout": 4}
    assert json.loads((tmp_path / "problems/split.json").read_text())["seed"] == 0
    assert all(problem.proof for problem in problems["train"])


@pytest.fixture(scope="module")
def world(library, tmp_path_factory):
    """A folder with stand-ins, within which they stand in, and the small profile's file."""
    folder = tmp_path_factory.mktemp("rehearsal")
    profile = shrink_profile("paper")
    write_rows(folder)
    make_model(folder, profile)
    (folder / "paper.yaml").write_text(dump_profile(profile))
    with stand_in(folder):
        yield folder


def command(world: Path, arm: str) -> list[str]:
    program = (
        "import sys; from fdcore.experiment.run import Run;"
        "from fdcore.experiment.evaluate import evaluate;"
        "run = Run.create(sys.argv[1], 0, sys.argv[2]); run.session.train(sys.argv[3]);"
        "[evaluate(run.session, sys.argv[3], split) for split in ('test', 'holdout')]"
    )
    return [sys.executable, "-c", program, str(world / "paper.yaml"), str(world / "run"), arm]


def train(world: Path, arm: str, meanwhile=None) -> subprocess.CompletedProcess[str]:
    """Train and evaluate an arm in processes of their own; `meanwhile(process)` is called once."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(
        command(world, arm),
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        **pipes,
    )
    if meanwhile:
        meanwhile(psutil.Process(process.pid))
    out, errors = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, errors)


def wait_for(path: Path, process: psutil.Process) -> None:
    deadline = time.monotonic() + 300
    while not path.exists() and process.is_running() and time.monotonic() < deadline:
        time.sleep(0.1)


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.rehearsal
def test_two_processes_train_through_what_goes_wrong_and_end_where_one_that_had_luck_ends(world):
    fd = world / "run/arms/fd"

    (world / "hub").rename(world / "elsewhere")  # the hub is down and nothing is cached
    done = train(world, "fd")
    assert done.returncode and "Qwen/Qwen3.5-9B" in done.stderr.splitlines()[-1]
    (world / "elsewhere").rename(world / "hub")

    (world / "claude-is-down").touch()
    done = train(world, "fd")
    assert done.returncode and "Claude" in done.stderr
    assert not (fd / "metrics.jsonl").exists() or not rows(fd / "metrics.jsonl")
    (world / "claude-is-down").unlink()

    def kill_all(process: psutil.Process) -> None:
        wait_for(fd / "checkpoints/step-000001.pt", process)
        for child in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    assert train(world, "fd", kill_all).returncode < 0
    shutil.copytree(world / "run", world / "killed")
    done = train(world, "fd")
    assert done.returncode == 0, done.stderr[-3000:]
    assert [row["step"] for row in rows(fd / "metrics.jsonl")] == [1, 2, 3]
    feedback = rows(fd / "feedback.jsonl")
    assert len(feedback) == 24 and {row["text"] for row in feedback} == {FEEDBACK}
    assert {row["model"] for row in feedback} == {"claude-opus-4-6"}

    done = train(world, "over")
    assert done.returncode == 0, done.stderr[-3000:]
    for arm, steps in {"fd": 3, "over": 1}.items():
        assert len(rows(world / f"run/arms/{arm}/metrics.jsonl")) == steps
        sizes = [len(rows(world / f"run/arms/{arm}/eval_{s}.jsonl")) for s in ("test", "holdout")]
        assert sizes == [8, 4]
    assert (world / "run/base/commit").read_text() == "0" * 40
