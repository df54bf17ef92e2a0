"""Intervals and tests of means: over paired trials, over trainings, over several claims at once."""

import math
from collections.abc import Sequence
from typing import Unpack

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from dotlib.errors import check_count, check_positive
from dotlib.results import tables
from dotlib.results.records import Record, Where


def t_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, tuple[float, float]]:
    """Mean of independent values, (n,), and its t-interval. Raises InputError for fewer than two."""
    values = np.asarray(values, dtype=float)
    check_count("trials", len(values), least=2)
    mean, n = float(values.mean()), len(values)
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) / math.sqrt(n))
    return mean, (mean - half, mean + half)


def interval(a: ArrayLike, b: ArrayLike) -> tuple[float, tuple[float, float]]:
    """Mean of a - b, (trials,) each, and its 95 % t-interval; entry i of both is from one trial.

    Raises InputError for fewer than two trials.
    """
    return t_interval(np.asarray(a) - np.asarray(b))


def put_difference(
    record: Record, quantity: str, a: ArrayLike, b: ArrayLike, *, unit: str, **where: Unpack[Where]
) -> tuple[float, float]:
    """Put the mean of a - b into a record, with its `interval`, which is returned.

    `where`: the key of the row; `against` names what b was measured on.
    """
    mean, ends = interval(a, b)
    record.put(quantity, mean, interval=ends, n=len(np.asarray(a)), unit=unit, **where)
    return ends


def geometric(values: ArrayLike) -> tuple[float, tuple[float, float]]:
    """Geometric mean of independent positive values, (n,), and what the t-interval of their logarithms makes of it.

    For norms and durations, whose law is skewed and never below 0. Raises InputError for fewer than two.
    """
    mean, (low, high) = t_interval(np.log(np.asarray(values, dtype=float)))
    return math.exp(mean), (math.exp(low), math.exp(high))


def shown(values: ArrayLike, digits: int = 2, *, positive: bool = False) -> str:
    """The mean of independent values and its 95 % interval, "3.10 [2.95, 3.25]"; one value alone.

    `positive`: the `geometric` mean and its interval.
    """
    values = np.asarray(values, dtype=float)
    if len(values) == 1:
        return _number(values[0], digits)
    mean, (low, high) = geometric(values) if positive else t_interval(values)
    return f"{_number(mean, digits)} [{_number(low, digits)}, {_number(high, digits)}]"


def changed(values: ArrayLike, digits: int = 2, *, few: str = "") -> str:
    """The mean of independent differences and its 95 % interval, "-0.30 [-0.52, -0.08]".

    few: what stands for fewer than two; without it one value stands alone, and a dash for none.
    """
    values = np.asarray(values, dtype=float)
    if len(values) > 1:
        return tables.change(*t_interval(values), digits)
    return few or (f"{values[0]:+.{digits}f}" if len(values) else "-")


def _number(value: float, digits: int) -> str:
    """With so many digits; from 10,000 on three significant ones: "339,000"."""
    return f"{value:.{digits}f}" if abs(value) < 1e4 else f"{float(f'{value:.3g}'):,.0f}"


def p_value(values: ArrayLike) -> float:
    """Two-sided t-test of the mean of independent values, (n,), against 0. Raises InputError for fewer than two."""
    values = np.asarray(values, dtype=float)
    check_count("trials", len(values), least=2)
    error = values.std(ddof=1) / math.sqrt(len(values))
    if error == 0:
        return float(values.mean() == 0)
    return float(2 * stats.t.sf(abs(values.mean()) / error, len(values) - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of several claims, in their order: they bound the chance of one false word (Holm 1979)."""
    adjusted, worst = [1.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda index: p_values[index])):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = worst
    return adjusted


def equivalence_p(values: ArrayLike, margin: float) -> float:
    """p-value of two one-sided t-tests that the mean of independent values lies within +- margin.

    Below 0.05 exactly where the 90 % t-interval lies inside. Raises InputError for fewer than two values or a margin
    that is not positive.
    """
    check_positive("margin", margin, "name the largest difference that does not matter")
    mean, (low, high) = t_interval(values, 0.90)
    if low == high:
        return float(abs(mean) >= margin)
    n = len(np.asarray(values))
    error = (high - low) / 2 / stats.t.ppf(0.95, n - 1)
    return float(stats.t.sf((margin - abs(mean)) / error, n - 1))
