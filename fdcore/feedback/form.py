"""What a feedback text is like: its form, and how much of a reference proof it gives away.

Left out on purpose: where it comes from (`fdcore.feedback.sources`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from fdcore.records import Feedback, Problem, markdown_table

FORMED = ("scripted", "claude", "self")  # producers whose text is asked to keep the paper's form
# Names with their dots, numbers, single signs: of prose as well as of Lean, backquotes left out.
LEXEME = re.compile(r"[^\W\d][\w'!?]*(?:\.[^\W\d][\w'!?]*)*|\d+|[^\s`]")
READER = re.compile(r"\b(?:you(?:r|rs|rself)?|students?|attempts?|attempted)\b", re.IGNORECASE)
WITHHELD = "withheld"  # the reason of a text that `feedback.dropout` drops; it has no form to keep
COLUMNS = (
    "source|texts|empty or cut|form broken|share of the reference proof|whole proofs"
    "|tokens in / out|dollars"
)


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


def count_reasons(feedback: Sequence[Feedback]) -> Counter[str]:
    """How often a text is empty or cut, by reason, without what is special to one text."""
    return Counter(re.split(" after |: ", f.reason)[0] for f in feedback if f.reason)


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
    for reason, count in sorted(count_reasons(feedback).items()):
        metrics[f"feedback_{reason.replace(' ', '_')}"] = count
    if any(f.producer in FORMED for f in feedback):
        given = [f for f in feedback if f.reason != WITHHELD]
        broken = sum(bool(form_errors(f.text)) for f in given)
        metrics["feedback_form_broken"] = broken / max(1, len(feedback))
    return metrics


def summary_table(given: dict[str, Sequence[tuple[Problem, Feedback]]]) -> str:
    """The feedback of each source in a run as a Markdown table, without sources that gave none."""
    rows = [_summarize(source, items) for source, items in given.items() if items]
    return markdown_table(COLUMNS.split("|"), rows) if rows else "No feedback was kept."


def _summarize(source: str, items: Sequence[tuple[Problem, Feedback]]) -> tuple[str, ...]:
    texts = [feedback for _, feedback in items]
    metrics = report(items, texts)
    reasons = [f"{count} {reason}" for reason, count in count_reasons(texts).most_common()]
    tokens_in = sum(f.input_tokens + f.cache_read_tokens + f.cache_write_tokens for f in texts)
    broken = metrics.get("feedback_form_broken")
    return (
        source,
        f"{len(texts):,}",
        ", ".join(reasons) or "0",
        "—" if broken is None else f"{broken:.1%}",
        f"{metrics['feedback_leak']:.1%}" if any(p.proof for p, _ in items) else "—",
        f"{metrics['feedback_whole_proofs'] / len(texts):.1%}",
        f"{tokens_in:,} / {sum(f.output_tokens for f in texts):,}",
        f"{metrics['feedback_dollars']:.2f}",
    )
