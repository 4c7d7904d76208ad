"""The same numbers in an odd place: a read-only checkout, blanks, braces, no HOME, an ASCII locale.

A notebook of one's own is dropped into a copy of the checkout and trains for two steps.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat.v4 as v4
import pytest

from fdcore import REPOSITORY

PROFILE = """extends: smoke
name: odd
problems: {validation: 0, max_train: 8, max_test: 2, max_holdout: 1}
episode: {max_response_tokens: 40, max_turns: 2}
distillation: {prompts: 4}
evaluation: {every: 2, during_problems: 1, samples: 2, base_samples: 1, holdout_samples: 1, ks: [1]}
arms: [{name: fd, method: fd, steps: 2}]
"""
OWN = """from fdcore.experiment.study import Study
study = Study(profile, seed=seed, out=out)
study.train("fd"), study.evaluate("fd", "test")"""
# A locale that is not UTF-8, and Python kept from mending it: every file says its encoding.
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TERM": "dumb"}


OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


def copy_checkout(folder: Path) -> Path:
    """The package, the Lean library with what is compiled of it, and one notebook."""
    for name in ("fdcore", "lean_project"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, folder / name, ignore=skipped)
    parameters = v4.new_code_cell("profile = seed = out = None", metadata={"tags": ["parameters"]})
    title = v4.new_markdown_cell("# My own idea\n\nA paper may come of it.")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    own = v4.new_notebook(cells=[title, parameters, v4.new_code_cell(OWN)], metadata=kernel)
    (folder / "notebooks").mkdir()
    (folder / "notebooks" / "my_own.ipynb").write_text(v4.writes(own), encoding="utf-8")
    shutil.copy(REPOSITORY / "run_all.sh", folder)
    (folder / "odd.yaml").write_text(PROFILE, encoding="utf-8")
    return folder


def run(checkout: Path, out: Path, environment: dict[str, str], read_only: bool = False) -> dict:
    """The measured files of a run, in a mount namespace of its own if the checkout is read-only."""
    own = {name: value for name, value in os.environ.items() if name not in ("HOME", "LC_ALL")}
    own |= {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "2", **environment}
    words = ["-m", "fdcore", "run", "--profile", checkout / "odd.yaml", "--out", out]
    script = 'umask 077; exec "$0" "$@"'
    if read_only:
        script = (
            f'mount --bind "$PYTHONPATH"{{,}} && mount -o remount,ro,bind "$PYTHONPATH"; {script}'
        )
    command = [*OWN_MOUNTS * read_only, "bash", "-c", script, sys.executable, *words]
    ended = subprocess.run(command, env=own, cwd="/", capture_output=True, stdin=subprocess.DEVNULL)
    assert ended.returncode == 0, (ended.stdout + ended.stderr).decode(errors="replace")[-3000:]
    assert (out / "notebooks" / "my_own.ipynb").exists()
    names = ("metrics", "feedback", "eval_test")
    return {name: (out / "arms/fd" / f"{name}.jsonl").read_bytes() for name in names}


@pytest.fixture(scope="module")
def plain(library, tmp_path_factory):
    """A checkout in a plain place, and what a run in it measures."""
    checkout = copy_checkout(tmp_path_factory.mktemp("plain") / "checkout")
    return checkout, run(checkout, checkout.parent / "out", {"HOME": str(checkout.parent)})


def test_a_dropped_notebook_is_listed(plain):
    listed = subprocess.run([plain[0] / "run_all.sh", "--list"], capture_output=True, text=True)
    assert "my_own" in listed.stdout and "My own idea" in listed.stdout


def test_in_another_locale_with_nested_threads_the_numbers_are_the_same(plain):
    checkout, measured = plain
    assert run(checkout, checkout.parent / "ascii", ASCII | {"OMP_NUM_THREADS": "2,1"}) == measured


def test_in_a_checkout_that_cannot_be_written_under_an_odd_name_the_numbers_are_the_same(
    plain, tmp_path
):
    checkout = copy_checkout(tmp_path / "a {x} {} ∀ 'q' [$b]")
    place = tmp_path / ("t" * 120)
    place.mkdir()
    read_only = subprocess.run([*OWN_MOUNTS, "true"], capture_output=True).returncode == 0
    environment = {
        "TMPDIR": str(place),
        "FD_CACHE": str(tmp_path / "a cache"),
    }
    out = tmp_path / "a {y} ∀" / "out"
    assert run(checkout, out, environment, read_only) == plain[1]
