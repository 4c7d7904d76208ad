"""A study: one folder a seed, rows that name their seed, arms that are found by name."""

import json

import pytest
import yaml

from fdcore import REPOSITORY
from fdcore.experiment import study as studies
from fdcore.experiment.session import count_threads
from fdcore.experiment.study import Study, default_folder
from fdcore.profile import PROFILES, load_profile


@pytest.fixture
def profile(tmp_path):
    settings = yaml.safe_load((PROFILES / "smoke.yaml").read_text())
    over = {"arm": "alpha/alpha_1", "step": 4}
    settings["name"] = "several"
    settings["seeds"] = [0, 3]
    settings["arms"] = [
        {"name": "fd", "method": "fd", "steps": 6},
        {"name": "grpo", "method": "grpo", "steps": 6},
        {
            "name": "alpha/alpha_1",
            "method": "fd",
            "steps": 6,
            "seeds": "first",
            "settings": {"distillation.ema_alpha": 1.0},
        },
        {"name": "over_alpha", "method": "grpo", "steps": 2, "seeds": "first", "start": over},
    ]
    path = tmp_path / "several.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def test_each_seed_has_a_folder_of_its_own_and_a_piece_is_found_again_by_the_whole(
    profile, tmp_path
):
    study = Study(profile, out=tmp_path / "whole")
    assert [run.folder for run in study.runs] == [
        tmp_path / "whole/seed-0",
        tmp_path / "whole/seed-3",
    ] and study.figures == tmp_path / "whole/figures"
    assert Study(profile, seed=3, out=tmp_path / "piece").runs[0].folder == tmp_path / "piece"
    assert (
        default_folder(load_profile(profile), None) == REPOSITORY / "runs/several"
        and default_folder(load_profile(profile), 3) == REPOSITORY / "runs/several/seed-3"
    )
    assert (
        default_folder(load_profile("smoke"), None) == REPOSITORY / "runs/smoke-seed0"
        and default_folder(load_profile("smoke"), 2) == REPOSITORY / "runs/smoke-seed2"
    )


def test_an_arms_rows_are_those_of_all_seeds(profile, tmp_path):
    study = Study(profile, out=tmp_path)
    for run in study.runs:
        folder = run.folder / "arms/fd"
        (folder / "model").mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(
            "".join(json.dumps({"step": step, "seed": run.seed}) + "\n" for step in range(1, 7))
        )
    assert [row["seed"] for row in study.train("fd")] == [0] * 6 + [3] * 6


def test_arms_are_known_by_name(profile, tmp_path):
    study = Study(profile, seed=0, out=tmp_path)
    assert study.arms == ["fd", "grpo"]
    with pytest.raises(ValueError, match="'ppo'.*fd, grpo, alpha/alpha_1, over_alpha"):
        study.train("ppo")


def test_a_comparison_holds_the_arms_that_the_profile_has(profile, tmp_path):
    study = Study(profile, out=tmp_path)
    arms = {"alpha 0.9": "fd", "alpha 1": "alpha/alpha_1", "alpha 2": "alpha/alpha_2"}
    found = study.compare(arms)
    assert found.arms == {"alpha 0.9": "fd", "alpha 1": "alpha/alpha_1"}
    assert found.run is study.first
    assert [row["settings"] for row in found.settings()] == ["as is", "distillation.ema_alpha: 1.0"]


def test_arms_that_a_profile_lacks_are_shown_from_the_published_records(profile, tmp_path):
    found = Study(profile, out=tmp_path).compare({"critique": "fd", "Think": "constant/Think"})
    assert found.run.folder.parent == REPOSITORY / "figures" / "records"
    assert found.run.profile.name in found.source
    assert all(rows for rows in found.train().values())


def test_a_variant_whose_settings_were_changed_after_it_was_trained_is_refused(profile, tmp_path):
    trained = tmp_path / "run/arms/alpha/alpha_1"
    (trained / "model").mkdir(parents=True)
    (trained / "metrics.jsonl").write_text(
        "".join(json.dumps({"step": step}) + "\n" for step in range(1, 7))
    )
    assert (
        len(Study(profile, seed=0, out=tmp_path / "run").train("alpha/alpha_1")) == 6
    )  # finished: nothing is trained
    settings = yaml.safe_load(profile.read_text())
    settings["arms"][2]["settings"]["distillation.ema_alpha"] = 0.99
    profile.write_text(yaml.safe_dump(settings))
    with pytest.raises(ValueError, match="ema_alpha.*1.0.*0.99.*--out"):
        Study(profile, seed=0, out=tmp_path / "run").train("alpha/alpha_1")


def test_an_arm_counts_its_steps_from_the_base(profile, tmp_path):
    run = Study(profile, seed=0, out=tmp_path).first
    starts = {name: run.start_step(name) for name in ("base", "fd", "alpha/alpha_1", "over_alpha")}
    assert starts == {"base": 0, "fd": 0, "alpha/alpha_1": 0, "over_alpha": 4}
    assert run.profile.kept_steps("alpha/alpha_1") == {4, 6}


@pytest.mark.parametrize("limit, threads", [("", 2), ("1", 1), ("2,1", 2), ("8", 2), ("many", 2)])
def test_a_process_has_the_profiles_threads_or_fewer(limit, threads, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert count_threads(load_profile("smoke")) == threads


def test_a_notebook_opened_where_nothing_was_run_shows_what_is_published(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "default_folder", lambda profile, seed: tmp_path / "run")
    assert Study("smoke").folder == studies.FIGURES
    assert not (tmp_path / "run").exists()
    own = Study(load_profile("smoke"), out=tmp_path / "run")
    assert Study("smoke").folder == own.folder


def test_the_base_is_measured_where_it_is_a_folder_and_not_asked_for_at_the_hub(tmp_path):
    shipped = Study(load_profile("smoke"), out=tmp_path / "one").base_measurements
    assert shipped["problems"] == 100 and 0 < shipped["pass@1"] < 1
    of_the_hub = load_profile("smoke").varied({"model.source": "nobody/nothing"})
    assert Study(of_the_hub, out=tmp_path / "two").base_measurements == {}
