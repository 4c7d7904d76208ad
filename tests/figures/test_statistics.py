"""pass@k is the exact probability, and bootstrap intervals cover the truth."""

import doctest
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fdcore.figures import statistics
from fdcore.figures.statistics import (
    bootstrap_means,
    bootstrap_over_seeds,
    mean_pass_at_k,
    pass_at_k,
    pass_at_k_curve,
    student_t,
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


def test_of_problems_with_more_samples_and_with_fewer_those_with_more_make_the_curve():
    rows = rows_of((8, 8)) + [{"problem_id": "deep", "n": 64, "c": 16}]
    curve = pass_at_k_curve(rows, [1, 64])
    assert [(k, round(share, 9)) for k, share, *_ in curve] == [(1, 0.25), (64, 1.0)]
    assert mean_pass_at_k(rows, 1) == 0.75


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """Ten problems a lemma fail or succeed together: problems alone would cover much less often."""
    rng, hits, lemmas = np.random.default_rng(1), 0, np.repeat(np.arange(40), 10).astype(str)
    for _ in range(200):
        sample = np.repeat(rng.random(40) < 0.4, 10)
        means = bootstrap_means(sample, lemmas, replicates=400)
        low, high = np.quantile(means, [0.025, 0.975])
        hits += low <= 0.4 <= high
    assert 0.88 <= hits / 200 <= 0.99


def test_arms_are_compared_on_the_same_draw():
    """Two arms that differ by the same amount on every problem differ by exactly that amount."""
    worse = np.random.default_rng(0).random(40)
    values = np.stack([np.stack([worse + 0.25, worse])] * 2)
    drawn = bootstrap_over_seeds(values, np.arange(40).astype(str), lambda a, b: a - b)
    assert drawn == pytest.approx(0.25)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_few_seeds_have_the_variance_that_their_mean_has(count):
    seeds = np.arange(count, dtype=float)
    values = np.repeat(seeds[:, None, None], 5, axis=2)
    drawn = bootstrap_over_seeds(values, list("abcde"), lambda value: value)
    assert drawn.var() == pytest.approx(seeds.var(ddof=1) / count, rel=0.1)


def test_one_number_a_seed_has_students_interval():
    """t of two degrees of freedom at 97.5 % is 4.303."""
    low, high = np.quantile(student_t(np.array([1.0, 2.0, 3.0])), [0.025, 0.975])
    assert (low, high) == pytest.approx((2 - 4.303 / 3**0.5, 2 + 4.303 / 3**0.5), rel=0.03)


def test_examples_in_docstrings_hold():
    assert doctest.testmod(statistics).failed == 0
