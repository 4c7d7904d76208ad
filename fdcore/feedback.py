"""Feedback on an attempt: one to three numbered orders that the teacher reads and the student never sees.

Two producers behind one call, `write(items)`: a scripted expert that needs no network, and Claude. Both see the problem, the
attempt with its tool calls, and Lean's messages; the scripted expert also sees the reference proof.
Form (the paper's fourth prompt): numbered items of 10 to 50 words, self-contained, imperative, no second person.
Left out on purpose: the other sources of the paper's ablations, budgets and batch calls.
"""
from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import re
import time
from typing import Protocol, Sequence

from fdcore.chat import PROMPTS, render
from fdcore.profile import FeedbackSettings
from fdcore.records import Feedback, Problem, Trajectory

Item = tuple[Problem, Trajectory]


class FeedbackError(RuntimeError):
    """Feedback could not be had; the message says what to do."""


class Producer(Protocol):
    def write(self, items: Sequence[Item]) -> list[Feedback]:
        """One feedback for each attempt, in order."""


def make_producer(settings: FeedbackSettings, seed: int) -> Producer:
    return Claude(settings) if settings.producer == "claude" else ScriptedExpert(seed)


def form_errors(text: str) -> list[str]:
    """What of the paper's form a feedback text breaks; empty when it keeps the form."""
    items = re.findall(r"^\d\. (.+)$", text, re.MULTILINE)
    errors = [] if 1 <= len(items) <= 3 and len(items) == len(text.strip().splitlines()) else ["not one to three numbered lines"]
    errors += [f"item {i} has {n} words" for i, item in enumerate(items, 1) if not 10 <= (n := len(item.split())) <= 50]
    if re.search(r"\b(you|your|student|attempt)\b", text, re.IGNORECASE):
        errors.append("speaks of a reader or an attempt")
    return errors


class ScriptedExpert:
    """Writes orders from Lean's messages and the reference proof, by rules. Same problem, attempt and seed: same text.

    It names the lemmas and the kind of proof, never the whole proof.
    """

    def __init__(self, seed: int):
        self.seed = seed

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        return [self._one(problem, trajectory) for problem, trajectory in items]

    def _one(self, problem: Problem, trajectory: Trajectory) -> Feedback:
        rng = random.Random(f"{self.seed}:{problem.id}:{trajectory.seed}")
        orders = praise(problem, trajectory, rng) if trajectory.verdict.verified else critique(problem, trajectory, rng)
        return Feedback(problem_id=problem.id, text=render("feedback_scripted.jinja", orders=orders[:3]), producer="scripted")


def names(lemmas: Sequence[str]) -> str:
    return " and ".join(f"`{lemma}`" for lemma in lemmas)


LEMMA_ORDERS = (
    "Use the library lemma {lemmas}, which has just the shape of this goal, and write its name in full.",
    "Prove this with {lemmas} from the library; no other fact is needed, so leave out every other lemma name.",
    "Look at the goal again: it is an instance of {lemmas}, so name exactly that in the proof.",
    "Build the proof on {lemmas}, written with the full name, instead of any fact that resembles it.",
)
SHAPE_ORDERS = {
    "exact": "Close the goal in one step with `exact` and `..` for the arguments, which Lean fills in by unification.",
    "apply": "Start with `apply` and the name alone, since Lean finds all arguments from the goal by unification.",
    "rw": "Rewrite the goal with `rw` and the names in square brackets; afterwards both sides agree and Lean closes it.",
    "simp": "Give the names to `simp` in square brackets, so that it rewrites the goal to something evidently true.",
    "constructor": "Split the goal with `constructor` and prove each of its two parts on a line of its own.",
    "left": "Choose the side of the disjunction that can be proved with `left`, and then close what remains.",
    "right": "Choose the side of the disjunction that can be proved with `right`, and then close what remains.",
    "rcases": "Take the disjunction among the hypotheses apart with `rcases`, and close each of its cases on its own line.",
    "obtain": "Take the witness out of the hypothesis with `obtain`, and give it back in pointed brackets with its proof.",
    "intro": "Introduce the premises with `intro` before anything else, and then close the goal that remains.",
    "symm": "Turn the equation round with `symm` first, because the library states it in the other direction.",
    "other": "Work from the goal backwards, one tactic a line, and compile after each change with `lean_check_file`.",
}


def critique(problem: Problem, trajectory: Trajectory, rng: random.Random) -> list[str]:
    """Orders for a failed attempt: the lemma, the shape of the proof, and what went wrong."""
    orders = []
    if problem.lemmas:
        orders.append(rng.choice(LEMMA_ORDERS).format(lemmas=names(problem.lemmas)))
    if problem.proof:
        first = problem.proof.split()[0]
        orders.append(SHAPE_ORDERS.get(first, SHAPE_ORDERS["other"]))
    return [*orders, error_order(trajectory)] if rng.random() < 0.4 else orders or [error_order(trajectory)]


def praise(problem: Problem, trajectory: Trajectory, rng: random.Random) -> list[str]:
    """Orders after a proof that Lean accepted: keep what worked."""
    used = [lemma for lemma in problem.lemmas if lemma in (trajectory.source or "")]
    kept = f"Keep {names(used)} and the present shape of the proof" if used else "Keep the present proof as it stands"
    return [f"{kept}, which Lean accepts without errors; write the file and compile it, and stop there."]


def error_order(trajectory: Trajectory) -> str:
    """One order about the first thing that went wrong, as Lean or the tools reported it."""
    verdict = trajectory.verdict
    text = next((m.text for m in verdict.messages if m.severity == "error"), verdict.detail)
    if trajectory.source is None or any(call.name is None for call in trajectory.tool_calls):
        return "Write each tool call as one complete JSON object with `name` and `arguments`, beginning with `lean_write_file` and the tactics."
    if unknown := re.search(r"[Uu]nknown (?:identifier|constant) [`'«]?([\w.]+)", text):
        return f"Drop the name `{unknown[1]}`, which the library does not know, and search with `rg_in_mathlib` before naming a lemma."
    if verdict.status == "forbidden" or "statement" in verdict.detail:
        return "Copy the given statement letter for letter into the file, and add nothing to it but a proof after `by`."
    if verdict.status == "sorry":
        return "Replace `sorry` by a real proof, because a file that leaves a gap does not count as a proof."
    if trajectory.stop_reason == "length":
        return "Be brief: one short file and one check are enough, and a long text is cut before it is judged."
    if "did not find" in text or "pattern" in text:
        return "Leave out the rewriting rule whose left side does not occur in the goal, and compare its pattern with the goal."
    return "Read the first error of `lean_check_file` closely: the fact named in the file has another type than the goal asks for."


class Claude:
    """Feedback from Claude through the `anthropic` SDK. The key comes from ANTHROPIC_API_KEY and is never written anywhere."""

    def __init__(self, settings: FeedbackSettings):
        import anthropic  # here, so that tiny runs do not load it

        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise FeedbackError("feedback.producer is claude but ANTHROPIC_API_KEY is not set; export the key, or use the scripted producer")
        self.settings, self.sdk = settings, anthropic
        self.prompt_hash = hashlib.sha256((PROMPTS / "feedback_claude.jinja").read_bytes()).hexdigest()[:12]

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        return asyncio.run(self._all(items))

    async def _all(self, items: Sequence[Item]) -> list[Feedback]:
        room = asyncio.Semaphore(self.settings.concurrency)
        async with self.sdk.AsyncAnthropic(max_retries=8) as client:  # the SDK backs off on 429, 5xx and honours retry-after
            return await asyncio.gather(*(self._one(client, room, *item) for item in items))

    async def _one(self, client, room: asyncio.Semaphore, problem: Problem, trajectory: Trajectory) -> Feedback:
        started = time.monotonic()
        system, user = render("feedback_claude.jinja", problem=problem, trajectory=trajectory, calls=_shown(trajectory)).split("\n-----\n", 1)
        async with room:
            try:
                answer = await client.messages.create(
                    model=self.settings.model, max_tokens=self.settings.max_tokens, system=system, messages=[{"role": "user", "content": user}]
                )
            except self.sdk.AuthenticationError:
                raise FeedbackError("Anthropic refused the key in ANTHROPIC_API_KEY; set a valid key and run the same command again") from None
            except self.sdk.APIError as error:
                raise FeedbackError(f"Claude did not answer after 8 retries ({type(error).__name__}); run the same command again to go on") from None
        text = "".join(block.text for block in answer.content if block.type == "text").strip()
        return Feedback(
            problem_id=problem.id, text=text, producer="claude", model=answer.model, prompt_hash=self.prompt_hash,
            input_tokens=answer.usage.input_tokens, output_tokens=answer.usage.output_tokens, seconds=time.monotonic() - started,
        )


def _shown(trajectory: Trajectory) -> list[dict]:
    return [{"call": json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False) if c.name else c.raw, "output": c.output} for c in trajectory.tool_calls]
