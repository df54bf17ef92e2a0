"""What of Figure 3 holds over trainings, by the rule of book/protocol, "Figure 3 over trainings".

The tables beside the records of the trainings have a line for each quantity, way of drawing targets, method, trial and
seed. Trials are averaged inside a training, so that the n of every interval is a number of trainings of one data set.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.over_trainings import FIRST, LEVEL, SECOND, UNDECIDED
from dotlib.metrics import intervals
from dotlib.results import records, tables, tidy
from dotlib.results.paper import Words
from dotlib.results.records import Record, Row, Where
from dotlib.training.settings import GP_WEIGHT

READINGS = {  # quantity of a table -> its name
    "emd_sqeuclidean": "squared cost",
    "emd_euclidean": "W1 cost",
    "energy_distance": "energy distance",
}
PUBLISHED = ("emd_sqeuclidean", "random")  # the reading of Figure 3
QUALITIES = {  # quantity -> its name, digits
    "near": ("share within 4 sigma", 3),
    "covered": ("modes covered", 2),
    "spread": ("spread, in sigma", 2),
    "log_density": ("mean log density, nats", 2),
}
HOLDS, FAILS = "holds", "fails"
Ends = tuple[float, tuple[float, float]]  # a mean and its interval


class Claim(NamedTuple):
    """What Figure 3 says of two methods."""

    first: str
    second: str
    text: str
    word: str  # of the distance of the first, against that of the second


CLAIMS = (
    Claim("dot", "naive", "DOT is better than naive", FIRST),
    Claim("dot", "g", "DOT is not worse than G", FIRST),
    Claim("naive", "g", "naive is worse than G", SECOND),
)


class Comparison(NamedTuple):
    """Two methods in one quantity of one data set, over its trainings."""

    claim: Claim
    trainings: pd.Series  # first minus second, mean over trials, by training seed
    word: str  # FIRST, "lower", SECOND, "higher", or UNDECIDED: by Holm over the claims

    @property
    def ends(self) -> Ends:
        """Mean difference and its 95 % interval over trainings."""
        return intervals.t_interval(self.trainings)

    @property
    def verdict(self) -> str:
        """Whether the claim HOLDS or FAILS in this reading, or is UNDECIDED."""
        return {self.claim.word: HOLDS, UNDECIDED: UNDECIDED}.get(self.word, FAILS)


Readings = dict[tuple[str, str], list[Comparison]]  # quantity, way of drawing targets -> one for each of CLAIMS


def stored(folder: Path = records.KEPT) -> dict[str, list[Record]]:
    """Data set -> committed records of its trainings on the schedule of "laptop", where there are two or more."""
    kept = [record for record in records.stored(folder, "fig3_audit") if record.profile == "laptop"]
    by_name = {name: [record for record in kept if record.dataset == name] for name in GP_WEIGHT}
    return {name: of_name for name, of_name in by_name.items() if len(of_name) > 1}


def frames(kept: Mapping[str, Iterable[Record]], folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Data set -> the tables beside the records of its trainings, as one, with their seeds."""
    return {
        name: pd.concat([tidy.of(record, folder).assign(seed=record.seed) for record in of_name], ignore_index=True)
        for name, of_name in kept.items()
    }


def means(frame: pd.DataFrame, quantity: str, setting: str) -> pd.DataFrame:
    """A quantity of each method, mean over trials: a line for each training seed, a column for each method."""
    lines = frame[(frame["quantity"] == quantity) & (frame["setting"] == setting)]
    return lines.pivot_table(index="seed", columns="method", values="value", aggfunc="mean")


def differences(frame: pd.DataFrame, quantity: str, setting: str, first: str, second: str) -> pd.Series:
    """First minus second method, paired in each trial, mean over trials, by training seed."""
    lines = frame[(frame["quantity"] == quantity) & (frame["setting"] == setting)]
    trials = lines.pivot_table(index=["seed", "trial"], columns="method", values="value")
    return (trials[first] - trials[second]).dropna().groupby("seed").mean()


def compare(frame: pd.DataFrame, quantity: str, setting: str) -> list[Comparison]:
    """The three comparisons of CLAIMS in one quantity, which are one table for Holm's correction."""
    values = [differences(frame, quantity, setting, claim.first, claim.second) for claim in CLAIMS]
    adjusted = intervals.holm([intervals.p_value(of_claim) for of_claim in values])
    words = [
        UNDECIDED if p >= LEVEL else FIRST if of_claim.mean() < 0 else SECOND
        for p, of_claim in zip(adjusted, values, strict=True)
    ]
    return [Comparison(*each) for each in zip(CLAIMS, values, words, strict=True)]


def compared(frame: pd.DataFrame, quantities: Iterable[str]) -> Readings:
    """`compare` for every way of drawing targets in which the table has one of these quantities."""
    lines = frame[["quantity", "setting"]].drop_duplicates().itertuples(index=False, name=None)
    known = sorted(lines, key=lambda pair: pair[1] != "random")
    return {(name, setting): compare(frame, name, setting) for name in quantities for q, setting in known if q == name}


def label(reading: tuple[str, str]) -> str:
    """A reading in words: "squared cost, random"."""
    return f"{READINGS[reading[0]]}, {reading[1]}"


def statement(trainings: Mapping[str, pd.DataFrame]) -> str:
    """Markdown: which claim of Figure 3 holds under which reading, over the trainings of each data set."""
    of_sets = {name: compared(frame, READINGS) for name, frame in trainings.items()}
    columns = list(dict.fromkeys(reading for readings in of_sets.values() for reading in readings))
    rows = []
    for name, readings in of_sets.items():
        for at, claim in enumerate(CLAIMS):
            cells = [_counted(readings[column][at]) if column in readings else "-" for column in columns]
            rows.append([f"{name}: {claim.text}", *cells])
    if not rows:
        return "No training is recorded yet, so nothing is said over trainings."
    return tables.markdown(["over trainings", *map(label, columns)], rows)


def answer(trainings: Mapping[str, pd.DataFrame]) -> str:
    """Figure 3 over trainings in three sentences: by its own distance, by every reading, and what that leaves open."""
    if not trainings:
        return "No training is recorded yet, so nothing is said over trainings."
    published = []
    for name, frame in trainings.items():
        told = ", ".join(f"*{at.claim.text}* {_as_verb(at.verdict)}" for at in compare(frame, *PUBLISHED))
        published.append(f"on {name} ({tables.count(frame['seed'].nunique(), 'training')}) {told}")
    readings = [of for frame in trainings.values() for of in compared(frame, READINGS).values()]
    counts = []
    for claim, verdicts in zip(CLAIMS, zip(*readings, strict=True), strict=True):
        count = Counter(at.verdict for at in verdicts)
        counts.append(f"*{claim.text}* holds in {count[HOLDS]} and fails in {count[FAILS]}")
    return (
        f"By the distance of Figure 3, {'; '.join(published)}. Of the {len(readings)} readings of the distance on "
        f"these sets, {', '.join(counts)}; in the others each is undecided. These trainings have the schedule of "
        "`laptop`, which is shorter than the published one, and *undecided* is no evidence that two methods are equal."
    )


def words(frame: pd.DataFrame) -> Words:
    """(Claim and reading, verdict) over the trainings of one data set: HOLDS, FAILS or UNDECIDED."""
    return [
        (f"{at.claim.text}, {label(reading)}", at.verdict)
        for reading, comparisons in compared(frame, READINGS).items()
        for at in comparisons
    ]


def counted(frame: pd.DataFrame) -> str:
    """Which claims of Figure 3 hold and fail in each reading over the trainings of one data set, in one line."""
    texts = []
    for reading, comparisons in compared(frame, READINGS).items():
        told = ", ".join(f"{at.claim.text} {_as_verb(at.verdict)}" for at in comparisons)
        texts.append(f"{label(reading)}: {told}")
    return "; ".join(texts)


def by_ranks(trainings: Mapping[str, pd.DataFrame]) -> str:
    """In words: the verdicts that a signed-rank test over trainings would change, by Holm over the claims, too."""
    texts = []
    for name, frame in trainings.items():
        for reading, comparisons in compared(frame, READINGS).items():
            adjusted = intervals.holm([float(np.asarray(stats.wilcoxon(at.trainings))[1]) for at in comparisons])
            for at, p in zip(comparisons, adjusted, strict=True):
                word = UNDECIDED if p >= LEVEL else FIRST if at.trainings.median() < 0 else SECOND
                if word != at.word:
                    other = at._replace(word=word).verdict
                    texts.append(f'{name}, {label(reading)}, "{at.claim.text}": {other} in the place of {at.verdict}')
    return "; ".join(texts) or "none"


def _as_verb(word: str) -> str:
    return f"is {word}" if word == UNDECIDED else word


def _counted(comparison: Comparison) -> str:
    values = comparison.trainings
    agree = int(((values < 0) if comparison.claim.word == FIRST else (values > 0)).sum())
    return f"{comparison.verdict} ({agree} of {len(values)})"


def interval_table(trainings: Mapping[str, pd.DataFrame], runs: Mapping[str, Record]) -> str:
    """Markdown: the difference of every claim and reading over trainings, and beside it that of one pair over trials.

    `runs` has the record of one pair of a data set under its name; a dash stands where it is missing.
    """
    rows = []
    for name, frame in trainings.items():
        for (quantity, setting), comparisons in compared(frame, READINGS).items():
            for at in comparisons:
                row = _of_one_pair(runs.get(name), at.claim, quantity, setting)
                of_pair = f"{tables.change(row.value, row.interval, 4)} ({row.n})" if row else "-"
                below = f"{int((at.trainings < 0).sum())} of {len(at.trainings)}"
                text = f"{name}, {label((quantity, setting))}: {_names(at.claim)}"
                rows.append([text, tables.change(*at.ends, 4), below, at.verdict, of_pair])
    heads = ["difference", "over trainings", "trainings below 0", "claim", "one pair, over trials (number)"]
    return tables.markdown(heads, rows) if rows else "-"


def quality_table(trainings: Mapping[str, pd.DataFrame]) -> str:
    """Markdown: the measures of single points, mean over trainings, and the differences of the methods."""
    rows = []
    for name, frame in trainings.items():
        for (quantity, setting), comparisons in compared(frame, QUALITIES).items():
            text, digits = QUALITIES[quantity]
            over = means(frame, quantity, setting)
            cells = [f"{over[method].mean():.{digits}f}" for method in ("real", *toy_pairs.METHODS)]
            told = [f"{at.word}, {tables.change(*at.ends, digits)}" for at in comparisons]
            rows.append([f"{name}, {text}", *cells, *told])
    heads = ["mean over trainings", "real points", "G", "DOT", "naive", *(_names(claim) for claim in CLAIMS)]
    return tables.markdown(heads, rows) if rows else "-"


def floor_table(trainings: Mapping[str, pd.DataFrame]) -> str:
    """Markdown: how far each method lies from real points under every reading, mean and interval over trainings."""
    lines: dict[str, dict[str, str]] = {}
    for name, frame in trainings.items():
        for reading in compared(frame, READINGS):
            for method in toy_pairs.METHODS:
                ends = intervals.t_interval(differences(frame, *reading, method, "real"))
                text = f"{name}, {toy_pairs.NAMES[method]}"
                lines.setdefault(text, {})[label(reading)] = tables.change(*ends, 4)
    heads = list(dict.fromkeys(head for cells in lines.values() for head in cells))
    rows = [[text, *(cells.get(head, "-") for head in heads)] for text, cells in lines.items()]
    return tables.markdown(["minus real points", *heads], rows) if rows else "-"


def change_table(stored: Mapping[str, Sequence[Record]], **where: str | float) -> str:
    """Markdown: differences that the records of trainings hold for their own pair, mean and interval over trainings.

    Rows are found as by `Record.rows`; a line is called by the reading of its quantity, or else by its setting.
    """
    rows = []
    for name, of_name in stored.items():
        for row in of_name[0].rows(**where):
            values = [record.content[row.key].value for record in of_name]
            below = f"{sum(value < 0 for value in values)} of {len(values)}"
            text = label((row.quantity, str(row.setting))) if row.quantity in READINGS else row.setting
            rows.append([f"{name}, {text}", intervals.changed(values, 4), below])
    return tables.markdown(["change", "over trainings", "trainings below 0"], rows) if rows else "-"


def shares(trainings: Mapping[str, pd.DataFrame], runs: Mapping[str, Record]) -> dict[str, dict[str, tuple]]:
    """For a picture: title of a panel -> reading -> (trainings, ends over them, ends of one pair or None).

    Differences are shares of the mean distance of G in that reading, which puts readings of all units on one axis.
    """
    panels: dict[str, dict[str, tuple]] = {}
    for name, frame in trainings.items():
        for reading, comparisons in compared(frame, READINGS).items():
            whole = abs(means(frame, *reading)["g"].mean())
            for at in comparisons:
                mean, (low, high) = at.ends
                row = _of_one_pair(runs.get(name), at.claim, *reading)
                drawn = [
                    at.trainings,
                    np.array([low, mean, high]),
                    np.array([row.low, row.value, row.high]) if row else None,
                ]
                scaled = [None if part is None else part / whole for part in drawn]
                panels.setdefault(f"{name}, {_names(at.claim)}", {})[label(reading)] = tuple(scaled)
    return panels


def _of_one_pair(record: Record | None, claim: Claim, quantity: str, setting: str) -> Row | None:
    where: Where = {"method": claim.first, "setting": setting, "against": claim.second}
    return record and record.get(quantity, **where)


def _names(claim: Claim) -> str:
    return f"{toy_pairs.NAMES[claim.first]} - {toy_pairs.NAMES[claim.second]}"
