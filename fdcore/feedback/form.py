"""What a feedback text is like: its form, and how much of a reference proof it gives away.

Left out on purpose: where it comes from (`fdcore.feedback.sources`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from fdcore.records import Feedback, Problem

FORMED = ("scripted", "claude", "self")  # producers whose text is asked to keep the paper's form
# Names with their dots, numbers, single signs: of prose as well as of Lean, backquotes left out.
LEXEME = re.compile(r"[^\W\d][\w'!?]*(?:\.[^\W\d][\w'!?]*)*|\d+|[^\s`]")
READER = re.compile(r"\b(?:you(?:r|rs|rself)?|students?|attempts?|attempted)\b", re.IGNORECASE)
WITHHELD = "withheld"  # the reason of a text that `feedback.dropout` drops; it has no form to keep


def form_errors(text: str) -> list[str]:
    """What of the paper's form a feedback text breaks; empty when it keeps the form."""
    items = re.findall(r"^(\d)\. (.+)$", text, re.MULTILINE)
    numbers = [number for number, _ in items]
    errors = []
    counted = numbers == [str(i) for i in range(1, len(items) + 1)]
    if not (counted and 1 <= len(items) <= 3 and len(items) == len(text.strip().splitlines())):
        errors.append("not one to three numbered lines")
    for number, item in items:
        if not 10 <= (words := len(item.split())) <= 50:
            errors.append(f"item {number} has {words} words")
    if READER.search(text):
        errors.append("speaks of a reader or an attempt")
    return errors


def shared_run(text: str, proof: str) -> float:
    """The longest run of a proof's Lean words that stands in a text, as a share of the proof.

    >>> shared_run("Use `exact` and then Nat.add_comm.", "exact Nat.add_comm a b")
    0.25
    >>> shared_run("1. Write exact Nat.add_comm a b and stop.", "exact Nat.add_comm a b")
    1.0
    """
    words, others = LEXEME.findall(proof), LEXEME.findall(text)
    lengths, longest = [0] * (len(others) + 1), 0  # of the runs that end at each word of the text
    for word in words:
        ends = (lengths[i] + 1 if word == other else 0 for i, other in enumerate(others))
        lengths = [0, *ends]
        longest = max(longest, *lengths)
    return longest / len(words) if words else 0.0


def report(
    items: Sequence[tuple[Problem, object]], feedback: Sequence[Feedback]
) -> dict[str, float]:
    """Metrics of feedback: share of the reference proofs, whole proofs, dollars, faults of form."""
    pairs = zip(items, feedback, strict=True)
    runs = [shared_run(f.text, problem.proof) for (problem, _), f in pairs if problem.proof]
    metrics: dict[str, float] = {
        "feedback_leak": sum(runs) / len(runs) if runs else 0.0,
        "feedback_whole_proofs": sum(run == 1.0 for run in runs),
        "feedback_dollars": sum(f.dollars for f in feedback),
    }
    # a reason without what is special to one text
    reasons = Counter(re.split(" after |: ", f.reason)[0] for f in feedback if f.reason)
    for reason, count in sorted(reasons.items()):
        metrics[f"feedback_{reason.replace(' ', '_')}"] = count
    if any(f.producer in FORMED for f in feedback):
        given = [f for f in feedback if f.reason != WITHHELD]
        broken = sum(bool(form_errors(f.text)) for f in given)
        metrics["feedback_form_broken"] = broken / max(1, len(feedback))
    return metrics
