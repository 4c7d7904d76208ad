"""Statistics of a run's rows: pass@k, intervals over seeds and lemmas, corrections.

A row of an evaluation file is one problem with `n` samples, `c` of them verified. This file reads
no files and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

LEVEL = 0.95  # of all intervals


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


def pass_at_k_by_problem(rows: Sequence[dict], k: int) -> dict[str, float]:
    """Return pass@k of each problem that has k samples, the mean over its seeds."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["n"] >= k:
            values.setdefault(row["problem_id"], []).append(pass_at_k(row["n"], row["c"], k))
    return {problem: float(np.mean(seeds)) for problem, seeds in values.items()}


def mean_pass_at_k(rows: Sequence[dict], k: int) -> float:
    """Return pass@k, the mean over problems. Raises ValueError where none has k samples."""
    values = pass_at_k_by_problem(rows, k)
    if not values:
        raise ValueError(f"pass@{k} of no problems: none has {k} samples")
    return float(np.mean(list(values.values())))


def lemma_of(row: dict) -> str:
    """Return the cluster of an evaluation row: its problem's first lemma, else the problem."""
    return (row.get("lemmas") or [row["problem_id"]])[0]


def pass_at_k_curve(
    rows: Sequence[dict], ks: Sequence[int]
) -> list[tuple[int, float, float, float]]:
    """Return (k, pass@k, low, high) for each k that the samples allow; nothing for no rows.

    Problems with fewer samples than the largest such k are left out, so that one curve is about
    the same problems everywhere. `low` and `high` end the bootstrap interval over lemmas.
    """
    most = max((row["n"] for row in rows), default=0)
    usable = [k for k in ks if k <= most]
    if not usable:
        return []
    rows = [row for row in rows if row["n"] >= max(usable)]
    by_k = [pass_at_k_by_problem(rows, k) for k in usable]
    lemmas = {row["problem_id"]: lemma_of(row) for row in rows}
    values = np.array([[own[problem] for problem in lemmas] for own in by_k])
    means = bootstrap_means(values, list(lemmas.values()))
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return list(zip(usable, values.mean(1).tolist(), low.tolist(), high.tolist(), strict=True))


def bootstrap_means(
    values: np.ndarray, clusters: Sequence[str], *, replicates: int = 4000
) -> np.ndarray:
    """Return means over units of replicates: (replicates, ...). One draw serves all leading axes.

    Problems that need the same lemma fail together, so whole clusters are drawn with replacement.

    Args:
        values: (..., units).
        clusters: the cluster of each unit.
    """
    _, place = np.unique(np.asarray(clusters), return_inverse=True)
    count = int(place.max()) + 1
    member = np.eye(count)[place]  # (units, clusters)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), replicates)
    sums = np.tensordot(drawn, np.asarray(values, float) @ member, (1, -1))
    sizes = drawn @ member.sum(0)
    return sums / sizes.reshape(-1, *[1] * (sums.ndim - 1))


def bootstrap_over_seeds(
    values: np.ndarray, clusters: Sequence[str], statistic: Callable, *, replicates: int = 10_000
) -> np.ndarray:
    """Return replicates of a statistic of means over seeds and units.

    Each replicate draws clusters of units, the same for all arms and seeds, and seeds. One seed
    less than there are is drawn: else the variance of few seeds comes out too small.

    Args:
        values: (seeds, columns, units).
        statistic: maps the columns' means, one array each, to the quantity.
    """
    count = len(values)
    means = bootstrap_means(values, clusters, replicates=replicates)
    draws = max(1, count - 1)
    drawn = np.random.default_rng(1).multinomial(draws, np.full(count, 1 / count), replicates)
    return statistic(*np.einsum("rs,rsc->cr", drawn / draws, means))


def student_t(values: np.ndarray, *, replicates: int = 100_000) -> np.ndarray:
    """Return draws around the mean of one number a seed, as Student's t has them.

    A number a seed leaves nothing else to draw from, and three numbers too little to bootstrap.
    """
    count = len(values)
    spread = values.std(ddof=1) / np.sqrt(count)
    return values.mean() + spread * np.random.default_rng(0).standard_t(count - 1, replicates)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the p-values corrected for their number (Holm, 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    corrected, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected
