"""Profiles: those of the repository are valid; a wrong setting is one line that names it."""

import contextlib

import pytest
import yaml

from fdcore.experiment.run import Run, decisive_settings
from fdcore.profile import PROFILES, load_profile, parse_settings, profile_names


def test_the_shipped_profiles_are_valid():
    assert profile_names() == [
        "paper",
        "paper-8b",
        "paper-cluster",
        "paper-lora",
        "smoke",
        "tiny",
        "tiny-full",
    ]
    for name in profile_names():
        assert load_profile(name).name == name


def test_no_code_branches_on_a_profile_name():
    for path in PROFILES.parent.rglob("*.py"):
        text = path.read_text()
        assert "profile.name ==" not in text and "profile.name in" not in text, path


def test_table_1_of_the_paper_stands_in_the_paper_profile():
    paper = load_profile("paper")
    fd, grpo = paper.distillation, paper.grpo
    assert (fd.learning_rate, fd.prompts, fd.samples, fd.ema_alpha, fd.ema_every, fd.top_k) == (
        1e-5,
        128,
        1,
        0.9,
        5,
        25,
    )
    assert (grpo.learning_rate, grpo.prompts, grpo.samples, grpo.kl_coefficient) == (
        1e-7,
        128,
        5,
        0.001,
    )
    assert (
        paper.episode.max_response_tokens,
        paper.episode.max_prompt_tokens,
        paper.training.warmup_steps,
    ) == (8192, 2048, 50)


FD = {"name": "fd", "method": "fd", "steps": 4}
OVER = {"name": "over", "method": "grpo", "steps": 2}
CLAUDE = load_profile("paper").feedback.model_dump()


def changed(tmp_path, **changes):
    settings = yaml.safe_load((PROFILES / "smoke.yaml").read_text())
    for path, value in changes.items():
        section, _, key = path.partition("__")
        settings[section] = {**settings[section], key: value} if key else value
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.mark.parametrize(
    "change, words",
    [
        (
            {"sampler__temperature": -1},
            ["mine.yaml", "sampler.temperature", "-1"],
        ),
        ({"sampler__temperature": 0.7}, ["mine.yaml", "sampler", "temperature", "0.7"]),
        ({"grpo": {"sampels": 4}}, ["mine.yaml", "grpo.sampels", "unknown setting"]),
        ({"model__dtype": "bfloat16"}, ["mine.yaml", "model", "dtype", "bfloat16"]),
        ({"sampler__heat": 1.0}, ["mine.yaml", "sampler.heat", "unknown setting"]),
        ({"training__warmup_steps": "many"}, ["training.warmup_steps", "integer", "many"]),
        (
            {"feedback": CLAUDE | {"model": "claude-9"}},
            ["mine.yaml", "feedback: prices", "'claude-9'", "claude-opus-4-6"],
        ),
        (
            {"feedback": CLAUDE | {"budget_dollars": 0}},
            ["mine.yaml: feedback: budget_dollars", "0"],
        ),
        (
            {"feedback__producer": "constant"},
            ["feedback: text", "constant", "None"],
        ),
        (
            {"arms": [FD | {"settings": {"feedback.producer": "constant"}}]},
            ["arms.fd", "text", "constant"],
        ),
        ({"arms": [FD | {"settings": {"distillation.alpha": 0.5}}]}, ["distillation.alpha"]),
        (
            {"arms": [FD | {"settings": {"distillation.ema_alpha": 5}}]},
            ["arms.fd", "distillation.ema_alpha", "less than or equal to 1"],
        ),
        ({"arms": [FD, FD]}, ["arms.fd", "two arms"]),
        ({"arms": [FD, OVER | {"start": {"arm": "b", "step": 1}}]}, ["arms.over", "'b'"]),
        ({"arms": [OVER | {"start": {"arm": "fd", "step": 1}}, FD]}, ["arms.over", "above it"]),
        ({"arms": [FD, OVER | {"start": {"arm": "fd", "step": 5}}]}, ["arms.over", "step 5"]),
        ({"arms": [FD | {"method": "rft"}], "rft": None}, ["arms.fd", "section rft"]),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(tmp_path, change, words):
    with pytest.raises(ValueError) as error:
        load_profile(changed(tmp_path, **change))
    message = str(error.value)
    assert "\n" not in message and all(word in message for word in words), message


def test_an_unknown_profile_says_which_exist():
    with pytest.raises(ValueError, match="'huge'.*paper, paper-8b.*smoke, tiny"):
        load_profile("huge")


@pytest.mark.parametrize(
    "text, line", [("name: x\nseeds: [0\narms: 3\n", 3), ("a: 1\n\tb: 2\n", 2)]
)
def test_a_file_that_is_not_yaml_names_the_line(tmp_path, text, line):
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=f"broken.yaml: line {line}: [^\n]*$"):
        load_profile(file)


@pytest.mark.parametrize(
    "name, known",
    [
        ("arms.nope.steps", "fd, grpo, rft"),
        ("arms.fd.step", "steps"),
        ("training.fd_step", "warmup_steps"),
        ("trainin.warmup_steps", "training"),
        ("hardware.gpus", ""),
        ("seeds.first", ""),
    ],
)
def test_a_setting_that_is_not_there_is_told_with_those_that_are(name, known):
    with pytest.raises(ValueError) as error:
        load_profile("smoke").varied({name: 3})
    assert repr(name) in str(error.value) and known in str(error.value)


def test_a_variant_is_the_profile_with_other_values_and_changes_nothing_of_it():
    profile = load_profile("smoke")
    other = profile.varied({"distillation.ema_alpha": 1.0, "episode.max_turns": 1})
    assert (other.distillation.ema_alpha, other.episode.max_turns) == (
        1.0,
        1,
    ) and other.grpo == profile.grpo
    assert profile.distillation.ema_alpha != 1.0


def test_seeds_and_arms_add_to_a_run_without_making_another_of_it(tmp_path):
    more = load_profile(changed(tmp_path, seeds=[0, 1], arms=[FD]))
    assert decisive_settings(more) == decisive_settings(load_profile("smoke"))
    other = load_profile(changed(tmp_path, grpo__samples=7))
    assert decisive_settings(other) != decisive_settings(load_profile("smoke"))


def test_one_setting_is_changed_by_its_full_name():
    profile = load_profile("smoke").varied(
        {"arms.grpo.steps": 3, "arms.teacher_speed/alpha_1.00.steps": 1}
    )
    assert profile.arm("grpo").steps == 3 and profile.arm("teacher_speed/alpha_1.00").steps == 1
    assert parse_settings(["sampler.temperature=1e-1", "feedback.text=a b"]) == {
        "sampler.temperature": "1e-1",
        "feedback.text": "a b",
    }
    with pytest.raises(ValueError, match="heat"):
        parse_settings(["heat"])


def test_a_profile_that_extends_another_holds_what_differs(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("extends: smoke\nname: mine\ntraining: {warmup_steps: 7}\n")
    mine, smoke = load_profile(file), load_profile("smoke")
    assert (
        mine.training.warmup_steps == 7
        and mine.training.max_grad_norm == smoke.training.max_grad_norm
        and mine.grpo == smoke.grpo
    )
    (tmp_path / "below.yaml").write_text("extends: mine.yaml\nseeds: [4]\n")
    below = load_profile(tmp_path / "below.yaml")  # looked up beside the file
    assert below.seeds == (4,) and below.training == mine.training and below.name == "below"
    file.write_text(f"extends: {file}\n")
    with pytest.raises(ValueError, match="extends itself"):
        load_profile(file)


@pytest.mark.parametrize(
    "changed, goes_on",
    [
        ("budget_dollars: 9000.0", True),
        ("retries: 0", True),
        ("concurrency: 3", True),
        ("formulation: 3", False),
        ("dropout: 0.1", False),
    ],
)
def test_what_is_paid_for_feedback_and_how_it_is_fetched_can_change_under_way(
    tmp_path, changed, goes_on
):
    Run.create("smoke", 0, tmp_path / "run")
    (tmp_path / "later.yaml").write_text(f"extends: smoke\nname: smoke\nfeedback: {{{changed}}}\n")
    with (
        contextlib.nullcontext()
        if goes_on
        else pytest.raises(ValueError, match=f"feedback.{changed.partition(':')[0]}")
    ):
        Run.create(tmp_path / "later.yaml", 0, tmp_path / "run")
