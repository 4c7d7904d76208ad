"""A profile: every setting of a run in one YAML file, validated. The only thing that differs between `tiny` and `paper`.

Left out on purpose: defaults that hide a choice. A setting that shapes a result must stand in the YAML file, beside its source. The few
that have a default are variants of a method, off unless a file asks for them.
"""
from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

PROFILES = Path(__file__).parent / "profiles"


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudentShape(Section):
    """A Qwen3-architecture model trained here from scratch."""

    hidden_size: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    kv_heads: int = Field(gt=0)
    head_dim: int = Field(gt=0)
    intermediate_size: int = Field(gt=0)
    vocab_size: int = Field(ge=300)
    max_positions: int = Field(gt=0)


class LoRA(Section):
    """Adapters on all linear maps of the layers; the weights below them stay as they are, shared by student and teacher."""

    rank: int = Field(gt=0)
    alpha: float = Field(gt=0)  # the adapters' product is scaled by alpha / rank


class Model(Section):
    source: str | None  # a folder or a hub id; None: build `student` and warm it up
    student: StudentShape | None
    dtype: Literal["float32", "bfloat16"]  # of the weights
    autocast: bool  # bf16 autocast in the training forward
    thinking: bool  # Qwen3's thinking mode in the chat template
    lora: LoRA | None = None  # None: all weights are trained


class Warmup(Section):
    """Supervised traces that teach the protocol, the known lemmas, and how to follow feedback in context."""

    traces: int = Field(gt=0)
    obedience_share: float = Field(ge=0, le=1)  # of all traces: do what feedback says, whatever it says
    feedback_share: float = Field(ge=0, le=1)  # of the others: a proof after feedback
    search_share: float = Field(ge=0, le=1)  # of what is left: search first
    retry_share: float = Field(ge=0, le=1)  # of what is left: a proof after a failed try
    short_steps: int = Field(gt=0)  # on prompts without the system prompt and its tools
    full_steps: int = Field(gt=0)  # on the prompts of an episode
    batch: int = Field(gt=0)
    learning_rate: float = Field(gt=0)  # AdamW's, for embeddings and norms
    matrix_learning_rate: float = Field(gt=0)  # Muon's, for matrices


class CoreProblems(Section):
    """The tiny world's."""

    source: Literal["core"]
    train: str  # a JSON-lines file under lean_project/problems
    test: str
    holdout: str
    max_train: int | None
    max_test: int | None
    max_holdout: int | None


class DataFile(Section):
    """Published problems: a data set of the hub, or a file or folder (relative to the repository), or a file's URL."""

    name: str
    file: str | None  # one file of the hub's data set; None: what the hub shows
    revision: str | None  # the hub's commit; None where the name says it all
    split: str  # as `datasets` names it: train where there is only one


class MathlibProblems(Section):
    """Train and test drawn from Lean Workbook's proved theorems, MiniF2F's test split held out."""

    source: Literal["mathlib"]
    lean_workbook: tuple[DataFile, ...] = Field(min_length=1)  # the first that proves a theorem gives its proof
    minif2f: DataFile
    train: int = Field(gt=0)  # how many
    test: int = Field(gt=0)
    holdout: int = Field(gt=0)
    seed: int = Field(ge=0)  # of the draw; the same for every run of the profile


class Lean(Section):
    header: str
    axioms: tuple[str, ...]
    timeout_seconds: float = Field(gt=0)
    memory_mb: int = Field(ge=256)
    heartbeats: int = Field(gt=0)  # Lean's maxHeartbeats: a limit that does not depend on the machine's load
    workers: int = Field(gt=0)
    library: Literal["core", "mathlib"]


class Sampler(Section):
    backend: Literal["torch", "vllm"]
    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    max_batch: int = Field(gt=0)
    memory_share: float = Field(0.5, gt=0, lt=1)  # of each GPU, for vLLM's weights and cache; the trainer has the rest


class Episode(Section):
    max_prompt_tokens: int = Field(gt=0)
    max_response_tokens: int = Field(gt=0)
    max_turns: int = Field(gt=0)
    tool_output_chars: int = Field(gt=0)
    stop_when_verified: bool


class FeedbackSettings(Section):
    producer: Literal["scripted", "claude"]
    model: str | None
    max_tokens: int = Field(gt=0)
    concurrency: int = Field(gt=0)


class Distillation(Section):
    prompts: int = Field(gt=0)
    samples: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    direction: Literal["forward", "reverse", "jsd", "sampled"]
    beta: float = Field(gt=0, lt=1)
    top_k: int | None = Field(gt=0)  # not used by sampled
    ema_alpha: float = Field(ge=0, le=1)  # 1: a frozen teacher; 0: the student itself at every `ema_every` steps
    ema_every: int = Field(gt=0)
    temperature: float = Field(1.0, gt=0)  # of both distributions
    tail: bool = False  # one more outcome for all tokens outside the top k
    clip: float | None = Field(None, gt=0)  # cap in nats on what one vocabulary entry adds
    importance_cap: float | None = Field(None, ge=1)  # weigh tokens by trainer over sampler probability, up to this


class GRPO(Section):
    prompts: int = Field(gt=0)
    samples: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    scale: bool  # divide advantages by the group's standard deviation
    clip_low: float = Field(gt=0, lt=1)
    clip_high: float = Field(gt=0)
    normalization: Literal["token", "sequence", "constant"]
    kl_coefficient: float = Field(ge=0)
    updates: int = Field(1, gt=0)  # optimizer steps on each batch
    skip_zero_spread: bool = False  # leave groups without spread out of loss and denominators
    mask_overlong: bool = False  # the same for attempts cut off at the token limit (DAPO)
    overlong_cache: int = Field(0, ge=0)  # tokens before the limit over which the reward falls by 1 (DAPO); 0: it does not
    importance_cap: float | None = Field(None, ge=1)  # as in `Distillation`


class Training(Section):
    fd_steps: int = Field(gt=0)
    grpo_steps: int = Field(gt=0)
    over_steps: int = Field(gt=0)  # GRPO steps from each Feedback Distillation checkpoint
    fd_checkpoints: tuple[int, int, int]
    warmup_steps: int = Field(ge=0)
    weight_decay: float = Field(ge=0)
    max_grad_norm: float = Field(gt=0)
    micro_batch: int = Field(gt=0)  # sequences in one forward
    checkpoint_every: int = Field(gt=0)
    activation_checkpointing: bool = False  # keep only the layers' inputs and compute the rest again in the backward pass


class Evaluation(Section):
    every: int = Field(gt=0)
    during_problems: int = Field(gt=0)  # problems of each split at every `every` steps, one sample each
    samples: int = Field(gt=0)  # samples a problem for pass@k at the end
    base_samples: int = Field(gt=0)  # the same for the base model
    holdout_samples: int = Field(gt=0)  # the same on the hold-out
    ks: tuple[int, ...]


class Hardware(Section):
    """What the run is planned for; what is there is looked at by `./run_all.sh --check`."""

    gpus: int = Field(gt=0)  # more than one share the weights among them (FSDP), and each has an engine of its own
    gpu_memory_gb: float = Field(gt=0)  # of each, in 10^9 bytes


class Profile(Section):
    name: str
    about: str
    threads: int = Field(gt=0)
    hardware: Hardware | None = None  # None: no GPU is needed
    publish_figures: bool  # copy the figures to the repository's figures/ folder at the end
    model: Model
    warmup: Warmup | None
    problems: Annotated[CoreProblems | MathlibProblems, Field(discriminator="source")]
    lean: Lean
    sampler: Sampler
    episode: Episode
    feedback: FeedbackSettings
    distillation: Distillation
    grpo: GRPO
    training: Training
    evaluation: Evaluation

    @property
    def hash(self) -> str:
        """Of the settings as they stand; a variant that is off counts as not there, so that new ones leave older runs readable."""
        return hashlib.sha256(self.model_dump_json(exclude_defaults=True).encode()).hexdigest()[:12]


def profile_names() -> list[str]:
    return sorted(path.stem for path in PROFILES.glob("*.yaml"))


def load_profile(name: str | Path) -> Profile:
    """The profile of that name in fdcore/profiles, or of that YAML file.

    Raises ValueError with one line: file, setting, what is wrong, what was given.
    """
    path = Path(name) if str(name).endswith((".yaml", ".yml")) else PROFILES / f"{name}.yaml"
    if not path.exists():
        raise ValueError(f"no profile {str(name)!r}; there are: {', '.join(profile_names())} (or give a .yaml file)")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from None
    try:
        profile = Profile.model_validate(settings)
    except ValidationError as error:
        first = error.errors()[0]
        where, given = ".".join(map(str, first["loc"])), first.get("input")
        what = "unknown setting" if first["type"] == "extra_forbidden" else first["msg"]
        raise ValueError(f"{path}: {where}: {what}, got {str(given)[:60]!r}") from None
    steps = profile.training.fd_checkpoints
    if list(steps) != sorted(set(steps)) or steps[-1] > profile.training.fd_steps:
        raise ValueError(f"{path}: training.fd_checkpoints must be three rising steps up to fd_steps, got {list(steps)}")
    if (profile.model.source is None) != (profile.model.student is not None and profile.warmup is not None):
        raise ValueError(f"{path}: model.source must be given, or else model.student and warmup")
    return profile
