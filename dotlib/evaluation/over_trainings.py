"""From tidy tables of many trainings to statements over trainings.

A table has a line for each pair, training seed, method, setting, set and judge (`results.tidy`). Sets and judges are
averaged inside a training, so that the n of every interval here is a number of trainings: the seeds of one pair.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from dotlib.evaluation import recording
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import records, tidy
from dotlib.results.records import Record
from dotlib.training.settings import PairName, dataset_of, length_of

TRAINING = ["dataset", "seed"]  # what names a training: the pair's name and the seed
CELL = [*TRAINING, "set", "judge"]
UNMOVED = ("bare", "real")  # methods whose one setting is 1
LEVEL = 0.05
LEAST = 3  # trainings behind a verdict over trainings
MARGIN = 0.2  # of |naive - bare|, in FID: a smaller difference between DOT and the naive ascent does not matter
WORDS = FIRST, SECOND, EQUIVALENT, UNDECIDED = "lower", "higher", "equivalent", "undecided"
BETTER, WORSE = "better", "worse"
VERDICTS = (BETTER, WORSE, UNDECIDED)  # on a change of a score


def published(pair: str) -> int:
    """Updates of B.2: 20, and 10 for the ResNet; of Table 3 for a conditional pair: 32."""
    return {"resnet": 10, "cond": 32}.get(PairName.parse(pair).architecture, 20)


def cells(frame: pd.DataFrame, method: str, quantity: str, setting: float | None = None) -> pd.Series:
    """A quantity of a method in each cell, a training, set and judge; at the published setting unless one is given."""
    lines = frame[frame["method"] == method]
    usual = 1.0 if method in UNMOVED else lines["dataset"].map(published)
    return lines[lines["setting"] == (usual if setting is None else setting)].set_index(CELL)[quantity]


def by_training(values: pd.Series) -> pd.Series:
    """Mean over the sets and judges of each training, indexed by pair and seed."""
    return values.groupby(TRAINING).mean()


def over_pairs(values: pd.Series) -> pd.Series:
    """Mean over the pairs of values by pair and seed, by training seed: of the seeds that all these pairs have."""
    return values.unstack("dataset").dropna().mean(axis=1)


def effects(frame: pd.DataFrame, method: str, quantity: str) -> pd.DataFrame:
    """What a method at its published setting does in each training, indexed by pair and seed.

    Columns: `bare` and `moved`, the score before and after; `change`, their difference; `share`, the change over
    (floor - bare), so that 1 is as good as real images.
    """
    moved, bare, real = (by_training(cells(frame, name, quantity)) for name in (method, "bare", "real"))
    change = (moved - bare).dropna()
    table = pd.DataFrame({"bare": bare, "moved": moved, "change": change, "share": change / (real - bare)})
    return table.loc[change.index]


def label_of(record: Record) -> str:
    """What trainings share that are compared: data set, a copy's name, profile, a judge that is no classifier.

    The wide pair stands alone after each of its lengths.
    """
    judge, pair = record.parameters.get("judge", "classifier"), pair_of(record)
    parts = [dataset_of(pair), *sorted(recording.copies(record)), record.profile, length_of(pair)]
    return ", ".join(filter(None, [*parts, judge if judge != "classifier" else ""]))


def pair_of(record: Record) -> str:
    """The pair of a record of one training, "cifar10-cond-hi", whoever judged it."""
    return record.dataset.removesuffix(f"-{record.parameters.get('judge', '')}")


def frames(stem: str, folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """`label_of` to the tables of all its trainings in a folder, with columns dataset, the pair, and seed."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for record in records.stored(folder, stem):
        frame = tidy.of(record, folder).assign(dataset=pair_of(record), seed=record.seed)
        parts.setdefault(label_of(record), []).append(frame)
    return {label: pd.concat(of, ignore_index=True) for label, of in sorted(parts.items())}


class Comparison(NamedTuple):
    """Two methods on one pair, over its trainings, in the units of a score."""

    pair: str
    difference: pd.Series  # first method minus second, by training seed
    reference: pd.Series  # second minus bare, by training seed
    margin: float  # the largest difference that does not matter
    word: str  # what holds at 5 % by Holm over all pairs: EQUIVALENT, FIRST, SECOND or UNDECIDED

    @property
    def interval(self) -> tuple[float, tuple[float, float]]:
        """Mean difference and its 95 % interval over trainings."""
        return intervals.t_interval(self.difference)


def compare(
    frame: pd.DataFrame, quantity: str, first: str, second: str, share: float = 0.0, *, of_means: bool = False
) -> list[Comparison]:
    """First against second at the published settings, each pair over its trainings; pairs with one are left out.

    The margin is `share` of the absolute value of second minus bare, on average over the trainings; with `of_means` of
    the absolute value of its average, which is no larger. A pair is "equivalent" where two one-sided tests place the
    mean inside the margin, else "lower" or "higher" where a two-sided test excludes 0; p-values are Holm's over the
    pairs.
    """
    other = cells(frame, second, quantity)
    difference = by_training(cells(frame, first, quantity) - other)
    reference = by_training(other - cells(frame, "bare", quantity))
    pairs = [str(pair) for pair, values in difference.groupby("dataset") if len(values) > 1]
    d, b = ([values[pair] for pair in pairs] for values in (difference, reference))
    margins = [share * float(abs(values.mean()) if of_means else values.abs().mean()) for values in b]
    differs = directions(d)
    same = intervals.holm([_equivalence(*both) for both in zip(d, margins, strict=True)])
    words = [EQUIVALENT if q < LEVEL else word for word, q in zip(differs, same, strict=True)]
    return [Comparison(*each) for each in zip(pairs, d, b, margins, words, strict=True)]


def agreed(*words: str) -> str:
    """The word on which all readings of a rule agree, and UNDECIDED where they do not."""
    return words[0] if len(set(words)) == 1 else UNDECIDED


def directions(differences: Sequence[pd.Series]) -> list[str]:
    """FIRST, SECOND or UNDECIDED for several differences over trainings, by two-sided tests with Holm over all."""
    adjusted = intervals.holm([intervals.p_value(values) for values in differences])
    both = zip(differences, adjusted, strict=True)
    return [UNDECIDED if p >= LEVEL else FIRST if values.mean() < 0 else SECOND for values, p in both]


def better_or_worse(words: Iterable[str], quantity: str) -> list[str]:
    """BETTER, WORSE or UNDECIDED for words on a change of a score."""
    named = {FIRST: BETTER, SECOND: WORSE} if SCORES[quantity].lower_is_better else {FIRST: WORSE, SECOND: BETTER}
    return [named.get(word, UNDECIDED) for word in words]


def _equivalence(difference: pd.Series, margin: float) -> float:
    return intervals.equivalence_p(difference, margin) if margin > 0 else 1.0


class Pooled(NamedTuple):
    """The sum of differences over the sum of absolute references of several pairs, by training seed."""

    ratios: pd.Series
    word: str  # EQUIVALENT, FIRST, SECOND or UNDECIDED

    @property
    def interval(self) -> tuple[float, tuple[float, float]]:
        """Mean ratio and its 95 % interval over training seeds."""
        return intervals.t_interval(self.ratios)


def pooled(comparisons: Collection[Comparison], share: float, *, of_means: bool = False) -> Pooled:
    """One statement on all pairs of a data set, over the training seeds that all of them have.

    The differences of a seed are divided by the absolute references of that seed, or with `of_means` by the absolute
    values of the references' means over seeds, which is small where they cancel.
    """
    both = [pd.concat([getattr(c, part) for c in comparisons], axis=1).dropna() for part in ("difference", "reference")]
    whole = both[1].mean().abs().sum() if of_means else both[1].abs().sum(axis=1)
    ratios = both[0].sum(axis=1) / whole
    p, q = intervals.p_value(ratios), intervals.equivalence_p(ratios, share)
    word = EQUIVALENT if q < LEVEL else UNDECIDED if p >= LEVEL else FIRST if ratios.mean() < 0 else SECOND
    return Pooled(ratios, word)


def matched(frame: pd.DataFrame, quantity: str, first: str, second: str, by: str) -> pd.Series:
    """First minus second where second has moved as far, or raised D as much, as first at its published setting.

    `by` is "moved" or "D". The second method's curve, which begins at the bare samples, is interpolated linearly in
    each cell; cells that it does not reach are left out. A value for each training, indexed by pair and seed.
    """
    value, goal, other = cells(frame, first, quantity), cells(frame, first, by).to_dict(), {}
    lines = frame[(frame["method"] == second) | (frame["method"] == "bare")]
    for cell, curve in lines.sort_values(by).groupby(CELL):
        if cell in goal:
            other[cell] = np.interp(goal[cell], curve[by], curve[quantity], left=np.nan, right=np.nan)
    return by_training((value - pd.Series(other).rename_axis(CELL)).dropna())


def matched_share(frame: pd.DataFrame, quantity: str, first: str, second: str, by: str) -> pd.Series:
    """`matched` as a share of (floor - bare), mean over the pairs, by training seed; positive is better for first."""
    bare, real = (by_training(cells(frame, method, quantity)) for method in ("bare", "real"))
    values = matched(frame, quantity, first, second, by)
    return over_pairs(values / (real - bare).reindex(values.index))


def shares(frame: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Every method and setting over trainings, on common axes: a line for each method, setting and training.

    Its columns: `rise`, D over bare as a share of the naive ascent's at its published setting; `gain`, the change of
    the score as a share of (floor - bare), so that 1 is as good as real images.
    """
    inside = frame.groupby(["method", "setting", *TRAINING])[["D", quantity]].mean().reset_index()
    index = pd.MultiIndex.from_frame(inside[TRAINING])

    def of(method: str, column: str) -> np.ndarray:
        return by_training(cells(frame, method, column)).reindex(index).to_numpy()

    bare_D, bare = of("bare", "D"), of("bare", quantity)
    rise = (inside["D"] - bare_D) / (of("naive", "D") - bare_D)
    gain = (inside[quantity] - bare) / (of("real", quantity) - bare)
    return inside[["method", "setting", *TRAINING]].assign(rise=rise, gain=gain)


def at_published(shares_of: pd.DataFrame, method: str) -> pd.DataFrame:
    """The lines of a descent at the published number of updates of each pair, indexed by pair and seed."""
    lines = shares_of[shares_of["method"] == method]
    return lines[lines["setting"] == lines["dataset"].map(published)].set_index(TRAINING)[["rise", "gain"]]


def curves(shares_of: pd.DataFrame) -> pd.DataFrame:
    """Mean over pairs inside a training seed, then mean and 95 % interval over seeds, of each method and setting."""
    rows = []
    for (method, setting), lines in shares_of.groupby(["method", "setting"]):
        rise, gain = (over_pairs(lines.set_index(TRAINING)[column]) for column in ("rise", "gain"))
        mean, ends = intervals.t_interval(gain) if len(gain) > 1 else (gain.mean(), (np.nan, np.nan))
        line = {"method": method, "setting": setting, "trainings": len(gain), "rise": rise.mean()}
        rows.append(line | {"gain": mean, "low": ends[0], "high": ends[1]})
    return pd.DataFrame(rows)


def counts(frame: pd.DataFrame, first: str, second: str, quantities: Iterable[str]) -> pd.DataFrame:
    """For every score: in how many pairs first is better, worse, or undecided against second, Holm over the pairs."""
    rows = {}
    for quantity in quantities:
        words = [each.word for each in compare(frame, quantity, first, second)]
        better, worse = (FIRST, SECOND) if SCORES[quantity].lower_is_better else (SECOND, FIRST)
        judged = {"better": better, "worse": worse, "undecided": UNDECIDED}
        rows[SCORES[quantity].label] = {name: words.count(word) for name, word in judged.items()}
    return pd.DataFrame(rows).T
