"""Warm-up of the tiny student: supervised traces of the tool protocol, of known lemmas, and of following feedback.

Every proof in a trace was accepted by Lean and every failed try got Lean's real answer. What a trace never shows without
feedback is an unknown lemma: those are left for Feedback Distillation to inject, or for search and chance to find.
"""
from __future__ import annotations

import json
import random
import re
import textwrap
from dataclasses import dataclass
from typing import Callable, Sequence

import torch
from tqdm import tqdm

from fdcore.chat import Chat
from fdcore.checkpoint import load_checkpoint, save_checkpoint, seed_of
from fdcore.feedback import ScriptedExpert
from fdcore.policy import action_logits, action_values
from fdcore.profile import Warmup
from fdcore.records import Problem, ToolCall, Trajectory, Verdict
from fdcore.tools import PendingCheck, Tools
from fdcore.training import optimizer_for
from fdcore.verifier import Verifier

FILE = "Main.lean"


@dataclass(frozen=True)
class Turn:
    """One tool call of a trace: what the student writes, what the tool answered, and whether the student learns to write it."""

    text: str
    answer: str
    taught: bool = True


@dataclass(frozen=True)
class Trace:
    problem: Problem
    turns: tuple[Turn, ...]
    feedback: str | None


def call_text(name: str, **arguments) -> str:
    """A tool call as Qwen3 writes it."""
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments}, ensure_ascii=False)}\n</tool_call>"


class TraceWriter:
    """Turns checked problems into traces. Same seed, same traces."""

    def __init__(self, settings: Warmup, seed: int, verifier: Verifier, tools: Callable[[Problem], Tools], unknown: set[str], known: Sequence[str]):
        self.settings, self.verifier, self.tools, self.unknown, self.known = settings, verifier, tools, unknown, list(known)
        self.rng, self.expert = random.Random(seed_of(seed, "traces")), ScriptedExpert(seed)

    def write(self, problems: Sequence[Problem]) -> list[Trace]:
        """`settings.traces` traces over the problems. A problem with an unknown lemma appears only together with feedback."""
        plain = [p for p in problems if not set(p.lemmas) & self.unknown]
        drawn = [self._kind() for _ in range(self.settings.traces)]
        chosen = [(kind, self.rng.choice(problems if kind == "feedback" else plain)) for kind in drawn]
        tries = [self._wrong_proof(problem) if kind in ("feedback", "retry") else None for kind, problem in chosen]
        wanted = [(problem, problem.statement + proof) for (_, problem), proof in zip(chosen, tries) if proof is not None]
        verdicts = iter(self.verifier.check_many(wanted))
        return [self._one(kind, problem, proof, next(verdicts) if proof is not None else None) for (kind, problem), proof in zip(chosen, tries)]

    def _kind(self) -> str:
        if self.rng.random() < self.settings.feedback_share:
            return "feedback"
        draw = self.rng.random()
        return "search" if draw < self.settings.search_share else "retry" if draw < self.settings.search_share + self.settings.retry_share else "plain"

    def _wrong_proof(self, problem: Problem) -> str:
        """The proof with another known lemma in place of one of its own: what a guess looks like. Few different ones a problem."""
        if not problem.lemmas:
            return "\n  rfl"
        old, new = problem.lemmas[0], random.Random(f"{problem.id[:-1]}{self.rng.randrange(2)}").choice(self.known)
        return re.sub(rf"(?<![\w.]){re.escape(old)}(?![\w'])", new, problem.proof)

    def _one(self, kind: str, problem: Problem, wrong: str | None, verdict: Verdict | None) -> Trace:
        tools = self.tools(problem)
        right = self._try(tools, problem.proof, Verdict(status="verified"))
        if kind == "feedback":
            return Trace(problem, right, self.expert.write([(problem, self._attempt(problem, problem.statement + wrong, verdict))])[0].text)
        if kind == "search" and problem.lemmas:
            return Trace(problem, (self._search(tools, problem), *right), None)
        if kind == "retry" and not verdict.verified:
            failed = self._try(tools, wrong, verdict)
            return Trace(problem, (*(Turn(t.text, t.answer, taught=False) for t in failed), *right), None)
        return Trace(problem, right, None)

    def _try(self, tools: Tools, proof: str, verdict: Verdict) -> tuple[Turn, Turn]:
        """Write the tactics and compile."""
        write, check = call_text("lean_write_file", path=FILE, content=textwrap.dedent(proof.lstrip("\n"))), call_text("lean_check_file", path=FILE)
        return Turn(write, _answer(tools, write, None)), Turn(check, _answer(tools, check, verdict))

    def _search(self, tools: Tools, problem: Problem) -> Turn:
        words = self.rng.choice(problem.lemmas).split(".")[-1].split("_")
        start = self.rng.randrange(len(words))
        search = call_text("rg_in_mathlib", pattern="_".join(words[start : start + self.rng.randint(1, 3)]))
        return Turn(search, _answer(tools, search, None))

    def _attempt(self, problem: Problem, source: str, verdict: Verdict) -> Trajectory:
        """A stand-in for an episode, so that warm-up feedback is written by the same expert from the same evidence."""
        return Trajectory(
            problem_id=problem.id, seed=self.rng.getrandbits(40), step=0, prompt_length=0, token_ids=(), action_mask=(), logprobs=(), response_text="",
            tool_calls=(ToolCall(raw="", name="lean_write_file", ok=True),), source=source, verdict=verdict, reward=float(verdict.verified), stop_reason="turns",
        )


def _answer(tools: Tools, text: str, verdict: Verdict | None) -> str:
    started = tools.begin(text.removeprefix("<tool_call>").removesuffix("</tool_call>"))
    return (tools.finish(started, verdict) if isinstance(started, PendingCheck) else started).output


def encode(trace: Trace, chat: Chat) -> tuple[list[int], list[int]]:
    """(token ids, action mask): the mask is 1 on the calls that are taught. The last tool's answer is left out."""
    ids = chat.prompt(trace.problem, trace.feedback)
    mask = [0] * len(ids)
    for index, turn in enumerate(trace.turns):
        call = chat.encode(turn.text)
        answer = chat.tool_answer(turn.answer) if index + 1 < len(trace.turns) else []
        ids += call + answer
        mask += [int(turn.taught)] * len(call) + [0] * len(answer)
    return ids, mask


def train(model, data: Sequence[tuple[list[int], list[int]]], settings: Warmup, folder, *, seed: int, autocast: bool) -> list[dict]:
    """Supervised training on action tokens, resumable; the learning rate rises over 5 % of the steps, then falls linearly to 5 %. Returns one row a step: step, loss (nats a token), tokens."""
    per_epoch = len(data) // settings.batch
    steps = round(per_epoch * settings.epochs)
    if steps < 1:
        raise ValueError(f"warmup: {len(data)} traces do not fill one batch of {settings.batch}; raise warmup.traces")
    optimizer = optimizer_for(model, settings.learning_rate, 0.01)
    start, state = load_checkpoint(folder) or (0, None)
    rows = []
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        rows = state["rows"]
    bar = tqdm(range(start, steps), initial=start, total=steps, desc="warm-up", unit="step", mininterval=2.0)
    for step in bar:
        batch = _batch(data, seed, step, per_epoch, settings.batch)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * min((step + 1) / (0.05 * steps + 1), 0.05 + 0.95 * (1 - step / steps))
        sequences, masks = zip(*batch)
        wanted = action_values(sequences, masks)
        loss = torch.nn.functional.cross_entropy(action_logits(model, sequences, masks, autocast=autocast), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        rows.append({"step": step + 1, "loss": loss.item(), "tokens": len(wanted)})
        bar.set_postfix_str(f"loss {loss.item():.3f}")
        if (step + 1) % 50 == 0 or step + 1 == steps:
            save_checkpoint(folder, step + 1, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "rows": rows}, keep=1)
    return rows


def _batch(data: Sequence, seed: int, step: int, per_epoch: int, size: int) -> list:
    """Batches of like length, in an order shuffled anew each epoch."""
    epoch, index = divmod(step, per_epoch)
    rng = random.Random(seed_of(seed, "warm-up", epoch))
    by_length = sorted(rng.sample(range(len(data)), len(data)), key=lambda i: len(data[i][0]))
    starts = rng.sample(range(per_epoch), per_epoch)
    first = starts[index] * size
    return [data[i] for i in by_length[first : first + size]]
