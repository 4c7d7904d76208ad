"""Feedback on an attempt, which the teacher reads and the student never sees: the sources of the paper, behind one call, `write(items)`.

`scripted` and `claude` write orders of the paper's form; `self` asks a frozen copy of the base for the same; `environment` is
Lean's own output, and the found proof after success; `ground_truth` shows a correct proof; `constant` says the same of every attempt;
`none` says nothing.

Left out on purpose: how orders are come by (`fdcore.feedback.scripted`, `fdcore.feedback.claude`), and what is measured of a text
(`fdcore.feedback.form`).
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from fdcore.feedback.form import WITHHELD, without_proof
from fdcore.profile import FeedbackSettings
from fdcore.records import Feedback, Problem, Trajectory
from fdcore.rollout.chat import PROMPTS, render

Item = tuple[Problem, Trajectory]
TEMPLATES = {
    "scripted": ("feedback_scripted.jinja",),
    "environment": ("feedback_environment.jinja",),
    "ground_truth": ("feedback_ground_truth.jinja",),
}
CUT = "whole proof left out"


class Answer(NamedTuple):
    """What a model said, and the tokens that it read and wrote."""

    text: str
    input_tokens: int
    output_tokens: int


Generate = Callable[
    [Sequence[tuple[str, str]], Sequence[int]], list[Answer]
]  # ((system, user) prompts, seeds) -> answers of a frozen model


class FeedbackError(RuntimeError):
    """Feedback could not be had; the message says what to do."""


class Producer(Protocol):
    def write(self, items: Sequence[Item]) -> list[Feedback]:
        """One feedback for each attempt, in order."""


def make_producer(
    settings: FeedbackSettings,
    seed: int,
    generate: Generate | None = None,
    folder: Path | None = None,
) -> Producer:
    """The producer that the settings name. `generate` is needed by `self` alone, `folder`, for its ledger, by `claude`."""
    if settings.producer == "claude":
        from fdcore.feedback.claude import Claude  # here, so that other runs do not load the SDK

        if folder is None:
            raise ValueError("feedback.producer is claude, but no folder was given for its ledger")
        producer: Producer = Claude(settings, folder)
    elif settings.producer == "scripted":
        from fdcore.feedback.scripted import (
            ScriptedExpert,
        )  # here, because it builds on this module

        producer = ScriptedExpert(seed, settings.formulation)
    elif settings.producer == "self":
        producer = SelfFeedback(settings, generate)
    else:
        producer = Plain(settings.producer, settings.text)
    return (
        Limited(producer, settings, seed)
        if settings.forbid_proofs or settings.dropout
        else producer
    )


class Plain:
    """Feedback that nobody writes: Lean's output, a correct proof, a constant text, or nothing (the paper's other sources)."""

    def __init__(self, producer: str, text: str | None):
        self.producer, self.text = producer, text

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        wording = prompt_hash(*TEMPLATES.get(self.producer, ()))
        return [
            Feedback(
                problem_id=problem.id,
                text=self._text(problem, trajectory),
                producer=self.producer,
                prompt_hash=wording,
            )
            for problem, trajectory in items
        ]

    def _text(self, problem: Problem, trajectory: Trajectory) -> str:
        if self.producer == "environment":
            return render(
                "feedback_environment.jinja", verdict=trajectory.verdict, source=trajectory.source
            ).rstrip()
        if self.producer == "ground_truth":
            if problem.proof is None:
                raise FeedbackError(
                    f"problem {problem.id} has no reference proof, which ground_truth feedback shows; take problems with proofs, or another producer"
                )
            return render("feedback_ground_truth.jinja", source=problem.statement + problem.proof)
        return self.text or ""


class SelfFeedback:
    """Feedback that a frozen copy of the base writes, asked in the words that Claude is asked in."""

    def __init__(self, settings: FeedbackSettings, generate: Generate | None):
        if generate is None:
            raise ValueError("feedback.producer is self, but no model was given to write it")
        self.settings, self.generate = settings, generate

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        started = time.monotonic()
        prompts = [
            request(problem, trajectory, self.settings.formulation) for problem, trajectory in items
        ]
        answers = self.generate(prompts, [trajectory.seed for _, trajectory in items])
        known = {
            "producer": "self",
            "model": "base",
            "prompt_hash": prompt_hash(*asked_by(self.settings.formulation)),
            "seconds": (time.monotonic() - started) / max(1, len(items)),
        }
        return [
            Feedback(
                problem_id=problem.id,
                text=answer.text.strip(),
                input_tokens=answer.input_tokens,
                output_tokens=answer.output_tokens,
                **known,
            )
            for (problem, _), answer in zip(items, answers, strict=True)
        ]


class Limited:
    """Another producer's feedback, with what gives a whole proof away left out, and with some of it dropped at random."""

    def __init__(self, producer: Producer, settings: FeedbackSettings, seed: int):
        self.producer, self.settings, self.seed = producer, settings, seed

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        found = self.producer.write(items)
        return [self._limited(feedback, *item) for feedback, item in zip(found, items, strict=True)]

    def _limited(self, feedback: Feedback, problem: Problem, trajectory: Trajectory) -> Feedback:
        if (
            random.Random(f"dropout:{self.seed}:{problem.id}:{trajectory.seed}").random()
            < self.settings.dropout
        ):
            return feedback.model_copy(update={"text": "", "reason": WITHHELD})
        if (
            not self.settings.forbid_proofs
            or not problem.proof
            or (text := without_proof(feedback.text, problem.proof)) == feedback.text
        ):
            return feedback
        return feedback.model_copy(update={"text": text, "reason": CUT})


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
    """What a model is asked: (system, user), by one of the four formulations of the paper's appendix C.3, in our words."""
    calls = [
        {
            "call": json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False)
            if c.name
            else c.raw,
            "output": c.output,
        }
        for c in trajectory.tool_calls
    ]
    return render(f"feedback_{formulation}.jinja"), render(
        "feedback_attempt.jinja", problem=problem, trajectory=trajectory, calls=calls
    )


def asked_by(formulation: int) -> tuple[str, str]:
    """The templates of a request."""
    return f"feedback_{formulation}.jinja", "feedback_attempt.jinja"


def prompt_hash(*templates: str) -> str:
    """Identifies the wording of templates; empty for none."""
    return (
        hashlib.sha256(b"".join((PROMPTS / name).read_bytes() for name in templates)).hexdigest()[
            :12
        ]
        if templates
        else ""
    )
