"""Differences of methods that were tried on the same draws."""

import math
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from dotlib.errors import check_count
from dotlib.results.records import Record, Where


def interval(a: ArrayLike, b: ArrayLike) -> tuple[float, tuple[float, float]]:
    """Mean of a - b, (trials,) each, and its 95 % t-interval; entry i of both is from one trial.

    Raises InputError for fewer than two trials.
    """
    difference = np.asarray(a) - np.asarray(b)
    check_count("trials", len(difference), least=2)
    mean, n = float(difference.mean()), len(difference)
    half = float(stats.t.ppf(0.975, n - 1) * difference.std(ddof=1) / math.sqrt(n))
    return mean, (mean - half, mean + half)


def put_difference(
    record: Record, quantity: str, a: ArrayLike, b: ArrayLike, *, unit: str, **where: Unpack[Where]
) -> tuple[float, float]:
    """Put the mean of a - b into a record, with its `interval`, which is returned.

    `where`: the key of the row; `against` names what b was measured on.
    """
    mean, ends = interval(a, b)
    record.put(quantity, mean, interval=ends, n=len(np.asarray(a)), unit=unit, **where)
    return ends
