"""Feedback on an attempt, which the teacher reads and the student never sees: the paper's sources.

PRODUCERS lists them by name. `scripted` and `claude`, in files of their own, write orders of the
paper's form. `self` asks a frozen copy of the base for the same. `environment` is Lean's own
output, and the proof after success. `ground_truth` shows a correct proof. `constant` says the same
of every attempt. `none` says nothing.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from fdcore.feedback.form import WITHHELD
from fdcore.profile import FeedbackSettings
from fdcore.records import Feedback, Problem, Trajectory
from fdcore.rollout.chat import PROMPTS, render

Item = tuple[Problem, Trajectory]
LEAN_OUTPUT, CORRECT_PROOF = "feedback_environment.jinja", "feedback_ground_truth.jinja"


class Answer(NamedTuple):
    """What a model said, and the tokens that it read and wrote."""

    text: str
    input_tokens: int
    output_tokens: int


# ((system, user) prompts, seeds) -> answers of a frozen model
Generate = Callable[[Sequence[tuple[str, str]], Sequence[int]], list[Answer]]


class FeedbackError(RuntimeError):
    """Feedback could not be had; the message says what to do."""


class Producer(Protocol):
    def write(self, items: Sequence[Item]) -> list[Feedback]:
        """One feedback for each attempt, in order."""


@dataclass(frozen=True)
class Source:
    """What a producer is made from."""

    settings: FeedbackSettings
    seed: int
    generate: Generate | None = None  # the frozen base, for `self`
    folder: Path | None = None  # where `claude` keeps its ledger


def make_producer(source: Source) -> Producer:
    """The producer that the settings name."""
    producer = PRODUCERS[source.settings.producer](source)
    share = source.settings.dropout
    return Dropout(producer, share, source.seed) if share else producer


class PlainFeedback:
    """Texts that no model has to write: a function of the problem and the attempt."""

    def __init__(self, name: str, text: Callable[[Problem, Trajectory], str], template: str = ""):
        """`template` is the prompt template that the function renders."""
        self.name, self.text = name, text
        self.prompt_hash = prompt_hash(template) if template else ""

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        shared = {"producer": self.name, "prompt_hash": self.prompt_hash}
        return [
            Feedback(problem_id=problem.id, text=self.text(problem, trajectory), **shared)
            for problem, trajectory in items
        ]


def write_lean_output(problem: Problem, trajectory: Trajectory) -> str:
    """Lean's messages after failure, the proof that was found after success."""
    return render(LEAN_OUTPUT, verdict=trajectory.verdict, source=trajectory.source).rstrip()


def write_correct_proof(problem: Problem, trajectory: Trajectory) -> str:
    """A correct proof, shown as an example."""
    if problem.proof is None:
        raise FeedbackError(
            f"problem {problem.id} has no reference proof, which ground_truth feedback shows; "
            "take problems with proofs, or another producer"
        )
    return render(CORRECT_PROOF, source=problem.statement + problem.proof)


class SelfFeedback:
    """A frozen copy of the base writes, asked in the words that Claude is asked in."""

    def __init__(self, source: Source):
        if source.generate is None:
            raise ValueError("feedback.producer is self, but no model was given to write it")
        self.formulation, self.generate = source.settings.formulation, source.generate

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        started = time.monotonic()
        prompts = [request(*item, self.formulation) for item in items]
        answers = self.generate(prompts, [trajectory.seed for _, trajectory in items])
        seconds = (time.monotonic() - started) / max(1, len(items))
        return [
            Feedback(
                problem_id=problem.id,
                text=answer.text.strip(),
                producer="self",
                model="base",
                prompt_hash=prompt_hash(*asked_by(self.formulation)),
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                seconds=seconds,
                reason="" if answer.text.strip() else "empty",
            )
            for (problem, _), answer in zip(items, answers, strict=True)
        ]


# `fdcore.feedback` adds those that are in files of their own: claude and scripted.
PRODUCERS: dict[str, Callable[[Source], Producer]] = {
    "none": lambda _: PlainFeedback("none", lambda *_: ""),
    "constant": lambda source: PlainFeedback("constant", lambda *_: source.settings.text),
    "environment": lambda _: PlainFeedback("environment", write_lean_output, LEAN_OUTPUT),
    "ground_truth": lambda _: PlainFeedback("ground_truth", write_correct_proof, CORRECT_PROOF),
    "self": SelfFeedback,
}


class Dropout:
    """Another producer's feedback, of which a share is withheld at random."""

    def __init__(self, producer: Producer, share: float, seed: int):
        self.producer, self.share, self.seed = producer, share, seed

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        feedback = self.producer.write(items)
        for index, (problem, trajectory) in enumerate(items):
            draw = random.Random(f"dropout:{self.seed}:{problem.id}:{trajectory.seed}")
            if draw.random() < self.share:
                nothing = {"text": "", "reason": WITHHELD}
                feedback[index] = feedback[index].model_copy(update=nothing)
        return feedback


def strip_thoughts(turn: str, answer: str) -> str:
    """What an answer says behind its thoughts; nothing where it ends inside them.

    Args:
        turn: the prompt's last turn, as far as the template begins it.

    >>> strip_thoughts("assistant\\n<think>\\n", "Hmm.\\n</think>\\n1. Use simp.")
    '\\n1. Use simp.'
    >>> strip_thoughts("assistant\\n<think>\\n", "Hmm, so")
    ''
    """
    text = turn + answer
    if text.rfind("<think>") > text.rfind("</think>"):
        return ""
    return answer.rpartition("</think>")[2]


def request(problem: Problem, trajectory: Trajectory, formulation: int) -> tuple[str, str]:
    """(system, user) that ask a model, by one of the four formulations of the paper's C.3."""
    calls = []
    for call in trajectory.tool_calls:
        known = {"name": call.name, "arguments": call.arguments}
        text = json.dumps(known, ensure_ascii=False) if call.name else call.raw
        calls.append({"call": text, "output": call.output})
    system, user = asked_by(formulation)
    return render(system), render(user, problem=problem, trajectory=trajectory, calls=calls)


def asked_by(formulation: int) -> tuple[str, str]:
    """The templates of a request."""
    return f"feedback_{formulation}.jinja", "feedback_attempt.jinja"


def prompt_hash(*templates: str) -> str:
    """Identifies the wording of templates."""
    content = b"".join((PROMPTS / name).read_bytes() for name in templates)
    return hashlib.sha256(content).hexdigest()[:12]
