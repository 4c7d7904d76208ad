"""What a feedback text is like: whether it keeps the paper's form, and what of a reference proof it gives away.

Left out on purpose: where it comes from (`fdcore.feedback.sources`).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Sequence

from fdcore.lean.screen import NUMBER, WORD
from fdcore.records import Feedback, Problem, Trajectory, markdown_table

FORMED = ("scripted", "claude", "self")  # producers whose text is asked to keep the paper's form
TOOL = re.compile(r"\b(?:lean_write_file|lean_check_file|rg_in_mathlib)\b")
LEXEME = re.compile(
    rf"{WORD.pattern}|{NUMBER.pattern}|[^\s`]"
)  # of prose as well as of Lean: nothing is refused, and what follows `--` counts
WITHHELD = "withheld"  # the reason of a text that a setting drops, which then has no form to keep


def form_errors(text: str) -> list[str]:
    """What of the paper's form a feedback text breaks; empty when it keeps the form."""
    items = re.findall(r"^(\d)\. (.+)$", text, re.MULTILINE)
    counted = [number for number, _ in items] == [str(i) for i in range(1, len(items) + 1)]
    errors = (
        []
        if 1 <= len(items) <= 3 and counted and len(items) == len(text.strip().splitlines())
        else ["not one to three numbered lines"]
    )
    errors += [
        f"item {i} has {n} words"
        for i, (_, item) in enumerate(items, 1)
        if not 10 <= (n := len(item.split())) <= 50
    ]
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


def without_proof(text: str, proof: str) -> str:
    """`text` without the fewest neighbouring lines that hold the whole proof, wherever they do; what is left of a numbered list is counted anew.

    >>> without_proof("1. Split first:\\nintro h\\nexact h\\n2. Then compile.", "\\n  intro h\\n  exact h")
    '1. Split first:\\n2. Then compile.'
    """
    if shared_run(text, proof) < 1.0:
        return text
    lines, size = text.splitlines(), 1
    while size <= len(lines):
        held = next(
            (
                i
                for i in range(len(lines) - size + 1)
                if shared_run("\n".join(lines[i : i + size]), proof) == 1.0
            ),
            None,
        )
        if held is None:
            size += 1
        else:
            del lines[held : held + size]
    numbers = itertools.count(1)
    return "\n".join(re.sub(r"^\d+(?=\. )", lambda _: str(next(numbers)), line) for line in lines)


def report(
    items: Sequence[tuple[Problem, Trajectory]], feedback: Sequence[Feedback]
) -> dict[str, float]:
    """What is counted of a step's feedback: what it cost, how often the form was broken, and how much of the reference proofs it holds."""
    count = max(1, len(feedback))
    runs = [
        shared_run(f.text, problem.proof)
        for (problem, _), f in zip(items, feedback)
        if problem.proof
    ]
    found: dict[str, float] = {
        "feedback_leak": sum(runs) / len(runs) if runs else 0.0,
        "feedback_whole_proofs": sum(run == 1.0 for run in runs),
        "feedback_dollars": sum(f.dollars for f in feedback),
    }
    found |= {
        f"feedback_{reason.replace(' ', '_')}": times
        for reason, times in sorted(reasons(feedback).items())
    }
    if any(f.producer in FORMED for f in feedback):
        found["feedback_form_broken"] = (
            sum(bool(form_errors(f.text)) for f in feedback if f.reason != WITHHELD) / count
        )
    return found


def reasons(feedback: Sequence[Feedback]) -> Counter[str]:
    """How often a text is empty or cut, by why, without what is special to one."""
    return Counter(re.split(" after |: ", f.reason)[0] for f in feedback if f.reason)


def summary_table(given: dict[str, Sequence[tuple[Problem, Feedback]]]) -> str:
    """What the feedback of each source was, in a whole run, as a Markdown table; sources without any are left out, and where all are, a sentence says so."""
    rows = [summary(source, found) for source, found in given.items() if found]
    return markdown_table(SUMMARY, rows) if rows else "No feedback was kept."


SUMMARY = (
    "source",
    "texts",
    "empty or cut",
    "form broken",
    "names a tool",
    "share of the reference proof [longest run, words]",
    "whole proofs",
    "tokens in / out",
    "dollars",
)


def summary(source: str, given: Sequence[tuple[Problem, Feedback]]) -> tuple[str, ...]:
    """A row under SUMMARY: what a run's feedback was, how often it broke the form, and what of the reference proofs (in Lean words) it gave away."""
    texts = [feedback for _, feedback in given]
    runs = [
        shared_words(feedback.text, problem.proof) for problem, feedback in given if problem.proof
    ]
    share = lambda count: f"{count / len(texts):.1%}"
    formed = (
        share(sum(bool(form_errors(f.text)) for f in texts if f.reason != WITHHELD))
        if texts[0].producer in FORMED
        else "—"
    )
    leak = (
        f"{sum(run / length for run, length in runs) / len(runs):.1%} [{max(run for run, _ in runs)}]"
        if runs
        else "—"
    )
    why = ", ".join(f"{count} {reason}" for reason, count in reasons(texts).most_common())
    tokens = f"{sum(f.input_tokens + f.cache_read_tokens + f.cache_write_tokens for f in texts):,} / {sum(f.output_tokens for f in texts):,}"
    whole, tools = (
        share(sum(run == length for run, length in runs)),
        share(sum(bool(TOOL.search(f.text)) for f in texts)),
    )
    return (
        source,
        f"{len(texts):,}",
        why or "0",
        formed,
        tools,
        leak,
        whole,
        tokens,
        f"{sum(f.dollars for f in texts):.2f}",
    )
