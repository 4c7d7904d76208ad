"""The rehearsal: a paper profile's own notebooks, settings and readers to the last line, with stand-ins only at the edges."""
from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fdcore.feedback import make_producer
from fdcore.feedback_form import form_errors
from fdcore.problems import load_problems, verify_references
from fdcore.profile import load_profile
from fdcore.records import Problem, Trajectory, Verdict
from fdcore.rehearsal import FEEDBACK, SIZES, edges, leaves, loopback_claude, rehearse, write_rows

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("name", ["paper", "paper-lora"])
def test_the_rehearsed_profile_differs_in_the_named_settings_and_in_no_other(name, tmp_path):
    profile = load_profile(name)
    replaced = edges(profile, tmp_path)
    small = leaves(profile.varied({key: value for key, (value, _) in replaced.items()} | SIZES))
    differing = {key for key, value in leaves(profile).items() if small.get(key) != value}
    assert {key for key in differing if not any(key == other or key.startswith(other + ".") for other in replaced)} <= set(SIZES)
    assert all(what for _, what in replaced.values()) and "hardware" in replaced


def test_the_stand_in_rows_are_read_and_drawn_as_published_ones_and_lean_accepts_their_proofs(library, tmp_path, monkeypatch):
    write_rows(tmp_path)
    monkeypatch.setenv("FD_LEAN_WORKBOOK", str(tmp_path / "lean_workbook"))
    monkeypatch.setenv("FD_MINIF2F", str(tmp_path / "minif2f.jsonl"))
    profile = load_profile("paper")
    profile = profile.varied({key: value for key, (value, _) in edges(profile, tmp_path).items()} | SIZES)
    problems = load_problems(profile, tmp_path / "problems")
    assert {split: len(found) for split, found in problems.items()} == {"train": 24, "test": 8, "holdout": 4}
    assert json.loads((tmp_path / "problems/split.json").read_text())["seed"] == 0
    verify_references(p for found in problems.values() for p in found)
    assert all(p.proof for p in problems["train"])


def test_the_stand_in_for_claude_keeps_the_papers_form():
    assert form_errors(FEEDBACK) == []


def test_claude_is_asked_through_the_real_sdk_from_within_a_running_event_loop_as_in_a_notebook(tmp_path, monkeypatch):
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "")  # so that it is put back
    problem = Problem(id="p", header="", statement="theorem t : True := by", split="train")
    attempt = Trajectory(
        problem_id="p", seed=0, step=1, prompt_length=1, token_ids=(1, 2), action_mask=(0, 1), logprobs=(0.0, 0.0), response_text="?", tool_calls=(), source=None,
        verdict=Verdict(status="failed"), reward=0.0, stop_reason="end",
    )

    async def cell():
        return make_producer(load_profile("paper").feedback, seed=0, folder=tmp_path).write([(problem, attempt)] * 3)

    with loopback_claude() as asked:
        written = asyncio.run(cell())
    assert [feedback.text for feedback in written] == [FEEDBACK] * 3 and asked == ["claude-opus-4-6"]  # equal requests are one


def test_a_profile_that_runs_here_as_it_is_needs_no_rehearsal(tmp_path):
    with pytest.raises(ValueError, match="profile tiny needs no rehearsal"):
        rehearse(load_profile("tiny"), tmp_path, [])


@pytest.mark.rehearsal
def test_the_paper_profile_rehearses_to_its_claims_and_goes_on_after_a_kill(tmp_path):
    command = [sys.executable, "-m", "fdcore", "rehearse", "--profile", "paper", "--out", str(tmp_path)]
    first = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    metrics = tmp_path / "run/arms/fd/metrics.jsonl"
    while not metrics.exists():  # in the middle of Feedback Distillation
        assert first.poll() is None
        time.sleep(0.5)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1500)
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr[-2000:]
    assert "in place of Qwen/Qwen3.5-9B" in again.stdout and "Not exercised" in again.stdout and "rehearsed" in again.stdout
    assert [json.loads(line)["step"] for line in metrics.read_text().splitlines()] == [1, 2, 3]
    feedback = [json.loads(line) for line in (tmp_path / "run/arms/fd/feedback.jsonl").read_text().splitlines()]
    assert len(feedback) == 3 * SIZES["distillation.prompts"] and {row["model"] for row in feedback} == {"claude-opus-4-6"}
    assert (tmp_path / "run/figures/claims.md").exists() and (tmp_path / "run/figures/figure_3.pdf").exists()
