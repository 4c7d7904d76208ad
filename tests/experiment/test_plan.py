"""The plan: sizes are the model's own, work is the profile's, and what is done is not planned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from fdcore.experiment.plan import (
    GB,
    count_problems,
    describe,
    find_misfits,
    make_plan,
    measure_model,
    plan_memory,
    read_config,
    summarize,
)
from fdcore.profile import load_profile

NOWHERE = [Path("/nowhere")]


@pytest.mark.parametrize(
    "name, billions", [("paper", 8.95), ("paper-8b", 8.19), ("paper-lora", 8.19)]
)
def test_the_paper_profiles_fit_their_gpus(name, billions):
    plan = make_plan(load_profile(name), NOWHERE)
    assert plan.size.parameters / 1e9 == pytest.approx(billions, abs=0.01)
    assert find_misfits(plan) == []


def test_weights_are_counted_as_torch_counts_them():
    size = measure_model(load_profile("paper-8b").model)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(read_config("Qwen/Qwen3-8B"))
    assert size.parameters == sum(weight.numel() for weight in model.parameters())


def test_adapters_are_those_that_peft_makes():
    from peft import LoraConfig, get_peft_model

    settings = load_profile("paper-lora").model
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(read_config(settings.source))
        model = get_peft_model(model, LoraConfig(r=settings.lora.rank, target_modules="all-linear"))
    trained = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    assert measure_model(settings).trained == trained


def test_what_does_not_fit_is_named():
    profile = load_profile("paper").varied({"training.activation_checkpointing": False})
    (first, *_) = find_misfits(make_plan(profile, NOWHERE))
    assert "fd" in first and "activations" in first
    profile = load_profile("paper-8b").varied({"episode.max_response_tokens": 40_000})
    assert any("40960 positions" in line for line in find_misfits(make_plan(profile, NOWHERE)))


def test_more_gpus_share_weights_gradients_and_moments():
    profile = load_profile("paper")
    size = measure_model(profile.model)
    eight = plan_memory(profile, size, "fd")
    sixteen = plan_memory(profile.varied({"hardware.gpus": 16}), size, "fd")
    for row in ("weights", "gradients", "AdamW moments", "EMA teacher"):
        assert eight[row] == pytest.approx(2 * sixteen[row])
    assert eight["weights"] == pytest.approx(4 * size.parameters / 8) and eight["weights"] > GB


def test_attempts_and_feedback_calls_follow_from_the_profile():
    works = {work.name: work for work in make_plan(load_profile("paper"), NOWHERE).works}
    assert works["train fd"].attempts == works["train fd"].calls == 600 * 128
    assert works["train grpo"].attempts == 600 * 640 and works["train grpo"].calls == 0
    assert works["evaluate base on test"].attempts == 256 * 16


def test_a_variant_is_planned_in_the_first_run_alone():
    folders = [Path("/nowhere/seed-0"), Path("/nowhere/seed-1")]
    names = [work.name for work in make_plan(load_profile("tiny-full"), folders).works]
    assert names.count("train fd") == 2 and names.count("train self/self") == 1


def test_what_is_done_is_read_off_the_folder_and_measured_seconds_are_used(tmp_path):
    arm = tmp_path / "arms/fd"
    arm.mkdir(parents=True)
    (arm / "metrics.jsonl").write_text("{}\n" * 3 + "{cut")
    row = {"seconds": {"sample": 32.0, "verify": 16.0, "train": 16.0}}
    (arm / "timing.jsonl").write_text((json.dumps(row) + "\n") * 3)
    plan = make_plan(load_profile("smoke"), [tmp_path])
    work = next(work for work in plan.works if work.name == "train fd")
    assert (work.done, work.total) == (3, 6)
    assert work.seconds == pytest.approx(6 * 64) and work.seconds_left == pytest.approx(3 * 64)
    assert str(tmp_path) in plan.measured


def test_a_run_with_nothing_left_is_done(tmp_path):
    profile = load_profile("smoke").varied(
        {"arms": [{"name": "fd", "method": "fd", "steps": 1}], "seeds": [3]}
    )
    lengths = {"arms/fd/metrics": 1}
    for split, count in count_problems(profile).items():
        lengths |= {f"base/eval_{split}": count, f"arms/fd/eval_{split}": count}
    for name, count in lengths.items():
        assert not make_plan(profile, [tmp_path]).is_done
        (tmp_path / f"{name}.jsonl").parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.jsonl").write_text("{}\n" * count)
    assert make_plan(profile, [tmp_path]).is_done


def test_a_model_that_is_nowhere_is_one_line():
    profile = load_profile("paper").varied({"model.source": "nobody/nothing"})
    with pytest.raises(ValueError, match="nobody/nothing") as error:
        make_plan(profile, NOWHERE)
    assert "\n" not in str(error.value)


def test_a_plan_names_every_piece_of_work():
    plan = make_plan(load_profile("paper-lora"), NOWHERE)
    text = describe(plan)
    assert all(work.name in text for work in plan.works) and summarize(plan) in text
