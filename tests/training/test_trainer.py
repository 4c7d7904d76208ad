"""The trainer around any method: resume, extension, the best model, bad batches. No Lean."""

import doctest
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from fdcore.model import load_model
from fdcore.records import read_jsonl
from fdcore.training import loop
from fdcore.training.checkpoint import load_checkpoint
from fdcore.training.loop import OutOfMemory, TrainingError, draw_problems, explain_memory
from tests.smallrun import PROBLEMS, SPLITS, small_trainer, teacher_of, weights_of


def test_the_docstring_examples_hold():
    assert doctest.testmod(loop).failed == 0


def test_an_epoch_draws_every_problem_once_and_a_step_does_not_depend_on_earlier_ones():
    drawn = [problem for step in (1, 2, 3) for problem in draw_problems(PROBLEMS, 0, step, 4)]
    assert {p.id for p in drawn[:6]} == {p.id for p in drawn[6:]} == set("abcdef")
    assert draw_problems(PROBLEMS, 0, 3, 4) == drawn[8:]


def test_the_teacher_moves_a_tenth_of_the_way_after_every_second_step(tmp_path):
    trainer = small_trainer(tmp_path, "fd")  # alpha 0.9, every 2 steps
    start = teacher_of(trainer)
    trainer.train(1, SPLITS)
    assert all(torch.equal(weight, start[name]) for name, weight in teacher_of(trainer).items())
    trainer.train(2, SPLITS)
    student = weights_of(trainer)
    for name, weight in teacher_of(trainer).items():
        torch.testing.assert_close(weight, start[name].lerp(student[name], 0.1))
    assert any(not torch.equal(weight, start[name]) for name, weight in teacher_of(trainer).items())


KILLED = """
import os, signal, sys
from pathlib import Path
from types import ModuleType
import torch
from tests.smallrun import SPLITS, CountedTrainer, small_trainer
folder, method = Path(sys.argv[1]), sys.argv[2]

class Mortal(CountedTrainer):
    place, at = None, 0  # dies before the sampling, the row or the model of this step
    def end(self, place, step):
        if (place, step) == (self.place, self.at):
            os.kill(os.getpid(), signal.SIGKILL)
    def roll_out(self, problems, seeds, step):
        self.end("sample", step)
        self.step = step or self.step
        return super().roll_out(problems, seeds, step)
    def append(self, name, rows):
        self.end(name, self.step)
        super().append(name, rows)
    def save_model(self, folder):
        self.end("save", self.step)
        super().save_model(folder)

def train(folder, place, at):
    torch.set_num_threads(1)
    trainer = small_trainer(folder, method, checkpoint_every=10)
    trainer.__class__ = Mortal
    trainer.place, trainer.at = place, at
    trainer.train(40, SPLITS, keep={30: folder / "kept"})

goes = [("undisturbed", None, 0)]
deaths = (("metrics", 10), ("sample", 11), ("timing", 20), ("save", 30))
goes += [("killed", *death) for death in deaths]
goes += [("killed", "metrics", 40), ("killed", None, 0)]
for name, place, at in goes:
    child = os.fork()
    if not child:
        train(folder / name, place, at)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    expected = -signal.SIGKILL if place else 0
    assert os.waitstatus_to_exitcode(status) == expected, (name, place, at, status)
"""


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_killed_at_every_tenth_step_a_run_ends_with_the_same_metrics_and_weights(tmp_path, method):
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), method],
        capture_output=True,
        text=True,
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    folders = [tmp_path / name for name in ("undisturbed", "killed")]
    one, other = ((folder / "metrics.jsonl").read_bytes() for folder in folders)
    assert one == other and one.count(b"\n") == 40
    for name in ("trajectories", "feedback"):
        one, other = (list(read_jsonl(folder / f"{name}.jsonl")) for folder in folders)
        assert one == other and (one or (name, method) == ("feedback", "grpo"))
    (_, one), (_, other) = (load_checkpoint(folder / "checkpoints") for folder in folders)
    assert same(one, other)


def same(one, other) -> bool:
    """The same to the last bit, tensors and all."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, (dict, list, tuple)):
        keys = one if isinstance(one, dict) else range(len(one))
        return len(one) == len(other) and all(same(one[key], other[key]) for key in keys)
    return one == other


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_the_size_of_a_micro_batch_changes_nothing(tmp_path, method):
    one = small_trainer(tmp_path / "one", method, micro_batch=4)
    other = small_trainer(tmp_path / "other", method, micro_batch=1)
    for row, expected in zip(other.train(3, SPLITS), one.train(3, SPLITS), strict=True):
        assert row == {
            key: pytest.approx(value, rel=1e-3, abs=1e-5) if isinstance(value, float) else value
            for key, value in expected.items()
        }
    torch.testing.assert_close(weights_of(one), weights_of(other), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_an_extended_run_equals_one_that_was_that_long_at_once(tmp_path, method):
    small_trainer(tmp_path / "extended", method).train(3, SPLITS)
    extended = small_trainer(tmp_path / "extended", method)
    whole = small_trainer(tmp_path / "whole", method)
    assert extended.train(5, SPLITS) == whole.train(5, SPLITS)
    assert same(weights_of(extended), weights_of(whole))
    paths = [tmp_path / name / "trajectories.jsonl" for name in ("extended", "whole")]
    assert list(read_jsonl(paths[0])) == list(read_jsonl(paths[1]))


def test_evaluation_uses_the_same_seeds_each_time_and_kept_steps_are_model_folders(tmp_path):
    trainer = small_trainer(tmp_path, "grpo", learning_rate=1e-30, every=1)
    splits = SPLITS | {"test": PROBLEMS[:2], "holdout": PROBLEMS[2:4]}
    rows = trainer.train(2, splits, keep={1: tmp_path / "kept"})
    assert rows[0]["test_accuracy"] == rows[1]["test_accuracy"] is not None
    assert rows[0]["holdout_accuracy"] == rows[1]["holdout_accuracy"] is not None
    assert same(load_model(tmp_path / "kept").state_dict(), weights_of(trainer))


def test_a_bad_batch_is_named_and_the_weights_stay(tmp_path):
    trainer = small_trainer(tmp_path, "fd")
    trainer.train(1, SPLITS)
    with torch.no_grad():
        trainer.teacher.model.lm_head.weight[0, 0] = float("nan")
    before = weights_of(trainer)
    with pytest.raises(TrainingError, match="fd: step 2: .*teacher.*problems [a-f], [a-f]"):
        trainer.train_step(2, PROBLEMS)
    assert same(before, weights_of(trainer))


def test_a_loss_that_is_not_finite_is_refused_before_the_weights_are_spoilt(tmp_path):
    trainer = small_trainer(tmp_path, "fd", micro_batch=1)
    before, loss, names = weights_of(trainer), trainer.method.loss, []

    def broken(student, batch):
        value, metrics = loss(student, batch)
        names.append(batch.problems[0].id)
        return (value * float("nan") if len(names) == 2 else value), metrics

    trainer.method.loss = broken
    with pytest.raises(TrainingError, match="fd: step 9: .*nan") as refused:
        trainer.train_step(9, PROBLEMS)
    assert f"problems {names[1]}." in str(refused.value)
    assert same(before, weights_of(trainer))


def test_every_step_says_where_its_seconds_went(tmp_path):
    small_trainer(tmp_path / "fd", "fd").train(2, SPLITS)
    rows = list(read_jsonl(tmp_path / "fd" / "timing.jsonl"))
    assert all(row["seconds"].keys() >= {"sample", "feedback", "train"} for row in rows)
    assert all(row["seconds"]["sample"] > 0 < row["seconds"]["train"] for row in rows)


def test_a_tracker_gets_every_row(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    trainer = small_trainer(tmp_path, "fd")
    trainer.profile = trainer.profile.model_copy(update={"tracker": "tensorboard"})
    rows = trainer.train(2, SPLITS)
    events = accumulator.EventAccumulator(str(tmp_path / "fd-seed0")).Reload()
    logged = [(event.step, event.value) for event in events.Scalars("kl")]
    assert logged == [(row["step"], pytest.approx(row["kl"])) for row in rows]


def test_a_trackers_run_carries_settings_origin_group_and_name(tmp_path, monkeypatch):
    started = {}
    fake = ModuleType("trackio")
    fake.init = lambda **about: started.update(about) or fake
    fake.log = fake.finish = lambda *_, **__: None
    monkeypatch.setitem(sys.modules, "trackio", fake)
    trainer = small_trainer(tmp_path, "fd")
    trainer.profile = trainer.profile.model_copy(update={"tracker": "trackio"})
    trainer.origin = {"commit": "c"}
    trainer.train(1, SPLITS)
    assert (started["name"], started["group"]) == ("fd-seed0", "smoke")
    assert started["config"]["distillation"]["ema_every"] == 2
    assert started["config"]["origin"] == {"commit": "c"}


def test_only_an_error_for_want_of_memory_is_explained():
    with pytest.raises(OutOfMemory, match="here: .*training.micro_batch"), explain_memory("here"):
        torch.empty(2**50)
    for error in (ValueError("x"), RuntimeError("x"), OSError(2, "x")):
        with pytest.raises(type(error)) as passed, explain_memory("here"):
            raise error
        assert passed.value is error


def test_a_metrics_row_has_every_number_that_a_figure_needs(tmp_path):
    small_trainer(tmp_path, "grpo").train(1, SPLITS)
    (row,) = read_jsonl(tmp_path / "metrics.jsonl")
    assert row.keys() >= {"entropy", "kl", "policy_loss", "loss", "grad_norm", "learning_rate"}
    assert row.keys() >= {"zero_spread_groups", "groups", "clip_fraction", "lemmas_seen"}
