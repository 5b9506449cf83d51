"""Measures of ratings, against hand calculations and published examples."""

import numpy as np
import pytest
from scipy import stats

from said.study import measures

NAN = np.nan
# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011): four observers, twelve units.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)


def test_a_mean_opinion_and_its_interval_as_by_hand():
    """2, 3, 4, 5 have mean 3.5 and standard error sqrt(5/3)/2; t with three degrees of freedom is 3.182446."""
    found = measures.opinion(np.array([2.0, 3.0, 4.0, 5.0, NAN]))
    assert found.count == 4 and found.mean == 3.5
    half = 3.182446305 * np.sqrt(5 / 3) / 2
    np.testing.assert_allclose([found.low, found.high], [3.5 - half, 3.5 + half], rtol=1e-8)
    (clipped,) = measures.opinions(np.array([[2.0], [3.0], [4.0], [5.0]]))
    assert clipped.high == 5 and clipped.low == found.low


def test_one_opinion_has_no_interval_and_none_has_no_mean():
    assert measures.opinion(np.array([4.0]))[:2] == (1, 4.0) and np.isnan(measures.opinion(np.array([4.0])).low)
    assert measures.opinion(np.array([NAN]))[0] == 0 and np.isnan(measures.opinion(np.array([NAN])).mean)


def test_krippendorffs_own_example():
    assert measures.agreement(OBSERVERS) == pytest.approx(0.815, abs=5e-4)


def test_agreement_is_one_for_all_alike_none_for_a_single_value_and_about_zero_by_chance():
    rng = np.random.default_rng(0)
    same = np.tile(rng.integers(1, 6, 30).astype(float), (5, 1))
    assert measures.agreement(same) == pytest.approx(1)
    assert np.isnan(measures.agreement(np.full((3, 4), 2.0)))
    assert np.isnan(measures.agreement(np.array([[1.0, NAN], [NAN, 2.0]])))
    assert abs(measures.agreement(rng.integers(1, 6, (20, 200)).astype(float))) < 0.02


def test_kendalls_w_is_one_where_all_agree_on_the_order_and_friedman_finds_it():
    means = np.tile([1.0, 2.0, 3.0, 4.0], (6, 1)) + np.arange(6)[:, None] * 0.1
    found = measures.friedman(means)
    assert found.concordance == pytest.approx(1) and found.count == 6
    assert found.statistic == pytest.approx(6 * 3) and found.p == pytest.approx(stats.chi2.sf(18, 3))


def test_friedman_has_nothing_to_say_of_two_methods_or_of_no_differences():
    for means in (np.ones((5, 4)), np.eye(2), np.ones((1, 4)), np.empty((0, 4))):
        assert np.isnan(measures.friedman(means).p)


def test_holm_as_by_hand():
    assert measures.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert measures.holm([0.9, 0.8]) == [1.0, 1.0] and measures.holm([]) == []


def test_pairs_are_exact_for_few_and_do_not_depend_on_how_thirds_round():
    """All five of five prefer the first: p is 2 / 2^5 whatever the sizes; with ties as well."""
    first = np.array([5, 13 / 3, 4, 11 / 3, 4])
    (pair,) = measures.pairs(np.stack([first, first - np.array([1, 2 / 3, 1 / 3, 4 / 3, 5 / 3])], 1))
    assert pair.p == pytest.approx(2 / 32) and pair.difference == pytest.approx(1)
    (tied,) = measures.pairs(np.stack([first, first - 1 / 3], 1))
    assert tied.p == pytest.approx(2 / 32) == tied.corrected
    (same,) = measures.pairs(np.stack([first, first], 1))
    assert same.p == 1 and same.difference == 0


def test_an_order_effect_is_found_apart_from_what_methods_are():
    rng = np.random.default_rng(1)
    positions = np.stack([rng.permutation(7) for _ in range(30)]) + 1.0
    ratings = np.linspace(1, 4, 7) + 0.1 * positions
    found = measures.order_effect(ratings, positions)
    assert found.count == 30 and found.low < 0.1 < found.high and found.mean == pytest.approx(0.1, abs=0.02)
    none = measures.order_effect(np.tile(np.linspace(1, 4, 7), (30, 1)), positions)
    assert none.mean == pytest.approx(0, abs=1e-12)


def test_participants_that_lack_a_method_are_in_no_test():
    means = np.array([[1.0, 2, 3], [2, NAN, 3], [3, 2, 1]])
    assert measures.complete(means).tolist() == [[1, 2, 3], [3, 2, 1]]
    assert [one.count for one in measures.opinions(means)] == [3, 2, 3]
