"""What a run will need, before it starts: memory on each GPU, tokens, checks, feedback calls, dollars, hours, and what is done already.

Arithmetic on a profile and a look into the run's folder; no torch, no GPU, no network. Every number that is not in the profile is an
`Assumption` with its source, and is printed. As soon as the run has measured something (metrics.jsonl, timing.jsonl), or, for the student that is
built here, the run whose records are shipped, that takes its place.
Left out on purpose: the tables (`fdcore.experiment.plantables`), and whether this machine has what the plan asks for (`fdcore.experiment.check`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from fdcore import REPOSITORY
from fdcore.experiment.arms import arm_of
from fdcore.experiment.shapes import Shape, shape_of
from fdcore.figures.style import paper_curves
from fdcore.profile import LoRA, Profile, run_folders
from fdcore.records import Record, read_jsonl

GB = 1e9
LOGITS_CHUNK = (
    2**25
)  # `fdcore.training.logits.CHUNK`: logits in memory at once; a test compares the two
PASSING = (
    "gradients",
    "layers gathered",
    "bfloat16 copy",
    "activations",
    "logits chunk",
)  # the trainer's memory that is free while it waits for the sampler
TINY = 1.2e6  # parameters of the student that speeds on CPUs are told for
KEPT_CHECKPOINTS = 2  # `fdcore.training.checkpoint.save_checkpoint`
PAPER_SECONDS = {"fd": 300, "grpo": 550}  # a step on 8 H200, by the paper

Column = Literal["fd", "grpo"]


class Assumption(Record):
    value: float
    unit: str
    source: str


class Memory(Record):
    """Bytes on each GPU while one method trains, beside its sampler."""

    trainer: dict[str, float]  # what it is -> bytes
    engine: dict[str, float]  # weights and workspace
    cache: float  # room for keys and values
    sequences: int  # of full length that this room holds
    asked: int  # sequences that the engine may be given at once
    capacity: float
    problems: tuple[str, ...]  # what does not fit; empty: all does

    @property
    def trained(self) -> float:
        return sum(self.trainer.values())


class Work(Record):
    """One piece of the run: an arm's training, or a model's evaluation on a split."""

    kind: Literal["warm up", "train", "evaluate"]
    arm: str
    split: str = ""
    unit: str
    total: int
    done: int
    attempts: float
    tokens: float
    checks: float
    calls: float = 0
    dollars: float = 0
    parts: dict[str, float] = {}  # seconds of one step, by what it does
    unit_seconds: float
    measured: bool = False  # seconds are this run's own
    seconds: float

    @property
    def left(self) -> float:
        return self.seconds * (1 - self.done / self.total)


class Stage(Record):
    notebook: str
    reads: str
    writes: tuple[str, ...]  # in the run's folder; the stage is done when all are there
    work: tuple[Work, ...]
    done: bool


class Plan(Record):
    profile: str
    model: str
    parameters: int
    trained_parameters: int
    gpus: int
    folder: str
    stages: tuple[Stage, ...]
    memory: dict[Column, Memory]
    disk: float  # bytes of checkpoints and models at the end
    assumptions: dict[str, Assumption]
    remedies: tuple[str, ...]  # each alone makes it fit
    papers_node: dict[str, dict[str, float]]  # `on_papers_node`
    budget: float | None  # dollars that all its runs may spend on feedback; None: it costs nothing

    @property
    def works(self) -> list[Work]:
        return [work for stage in self.stages for work in stage.work]

    @property
    def problems(self) -> list[str]:
        return [
            f"{column}: {problem}"
            for column, memory in self.memory.items()
            for problem in memory.problems
        ]


# -- memory ----------------------------------------------------------------------------------------------------------


def memory_plan(profile: Profile, shape: Shape, column: Column) -> Memory:
    """What each GPU holds; ValueError for a profile without `hardware`.

    All weights trained: they, their gradients, AdamW's moments and the EMA (or GRPO's reference) are shared out over the GPUs
    (FSDP), and a layer is gathered where it is used. Adapters: the weights below are whole on every GPU, for student and teacher once.
    """
    hardware, model, training, episode = (
        profile.hardware,
        profile.model,
        profile.training,
        profile.episode,
    )
    if hardware is None:
        raise ValueError(
            f"profile {profile.name} has no hardware section: nothing to plan on a GPU"
        )
    width = 4 if model.dtype == "float32" else 2
    trained, trained_width = (
        (shape.adapters(model.lora.rank), 4) if model.lora else (shape.parameters, width)
    )
    shards = 1 if model.lora else hardware.gpus
    tokens = training.micro_batch * (episode.max_prompt_tokens + episode.max_response_tokens)
    share = trained / shards
    rows = {
        "weights": shape.parameters * width / (1 if model.lora else shards),
        "gradients": share * trained_width,
        "AdamW moments": 2 * share * trained_width,
    }
    if model.lora:
        rows["adapters"] = share * trained_width
    if column == "fd":
        averages = 4 if trained_width < 4 else 0  # in float32, where the weights are not
        rows["EMA teacher"] = share * (trained_width + averages)
    elif (
        profile.grpo.kl_coefficient and not model.lora
    ):  # with adapters the reference is the model without them
        rows["reference"] = share * trained_width
    if shards > 1 and not model.lora:
        words = shape.vocab_size * shape.hidden_size
        rows["layers gathered"] = (
            2 * 2 * max(words, shape.parameters // shape.num_hidden_layers)
        )  # bfloat16; the next is fetched while one is used
    elif width == 4 and model.autocast:
        rows["bfloat16 copy"] = 2 * shape.parameters
    rows["activations"] = shape.activation_bytes(
        tokens, checkpointing=training.activation_checkpointing, width=width
    )
    rows["logits chunk"] = (
        4 * 4 * LOGITS_CHUNK
    )  # float32: logits, log-softmax, its gradient, and one of the teacher's
    rows["CUDA context"] = 1.5 * GB
    capacity, part = hardware.gpu_memory_gb * GB, profile.sampler.memory_share
    kept = {name: size for name, size in rows.items() if name not in PASSING}
    engine = {"weights": shape.parameters * (2 if model.autocast else width), "workspace": 2 * GB}
    cache = part * capacity - sum(engine.values())
    longest = episode.max_prompt_tokens + episode.max_response_tokens
    one = shape.kv_bytes(longest)
    sequences, problems = max(0, int(cache / one)), []
    if longest > shape.max_position_embeddings:
        problems.append(
            f"episode.max_prompt_tokens + max_response_tokens are {longest}, the model has {shape.max_position_embeddings} positions"
        )
    apart = hardware.engines > 0  # on GPUs of their own
    left = capacity - (
        0 if apart else engine["workspace"] if profile.sampler.sleeps else part * capacity
    )  # an engine that sleeps keeps its workspace
    if (needed := sum(rows.values())) > left:
        problems.append(
            f"the trainer needs {needed / GB:.0f} GB a GPU, the sampler leaves it {left / GB:.0f} of {capacity / GB:.0f}; most of it: {max(rows, key=rows.get)}"
        )
    if profile.sampler.sleeps and not apart and sum(kept.values()) > (1 - part) * capacity:
        problems.append(
            f"while the sampler has its {part * capacity / GB:.0f} GB the trainer keeps {sum(kept.values()) / GB:.0f}; sampler.memory_share can be {1 - sum(kept.values()) / capacity:.2f} at most"
        )
    if not sequences:
        problems.append(
            f"the sampler gets {part * capacity / GB:.0f} GB, its weights and one sequence need {(sum(engine.values()) + one) / GB:.0f}"
        )
    return Memory(
        trainer=rows,
        engine=engine,
        cache=cache,
        sequences=sequences,
        asked=-(-profile.sampler.max_batch // (hardware.engines or hardware.gpus)),
        capacity=capacity,
        problems=tuple(problems),
    )


def remedies(profile: Profile, shape: Shape) -> tuple[str, ...]:
    """Settings that make a run fit which does not, each tried on its own."""
    training, hardware = profile.training, profile.hardware

    def fits(**changes) -> bool:
        changed = profile.model_copy(update=changes)
        return not any(memory_plan(changed, shape, column).problems for column in ("fd", "grpo"))

    found = []
    for share in (number / 20 for number in range(2, 19)):
        if fits(sampler=profile.sampler.model_copy(update={"memory_share": share})):
            found.append(f"sampler.memory_share: {share:.2f} (now {profile.sampler.memory_share})")
            break
    if not profile.sampler.sleeps and fits(
        sampler=profile.sampler.model_copy(update={"sleeps": True})
    ):
        found.append("sampler.sleeps: true")
    if not training.activation_checkpointing and fits(
        training=training.model_copy(update={"activation_checkpointing": True})
    ):
        found.append("training.activation_checkpointing: true")
    if training.micro_batch > 1 and fits(training=training.model_copy(update={"micro_batch": 1})):
        found.append(f"training.micro_batch: 1 (now {training.micro_batch})")
    for gpus in (2, 4, 8, 16, 32, 64):
        if gpus > hardware.gpus and fits(hardware=hardware.model_copy(update={"gpus": gpus})):
            found.append(f"hardware.gpus: {gpus} (now {hardware.gpus})")
            break
    if profile.model.lora is None and fits(
        model=profile.model.model_copy(
            update={"lora": LoRA(rank=32, alpha=32), "dtype": "bfloat16"}
        )
    ):
        found.append("model.lora: {rank: 32, alpha: 32} with model.dtype: bfloat16")
    for size in (96, 141, 192):
        if size > hardware.gpu_memory_gb and fits(
            hardware=hardware.model_copy(update={"gpu_memory_gb": size})
        ):
            found.append(
                f"GPUs of {size} GB (hardware.gpu_memory_gb, now {hardware.gpu_memory_gb:.0f})"
            )
            break
    return tuple(found)


def disk_bytes(profile: Profile, shape: Shape) -> float:
    """What checkpoints and saved models take at the end of a run: the newest checkpoints of each arm, the FD models on the way, and the last
    and the best model of each arm. Models are written whole, adapters merged into the weights below."""
    width = 4 if profile.model.dtype == "float32" else 2
    trained = (
        shape.adapters(profile.model.lora.rank) * 4
        if profile.model.lora
        else shape.parameters * width
    )
    averaged = trained * 4 / width if not profile.model.lora else trained
    fd, grpo = (
        3 * trained + averaged,
        (3 if profile.model.lora else 4) * trained,
    )  # weights, two moments, and the EMA or the reference
    arms, on_the_way = (
        len(profile.main_arms),
        len(profile.kept_steps("fd")),
    )
    return (
        KEPT_CHECKPOINTS * (fd + (arms - 1) * grpo)
        + (on_the_way + 2 * arms) * shape.parameters * width
    )


# -- assumptions and speed -------------------------------------------------------------------------------------------


def assumptions(profile: Profile) -> dict[str, Assumption]:
    """What the plan takes for granted about this profile's kind of run."""
    limit, published = profile.episode.max_response_tokens, paper_response()
    source = (
        "the mean of the paper's Figure 14 (Claude)"
        if published < limit
        else "episode.max_response_tokens: at most"
    )
    found = {
        "response": Assumption(value=min(limit, published), unit="tokens an attempt", source=source)
    }
    if profile.hardware is None:
        found |= {
            "prompt": Assumption(
                value=400, unit="tokens", source="the tiny world's: tools and statement"
            ),
            "checks": Assumption(
                value=1.5,
                unit="Lean checks an attempt",
                source="a guess: some attempts check twice",
            ),
            "check": Assumption(
                value=0.1,
                unit="CPU seconds a check",
                source="the core library in a warm process; the order of magnitude",
            ),
            "sampling": Assumption(
                value=6000,
                unit="tokens/s at 1.2 M parameters",
                source="two cores; the order of magnitude",
            ),
            "training": Assumption(
                value=5600,
                unit="tokens/s at 1.2 M parameters",
                source="two cores, float32; the order of magnitude",
            ),
        }
    else:
        found |= {
            "prompt": Assumption(
                value=800, unit="tokens", source="Qwen3's template with three tools and a statement"
            ),
            "checks": Assumption(
                value=3, unit="Lean checks an attempt", source="a guess: write, check, mend"
            ),
            "check": Assumption(
                value=3.65,
                unit="core seconds a check",
                source="Kimina Lean Server's README: Lean Workbook proofs, Mathlib kept loaded",
            ),
            "compute": Assumption(
                value=989e12, unit="FLOP/s a GPU, bfloat16", source="H100 and H200 SXM data sheets"
            ),
            "compute share": Assumption(
                value=0.35,
                unit="of it reached in training",
                source="usual for 8 B models with FSDP; not measured here",
            ),
            "bandwidth": Assumption(
                value=3.35e12, unit="bytes/s a GPU", source="H100 SXM data sheet (H200: 4.8e12)"
            ),
            "bandwidth share": Assumption(
                value=0.6,
                unit="of it reached in decoding",
                source="a guess for vLLM; not measured here",
            ),
            "GPU price": Assumption(
                value=3,
                unit="dollars an hour and GPU",
                source="a guess for a rented H100; put your own",
            ),
        }
    if profile.feedback.producer == "claude":
        price = profile.feedback.prices[profile.feedback.model]
        found |= {
            "call": Assumption(value=10, unit="seconds a feedback call", source="a guess"),
            "call in": Assumption(
                value=2500,
                unit="tokens beside the attempt",
                source="a guess: prompt, statement, the tool calls once more, Lean's answer",
            ),
            "call out": Assumption(
                value=200,
                unit="tokens of feedback",
                source="the paper's form: up to 3 items of 50 words",
            ),
            "price in": Assumption(
                value=price.input,
                unit="dollars a million tokens",
                source="the profile's feedback.prices",
            ),
            "price out": Assumption(
                value=price.output, unit="dollars a million tokens", source="the same"
            ),
        }
    return found


def paper_response() -> float:
    """Mean response length, in tokens, along the paper's Figure 14 for Feedback Distillation with Claude."""
    values = [y for _, y in paper_curves("14", "response length")["Claude FD"]]
    return round(sum(values) / len(values), -2)


class Clock:
    """Seconds for the parts of a step, one after the other as the trainer runs them."""

    def __init__(self, profile: Profile, shape: Shape, taken: dict[str, Assumption]):
        self.profile, self.shape, self.a = (
            profile,
            shape,
            {name: assumption.value for name, assumption in taken.items()},
        )
        self.gpus = profile.hardware.gpus if profile.hardware else 0
        self.engines = profile.hardware and profile.hardware.engines or self.gpus

    def sample(self, attempts: float) -> float:
        """Decoding is bound by reading weights and cache; the longest attempt sets how many tokens follow one another."""
        a, shape, tokens = self.a, self.shape, attempts * self.a["response"]
        if not self.gpus:
            return tokens / a["sampling"] * shape.parameters / TINY
        memory = memory_plan(self.profile, shape, "fd")
        mean = a["prompt"] + a["response"] / 2  # of a sequence's cache while it grows
        room = max(
            1.0, min(memory.asked, memory.cache / shape.kv_bytes(a["prompt"] + a["response"]))
        )
        rows = min(attempts / self.engines, room)
        deep = (
            self.profile.episode.max_response_tokens
            + max(0.0, attempts / self.engines / rows - 1) * a["response"]
        )  # decoding steps in a row
        step = (memory.engine["weights"] + rows * shape.kv_bytes(mean)) / (
            a["bandwidth"] * a["bandwidth share"]
        )
        return deep * step + 2 * shape.parameters * attempts * a["prompt"] / (
            self.engines * a["compute"] * a["compute share"]
        )

    def verify(self, attempts: float) -> float:
        return attempts * self.a["checks"] * self.a["check"] / self.profile.lean.workers

    def feedback(self, attempts: float) -> float:
        return (
            attempts * self.a["call"] / self.profile.feedback.concurrency
            if "call" in self.a
            else 0.0
        )

    def learn(self, attempts: float) -> float:
        """Student forward and backward, once more forward with checkpointing, and the teacher's or reference's forward; 2 FLOP a weight and token each."""
        a, tokens = self.a, attempts * (self.a["prompt"] + self.a["response"])
        if not self.gpus:
            return tokens / a["training"] * self.shape.parameters / TINY
        passes = (
            (3 if self.profile.model.lora is None else 2)
            + self.profile.training.activation_checkpointing
            + 1
        )  # frozen weights need no gradient of their own
        return (
            tokens
            * passes
            * 2
            * self.shape.parameters
            / (self.gpus * a["compute"] * a["compute share"])
        )

    def dollars(self, attempts: float) -> float:
        a = self.a
        return (
            attempts
            * ((a["response"] + a["call in"]) * a["price in"] + a["call out"] * a["price out"])
            / 1e6
            if "call" in a
            else 0.0
        )


# -- work and stages -------------------------------------------------------------------------------------------------

OVER = ("grpo_from_fd_1", "grpo_from_fd_2", "grpo_from_fd_3")
# notebook, without its number -> what it reads, what stands in the run's folder when it is done, the arms that it trains, the models that it evaluates on (split)
STAGES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]] = {
    "lean_world": ("the profile's problems", ("problems/checked.json",), (), ()),
    "base_model": (
        "problems; the model",
        ("base/eval_test.jsonl", "base/eval_holdout.jsonl", "figures/base.pdf"),
        (),
        (("base", "test"), ("base", "holdout")),
    ),
    "feedback_distillation": (
        "problems; the base model",
        ("arms/fd/metrics.jsonl", "arms/fd/model", "figures/feedback_distillation.pdf"),
        ("fd",),
        (),
    ),
    "grpo": (
        "problems; the base model",
        ("arms/grpo/metrics.jsonl", "arms/grpo/model", "figures/grpo.pdf"),
        ("grpo",),
        (),
    ),
    "grpo_over_feedback_distillation": (
        "arms/fd/model-step-*",
        (*(f"arms/{arm}/model" for arm in OVER), "figures/figure_2.pdf"),
        OVER,
        (),
    ),
    "figure_1_tokens": (
        "arms/fd: attempts, feedback; all saved models",
        ("token_views.jsonl", "figures/figure_1.html"),
        (),
        (),
    ),
    "figure_3_lemmas_and_pass_at_k": (
        "all arms' models and metrics",
        ("figures/figure_3.pdf",),
        (),
        (),
    ),  # all arms on test and hold-out
    "claims": ("all metrics and evaluations", ("figures/claims.md", "figures/claims.json"), (), ()),
}
ABLATIONS = {  # notebook -> the arms, by what stands before the slash, that it trains and evaluates
    "who_gives_feedback": ("sources", "over_sources", "self", "over_self"),
    "how_feedback_is_asked_for": ("formulations", "constant"),
    "teacher_speed": ("teacher_speed",),
    "tools_and_rates": ("tools_fd", "tools_grpo", "grpo_rates"),
    "sensitivity_and_collapse": ("sensitivity", "collapse"),
}


def _stage(
    profile: Profile, name: str
) -> tuple[str, tuple[str, ...], tuple[str, ...], tuple[tuple[str, str], ...]]:
    """`STAGES`' row of a notebook without its number, with what the profile adds."""
    if name in ABLATIONS:
        arms = tuple(
            arm.name for arm in profile.arms if arm.name.partition("/")[0] in ABLATIONS[name]
        )
        return (
            "the base model",
            tuple(f"arms/{arm}/model" for arm in arms),
            arms,
            tuple((arm, "test") for arm in arms),
        )
    reads, writes, arms, evaluations = STAGES.get(name, ("a finished run", (), (), ()))
    if "rft" in profile.main_arms and name == "grpo_over_feedback_distillation":
        arms = (*arms, "rft")
    if name == "figure_3_lemmas_and_pass_at_k":
        evaluations = tuple(
            (arm, split) for split in ("test", "holdout") for arm in profile.main_arms
        )
    return reads, writes, arms, evaluations


def make_plan(profile: Profile, folder: Path, notebooks: list[str]) -> Plan:
    """The plan of these notebooks (names without .ipynb; any that is not in `STAGES` only reads a finished run)."""
    shape = shape_of(profile.model)
    taken = assumptions(profile)
    runs = list(run_folders(profile.seeds, folder).values())
    published = (
        []
        if profile.model.source
        else sorted((REPOSITORY / "figures" / "records").glob("seed-*"))[-1:]
    )  # the student that is built here has a run in the repository
    for run in (*published, runs[0]):
        for name, value in _measured(
            profile, run, shape.parameters if run == runs[0] else TINY, taken
        ).items():
            taken[name] = taken[name].model_copy(
                update={
                    "value": value,
                    "source": f"measured in {run.relative_to(REPOSITORY) if run in published else run}",
                }
            )
    clock, stages, planned = Clock(profile, shape, taken), [], set()
    for name in notebooks:
        reads, writes, arms, evaluations = _stage(profile, name.partition("_")[2])
        work = []
        for run in runs[:1] if name.partition("_")[2] in ABLATIONS else runs:
            work += (
                [_warm_up(clock, run)] if name.endswith("_base_model") and profile.warmup else []
            )
            work += [_training(clock, run, arm) for arm in arms if (run, arm) not in planned]
            work += [
                _evaluation(clock, run, *each)
                for each in evaluations
                if (run, *each) not in planned
            ]
            planned |= {(run, arm) for arm in arms} | {(run, *each) for each in evaluations}
        done = (
            bool(writes)
            and all((folder / path).exists() or (runs[0] / path).exists() for path in writes)
            and all(each.done >= each.total for each in work)
        )
        stages.append(Stage(notebook=name, reads=reads, writes=writes, work=tuple(work), done=done))
    memory = (
        {column: memory_plan(profile, shape, column) for column in ("fd", "grpo")}
        if profile.hardware
        else {}
    )
    return Plan(
        papers_node=on_papers_node(profile, shape, taken) if profile.hardware else {},
        profile=profile.name,
        model=profile.model.source or "built here",
        parameters=shape.parameters,
        folder=str(folder),
        stages=tuple(stages),
        memory=memory,
        trained_parameters=shape.adapters(profile.model.lora.rank)
        if profile.model.lora
        else shape.parameters,
        gpus=clock.gpus,
        disk=disk_bytes(profile, shape),
        assumptions=taken,
        remedies=remedies(profile, shape) if any(m.problems for m in memory.values()) else (),
        budget=profile.feedback.budget_dollars * len(runs)
        if profile.feedback.producer == "claude"
        else None,
    )


def _parts(clock: Clock, batch: int, fd: bool) -> dict[str, float]:
    """Seconds of a step's parts."""
    return {
        "sample": clock.sample(batch),
        "check": clock.verify(batch),
        "feedback": clock.feedback(batch) if fd else 0.0,
        "learn": clock.learn(batch),
    }


def on_papers_node(
    profile: Profile, shape: Shape, taken: dict[str, Assumption]
) -> dict[str, dict[str, float]]:
    """Seconds of the parts of a step, by arm, if the paper's batches (128 prompts; 1 or 5 samples) ran on its node: 8 H200 of 141 GB and 4.8e12 bytes/s
    each, and at least 64 Lean workers."""
    node = profile.varied(
        {
            "hardware.gpus": 8,
            "hardware.gpu_memory_gb": 141.0,
            "sampler.max_batch": 640,
            "lean.workers": max(64, profile.lean.workers),
        }
    )
    clock = Clock(
        node, shape, taken | {"bandwidth": taken["bandwidth"].model_copy(update={"value": 4.8e12})}
    )
    return {"fd": _parts(clock, 128, True), "grpo": _parts(clock, 640, False)}


def _training(clock: Clock, folder: Path, arm: str) -> Work:
    profile, evaluation = clock.profile, clock.profile.evaluation
    found = arm_of(profile, arm)
    settings, steps, fd = (
        {"fd": profile.distillation, "grpo": profile.grpo, "rft": profile.rft}[found.method],
        found.steps,
        found.method == "fd",
    )
    batch = settings.prompts * settings.samples
    sizes = _sizes(profile)
    look = sum(
        min(evaluation.during_problems, sizes[split]) for split in ("test", "holdout")
    )  # attempts of one look
    looks = -(-steps // evaluation.every)
    attempts = steps * batch + looks * look
    parts = _parts(clock, batch, fd) | {
        "looks": looks / steps * (clock.sample(look) + clock.verify(look))
    }
    timing = list(read_jsonl(folder / "arms" / arm / "timing.jsonl"))
    if timing:
        parts = {
            name: sum(row["seconds"].get(name, 0.0) for row in timing) / len(timing)
            for name in timing[0]["seconds"] | timing[-1]["seconds"]
        }
    seconds = sum(parts.values())
    calls = steps * batch if fd and found.profile.feedback.producer == "claude" else 0
    return Work(
        kind="train",
        arm=arm,
        unit="steps",
        total=steps,
        done=min(steps, _rows(folder / "arms" / arm / "metrics.jsonl")),
        attempts=attempts,
        tokens=attempts * clock.a["response"],
        checks=attempts * clock.a["checks"],
        calls=calls,
        dollars=clock.dollars(calls),
        parts=parts,
        unit_seconds=seconds,
        measured=bool(timing),
        seconds=steps * seconds,
    )


def _evaluation(clock: Clock, folder: Path, arm: str, split: str) -> Work:
    samples = clock.profile.samples_of(arm, split)
    problems = _sizes(clock.profile)[split]
    attempts, at_once = problems * samples, max(1, clock.profile.sampler.max_batch // samples)
    seconds = -(-problems // at_once) * clock.sample(
        min(problems, at_once) * samples
    ) + clock.verify(attempts)
    path = (folder / "base" if arm == "base" else folder / "arms" / arm) / f"eval_{split}.jsonl"
    return Work(
        kind="evaluate",
        arm=arm,
        split=split,
        unit="problems",
        total=problems,
        done=min(problems, _rows(path)),
        attempts=attempts,
        tokens=attempts * clock.a["response"],
        checks=attempts * clock.a["checks"],
        unit_seconds=seconds / problems,
        seconds=seconds,
    )


def _warm_up(clock: Clock, folder: Path) -> Work:
    """The tiny student's supervised start; sequences of about 200 tokens, and of 1,000 with the system prompt."""
    warmup = clock.profile.warmup
    steps = warmup.short_steps + warmup.full_steps
    tokens = warmup.batch * (200 * warmup.short_steps + 1000 * warmup.full_steps)
    seconds = (
        tokens / clock.a["training"] * clock.shape.parameters / TINY
        + warmup.traces * clock.a["check"] / clock.profile.lean.workers
        if "training" in clock.a
        else 0.0
    )
    done = steps if (folder / "base" / "model").exists() else 0
    return Work(
        kind="warm up",
        arm="base",
        unit="steps",
        total=steps,
        done=done,
        attempts=0,
        tokens=0,
        checks=warmup.traces,
        unit_seconds=seconds / steps,
        seconds=seconds,
    )


def _sizes(profile: Profile) -> dict[str, int]:
    """Problems of test and hold-out, without loading them."""
    problems = profile.problems
    if problems.source == "mathlib":
        return {"test": problems.test, "holdout": problems.holdout}
    root = REPOSITORY / "lean_project" / "problems"
    return {
        "test": min(_rows(root / problems.test), problems.max_test or 10**9),
        "holdout": min(_rows(root / problems.holdout), problems.max_holdout or 10**9),
    }


def _rows(path: Path) -> int:
    if not path.exists():
        return 0
    with open(path, "rb") as file:
        return sum(
            line.endswith(b"\n") for line in file
        )  # a line that a kill cut short does not count


def _measured(
    profile: Profile, folder: Path, parameters: float, taken: dict[str, Assumption]
) -> dict[str, float]:
    """What a run has recorded, over all its main arms' steps, of an attempt's tokens and, on CPUs, of speed, in the assumptions' units."""
    metrics, timing = (
        [row for arm in profile.main_arms for row in read_jsonl(folder / "arms" / arm / name)]
        for name in ("metrics.jsonl", "timing.jsonl")
    )
    if not metrics:
        return {}
    response = sum(row["response_tokens"] for row in metrics) / len(metrics)
    if profile.hardware or not timing:
        return {"response": response}
    tokens, seconds = sum(row["tokens"] for row in timing), Counter()
    for row in timing:
        seconds.update(row["seconds"])
    attempts, size = tokens / response, parameters / TINY
    return {
        "response": response,
        "check": seconds["verify"] * profile.lean.workers / attempts / taken["checks"].value,
        "sampling": tokens / seconds["sample"] * size,
        "training": (tokens + attempts * taken["prompt"].value)
        / (seconds["teacher"] + seconds["train"])
        * size,
    }
