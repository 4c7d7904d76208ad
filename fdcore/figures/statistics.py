"""Statistics of a run's rows: pass@k, means over seeds, trailing means, bootstrap intervals.

A row of an evaluation file is one problem with `n` samples, `c` of them verified. A metrics row is
one training step of one seed. This file reads no files and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

LEVEL = 0.95  # of all intervals
BLOCK = 5  # steps of a block: neighbouring steps are not independent


def pass_at_k(n: int, c: int, k: int) -> float:
    """Return the unbiased probability that at least one of k samples is right.

    1 - C(n - c, k) / C(n, k) of Chen et al. (arXiv 2107.03374, eq. 1), as a product, so that no
    factorial overflows.

    Args:
        n: samples of the problem.
        c: right samples among them.
        k: samples that the question is about.

    Raises:
        ValueError: not 0 <= c <= n and 1 <= k <= n.

    >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 2), pass_at_k(4, 0, 4)
    (0.25, 0.5, 0.0)
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(f"pass_at_k needs 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}")
    if n - c < k:
        return 1.0
    return 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def pass_at_k_by_problem(rows: Sequence[dict], ks: Sequence[int]) -> np.ndarray:
    """Return pass@k of each problem, the mean over its seeds: (problems, len(ks)).

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("pass@k of no problems: the evaluation file is empty")
    values: dict[str, list[list[float]]] = {}
    for row in rows:
        by_k = [pass_at_k(row["n"], row["c"], k) for k in ks]
        values.setdefault(row["problem_id"], []).append(by_k)
    return np.array([np.mean(seeds, 0) for seeds in values.values()])


def mean_pass_at_k(rows: Sequence[dict], k: int) -> float:
    """Return pass@k, the mean over problems."""
    return float(pass_at_k_by_problem(rows, [k]).mean())


def pass_at_k_curve(
    rows: Sequence[dict], ks: Sequence[int]
) -> list[tuple[int, float, float, float]]:
    """Return (k, pass@k, low, high) for each k that the samples allow; nothing for no rows.

    `low` and `high` end the bootstrap interval over problems.
    """
    if not rows:
        return []
    usable = [k for k in ks if k <= min(row["n"] for row in rows)]
    values = pass_at_k_by_problem(rows, usable)
    low, high = bootstrap_interval(values, lambda drawn: drawn.mean(0))
    return list(zip(usable, values.mean(0).tolist(), low.tolist(), high.tolist(), strict=True))


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float | np.ndarray] = np.mean,
    *,
    seed: int = 0,
    replicates: int = 2000,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the percentile interval of a statistic (bootstrap of Efron, 1979).

    Args:
        values: (units, ...); exchangeable units, drawn with replacement along the first axis.
        statistic: maps such an array to a number or an array; the ends have its shape.

    Raises:
        ValueError: no units.
    """
    values = np.asarray(values)
    if not len(values):
        raise ValueError("a bootstrap of no units: there is nothing to draw from")
    rng = np.random.default_rng(seed)
    drawn = [statistic(draw_units(values, rng)) for _ in range(replicates)]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return low, high


def draw_units(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return as many units, drawn with replacement."""
    return values[rng.integers(0, len(values), len(values))]


def draw_blocks(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return as many steps, in blocks of neighbours (moving block bootstrap of Künsch, 1989)."""
    starts = rng.integers(0, len(values) - BLOCK + 1, -(-len(values) // BLOCK))
    return np.concatenate([values[start : start + BLOCK] for start in starts])[: len(values)]


def bootstrap_over_runs(
    runs: Sequence[Sequence[np.ndarray | float]],
    statistic: Callable[..., float],
    draw: Callable[[np.ndarray, np.random.Generator], np.ndarray],
    *,
    together: bool,
    replicates: int = 4000,
) -> tuple[float, float, float]:
    """Return (estimate, low, high) of the mean over runs of a statistic of each run's samples.

    A replicate draws runs with replacement, then units of each sample.

    Args:
        runs: the arguments of `statistic`, by run. Arrays are drawn from; numbers stay.
        draw: `draw_units` or `draw_blocks`.
        together: the samples are of the same units, as problems are: one draw serves all samples
            of all runs. Otherwise each sample has a draw of its own.
    """
    rng, replicated = np.random.default_rng(0), []
    for _ in range(replicates):
        chosen, key = rng.integers(0, len(runs), len(runs)), int(rng.integers(2**32))
        values = []
        for place, run in enumerate(chosen):
            own = np.random.default_rng([key, place])
            same = (np.random.default_rng([key, 0]) if together else own for _ in runs[run])
            drawn = [
                draw(part, r) if np.ndim(part) else part
                for part, r in zip(runs[run], same, strict=True)
            ]
            values.append(statistic(*drawn))
        replicated.append(np.mean(values))
    low, high = np.quantile(replicated, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(np.mean([statistic(*run) for run in runs])), float(low), float(high)


def smooth(values: Sequence[float], window: int = 7) -> np.ndarray:
    """Return the trailing mean over at most `window` values.

    >>> smooth([1.0, 3.0, 5.0], window=2).tolist()
    [1.0, 2.0, 4.0]
    """
    return np.array([np.mean(values[max(0, i - window + 1) : i + 1]) for i in range(len(values))])


def over_seeds(rows: Sequence[dict]) -> list[dict]:
    """Return one row a step: the mean over seeds of every number that all rows of the step hold."""
    steps: dict[int, list[dict]] = {}
    for row in rows:
        steps.setdefault(row["step"], []).append(row)
    means = []
    for step, same in sorted(steps.items()):
        keys = [key for key in same[0] if all(type(row.get(key)) in (int, float) for row in same)]
        numbers = {key: float(np.mean([row[key] for row in same])) for key in keys}
        numbers.pop("seed", None)
        means.append({"step": step} | numbers)
    return means
