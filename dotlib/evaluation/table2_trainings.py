"""Table 2 over trainings: what discriminators of another seed do to a generator, and the verdicts on the paper's signs.

The rules are those of book/protocol, "Discriminators of other trainings". The page of Table 2 makes the records.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dotlib.evaluation import over_trainings, recording
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records
from dotlib.results.paper import Words
from dotlib.training.settings import OBJECTIVES, ROWS, row_of

PAPER_G = "dcgan-sagan-hi"  # of Table 2, by its numbers; the caption says SAGAN(ns)
CLAIMS = {"is_mean": "raises IS", "fid": "lowers FID"}  # what Table 2 says of each D
QUANTITIES = ("fid", "is_mean", "precision", "recall", "coverage")  # of the protocol, the primary first
OWN = "own D"


def method(row: str, *, same_seed: bool = False) -> str:
    """What the samples are called that the D of a row of Table 1 has moved; of another seed than G's unless said."""
    return f"D of {row}" + ", same seed" * same_seed


def printed(place: str) -> dict[str, paper.Published]:
    """IS and FID as printed at a place of the paper's values."""
    return {quantity: paper.value(f"{place}.{SCORES[quantity].printed}") for quantity in CLAIMS}


def printed_change(kind: str, quantity: str) -> float:
    """Table 2: the score with the D of an objective minus the score without D."""
    return printed(f"tab2.{kind}")[quantity].value - printed("tab2.none")[quantity].value


class Cell(NamedTuple):
    """The G of a row of Table 1 moved by one D, over the trainings of G."""

    change: pd.Series  # moved minus bare, by training seed
    share: pd.Series  # of the way from bare samples to real images
    p: float  # of the change, by Holm
    word: str  # BETTER, WORSE or UNDECIDED at 5 %

    @property
    def interval(self) -> tuple[float, tuple[float, float]]:
        """Mean change and its 95 % interval over trainings."""
        return intervals.t_interval(self.change)


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Label of a data set, "digits, laptop", to the tables of all trainings with discriminators of another seed."""
    foreign_to_G = [method(row) for row in ROWS]
    found = {}
    for label, whole in over_trainings.frames("tab2_swap", folder).items():
        trainings = [whole[part] for part in over_trainings.TRAINING]
        has_foreign = whole["method"].isin(foreign_to_G).groupby(trainings).transform("any")
        if has_foreign.any():
            found[label] = whole[has_foreign]
    return found


Matrix = Mapping[str, Mapping[str, Cell]]  # row of G -> method -> cell


def matrix(frame: pd.DataFrame, quantity: str) -> dict[str, dict[str, Cell]]:
    """Every G with at least LEAST trainings, under its own D and the D of each row with another seed.

    Holm's correction is over the discriminators of another seed of one G; over the generators for their own D.
    """
    effects = {label: over_trainings.effects(frame, label, quantity) for label in (OWN, *map(method, ROWS))}
    owns, others = {}, {}
    for pair, of in effects[OWN].groupby("dataset"):
        if len(of) >= over_trainings.LEAST:
            row = row_of(str(pair))
            owns[row] = of.droplevel("dataset")
            others[row] = {label: table.loc[pair] for label, table in effects.items() if label != OWN}
    cells = {row: dict(zip(of, _judged([*of.values()], quantity), strict=True)) for row, of in others.items()}
    for row, cell in zip(owns, _judged([*owns.values()], quantity), strict=True):
        cells[row] = {OWN: cell, **cells[row]}
    return {row: cells[row] for row in ROWS if row in cells}


def _judged(effects: list[pd.DataFrame], quantity: str) -> list[Cell]:
    changes = [of["change"] for of in effects]
    adjusted = intervals.holm([intervals.p_value(change) for change in changes])
    words = over_trainings.better_or_worse(over_trainings.directions(changes), quantity)
    return [Cell(of["change"], of["share"], p, word) for of, p, word in zip(effects, adjusted, words, strict=True)]


def foreign(cells: Matrix) -> list[Cell]:
    """The cells of the discriminators of another seed."""
    return [cell for line in cells.values() for label, cell in line.items() if label != OWN]


def counts(cells: Matrix) -> dict[str, int]:
    """In how many of the cells with a D of another seed the samples get better, worse, or neither is decided."""
    words = [cell.word for cell in foreign(cells)]
    return {word: words.count(word) for word in over_trainings.VERDICTS}


def verdicts(frame: pd.DataFrame, *, own: bool) -> dict[tuple[str, str], str]:
    """(objective, quantity) -> the word on a printed D of Table 2; own: data and judge are the paper's."""
    words = {}
    for quantity in CLAIMS:
        line = matrix(frame, quantity).get(PAPER_G, {})
        for kind in OBJECTIVES if line else ():
            cell, least = line[method(f"dcgan-{kind}")], paper.reprint_gap(SCORES[quantity].printed)
            change, n = printed_change(kind, quantity), len(cell.change)
            words[kind, quantity] = paper.comparison(change, cell.interval[1], n, own=own, least=least).word(cell.p)
    return words


def judged(of: Mapping[str, pd.DataFrame], folder: Path = records.KEPT) -> dict[str, bool]:
    """The data sets with enough trainings of the G of Table 2, by label, to whether data and judge are the paper's."""
    runs = records.stored(folder, "tab2_swap")
    return {
        label: all(recording.on_papers_data(run, "cifar10") for run in runs if over_trainings.label_of(run) == label)
        for label, frame in of.items()
        if PAPER_G in matrix(frame, "fid")
    }


def words(of: Mapping[str, pd.DataFrame], folder: Path = records.KEPT) -> dict[str, Words]:
    """(Score, verdict) on each printed D, for each data set with enough trainings of the printed G."""
    return {
        label: [(SCORES[quantity].label, word) for (_, quantity), word in verdicts(of[label], own=own).items()]
        for label, own in judged(of, folder).items()
    }
