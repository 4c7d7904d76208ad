"""pass@k is the exact probability, and bootstrap intervals cover the truth."""

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdcore.figures import statistics
from fdcore.figures.statistics import (
    bootstrap_interval,
    bootstrap_over_runs,
    draw_blocks,
    draw_units,
    mean_pass_at_k,
    over_seeds,
    pass_at_k,
    pass_at_k_curve,
)


def rows_of(counts, n=8):
    return [{"problem_id": str(i), "n": n, "c": c} for i, c in enumerate(counts)]


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_k_subsets_with_a_right_one(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


@given(st.integers(1, 300), st.data())
def test_pass_at_k_rises_with_k_and_ends_at_one_when_any_is_right(n, data):
    c = data.draw(st.integers(0, n))
    values = [pass_at_k(n, c, k) for k in range(1, n + 1)]
    assert values == sorted(values)
    assert values[0] == pytest.approx(c / n)
    assert values[-1] == (1.0 if c else 0.0)


@pytest.mark.parametrize("n, c, k", [(4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0)])
def test_pass_at_k_refuses_what_has_no_answer(n, c, k):
    with pytest.raises(ValueError, match=f"n={n}, c={c}, k={k}"):
        pass_at_k(n, c, k)


def test_a_problem_counts_once_however_many_seeds_have_it():
    once = [{"problem_id": "a", "n": 2, "c": 2}, {"problem_id": "b", "n": 2, "c": 0}]
    assert mean_pass_at_k([*once, {"problem_id": "a", "n": 2, "c": 0}], 1) == 0.25
    with pytest.raises(ValueError):
        mean_pass_at_k([], 1)


def test_the_curve_has_the_ks_that_the_samples_allow_and_holds_its_estimates():
    curve = pass_at_k_curve(rows_of((0, 1, 4, 8, 2, 0)), [1, 8, 16])
    assert [k for k, *_ in curve] == [1, 8]
    assert all(low <= share <= high for _, share, low, high in curve)
    assert pass_at_k_curve([], [1]) == []


def test_a_problem_is_drawn_with_all_its_ks():
    """Where every problem is solved always or never, all ks have the same interval."""
    curve = pass_at_k_curve(rows_of((0, 8, 8, 0, 8)), [1, 2, 8])
    assert len({(low, high) for _, _, low, high in curve}) == 1


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for trial in range(200):
        sample = rng.random(60) < 0.4
        low, high = bootstrap_interval(sample, seed=trial, replicates=300)
        hits += low <= 0.4 <= high
    assert 0.88 <= hits / 200 <= 0.99
    with pytest.raises(ValueError):
        bootstrap_interval(np.empty((0, 3)))


@given(st.integers(5, 60))
def test_drawn_blocks_are_neighbours_and_as_many_as_before(count):
    drawn = draw_blocks(np.arange(count), np.random.default_rng(0))
    assert len(drawn) == count
    assert all(drawn[i + 1] - drawn[i] == 1 for i in range(count - 1) if (i + 1) % 5)


def test_samples_drawn_together_stay_paired():
    """Two arms that differ by the same amount on every problem differ by exactly that amount."""
    worse = np.random.default_rng(0).random(40)
    runs = [[worse + 0.25, worse], [worse + 0.25, worse]]
    paired = bootstrap_over_runs(
        runs, lambda a, b: (a - b).mean(), draw_units, together=True, replicates=200
    )
    assert paired == pytest.approx((0.25, 0.25, 0.25))
    apart = bootstrap_over_runs(
        runs, lambda a, b: (a - b).mean(), draw_units, together=False, replicates=200
    )
    assert apart[1] < 0.25 < apart[2]


def test_runs_that_agree_on_the_problems_leave_the_uncertainty_about_problems():
    values = np.random.default_rng(0).random(40)
    widths = [
        high - low
        for count in (1, 4)
        for _, low, high in [
            bootstrap_over_runs([[values]] * count, np.mean, draw_units, together=True)
        ]
    ]
    assert widths[0] == pytest.approx(widths[1], rel=0.1)


def test_a_number_among_the_samples_is_not_drawn():
    runs = [[np.ones(10), 4.0]]
    assert bootstrap_over_runs(
        runs, lambda ones, four: ones.mean() / four, draw_units, together=False, replicates=10
    ) == (0.25, 0.25, 0.25)


def test_rows_over_seeds_hold_the_mean_of_what_all_of_a_step_have_measured():
    rows = [
        {"step": 1, "seed": s, "entropy": e, "test_accuracy": t, "arm": "fd"}
        for s, e, t in ((0, 0.25, 0.5), (1, 0.75, None))
    ]
    assert over_seeds(rows) == [{"step": 1, "entropy": 0.5}]


def test_examples_in_docstrings_hold():
    assert doctest.testmod(statistics).failed == 0
