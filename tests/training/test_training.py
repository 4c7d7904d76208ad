"""Training end to end with real Lean: a killed and resumed run equals an undisturbed one."""

import json
import signal
import subprocess
import sys
import time

import pytest
import yaml

from fdcore.profile import PROFILES

RUN = "from fdcore.experiment.run import Run; run = Run.create({profile!r}, 5, {out!r}); "
TRAIN = RUN + "run.session.train({arm!r})"
EVALUATE = (
    RUN + "from fdcore.experiment.evaluate import evaluate; evaluate(run.session, {arm!r}, 'test')"
)


@pytest.fixture(scope="module")
def micro(tmp_path_factory):
    """A profile of a minute: the smoke profile with fewer and smaller steps."""
    settings = yaml.safe_load((PROFILES / "smoke.yaml").read_text())
    settings["threads"] = 1
    settings["problems"] |= {"max_train": 24, "max_test": 8, "max_holdout": 8}
    settings["distillation"]["prompts"] = 6
    settings["grpo"] |= {"prompts": 3, "samples": 2}
    settings["episode"]["max_response_tokens"] = 120
    settings["evaluation"] |= {"every": 2, "during_problems": 2, "during": ["test"]}
    settings["training"]["checkpoint_every"] = 2
    settings["arms"] = [{"name": name, "method": name, "steps": 4} for name in ("fd", "grpo")]
    settings["arms"] += [
        {"name": f"over_{step}", "method": "grpo", "steps": 1, "start": {"arm": "fd", "step": step}}
        for step in (1, 2)
    ]
    path = tmp_path_factory.mktemp("profile") / "micro.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def evaluate(profile, out, arm):
    return [sys.executable, "-c", EVALUATE.format(profile=str(profile), out=str(out), arm=arm)]


def train(profile, out, arm):
    return [sys.executable, "-c", TRAIN.format(profile=str(profile), out=str(out), arm=arm)]


@pytest.fixture(scope="module")
def undisturbed(micro, library, tmp_path_factory):
    """A run with both methods trained to the end."""
    out = tmp_path_factory.mktemp("runs") / "undisturbed"
    for arm in ("fd", "grpo"):
        subprocess.run(train(micro, out, arm), check=True)
    return out


@pytest.mark.parametrize("arm, after", [("fd", 3), ("grpo", 1)])
def test_killed_and_started_again_it_ends_with_the_same_metrics(
    micro, undisturbed, tmp_path, arm, after
):
    out = tmp_path / "killed"
    metrics = out / "arms" / arm / "metrics.jsonl"
    process = subprocess.Popen(train(micro, out, arm))
    while process.poll() is None and (
        not metrics.exists() or metrics.read_text().count("\n") < after
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "arms" / arm / "model").exists(), "the run ended before it could be killed"
    subprocess.run(train(micro, out, arm), check=True)
    assert metrics.read_bytes() == (undisturbed / "arms" / arm / "metrics.jsonl").read_bytes()


def sharing(micro, tmp_path, **hardware):
    """A profile as `micro` for two processes, and a folder for its run."""
    settings = yaml.safe_load(micro.read_text()) | {
        "hardware": {"gpus": 2, "gpu_memory_gb": 80, **hardware}
    }
    profile, out = tmp_path / "two.yaml", tmp_path / "two"
    profile.write_text(yaml.safe_dump(settings))
    return profile, out


def test_a_profile_of_two_processes_launches_them_and_they_train_and_evaluate_as_one_does(
    micro, undisturbed, tmp_path
):
    profile, out = sharing(micro, tmp_path, device="cpu")
    subprocess.run(train(profile, out, "fd"), check=True)
    one, two = (
        [json.loads(line) for line in (folder / "arms/fd/metrics.jsonl").read_text().splitlines()]
        for folder in (undisturbed, out)
    )
    for mine, theirs in zip(one, two, strict=True):
        assert {
            key: value if not isinstance(value, float) else pytest.approx(value, rel=1e-3, abs=1e-5)
            for key, value in mine.items()
        } == theirs
    for where, name in ((micro, undisturbed), (profile, out)):
        subprocess.run(evaluate(where, name, "fd"), check=True)
    evaluations = [
        [json.loads(line) for line in (folder / "arms/fd/eval_test.jsonl").read_text().splitlines()]
        for folder in (undisturbed, out)
    ]
    assert evaluations[0] == evaluations[1] and len(evaluations[0]) == 8
    failed = subprocess.run(evaluate(profile, out, "grpo"), capture_output=True, text=True)
    assert (
        failed.returncode
        and "ModelUnavailable" in failed.stderr.splitlines()[-1]
        and "arms/grpo/model" in failed.stderr.splitlines()[-1]
    )


def test_more_gpus_than_the_machine_has_are_refused_in_one_line(
    micro, undisturbed, tmp_path, monkeypatch
):
    import torch

    from fdcore.experiment.evaluate import evaluate
    from fdcore.experiment.run import Run

    profile, out = sharing(micro, tmp_path)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    session = Run.create(profile, 5, out).session
    for act in (lambda: session.train("grpo"), lambda: evaluate(session, "base", "test")):
        with pytest.raises(ValueError, match="smoke asks for 2 GPUs, torch sees 1") as refused:
            act()
        assert "\n" not in str(refused.value)
    assert not (out / "arms/grpo/metrics.jsonl").exists()


def test_every_step_has_one_row_with_what_the_figures_need(undisturbed):
    rows = [
        json.loads(line)
        for line in (undisturbed / "arms/fd/metrics.jsonl").read_text().splitlines()
    ]
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    for row in rows:
        assert (
            row["entropy"] > 0
            and row["kl"] is not None
            and 0 <= row["train_accuracy"] <= 1
            and sum(row["verdicts"].values()) == 6
        )
    seconds = [
        json.loads(line)["seconds"]
        for line in (undisturbed / "arms/fd/timing.jsonl").read_text().splitlines()
    ]
    assert all(row.keys() >= {"sample", "feedback", "train"} for row in seconds)
    assert all(row[phase] > 0 for row in seconds for phase in ("sample", "train"))
    assert [row["test_accuracy"] is not None for row in rows] == [False, True, False, True]
    assert [row["tokens_sampled"] for row in rows] == sorted(row["tokens_sampled"] for row in rows)


def test_a_folder_of_another_run_is_refused(micro, undisturbed):
    from fdcore.experiment.run import Run

    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    with pytest.raises(ValueError, match="seed: 5, .* 6; give another --out"):
        Run.create(micro, 6, undisturbed)
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before


def test_problems_that_changed_within_a_run_are_refused(micro, undisturbed):
    from fdcore.experiment.run import Run

    run = Run.create(micro, 5, undisturbed)
    run.session.checked_problems()
    run.problems()["test"].pop()
    with pytest.raises(ValueError, match="begun with other problems"):
        run.session.checked_problems()
