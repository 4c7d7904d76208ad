"""The command `fdcore`: wrong input ends in one line, and a refused run has touched nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fdcore.experiment.run import Run

ROOT = Path(__file__).resolve().parents[2]


def fdcore(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fdcore", *arguments],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "arguments, named",
    [
        (["--bogus"], "--bogus"),
        (["--profile"], "--profile"),
        (["--profile", "huge"], "'huge'"),
        (["--profile", "missing.yaml"], "'missing.yaml'"),
        (["--seed", "one"], "--seed"),
        (["--seed=-1"], "--seed"),
        (["--only", "nothing_like_it"], "'nothing_like_it'"),
        (["--from", "nothing_like_it"], "'nothing_like_it'"),
        (["--only", "01", "--from", "02"], "--only"),
        (["--set", "grpo.samples=0"], "grpo.samples"),
        (["--set", "grpo.sample=2"], "grpo.sample"),
        (["--set", "grpo.samples"], "grpo.samples"),
        (["--only", "figures", "--profile", "smoke"], "figures"),
        (["--only", "figures", "--only", "01"], "figures"),
        (["--out", "README.md"], "README.md"),
        (["--out", "/proc/no/such/place"], "/proc/no"),
    ],
)
def test_wrong_input_is_one_line_that_names_it(arguments, named):
    answer = fdcore("run", *arguments)
    assert answer.returncode == 2 and answer.stdout == ""
    assert named in answer.stderr and answer.stderr.count("\n") == 1


def test_a_refused_run_has_replaced_nothing(tmp_path):
    Run.create("smoke", 0, tmp_path)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/01_lean_and_tools.ipynb").write_text("executed")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for change in (["--seed", "1"], ["--set", "grpo.samples=7"]):
        answer = fdcore("run", "--profile", "smoke", "--out", str(tmp_path), *change)
        assert answer.returncode == 2 and change[-1].partition("=")[0] in answer.stderr.replace(
            "seed: 0", "1"
        )
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_run_that_lacks_something_says_what_check_says_and_touches_nothing(tmp_path):
    out, tracked = tmp_path / "run", ("--set", "tracker=wandb")
    answer = fdcore("run", "--profile", "smoke", "--out", str(out), "--only", "01", *tracked)
    assert answer.returncode == 1 and answer.stdout == "" and not out.exists()
    assert "MISSING  tracker" in answer.stderr and "wandb" in answer.stderr


@pytest.mark.parametrize(
    "text, code", [("exact Nat.add_comm a b", 0), ("exact Nat.mul_comm a b", 1)]
)
def test_one_proof_is_judged(library, tmp_path, text, code):
    (tmp_path / "S.lean").write_text(
        "prelude\nimport Fd\n\ntheorem t (a b : Nat) : a + b = b + a := by\n"
    )
    (tmp_path / "P.lean").write_text(text)
    files = ("--statement", str(tmp_path / "S.lean"), "--proof", str(tmp_path / "P.lean"))
    answer = fdcore("judge", *files)
    assert answer.returncode == code
    assert (json.loads(answer.stdout)["status"] == "verified") == (code == 0)
