"""DOT against each control of the page "When does the transport matter?", over trainings, in words.

Both stand at the published number of updates of a pair: a control that moves takes as many, and the best of m costs as
much. Truncation has no such number, so each of its shares of the prior is a control of its own.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from dotlib.evaluation import over_trainings
from dotlib.evaluation.over_trainings import VERDICTS
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import tables

QUANTITIES = ("fid", "precision", "coverage")
SHARES = (0.95, 0.9, 0.8, 0.7, 0.5)  # of the prior that truncation keeps


class Control(NamedTuple):
    """A way of moving latents that DOT should be better than, if its transport matters."""

    name: str
    method: str
    setting: Callable[[int], float]  # updates of DOT -> setting of the control


CONTROLS = (
    *(Control(name, name, float) for name in ("naive", "random direction", "DOT, shuffled D", "DOT, early D")),
    Control("best of m at equal cost", "best of m", lambda updates: 3.0 * updates + 1),
    *(Control(f"truncation to {share:.0%}", "truncation", lambda _, share=share: share) for share in SHARES),
)


def differences(frame: pd.DataFrame, control: Control, quantity: str) -> dict[str, pd.Series]:
    """Pair -> DOT minus control, by training seed; pairs with one training, or without the control, are absent."""
    of = {}
    for pair, lines in frame.groupby("dataset"):
        setting = control.setting(over_trainings.published(str(pair)))
        other = over_trainings.cells(lines, control.method, quantity, setting)
        values = over_trainings.by_training((over_trainings.cells(lines, "DOT", quantity) - other).dropna())
        if len(values) > 1:
            of[str(pair)] = values.droplevel("dataset")
    return of


def words(frame: pd.DataFrame, control: Control, quantity: str) -> dict[str, str]:
    """Pair -> whether DOT is better or worse than a control, or undecided, by Holm over the pairs."""
    of = differences(frame, control, quantity)
    return dict(
        zip(of, over_trainings.better_or_worse(over_trainings.directions([*of.values()]), quantity), strict=True)
    )


def answer(of: Mapping[str, pd.DataFrame], control: str = "random direction") -> str:
    """By FID, in how many pairs DOT is better or worse than a control, a sentence for each data set with trainings."""
    (chosen,) = (each for each in CONTROLS if each.name == control)
    texts = []
    for label, frame in of.items():
        if found := [*words(frame, chosen, "fid").values()]:
            counted = ", ".join(f"{word} in {found.count(word)}" for word in VERDICTS)
            texts.append(
                f"*{label}*: against a {control} as long as the naive ascent's, DOT is by FID {counted} "
                f"of {tables.count(len(found), 'pair')}."
            )
    return "\n\n".join(texts)


def table(frame: pd.DataFrame) -> str:
    """Markdown: in how many pairs DOT is better, worse or undecided against each control, and the median difference."""
    rows = []
    for control in CONTROLS:
        cells = []
        for quantity in QUANTITIES:
            found = [*words(frame, control, quantity).values()]
            cells.append(" / ".join(str(found.count(word)) for word in VERDICTS) if found else "-")
            if quantity == "fid":
                cells.append(_over_pairs(differences(frame, control, quantity)))
        rows.append([control.name, *cells])
    told = " / ".join(VERDICTS)
    heads = [f"{SCORES[q].label}: {told}" for q in QUANTITIES]
    return tables.markdown(["DOT against", heads[0], "FID, DOT - control, median pair", *heads[1:]], rows)


def _over_pairs(of: dict[str, pd.Series]) -> str:
    """Median over pairs in each training seed, then mean and 95 % interval over the seeds that all pairs have.

    A mean over pairs would be that of a pair whose training failed, where FID is hundreds away.
    """
    if not of:
        return "-"
    seeds = pd.DataFrame(of).dropna().median(axis=1)
    return intervals.changed(seeds, SCORES["fid"].digits, few="-")
