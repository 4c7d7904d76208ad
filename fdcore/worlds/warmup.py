"""Warm-up of the tiny student: supervised traces of the tool protocol, of known lemmas, and of following feedback.

Every proof in a trace was accepted by Lean and every failed try got Lean's real answer, but for traces of obedience: these do what
feedback says, any library name in place of the right one, so that following is learned apart from proving. What a trace never
shows without feedback is an unknown lemma: those are left for Feedback Distillation to inject, or for search and chance to find.
"""

from __future__ import annotations

import functools
import random
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from tqdm import tqdm

from fdcore.feedback.scripted import ScriptedExpert
from fdcore.lean.verifier import Verifier
from fdcore.profile import Warmup
from fdcore.records import Problem, ToolCall, Trajectory, Verdict
from fdcore.rollout.tools import PendingCheck, Tools
from fdcore.seeds import seed_of
from fdcore.training.checkpoint import load_checkpoint, save_checkpoint
from fdcore.training.logits import action_logits, action_values
from fdcore.worlds.corpus import Turn, call_text, rename

FILE = "Main.lean"
Data = Sequence[tuple[list[int], list[int]]]  # (token ids, action mask) of each sequence


@dataclass(frozen=True)
class Trace:
    problem: Problem
    turns: tuple[Turn, ...]
    feedback: str | None


class TraceWriter:
    """Turns checked problems into traces. Same seed, same traces."""

    def __init__(
        self,
        settings: Warmup,
        seed: int,
        verifier: Verifier,
        tools: Callable[[Problem], Tools],
        unknown: set[str],
        known: Sequence[str],
        names: Sequence[str],
    ):
        self.settings, self.verifier, self.tools, self.unknown, self.known, self.names = (
            settings,
            verifier,
            tools,
            unknown,
            list(known),
            list(names),
        )
        self.rng, self.expert = random.Random(seed_of(seed, "traces")), ScriptedExpert(seed)

    def write(self, problems: Sequence[Problem]) -> list[Trace]:
        """`settings.traces` traces over the problems. A problem with an unknown lemma appears only together with feedback."""
        plain = [p for p in problems if not set(p.lemmas) & self.unknown]
        drawn = [self._kind() for _ in range(self.settings.traces)]
        chosen = [
            (kind, self.rng.choice(problems if kind in ("feedback", "obedience") else plain))
            for kind in drawn
        ]
        guesses = [
            self._guess(problem) if kind in ("feedback", "retry") else problem.proof
            for kind, problem in chosen
        ]
        wrong = [
            (problem, problem.statement + guess)
            for (_, problem), guess in zip(chosen, guesses)
            if guess != problem.proof
        ]
        verdicts = iter(self.verifier.check_many(wrong))
        accepted = Verdict(status="verified")  # a problem's own proof has been through Lean
        return [
            self._one(kind, problem, guess, accepted if guess == problem.proof else next(verdicts))
            for (kind, problem), guess in zip(chosen, guesses)
        ]

    def _kind(self) -> str:
        if self.rng.random() < self.settings.obedience_share:
            return "obedience"
        if self.rng.random() < self.settings.feedback_share:
            return "feedback"
        draw = self.rng.random()
        return (
            "search"
            if draw < self.settings.search_share
            else "retry"
            if draw < self.settings.search_share + self.settings.retry_share
            else "plain"
        )

    def _guess(self, problem: Problem) -> str:
        """An attempt before feedback: one in five is right, the others name a known lemma at random. One wrong guess a statement: each costs a check."""
        if self.rng.random() < 0.2:
            return problem.proof
        rng = random.Random(problem.statement)
        return rng.choice(("\n  exact {} ..", "\n  apply {}", "\n  rw [{}]")).format(
            rng.choice(self.known)
        )

    def _one(self, kind: str, problem: Problem, guess: str, verdict: Verdict) -> Trace:
        tools = self.tools(problem)
        if kind == "obedience":
            return self._obey(tools, problem)
        right = self._try(tools, problem.proof, Verdict(status="verified"))
        if kind == "feedback":
            return Trace(
                problem,
                right,
                self.expert.write(
                    [(problem, self._attempt(problem, problem.statement + guess, verdict))]
                )[0].text,
            )
        if kind == "search" and problem.lemmas:
            return Trace(problem, (self._search(tools, problem), *right), None)
        if kind == "retry" and not verdict.verified:
            failed = self._try(tools, guess, verdict)
            return Trace(
                problem, (*(Turn(t.text, t.answer, taught=False) for t in failed), *right), None
            )
        return Trace(problem, right, None)

    def _obey(self, tools: Tools, problem: Problem) -> Trace:
        """Feedback that names other lemmas than the problem's, of the whole library, and a file that names them too. It is not compiled."""
        others = self.rng.sample(self.names, len(problem.lemmas))
        told = problem.model_copy(
            update={
                "proof": rename(problem.proof, dict(zip(problem.lemmas, others))),
                "lemmas": tuple(others),
            }
        )
        feedback = self.expert.write(
            [(told, self._attempt(problem, problem.statement, Verdict(status="failed")))]
        )[0].text
        return Trace(problem, self._try(tools, told.proof, Verdict(status="failed"))[:1], feedback)

    def _try(self, tools: Tools, proof: str, verdict: Verdict) -> tuple[Turn, Turn]:
        """Write the tactics and compile."""
        write, check = (
            call_text("lean_write_file", path=FILE, content=textwrap.dedent(proof.lstrip("\n"))),
            call_text("lean_check_file", path=FILE),
        )
        return Turn(write, _answer(tools, write, None)), Turn(check, _answer(tools, check, verdict))

    def _search(self, tools: Tools, problem: Problem) -> Turn:
        words = self.rng.choice(problem.lemmas).split(".")[-1].split("_")
        start = self.rng.randrange(len(words))
        search = call_text(
            "rg_in_mathlib", pattern="_".join(words[start : start + self.rng.randint(1, 3)])
        )
        return Turn(search, _answer(tools, search, None))

    def _attempt(self, problem: Problem, source: str, verdict: Verdict) -> Trajectory:
        """A stand-in for an episode, so that warm-up feedback is written by the same expert from the same evidence."""
        return Trajectory(
            problem_id=problem.id,
            seed=self.rng.getrandbits(40),
            step=0,
            prompt_length=0,
            token_ids=(),
            action_mask=(),
            logprobs=(),
            response_text="",
            tool_calls=(ToolCall(raw="", name="lean_write_file", ok=True),),
            source=source,
            verdict=verdict,
            reward=float(verdict.verified),
            stop_reason="turns",
        )


def _answer(tools: Tools, text: str, verdict: Verdict | None) -> str:
    started = tools.begin(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    return (tools.finish(started, verdict) if isinstance(started, PendingCheck) else started).output


def train(
    model,
    phases: Sequence[tuple[Data, int]],
    settings: Warmup,
    folder,
    *,
    seed: int,
    autocast: bool,
) -> list[dict]:
    """Supervised training on action tokens, resumable: in turn, each phase's data for its number of steps.

    Matrices are trained by Muon, embeddings and norms by AdamW; both rates rise over 50 steps, then fall linearly to 5 %.
    Returns one row a step: step, loss (nats a token), tokens.
    """
    if (fewest := min(len(data) for data, _ in phases)) < settings.batch:
        raise ValueError(
            f"warmup: {fewest} traces do not fill one batch of {settings.batch}; raise warmup.traces"
        )
    steps = sum(count for _, count in phases)
    optimizers = _optimizers(model, settings)
    start, state = load_checkpoint(folder) or (0, None)
    rows = []
    if state is not None:
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        rows = state["rows"]
    bar = tqdm(
        range(start, steps),
        initial=start,
        total=steps,
        desc="warm-up",
        unit="step",
        mininterval=2.0,
    )
    for step in bar:
        sequences, masks = zip(*_batch(phases, seed, step, settings.batch))
        tokens = sum(map(sum, masks))
        model.zero_grad(set_to_none=True)
        loss = 0.0
        for half in (slice(0, len(masks) // 2), slice(len(masks) // 2, None)):
            if masks[half]:
                part = _loss(model, sequences[half], masks[half], tokens, autocast)
                part.backward()
                loss += part.item()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * min((step + 1) / 50, 0.05 + 0.95 * (1 - step / steps))
            optimizer.step()
        rows.append({"step": step + 1, "loss": loss, "tokens": tokens})
        bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
        if (step + 1) % 50 == 0 or step + 1 == steps:
            save_checkpoint(
                folder,
                step + 1,
                {
                    "model": model.state_dict(),
                    "optimizers": [o.state_dict() for o in optimizers],
                    "rows": rows,
                },
                keep=1,
            )
    return rows


def _loss(model, sequences, masks, tokens: int, autocast: bool) -> torch.Tensor:
    """These sequences' share of the batch's mean negative log-likelihood of an action token."""
    logits = action_logits(model, sequences, masks, autocast=autocast)
    taken = action_values(sequences, masks)
    return torch.nn.functional.cross_entropy(logits, taken, reduction="sum") / tokens


def _optimizers(model, settings: Warmup) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices (kellerjordan.github.io/posts/muon), AdamW for the rest."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and ".layers." in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or ".layers." not in name]
    rate, matrix_rate, decay = settings.learning_rate, settings.matrix_learning_rate, 0.01
    optimizers = [
        torch.optim.Muon(matrices, lr=matrix_rate, weight_decay=decay, adjust_lr_fn="original"),
        torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.95), weight_decay=decay),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def _batch(phases: Sequence[tuple[Data, int]], seed: int, step: int, size: int) -> list:
    """The batch of a step: sequences of like length, in an order shuffled anew each epoch of each phase."""
    phase = 0
    while step >= phases[phase][1]:
        step -= phases[phase][1]
        phase += 1
    data = phases[phase][0]
    epoch, index = divmod(step, len(data) // size)
    by_length, starts = _epoch(
        tuple(len(ids) for ids, _ in data), size, seed_of(seed, "warm-up", phase, epoch)
    )
    return [data[i] for i in by_length[starts[index] * size :][:size]]


@functools.lru_cache(maxsize=1)
def _epoch(lengths: tuple[int, ...], size: int, seed: int) -> tuple[list[int], list[int]]:
    """One epoch's shuffle: the sequences by length, ties at random, and the order in which batches of neighbours are taken."""
    rng = random.Random(seed)
    by_length = sorted(rng.sample(range(len(lengths)), len(lengths)), key=lengths.__getitem__)
    return by_length, rng.sample(range(len(lengths) // size), len(lengths) // size)
