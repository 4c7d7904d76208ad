"""What is shipped with the repository is what its provenance says, and every figure can be drawn from it without training."""

import json
import subprocess
import sys

import pytest
import yaml

from fdcore import REPOSITORY
from fdcore.experiment import publish as shipped
from fdcore.experiment.run import Experiment
from fdcore.experiment.study import Study
from fdcore.profile import PROFILES

SPEEDS = {"alpha 0.90": "fd", "alpha 1.00": "teacher_speed/alpha_1.00"}


@pytest.fixture
def study(tmp_path):
    """A study of two seeds whose runs have a little of everything."""
    settings = yaml.safe_load((PROFILES / "smoke.yaml").read_text()) | {
        "seeds": [0, 1],
        "publish_figures": True,
    }
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(settings))
    found = Study(path, out=tmp_path / "run")
    for run in found.runs:
        for name, rows in {
            "arms/fd/metrics": 6,
            "arms/fd/eval_test": 2,
            "arms/teacher_speed/alpha_1.00/metrics": 1,
            "arms/fd/trajectories": 99,
            "base/metrics": 1,
        }.items():
            file = run.folder / f"{name}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(
                "".join(json.dumps({"step": i, "seed": run.seed}) + "\n" for i in range(rows))
            )
        (run.folder / "arms/fd/model").mkdir()
        (run.folder / "arms/fd/model/model.safetensors").write_text("heavy")
    found.figures.mkdir()
    (found.figures / "figure_2.png").write_text("drawn")
    return found


def test_figures_and_compact_records_are_copied_and_no_weights(study, tmp_path):
    assert [path.name for path in shipped.publish(study, tmp_path / "figures")] == ["figure_2.png"]
    records = tmp_path / "figures/records"
    assert not list(records.rglob("*.safetensors"))
    assert (
        len((records / "seed-1/arms/fd/trajectories.jsonl").read_text().splitlines()) == 16
    )  # the first step's
    told = json.loads((tmp_path / "figures/provenance.json").read_text())
    assert told["seeds"] == [0, 1] and all(
        len(each["commit"].split()[0]) == 40
        and each["machine"]["cores"] > 0
        and each["machine"]["processor"]
        for (each,) in told["origins"].values()
    )
    assert {"figure_2.png", "records/seed-0/arms/teacher_speed/alpha_1.00/metrics.jsonl"} <= told[
        "files"
    ].keys()
    shipped.check(tmp_path / "figures")


def test_a_study_unpacked_from_records_answers_and_never_trains(study, tmp_path):
    shipped.publish(study, tmp_path / "figures")
    shipped.unpack(tmp_path / "again", tmp_path / "figures")
    again = Study(tmp_path / "two.yaml", out=tmp_path / "again")
    assert again.train("fd") == study.train("fd") and len(again.train("fd")) == 12
    assert again.evaluate("fd", "test") == [{"seed": s, "step": i} for s in (0, 1) for i in (0, 1)]
    assert again.train("grpo") == [] and again.first.shipped and not study.first.shipped
    assert again.compare(SPEEDS).arms == SPEEDS
    with pytest.raises(ValueError, match="no arm 'ppo'"):
        again.train("ppo")
    with pytest.raises(
        ValueError, match="records without weights.* read them with fdcore.experiment.study.Study"
    ):
        Experiment(tmp_path / "two.yaml", 0, again.first.folder)


def test_shipped_records_are_read_and_drawn_without_torch(study, tmp_path):
    """Importing it takes longer than to draw a figure."""
    shipped.publish(study, tmp_path / "figures")
    shipped.unpack(tmp_path / "again", tmp_path / "figures")
    script = f"""import sys
from fdcore.figures import claims
from fdcore.figures import style as plots
from fdcore.figures import variants as variantfigure
from fdcore.experiment.study import Study
study = Study({str(tmp_path / "two.yaml")!r}, out={str(tmp_path / "again")!r})
study.train("fd"), study.evaluate("fd", "test"), study.first.problems(), study.first.given_feedback(), study.first.base()
assert not {{"torch", "transformers"}} & sys.modules.keys()"""
    subprocess.run([sys.executable, "-c", script], check=True, cwd=REPOSITORY)


def test_an_ablation_is_read_from_the_shipped_run_that_has_it(study, tmp_path):
    (study.runs[0].folder / "arms/teacher_speed/alpha_1.00/metrics.jsonl").unlink()
    shipped.publish(study, tmp_path / "figures")
    shipped.unpack(tmp_path / "again", tmp_path / "figures")
    again = Study(tmp_path / "two.yaml", out=tmp_path / "again")
    assert {
        label: {row["seed"] for row in rows}
        for label, rows in again.compare(SPEEDS).train().items()
    } == {"alpha 0.90": {1}, "alpha 1.00": {1}}


def test_drawing_anew_keeps_the_runs_provenance(study, tmp_path):
    shipped.publish(study, tmp_path / "figures")
    told = json.loads((tmp_path / "figures/provenance.json").read_text())
    told["origins"]["1"][0]["commit"] = "of the run"
    (tmp_path / "figures/provenance.json").write_text(json.dumps(told))
    shipped.unpack(tmp_path / "again", tmp_path / "figures")
    again = Study(tmp_path / "two.yaml", out=tmp_path / "again")
    again.figures.mkdir()
    (again.figures / "figure_2.png").write_text("drawn otherwise")
    shipped.publish(again, tmp_path / "figures")
    shipped.check(tmp_path / "figures")
    assert (
        json.loads((tmp_path / "figures/provenance.json").read_text())["origins"]["1"][0]["commit"]
        == "of the run"
    )


def test_a_study_is_published_in_pieces_from_several_machines(study, tmp_path):
    target = tmp_path / "figures"
    pieces = [
        Study(tmp_path / "two.yaml", seed=seed, out=run.folder)
        for seed, run in enumerate(study.runs)
    ]
    for piece in pieces:
        piece.figures.mkdir()
        (piece.figures / "figure_2.png").write_text(f"drawn of seed {piece.seeds[0]} alone")
    assert (
        len(shipped.publish(pieces[1], target)) == 1
    )  # the first piece is all that there is: its figures are right
    assert shipped.publish(pieces[0], target) == []  # these wait to be drawn of both
    told = json.loads((target / "provenance.json").read_text())
    assert (
        told["seeds"] == [0, 1] and (target / "figure_2.png").read_text() == "drawn of seed 1 alone"
    )
    shipped.check(target)

    assert [len(each) for each in told["origins"].values()] == [1, 1]

    told["origins"]["0"][0]["commit"] = "earlier"
    (target / "provenance.json").write_text(json.dumps(told))
    (pieces[0].folder / "arms/grpo").mkdir()
    (pieces[0].folder / "arms/grpo/metrics.jsonl").write_text('{"step": 0}\n')
    (pieces[0].folder / "arms/teacher_speed/alpha_1.00/metrics.jsonl").open("a").write(
        '{"step": 1, "seed": 0}\n'
    )  # it has gone on
    shipped.publish(pieces[0], target)  # an arm more of a seed that is there
    one, two = json.loads((target / "provenance.json").read_text())["origins"]["0"]
    assert (
        one["commit"] == "earlier"
        and "arms/fd/metrics.jsonl" in one["records"]
        and two["records"]
        == ["arms/grpo/metrics.jsonl", "arms/teacher_speed/alpha_1.00/metrics.jsonl"]
    )
    shipped.unpack(tmp_path / "again", target)
    again = Study(tmp_path / "two.yaml", out=tmp_path / "again")
    assert (
        again.seeds == (0, 1)
        and len(again.train("fd")) == 12
        and again.train("grpo") == [{"step": 0}]
    )

    (pieces[0].folder / "arms/fd/metrics.jsonl").write_text("{}\n")
    with pytest.raises(
        ValueError,
        match="seed-0/arms/fd/metrics.jsonl is of another run of seed 0.*remove .*records/seed-0",
    ):
        shipped.publish(pieces[0], target)


def test_a_record_comes_from_the_commit_and_machine_that_last_worked_on_it(study, tmp_path):
    old, new = (
        {"commit": commit, "date": "2026-01-01", "machine": {"cores": 1}}
        for commit in ("old", "new")
    )
    rows = [
        ("arms/fd/metrics.jsonl", old),
        ("arms/fd/eval_test.jsonl", old),
        ("arms/fd/eval_test.jsonl", new),
    ]
    (study.runs[0].folder / "origins.jsonl").write_text(
        "".join(json.dumps({"record": record, "origin": each}) + "\n" for record, each in rows)
    )
    shipped.publish(study, tmp_path / "figures")
    pieces = json.loads((tmp_path / "figures/provenance.json").read_text())["origins"]["0"]
    found = {each["commit"]: each["records"] for each in pieces}
    assert found.pop("old") == ["arms/fd/metrics.jsonl"] and found.pop("new") == [
        "arms/fd/eval_test.jsonl"
    ]
    assert list(found.values()) == [
        ["arms/teacher_speed/alpha_1.00/metrics.jsonl", "base/metrics.jsonl"]
    ]  # of which nothing was noted: they come from here


def test_of_a_study_that_has_one_of_its_seeds_so_far_that_one_is_drawn(study, tmp_path):
    (study.runs[1].folder / "figures").mkdir()
    shipped.publish(
        Study(tmp_path / "two.yaml", seed=1, out=study.runs[1].folder), tmp_path / "figures"
    )
    shipped.unpack(tmp_path / "again", tmp_path / "figures")
    again = Study(tmp_path / "two.yaml", out=tmp_path / "again")
    assert again.seeds == (1,) and again.first.folder == tmp_path / "again"


def test_a_record_that_was_touched_is_named(study, tmp_path):
    shipped.publish(study, tmp_path / "figures")
    (tmp_path / "figures/records/seed-0/arms/fd/metrics.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="records/seed-0/arms/fd/metrics.jsonl is not the file"):
        shipped.unpack(tmp_path / "again", tmp_path / "figures")
    with pytest.raises(ValueError, match="no provenance.json"):
        shipped.unpack(tmp_path / "again", tmp_path / "empty")


def test_the_repository_ships_what_its_provenance_says():
    assert shipped.folders()
    for folder in shipped.folders():
        shipped.check(folder)


def test_a_second_model_size_is_published_in_a_folder_of_its_own_and_redrawn_first(
    study, tmp_path, monkeypatch
):
    monkeypatch.setattr(shipped, "FIGURES", tmp_path / "figures")
    monkeypatch.setattr(shipped, "update_readme", lambda *_: None)
    shipped.publish(study, tmp_path / "figures")
    assert (
        shipped.folders() == [tmp_path / "figures"]
        and shipped.target_of(study.profile) == tmp_path / "figures"
    )
    object.__setattr__(study.profile, "second_size", True)
    assert [path.parent for path in shipped.publish(study)] == [
        tmp_path / "figures" / study.profile.name
    ]
    assert shipped.folders() == [tmp_path / "figures" / study.profile.name, tmp_path / "figures"]
    assert shipped.unpack(tmp_path / "again", shipped.folders()[0]) == study.profile.name
