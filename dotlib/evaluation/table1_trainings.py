"""Table 1 over trainings: what DOT changes in FID and inception score, and the verdicts on the paper's signs.

The trainings are those of the page "When does the transport matter?", whose tables hold the scores of bare samples, of
DOT at its published setting, and of real images. A training that is recorded there appears here by itself.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dotlib.evaluation import over_trainings, recording
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records, tables
from dotlib.results.paper import Words
from dotlib.training.settings import ROWS, PairName, length_of, row_of

CLAIMS = {"fid": "DOT lowers FID", "is_mean": "DOT raises IS"}


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Label of a data set, "digits, laptop", to the tables of all trainings of rows of Table 1 in a folder."""
    whole = over_trainings.frames("transport_matters", folder)
    return {label: frame for label, frame in whole.items() if not length_of(frame["dataset"].iloc[0])}


class Change(NamedTuple):
    """DOT minus bare on one row of Table 1, judges averaged."""

    values: pd.Series  # what the interval is over
    over: str  # "" for trainings; else what else, for behind a verdict

    def __str__(self) -> str:
        """Mean and 95 % interval, where there are two values or more."""
        return intervals.changed(self.values, few="-")


def changes(frame: pd.DataFrame, quantity: str) -> dict[str, Change]:
    """The change of each row of Table 1 that has a training.

    It has one value for each training where there are LEAST or more. With fewer, one for each set of each training,
    which says nothing of other trainings.
    """
    moved, bare = (over_trainings.cells(frame, method, quantity) for method in ("DOT", "bare"))
    of_sets, changes = (moved - bare).groupby(["dataset", "seed", "set"]).mean(), {}
    for pair, of in of_sets.groupby("dataset"):
        of_trainings, row = of.groupby("seed").mean(), PairName.parse(str(pair)).row
        if len(of_trainings) >= over_trainings.LEAST:
            changes[row] = Change(of_trainings, "")
        else:
            changes[row] = Change(of, f", over {len(of)} sets of {tables.count(len(of_trainings), 'training')}")
    return {row: changes[row] for row in ROWS if row in changes}


def verdicts(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(row, quantity) -> the verdict on the printed sign, Holm over all rows and both scores.

    The judges are classifiers, so that no sign is more than replicated.
    """
    claims, over = {}, {}
    for quantity in CLAIMS:
        least = paper.reprint_gap(SCORES[quantity].printed)
        for row, change in changes(frame, quantity).items():
            if len(change.values) > 1:
                printed = recording.printed_difference(_pair(frame, row), quantity)
                ends = intervals.t_interval(change.values)[1]
                claims[row, quantity] = paper.comparison(printed, ends, len(change.values), own=False, least=least)
                over[row, quantity] = change.over
    words = recording.words_of(claims.values())
    return {key: word + over[key] for key, word in zip(claims, words, strict=True)}


def _pair(frame: pd.DataFrame, row: str) -> str:
    return f"{PairName.parse(frame['dataset'].iloc[0]).dataset}-{row}"


def answer(of: Mapping[str, pd.DataFrame]) -> str:
    """What DOT does to both scores, how sure that is, and what it does not show: a paragraph for each data set."""
    texts = []
    for label, frame in of.items():
        dataset, profile = label.split(", ")
        runs, rows = len(frame.groupby(over_trainings.TRAINING)), frame["dataset"].nunique()
        judges = tables.count(frame["judge"].nunique(), "classifier")
        judged = words({label: frame})[label]
        enough = sum(score == SCORES["fid"].label for score, _ in judged)
        few = f"; {enough} with at least {over_trainings.LEAST}, which a verdict needs" if 0 < enough < rows else ""
        texts.append(
            f"On {dataset} ({tables.count(rows, 'row')}, {tables.count(runs, 'training')}{few}) "
            f"{_found(judged)}. {_covered(frame)} These are pairs of the profile {profile} under "
            f"{judges} of this book: signs can be compared with the paper's, sizes cannot."
        )
    return "\n\n".join(texts) or "No training is recorded yet; the tables below are of single pairs."


def _covered(frame: pd.DataFrame) -> str:
    """Which share of the way from bare samples to real images DOT covers in FID: over training seeds, and by row."""
    by_row = over_trainings.effects(frame, "DOT", "fid")["share"].unstack("dataset")
    seeds, rows = by_row.dropna().mean(axis=1), by_row.mean()  # seeds that every row has
    spread = f"from {rows.min():+.2f} to {rows.max():+.2f} between rows"
    begins = "In FID DOT covers {} of the way from bare samples to real images"
    if len(seeds) < over_trainings.LEAST:
        why = "too few seeds are common to all rows for an interval"
        return f"{begins.format(f'{rows.mean():+.2f}')}, {spread}; {why}."
    share = begins.format(intervals.changed(seeds))
    text = f"{share}, mean over rows and 95 % interval over {len(seeds)} training seeds, {spread}"
    if len(rows) < 2:
        return f"{text}."
    without = {row: by_row.drop(columns=row).dropna().mean(axis=1) for row in by_row}
    row = max(without, key=lambda row: abs(without[row].mean() - seeds.mean()))
    return f"{text}; without {row_of(str(row))} it is {intervals.changed(without[row])}."


def _found(judged: Words) -> str:
    """In how many rows each score goes which way."""
    if not judged:
        return f"no row has the {over_trainings.LEAST} trainings that a verdict needs"
    texts = []
    for quantity, name, right, wrong in (("fid", "FID", "falls", "rises"), ("is_mean", "IS", "rises", "falls")):
        count = Counter(paper.kind(word) for score, word in judged if score == SCORES[quantity].label)
        good, bad = count[paper.REPRODUCED] + count[paper.REPLICATED], count[paper.CONTRADICTED]
        texts.append(f"{name} {right} in {good}, {wrong} in {bad}, and is undecided in {count.total() - good - bad}")
    return "; ".join(texts)


FOREST = ("fid", "is_mean", "precision", "recall", "coverage")
Panels = dict[str, dict[str, tuple[float, float, float]]]  # score -> row -> low, mean, high


def forest(frame: pd.DataFrame) -> tuple[Panels, dict[str, dict[str, list[float]]], dict[str, int]]:
    """For `plots.curves.forest`: changes by DOT, those under each judge, and the side of the paper's claims."""
    panels: Panels = {}
    judges: dict[str, dict[str, list[float]]] = {}
    for quantity in FOREST:
        title, moved, bare = (
            SCORES[quantity].label,
            *(over_trainings.cells(frame, m, quantity) for m in ("DOT", "bare")),
        )
        by_judge = (moved - bare).groupby(["dataset", "judge"]).mean()
        of = {row: change.values for row, change in changes(frame, quantity).items() if len(change.values) > 1}
        ends = {row: intervals.t_interval(values) for row, values in of.items()}
        panels[title] = {row: (low, mean, high) for row, (mean, (low, high)) in ends.items()}
        judges[title] = {row: by_judge.loc[_pair(frame, row)].tolist() for row in of}
    return panels, judges, {SCORES["fid"].label: -1, SCORES["is_mean"].label: 1}


def words(of: Mapping[str, pd.DataFrame]) -> dict[str, Words]:
    """(Score, verdict) over trainings for each data set; no word over sets is among them."""
    told = {}
    for label, frame in of.items():
        over = {q: {row for row, change in changes(frame, q).items() if not change.over} for q in CLAIMS}
        judged = {key: word for key, word in verdicts(frame).items() if key[0] in over[key[1]]}
        told[label] = [(SCORES[quantity].label, word) for (_, quantity), word in judged.items()]
    return told


def table(quantity: str, frame: pd.DataFrame, here: Mapping[str, str], build: str) -> str:
    """Markdown: one score of each row over its trainings, and last its change in this build, under the head `build`."""
    effects, words = over_trainings.effects(frame, "DOT", quantity), verdicts(frame)
    moved, bare = (over_trainings.cells(frame, method, quantity) for method in ("DOT", "bare"))
    of_judges, rows = (moved - bare).groupby(["dataset", "judge"]).mean(), []
    for row, change in changes(frame, quantity).items():
        pair = _pair(frame, row)
        of, judged, word = effects.loc[pair], of_judges[pair], words.get((row, quantity), "-")
        scores = f"{of['bare'].mean():.2f} → {of['moved'].mean():.2f}"
        judges = f"{judged.min():+.2f} to {judged.max():+.2f}"
        cells = recording.printed_cell(pair, quantity), len(of), scores, change, _share(of["share"]), judges, word
        rows.append([row, *cells, here.get(row, "-")])
    real = f"{over_trainings.cells(frame, 'real', quantity).mean():.2f}"
    rows.append(["real images", "-", "-", real, *["-"] * 5])
    score = f"{SCORES[quantity].label}, bare → DOT"
    heads = ["row", f"{score}, paper", "trainings", score, "change", "share", "change, by judge", "verdict", build]
    return tables.markdown(heads, rows)


def _share(of: pd.Series) -> str:
    return tables.change(*intervals.t_interval(of)) if len(of) >= over_trainings.LEAST else f"{of.mean():+.2f}"
