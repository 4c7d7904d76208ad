"""Claims C1 to C4 of the paper, each turned into one number with an interval and a verdict. The rules stand here, before any run.

| claim | quantity (positive speaks for the claim) | interval | reproduced when |
| --- | --- | --- | --- |
| C1 FD keeps a higher entropy than GRPO | mean policy entropy over the last quarter of training, FD − GRPO, nats a token | bootstrap over steps in blocks of 5 | the interval lies above 0 |
| C2 FD scales better in k | (pass@kmax − pass@1) on test, FD − GRPO | bootstrap over problems | the interval lies above 0 |
| C3 GRPO over FD beats both alone | pass@1 on test, GRPO over the middle FD checkpoint − the better of FD and GRPO | bootstrap over problems | the interval lies above 0 |
| C4 FD finds new lemmas faster | distinct library lemmas in verified training proofs, FD − GRPO, at the largest number of sampled tokens that both reached | bootstrap over tenths of the run | the interval lies above 0 |

*not reproduced*: the interval lies below 0. *undecided*: it holds 0, or data is missing or too little (C1: fewer than two blocks). With several runs (seeds) the units of the
bootstrap are drawn within each run, runs are drawn too, and the estimates are averaged. The middle checkpoint is named beforehand so
that the best of three is not picked after the fact. Left out on purpose: claims that need experiments outside `run_all.sh`'s five arms.
"""
from __future__ import annotations

import json
from pathlib import Path
from typing import Callable, Literal, Sequence

import numpy as np

from fdcore.evaluation import per_problem
from fdcore.records import Record, read_jsonl, write_text

REPLICATES, LEVEL, BLOCK = 4000, 0.95, 5
Resample = Callable[[np.random.Generator | None], float]  # the quantity of one run: as it is (None), or on resampled units


class Claim(Record):
    """A claim, judged. `estimate` and the interval's ends are in `unit`; None where data is missing."""

    id: str
    claim: str
    quantity: str
    unit: str
    estimate: float | None
    low: float | None
    high: float | None
    verdict: Literal["reproduced", "not reproduced", "undecided"]
    detail: str  # the numbers behind the estimate
    paper: str  # the paper's own numbers


def judge(folders: Sequence[Path]) -> list[Claim]:
    """Judge the four claims on one run folder, or on several (one a seed)."""
    return [
        _claim("C1", "FD keeps a higher entropy than GRPO", "mean entropy over the last quarter of training, FD − GRPO", "nats", folders, _entropy_gap, "entropy about 0.33 → 0.44 (FD) and 0.345 → 0.096 (GRPO), Figure 2"),
        _claim("C2", "at similar pass@1, FD scales better in k", "gain from pass@1 to pass@kmax on test, FD − GRPO", "share", folders, _k_gap, "pass@1 → pass@16: .56 → .894 (FD), .616 → .84 (GRPO), Figure 3"),
        _claim("C3", "GRPO over FD beats both alone", "test pass@1, GRPO over the middle FD checkpoint − the better of FD and GRPO", "share", folders, _over_gap, "59 % (GRPO), 61–64.5 % (FD), 75 % (GRPO over FD), Figure 2 and text"),
        _claim("C4", "FD finds new lemmas faster", "distinct lemmas in verified training proofs at equal sampled tokens, FD − GRPO", "lemmas", folders, _lemma_gap, "lemmas ÷ step 6.3 → 2.95 (FD), 5.0 → 2.63 (GRPO), Figure 3"),
    ]


def _claim(name: str, claim: str, quantity: str, unit: str, folders: Sequence[Path], measure, paper: str) -> Claim:
    fixed = dict(id=name, claim=claim, quantity=quantity, unit=unit, paper=paper)
    try:
        runs: list[tuple[Resample, str]] = [measure(Path(folder)) for folder in folders]
    except LookupError as missing:
        return Claim(**fixed, estimate=None, low=None, high=None, verdict="undecided", detail=f"no data: {missing.args[0]}")
    rng = np.random.default_rng(0)
    estimate = float(np.mean([resample(None) for resample, _ in runs]))
    draws = [np.mean([runs[i][0](rng) for i in rng.integers(0, len(runs), len(runs))]) for _ in range(REPLICATES)]
    low, high = (float(q) for q in np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    verdict = "reproduced" if low > 0 else "not reproduced" if high < 0 else "undecided"
    return Claim(**fixed, estimate=estimate, low=low, high=high, verdict=verdict, detail="; ".join(detail for _, detail in runs))


def _metrics(folder: Path, arm: str) -> list[dict]:
    rows = list(read_jsonl(folder / "arms" / arm / "metrics.jsonl"))
    if not rows:
        raise LookupError(f"{folder.name} has no metrics of {arm}")
    return rows


def _evaluation(folder: Path, arm: str) -> list[dict]:
    rows = list(read_jsonl(folder / "arms" / arm / "eval_test.jsonl"))
    if not rows:
        raise LookupError(f"{folder.name} has no test evaluation of {arm}")
    return rows


def _entropy_gap(folder: Path) -> tuple[Resample, str]:
    late = {arm: np.array([row["entropy"] for row in _metrics(folder, arm)]) for arm in ("fd", "grpo")}
    late = {arm: values[-max(1, len(values) // 4) :] for arm, values in late.items()}
    if min(map(len, late.values())) < 2 * BLOCK:
        raise LookupError(f"{folder.name}: fewer than {2 * BLOCK} steps in the last quarter of training")

    def mean(values: np.ndarray, rng) -> float:
        if rng is None:
            return values.mean()
        blocks = [values[i : i + BLOCK] for i in range(max(1, len(values) - BLOCK + 1))]
        return np.concatenate([blocks[i] for i in rng.integers(0, len(blocks), max(1, round(len(values) / BLOCK)))]).mean()

    return lambda rng: mean(late["fd"], rng) - mean(late["grpo"], rng), f"FD {late['fd'].mean():.3f}, GRPO {late['grpo'].mean():.3f}"


def _paired(folder: Path, arms: Sequence[str], ks_of: Callable[[int], list[int]]) -> list[np.ndarray]:
    """pass@k a problem, (problems, ks), of arms that were evaluated on the same problems."""
    rows = [_evaluation(folder, arm) for arm in arms]
    if len({tuple(row["problem_id"] for row in found) for found in rows}) != 1:
        raise LookupError(f"{folder.name}: {', '.join(arms)} were evaluated on different problems")
    ks = ks_of(min(row["n"] for found in rows for row in found))
    return [per_problem(found, ks) for found in rows]


def _k_gap(folder: Path) -> tuple[Resample, str]:
    values = _paired(folder, ("fd", "grpo"), lambda n: [1, n])
    pick = lambda v, rng: v if rng is None else v[rng]

    def gap(rng) -> float:
        chosen = None if rng is None else rng.integers(0, len(values[0]), len(values[0]))
        fd, grpo = (pick(v, chosen).mean(0) for v in values)
        return (fd[1] - fd[0]) - (grpo[1] - grpo[0])

    (fd1, fdk), (grpo1, grpok) = (v.mean(0) for v in values)
    return gap, f"pass@1 → pass@kmax: FD {fd1:.1%} → {fdk:.1%}, GRPO {grpo1:.1%} → {grpok:.1%}"


def _over_gap(folder: Path) -> tuple[Resample, str]:
    arms = ("fd", "grpo", "grpo_from_fd_2")
    fd, grpo, over = (v[:, 0] for v in _paired(folder, arms, lambda n: [1]))

    def gap(rng) -> float:
        chosen = slice(None) if rng is None else rng.integers(0, len(fd), len(fd))
        return over[chosen].mean() - max(fd[chosen].mean(), grpo[chosen].mean())

    return gap, f"FD {fd.mean():.1%}, GRPO {grpo.mean():.1%}, GRPO over FD (middle) {over.mean():.1%}"


def _lemma_gap(folder: Path) -> tuple[Resample, str]:
    series = {arm: [(row["tokens_sampled"], row["lemmas_seen"]) for row in _metrics(folder, arm)] for arm in ("fd", "grpo")}
    budget = min(rows[-1][0] for rows in series.values())
    edges = np.linspace(0, budget, 11)
    gains = {arm: np.diff([max((seen for tokens, seen in rows if tokens <= edge), default=0) for edge in edges]) for arm, rows in series.items()}
    difference = gains["fd"] - gains["grpo"]
    gap = lambda rng: float(difference.sum() if rng is None else rng.choice(difference, len(difference)).sum())
    return gap, f"after {budget:,} sampled tokens: FD {gains['fd'].sum()}, GRPO {gains['grpo'].sum()}"


def table(claims: Sequence[Claim]) -> str:
    """The claims as a Markdown table."""
    rows = ["| claim | this run: estimate [95 % interval] | verdict | numbers | the paper |", "| --- | --- | --- | --- | --- |"]
    for c in claims:
        number = "—" if c.estimate is None else f"{c.estimate:+.3f} [{c.low:+.3f}, {c.high:+.3f}] {c.unit}"
        rows.append(f"| **{c.id}** {c.claim} | {c.quantity}: {number} | **{c.verdict}** | {c.detail} | {c.paper} |")
    return "\n".join(rows) + "\n"


def write_claims(claims: Sequence[Claim], folder: Path) -> None:
    """claims.json and claims.md in `folder`."""
    write_text(Path(folder) / "claims.json", json.dumps([c.model_dump() for c in claims], indent=1, ensure_ascii=False) + "\n")
    write_text(Path(folder) / "claims.md", table(claims))
