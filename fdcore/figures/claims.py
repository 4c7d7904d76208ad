"""A claim of the paper as one number with an interval and a verdict.

*Reproduced*: the number lies above what the claim needs, on three seeds or more, after Holm's
correction for the number of claims. *Not reproduced*: it lies below, likewise. *Not testable here*:
the tiny world cannot express it. Otherwise *undecided*. The rules stand in notebook 13.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from fdcore.figures.statistics import LEVEL, bootstrap_over_seeds, holm, student_t
from fdcore.records import Record

FEWEST_STEPS, FEWEST_SEEDS = 10, 3  # below them nothing is decided
Values = Mapping[str, Mapping[str, float]] | Mapping[str, float]


class Rule(Record):
    """What is measured. The claim holds where the quantity lies above `needs`."""

    id: str
    claim: str
    quantity: str
    unit: str
    paper: str  # the paper's own numbers
    needs: float = 0.0


class Claim(Rule):
    """A rule with what the runs say."""

    verdict: Literal["reproduced", "not reproduced", "undecided", "not testable here"] = "undecided"
    estimate: float | None = None
    low: float | None = None  # None: one seed of a quantity that only seeds tell the spread of
    high: float | None = None
    p: float | None = None  # two-sided, of the quantity being `needs`; not corrected
    seeds: dict[str, float] = {}  # seed -> its own estimate
    detail: str  # the numbers behind the estimate, or what is missing

    @property
    def number(self) -> str:
        """The estimate with its interval and unit."""
        if self.estimate is None:
            return "—"
        ends = "" if self.low is None else f" [{_signed(self.low)}, {_signed(self.high or 0)}]"
        needed = f" (needs {_signed(self.needs)})" if self.needs else ""
        return f"{_signed(self.estimate)}{ends} {self.unit}{needed}"


class MissingData(LookupError):
    """A run lacks what a rule needs; the text says what."""


class NotTestable(LookupError):
    """No run of this world can answer; the text says why."""


def measure(
    rule: Rule,
    runs: Sequence,
    values: Callable[..., Values],
    statistic: Callable = lambda value: value,
    *,
    clusters: Mapping[str, str] = {},
) -> Claim:
    """Measure a claim on the runs (one a seed) that have its data. `decide` gives the verdict.

    The statistic is computed of means over seeds, so a minimum or maximum of noisy means errs
    against the claim.

    Args:
        values: maps a run to the named arguments of `statistic`: numbers by problem, or one
            number each. Raises MissingData or NotTestable.
        statistic: maps arrays (replicates,) to the quantity.
        clusters: problem -> the lemma that it is drawn with; a problem that is not there is alone.
    """
    data, missing = {}, []
    for run in runs:
        try:
            data[str(run.seed)] = values(run)
        except MissingData as error:
            missing.append(f"seed {run.seed}: {error}")
        except NotTestable as error:
            return Claim(**rule.model_dump(), verdict="not testable here", detail=str(error))
    if not data:
        return Claim(**rule.model_dump(), detail="; ".join(missing[:1]) or "no runs")
    names = list(next(iter(data.values())))
    table, units = _align(list(data.values()))
    means = table.mean(-1)  # (seeds, columns)
    seeds = {seed: float(statistic(*own)) for seed, own in zip(data, means, strict=True)}
    drawn, ends = None, {}
    if units:
        lemmas = [clusters.get(unit, unit) for unit in units]
        drawn = bootstrap_over_seeds(table, lemmas, statistic)
    elif len(data) > 1:
        drawn = student_t(np.array([*seeds.values()]))
    if drawn is not None:
        ends["low"], ends["high"] = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
        side = min((drawn <= rule.needs).sum(), (drawn >= rule.needs).sum())
        ends["p"] = min(1.0, 2 * (int(side) + 1) / (len(drawn) + 1))
    detail = ", ".join(f"{k} {v:.3f}" for k, v in zip(names, means.mean(0), strict=True))
    estimate = float(statistic(*means.mean(0)))
    return Claim(**rule.model_dump(), estimate=estimate, seeds=seeds, detail=detail, **ends)


def _align(data: Sequence[Values]) -> tuple[np.ndarray, list[str]]:
    """(seeds, columns, units) of the problems that all have; one unit, unnamed, for numbers."""
    columns = [list(own.values()) for own in data]
    if not isinstance(columns[0][0], Mapping):
        return np.array(columns, dtype=float)[..., None], []
    common = set.intersection(*(set(column) for own in columns for column in own))
    if not common:
        raise ValueError("the arms of a claim have no problem in common")
    units = sorted(common)
    return np.array([[[column[u] for u in units] for column in own] for own in columns]), units


def decide(claims: Sequence[Claim]) -> list[Claim]:
    """Give each measured claim its verdict, corrected for the number of claims measured."""
    ready = [c for c in claims if c.p is not None and len(c.seeds) >= FEWEST_SEEDS]
    corrected = dict(zip([c.id for c in ready], holm([c.p or 0.0 for c in ready]), strict=True))

    def verdict(claim: Claim) -> str:
        if claim.estimate is None or corrected.get(claim.id, 1.0) >= 1 - LEVEL:
            return claim.verdict
        return "reproduced" if claim.estimate > claim.needs else "not reproduced"

    return [claim.model_copy(update={"verdict": verdict(claim)}) for claim in claims]


def last_quarter(rows: Sequence[dict], key: str) -> float:
    """Return a metric's mean over the last quarter of training.

    Raises:
        MissingData: the quarter has too few steps, or there are no rows.
    """
    if len(rows) // 4 < FEWEST_STEPS:
        raise MissingData(f"fewer than {FEWEST_STEPS} steps in the last quarter of training")
    return float(np.mean([row[key] for row in rows[len(rows) - len(rows) // 4 :]]))


def _signed(number: float) -> str:
    return f"{number:+.3f}".replace("-", "−")
