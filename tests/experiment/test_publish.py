"""Published records are a copy that can be read and drawn from, and that no run touches."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import nbformat
import pytest

from fdcore import REPOSITORY
from fdcore.experiment import provenance
from fdcore.experiment.publish import README_MARK, publish, published_folders, update_readme
from fdcore.experiment.run import Run
from fdcore.experiment.study import FIGURES, Study
from fdcore.profile import load_profile

SPEEDS = {"alpha 0.90": "fd", "alpha 1.00": "teacher_speed/alpha_1.00"}


@pytest.fixture
def study(tmp_path):
    """A study of two seeds whose runs have a little of everything."""
    profile = load_profile("smoke").varied({"seeds": [0, 1]})
    study = Study(profile, out=tmp_path / "run")
    names = {
        "arms/fd/metrics": 6,
        "arms/fd/eval_test": 2,
        "arms/fd/trajectories": 99,
        "arms/teacher_speed/alpha_1.00/metrics": 1,
        "base/metrics": 1,
    }
    for run in study.runs:
        for name, count in names.items():
            file = run.folder / f"{name}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = [{"step": s, "seed": run.seed, "problem_id": f"p{s}"} for s in range(count)]
            file.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (run.folder / "arms/fd/model").mkdir()
        (run.folder / "arms/fd/model/model.safetensors").write_text("heavy")
        origin = {"record": "arms/fd/metrics.jsonl", "origin": {"commit": "c", "date": "d"}}
        (run.folder / "origins.jsonl").write_text(json.dumps(origin) + "\n")
    return study


def test_compact_records_are_copied_and_no_weights(study, tmp_path):
    target = publish(study, tmp_path / "figures")
    assert not list(target.rglob("*.safetensors"))
    attempts = target / "records/seed-1/arms/fd/trajectories.jsonl"
    assert len(attempts.read_text().splitlines()) == 16  # the first step's
    provenance = json.loads((target / "provenance.json").read_text())
    assert provenance["profile"] == "smoke"
    assert provenance["origins"]["1"] == [
        {"commit": "c", "date": "d", "records": ["arms/fd/metrics.jsonl"]}
    ]


def test_published_records_answer_and_are_never_trained(study, tmp_path):
    again = Study("smoke", out=publish(study, tmp_path / "figures"))
    assert again.published and again.seeds == [0, 1] and again.figures == tmp_path / "figures"
    assert again.train("fd") == [row for run in study.runs for row in run.metrics("fd")]
    assert len(again.evaluate("fd", "test")) == 4 and again.train("grpo") == []
    assert again.compare(SPEEDS).arms == SPEEDS
    with pytest.raises(ValueError, match="'ppo'"):
        again.train("ppo")
    assert not again.first.session.run.folder.is_relative_to(tmp_path)  # it writes elsewhere
    with pytest.raises(ValueError, match="published"):
        publish(again)


def test_variants_are_read_from_the_run_that_has_them(study, tmp_path):
    (study.runs[0].folder / "arms/teacher_speed/alpha_1.00/metrics.jsonl").unlink()
    again = Study("smoke", out=publish(study, tmp_path / "figures"))
    rows = again.compare(SPEEDS).train()
    assert {row["seed"] for label in SPEEDS for row in rows[label]} == {1}


def test_a_part_of_a_study_joins_the_other_parts(study, tmp_path):
    target = publish(study, tmp_path / "figures")
    piece = Study(load_profile("smoke"), seed=2, out=tmp_path / "piece")
    (piece.first.folder / "base").mkdir()
    assert Study("smoke", out=publish(piece, target)).seeds == [0, 1, 2]
    with pytest.raises(ValueError, match="smoke.*tiny"):
        publish(Study("tiny", out=tmp_path / "other"), target)


def test_published_records_are_read_without_torch():
    program = (
        "import sys; from fdcore.experiment.study import FIGURES, Study;"
        "study = Study('tiny', out=FIGURES); study.train('fd'), study.evaluate('fd', 'test');"
        "study.first.problems();"
        "assert not {'torch', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)


def test_what_the_repository_publishes_is_a_study():
    for folder in published_folders():
        study = Study("", out=folder)
        assert study.train("fd") and study.first.recorded(1)
        assert all(Run.open(run.folder).seed == run.seed for run in study.runs)
    assert FIGURES in published_folders()


@pytest.mark.parametrize("kind", ["commit", "changes", "no repository", "another user's", "no git"])
def test_the_origin_names_the_commit_or_why_nobody_knows_it(tmp_path, monkeypatch, kind):
    def git(*words):
        identity = ["-c", "user.name=n", "-c", "user.email=e"]
        subprocess.run(["git", "-C", tmp_path, *identity, *words], check=True, capture_output=True)

    monkeypatch.setattr(provenance, "REPOSITORY", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    if kind != "no repository":
        git("init", "-q")
        git("commit", "-q", "--allow-empty", "-m", "first")
    if kind == "changes":
        (tmp_path / "fdcore").mkdir()
        (tmp_path / "fdcore/new.py").touch()
    if kind == "another user's":
        if os.geteuid():
            pytest.skip("only root gives files away")
        os.chown(tmp_path, 4321, 4321)
    if kind == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    commit = provenance.describe_origin()["commit"]
    expected = {
        "commit": r"[0-9a-f]{40}",
        "changes": r"[0-9a-f]{40} with changes",
        "no repository": r"unknown: not a git repository.*",
        "another user's": r"unknown: detected dubious ownership.*",
        "no git": r"unknown: no git here",
    }
    assert re.fullmatch(expected[kind], commit)


def test_a_readme_gets_its_results_between_two_marks(tmp_path):
    readme = tmp_path / "README.md"
    (tmp_path / "results.md").write_text("| new |\n")
    origins = {"0": [{"commit": "c" * 40, "date": "2026-11-30", "records": []}]}
    (tmp_path / "provenance.json").write_text(json.dumps({"profile": "p", "origins": origins}))
    readme.write_text(f"before\n{README_MARK}old\n{README_MARK}after\n")
    update_readme(readme, tmp_path)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "| new |" in text and "cccccccccc, 2026-11-30" in text and "old" not in text
    readme.write_text("no marks")
    with pytest.raises(ValueError, match="README.md"):
        update_readme(readme, tmp_path)


def test_a_result_in_the_readme_or_a_notebook_is_never_typed():
    """Shares and differences come from records. The paper's own are in sentences that say so."""
    result = re.compile(r"\d ?%|[+−]0?\.\d")
    before, _, after = (REPOSITORY / "README.md").read_text(encoding="utf-8").split(README_MARK)
    assert not result.findall(before + after)
    for path in sorted((REPOSITORY / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "markdown" and "paper" not in cell.source:
                assert set(result.findall(cell.source)) <= {"5 %"}, (path.name, cell.source)
