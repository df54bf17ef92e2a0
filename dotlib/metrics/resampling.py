"""The law of a mean of few values, from many values."""

import numpy as np

from dotlib.errors import check_count

DRAWS = 100_000


def means(values: np.ndarray, n: int, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray:
    """Means of n independent draws from values (N,): (draws,). Raises InputError."""
    check_count("values", len(values))
    check_count("n", n)
    check_count("draws", draws)
    return rng.choice(values, (draws, n)).mean(1)


def tail(law: np.ndarray, value: float) -> float:
    """Two-sided tail probability of a value in the law of which (draws,) are drawn: never below 2 / (draws + 1).

    Twice the smaller share of draws that lie at the value or beyond it, the value itself counted as one more draw.
    """
    beyond = 1 + int(min(np.count_nonzero(law <= value), np.count_nonzero(law >= value)))
    return min(1.0, 2 * beyond / (len(law) + 1))
