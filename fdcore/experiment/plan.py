"""What a run will need, before it starts: GPU memory, feedback, hours; and what of it is done.

Sizes are those of the model itself, built on torch's meta device. Hours rest on assumptions, which
are printed, until this run has measured a step.
Left out on purpose: whether this machine has what the plan asks for (`fdcore.experiment.check`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from fdcore import PACKAGE
from fdcore.model import find_folder
from fdcore.profile import Model, Profile
from fdcore.records import read_jsonl
from fdcore.worlds.problems import load_problems

GB = 1e9
LOGITS_CHUNK_BYTES = 4 * 4 * 2**25  # float32 logits, log-softmax, its gradient, one of the teacher
CUDA_CONTEXT_BYTES = 1.5 * GB
# What is taken for granted, with its source. A measured step takes the place of the speeds.
ASSUMED = {
    "checks": (2.0, "Lean checks an attempt", "a guess: write, check, mend"),
    "CPU": (6e9, "weights x tokens / s in sampling", "two cores; a step takes 2.5 times"),
    "sampling": (4000.0, "tokens / s a GPU at 8e9 weights", "a guess for vLLM on an H100"),
    "training": (3.5e14, "FLOP / s a GPU", "35 % of an H100's 989e12 in bfloat16; a guess"),
    "check": (3.65, "core seconds a check", "Kimina Lean Server's README, Mathlib kept loaded"),
    "call": (0.018, "dollars a feedback call", "2,500 tokens in, 200 out at 5 and 25 a million"),
}


class Size(NamedTuple):
    """A model's weights and what its forward keeps, in units of one."""

    parameters: int
    trained: int  # of them, or of the adapters on top
    layers: int
    hidden: int
    positions: int
    layer_bytes: int  # what autograd keeps of one token in one layer, bfloat16


class Work(NamedTuple):
    """An arm's training, or a model's evaluation on a split."""

    name: str
    total: int  # steps, or problems
    done: int
    attempts: int
    calls: int  # of Claude
    seconds: float  # for all of it

    @property
    def seconds_left(self) -> float:
        return self.seconds * (1 - self.done / self.total)


class Plan(NamedTuple):
    profile: Profile
    size: Size
    works: list[Work]
    memory: dict[str, dict[str, float]]  # method -> row -> bytes on each GPU
    measured: str  # where the seconds come from

    @property
    def is_done(self) -> bool:
        """Whether nothing is left to sample or train."""
        return all(work.done >= work.total for work in self.works)


def read_config(source: str) -> PretrainedConfig:
    """The config of a published model. ValueError where it is nowhere on this machine."""
    shipped = PACKAGE / "configs" / f"{source.rpartition('/')[2]}.json"
    try:
        return AutoConfig.from_pretrained(
            find_folder(source) or source, local_files_only=True
        ).get_text_config()
    except OSError:
        if shipped.exists():
            return AutoConfig.from_pretrained(shipped).get_text_config()
    raise ValueError(
        f"{source}: no config.json on this machine; "
        f"run `hf download {source}`, or set model.source to a folder"
    )


def measure_model(model: Model) -> Size:
    """The size of a profile's model, which is built without memory for its weights."""
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(read_config(model.source))
    config = network.config
    parameters = sum(weight.numel() for weight in network.parameters())
    linear = [m for m in network.model.modules() if isinstance(m, torch.nn.Linear)]
    widths = sum(layer.in_features + layer.out_features for layer in linear)
    keys = config.num_key_value_heads * config.head_dim
    queries = config.num_attention_heads * config.head_dim
    return Size(
        parameters=parameters,
        trained=model.lora.rank * widths if model.lora else parameters,
        layers=config.num_hidden_layers,
        hidden=config.hidden_size,
        positions=config.max_position_embeddings,
        layer_bytes=16 * config.hidden_size
        + 20 * queries
        + 6 * keys
        + 8 * config.intermediate_size,
    )


def plan_memory(profile: Profile, size: Size, method: str) -> dict[str, float]:
    """Bytes on each GPU while a method trains beside its sampler.

    Without adapters the weights and all that goes with them are shared out over the GPUs (FSDP).
    With adapters the frozen weights are whole on every GPU, once for student and teacher.
    """
    hardware, lora = profile.hardware, profile.model.lora
    width = 4 if profile.model.dtype == "float32" else 2
    trained_width = 4 if lora else width
    shards = 1 if lora else hardware.gpus
    share = size.trained * trained_width / shards
    episode, training = profile.episode, profile.training
    tokens = training.micro_batch * (episode.max_prompt_tokens + episode.max_response_tokens)
    activations = tokens * size.layers * size.layer_bytes
    if training.activation_checkpointing:  # one layer's, and every layer's input
        activations = tokens * (size.layer_bytes + size.layers * size.hidden * width)
    copies = {"fd": "EMA teacher", "grpo": "reference"}
    needs_copy = method == "fd" or (profile.grpo.kl_coefficient > 0 and not lora)
    averages = 4 * size.trained / shards if method == "fd" and trained_width < 4 else 0
    sampler = 0 if hardware.engines else profile.sampler.memory_share * hardware.gpu_memory_gb * GB
    rows = {
        "weights": size.parameters * width / shards,
        "adapters": share if lora else 0.0,
        "gradients": share,
        "AdamW moments": 2 * share,
        copies[method]: (share + averages) if needs_copy else 0.0,
        "activations": activations,
        "logits chunk": LOGITS_CHUNK_BYTES,
        "CUDA context": CUDA_CONTEXT_BYTES,
        "sampler (its share of the GPU)": sampler,
    }
    return {name: size for name, size in rows.items() if size}


def find_misfits(plan: Plan) -> list[str]:
    """What does not fit on the GPUs, one line each."""
    episode, positions, misfits = plan.profile.episode, plan.size.positions, []
    longest = episode.max_prompt_tokens + episode.max_response_tokens
    if longest > positions:
        misfits.append(
            f"episode.max_prompt_tokens + max_response_tokens are {longest}, "
            f"the model has {positions} positions"
        )
    for method, rows in plan.memory.items():
        needed, capacity = sum(rows.values()) / GB, plan.profile.hardware.gpu_memory_gb
        if needed > capacity:
            most = max(rows, key=rows.get)
            misfits.append(
                f"{method} needs {needed:.0f} of {capacity:.0f} GB a GPU; most of it: {most}"
            )
    return misfits


def make_plan(profile: Profile, folders: Sequence[Path]) -> Plan:
    """The plan of a profile's runs, one a folder. ValueError where its model has no config here."""
    size = measure_model(profile.model)
    speeds, source = _measure_speeds(profile, folders) or _estimate_speeds(profile, size)
    works, counts = [], count_problems(profile)
    for index, folder in enumerate(folders):
        works += _plan_work(profile, folder, speeds, counts, is_first=index == 0)
    methods = ("fd", "grpo") if profile.hardware else ()
    memory = {method: plan_memory(profile, size, method) for method in methods}
    return Plan(profile, size, works, memory, source)


def _plan_work(
    profile: Profile,
    folder: Path,
    speeds: dict[str, float],
    counts: dict[str, int],
    is_first: bool,
) -> Iterator[Work]:
    """The training and the evaluations of a run. Variants belong to the first run alone."""
    arms = [arm for arm in profile.arms if is_first or arm.seeds == "all"]
    for arm in arms:
        attempts = arm.steps * profile.recipe(arm.method).attempts
        asks = arm.method == "fd" and profile.with_arm(arm).feedback.producer == "claude"
        done = min(arm.steps, _count_rows(folder / "arms" / arm.name / "metrics.jsonl"))
        seconds = attempts * speeds["train"]
        yield Work(f"train {arm.name}", arm.steps, done, attempts, attempts * asks, seconds)
    places = {"base": folder / "base"} | {arm.name: folder / "arms" / arm.name for arm in arms}
    for name, place in places.items():
        for split, problems in counts.items():
            if split == "holdout" and name not in ("base", *profile.main_arms):
                continue
            attempts = problems * profile.samples_of(name, split)
            done = min(problems, _count_rows(place / f"eval_{split}.jsonl"))
            seconds = attempts * speeds["sample"]
            yield Work(f"evaluate {name} on {split}", problems, done, attempts, 0, seconds)


def count_problems(profile: Profile) -> dict[str, int]:
    """Problems of test and hold-out."""
    problems = profile.problems
    if problems.source == "mathlib":
        return {"test": problems.test, "holdout": problems.holdout}
    splits = load_problems(profile)
    return {split: len(splits[split]) for split in ("test", "holdout")}


def _count_rows(path: Path) -> int:
    """Whole lines of a file: one that a kill cut short does not count."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _measure_speeds(
    profile: Profile, folders: Sequence[Path]
) -> tuple[dict[str, float], str] | None:
    """Seconds an attempt, of the first folder whose arms have timed steps; and where from."""
    for folder in folders:
        seconds, attempts = [], 0
        for name in ("fd", "grpo"):
            rows = list(read_jsonl(folder / "arms" / name / "timing.jsonl"))
            seconds += [row["seconds"] for row in rows]
            attempts += len(rows) * profile.recipe(name).attempts
        if seconds:
            total = sum(sum(row.values()) for row in seconds)
            sampling = sum(row["sample"] for row in seconds)
            speeds = {"train": total / attempts, "sample": sampling / attempts}
            return speeds, f"measured in {folder}"
    return None


def _estimate_speeds(profile: Profile, size: Size) -> tuple[dict[str, float], str]:
    """Seconds an attempt, from what is assumed."""
    tokens, hardware, source = profile.episode.max_response_tokens, profile.hardware, "estimated"
    assumed = {name: value for name, (value, _, _) in ASSUMED.items()}
    if hardware is None:
        sampling = tokens * size.parameters / assumed["CPU"]
        return {"sample": sampling, "train": 2.5 * sampling}, source
    engines = hardware.engines or hardware.gpus
    sampling = tokens * size.parameters / 8e9 / assumed["sampling"] / engines
    sampling += assumed["checks"] * assumed["check"] / profile.lean.workers
    passes = 8 + 2 * profile.training.activation_checkpointing
    learning = (tokens + profile.episode.max_prompt_tokens) * passes * size.parameters
    learning /= assumed["training"] * hardware.gpus
    return {"sample": sampling, "train": sampling + learning}, source


def format_seconds(seconds: float) -> str:
    """Seconds in the unit that fits.

    >>> [format_seconds(seconds) for seconds in (4, 400, 40_000)]
    ['4 s', '7 min', '11.1 h']
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def summarize(plan: Plan) -> str:
    """The whole of a plan in one line."""
    total = sum(work.seconds for work in plan.works)
    left = sum(work.seconds_left for work in plan.works)
    calls = sum(work.calls for work in plan.works)
    dollars = f", {calls:,} feedback calls for about {calls * ASSUMED['call'][0]:,.0f} dollars"
    return (
        f"Profile {plan.profile.name}: {format_seconds(total)} in all, {format_seconds(left)} left "
        f"({plan.measured}){dollars if calls else ''}"
    )


def describe(plan: Plan) -> str:
    """A plan as text: the work, the memory on a GPU, what is assumed, and the whole in one line."""
    size, hardware = plan.size, plan.profile.hardware
    works = pandas.DataFrame(plan.works)
    works["left"] = [format_seconds(work.seconds_left) for work in plan.works]
    works["time"] = works.pop("seconds").map(format_seconds)
    assumed = pandas.DataFrame(ASSUMED, index=["value", "unit", "source"]).T
    tables = {"": works, "Assumed where nothing is measured": assumed}
    if plan.memory:
        memory = pandas.DataFrame(plan.memory).fillna(0) / GB
        memory.loc["in all"] = memory.sum()
        title = f"GB on each of {hardware.gpus} GPUs of {hardware.gpu_memory_gb:.0f} GB"
        tables[title] = memory.round(1)
    texts = [f"{title}\n{table.to_string(index=bool(title))}\n" for title, table in tables.items()]
    model = plan.profile.model.source
    weights = f"{size.parameters / 1e6:,.1f} M weights, {size.trained / 1e6:,.1f} M of them trained"
    misfits = [f"Does not fit: {line}" for line in find_misfits(plan)]
    return "\n".join([f"{model}: {weights}", *texts, summarize(plan), *misfits])
