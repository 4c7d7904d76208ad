"""A collapse is told from noise, and what moved first is named."""

import random

import pytest

from fdcore.figures.collapse import QUANTITIES, WINDOW, course, course_table, paragraph, with_shares


def run(accuracy, **more):
    """Metrics rows of these accuracies; each further quantity a function of the step, from 1."""
    return [
        {
            "step": step,
            "seed": 0,
            "train_accuracy": value,
            **{key: each(step) for key, each in more.items()},
        }
        for step, value in enumerate(accuracy, 1)
    ]


def test_a_run_that_falls_names_its_peak_its_fall_and_what_left_first():
    rows = run(
        [0.1] * 10 + [0.5] * 20 + [0.0] * 10,
        entropy=lambda s: 0.1 if s <= 25 else 0.01,
        response_tokens=lambda s: 80 if s <= 31 else 200,
        tool_calls=lambda s: 3.0,
    )
    found = course(rows)
    assert (
        found.peak == pytest.approx(0.5)
        and found.peak_step == 10 + WINDOW
        and found.end == pytest.approx(0, abs=1e-12)
    )
    assert found.fell_at == 30 + 3  # three of five steps at 0: .2 is below .25
    assert found.left == {"entropy": 26, "response_tokens": 32} and list(found.left) == [
        "entropy",
        "response_tokens",
    ]
    assert (
        "50.0% at step 15 | 0.0% at step 35 | 0.0% | falls below half at step 33 | entropy (26), length (32)"
        in course_table({"fast": rows})
    )


def test_the_paragraph_tells_the_fallen_from_those_that_keep_their_peak():
    fallen = run(
        [0.1] * 10 + [0.5] * 20 + [0.0] * 10,
        entropy=lambda s: 0.1 if s <= 25 else 0.01,
        response_tokens=lambda s: 80 if s <= 31 else 200,
    )
    told = paragraph({"fast": fallen, "slow": run([0.5] * 20 + [0.4] * 20), "cut": run([0.1] * 2)})
    assert told == (
        "1 of 2 runs collapses for good within their steps. fast: from 50% at step 15 to below half of it at step 33; first to leave its range was entropy, at step 26. "
        "At the end these have at least half of their peak: slow (lowest 80% of it, at step 25; 80% at the end)."
    )
    assert paragraph({"slow": run([0.5] * 20)}).startswith(
        "None of 1 runs collapse for good within"
    )


def test_a_dip_that_passes_and_a_drift_that_returns_are_no_collapse():
    rows = run([0.5] * 10 + [0.0] * 10 + [0.4] * 10, entropy=lambda s: 0.5 if 10 < s <= 20 else 0.1)
    found = course(rows)
    assert (
        found.fell_at is None
        and found.left == {}
        and (found.low, found.low_step) == (pytest.approx(0, abs=1e-12), 15)
        and "keeps 80% of it | none" in course_table({"x": rows})
    )


def test_noise_about_a_level_is_no_collapse():
    rng = random.Random(0)
    for _ in range(20):
        assert course(run([0.3 + rng.uniform(-0.1, 0.1) for _ in range(80)])).fell_at is None


def test_a_quantity_that_some_rows_lack_is_left_out_and_shares_are_of_the_groups():
    rows = run([0.5] * 20)
    rows[3]["kl"] = 1.0
    assert "kl" not in course(rows).left
    assert [
        row.get("zero_spread")
        for row in with_shares([{"zero_spread_groups": 4, "groups": 16}, {"step": 1}])
    ] == [0.25, None]


def test_runs_that_are_too_short_or_mixed_are_refused():
    assert "| is not seen in 4 steps |" in course_table({"x": run([0.1] * 4)})
    with pytest.raises(ValueError, match="at least 5 steps"):
        course(run([0.1] * 4))
    with pytest.raises(ValueError, match=r"seeds \[0, 1\]"):
        course([*run([0.1] * 9), {"step": 1, "seed": 1, "train_accuracy": 0}])


def test_every_quantity_is_a_metric_of_a_real_run():
    from fdcore.experiment.publish import FIGURES
    from fdcore.records import read_jsonl

    rows = with_shares(list(read_jsonl(FIGURES / "records/seed-0/arms/grpo/metrics.jsonl")))
    assert set(QUANTITIES) - set(rows[0]) <= {
        "malformed_calls",
        "clip_fraction",
    }  # the first is newer than these records, the second of runs with several updates
