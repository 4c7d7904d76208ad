"""Pretraining of the tiny student, once: corpus, tokenizer, weights, a folder like a hub model's.

`python -m lean_project.generate student` runs this with the settings in `student.yaml`. A run can
start from the result as from any other model (`model.source`). Killed and started again, it goes on
and ends with the same weights.

Left out on purpose: what the corpus holds (`lean_project.generate.corpus`).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import random
from collections.abc import Sequence
from pathlib import Path

import torch
import yaml
from pydantic import Field
from tqdm import tqdm

from fdcore.lean.library import INTERNAL, core_library
from fdcore.lean.verifier import Verifier
from fdcore.model import save_model
from fdcore.profile import Profile, Section, load_profile
from fdcore.records import Problem, write_text
from fdcore.rollout.chat import Chat
from fdcore.rollout.tools import Tools
from fdcore.seeds import seed_of
from fdcore.training.checkpoint import load_checkpoint, save_checkpoint
from fdcore.training.logits import action_logits, action_values
from fdcore.worlds.problems import ROOT, read_familiarity, read_problems
from fdcore.worlds.student import StudentShape, build_student, train_tokenizer
from lean_project.generate.corpus import CorpusSettings, CorpusWriter, Trace, encode

SETTINGS = Path(__file__).with_name("student.yaml")
Sequences = Sequence[tuple[list[int], list[int]]]  # (token ids, action mask)
AT_ONCE = 4000  # traces whose tactics are judged together


class Pretraining(Section):
    """The settings in `student.yaml`."""

    profile: str  # with the episodes, the judge and the validation problems of these runs
    seed: int
    student: StudentShape
    corpus: CorpusSettings
    steps: int = Field(gt=0)
    full_share: float = Field(ge=0, le=1)  # of the steps: the last, with the system prompt
    batch: int = Field(gt=0)
    learning_rate: float = Field(gt=0)  # AdamW's, for embeddings and norms
    matrix_learning_rate: float = Field(gt=0)  # Muon's, for matrices


def read_settings(path: Path = SETTINGS) -> Pretraining:
    """The settings in a file. ValueError for a wrong value."""
    return Pretraining.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))


def pretrain(settings: Pretraining, folder: Path) -> Path:
    """Make the student.

    Args:
        folder: where verdicts, checkpoints, `metrics.jsonl` and the folder `student` are written.

    Returns:
        The folder `student`: weights, config, tokenizer, chat template, `recipe.json`.
    """
    profile, seed = load_profile(settings.profile), settings.seed
    thinking = profile.model.thinking
    problems = read_problems(ROOT / "warmup.jsonl")
    problems += read_problems(ROOT / "train.jsonl")[settings.corpus.train_from :]
    traces = write_corpus(settings.corpus, profile, folder / "verdicts", problems, seed)
    tokenizer = train_tokenizer(tokenizer_texts(traces), settings.student.vocab_size)
    chat = Chat(tokenizer, Tools.schemas, thinking=thinking)
    short = Chat(tokenizer, [], thinking=thinking, system=False)
    data = [encode(trace, short) for trace in traces]
    system = chat.prompt(problems[0])[: -len(short.prompt(problems[0]))]
    shape = settings.student.model_dump() | {"vocab_size": len(tokenizer)}
    model = build_student(seed=seed_of(seed, "student"), **shape)
    rows = train(model, data, system, settings, folder / "checkpoints", seed=seed)
    write_text(folder / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    save_model(model, tokenizer, folder / "student")
    write_recipe(folder / "student", settings, traces, rows)
    return folder / "student"


def write_corpus(
    settings: CorpusSettings,
    profile: Profile,
    verdicts: Path,
    problems: Sequence[Problem],
    seed: int,
) -> list[Trace]:
    """The traces. Verdicts are kept, so that a second run is quick."""
    library = core_library()
    output_chars = profile.episode.tool_output_chars
    traces = []
    with Verifier(library, profile.lean, cache_dir=verdicts) as verifier:
        writer = CorpusWriter(
            settings,
            seed,
            verifier=verifier,
            tools=lambda problem: Tools(problem, library, output_chars=output_chars),
            familiarity=read_familiarity(),
            names=sorted(name for name in library.theorem_names if not INTERNAL.search(name)),
            problems=problems,
        )
        for first in range(0, settings.traces, AT_ONCE):
            traces += writer.write(range(first, min(first + AT_ONCE, settings.traces)))
    return traces


def tokenizer_texts(traces: Sequence[Trace]) -> list[str]:
    """What the tokenizer learns from: the tools' schemas and the texts of the traces."""
    texts = [json.dumps(schema) for schema in Tools.schemas] * 50
    for trace in traces[:12_000]:
        texts += [trace.problem.statement, trace.feedback or ""]
        texts += [turn.text + turn.answer for turn in trace.turns]
    return texts


def write_recipe(
    student: Path, settings: Pretraining, traces: Sequence[Trace], rows: Sequence[dict]
) -> None:
    """`recipe.json`: settings, last losses, and SHA-256 of the corpus and of all files."""
    corpus = hashlib.sha256("\n".join(map(repr, traces)).encode()).hexdigest()
    files = {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(student.iterdir())}
    last = [row["loss"] for row in rows[-100:]]
    recipe = {
        "settings": settings.model_dump(),
        "loss": round(sum(last) / len(last), 4),
        "action_tokens": sum(row["tokens"] for row in rows),
        "corpus": corpus,
        "files": files,
    }
    write_text(student / "recipe.json", json.dumps(recipe, indent=1) + "\n")


def train(
    model: torch.nn.Module,
    data: Sequences,
    system: list[int],
    settings: Pretraining,
    folder: Path,
    *,
    seed: int,
) -> list[dict]:
    """Supervised training on action tokens.

    Most steps leave the system prompt out, which all prompts share; the last `full_share` of them
    put it first. Matrices are trained by Muon, embeddings and norms by AdamW. Both rates rise over
    50 steps, then fall linearly to 3 %.

    Returns:
        One row a step: step, loss (nats a token), tokens (action tokens).
    Raises:
        ValueError: the data do not fill one batch.
    """
    if len(data) < settings.batch:
        raise ValueError(
            f"pretraining: {len(data)} traces do not fill a batch of {settings.batch}; "
            "raise pretraining.corpus.traces"
        )
    optimizers = create_optimizers(model, settings)
    start, state = load_checkpoint(folder) or (0, None)
    rows = []
    if state is not None:
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        rows = state["rows"]
    steps = settings.steps
    short_steps = round(steps * (1 - settings.full_share))
    batches = itertools.islice(draw_batches(data, settings.batch, seed), start, steps)
    bar = tqdm(batches, initial=start, total=steps, desc="pretraining", unit="step", mininterval=2)
    for step, batch in enumerate(bar, start):
        if step >= short_steps:
            batch = [([*system, *ids], [*[0] * len(system), *mask]) for ids, mask in batch]
        decay = 0.03 + 0.97 * (1 - step / steps)
        loss, tokens = update(model, optimizers, batch, min((step + 1) / 50, decay))
        rows.append({"step": step + 1, "loss": loss, "tokens": tokens})
        bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        if (step + 1) % 100 == 0 or step + 1 == steps:
            states = [optimizer.state_dict() for optimizer in optimizers]
            state = {"model": model.state_dict(), "optimizers": states, "rows": rows}
            save_checkpoint(folder, step + 1, state, keep=1)
    return rows


def update(
    model: torch.nn.Module, optimizers: Sequence, batch: Sequences, rate: float
) -> tuple[float, int]:
    """One optimizer step at `rate` of the peak rates. Returns (nats a token, action tokens)."""
    ids, masks = zip(*batch, strict=True)
    logits = action_logits(model, ids, masks, autocast=True)
    loss = torch.nn.functional.cross_entropy(logits, action_values(ids, masks))
    model.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate * group["peak"]
        optimizer.step()
    return loss.item(), len(logits)


def create_optimizers(model: torch.nn.Module, settings: Pretraining) -> list[torch.optim.Optimizer]:
    """Muon (kellerjordan.github.io/posts/muon) for the layers' matrices, AdamW for the rest."""
    matrices, others = [], []
    for name, weight in model.named_parameters():
        (matrices if weight.dim() == 2 and ".layers." in name else others).append(weight)
    rate, rest = settings.matrix_learning_rate, settings.learning_rate
    optimizers = [
        torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="original"),
        torch.optim.AdamW(others, lr=rest, betas=(0.9, 0.95), weight_decay=0.01),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def draw_batches(data: Sequences, size: int, seed: int):
    """Batches without end: sequences of like length, shuffled anew each epoch."""
    for epoch in itertools.count():
        rng = random.Random(seed_of(seed, "epoch", epoch))
        keys = [len(ids) + 20 * rng.random() for ids, _ in data]
        order = sorted(range(len(data)), key=keys.__getitem__)
        starts = range(0, len(data) - size + 1, size)
        for first in rng.sample(starts, len(starts)):
            yield [data[i] for i in order[first : first + size]]
