"""The plan: what a run will need and what of it is done, without torch, GPU or network."""

from __future__ import annotations

import io
import json
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from fdcore.experiment.plan import PAPER_SECONDS, STAGES, make_plan, memory_plan
from fdcore.experiment.plantables import show, summary
from fdcore.experiment.shapes import read_shape, shape_of
from fdcore.profile import Hardware, Profile, load_profile

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))


def changed(profile: Profile, **changes) -> Profile:
    """The profile with settings such as hardware__gpus=2."""
    for name, value in changes.items():
        section, _, key = name.partition("__")
        profile = profile.model_copy(
            update={section: getattr(profile, section).model_copy(update={key: value})}
        )
    return profile


def test_both_paper_profiles_fit_their_gpus_and_so_does_the_appendixs_model(tmp_path):
    for profile in (
        load_profile("paper"),
        load_profile("paper-lora"),
        changed(
            load_profile("paper"),
            model__source="Qwen/Qwen3-8B",
        ),
    ):
        plan = make_plan(profile, tmp_path, NOTEBOOKS)
        assert plan.problems == [] and plan.remedies == () and set(plan.memory) == {"fd", "grpo"}


@pytest.mark.parametrize(
    "change, told",
    [
        (
            {"hardware__gpus": 2},
            "fd: the trainer needs 104 GB a GPU, the sampler leaves it 40 of 80",
        ),
        ({"training__activation_checkpointing": False}, "most of it: activations"),
        ({"hardware__gpu_memory_gb": 24}, "the sampler gets 12 GB"),
        ({"episode__max_response_tokens": 400_000}, "the model has 262144 positions"),
    ],
)
def test_what_does_not_fit_is_said_with_settings_that_each_make_it_fit(tmp_path, change, told):
    profile = changed(load_profile("paper"), **change)
    plan = make_plan(profile, tmp_path, NOTEBOOKS)
    assert told in " ".join(plan.problems)
    for remedy in plan.remedies:
        setting, _, value = remedy.partition(": ")
        if setting.startswith(("hardware.", "training.", "sampler.")):
            kind = {"hardware.gpus": int, "sampler.memory_share": float}.get(
                setting, lambda text: text == "true"
            )
            repaired = changed(profile, **{setting.replace(".", "__"): kind(value.split(" ")[0])})
            assert not any(
                memory_plan(repaired, shape_of(repaired.model), column).problems
                for column in ("fd", "grpo")
            ), remedy


def test_two_gpus_in_place_of_eight_are_told_how_many_would_do(tmp_path):
    assert (
        "hardware.gpus: 8 (now 2)"
        in make_plan(
            changed(load_profile("paper"), hardware__gpus=2, hardware__gpu_memory_gb=80.0),
            tmp_path,
            NOTEBOOKS,
        ).remedies
    )


def test_attempts_calls_and_dollars_follow_from_the_profile(tmp_path):
    plan = make_plan(load_profile("paper"), tmp_path, NOTEBOOKS)
    fd, grpo = (
        {work.arm: work for work in plan.works if work.kind == "train"}[arm]
        for arm in ("fd", "grpo")
    )
    looks = 600 // 10 * (256 + 244)
    assert (
        fd.calls == 600 * 128
        and fd.attempts == 600 * 128 + looks
        and grpo.attempts == 600 * 640 + looks
        and grpo.calls == 0
    )
    taken = {name: each.value for name, each in plan.assumptions.items()}
    assert fd.dollars == pytest.approx(
        fd.calls * ((taken["response"] + taken["call in"]) * 5 + taken["call out"] * 25) / 1e6
    )
    assert all(each.source and each.unit for each in plan.assumptions.values())


def test_what_feedback_would_cost_over_the_budget_is_said(tmp_path):
    paper = load_profile("paper")
    dear = sum(work.dollars for work in make_plan(paper, tmp_path, NOTEBOOKS).works)
    assert dear < paper.feedback.budget_dollars
    (told,) = [
        line
        for line in summary(
            make_plan(changed(paper, feedback__budget_dollars=1000.0), tmp_path, NOTEBOOKS)
        )
        if line.startswith("Over the budget")
    ]
    assert f"for {dear:,.0f} dollars where feedback.budget_dollars allows 1,000" in told
    assert not any(
        "budget" in line
        for line in summary(make_plan(paper, tmp_path, NOTEBOOKS))
        + summary(make_plan(load_profile("tiny"), tmp_path, NOTEBOOKS))
    )


def test_what_is_done_is_read_off_the_runs_folder_and_measured_seconds_take_the_estimates_place(
    tmp_path,
):
    arm = tmp_path / "arms/fd"
    arm.mkdir(parents=True)
    rows = [{"step": step, "response_tokens": 100.0} for step in range(1, 11)]
    (arm / "metrics.jsonl").write_text(
        "".join(json.dumps(row) + "\n" for row in rows) + '{"step": 11, "resp'
    )  # cut short by a kill
    (arm / "timing.jsonl").write_text(
        "".join(
            json.dumps(
                {
                    "step": row["step"],
                    "tokens": 6400,
                    "seconds": {"sample": 1.5, "verify": 0.5, "train": 1.0},
                }
            )
            + "\n"
            for row in rows
        )
    )
    plan = make_plan(load_profile("tiny"), tmp_path, NOTEBOOKS)
    fd = next(work for work in plan.works if work.arm == "fd" and work.kind == "train")
    assert (fd.done, fd.total, fd.measured, fd.unit_seconds) == (
        10,
        40,
        True,
        pytest.approx(3.0),
    ) and fd.left == pytest.approx(90.0)
    taken, size = (
        {name: assumption.value for name, assumption in plan.assumptions.items()},
        plan.parameters / 1.2e6,
    )  # 64 attempts a step
    assert (
        taken["response"] == 100.0
        and taken["sampling"] == pytest.approx(6400 / 1.5 * size)
        and taken["training"] == pytest.approx(64 * (100 + taken["prompt"]) * size)
    )
    assert (
        taken["check"] == pytest.approx(0.5 * 2 / 64 / taken["checks"])
        and f"measured in {tmp_path}" == plan.assumptions["check"].source
    )  # two workers
    assert not any(stage.done for stage in plan.stages)


def test_a_fresh_run_of_the_tiny_student_is_planned_by_what_the_shipped_one_took_and_fits_into_five_hours(
    tmp_path,
):
    plan = make_plan(load_profile("tiny-full"), tmp_path, NOTEBOOKS)
    assert all(
        re.fullmatch(r"measured in figures/records/seed-\d+", plan.assumptions[name].source)
        for name in ("response", "check", "sampling", "training")
    )
    assert 2 * 3600 < sum(work.seconds for work in plan.works) < 5 * 3600


def test_every_stage_is_a_notebook_and_another_notebook_only_reads(tmp_path):
    assert set(STAGES) <= {name.partition("_")[2] for name in NOTEBOOKS}
    (other,) = make_plan(load_profile("tiny"), tmp_path, ["99_mine"]).stages
    assert other.work == () and not other.done


def test_the_variants_of_two_notebooks_are_planned_once():
    work = [
        (w.kind, w.arm, w.split)
        for stage in make_plan(load_profile("tiny-full"), Path("/nowhere"), NOTEBOOKS).stages
        for w in stage.work
        if "/" in w.arm
    ]
    assert len(work) == len(set(work)) > 40


def test_a_model_that_is_nowhere_and_an_unknown_architecture_are_one_line(tmp_path):
    with pytest.raises(
        ValueError, match="somebody/unheard-of: no config.json on this machine; download"
    ):
        make_plan(
            changed(load_profile("paper"), model__source="somebody/unheard-of"), tmp_path, NOTEBOOKS
        )
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(
        ValueError, match="knows the architectures qwen3 and qwen3_5_text, not 'llama'"
    ):
        read_shape(tmp_path / "config.json")


def test_a_run_without_gpus_has_no_memory_table(tmp_path):
    assert (
        load_profile("tiny").hardware is None
        and make_plan(load_profile("tiny"), tmp_path, NOTEBOOKS).memory == {}
    )
    with pytest.raises(ValueError, match="no hardware section"):
        memory_plan(load_profile("tiny"), shape_of(load_profile("tiny").model), "fd")
    assert Hardware(gpus=1, gpu_memory_gb=80)


@pytest.mark.parametrize("profile", ["paper", "paper-8b", "paper-lora"])
def test_the_command_takes_seconds_prints_plain_text_when_piped_and_loads_no_torch(
    profile, tmp_path
):
    program = "import sys; from fdcore.__main__ import app; app(sys.argv[1:], standalone_mode=False); sys.exit('torch' in sys.modules)"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    answer = subprocess.run(
        [
            sys.executable,
            "-c",
            program,
            "plan",
            "--profile",
            profile,
            "--out",
            str(tmp_path / "run"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert answer.returncode == 0, answer.stderr
    assert (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
    )  # CPU seconds: another process may have the cores
    assert (
        "Fits." in answer.stdout
        and "the paper took" in answer.stdout.lower()
        and "\x1b" not in answer.stdout
        and "─" not in answer.stdout
    )
    assert (
        all(notebook in answer.stdout for notebook in NOTEBOOKS) and not (tmp_path / "run").exists()
    )


def test_the_papers_node_is_compared_with_and_the_difference_explained(tmp_path):
    plan = make_plan(load_profile("paper-8b"), tmp_path, NOTEBOOKS)
    out = io.StringIO()
    show(plan, Console(file=out, width=1000))
    for arm, paper in PAPER_SECONDS.items():
        ours = sum(plan.papers_node[arm].values())
        (line,) = [
            line for line in out.getvalue().splitlines() if line.startswith(f"A step of {arm}: ")
        ]
        assert (
            f"The paper took {paper} s on 8 H200, where by the same assumptions ours would take {ours:,.0f}"
            in line
            and ("less, since" if ours < paper else "more, since") in line
        )
    assert "GPU hours, about" in out.getvalue()


def test_an_engine_that_sleeps_leaves_its_share_to_the_trainer_but_not_what_the_trainer_keeps(
    tmp_path,
):
    tight = changed(load_profile("paper"), training__micro_batch=2)
    plan = make_plan(tight, tmp_path, NOTEBOOKS)
    assert plan.problems and "sampler.sleeps: true" in plan.remedies
    asleep = changed(tight, sampler__sleeps=True)
    assert make_plan(asleep, tmp_path, NOTEBOOKS).problems == []
    (problem, *_) = make_plan(
        changed(asleep, sampler__memory_share=0.9), tmp_path, NOTEBOOKS
    ).problems
    most = float(re.search(r"sampler.memory_share can be ([\d.]+) at most", problem)[1])
    assert (
        make_plan(changed(asleep, sampler__memory_share=most - 0.01), tmp_path, NOTEBOOKS).problems
        == []
    )


def test_engines_apart_leave_the_trainer_its_gpu_and_sampling_ahead_hides_the_shorter_part_of_a_step(
    tmp_path,
):
    profile = load_profile("paper-lora")
    tight, apart = (
        changed(profile, training__micro_batch=4),
        changed(profile, training__micro_batch=4, hardware__engines=8),
    )
    assert (
        make_plan(tight, tmp_path, NOTEBOOKS).problems
        and make_plan(apart, tmp_path, NOTEBOOKS).problems == []
    )

    def grpo(some):
        return next(
            work
            for work in make_plan(some, tmp_path, NOTEBOOKS).works
            if work.arm == "grpo" and work.kind == "train"
        )

    assert grpo(apart).parts["sample"] < grpo(profile).parts["sample"]
    turns, ahead = grpo(profile), grpo(changed(profile, training__staleness=1))
    hidden = min(turns.parts["sample"] + turns.parts["check"], turns.parts["learn"])
    assert ahead.unit_seconds == pytest.approx(turns.unit_seconds - hidden) and hidden > 0


def test_the_two_models_are_two_settings_apart():
    main, appendix = load_profile("paper").leaves(), load_profile("paper-8b").leaves()
    assert {name for name in main if main[name] != appendix[name]} == {
        "name",
        "about",
        "second_size",
        "model.source",
        "arms",
    }
