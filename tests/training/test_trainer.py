"""The trainer around any method: schedules, extension, the best model, and who is named when a batch is bad. Seconds, without Lean."""

import doctest
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fdcore.records import read_jsonl
from fdcore.training import loop as training
from fdcore.training.ahead import Rollouts
from fdcore.training.checkpoint import load_checkpoint
from fdcore.training.loop import TrainingError, learning_rate_at, micro_batches
from tests.smallrun import PROBLEMS, Small


def test_the_docstring_examples_hold():
    assert doctest.testmod(training).failed == 0


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_every_schedule_warms_up_then_keeps_or_falls(schedule):
    rates = [learning_rate_at(step, 50, 2.0, 5, schedule) for step in range(1, 51)]
    assert rates[:6] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0, 2.0])
    falls = (
        all(later < earlier for earlier, later in zip(rates[5:], rates[6:]))
        and 0 < rates[-1] < 0.05
    )
    assert falls if schedule != "constant" else set(rates[5:]) == {2.0}
    if schedule == "cosine":
        assert rates[5 + 15] == pytest.approx(2.0 * (1 + math.cos(math.pi / 3)) / 2)


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.smallrun import Small
folder, method = Path(sys.argv[1]), sys.argv[2]

def train(folder, die):  # die: the step, and whether it is before its sampling, before its row is written, or between row and checkpoint
    torch.set_num_threads(1)
    small = Small(folder, method, checkpoint_every=10)
    roll, step = small.roll, die[0]
    end = lambda now, *at: os.kill(os.getpid(), signal.SIGKILL) if (now, at) == (step, die[1:]) else None
    def sampled(problems, seeds, now, prompts):
        end(now, "sample")
        sampled.now = now
        return roll(problems, seeds, now)
    def look():
        end(sampled.now, "look")
        return {"test_accuracy": -1.0}
    small.roll = sampled
    small.train(40, look=look, look_every=5, keep={30: folder / "kept"}, save=lambda where: end(sampled.now, "save"))

goes = [("undisturbed", (0,)), *(("killed", die) for die in ((10, "look"), (11, "sample"), (20, "look"), (30, "save"), (40, "look"), (0,)))]
for name, die in goes:
    child = os.fork()
    if not child:
        train(folder / name, die)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (-signal.SIGKILL if die[0] else 0), (name, die, status)
"""


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_killed_at_every_tenth_step_a_run_ends_with_the_same_metrics_and_weights(tmp_path, method):
    where = dict(
        cwd=Path(__file__).parent, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    )
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), method],
        capture_output=True,
        text=True,
        **where,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, other = (
        (tmp_path / go / "metrics.jsonl").read_bytes() for go in ("undisturbed", "killed")
    )
    assert one == other and one.count(b"\n") == 40
    for name in ("trajectories", "feedback"):
        one, other = (
            list(read_jsonl(tmp_path / go / f"{name}.jsonl")) for go in ("undisturbed", "killed")
        )
        assert one == other and (one or (name, method) == ("feedback", "grpo"))
    (_, one), (_, other) = (
        load_checkpoint(tmp_path / go / "checkpoints") for go in ("undisturbed", "killed")
    )
    assert same(one, other)


def same(one, other) -> bool:
    """The same to the last bit, tensors and all."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, (dict, list)):
        keys = one if isinstance(one, dict) else range(len(one))
        return len(one) == len(other) and all(same(one[key], other[key]) for key in keys)
    return one == other


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 200))
def test_micro_batches_hold_every_sequence_once_and_no_more_tokens_than_are_asked(lengths, tokens):
    parts = micro_batches(sorted(lengths), 1, tokens)
    assert [index for part in parts for index in part] == list(range(len(lengths)))
    widths = [len(part) * sorted(lengths)[part[-1]] for part in parts]
    assert all(width <= tokens or len(part) == 1 for part, width in zip(parts, widths))
    assert all(
        sorted(lengths)[after[0]] * (len(part) + 1) > tokens
        for part, after in zip(parts, parts[1:])
    )  # one more would not have fitted


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_micro_batches_by_tokens_train_the_same_model(tmp_path, method):
    plain, bucketed = (
        Small(tmp_path / "plain", method),
        Small(tmp_path / "bucketed", method, micro_tokens=60),
    )
    for mine, theirs in zip(plain.train(3), bucketed.train(3)):
        assert {
            key: pytest.approx(value, rel=1e-3, abs=1e-5) if isinstance(value, float) else value
            for key, value in mine.items()
        } == theirs
    torch.testing.assert_close(plain.weights(), bucketed.weights(), atol=2e-5, rtol=1e-4)
    seen = [
        [
            len(row["token_ids"])
            for row in read_jsonl(tmp_path / "bucketed/trajectories.jsonl")
            if row["step"] == step
        ]
        for step in (1, 2, 3)
    ]
    assert all(lengths == sorted(lengths) for lengths in seen)


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_an_extended_run_equals_one_that_was_that_long_at_once(tmp_path, method):
    Small(tmp_path / "extended", method).train(3)
    extended, whole = Small(tmp_path / "extended", method), Small(tmp_path / "whole", method)
    assert extended.train(5) == whole.train(5)
    assert all(
        torch.equal(weight, whole.weights()[name]) for name, weight in extended.weights().items()
    )
    assert list(read_jsonl(tmp_path / "extended/trajectories.jsonl")) == list(
        read_jsonl(tmp_path / "whole/trajectories.jsonl")
    )


def test_a_falling_rate_resumes_and_is_not_extended(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Small(tmp_path, "grpo", schedule="linear", fail_at=3).train(4)
    rows = Small(tmp_path, "grpo", schedule="linear").train(4)
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.005, 0.01, 0.01, 0.005])
    with pytest.raises(
        ValueError, match="begun with 4 steps and cannot go on with 6: its linear learning rate"
    ):
        Small(tmp_path, "grpo", schedule="linear").train(6)


def test_the_best_look_is_kept_as_a_model_also_over_an_interruption(tmp_path):
    accuracy = {1: 0.2, 2: 0.5, 3: 0.5, 4: 0.1, 5: 0.4}

    def train(fail_at=None):
        small = Small(tmp_path, "grpo", fail_at=fail_at)

        def look():
            done = (
                sum(1 for _ in open(tmp_path / "metrics.jsonl"))
                if (tmp_path / "metrics.jsonl").exists()
                else 0
            )
            return {"test_accuracy": accuracy[done + 1]}

        return small.train(
            5, look=look, save=lambda folder: saved.append((folder, small.weights()))
        )

    saved = []
    with pytest.raises(KeyboardInterrupt):
        train(fail_at=5)
    train()
    assert [folder for folder, _ in saved] == [
        tmp_path / "best"
    ] * 2  # at steps 1 and 2; not at 3, whose look is as good
    rows = [json.loads(line) for line in open(tmp_path / "metrics.jsonl")]
    assert [row["test_accuracy"] for row in rows] == list(accuracy.values())


def test_a_bad_batch_is_named_and_the_weights_stay(tmp_path):
    small = Small(tmp_path, "fd")
    small.train(1)
    with torch.no_grad():
        small.run.method.teacher.model.lm_head.weight[0, 0] = float("nan")
    before = small.weights()
    with pytest.raises(
        TrainingError,
        match=r"fd: step 2, in a batch with 2 problems: [a-f], [a-f]: .*teacher's logits are not finite",
    ):
        small.run._step(
            2, PROBLEMS, Rollouts(small.push, small.roll), lambda source: set(), 2, True
        )
    assert all(torch.equal(weight, small.weights()[name]) for name, weight in before.items())


def test_every_step_says_where_its_seconds_went(tmp_path):
    Small(tmp_path / "fd", "fd").train(2, look=lambda: {"test_accuracy": 0.5})
    Small(tmp_path / "grpo", "grpo").train(2)
    rows = {
        method: [row["seconds"] for row in read_jsonl(tmp_path / method / "timing.jsonl")]
        for method in ("fd", "grpo")
    }
    assert [set(row) for row in rows["fd"]] == [
        {"sample", "feedback", "teacher", "train", "look"}
    ] * 2
    assert [set(row) for row in rows["grpo"]] == [{"sample", "train"}] * 2
    assert all(0 < row["teacher"] < row["teacher"] + row["train"] for row in rows["fd"])
