"""One loop for every method: sample, judge, learn, write down. It resumes exactly where its newest checkpoint stands.

Two files a run: `metrics.jsonl`, a pure function of profile and seed, and `timing.jsonl`, what it cost on this machine.
Left out on purpose: anything that a method decides (`fdcore.training.methods`), and evaluation beyond the quick look during training.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import random
import resource
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from tqdm import tqdm

from fdcore.model import whole
from fdcore.profile import Training
from fdcore.records import Problem, Trajectory, read_jsonl, write_text
from fdcore.rollout.episode import epistemic_words
from fdcore.rollout.parallel import accumulate
from fdcore.seeds import seed_of
from fdcore.training.ahead import Rollouts
from fdcore.training.checkpoint import (
    check_weights,
    gathered,
    load_checkpoint,
    load_optimizer,
    load_own_weights,
    own_weights,
    save_checkpoint,
)
from fdcore.training.clock import Clock
from fdcore.training.distributed import Processes, is_sharded
from fdcore.training.faults import explained, limited
from fdcore.training.methods import Method, action_tokens
from fdcore.training.tracking import Log, numbers


class TrainingError(RuntimeError):
    """Training stopped before the weights were spoilt; the message names the step and what was seen."""


def order(problems: Sequence[Problem], seed: int, step: int, count: int) -> list[Problem]:
    """The problems of a step (from 1): a walk through seeded shuffles, each problem once an epoch."""
    size, first = len(problems), (step - 1) * count
    epochs = range(first // size, (first + count - 1) // size + 1)
    shuffles = {
        epoch: random.Random(seed_of(seed, "order", epoch)).sample(problems, size)
        for epoch in epochs
    }
    return [shuffles[place // size][place % size] for place in range(first, first + count)]


def micro_batches(lengths: Sequence[int], size: int, tokens: int | None) -> list[range]:
    """Which sequences go through the model together: `size` in a row, or as many as fit into `tokens` with their padding, but at least one.

    The loss does not depend on it. With `tokens`, sequences in the order of their lengths need the least padding.

    >>> micro_batches([5, 6, 9, 30], size=2, tokens=None)
    [range(0, 2), range(2, 4)]
    >>> micro_batches([5, 6, 9, 30], size=2, tokens=28)
    [range(0, 3), range(3, 4)]
    """
    if tokens is None:
        return [
            range(start, min(start + size, len(lengths))) for start in range(0, len(lengths), size)
        ]
    starts, widest = [0], 0
    for index, length in enumerate(lengths):
        widest = max(widest, length)
        if index > starts[-1] and widest * (index + 1 - starts[-1]) > tokens:
            starts.append(index)
            widest = length
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(lengths)])]


def learning_rate_at(
    step: int, steps: int, peak: float, warmup: int, schedule: str = "constant"
) -> float:
    """The learning rate of a step (from 1) of `steps`: a linear warm-up, then `peak`, or from `peak` down to 0, which it would reach after the last step.

    >>> [learning_rate_at(step, 6, 1.0, 2, "linear") for step in range(1, 7)]
    [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    done = max(0, step - 1 - warmup) / max(1, steps - warmup)
    factor = {"constant": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[
        schedule
    ]
    return peak * min(1.0, step / max(1, warmup)) * factor


def optimizer_for(
    model: torch.nn.Module, learning_rate: float, weight_decay: float
) -> torch.optim.AdamW:
    return torch.optim.AdamW(
        [weight for weight in model.parameters() if weight.requires_grad],
        lr=learning_rate,
        betas=(0.9, 0.95),
        weight_decay=weight_decay,
    )


class Run:
    """The files of one training run, and the loop over its steps."""

    def __init__(
        self,
        folder: Path,
        arm: str,
        seed: int,
        model,
        method: Method,
        settings: Training,
        *,
        learning_rate: float,
        prompts: int,
        samples: int,
        processes: Processes = Processes(),
        clock: Clock | None = None,
    ):
        """`clock`: shared with what `train` is given, where that tells its phases apart."""
        self.clock = clock or Clock()
        self.processes, self.first = processes, processes.rank == 0
        self.folder, self.arm, self.seed, self.model, self.method, self.settings = (
            folder,
            arm,
            seed,
            model,
            method,
            settings,
        )
        self.learning_rate, self.prompts, self.samples = learning_rate, prompts, samples
        self.optimizer = optimizer_for(model, learning_rate, settings.weight_decay)
        self.tokens_sampled, self.lemmas = 0, set()
        self._begun: Callable[[], list[Trajectory]] | None = (
            None  # the next step's batch, under way (`fdcore.training.ahead`)
        )

    def train(
        self,
        steps: int,
        problems: Sequence[Problem],
        *,
        sample: Rollouts,
        lemmas_of: Callable[[str], set[str]],
        look: Callable[[], dict] | None,
        look_every: int,
        keep: dict[int, Path],
        save: Callable[[Path], None],
        track: Callable[[int], contextlib.AbstractContextManager[Log]] | None = None,
    ) -> list[dict]:
        """Train up to `steps`; returns all metrics rows. `sample` gives every process all trajectories. `look` measures the policy every `look_every` steps; the
        steps in `keep` are saved as model folders by `save`, and so is, as `best`, the step whose look had the highest test accuracy
        (the first of equals; it is chosen by test problems, so its accuracy on them is no estimate). `track` opens a tracker for the steps after one.

        More steps than before extend the run: the same as if it had been that long at once, but for the look at its first end.
        ValueError where the schedule of the learning rate would have been another then."""
        metrics = self.folder / "metrics.jsonl"
        start = self._resume(steps)
        best = max(
            (
                row["test_accuracy"]
                for row in read_jsonl(metrics)
                if row["test_accuracy"] is not None
            ),
            default=-1.0,
        )
        bar = tqdm(
            range(start + 1, steps + 1),
            initial=start,
            total=steps,
            desc=self.arm,
            unit="step",
            mininterval=2.0,
            disable=not self.first,
        )
        with (
            track(start)
            if track and self.first
            else contextlib.nullcontext(lambda step, values: None) as log
        ):
            for step in bar:
                self.clock.seconds.clear()
                saving = step % self.settings.checkpoint_every == 0 or step == steps or step in keep
                row = self._step(step, problems, sample, lemmas_of, steps, saving)
                if look is not None and (step % look_every == 0 or step == steps):
                    if self._begun:
                        self._begun()  # the look needs the sampler
                    with self.clock.phase("look"):
                        row |= look()
                if row["test_accuracy"] is not None and row["test_accuracy"] > best:
                    best = row["test_accuracy"]
                    save(self.folder / "best")
                self._append(metrics, row)
                self._append(self.folder / "timing.jsonl", timing := self._timing(row))
                log(step, numbers(row | {"seconds": timing["seconds"]}))
                if step in keep:
                    save(keep[step])
                if saving:
                    self._save(step, steps)
                bar.set_postfix_str(
                    f"train {row['train_accuracy']:.0%} · {row['batch_tokens'] / sum(self.clock.seconds.values()):.0f} tokens/s",
                    refresh=False,
                )
        self.processes.wait()  # until all is written
        return list(read_jsonl(metrics))

    def _step(
        self, step: int, problems: Sequence[Problem], sample, lemmas_of, steps: int, saving: bool
    ) -> dict:
        picked, seeds = self._batch(step, problems)
        staleness = {"staleness": int(self._begun is not None)} if self.settings.staleness else {}
        with self.clock.phase("sample"):
            trajectories = self._begun() if self._begun else sample(picked, seeds, step)
            self._begun = (
                sample.begin(*self._batch(step + 1, problems), step + 1)
                if staleness and not saving
                else None
            )
        if self.settings.micro_tokens:
            by_length = sorted(range(len(picked)), key=lambda i: len(trajectories[i].token_ids))
            picked, trajectories = (
                [picked[i] for i in by_length],
                [trajectories[i] for i in by_length],
            )
        rate = learning_rate_at(
            step, steps, self.learning_rate, self.settings.warmup_steps, self.settings.schedule
        )
        with self.clock.phase("train"):
            prepared = self.method.prepare(picked, trajectories)
            with (
                explained(f"{self.arm}: step {step}"),
                limited(self.settings.stall_seconds, f"{self.arm}: step {step}: learning"),
            ):
                for _ in range(self.method.updates):
                    parts = Counter(prepared)  # of several updates, the last is written down
                    loss, norm = self._update(step, rate, parts)
            self.method.after_step(self.model, step)
        batch_tokens = sum(map(action_tokens, trajectories))
        self.tokens_sampled += batch_tokens
        for trajectory in trajectories:
            if trajectory.verdict.verified:
                self.lemmas |= lemmas_of(trajectory.source)
        self._write_samples(step, trajectories)
        return {
            "step": step,
            "arm": self.arm,
            "seed": self.seed,
            "tokens_sampled": self.tokens_sampled,
            "batch_tokens": batch_tokens,
            "loss": loss,
            "grad_norm": norm,
            "learning_rate": rate,
            "train_accuracy": sum(t.reward for t in trajectories) / len(trajectories),
            "test_accuracy": None,
            "holdout_accuracy": None,
            "response_tokens": batch_tokens / len(trajectories),
            "epistemic_words": sum(epistemic_words(t.response_text) for t in trajectories)
            / len(trajectories),
            "tool_calls": sum(len(t.tool_calls) for t in trajectories) / len(trajectories),
            "malformed_calls": sum(call.name is None for t in trajectories for call in t.tool_calls)
            / len(trajectories),
            "lemmas_seen": len(self.lemmas),
            "verdicts": dict(sorted(Counter(t.verdict.status for t in trajectories).items())),
            **staleness,
            **parts,
        }

    def _batch(self, step: int, problems: Sequence[Problem]) -> tuple[list[Problem], list[int]]:
        """The problems of a step, each as often as it is sampled, and the seeds of the samples."""
        picked = [
            p for p in order(problems, self.seed, step, self.prompts) for _ in range(self.samples)
        ]
        return picked, [seed_of(self.seed, self.arm, step, index) for index in range(len(picked))]

    def _update(self, step: int, rate: float, parts: Counter) -> tuple[float, float]:
        """Gradient over micro-batches, one optimizer step. Refuses a loss or gradient that is not finite, and names the problems."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        rows = micro_batches(
            [len(t.token_ids) for t in self.method.trajectories],
            self.settings.micro_batch,
            self.settings.micro_tokens,
        )
        mine = range(self.processes.rank, len(rows), self.processes.count)
        tasks = [functools.partial(self._loss, step, rows[i]) for i in mine]
        if is_sharded(self.model) and len(tasks) < -(-len(rows) // self.processes.count):
            tasks.append(
                functools.partial(self._idle, step, rows[0])
            )  # each pass gathers weights, so all processes make as many
        told = zip(mine, accumulate(self.model, tasks))
        done = [
            each for _, each in sorted(self.processes.gather(list(told)), key=lambda one: one[0])
        ]
        total = sum(loss for loss, _ in done)
        for _, sums in done:
            parts.update(sums)
        self.processes.sum_gradients(self.model)
        norm = whole(
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.max_grad_norm)
        ).item()
        if not (math.isfinite(total) and math.isfinite(norm)):
            bad = [
                i for part, (loss, _) in zip(rows, done) if not math.isfinite(loss) for i in part
            ] or range(len(self.method.trajectories))
            raise TrainingError(
                f"{self.arm}: step {step}: loss {total}, gradient norm {norm}, in a batch with {self._named(bad)}; {self._as_they_were}"
            )
        self.optimizer.step()
        return total, norm

    def _loss(self, step: int, rows: range) -> tuple[torch.Tensor, dict]:
        try:
            return self.method.loss(self.model, rows)
        except ValueError as error:
            raise TrainingError(
                f"{self.arm}: step {step}, in a batch with {self._named(rows)}: {error}; {self._as_they_were}"
            ) from error

    @property
    def _as_they_were(self) -> str:
        return (
            f"weights left as they were. Lower the learning rate; or, where they were sound a few steps ago, remove the newest file in {self.folder / 'checkpoints'} "
            "and run the same command again"
        )

    def _idle(self, step: int, rows: range) -> tuple[torch.Tensor, dict]:
        return self._loss(step, rows)[0] * 0, {}

    def _named(self, rows: Sequence[int]) -> str:
        names = list(dict.fromkeys(self.method.trajectories[i].problem_id for i in rows))
        return f"{len(names)} problems: {', '.join(names[:8])}{' …' if len(names) > 8 else ''}"

    # -- files ---------------------------------------------------------------------------------------------------

    def _save(self, step: int, steps: int) -> None:
        state = gathered(
            {
                "model": own_weights(self.model),
                "optimizer": self.optimizer.state_dict(),
                "method": self.method.state_dict(),
                "tokens_sampled": self.tokens_sampled,
                "lemmas": sorted(self.lemmas),
                "steps": steps,
            }
        )
        if self.first:
            save_checkpoint(self.folder / "checkpoints", step, state)

    def _resume(self, steps: int) -> int:
        """Load the newest checkpoint and cut the files back to its step; returns that step (0: a fresh start)."""
        self.folder.mkdir(parents=True, exist_ok=True)
        step, state = load_checkpoint(self.folder / "checkpoints") or (0, None)
        if state is not None:
            if self.settings.schedule != "constant" and steps != state.get("steps", steps):
                raise ValueError(
                    f"{self.folder} was begun with {state['steps']} steps and cannot go on with {steps}: its {self.settings.schedule} learning rate would have been another "
                    "from the start. Set training.schedule: constant, or train anew in another folder"
                )
            whose = f"{self.folder}: the model of the checkpoint of step {step}"
            check_weights(own_weights(self.model), state["model"], whose)
            self.method.load_state_dict(state["method"])
            load_own_weights(self.model, state["model"], whose)
            load_optimizer(self.optimizer, state["optimizer"])
            self.tokens_sampled, self.lemmas = state["tokens_sampled"], set(state["lemmas"])
        for name in ("metrics", "timing", "trajectories", "feedback"):
            path = self.folder / f"{name}.jsonl"
            if self.first and path.exists():
                write_text(
                    path,
                    "".join(
                        json.dumps(row, ensure_ascii=False) + "\n"
                        for row in read_jsonl(path)
                        if row["step"] <= step
                    ),
                )
        self.processes.wait()
        return step

    def _write_samples(self, step: int, trajectories: Sequence[Trajectory]) -> None:
        """Every step's episodes without their log-probs, which are many and can be computed again."""
        if not self.first:
            return
        feedback = getattr(self.method, "feedback", [])
        with open(self.folder / "trajectories.jsonl", "a", encoding="utf-8") as file:
            file.writelines(
                t.model_copy(update={"logprobs": ()}).model_dump_json() + "\n" for t in trajectories
            )
        with open(self.folder / "feedback.jsonl", "a", encoding="utf-8") as file:
            file.writelines(
                json.dumps({"step": step, **f.model_dump()}, ensure_ascii=False) + "\n"
                for f in feedback
            )

    def _append(self, path: Path, row: dict) -> None:
        if not self.first:
            return
        with open(path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _timing(self, row: dict) -> dict:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {
            "step": row["step"],
            "seconds": {k: round(v, 3) for k, v in self.clock.seconds.items()},
            "tokens": row["batch_tokens"],
            "peak_memory_mb": round(peak),
        }
