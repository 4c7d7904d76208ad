"""A file of a run is cut anywhere: the run ends the same, or one line names the file."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fdcore.experiment.plan import make_plan
from fdcore.experiment.publish import publish
from fdcore.experiment.run import Run
from fdcore.experiment.study import Study
from fdcore.profile import load_profile
from tests.smallrun import SPLITS, small_trainer, weights_of

STEPS = 5
TRAINED = ("metrics.jsonl", "timing.jsonl", "trajectories.jsonl", "feedback.jsonl")
CHECKPOINTS = ("checkpoints/step-000002.pt", "checkpoints/step-000004.pt")


@pytest.fixture(scope="module", params=["fd", "grpo"])
def killed(request, tmp_path_factory):
    """A training that was killed in its last step; and what it would have ended with."""
    folder = tmp_path_factory.mktemp("killed")
    trainer = small_trainer(folder / "whole", request.param)
    rows = trainer.train(STEPS, SPLITS)
    cut_short = small_trainer(folder / "killed", request.param)
    cut_short.fail_at = STEPS
    with pytest.raises(KeyboardInterrupt):
        cut_short.train(STEPS, SPLITS)
    return request.param, folder / "killed", rows, weights_of(trainer)


@settings(max_examples=6)
@given(name=st.sampled_from(TRAINED + CHECKPOINTS), share=st.floats(0, 1))
@example(name="metrics.jsonl", share=0.0)
@example(name="trajectories.jsonl", share=0.5)
@example(name=CHECKPOINTS[1], share=0.9)
def test_training_goes_on_from_what_is_whole(killed, tmp_path_factory, name, share):
    method, source, rows, weights = killed
    folder = Path(shutil.copytree(source, tmp_path_factory.mktemp("cut") / "run"))
    cut(folder / name, share)
    trainer = small_trainer(folder, method)
    assert trainer.train(STEPS, SPLITS) == rows
    assert all((weights_of(trainer)[name] == weight).all() for name, weight in weights.items())
    counts = [len((folder / name).read_bytes().splitlines()) for name in TRAINED]
    assert counts == [STEPS, STEPS, 4 * STEPS, 4 * STEPS if method == "fd" else 0]


def cut(path: Path, share: float) -> None:
    if path.exists():
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run with one row or more in each of its own files."""
    folder = tmp_path_factory.mktemp("made") / "run"
    run = Run.create("smoke", 0, folder)
    for arm in run.profile.arms[:3]:
        run.claim_arm(arm.name)
    rows = {
        "arms/fd/metrics.jsonl": {"step": 1, "note": "∀"},
        "arms/fd/timing.jsonl": {"step": 1, "seconds": {"sample": 2.0, "train": 1.0}},
        "arms/fd/eval_test.jsonl": {"problem_id": "p", "n": 1, "c": 0, "proofs": ["∃"]},
        "origins.jsonl": {"record": "arms/fd/metrics.jsonl", "origin": {"commit": "∀"}},
    }
    for name, row in rows.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{json.dumps(row, ensure_ascii=False)}\n" * 2, "utf-8")
    return folder


@settings(max_examples=40)
@given(number=st.integers(0, 8), share=st.floats(0, 1))
def test_a_run_is_read_or_one_line_names_the_file(made, tmp_path_factory, number, share):
    place = tmp_path_factory.mktemp("cut")
    folder = Path(shutil.copytree(made, place / "run"))
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[number % len(files)]
    cut(path, share)
    with one_line_that_names(path):
        make_plan(load_profile("smoke"), [folder])
    with one_line_that_names(path):
        Run.open(folder)
        publish(Study("smoke", out=folder), place / "figures")


@contextlib.contextmanager
def one_line_that_names(path: Path):
    try:
        yield
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)
