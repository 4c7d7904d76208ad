"""The rehearsal: a paper profile's own notebooks, settings and readers to the last line, with stand-ins only at the edges."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
import yaml
from filelock import FileLock

from fdcore.experiment.notebooks import find_notebooks
from fdcore.experiment.rehearsal import (
    FEEDBACK,
    IDLE,
    SIZES,
    edges,
    loopback_claude,
    rehearse,
    sort_settings,
    standing_in,
    write_rows,
)
from fdcore.experiment.run import Experiment
from fdcore.feedback.form import form_errors
from fdcore.feedback.sources import make_producer
from fdcore.profile import load_profile
from fdcore.records import Problem, Trajectory, Verdict
from fdcore.training.checkpoint import load_checkpoint
from fdcore.worlds.problems import load_problems
from lean_project.generate.check import verify_references

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["paper", "paper-lora"])
def test_the_rehearsed_profile_differs_in_the_named_settings_and_in_no_other(name):
    profile = load_profile(name)
    replaced = edges(profile)
    before, after = (
        profile.leaves(),
        profile.varied({key: value for key, (value, _) in replaced.items()} | SIZES).leaves(),
    )
    assert {key for key in before if before[key] != after[key]} <= {
        *replaced,
        *SIZES,
    } and before.keys() == after.keys()
    assert all(what for _, what in replaced.values()) and after["hardware.gpus"] == min(
        2, before["hardware.gpus"]
    )


@pytest.mark.parametrize("name", ["paper", "paper-lora"])
def test_every_setting_is_named_as_stand_in_cut_short_idle_off_or_as_it_is(name):
    profile = load_profile(name)
    kinds = sort_settings(profile, edges(profile))
    assert sorted(sum(kinds.values(), [])) == sorted(profile.leaves())
    assert (
        set(kinds["stand-in"]) == set(edges(profile))
        and set(kinds["cut short"]) == set(SIZES)
        and set(kinds["idle"]) == set(IDLE)
    )
    assert {
        "distillation.top_k",
        "distillation.ema_alpha",
        "grpo.kl_coefficient",
        "feedback.formulation",
        "training.stall_seconds",
    } <= set(kinds["as it is"])
    assert {"distillation.tail", "grpo.overlong_cache"} <= set(kinds["off"])


def test_the_stand_in_rows_are_read_and_drawn_as_published_ones_and_lean_accepts_their_proofs(
    library, tmp_path, monkeypatch
):
    write_rows(tmp_path)
    monkeypatch.setenv("FD_LEAN_WORKBOOK", str(tmp_path / "lean_workbook"))
    monkeypatch.setenv("FD_MINIF2F", str(tmp_path / "minif2f.jsonl"))
    profile = load_profile("paper")
    profile = profile.varied({key: value for key, (value, _) in edges(profile).items()} | SIZES)
    problems = load_problems(profile, tmp_path / "problems")
    assert {split: len(found) for split, found in problems.items()} == {
        "train": 24,
        "test": 8,
        "holdout": 4,
    }
    assert json.loads((tmp_path / "problems/split.json").read_text())["seed"] == 0
    verify_references(p for found in problems.values() for p in found)
    assert all(p.proof for p in problems["train"])


def test_the_stand_in_for_claude_keeps_the_papers_form():
    assert form_errors(FEEDBACK) == []


def test_claude_is_asked_through_the_real_sdk_from_within_a_running_event_loop_as_in_a_notebook(
    tmp_path, monkeypatch
):
    problem = Problem(id="p", header="", statement="theorem t : True := by", split="train")
    attempt = Trajectory(
        problem_id="p",
        seed=0,
        step=1,
        prompt_length=1,
        token_ids=(1, 2),
        action_mask=(0, 1),
        logprobs=(0.0, 0.0),
        response_text="?",
        tool_calls=(),
        source=None,
        verdict=Verdict(status="failed"),
        reward=0.0,
        stop_reason="end",
    )

    async def cell():
        return make_producer(load_profile("paper").feedback, seed=0, folder=tmp_path).write(
            [(problem, attempt)] * 3
        )

    with loopback_claude() as (url, asked):
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "rehearsal")
        written = asyncio.run(cell())
    assert [feedback.text for feedback in written] == [FEEDBACK] * 3 and asked == [
        "claude-opus-4-6"
    ]  # equal requests are one


def test_a_profile_that_runs_here_as_it_is_needs_no_rehearsal(tmp_path):
    with pytest.raises(ValueError, match="profile tiny needs no rehearsal"):
        rehearse(load_profile("tiny"), tmp_path, [])


# ---- the whole of it, killed in every stage ------------------------------------------------------------------------
@pytest.fixture(scope="session")
def standins(library, tmp_path_factory) -> Path:
    """A rehearsal whose stand-ins are made and whose first notebook has run; the first of several test processes makes it."""
    root = (
        tmp_path_factory.getbasetemp().parent
        if os.environ.get("PYTEST_XDIST_WORKER")
        else tmp_path_factory.getbasetemp()
    )
    with FileLock(root / "rehearsal.lock"):
        if not (root / "rehearsal").exists():
            made = root / "rehearsal.partial"
            shutil.rmtree(made, ignore_errors=True)
            interrupted(
                made,
                "01_lean_world",
                when=lambda: any((made / "standins/warm-up/base/checkpoints").glob("*.pt")),
            )
            interrupted(made, "01_lean_world", when=(made / "run/problems/split.json").exists)
            subprocess.run(
                command(made, "01_lean_world"), cwd=ROOT, check=True, stdout=subprocess.DEVNULL
            )
            made.rename(root / "rehearsal")
    return root / "rehearsal"


@pytest.fixture
def rehearsal(standins, tmp_path) -> Path:
    return Path(shutil.copytree(standins, tmp_path / "rehearsal"))


def command(folder: Path, *notebooks: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "fdcore",
        "rehearse",
        "--profile",
        "paper",
        "--out",
        str(folder),
        *notebooks,
    ]


def interrupted(folder: Path, *notebooks: str, when) -> None:
    """A rehearsal that is killed with all that it has started, by `kill -9`, as soon as `when()`."""
    first = psutil.Popen(
        command(folder, *notebooks), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 300
    while not when():
        assert first.poll() is None and time.monotonic() < deadline, (
            f"{notebooks}: {'ended' if first.poll() is not None else 'too slow'} before it could be killed"
        )
        time.sleep(0.1)
    for each in [first, *first.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()
    first.wait()


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.rehearsal
def test_the_paper_profile_rehearses_to_its_claims_though_killed_in_every_stage(rehearsal):
    run = rehearsal / "run"
    names = [path.stem for path in find_notebooks([])]
    begun = {  # stage -> what shows that it is under way
        "02": run / "base/eval_test.jsonl",
        "03": run / "arms/fd/metrics.jsonl",
        "04": run / "arms/grpo/metrics.jsonl",
        "05": run / "arms/grpo_from_fd_2/metrics.jsonl",
        "08": run / "arms/grpo/eval_test.jsonl",
    }
    rest = names[1:]
    for number, path in begun.items():
        (stage,) = [name for name in rest if name.startswith(number)]
        interrupted(
            rehearsal,
            *rest[: rest.index(stage) + 1],
            when=lambda: path.exists() and path.read_text().count("\n"),
        )
        rest = rest[rest.index(stage) :]
    last = subprocess.run(
        command(rehearsal, *rest), cwd=ROOT, capture_output=True, text=True, timeout=900
    )
    assert last.returncode == 0, last.stdout[-2000:] + last.stderr[-2000:]
    for told in (
        "in place of Qwen/Qwen3.5-9B",
        "two processes in place of 8 GPUs",
        "in place of claude-opus-4-6",
        "Cut short: problems.train 24",
        "Not exercised: ",
        "rehearsed: ",
    ):
        assert told in last.stdout
    arms = {"fd": 3, "grpo": 2, "grpo_from_fd_1": 1, "grpo_from_fd_2": 1, "grpo_from_fd_3": 1}
    assert {
        arm: [row["step"] for row in rows(run / f"arms/{arm}/metrics.jsonl")] for arm in arms
    } == {arm: list(range(1, steps + 1)) for arm, steps in arms.items()}
    for folder in (run / "base", *(run / "arms" / arm for arm in arms)):
        assert [len(rows(folder / f"eval_{split}.jsonl")) for split in ("test", "holdout")] == [
            8,
            4,
        ]
    feedback = rows(run / "arms/fd/feedback.jsonl")
    assert len(feedback) == 3 * SIZES["distillation.prompts"] and {
        row["model"] for row in feedback
    } == {"claude-opus-4-6"}
    assert (
        (run / "figures/claims.md").exists()
        and (run / "figures/figure_3.pdf").exists()
        and {path.stem for path in (run / "notebooks").glob("*.ipynb")} == set(names)
    )
    assert (run / "base/commit").read_text() == "0" * 40


# ---- what goes wrong -----------------------------------------------------------------------------------------------
def processes_of(folder: Path) -> list[psutil.Process]:
    """The processes that train together, in their order."""
    found = {}
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(folder) in " ".join(each.cmdline()) and "RANK" in each.environ():
                found[int(each.environ()["RANK"])] = each
    return [found[rank] for rank in sorted(found)]


def trained(folder: Path, arm: str = "fd", meanwhile=None, after: int | None = None) -> str:
    """Train the arm in the rehearsal, from its newest checkpoint on; returns the line with which it stops, or "". `meanwhile(processes)` is
    called once, when all have started, or when the checkpoint of step `after` is there."""
    checkpoint, box = folder / f"run/arms/{arm}/checkpoints/step-{after or 0:06d}.pt", {}

    def wait() -> None:
        while len(found := processes_of(folder)) < 2 or (after and not checkpoint.exists()):
            if box.get("ended"):
                return
            time.sleep(0.1)
        meanwhile(found)

    thread = threading.Thread(target=wait)
    if meanwhile:
        thread.start()
    try:
        Experiment(folder / "rehearsal.yaml", 0, folder / "run").train(arm)
        line = ""
    except (RuntimeError, OSError) as error:
        line = str(error)
    box["ended"] = True
    if meanwhile:
        thread.join()
    assert "\n" not in line and not processes_of(folder)
    return line


def change(folder: Path, section: str, **settings) -> None:
    """Other settings in the rehearsal's profile."""
    path = folder / "rehearsal.yaml"
    content = yaml.safe_load(path.read_text())
    content[section] |= settings
    path.write_text(yaml.safe_dump(content, allow_unicode=True))


@pytest.fixture
def world(rehearsal, monkeypatch) -> Iterator[Path]:
    """The rehearsal's folder, and its stand-ins for hub, data and Claude in this process."""
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_CACHE", str(rehearsal / "standins/hub")
    )  # read from the environment at its import
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with standing_in(rehearsal / "standins"):
        yield rehearsal


@pytest.mark.rehearsal
def test_what_goes_wrong_is_one_line_that_says_what_to_do_and_training_goes_on_from_where_it_was(
    world,
):
    fd = world / "run/arms/fd"
    hub = world / "standins/hub"
    hub.rename(world / "standins/elsewhere")  # the hub is down and nothing is cached
    assert re.search(
        "Qwen/Qwen3.5-9B: .*check the spelling and the network.*or download it", trained(world)
    )
    (world / "standins/elsewhere").rename(hub)

    (world / "standins/claude-is-down").touch()
    line = trained(world)
    assert re.search(
        r"Claude gave no answer to 8 of 8 requests \(OverloadedError after 1 retries\); run the same command again to go on",
        line,
    ), line
    (world / "standins/claude-is-down").unlink()

    assert "process 1 of 0 to 1 was ended by SIGKILL" in (
        line := trained(world, meanwhile=lambda found: found[1].kill(), after=1)
    ), line
    assert line.endswith("run the same command again, it goes on from the newest checkpoint")
    full = fd / "checkpoints/step-000002.partial"
    full.symlink_to("/dev/full")
    assert "No space left on device" in (line := trained(world)), line
    full.unlink()
    assert [path.name for path in sorted((fd / "checkpoints").glob("*.pt"))] == ["step-000001.pt"]

    sound = (fd / "checkpoints/step-000001.pt").read_bytes()
    _, state = load_checkpoint(fd / "checkpoints")
    state["model"]["model.norm.weight"][0] = float("nan")
    torch.save(state, poisoned := fd / "checkpoints/step-000002.pt")
    line = trained(world)
    assert re.search(
        "TrainingError: fd: step 3.*logits are not finite.*weights left as they were.*remove the newest file in .*checkpoints",
        line,
    ), line
    poisoned.unlink()

    change(world, "training", stall_seconds=25)
    stopped = []

    def hang(found: list[psutil.Process]) -> None:
        while not found[1].children():  # Lean's: it samples
            time.sleep(0.1)
        found[1].suspend()
        stopped.append(found[1])

    line = trained(world, meanwhile=hang)
    assert re.search(
        r"has not ended after 25 s: an engine or another process hangs; run the same command again",
        line,
    ), line
    assert not stopped[0].is_running()
    change(world, "training", stall_seconds=7200)

    assert (fd / "checkpoints/step-000001.pt").read_bytes() == sound
    assert trained(world) == ""
    assert [row["step"] for row in rows(fd / "metrics.jsonl")] == [1, 2, 3] and (
        fd / "model/model.safetensors"
    ).exists()


@pytest.mark.rehearsal
def test_memory_that_runs_out_is_one_line_with_the_settings_that_need_less_and_the_run_goes_on_with_them(
    world,
):
    def starve(found: list[psutil.Process]) -> None:
        for each in found:
            each.rlimit(psutil.RLIMIT_AS, (each.memory_info().vms + 2**20,) * 2)

    change(world, "training", stall_seconds=None)
    line = trained(world, "grpo", meanwhile=starve, after=1)
    assert re.search(
        "grpo: step 2: out of memory.*training.micro_batch lower.*--plan says what fits|sampling: out of memory",
        line,
    ), line
    change(world, "training", activation_checkpointing=False, micro_batch=2)
    assert trained(world, "grpo") == "" and [
        row["step"] for row in rows(world / "run/arms/grpo/metrics.jsonl")
    ] == [1, 2]
    change(world, "distillation", top_k=5)
    with pytest.raises(
        ValueError, match=r"holds a run of .*distillation.top_k: 25, not 5.*give another --out"
    ):
        Experiment(world / "rehearsal.yaml", 0, world / "run")
