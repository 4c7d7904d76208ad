"""A profile: every setting of a run in one YAML file, validated.

Profiles are all that differs between the scales. A file that says `extends: NAME` holds what
differs from that profile. Left out on purpose: defaults that hide a choice. A setting that shapes
a result stands in the YAML file, beside its source. The few with a default are variants of a
method.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

PROFILES = Path(__file__).parent / "profiles"
MAX_TURNS = 64  # a turn's seed is the episode's seed times MAX_TURNS, plus the turn's number

Count = Annotated[int, Field(gt=0)]
Amount = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Dollars = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LoRA(Section):
    """Adapters on all linear maps of the layers, over weights that stay as they are."""

    rank: Count
    alpha: Amount  # the adapters' product is scaled by alpha / rank


class Model(Section):
    source: str  # a folder, also one of this repository, or a hub id
    dtype: Literal["float32", "bfloat16"]  # of the weights
    autocast: bool  # bf16 autocast in the training forward
    thinking: bool  # Qwen3's thinking mode in the chat template
    lora: LoRA | None = None  # None: all weights are trained

    @model_validator(mode="after")
    def _check(self) -> Model:
        """ValueError for weights that small steps would not move."""
        if self.dtype != "float32" and self.lora is None:
            raise ValueError(f"dtype must be float32 without lora, got {self.dtype}")
        return self


class CoreProblems(Section):
    """The tiny world's: JSON-lines files under lean_project/problems."""

    source: Literal["core"]
    train: str
    test: str
    holdout: str
    validation: int = Field(0, ge=0)  # the first of the test file, on which choices are made
    max_train: int | None
    max_test: int | None
    max_holdout: int | None


class DataFile(Section):
    """Published problems: a data set of the hub, a file or folder, or a file's URL."""

    name: str
    file: str | None  # one file of the hub's data set; None: what the hub shows
    revision: str | None  # the hub's commit; None where the name says it all
    split: str  # as `datasets` names it: train where there is only one


class MathlibProblems(Section):
    """Train and test drawn from Lean Workbook's proved theorems, MiniF2F's test split held out."""

    source: Literal["mathlib"]
    # The first of these that proves a theorem gives its proof.
    lean_workbook: tuple[DataFile, ...] = Field(min_length=1)
    minif2f: DataFile
    train: Count
    test: Count
    holdout: Count
    seed: int = Field(ge=0)  # of the draw; the same for every run of the profile


class Lean(Section):
    header: str
    axioms: tuple[str, ...]
    timeout_seconds: Amount
    memory_mb: int = Field(ge=256)
    heartbeats: Count  # Lean's maxHeartbeats: a limit that does not depend on the machine's load
    workers: Count
    library: Literal["core", "mathlib"]


class Sampler(Section):
    backend: Literal["torch", "vllm"]
    # Both 1: what is sampled from is the policy that the trainer reads, in ratios and entropy.
    temperature: float = Field(ge=1, le=1)
    top_p: float = Field(ge=1, le=1)
    max_batch: Count
    # Of each GPU, for vLLM's weights and cache; the trainer has the rest.
    memory_share: float = Field(0.5, gt=0, lt=1)


class Episode(Section):
    max_prompt_tokens: Count
    max_response_tokens: Count
    max_turns: int = Field(gt=0, le=MAX_TURNS)
    tool_output_chars: Count
    stop_when_verified: bool


class Price(Section):
    """Of a model, in dollars a million tokens."""

    input: Dollars
    output: Dollars
    cache_read: Dollars
    cache_write: Dollars


class FeedbackSettings(Section):
    producer: Literal[  # a name of `fdcore.feedback.sources.PRODUCERS`
        "scripted", "claude", "self", "environment", "ground_truth", "constant", "none"
    ]
    model: str | None
    max_tokens: Count
    concurrency: Count
    prices: dict[str, Price] = {}  # by model; claude needs its own
    budget_dollars: Dollars = 0.0  # what claude may cost in a run's folder, over all its arms
    timeout_seconds: Amount = 120.0
    retries: int = Field(8, ge=0)  # of the SDK, on 429, 5xx, time-outs and cut connections
    formulation: Literal[1, 2, 3, 4] = 4  # of the paper's appendix C.3
    text: str | None = None  # what `constant` says
    dropout: Share = 0.0  # of attempts whose feedback is withheld

    @model_validator(mode="after")
    def _check(self) -> FeedbackSettings:
        """ValueError for values that do not go together."""
        if (self.producer == "constant") != (self.text is not None):
            got = f"got producer {self.producer}, text {self.text!r}"
            raise ValueError(f"text goes with the producer constant and no other, {got}")
        if self.producer == "claude" and self.model not in self.prices:
            names = ", ".join(self.prices) or "none"
            raise ValueError(f"prices must hold the model {self.model!r}, got {names}")
        if self.producer == "claude" and self.budget_dollars <= 0:
            raise ValueError(f"budget_dollars must be above 0, got {self.budget_dollars}")
        return self


class Recipe(Section):
    """What every method has. Alone: fine-tuning on the student's own verified attempts (rft)."""

    prompts: Count
    samples: Count
    learning_rate: Amount

    @property
    def attempts(self) -> int:
        """Attempts a step."""
        return self.prompts * self.samples


class Distillation(Recipe):
    direction: str  # a name of `fdcore.training.distillation.DIVERGENCES`
    beta: float = Field(gt=0, lt=1)
    top_k: int | None = Field(gt=0)  # of the teacher's likeliest tokens; None: all
    ema_alpha: Share  # 1: a frozen teacher; 0: the student itself at every `ema_every` steps
    ema_every: Count
    # Tokens are weighed by trainer over sampler probability, up to this.
    importance_cap: float | None = Field(None, ge=1)


class GRPO(Recipe):
    samples: int = Field(gt=1)
    scale: bool  # divide advantages by the group's standard deviation
    clip_low: float = Field(gt=0, lt=1)
    clip_high: Amount
    normalization: Literal["token", "sequence", "constant"]
    kl_coefficient: float = Field(ge=0)
    updates: Count = 1  # optimizer steps on each batch
    importance_cap: float | None = Field(None, ge=1)  # as in `Distillation`


class Training(Section):
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    max_grad_norm: Amount
    micro_batch: Count  # sequences in one forward
    checkpoint_every: Count
    # Keep only the layers' inputs, and compute the rest again in the backward pass.
    activation_checkpointing: bool = False


class Evaluation(Section):
    every: Count
    # Looked at every `every` steps; what is chosen by a look is chosen on validation.
    during: tuple[Literal["validation", "test", "holdout"], ...] = ("test", "holdout")
    during_problems: Count  # the first of each of these splits
    during_samples: Count = 1  # a problem
    samples: Count  # a problem for pass@k on test at the end
    base_samples: Count  # the same for the base model
    holdout_samples: Count  # the same on the hold-out
    ks: tuple[int, ...]


class Start(Section):
    """A step of another arm, whose weights an arm starts from."""

    arm: str
    step: Count


class Arm(Section):
    """One model that is trained, in the folder arms/NAME of a run."""

    name: str = Field(pattern=r"^[\w.+-]+(/[\w.+-]+)?$")
    method: Literal["fd", "grpo", "rft"]
    steps: Count
    start: Start | None = None  # None: the base
    settings: dict[str, Any] = {}  # {"section.setting": value}, in place of the profile's
    seeds: Literal["all", "first"] = "all"  # trained in every run, or in the first run alone
    samples: int | None = Field(None, gt=0)  # in place of evaluation.samples


class Hardware(Section):
    """What the run is planned for; what is there is looked at by `fdcore check`."""

    gpus: Count  # more than one share the weights (FSDP), and each has an engine of its own
    gpu_memory_gb: Amount  # of each, in 10^9 bytes
    # Samplers on the Ray cluster at FD_RAY_ADDRESS, a GPU each; 0: in the training processes.
    engines: int = Field(0, ge=0)
    # cpu: as many processes on CPU cores, over gloo, to try the same without GPUs.
    device: Literal["cuda", "cpu"] = "cuda"


class Profile(Section):
    name: str = Field(pattern=r"^[\w.+-]+$")
    about: str
    threads: Count
    hardware: Hardware | None = None  # None: no GPU is needed
    tracker: Literal["trackio", "wandb", "tensorboard"] | None = None  # gets every metrics row
    # Another model size: the paper's Figures 10 and 11, and a folder of its own in figures/.
    second_size: bool = False
    model: Model
    problems: Annotated[CoreProblems | MathlibProblems, Field(discriminator="source")]
    lean: Lean
    sampler: Sampler
    episode: Episode
    feedback: FeedbackSettings
    distillation: Distillation
    grpo: GRPO
    training: Training
    evaluation: Evaluation
    rft: Recipe | None = None  # None: no such arm
    seeds: tuple[int, ...] = Field((0,), min_length=1)  # the runs that make up the experiment
    arms: tuple[Arm, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check(self) -> Profile:
        """ValueError for settings that do not go together."""
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ, got {list(self.seeds)}")
        if self.hardware and self.hardware.engines and self.hardware.gpus > 1:
            engines = self.hardware.engines
            raise ValueError(f"hardware.engines must be 0 with several gpus, got {engines}")
        for arm in self.arms:
            try:
                _check_arm(self, arm)
            except ValueError as error:
                raise ValueError(f"arms.{arm.name}: {_in_one_line(error)}") from None
        return self

    @property
    def main_arms(self) -> list[str]:
        """The arms that every run trains; the others are variants, in the first run alone."""
        return [arm.name for arm in self.arms if arm.seeds == "all"]

    def arm(self, name: str) -> Arm:
        """The arm of that name. ValueError names those that there are."""
        for arm in self.arms:
            if arm.name == name:
                return arm
        names = ", ".join(arm.name for arm in self.arms)
        raise ValueError(f"profile {self.name} has no arm {name!r}; there are: {names}")

    def recipe(self, method: str) -> Recipe:
        """A method's section. ValueError where the profile has none."""
        recipe = {"fd": self.distillation, "grpo": self.grpo, "rft": self.rft}[method]
        if recipe is None:
            raise ValueError(f"the method {method} needs the section {method}")
        return recipe

    def with_arm(self, arm: Arm) -> Profile:
        """The settings with which an arm is trained; that arm is the only one in it."""
        alone = arm.model_copy(update={"settings": {}, "start": None})
        return self.model_copy(update={"arms": (alone,)}).varied(arm.settings)

    def kept_steps(self, name: str) -> set[int]:
        """The steps of an arm whose weights are kept: where others start, and its last."""
        starts = {arm.start.step for arm in self.arms if arm.start and arm.start.arm == name}
        return starts | {self.arm(name).steps}

    def samples_of(self, arm: str, split: str) -> int:
        """Samples a problem of an arm's evaluation on a split ("base": the base model)."""
        if split == "holdout":
            return self.evaluation.holdout_samples
        if arm == "base":
            return self.evaluation.base_samples
        return self.arm(arm).samples or self.evaluation.samples

    def varied(self, settings: dict[str, Any]) -> Profile:
        """This profile with other values: {"section.setting": value}, or "arms.NAME.setting".

        ValueError where there is no such setting, or it cannot have this value.
        """
        content = self.model_dump()
        for name, value in settings.items():
            section: Any = content
            *path, last = name.split(".")
            if path[:1] == ["arms"]:  # an arm's name may hold a dot
                section = {arm["name"]: arm for arm in content["arms"]}
                path = [".".join(path[1:])]
            try:
                for part in path:
                    section = section[part]
                section[last]  # noqa: B018 - a setting that is not there is an error
            except (KeyError, TypeError):
                names = f"; there are: {', '.join(section)}" if isinstance(section, dict) else ""
                raise ValueError(f"profile {self.name}: no setting {name!r}{names}") from None
            section[last] = value
        try:
            return Profile.model_validate(content)
        except ValueError as error:
            raise ValueError(f"profile {self.name}: {_in_one_line(error)}") from None


def profile_names() -> list[str]:
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load_profile(name: str | Path, unknown: Literal["forbid", "ignore"] = "forbid") -> Profile:
    """The profile of that name in fdcore/profiles, or of that YAML file.

    Args:
        unknown: settings that do not exist, or exist no more, are an error or are left out.

    Raises:
        ValueError: one line with the file, the setting, what it must be and what it is.
    """
    path = _find_file(name)
    try:
        return Profile.model_validate(_read(path), extra=unknown)
    except ValueError as error:
        raise ValueError(f"{path}: {_in_one_line(error)}") from None


def parse_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Settings as they are given on a command line, "section.setting=value".

    >>> parse_settings(["grpo.learning_rate=1e-4", "arms.fd.steps=10"])
    {'grpo.learning_rate': '1e-4', 'arms.fd.steps': 10}
    """
    settings = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise ValueError(f"--set needs section.setting=value, got {text!r}")
        settings[name] = _parse_yaml(value)
    return settings


def _parse_yaml(text: str) -> Any:
    """YAML 1.1, which takes 1e-4 for a text: pydantic reads it as the number that it is."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", 0) + 1
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"line {line}: not valid YAML: {reason}") from None


def _find_file(name: str | Path, beside: Path | None = None) -> Path:
    """The file of a profile; of one that is extended, also beside the file that extends it."""
    if not str(name).endswith((".yaml", ".yml")):
        path = PROFILES / f"{name}.yaml"
    else:
        path = (beside or Path()) / name
    if not path.is_file():
        names = ", ".join(profile_names())
        raise ValueError(f"no profile {str(name)!r}; there are: {names} (or give a .yaml file)")
    return path


def _read(path: Path, above: tuple[Path, ...] = ()) -> dict:
    """A file's settings, over those of the profile that it `extends`."""
    settings = _parse_yaml(path.read_text(encoding="utf-8-sig"))
    if not isinstance(settings, dict):
        raise ValueError(f"must hold settings, section by section, got {settings!r:.60}")
    settings = {"name": path.stem} | settings
    if path in above:
        raise ValueError("extends itself")
    if below := settings.pop("extends", None):
        return _over(_read(_find_file(below, path.parent), (*above, path)), settings)
    return settings


def _over(below: Any, above: Any) -> Any:
    """Settings over others, section by section."""
    if not (isinstance(below, dict) and isinstance(above, dict)):
        return above
    return below | {key: _over(below.get(key), value) for key, value in above.items()}


def _check_arm(profile: Profile, arm: Arm) -> None:
    """ValueError for an arm that cannot be trained."""
    names = [other.name for other in profile.arms]
    if names.count(arm.name) > 1:
        raise ValueError("two arms have this name")
    profile.recipe(arm.method)
    if arm.start:
        before = profile.arm(arm.start.arm)
        if names.index(before.name) >= names.index(arm.name) or arm.start.step > before.steps:
            got = f"got step {arm.start.step} of {before.name} ({before.steps} steps)"
            raise ValueError(f"start must name a step of an arm above it, {got}")
    if arm.settings:
        profile.with_arm(arm)


def _in_one_line(error: ValueError) -> str:
    """The setting, what it must be and what it is, of the first error in a profile."""
    if not isinstance(error, ValidationError):
        return str(error)
    errors = error.errors()
    # A misspelt name is missing as well: the name that was written comes first.
    first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
    where = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":  # our own sentences say what was given
        return f"{where}: {first['ctx']['error']}".removeprefix(": ")
    if first["type"] == "missing":
        return f"{where}: must be given"
    what = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{where}: {what}, got {str(first['input'])[:60]!r}"
