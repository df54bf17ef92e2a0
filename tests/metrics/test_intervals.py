"""Intervals and tests of means: second method (scipy), error rates by simulation, failures."""

import math

import numpy as np
import pytest
from scipy import stats

from dotlib.errors import InputError
from dotlib.metrics import intervals


def test_paired_interval_against_scipy():
    a, b = np.random.default_rng(0).normal(size=(2, 12))
    mean, (low, high) = intervals.interval(a, b)
    reference = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert mean == pytest.approx((a - b).mean(), abs=1e-12)
    assert (low, high) == pytest.approx((reference.low, reference.high), abs=1e-12)


def test_one_trial_has_no_interval():
    with pytest.raises(InputError, match=r"trials: expected an integer >= 2"):
        intervals.interval(np.ones(1), np.ones(1))


def test_p_value_agrees_with_the_interval():
    """p < 0.05 exactly where the 95 % interval leaves 0 out."""
    for seed in range(200):
        values = np.random.default_rng(seed).normal(0.7, 1, 5)
        low, high = intervals.t_interval(values)[1]
        assert (intervals.p_value(values) < 0.05) == (low > 0 or high < 0)
        assert intervals.p_value(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-9)
    assert intervals.p_value([0.0, 0.0]) == 1 and intervals.p_value([2.0, 2.0]) == 0


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1, made monotone, in the order that they came."""
    assert intervals.holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert intervals.holm([]) == [] and intervals.holm([0.9, 0.8]) == [1.0, 1.0]


def test_holm_keeps_the_chance_of_one_false_word_below_5_percent():
    rng = np.random.default_rng(1)
    false = [
        min(intervals.holm([intervals.p_value(row) for row in rng.normal(size=(7, 5))])) < 0.05 for _ in range(1_000)
    ]
    assert np.mean(false) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1_000)
    plain = [min(intervals.p_value(row) for row in rng.normal(size=(7, 5))) < 0.05 for _ in range(300)]
    assert np.mean(plain) > 0.2  # what it is for


def test_equivalence_errs_in_5_percent_at_the_margin_and_holds_inside():
    rng = np.random.default_rng(2)
    at_margin = [intervals.equivalence_p(rng.normal(1.0, 0.5, 5), 1.0) < 0.05 for _ in range(2_000)]
    assert np.mean(at_margin) == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / 2_000))
    assert np.mean([intervals.equivalence_p(rng.normal(0, 0.1, 5), 1.0) < 0.05 for _ in range(200)]) > 0.99
    with pytest.raises(InputError, match="margin"):
        intervals.equivalence_p([1.0, 2.0], 0.0)


def test_equivalence_is_that_the_90_percent_interval_lies_inside():
    for seed in range(200):
        values = np.random.default_rng(seed).normal(0.3, 0.4, 5)
        low, high = intervals.t_interval(values, 0.90)[1]
        assert (intervals.equivalence_p(values, 0.6) < 0.05) == (low > -0.6 and high < 0.6)
    assert intervals.equivalence_p([0.1, 0.1], 0.2) == 0 and intervals.equivalence_p([0.3, 0.3], 0.2) == 1


def test_a_mean_is_shown_with_its_interval_and_one_value_alone():
    """1, 2, 3: mean 2, sd 1, t(0.975, 2) / sqrt(3) = 2.484."""
    assert intervals.shown([1.0, 2.0, 3.0]) == "2.00 [-0.48, 4.48]"
    assert intervals.shown([1.25], 1) == "1.2"
    assert intervals.shown([338_869.15]) == "339,000" and intervals.shown([9_999.5], 1) == "9999.5"


def test_a_change_has_signs_and_too_few_values_have_what_the_caller_says():
    assert intervals.changed([1.0, 2.0, 3.0]) == "+2.00 [-0.48, +4.48]"
    assert intervals.changed([-1.25], 1) == "-1.2" and intervals.changed([-1.25], few="refused") == "refused"
    assert intervals.changed([]) == "-" and intervals.changed([], few="none") == "none"


def test_the_interval_of_positive_values_is_that_of_their_logarithms():
    """1, 10 and 100: logarithms a step of log 10 apart, so the half width is log 10 times 4.303 / sqrt 3."""
    mean, (low, high) = intervals.geometric([1.0, 10.0, 100.0])
    assert mean == pytest.approx(10) and low > 0
    assert (
        math.log(high / mean) == pytest.approx(math.log(mean / low)) == pytest.approx(math.log(10) * 2.4841, rel=1e-4)
    )
    assert intervals.shown([1.0, 10.0, 100.0], 1, positive=True) == f"10.0 [{low:.1f}, {high:.1f}]"
    assert intervals.shown([1.0, 10.0, 100.0], 1).startswith("37.0 [-")
    assert intervals.shown([3.0], positive=True) == "3.00"
