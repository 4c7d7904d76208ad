"""Feedback on an attempt, which the teacher reads and the student never sees: the sources of the paper, behind one call, `write(items)`.

`scripted` and `claude` write orders of the paper's form (`form_errors`); `self` asks a frozen copy of the base for the same; `environment` is
Lean's own output, and the found proof after success; `ground_truth` shows a correct proof; `constant` says the same of every attempt;
`none` says nothing. What of a reference proof a text gives away is measured (`shared_run`).

Left out on purpose: how orders are come by (`fdcore.feedback_scripted`, `fdcore.feedback_claude`).
"""
from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import time
from collections import Counter
from pathlib import Path
from typing import Callable, NamedTuple, Protocol, Sequence

from fdcore.chat import PROMPTS, render
from fdcore.profile import FeedbackSettings
from fdcore.records import Feedback, Problem, Trajectory, markdown_table
from fdcore.screen import NUMBER, WORD

Item = tuple[Problem, Trajectory]
LEXEME = re.compile(rf"{WORD.pattern}|{NUMBER.pattern}|[^\s`]")  # of prose as well as of Lean: nothing is refused, and what follows `--` counts
FORMED = ("scripted", "claude", "self")  # producers whose text is asked to keep the paper's form
TEMPLATES = {"scripted": ("feedback_scripted.jinja",), "environment": ("feedback_environment.jinja",), "ground_truth": ("feedback_ground_truth.jinja",)}
TOOL = re.compile(r"\b(?:lean_write_file|lean_check_file|rg_in_mathlib)\b")
WITHHELD, CUT = "withheld", "whole proof left out"


class Answer(NamedTuple):
    """What a model said, and the tokens that it read and wrote."""

    text: str
    input_tokens: int
    output_tokens: int


Generate = Callable[[Sequence[tuple[str, str]], Sequence[int]], list[Answer]]  # ((system, user) prompts, seeds) -> answers of a frozen model


class FeedbackError(RuntimeError):
    """Feedback could not be had; the message says what to do."""


class Producer(Protocol):
    def write(self, items: Sequence[Item]) -> list[Feedback]:
        """One feedback for each attempt, in order."""


def make_producer(settings: FeedbackSettings, seed: int, generate: Generate | None = None, folder: Path | None = None) -> Producer:
    """The producer that the settings name. `generate` is needed by `self` alone, `folder`, for its ledger, by `claude`."""
    if settings.producer == "claude":
        from fdcore.feedback_claude import Claude  # here, so that other runs do not load the SDK

        if folder is None:
            raise ValueError("feedback.producer is claude, but no folder was given for its ledger")
        producer: Producer = Claude(settings, folder)
    elif settings.producer == "scripted":
        from fdcore.feedback_scripted import ScriptedExpert  # here, because it builds on this module

        producer = ScriptedExpert(seed, settings.formulation)
    elif settings.producer == "self":
        producer = SelfFeedback(settings, generate)
    else:
        producer = Plain(settings.producer, settings.text)
    return Limited(producer, settings, seed) if settings.forbid_proofs or settings.dropout else producer


class Plain:
    """Feedback that nobody writes: Lean's output, a correct proof, a constant text, or nothing (the paper's other sources)."""

    def __init__(self, producer: str, text: str | None):
        self.producer, self.text = producer, text

    def write(self, items: Sequence[Item]) -> list[Feedback]:
        wording = prompt_hash(*TEMPLATES.get(self.producer, ()))
        return [Feedback(problem_id=problem.id, text=self._text(problem, trajectory), producer=self.producer, prompt_hash=wording) for problem, trajectory in items]

    def _text(self, problem: Problem, trajectory: Trajectory) -> str:
        if self.producer == "environment":
            return render("feedback_environment.jinja", verdict=trajectory.verdict, source=trajectory.source).rstrip()
        if self.producer == "ground_truth":
            if problem.proof is None:
                raise FeedbackError(f"problem {problem.id} has no reference proof, which ground_truth feedback shows; take problems with proofs, or another producer")
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
        prompts = [request(problem, trajectory, self.settings.formulation) for problem, trajectory in items]
        answers = self.generate(prompts, [trajectory.seed for _, trajectory in items])
        known = {"producer": "self", "model": "base", "prompt_hash": prompt_hash(*asked_by(self.settings.formulation)), "seconds": (time.monotonic() - started) / max(1, len(items))}
        return [
            Feedback(problem_id=problem.id, text=answer.text.strip(), input_tokens=answer.input_tokens, output_tokens=answer.output_tokens, **known)
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
        if random.Random(f"dropout:{self.seed}:{problem.id}:{trajectory.seed}").random() < self.settings.dropout:
            return feedback.model_copy(update={"text": "", "reason": WITHHELD})
        if not self.settings.forbid_proofs or not problem.proof or (text := without_proof(feedback.text, problem.proof)) == feedback.text:
            return feedback
        return feedback.model_copy(update={"text": text, "reason": CUT})


def without_proof(text: str, proof: str) -> str:
    """`text` without the fewest neighbouring lines that hold the whole proof, wherever they do; what is left of a numbered list is counted anew.

    >>> without_proof("1. Split first:\\nintro h\\nexact h\\n2. Then compile.", "\\n  intro h\\n  exact h")
    '1. Split first:\\n2. Then compile.'
    """
    lines, size = text.splitlines(), 1
    while size <= len(lines):
        held = next((i for i in range(len(lines) - size + 1) if shared_run("\n".join(lines[i : i + size]), proof) == 1.0), None)
        if held is None:
            size += 1
        else:
            del lines[held : held + size]
    numbers = itertools.count(1)
    return "\n".join(re.sub(r"^\d+(?=\. )", lambda _: str(next(numbers)), line) for line in lines)


def request(problem: Problem, trajectory: Trajectory, formulation: int) -> tuple[str, str]:
    """What a model is asked: (system, user), by one of the four formulations of the paper's appendix C.3, in our words."""
    calls = [{"call": json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False) if c.name else c.raw, "output": c.output} for c in trajectory.tool_calls]
    return render(f"feedback_{formulation}.jinja"), render("feedback_attempt.jinja", problem=problem, trajectory=trajectory, calls=calls)


def asked_by(formulation: int) -> tuple[str, str]:
    """The templates of a request."""
    return f"feedback_{formulation}.jinja", "feedback_attempt.jinja"


def prompt_hash(*templates: str) -> str:
    """Identifies the wording of templates; empty for none."""
    return hashlib.sha256(b"".join((PROMPTS / name).read_bytes() for name in templates)).hexdigest()[:12] if templates else ""


def form_errors(text: str) -> list[str]:
    """What of the paper's form a feedback text breaks; empty when it keeps the form."""
    items = re.findall(r"^(\d)\. (.+)$", text, re.MULTILINE)
    counted = [number for number, _ in items] == [str(i) for i in range(1, len(items) + 1)]
    errors = [] if 1 <= len(items) <= 3 and counted and len(items) == len(text.strip().splitlines()) else ["not one to three numbered lines"]
    errors += [f"item {i} has {n} words" for i, (_, item) in enumerate(items, 1) if not 10 <= (n := len(item.split())) <= 50]
    if re.search(r"\b(?:you(?:r|rs|rself)?|students?|attempts?|attempted)\b", text, re.IGNORECASE):
        errors.append("speaks of a reader or an attempt")
    return errors


def shared_run(text: str, proof: str) -> float:
    """How much of a proof a text gives away: the longest run of the proof's Lean words that stands in the text, as a share of the proof.

    >>> shared_run("Use `exact` and then Nat.add_comm.", "exact Nat.add_comm a b")
    0.25
    >>> shared_run("1. Write exact Nat.add_comm a b and stop.", "exact Nat.add_comm a b")
    1.0
    """
    longest, length = shared_words(text, proof)
    return longest / length if length else 0.0


def shared_words(text: str, proof: str) -> tuple[int, int]:
    """(Lean words of the longest run of the proof that stands in the text, Lean words of the proof)."""
    words, there = LEXEME.findall(proof), LEXEME.findall(text)
    lengths, longest = [0] * (len(there) + 1), 0
    for word in words:
        lengths = [0, *(lengths[i] + 1 if word == other else 0 for i, other in enumerate(there))]
        longest = max(longest, *lengths)
    return longest, len(words)


def report(items: Sequence[Item], feedback: Sequence[Feedback]) -> dict[str, float]:
    """What is counted of a step's feedback: what it cost, how often the form was broken, and how much of the reference proofs it holds."""
    count = max(1, len(feedback))
    runs = [shared_run(f.text, problem.proof) for (problem, _), f in zip(items, feedback) if problem.proof]
    found: dict[str, float] = {"feedback_leak": sum(runs) / len(runs) if runs else 0.0, "feedback_whole_proofs": sum(run == 1.0 for run in runs), "feedback_dollars": sum(f.dollars for f in feedback)}
    if reasons := Counter(f.reason for f in feedback if f.reason):
        found |= {f"feedback_{re.split(' after |: ', reason)[0].replace(' ', '_')}": count_ for reason, count_ in sorted(reasons.items())}
    if any(f.producer in FORMED for f in feedback):
        found["feedback_form_broken"] = sum(bool(form_errors(f.text)) for f in feedback if f.reason != WITHHELD) / count
    return found


def summary_table(given: dict[str, Sequence[tuple[Problem, Feedback]]]) -> str:
    """What the feedback of each source was, in a whole run, as a Markdown table; sources without any are left out."""
    return markdown_table(SUMMARY, [summary(source, found) for source, found in given.items() if found])


SUMMARY = ("source", "texts", "empty or cut", "form broken", "names a tool", "share of the reference proof [longest run, words]", "whole proofs", "tokens in / out", "dollars")


def summary(source: str, given: Sequence[tuple[Problem, Feedback]]) -> tuple[str, ...]:
    """A row under SUMMARY: what a run's feedback was, how often it broke the form, and what of the reference proofs (in Lean words) it gave away."""
    texts = [feedback for _, feedback in given]
    runs = [shared_words(feedback.text, problem.proof) for problem, feedback in given if problem.proof]
    share = lambda count: f"{count / len(texts):.1%}"
    formed = share(sum(bool(form_errors(f.text)) for f in texts if f.reason != WITHHELD)) if texts[0].producer in FORMED else "—"
    leak = f"{sum(run / length for run, length in runs) / len(runs):.1%} [{max(run for run, _ in runs)}]" if runs else "—"
    why = ", ".join(f"{count} {reason}" for reason, count in Counter(re.split(" after |: ", f.reason)[0] for f in texts if f.reason).most_common())
    tokens = "{:,} / {:,}".format(sum(f.input_tokens + f.cache_read_tokens + f.cache_write_tokens for f in texts), sum(f.output_tokens for f in texts))
    whole = share(sum(run == length for run, length in runs))
    return source, f"{len(texts):,}", why or "0", formed, share(sum(bool(TOOL.search(f.text)) for f in texts)), leak, whole, tokens, f"{sum(f.dollars for f in texts):.2f}"
