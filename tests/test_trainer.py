"""The trainer around any method: schedules, extension, the best model, and who is named when a batch is bad. Seconds, without Lean."""
import doctest
import json
import math

import pytest
import torch
from smallrun import PROBLEMS, Small

from fdcore import training
from fdcore.records import read_jsonl
from fdcore.ahead import Rollouts
from fdcore.training import TrainingError, learning_rate_at


def test_the_docstring_examples_hold():
    assert doctest.testmod(training).failed == 0


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_every_schedule_warms_up_then_keeps_or_falls(schedule):
    rates = [learning_rate_at(step, 50, 2.0, 5, schedule) for step in range(1, 51)]
    assert rates[:6] == pytest.approx([0.4, 0.8, 1.2, 1.6, 2.0, 2.0])
    falls = all(later < earlier for earlier, later in zip(rates[5:], rates[6:])) and 0 < rates[-1] < 0.05
    assert falls if schedule != "constant" else set(rates[5:]) == {2.0}
    if schedule == "cosine":
        assert rates[5 + 15] == pytest.approx(2.0 * (1 + math.cos(math.pi / 3)) / 2)


@pytest.mark.parametrize("method", ["fd", "grpo"])
def test_an_extended_run_equals_one_that_was_that_long_at_once(tmp_path, method):
    Small(tmp_path / "extended", method).train(3)
    extended, whole = Small(tmp_path / "extended", method), Small(tmp_path / "whole", method)
    assert extended.train(5) == whole.train(5)
    assert all(torch.equal(weight, whole.weights()[name]) for name, weight in extended.weights().items())
    assert list(read_jsonl(tmp_path / "extended/trajectories.jsonl")) == list(read_jsonl(tmp_path / "whole/trajectories.jsonl"))


def test_a_falling_rate_resumes_and_is_not_extended(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Small(tmp_path, "grpo", schedule="linear", fail_at=3).train(4)
    rows = Small(tmp_path, "grpo", schedule="linear").train(4)
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.005, 0.01, 0.01, 0.005])
    with pytest.raises(ValueError, match="begun with 4 steps and cannot go on with 6: its linear learning rate"):
        Small(tmp_path, "grpo", schedule="linear").train(6)


def test_the_best_look_is_kept_as_a_model_also_over_an_interruption(tmp_path):
    accuracy = {1: 0.2, 2: 0.5, 3: 0.5, 4: 0.1, 5: 0.4}

    def train(fail_at=None):
        small = Small(tmp_path, "grpo", fail_at=fail_at)

        def look():
            done = sum(1 for _ in open(tmp_path / "metrics.jsonl")) if (tmp_path / "metrics.jsonl").exists() else 0
            return {"test_accuracy": accuracy[done + 1]}

        return small.train(5, look=look, save=lambda folder: saved.append((folder, small.weights())))

    saved = []
    with pytest.raises(KeyboardInterrupt):
        train(fail_at=5)
    train()
    assert [folder for folder, _ in saved] == [tmp_path / "best"] * 2  # at steps 1 and 2; not at 3, whose look is as good
    rows = [json.loads(line) for line in open(tmp_path / "metrics.jsonl")]
    assert [row["test_accuracy"] for row in rows] == list(accuracy.values())


def test_a_bad_batch_is_named_and_the_weights_stay(tmp_path):
    small = Small(tmp_path, "fd")
    small.train(1)
    with torch.no_grad():
        small.run.method.teacher.model.lm_head.weight[0, 0] = float("nan")
    before = small.weights()
    with pytest.raises(TrainingError, match=r"fd: step 2, in a batch with 2 problems: [a-f], [a-f]: .*teacher's logits are not finite"):
        small.run._step(2, PROBLEMS, Rollouts(small.push, small.roll), lambda source: set(), 2, True)
    assert all(torch.equal(weight, small.weights()[name]) for name, weight in before.items())
