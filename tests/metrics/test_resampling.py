"""The law of a mean of few values: closed forms, failures."""

import numpy as np
import pytest

from dotlib.errors import InputError
from dotlib.metrics import resampling


def test_the_mean_of_ten_coins():
    """Values 0 and 1: the mean of ten is binomial, P(10 of 10) = 2^-10, with variance 1/40."""
    law = resampling.means(np.array([0.0, 1.0]), 10, np.random.default_rng(0))
    assert law.shape == (100_000,) and law.mean() == pytest.approx(0.5, abs=0.002)
    assert law.var() == pytest.approx(1 / 40, rel=0.03)
    assert (law == 1).mean() == pytest.approx(2**-10, rel=0.4)
    assert resampling.tail(law, 1.0) == pytest.approx(2 * 2**-10, rel=0.4)


def test_a_tail_has_two_sides_and_is_never_0():
    law = np.arange(1, 100) / 100  # 99 draws
    assert resampling.tail(law, 0.01) == pytest.approx(2 * 2 / 100) == resampling.tail(law, 0.99)
    assert resampling.tail(law, 0.1) == pytest.approx(2 * 11 / 100)
    assert resampling.tail(law, 0.5) == 1
    assert resampling.tail(law, 7.0) == 2 / 100 == resampling.tail(law, -7.0)


def test_failures():
    with pytest.raises(InputError, match=r"^n: .*0"):
        resampling.means(np.ones(3), 0, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"^values: .*0"):
        resampling.means(np.ones(0), 3, np.random.default_rng(0))
