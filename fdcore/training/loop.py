"""One loop for every method: sample, judge, feedback, loss, step, average, write down.

Files of a run: `metrics.jsonl`, a pure function of profile and seed; `timing.jsonl`, the cost on
this machine; `trajectories.jsonl` and `feedback.jsonl`. A run resumes at its newest checkpoint.

Left out on purpose: a method's loss (`fdcore.training.methods`), and evaluation beyond the quick
one during training.
"""

from __future__ import annotations

import contextlib
import errno
import math
import random
import resource
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

import torch
from tqdm import tqdm

from fdcore.feedback.form import report
from fdcore.feedback.sources import Producer
from fdcore.model import is_sharded, save_model, whole
from fdcore.profile import Profile
from fdcore.records import (
    Feedback,
    Problem,
    Record,
    Trajectory,
    append_jsonl,
    cut_jsonl,
    read_jsonl,
)
from fdcore.rollout.episode import Environment, epistemic_words, rollout
from fdcore.rollout.sampler import Sampler
from fdcore.seeds import seed_of
from fdcore.training.checkpoint import (
    gather,
    gather_training_state,
    load_checkpoint,
    restore_training_state,
    save_checkpoint,
)
from fdcore.training.distributed import Processes
from fdcore.training.methods import Batch, Method
from fdcore.training.teacher import EMATeacher
from fdcore.training.tracker import open_tracker

FILES = ("metrics", "timing", "trajectories", "feedback")


class TrainingError(RuntimeError):
    """Training stopped before the weights were spoilt; the message names step and reason."""


class OutOfMemory(RuntimeError):
    """A GPU's or the machine's memory ran out; the message names the settings that need less."""


@contextlib.contextmanager
def explain_memory(where: str) -> Iterator[None]:
    """An error for want of memory becomes `OutOfMemory`; all others pass."""
    try:
        yield
    except (MemoryError, RuntimeError, OSError) as error:
        signs = ("can't allocate memory", "can't start new thread")  # torch's words on a CPU
        if not (
            isinstance(error, (MemoryError, torch.OutOfMemoryError))
            or getattr(error, "errno", None) == errno.ENOMEM
            or any(sign in str(error) for sign in signs)
        ):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise OutOfMemory(
            f"{where}: out of memory ({reason}). Lower training.micro_batch or "
            "sampler.memory_share, or set training.activation_checkpointing: true in a copy of "
            "the profile; then run the same command again"
        ) from error


def draw_problems(problems: Sequence[Problem], seed: int, step: int, count: int) -> list[Problem]:
    """The problems of a step (from 1): a walk through seeded shuffles, one an epoch."""
    size, first = len(problems), (step - 1) * count
    drawn: list[Problem] = []
    for epoch in range(first // size, (first + count - 1) // size + 1):
        drawn += random.Random(seed_of(seed, "order", epoch)).sample(problems, size)
    start = first % size
    return drawn[start : start + count]


@dataclass
class Trainer:
    """The loop over the steps of one arm, and the files of its run."""

    folder: Path
    arm: str
    seed: int
    profile: Profile  # with the arm's settings
    model: torch.nn.Module
    method: Method
    sampler: Sampler
    environment: Environment
    producer: Producer | None = None  # writes the feedback, where the method reads any
    teacher: EMATeacher | None = None  # moves after each step
    processes: Processes = field(default_factory=Processes)
    origin: dict = field(default_factory=dict)  # of the code, for the tracker

    def __post_init__(self):
        rate, decay = self.method.settings.learning_rate, self.profile.training.weight_decay
        weights = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(weights, lr=rate, betas=(0.9, 0.95), weight_decay=decay)
        self.first = self.processes.rank == 0
        self.tokens_sampled, self.lemmas = 0, set()
        self.seconds: Counter[str] = Counter()  # of the step under way, by phase

    def train(
        self,
        steps: int,
        problems: Mapping[str, Sequence[Problem]],
        keep: Mapping[int, Path] | None = None,
    ) -> list[dict]:
        """Train up to `steps`, on from the newest checkpoint.

        Args:
            problems: by split: train, and those evaluated on the way.
            keep: model folders of some steps.

        Returns:
            All metrics rows. More steps than before extend the run.
        """
        keep = keep or {}
        start = self.resume()
        quiet = {"mininterval": 2.0, "disable": not self.first}
        numbers = range(start + 1, steps + 1)
        bar = tqdm(numbers, self.arm, initial=start, total=steps, unit="step", **quiet)
        tracked = self.profile if self.first else self.profile.model_copy(update={"tracker": None})
        name = f"{self.arm}-seed{self.seed}"
        with open_tracker(tracked, self.folder, name, self.origin) as log:
            for step in bar:
                self.seconds.clear()
                with explain_memory(f"{self.arm}: step {step}"):
                    row = self.train_step(step, problems["train"])
                if step % self.profile.evaluation.every == 0 or step == steps:
                    row |= self.evaluate(problems)
                self.append("metrics", [row])
                self.append("timing", [self.measure_cost(row)])
                log(row)
                if step in keep:
                    self.save_model(keep[step])
                every = self.profile.training.checkpoint_every
                if step % every == 0 or step == steps or step in keep:
                    self.save_checkpoint(step)
                bar.set_postfix_str(f"train accuracy {row['train_accuracy']:.0%}", refresh=False)
        self.processes.wait()  # until all is written
        return self.rows()

    def train_step(self, step: int, problems: Sequence[Problem]) -> dict:
        """One step of any method; returns its metrics row."""
        recipe, training = self.method.settings, self.profile.training
        drawn = draw_problems(problems, self.seed, step, recipe.prompts)
        problems = [problem for problem in drawn for _ in range(recipe.samples)]
        seeds = [seed_of(self.seed, self.arm, step, index) for index in range(len(problems))]
        rate = recipe.learning_rate * min(1.0, step / max(1, training.warmup_steps))

        with self.timed("sample"):  # and judge: Lean checks each attempt within its episode
            trajectories = self.roll_out(problems, seeds, step)

        with self.timed("feedback"):
            feedback = self.write_feedback(problems, trajectories)

        contexts = [  # what the teacher reads: the same prompts with the feedback in them
            self.environment.chat.prompt(problem, one.text)
            for problem, one in zip(problems[: len(feedback)], feedback, strict=True)
        ]
        batch = Batch(problems, trajectories, feedback, contexts)

        with self.timed("train"):
            batch, described = self.method.prepare(self.model, batch)
            parts = batch.split(training.micro_batch)
            for update in range(self.method.updates):
                self.optimizer.zero_grad(set_to_none=True)
                if self.method.updates > 1 and update == 0:
                    parts = [self.method.keep_old_logprobs(self.model, part) for part in parts]
                results = self.add_gradients(step, parts)
                norm = self.clip_gradients(step, parts, results)
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self.optimizer.step()
            if self.teacher is not None:
                self.teacher.update(self.model, step)

        metrics = Counter(described)
        if feedback:
            metrics.update(report(list(zip(problems, trajectories, strict=True)), feedback))
        for _, _, shares in results:  # of several updates, the last is written down
            metrics.update(shares)
        bare = [one.model_copy(update={"logprobs": ()}) for one in trajectories]  # recomputable
        self.append("trajectories", bare)
        self.append("feedback", [{"step": step, **one.model_dump()} for one in feedback])
        row = self.describe_batch(step, trajectories)
        loss = sum(loss for _, loss, _ in results)
        return row | {"loss": loss, "grad_norm": norm, "learning_rate": rate, **metrics}

    def roll_out(
        self, problems: Sequence[Problem], seeds: Sequence[int], step: int
    ) -> list[Trajectory]:
        """Attempts of the student as it is now: this process's part of them, then everybody's."""
        self.sampler.update_weights(self.model)
        part = self.processes.part
        trajectories = rollout(
            part(problems),
            part(seeds),
            sampler=self.sampler,
            environment=self.environment,
            sampling=self.profile.sampler,
            step=step,
        )
        return self.processes.gather(trajectories)

    def write_feedback(
        self, problems: Sequence[Problem], trajectories: Sequence[Trajectory]
    ) -> list[Feedback]:
        """One feedback an attempt, written once for all processes; none without a producer."""
        feedback: list[Feedback] = []
        if self.producer is not None and self.first:
            feedback = self.producer.write(list(zip(problems, trajectories, strict=True)))
        return self.processes.from_first(feedback)

    def add_gradients(self, step: int, parts: Sequence[Batch]) -> list[tuple[int, float, dict]]:
        """Gradients of the batch, part by part. Returns (part, loss, metrics) of all parts."""
        rank, count = self.processes.rank, self.processes.count
        results = []
        for index in range(rank, len(parts), count):
            try:
                loss, metrics = self.method.loss(self.model, parts[index])
            except ValueError as error:
                raise self.refuse(step, [parts[index]], str(error)) from error
            loss.backward()
            results.append((index, loss.item(), metrics))
        if is_sharded(self.model) and len(results) < math.ceil(len(parts) / count):
            # each pass gathers weights from all processes, so all make as many passes
            (self.method.loss(self.model, parts[0])[0] * 0).backward()
        self.processes.sum_gradients(self.model)
        return sorted(self.processes.gather(results), key=itemgetter(0))

    def clip_gradients(self, step: int, parts: Sequence[Batch], results: Sequence[tuple]) -> float:
        """The norm before clipping. TrainingError for a loss or norm that is not finite."""
        limit = self.profile.training.max_grad_norm
        norm = whole(torch.nn.utils.clip_grad_norm_(self.model.parameters(), limit)).item()
        bad = [parts[index] for index, loss, _ in results if not math.isfinite(loss)]
        if bad or not math.isfinite(norm):
            losses = [loss for _, loss, _ in results]
            raise self.refuse(step, bad or parts, f"loss {sum(losses)}, gradient norm {norm}")
        return norm

    def refuse(self, step: int, parts: Sequence[Batch], reason: str) -> TrainingError:
        names = dict.fromkeys(problem.id for part in parts for problem in part.problems)
        return TrainingError(
            f"{self.arm}: step {step}: {reason}; problems {', '.join([*names][:8])}. The weights "
            "are as they were: lower the learning rate, or remove the newest checkpoint in "
            f"{self.folder / 'checkpoints'}"
        )

    def evaluate(self, problems: Mapping[str, Sequence[Problem]]) -> dict:
        """Accuracy on the first problems of the splits that are looked at, with fixed seeds."""
        settings, accuracies = self.profile.evaluation, {}
        with self.timed("look"):
            for split in [name for name in settings.during if name in problems]:
                some = problems[split][: settings.during_problems] * settings.during_samples
                seeds = [
                    seed_of(self.seed, "look", split, problem.id, index)
                    for index, problem in enumerate(some)
                ]
                rewards = [one.reward for one in self.roll_out(some, seeds, 0)]
                accuracies[f"{split}_accuracy"] = sum(rewards) / len(rewards)
        return accuracies

    def describe_batch(self, step: int, trajectories: Sequence[Trajectory]) -> dict:
        count, tokens = len(trajectories), sum(sum(one.action_mask) for one in trajectories)
        self.tokens_sampled += tokens
        for one in trajectories:
            if one.verdict.verified:
                self.lemmas |= self.environment.library.lemmas_in(one.source)
        calls = [call for one in trajectories for call in one.tool_calls]
        words = sum(epistemic_words(one.response_text) for one in trajectories)
        return {
            "step": step,
            "arm": self.arm,
            "seed": self.seed,
            "tokens_sampled": self.tokens_sampled,
            "batch_tokens": tokens,
            "train_accuracy": sum(one.reward for one in trajectories) / count,
            "validation_accuracy": None,
            "test_accuracy": None,
            "holdout_accuracy": None,
            "response_tokens": tokens / count,
            "epistemic_words": words / count,
            "tool_calls": len(calls) / count,
            "malformed_calls": sum(call.name is None for call in calls) / count,
            "lemmas_seen": len(self.lemmas),
            "verdicts": dict(sorted(Counter(one.verdict.status for one in trajectories).items())),
        }

    def measure_cost(self, row: dict) -> dict:
        """The step's seconds by phase, its tokens, and the process's peak memory so far."""
        seconds = {phase: round(value, 3) for phase, value in self.seconds.items()}
        peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        tokens = row["batch_tokens"]
        return {"step": row["step"], "seconds": seconds, "tokens": tokens, "peak_memory_mb": peak}

    # -- files -------------------------------------------------------------------------------------

    def save_model(self, folder: Path) -> None:
        save_model(self.model, self.environment.chat.tokenizer, folder, write=self.first)

    def save_checkpoint(self, step: int) -> None:
        state = gather_training_state(self.model, self.optimizer)
        state |= {"tokens_sampled": self.tokens_sampled, "lemmas": sorted(self.lemmas)}
        if self.teacher is not None:
            state["teacher"] = gather(self.teacher.state_dict(), keep=self.first)
        if self.first:
            save_checkpoint(self.folder / "checkpoints", step, state)

    def resume(self) -> int:
        """Load the newest checkpoint and cut the files back to its step, which is returned.

        A checkpoint counts only where the files hold all rows of its steps.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        whole = self.processes.from_first(self.count_whole_steps())
        step, state = load_checkpoint(self.folder / "checkpoints", whole) or (0, None)
        if state is not None:
            if self.teacher is not None:
                self.teacher.load_state_dict(state["teacher"])
            restore_training_state(self.model, self.optimizer, state)
            self.tokens_sampled, self.lemmas = state["tokens_sampled"], set(state["lemmas"])
        for name in FILES if self.first else ():
            path = self.folder / f"{name}.jsonl"
            cut_jsonl(path, lambda row: row["step"] <= step)
        self.processes.wait()
        return step

    def count_whole_steps(self) -> int:
        """The steps of which every file of this run holds all rows."""
        attempts = self.method.settings.attempts
        size = {"metrics": 1, "timing": 1, "trajectories": attempts}
        if self.producer is not None:
            size["feedback"] = attempts
        lines = {name: sum(1 for _ in read_jsonl(self.folder / f"{name}.jsonl")) for name in size}
        return min(lines[name] // size[name] for name in size)

    def rows(self) -> list[dict]:
        return list(read_jsonl(self.folder / "metrics.jsonl"))

    def append(self, name: str, rows: Sequence[dict | Record]) -> None:
        if self.first:
            append_jsonl(self.folder / f"{name}.jsonl", rows)

    @contextlib.contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[phase] += time.perf_counter() - start
