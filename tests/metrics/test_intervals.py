"""Paired intervals: second method (scipy's paired t-test), failures."""

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
