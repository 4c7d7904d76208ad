"""Does accuracy collapse in training, and which quantity moves first? Read off the metrics rows alone.

A run has collapsed where its train accuracy, a mean over `WINDOW` steps, stays below half of its peak up to the end. A quantity leaves
its range at the first step behind the peak where its mean over `WINDOW` steps lies outside all that were seen up to the peak, and
stays outside up to the end. What leaves first did so at the peak's earliest distance; it need not be the cause.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fdcore.records import markdown_table

WINDOW = 5
QUANTITIES = {  # metric: its name for a reader
    "entropy": "entropy",
    "response_tokens": "length",
    "tool_calls": "tool calls",
    "malformed_calls": "malformed calls",
    "zero_spread": "groups without spread",
    "kl": "KL to the reference",
    "clip_fraction": "clipped tokens",
    "grad_norm": "gradient norm",
}


class Course(NamedTuple):
    """Accuracies are shares, smoothed; steps count from the base."""

    peak: float
    peak_step: int
    low: float  # the lowest behind the peak
    low_step: int
    end: float
    fell_at: int | None  # the first step of those below half of the peak; None: no collapse
    left: dict[str, int]  # metric -> the step at which it left its range, the earliest first


def with_shares(rows: Sequence[dict]) -> list[dict]:
    """Rows of GRPO with `zero_spread`, the share of groups whose attempts were all right or all wrong: these teach nothing."""
    return [
        row
        | ({"zero_spread": row["zero_spread_groups"] / row["groups"]} if row.get("groups") else {})
        for row in rows
    ]


def course(rows: Sequence[dict]) -> Course:
    """What became of one run. ValueError for fewer than `WINDOW` steps, or rows of several seeds."""
    if len(rows) < WINDOW or len({row["seed"] for row in rows}) != 1:
        raise ValueError(
            f"a course needs one run of at least {WINDOW} steps, got {len(rows)} rows of seeds {sorted({row['seed'] for row in rows})}"
        )
    steps = [row["step"] for row in rows][WINDOW - 1 :]  # the last step of each window
    accuracy = _means(rows, "train_accuracy")
    top = int(accuracy.argmax())
    bottom = top + int(accuracy[top:].argmin())
    fell = _last_stretch(accuracy < accuracy[top] / 2)
    left = {}
    for key in QUANTITIES:
        if all(row.get(key) is not None for row in rows):
            means = _means(rows, key)
            before = means[: top + 1]
            if (out := _last_stretch((means < before.min()) | (means > before.max()))) is not None:
                left[key] = steps[out]
    left = dict(sorted(left.items(), key=lambda item: item[1]))
    return Course(
        float(accuracy[top]),
        steps[top],
        float(accuracy[bottom]),
        steps[bottom],
        float(accuracy[-1]),
        None if fell is None else steps[fell],
        left,
    )


def course_table(metrics: dict[str, Sequence[dict]]) -> str:
    """Label -> metrics rows of one run each, as a Markdown table of their courses."""
    found = []
    for label, rows in metrics.items():
        if len(rows) < WINDOW:
            found.append((label, "—", "—", "—", f"is not seen in {len(rows)} steps", "—"))
            continue
        each = course(rows)
        fate = (
            f"falls below half at step {each.fell_at}"
            if each.fell_at is not None
            else f"keeps {each.end / each.peak:.0%} of it"
            if each.peak
            else "never solves one"
        )
        moved = (
            ", ".join(f"{QUANTITIES[key]} ({step})" for key, step in each.left.items()) or "none"
        )
        found.append(
            (
                label,
                f"{each.peak:.1%} at step {each.peak_step}",
                f"{each.low:.1%} at step {each.low_step}",
                f"{each.end:.1%}",
                fate,
                moved,
            )
        )
    head = [
        "run",
        f"peak train accuracy ({WINDOW} steps)",
        "lowest behind it",
        "at the end",
        "after its peak it",
        "leave their range for good, at step",
    ]
    return markdown_table(head, found)


def paragraph(metrics: dict[str, Sequence[dict]]) -> str:
    """The same in words: which runs collapse, what leaves its range first in each, and which keep their peak."""
    courses = {label: course(rows) for label, rows in metrics.items() if len(rows) >= WINDOW}
    fallen = {label: each for label, each in courses.items() if each.fell_at is not None}
    told = [
        f"{len(fallen) or 'None'} of {len(courses)} runs collapse{'s' * (len(fallen) == 1)} for good within their steps."
    ]
    for label, each in fallen.items():
        first = [
            QUANTITIES[key] for key, step in each.left.items() if step == min(each.left.values())
        ]
        began = (
            f"first to leave its range was {' and '.join(first)}, at step {min(each.left.values())}"
            if first
            else "no other quantity left its range for good"
        )
        told.append(
            f"{label}: from {each.peak:.0%} at step {each.peak_step} to below half of it at step {each.fell_at}; {began}."
        )
    kept = [
        f"{label} (lowest {each.low / each.peak:.0%} of it, at step {each.low_step}; {each.end / each.peak:.0%} at the end)"
        for label, each in courses.items()
        if each.fell_at is None and each.peak
    ]
    return " ".join(
        told
        + (
            [f"At the end these have at least half of their peak: {', '.join(kept)}."]
            if kept
            else []
        )
    )


def _means(rows: Sequence[dict], key: str) -> np.ndarray:
    return np.convolve([float(row[key]) for row in rows], np.full(WINDOW, 1 / WINDOW), mode="valid")


def _last_stretch(holds: np.ndarray) -> int | None:
    """Where the stretch begins that lasts to the end; None where it does not hold at the end."""
    if not holds[-1]:
        return None
    return int(len(holds) - np.argmin(holds[::-1])) if not holds.all() else 0
