"""The rules of notebook 13 on runs made up, against numbers that are computed here once more."""

import json
from fractions import Fraction
from math import comb
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from fdcore.figures.claims import Claim, decide
from fdcore.profile import load_profile
from fdcore.records import read_jsonl

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "13_claims.ipynb"
PROFILE = load_profile("tiny-full")
ARMS = [
    "base", "fd", "grpo", "grpo_from_fd_2", "grpo_from_fd_3", "over_sources/ground_truth",
    "over_sources/Lean_output", "teacher_speed/alpha_0.00", "teacher_speed/alpha_1.00",
    "tools_fd/FD_no_tools", "tools_grpo/GRPO_no_tools", "formulations/Prompt_1",
]  # fmt: skip
RATES = dict(zip(ARMS, (0.2, 0.5, 0.5, 0.8, 0.8, 0.8, 0.5, 0.3, 0.3, 0.3, 0.3, 0.3), strict=True))
PROBLEMS = [(f"{i:03d}", f"lemma {i % 15}") for i in range(60)]


def run_of(seed=0, *, rates=RATES, entropy=(0.4, 0.1), words=1.0, steps=40, **kl):
    """A run in which all claims hold: rows by arm, as `fdcore.experiment.run.Run` gives them."""
    rng = np.random.default_rng(seed)
    evaluations = {
        arm: [
            {"problem_id": id, "lemmas": [lemma], "unknown": i % 3 == 0, "n": 32, "tokens": 900}
            | {"c": int(rng.binomial(32, rng.beta(4 * rate, 4 * (1 - rate))))}
            for i, (id, lemma) in enumerate(PROBLEMS)
        ]
        for arm, rate in rates.items()
    }
    for row in evaluations.get("grpo", ()):  # all or nothing: nothing is gained by more tries
        row["c"] = 32 * (row["c"] > 16)
    metrics = {
        arm: [
            {"step": s, "entropy": level + 0.01 * rng.standard_normal(), "epistemic_words": words}
            | {"lemmas_seen": s if arm == "fd" else s / 8, "response_tokens": 80}
            for s in range(1, steps + 1)
        ]
        for arm, level in {"fd": entropy[0], "grpo": entropy[1]}.items()
    }
    left = kl.get("left", 0.02)
    metrics["constant/Be_concise"] = [
        {"kl": 0.5 if s == 0 else 0.5 * (left + 0.001 * seed)} for s in range(steps)
    ]
    metrics["sources/ground_truth"] = [
        {"response_tokens": 80 if s < 5 else 40 + seed} for s in range(steps)
    ]
    return SimpleNamespace(
        seed=seed,
        profile=PROFILE,
        problems=lambda: {"train": [None] * 5000},
        metrics=lambda arm: metrics.get(arm, []),
        evaluation=lambda arm, split: evaluations.get(arm, []),
    )


def judge_all(*runs):
    """Run the notebook's cells up to the verdicts; the claims by id."""
    cells = nbformat.read(NOTEBOOK, as_version=4).cells
    end = next(i for i, cell in enumerate(cells) if cell.source.startswith("## All verdicts"))
    sources = [cell.source for cell in cells[:end] if cell.cell_type == "code"]
    names = {"study": SimpleNamespace(runs=runs)}
    for source in [sources[1].partition("study = ")[0], *sources[2:]]:
        exec(source, names)
    return {claim.id: claim for claim in decide(names["claims"])}


@pytest.fixture(scope="module")
def judged():
    return judge_all(*(run_of(seed) for seed in range(3)))


def mean(arm, k=1, keep=lambda row: True):
    """pass@k over seeds and problems in exact arithmetic, by counting subsets."""
    shares = [
        1 - Fraction(comb(row["n"] - row["c"], k), comb(row["n"], k))
        for seed in range(3)
        for row in run_of(seed).evaluation(arm, "test")
        if keep(row)
    ]
    return float(sum(shares) / len(shares))


def test_runs_in_which_all_hold_reproduce_all(judged):
    assert {id for id, claim in judged.items() if claim.verdict != "reproduced"} <= {"P3", "P4"}
    assert list(judged) == ["P1", "P2", "P3", "P4", *(f"C{i}" for i in range(1, 11))]
    assert all(claim.low <= claim.estimate <= claim.high for claim in judged.values())


def test_the_estimates_are_those_of_an_independent_computation(judged):
    over = mean("grpo_from_fd_2")
    slow = mean("fd")
    expected = {
        "P1": mean("fd") - mean("base"),
        "P3": mean("fd", keep=lambda r: not r["unknown"])
        - mean("base", keep=lambda r: not r["unknown"]),
        "P4": mean("grpo", 16) - mean("base", 16),
        "C2": mean("fd", 16) - mean("fd") - mean("grpo", 16) + mean("grpo"),
        "C3": min(over - mean("fd"), over - mean("grpo")),
        "C6": slow - max(mean("teacher_speed/alpha_0.00"), mean("teacher_speed/alpha_1.00")),
        "C8": min(
            mean("fd") - mean("tools_fd/FD_no_tools"),
            mean("grpo") - mean("tools_grpo/GRPO_no_tools"),
        ),
        "C4": 10 - 40 / 8,  # 640 problems: ten steps of FD, forty of GRPO
        "C7": 1 - (0.02 + 0.001),
        "C10": 1 - (40 + 1) / 80,
    }
    for id, value in expected.items():
        assert judged[id].estimate == pytest.approx(value, abs=1e-9), id


def test_the_interval_is_that_of_a_bootstrap_written_out(judged):
    """Seeds and lemmas are drawn one by one here, in plain loops."""
    rng, differences = np.random.default_rng(7), {}
    for seed in range(3):
        run = run_of(seed)
        fd, base = ({r["problem_id"]: r for r in run.evaluation(a, "test")} for a in ("fd", "base"))
        for id, lemma in PROBLEMS:
            gain = fd[id]["c"] / 32 - base[id]["c"] / 32
            differences.setdefault(lemma, []).append((seed, gain))
    means = []
    for _ in range(2000):
        seeds = rng.integers(0, 3, 2)
        lemmas = rng.choice(list(differences), len(differences))
        drawn = [[g for lemma in lemmas for s, g in differences[lemma] if s == at] for at in seeds]
        means.append(np.mean(drawn))
    low, high = np.quantile(means, [0.025, 0.975])
    assert (judged["P1"].low, judged["P1"].high) == pytest.approx((low, high), abs=0.015)


def test_the_opposite_is_not_reproduced():
    opposite = {arm: 1 - rate for arm, rate in RATES.items()}
    runs = [run_of(s, rates=opposite, entropy=(0.1, 0.4), left=0.6) for s in range(3)]
    verdicts = {id: claim.verdict for id, claim in judge_all(*runs).items()}
    for id in ("P1", "C1", "C3", "C6", "C7", "C8", "C9"):
        assert verdicts[id] == "not reproduced", id


def test_two_seeds_decide_nothing_and_one_has_no_interval_of_an_entropy():
    two = judge_all(run_of(0), run_of(1))
    assert {claim.verdict for claim in two.values()} == {"undecided"}
    one = judge_all(run_of(0))
    assert one["C1"].low is None
    assert one["P1"].low < one["P1"].estimate < one["P1"].high


def test_missing_data_is_said_and_never_guessed():
    without = {arm: rate for arm, rate in RATES.items() if arm != "grpo"}
    judged = judge_all(*(run_of(s, rates=without) for s in range(3)))
    for id in ("P2", "P4", "C2", "C3", "C8"):
        assert judged[id].estimate is None
        assert "grpo" in judged[id].detail


def test_a_handful_of_steps_decides_nothing():
    judged = judge_all(*(run_of(s, steps=8) for s in range(3)))
    for id in ("C1", "C4", "C7"):
        assert judged[id].verdict == "undecided"
        assert "10 steps" in judged[id].detail


def test_a_student_without_prose_cannot_be_tested_for_its_length():
    assert judge_all(*(run_of(s, words=0.0) for s in range(3)))["C10"].verdict == (
        "not testable here"
    )


def test_arms_of_different_pass_at_1_say_nothing_about_scaling():
    runs = [run_of(s, rates=RATES | {"grpo": 0.8}) for s in range(3)]
    claim = judge_all(*runs)["C2"]
    assert claim.verdict == "undecided"
    assert "apart" in claim.detail


def test_a_verdict_is_corrected_for_the_number_of_claims():
    def claim(id, p):
        rule = {"id": id, "claim": "", "quantity": "", "unit": "", "paper": "", "detail": ""}
        seeds = {str(seed): 1.0 for seed in range(3)}
        return Claim(**rule, estimate=1.0, low=0.1, high=2.0, p=p, seeds=seeds)

    assert [c.verdict for c in decide([claim("a", 0.03)])] == ["reproduced"]
    assert [c.verdict for c in decide([claim("a", 0.03), claim("b", 0.04)])] == ["undecided"] * 2


def test_the_published_claims_are_those_of_the_published_records():
    """A number in figures/ is one that the notebook computes."""
    figures = NOTEBOOK.parents[1] / "figures"
    claims = json.loads((figures / "claims.json").read_text(encoding="utf-8"))
    for claim in claims:
        if claim["id"] == "P1":
            shares = {}
            for arm in ("arms/fd", "base"):
                rows = [
                    row
                    for path in sorted(figures.glob(f"records/seed-*/{arm}/eval_test.jsonl"))
                    for row in read_jsonl(path)
                ]
                shares[arm] = np.mean([row["c"] / row["n"] for row in rows])
            assert claim["estimate"] == pytest.approx(shares["arms/fd"] - shares["base"])
