"""What pages of image pairs put into their records: scores set by set, and where they come from."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TypedDict, Unpack

import numpy as np
from numpy.typing import ArrayLike

from dotlib.evaluation.images import Run
from dotlib.metrics import intervals
from dotlib.results.records import Record


class Key(TypedDict, total=False):
    """Fields that name a row besides its quantity and what it is compared with."""

    method: str
    setting: str | float
    pair: str
    judge: str


def put_sets(record: Record, quantity: str, values: ArrayLike, *, unit: str, **key: Unpack[Key]) -> None:
    """Put the mean over sets and their standard deviation; values: (sets,)."""
    numbers = np.asarray(values)
    record.put(quantity, float(numbers.mean()), sd=float(numbers.std(ddof=1)), n=len(numbers), unit=unit, **key)


def put_difference(
    record: Record,
    quantity: str,
    values: ArrayLike,
    base: ArrayLike,
    *,
    unit: str,
    against: str = "bare",
    **key: Unpack[Key],
) -> tuple[float, float]:
    """Put the mean paired difference over sets with its 95 % interval, which is returned.

    values, base: (sets,), set by set from the same latents; `against` is the name of the base.
    """
    mean, interval = intervals.interval(np.asarray(values), np.asarray(base))
    record.put(quantity, mean, against=against, interval=interval, n=len(np.asarray(values)), unit=unit, **key)
    return interval


def describe(record: Record, runs: Iterable[Run]) -> None:
    """Put weights, images and settings of rows of Table 1 into a record."""
    weights, origins = {}, {}
    record.parameters["settings"] = {}
    for run in runs:
        weights |= run.what.digests | run.panel.digests
        origins |= run.panel.origins
        settings = {"training": run.trained.settings.key(), "scoring": asdict(run.c)}
        record.parameters["settings"][run.trained.name] = settings
    record.made |= {"weights": weights, "images": origins}
