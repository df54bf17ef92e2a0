"""Differences of methods that were tried on the same draws."""

import math

import numpy as np
from scipy import stats

from dotlib.errors import check_count


def interval(a: np.ndarray, b: np.ndarray) -> tuple[float, tuple[float, float]]:
    """Mean of a - b over trials and its 95 % t-interval.

    a, b:  (trials,), trials >= 2, entry i of both from one trial.
    Raises InputError.
    """
    difference = np.asarray(a) - np.asarray(b)
    check_count("trials", len(difference), least=2)
    mean, n = float(difference.mean()), len(difference)
    half = float(stats.t.ppf(0.975, n - 1) * difference.std(ddof=1) / math.sqrt(n))
    return mean, (mean - half, mean + half)
