"""What is measured on a policy: pass@k, and its bootstrap interval.

Rows are those of an evaluation file: one dict a problem with `n` samples, `c` of them verified. Left out on purpose: sampling
(`fdcore.experiment.run`) and judgement (`fdcore.figures.claims`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np


def pass_at_k(n: int, c: int, k: int) -> float:
    """Unbiased probability that at least one of k samples is right, from c right ones among n (Chen et al., arXiv 2107.03374, eq. 1).

    1 − C(n − c, k) / C(n, k), as a product, so that no factorial overflows. ValueError unless 0 ≤ c ≤ n and 1 ≤ k ≤ n.

    >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 2), pass_at_k(4, 0, 4)
    (0.25, 0.5, 0.0)
    """
    if not (0 <= c <= n and 1 <= k <= n):
        raise ValueError(
            f"pass_at_k needs 0 <= c <= n and 1 <= k <= n, got n={n}, c={c}, k={k}; sample at least k times"
        )
    if n - c < k:
        return 1.0
    return 1.0 - float(np.prod(1.0 - k / np.arange(n - c + 1, n + 1)))


def per_problem(rows: Sequence[dict], ks: Sequence[int]) -> np.ndarray:
    """pass@k of each problem, the mean over its rows where several seeds have one: (problems, len(ks))."""
    if not rows:
        raise ValueError("pass@k of no problems: the evaluation file is empty")
    found: dict[str, list[list[float]]] = {}
    for row in rows:
        found.setdefault(row["problem_id"], []).append(
            [pass_at_k(row["n"], row["c"], k) for k in ks]
        )
    return np.array([np.mean(values, 0) for values in found.values()])


def pass_at_k_curve(rows: Sequence[dict], ks: Sequence[int]) -> dict[int, float]:
    """Mean over problems of pass@k, for each k."""
    return dict(zip(ks, per_problem(rows, ks).mean(0).tolist()))


def bootstrap_pass_at_k(
    rows: Sequence[dict],
    ks: Sequence[int],
    *,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
) -> dict[int, tuple[float, float]]:
    """Percentile intervals of the mean pass@k, problems drawn with replacement."""
    low, high = bootstrap_interval(
        per_problem(rows, ks),
        lambda values: values.mean(0),
        seed=seed,
        replicates=replicates,
        level=level,
    )
    return dict(zip(ks, zip(low.tolist(), high.tolist())))


def bootstrap_interval(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float | np.ndarray] = np.mean,
    *,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
) -> tuple[np.ndarray, np.ndarray]:
    """Percentile bootstrap interval of a statistic of exchangeable units (Efron 1979): its lower and its upper end.

    values: (units, ...), drawn with replacement along the first axis. The ends have the statistic's shape. ValueError for no units.
    """
    values = np.asarray(values)
    if not len(values):
        raise ValueError("a bootstrap of no units: there is nothing to draw from")
    rng = np.random.default_rng(seed)
    found = [
        statistic(values[rng.integers(0, len(values), len(values))]) for _ in range(replicates)
    ]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return low, high
