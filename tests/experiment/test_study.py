"""A study: one folder a seed, rows that name their seed, arms that are found by name."""

import json

import pytest
import yaml

from fdcore import REPOSITORY
from fdcore.experiment.arms import arm_of, variants
from fdcore.experiment.study import Study
from fdcore.figures.variants import settings_table
from fdcore.profile import PROFILES, default_folder, load_profile


@pytest.fixture
def profile(tmp_path):
    settings = yaml.safe_load((PROFILES / "smoke.yaml").read_text())
    settings |= {
        "seeds": [0, 3],
        "rft": {"prompts": 2, "samples": 2, "learning_rate": 1e-3},
        "ablations": {
            "alpha": {
                "arm": "fd",
                "main": "alpha 0.9",
                "variants": {"alpha 1": {"distillation.ema_alpha": 1.0}},
            },
            "over_alpha": {
                "arm": "grpo",
                "main": "alpha 0.9",
                "variants": {"alpha 1": {}},
                "after": "alpha",
                "steps": 2,
            },
        },
    }
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
        default_folder(profile, None) == REPOSITORY / "runs/several"
        and default_folder(profile, 3) == REPOSITORY / "runs/several/seed-3"
    )
    assert (
        default_folder("smoke", None) == REPOSITORY / "runs/smoke-seed0"
        and default_folder("smoke", 2) == REPOSITORY / "runs/smoke-seed2"
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


def test_arms_and_variants_are_known_by_name(profile, tmp_path):
    run = Study(profile, seed=0, out=tmp_path).first
    assert run.arms == ["fd", "grpo", "rft", "grpo_from_fd_1", "grpo_from_fd_2", "grpo_from_fd_3"]
    assert variants(run.profile, "alpha") == {"alpha 0.9": "fd", "alpha 1": "alpha/alpha_1"}
    assert variants(run.profile, "over_alpha") == {
        "GRPO over alpha 0.9": "grpo_from_fd_3",
        "GRPO over alpha 1": "over_alpha/alpha_1",
    }
    with pytest.raises(ValueError, match="no ablation 'beta'; there are: alpha, over_alpha"):
        variants(run.profile, "beta")
    with pytest.raises(ValueError, match="no arm 'ppo'; there are: fd, grpo, rft, .*alpha/alpha_1"):
        run.train("ppo")


def test_a_table_says_what_each_variant_changes(profile, tmp_path):
    told = settings_table(load_profile(profile), "alpha", "over_alpha").splitlines()
    assert told[2:] == [
        "| alpha 0.9 | as in the profile |",
        "| alpha 1 | `distillation.ema_alpha` 1.0 |",
        "| GRPO over alpha 0.9 | as in the profile |",
        "| GRPO over alpha 1 | as in the profile |",
    ]
    assert settings_table(load_profile("tiny"), "alpha") == "This profile has no such ablation."


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
    settings["ablations"]["alpha"]["variants"]["alpha 1"]["distillation.ema_alpha"] = 0.99
    profile.write_text(yaml.safe_dump(settings))
    with pytest.raises(ValueError, match="other settings .* remove that folder"):
        Study(profile, seed=0, out=tmp_path / "run").train("alpha/alpha_1")


def test_an_arm_over_a_variant_starts_from_the_checkpoint_that_the_main_one_starts_from(
    profile, tmp_path
):
    run = Study(profile, seed=0, out=tmp_path).first
    assert (
        run.start_step("grpo_from_fd_3") == run.start_step("over_alpha/alpha_1") == 6
        and run.start_step("alpha/alpha_1") == run.start_step("base") == 0
    )
    assert (
        arm_of(run.profile, "over_alpha/alpha_1").after == "alpha/alpha_1"
        and arm_of(run.profile, "grpo_from_fd_3").after == "fd"
    )
