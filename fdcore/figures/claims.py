"""Claims of the paper, each turned into one number with an interval and a verdict by the rules below, written before a run was published
(C10's was made stricter after that, and says so).

*reproduced* when the 95 % interval lies above 0, *not reproduced* when it lies below, else *undecided*; undecided too where data is missing
or too little, or where the claim's own condition does not hold. With several runs (seeds) the estimates are averaged, and the bootstrap draws
runs, then units within each; problems are the same in every run, so that one draw of problems serves all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from fdcore.experiment.evaluation import per_problem
from fdcore.records import Record, markdown_table, read_jsonl, write_text

REPLICATES, LEVEL = 4000, 0.95
BLOCK = 5  # steps: neighbouring steps are not independent
FEWEST = 2 * BLOCK  # steps below which a training curve decides nothing
SIMILAR = 0.10  # C2's "similar pass@1"; the paper's two arms are .06 apart
MIDDLE = (
    "grpo_from_fd_2"  # named beforehand, so that the best of three is not picked after the fact
)
# The variants that C5 to C10 look at, by ablation and label in the profile.
OVER_SOURCES = {
    "critique": "grpo_from_fd_3",
    "ground truth": "over_sources/ground_truth",
    "Lean output": "over_sources/Lean_output",
}
GROUND_TRUTH, CONCISE, FREE = "sources/ground_truth", "constant/Be_concise", "formulations/Prompt_1"
FAST = "teacher_speed/alpha_0.00"
NO_TOOLS = {"fd": "tools_fd/FD_no_tools", "grpo": "tools_grpo/GRPO_no_tools"}


class Rule(Record):
    """How a claim is judged. A positive quantity speaks for it."""

    id: str
    claim: str
    quantity: str
    unit: str
    bootstrap: str  # what is drawn with replacement
    reproduced_when: str
    paper: str  # the paper's own numbers


ABOVE = "the interval lies above 0"
RULES = (
    Rule(
        id="C1",
        claim="FD keeps a higher entropy than GRPO",
        quantity="mean policy entropy over the last quarter of training, FD − GRPO",
        unit="nats a token",
        bootstrap=f"steps, in blocks of {BLOCK}",
        reproduced_when=f"{ABOVE}; at least {FEWEST} steps in the quarter",
        paper="entropy about 0.33 → 0.44 (FD) and 0.345 → 0.096 (GRPO), Figure 2",
    ),
    Rule(
        id="C2",
        claim="at similar pass@1, FD scales better in k",
        quantity="(pass@kmax − pass@1) on test, FD − GRPO; kmax is the number of samples",
        unit="share of problems",
        bootstrap="problems",
        reproduced_when=f"{ABOVE}; pass@1 of the two at most {SIMILAR:.2f} apart",
        paper="pass@1 → pass@16: .56 → .894 (FD), .616 → .84 (GRPO), Figure 3",
    ),
    Rule(
        id="C3",
        claim="GRPO over FD beats both alone",
        quantity="pass@1 on test after training, GRPO over the middle FD checkpoint − the better of FD and GRPO",
        unit="share of problems",
        bootstrap="problems",
        reproduced_when=ABOVE,
        paper="59 % (GRPO), 61–64.5 % (FD), 75 % (GRPO over FD), Figure 2 and text",
    ),
    Rule(
        id="C4",
        claim="FD finds new lemmas faster",
        unit="lemmas",
        quantity="distinct library lemmas in verified training proofs, FD − GRPO, at the largest number of sampled tokens that both reached",
        bootstrap="tenths of the token budget",
        reproduced_when=f"{ABOVE}; at least {FEWEST} steps of each within the budget",
        paper="lemmas ÷ step 6.3 → 2.95 (FD), 5.0 → 2.63 (GRPO), Figure 3",
    ),
    Rule(
        id="C5",
        claim="critique and ground truth are better starts for GRPO than Lean's output",
        unit="share of problems",
        bootstrap="problems",
        reproduced_when=ABOVE,
        quantity="pass@1 on test after GRPO, the lesser of the starts from critique and from ground truth − the start from Lean's output",
        paper="peaks .69 (Claude), .72 (ground truth), .66 (Lean), Figure 4",
    ),
    Rule(
        id="C6",
        claim="a slower teacher is the more stable one",
        unit="share of attempts",
        quantity="mean train accuracy over the last quarter of training, FD as it is − FD whose teacher is the student (α = 0)",
        bootstrap=f"steps, in blocks of {BLOCK}",
        reproduced_when=f"{ABOVE}; at least {FEWEST} steps in the quarter",
        paper="test accuracy peaks at .64 (α = .9) and .45 (α = 0), which decays, Figure 6",
    ),
    Rule(
        id="C7",
        claim="constant feedback is internalised: the KL to the frozen teacher all but goes",
        unit="share of the first KL",
        quantity=f"half − (mean KL over the last quarter of training ÷ mean KL over the first {BLOCK} steps), constant text, frozen teacher",
        bootstrap=f"steps, in blocks of {BLOCK}",
        reproduced_when=f"{ABOVE}: more than half is gone; at least {FEWEST} steps in the quarter",
        paper="the KL falls to about 0, Figure 7",
    ),
    Rule(
        id="C8",
        claim="tools help both methods",
        quantity="pass@1 on test, trained and evaluated with tools − without; the smaller of FD's and GRPO's gain",
        unit="share of problems",
        bootstrap="problems",
        reproduced_when=ABOVE,
        paper="train accuracy .167 against .113 (FD), .23 against .135 (GRPO), Qwen3-8B on MiniF2F, Figure 8",
    ),
    Rule(
        id="C9",
        claim="feedback of more structure makes training more stable",
        unit="share of attempts",
        quantity="mean train accuracy over the last quarter of training, fourth formulation − first",
        bootstrap=f"steps, in blocks of {BLOCK}",
        reproduced_when=f"{ABOVE}; at least {FEWEST} steps in the quarter",
        paper="the first prompt peaks at .615 and collapses, the fourth ends at .64, Figure 12",
    ),
    Rule(
        id="C10",
        claim="ground truth as feedback shortens answers, critique does not",
        unit="share of the first length",
        quantity=f"the lesser of 1 − ground truth's and critique's − ground truth's (mean tokens an attempt over the last quarter ÷ over the first {BLOCK} steps)",
        bootstrap=f"steps, in blocks of {BLOCK}",
        reproduced_when=f"{ABOVE}; at least {FEWEST} steps in the quarter. Stricter since 2026-11-26: the first rule looked at the difference alone, and was met where neither got shorter",
        paper="length about 4.8k → 6.1k (Claude), 7.8k → 2.65k (ground truth), Figure 14; words of doubt, which the tiny student has not, Figure 13",
    ),
)


class Claim(Rule):
    """A rule with what this run says to it. `estimate` and the interval's ends are in `unit`; None where nothing could be measured."""

    estimate: float | None
    low: float | None
    high: float | None
    verdict: Literal["reproduced", "not reproduced", "undecided"]
    runs: int  # how many runs (seeds) the estimate rests on
    detail: str  # the numbers behind the estimate, or why there is none

    @property
    def number(self) -> str:
        """The estimate with its interval and unit, for a reader."""
        return (
            "—"
            if self.estimate is None
            else f"{self.estimate:+.3f} [{self.low:+.3f}, {self.high:+.3f}] {self.unit}"
        )


class Measured(NamedTuple):
    """A claim's quantity in one run: as it is (None), or on units drawn with a generator."""

    quantity: Callable[[np.random.Generator | None], float]
    detail: str
    apart: float = 0.0  # C2: pass@1 of FD − pass@1 of GRPO


def judge(folders: str | Path | Iterable[str | Path], only: Sequence[str] = ()) -> list[Claim]:
    """Judge the claims, or only those of these ids, on one run folder, or on several (one a seed)."""
    folders = [
        Path(folder) for folder in ([folders] if isinstance(folders, (str, Path)) else folders)
    ]
    if not folders:
        raise ValueError("judge was given no run folder")
    return [
        _claim(rule, folders, measure)
        for rule, measure in zip(RULES, MEASURES, strict=True)
        if not only or rule.id in only
    ]


def _claim(rule: Rule, folders: Sequence[Path], measure: Callable[[Path], Measured]) -> Claim:
    runs, names, missing = [], [], []
    for folder in folders:
        try:
            runs.append(measure(folder))
            names.append(_named(folder))
        except LookupError as error:
            missing.append(error.args[0])
    if not runs or missing and measure not in ABLATED:
        return Claim(
            **rule.model_dump(),
            estimate=None,
            low=None,
            high=None,
            verdict="undecided",
            runs=0,
            detail=missing[0],
        )
    estimate = float(np.mean([run.quantity(None) for run in runs]))
    draws = _draws(runs, together=rule.bootstrap == "problems")
    low, high = (float(end) for end in np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    verdict = "reproduced" if low > 0 else "not reproduced" if high < 0 else "undecided"
    details = [
        run.detail if len(runs) == 1 else f"{name} {run.quantity(None):+.3f} ({run.detail})"
        for name, run in zip(names, runs)
    ]
    if abs(apart := float(np.mean([run.apart for run in runs]))) > SIMILAR:
        verdict = "undecided"
        details.append(f"not at similar pass@1: {abs(apart):.2f} apart")
    return Claim(
        **rule.model_dump(),
        estimate=estimate,
        low=low,
        high=high,
        verdict=verdict,
        runs=len(runs),
        detail="; ".join(details),
    )


def _draws(runs: Sequence[Measured], *, together: bool) -> list[float]:
    """Bootstrap replicates of the mean over runs; `together`: the same units in every run that was drawn."""
    rng, found = np.random.default_rng(0), []
    for _ in range(REPLICATES):
        chosen, key = rng.integers(0, len(runs), len(runs)), int(rng.integers(2**32))
        found.append(
            np.mean(
                [
                    runs[i].quantity(np.random.default_rng([key, 0 if together else place]))
                    for place, i in enumerate(chosen)
                ]
            )
        )
    return found


def _rows(folder: Path, arm: str, name: str) -> list[dict]:
    rows = list(read_jsonl(folder / "arms" / arm / name))
    if not rows:
        raise LookupError(
            f"no data: {_named(folder)} has no {'test evaluation' if 'eval' in name else 'metrics'} of {arm}"
        )
    return rows


def _named(folder: Path) -> str:
    """A run among several by its seed; its folder may have any name."""
    return folder.name if folder.name.startswith("seed-") else "the run"


# -- what one run says: each returns Measured, or raises LookupError with what is missing ---------------------------------


def _entropy(folder: Path) -> Measured:
    return _late(folder, "entropy", {"FD": "fd", "GRPO": "grpo"})


def _speed(folder: Path) -> Measured:
    return _late(folder, "train_accuracy", {"FD": "fd", "α = 0": FAST})


def _late(folder: Path, key: str, arms: dict[str, str]) -> Measured:
    """Means over the last quarter of training: the first arm's minus the second's."""
    runs = [
        np.array([row[key] for row in _rows(folder, arm, "metrics.jsonl")]) for arm in arms.values()
    ]
    one, other = (values[len(values) - len(values) // 4 :] for values in runs)
    if min(len(one), len(other)) < FEWEST:
        raise LookupError(
            f"too little data: {_named(folder)} has fewer than {FEWEST} steps in the last quarter of training"
        )
    detail = ", ".join(f"{name} {values.mean():.3f}" for name, values in zip(arms, (one, other)))
    return Measured(lambda rng: _blocks(one, rng).mean() - _blocks(other, rng).mean(), detail)


def _blocks(values: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """As many values, in blocks of neighbours drawn with replacement (moving block bootstrap, Künsch 1989)."""
    if rng is None:
        return values
    starts = rng.integers(0, len(values) - BLOCK + 1, -(-len(values) // BLOCK))
    return np.concatenate([values[start : start + BLOCK] for start in starts])[: len(values)]


def _pass_at(folder: Path, arms: Sequence[str]) -> np.ndarray:
    """pass@1 and pass@kmax of arms on the same test problems: (problems, arms, 2)."""
    rows = [_rows(folder, arm, "eval_test.jsonl") for arm in arms]
    if len({tuple(row["problem_id"] for row in found) for found in rows}) != 1:
        raise LookupError(
            f"no data: {_named(folder)} has test evaluations of {', '.join(arms)} on different problems"
        )
    most = min(row["n"] for found in rows for row in found)
    return np.stack([per_problem(found, [1, most]) for found in rows], axis=1)


def _mean(values: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """The mean over problems, which are drawn with replacement when there is a generator."""
    return (values if rng is None else values[rng.integers(0, len(values), len(values))]).mean(0)


def _scaling(folder: Path) -> Measured:
    values = _pass_at(folder, ("fd", "grpo"))

    def quantity(rng) -> float:
        fd, grpo = _mean(values, rng)
        return (fd[1] - fd[0]) - (grpo[1] - grpo[0])

    fd, grpo = _mean(values, None)
    return Measured(
        quantity,
        f"pass@1 → pass@kmax: FD {fd[0]:.1%} → {fd[1]:.1%}, GRPO {grpo[0]:.1%} → {grpo[1]:.1%}",
        apart=fd[0] - grpo[0],
    )


def _over(folder: Path) -> Measured:
    values = _pass_at(folder, ("fd", "grpo", MIDDLE))[:, :, 0]

    def quantity(rng) -> float:
        fd, grpo, over = _mean(values, rng)
        return over - max(fd, grpo)

    fd, grpo, over = _mean(values, None)
    others = {
        name: list(read_jsonl(folder / "arms" / f"grpo_from_fd_{number}" / "eval_test.jsonl"))
        for name, number in (("first", 1), ("last", 3))
    }
    shares = {
        name: f"{per_problem(rows, [1]).mean():.1%}" if rows else "not evaluated"
        for name, rows in others.items()
    }
    return Measured(
        quantity,
        f"FD {fd:.1%}, GRPO {grpo:.1%}; GRPO over FD, first checkpoint {shares['first']}, middle {over:.1%}, last {shares['last']}",
    )


def _tools(folder: Path) -> Measured:
    values = _pass_at(folder, [arm for pair in NO_TOOLS.items() for arm in pair])[
        :, :, 0
    ]  # with and without, method by method

    def quantity(rng) -> float:
        shares = _mean(values, rng)
        return min(shares[0] - shares[1], shares[2] - shares[3])

    shares = _mean(values, None)
    return Measured(
        quantity,
        ", ".join(
            f"{arm.upper()} {shares[2 * i]:.1%} with, {shares[2 * i + 1]:.1%} without"
            for i, arm in enumerate(NO_TOOLS)
        ),
    )


def _lemmas(folder: Path) -> Measured:
    # Between two steps the count is taken as growing evenly, or the method with the larger steps would be held back.
    rows = [
        [{"tokens_sampled": 0, "lemmas_seen": 0}, *_rows(folder, arm, "metrics.jsonl")]
        for arm in ("fd", "grpo")
    ]
    tokens, lemmas = (
        [[row[key] for row in arm] for arm in rows] for key in ("tokens_sampled", "lemmas_seen")
    )
    budget = min(spent[-1] for spent in tokens)
    if min(np.searchsorted(spent, budget, side="right") - 1 for spent in tokens) < FEWEST:
        raise LookupError(
            f"too little data: {_named(folder)} has fewer than {FEWEST} steps of FD or GRPO within {budget:,} tokens"
        )
    fd, grpo = (
        np.diff(np.interp(np.linspace(0, budget, 11), *curve)) for curve in zip(tokens, lemmas)
    )
    gained = fd - grpo
    return Measured(
        lambda rng: float((gained if rng is None else rng.choice(gained, len(gained))).sum()),
        f"after {budget:,} sampled tokens: FD {fd.sum():.0f}, GRPO {grpo.sum():.0f}",
    )


def _sources(folder: Path) -> Measured:
    values = _pass_at(folder, list(OVER_SOURCES.values()))[:, :, 0]

    def quantity(rng) -> float:
        critique, truth, lean = _mean(values, rng)
        return min(critique, truth) - lean

    return Measured(
        quantity,
        ", ".join(f"{name} {share:.1%}" for name, share in zip(OVER_SOURCES, _mean(values, None))),
    )


def _constant(folder: Path) -> Measured:
    late, early = _ends(folder, CONCISE, "kl")
    return Measured(
        lambda rng: 0.5 - _blocks(late, rng).mean() / early,
        f"KL {early:.3f} → {late.mean():.3f} nats a token",
    )


def _formulations(folder: Path) -> Measured:
    return _late(folder, "train_accuracy", {"fourth": "fd", "first": FREE})


def _length(folder: Path) -> Measured:
    (critique, first), (truth, start) = (
        _ends(folder, arm, "response_tokens") for arm in ("fd", GROUND_TRUTH)
    )

    def quantity(rng) -> float:
        shares = _blocks(critique, rng).mean() / first, _blocks(truth, rng).mean() / start
        return min(1.0, shares[0]) - shares[1]

    return Measured(
        quantity,
        f"tokens an attempt: critique {first:.0f} → {critique.mean():.0f}, ground truth {start:.0f} → {truth.mean():.0f}",
    )


def _ends(folder: Path, arm: str, key: str) -> tuple[np.ndarray, float]:
    """The values of an arm's last quarter, and the mean of its first steps."""
    values = np.array([row[key] for row in _rows(folder, arm, "metrics.jsonl")])
    if len(values) // 4 < FEWEST:
        raise LookupError(
            f"too little data: {_named(folder)} has fewer than {FEWEST} steps in the last quarter of training"
        )
    return values[len(values) - len(values) // 4 :], float(values[:BLOCK].mean())


MEASURES = (
    _entropy,
    _scaling,
    _over,
    _lemmas,
    _sources,
    _speed,
    _constant,
    _tools,
    _formulations,
    _length,
)
ABLATED = MEASURES[4:]  # on the runs that have the ablation: usually the first alone


# -- for readers -----------------------------------------------------------------------------------------------------------


def table(claims: Sequence[Claim]) -> str:
    """The claims as a Markdown table."""
    head = [
        "claim",
        "quantity",
        "estimate [95 % interval]",
        "reproduced when",
        "verdict",
        "seeds",
        "this run's numbers",
        "the paper",
    ]
    rows = markdown_table(
        head,
        [
            (
                f"**{c.id}** {c.claim}",
                c.quantity,
                c.number,
                c.reproduced_when,
                f"**{c.verdict}**",
                str(c.runs),
                c.detail,
                c.paper,
            )
            for c in claims
        ],
    )
    return f"{rows}\n\nIntervals: bootstrap over {', '.join(f'{c.bootstrap} ({c.id})' for c in claims)}, and over runs where there are several.\n"


def write_claims(claims: Sequence[Claim], folder: Path) -> None:
    """claims.json and claims.md in `folder`."""
    write_text(
        Path(folder) / "claims.json",
        json.dumps([c.model_dump() for c in claims], indent=1, ensure_ascii=False) + "\n",
    )
    write_text(Path(folder) / "claims.md", table(claims))
