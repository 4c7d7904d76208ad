"""A claim of the paper as one number with an interval and a verdict.

*Reproduced*: the 95 % interval lies above 0. *Not reproduced*: it lies below 0. Otherwise, and
where data is missing, *undecided*. The ten rules stand in the notebook `13_claims`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from fdcore.figures.statistics import BLOCK, bootstrap_over_runs, draw_blocks, draw_units
from fdcore.records import Record

FEWEST = 2 * BLOCK  # steps below which a training curve decides nothing


class Rule(Record):
    """What is measured. A positive quantity speaks for the claim."""

    id: str
    claim: str
    quantity: str
    unit: str
    bootstrap: Literal["steps", "problems", "tenths of the budget"]  # what is drawn
    paper: str  # the paper's own numbers


class Claim(Rule):
    """A rule with what the runs say. `estimate`, `low` and `high` are None without data."""

    verdict: Literal["reproduced", "not reproduced", "undecided"]
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    detail: str  # the numbers behind the estimate, or what is missing

    @property
    def number(self) -> str:
        """The estimate with its interval and unit."""
        if self.estimate is None:
            return "—"
        return f"{self.estimate:+.3f} [{self.low:+.3f}, {self.high:+.3f}] {self.unit}"


class MissingData(LookupError):
    """A run lacks what a rule needs; the text says what."""


def judge(
    rule: Rule,
    runs: Sequence,
    samples: Callable[..., dict[str, np.ndarray | float]],
    statistic: Callable[..., float],
    *,
    every_run: bool = True,
) -> Claim:
    """Judge a claim on the runs (one a seed) that have its data.

    Args:
        samples: maps a run to the named arguments of `statistic`, or raises MissingData.
        statistic: maps these samples, in their order, to the quantity.
        every_run: a run without the data leaves the claim undecided. False for ablations,
            which only some seeds have.
    """
    data, missing = {}, []
    for run in runs:
        try:
            data[run.seed] = samples(run)
        except MissingData as error:
            missing.append(f"seed {run.seed}: {error}")
    if not data or (missing and every_run):
        return Claim(**rule.model_dump(), verdict="undecided", detail="; ".join(missing[:1]))
    draw = draw_blocks if rule.bootstrap == "steps" else draw_units
    together = rule.bootstrap == "problems"
    values = [list(own.values()) for own in data.values()]
    estimate, low, high = bootstrap_over_runs(values, statistic, draw, together=together)
    numbers = [
        f"seed {seed}: {', '.join(f'{name} {np.mean(part):.3f}' for name, part in own.items())}"
        for seed, own in data.items()
    ]
    verdict = "reproduced" if low > 0 else "not reproduced" if high < 0 else "undecided"
    measured = {"estimate": estimate, "low": low, "high": high, "seeds": len(data)}
    return Claim(**rule.model_dump(), verdict=verdict, **measured, detail="; ".join(numbers))


def last_quarter(rows: Sequence[dict], key: str) -> np.ndarray:
    """Return a metric's values over the last quarter of training.

    Raises:
        MissingData: the quarter has too few steps, or there are no rows.
    """
    if len(rows) // 4 < FEWEST:
        raise MissingData(f"fewer than {FEWEST} steps in the last quarter of training")
    return np.array([row[key] for row in rows[len(rows) - len(rows) // 4 :]])
