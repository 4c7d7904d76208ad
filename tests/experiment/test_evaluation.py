"""pass@k is the exact probability, and intervals cover."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdcore.experiment.evaluation import (
    bootstrap_interval,
    bootstrap_pass_at_k,
    pass_at_k,
    pass_at_k_curve,
)


@given(st.integers(1, 8), st.data())
def test_pass_at_k_is_the_share_of_k_subsets_with_a_right_one(n, data):
    c, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
    assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets), abs=1e-12)


@given(st.integers(1, 300), st.data())
def test_pass_at_k_rises_with_k_and_ends_at_one_when_any_is_right(n, data):
    c = data.draw(st.integers(0, n))
    values = [pass_at_k(n, c, k) for k in range(1, n + 1)]
    assert (
        values == sorted(values)
        and values[0] == pytest.approx(c / n)
        and values[-1] == (1.0 if c else 0.0)
    )


@pytest.mark.parametrize("n, c, k", [(4, 5, 1), (4, -1, 1), (4, 2, 5), (4, 2, 0)])
def test_pass_at_k_refuses_what_has_no_answer(n, c, k):
    with pytest.raises(ValueError, match="pass_at_k needs"):
        pass_at_k(n, c, k)


def test_the_curve_is_the_mean_over_problems_and_an_empty_file_is_an_error():
    assert pass_at_k_curve(
        [{"problem_id": "a", "n": 2, "c": 1}, {"problem_id": "b", "n": 2, "c": 0}], [1, 2]
    ) == {1: 0.25, 2: 0.5}
    with pytest.raises(ValueError, match="no problems"):
        pass_at_k_curve([], [1])


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(1), 0
    for trial in range(200):
        sample = rng.random(60) < 0.4
        low, high = bootstrap_interval(sample, seed=trial, replicates=300)
        hits += low <= 0.4 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_intervals_hold_the_estimate_and_are_the_same_twice():
    rows = [{"problem_id": str(i), "n": 8, "c": c} for i, c in enumerate((0, 1, 4, 8, 2, 0))]
    assert bootstrap_pass_at_k(rows, [1, 8], seed=3) == bootstrap_pass_at_k(rows, [1, 8], seed=3)
    for k, (low, high) in bootstrap_pass_at_k(rows, [1, 8]).items():
        assert low <= pass_at_k_curve(rows, [k])[k] <= high


def test_a_problem_is_drawn_with_all_its_ks():
    """Every replicate of pass@1 and pass@8 is of the same problems: with equal columns the intervals are equal."""
    rows = [{"problem_id": str(i), "n": 8, "c": c} for i, c in enumerate((0, 8, 8, 0, 8))]
    assert len(set(bootstrap_pass_at_k(rows, [1, 2, 8]).values())) == 1


def test_a_bootstrap_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="no units"):
        bootstrap_interval(np.empty((0, 3)))
