"""Table 7 over trainings: what MH-GAN does to a pair, whether DOT does better, and the verdicts on the print.

The rule is that of book/protocol, "Samplers on other trainings". The page of Table 7 makes the records.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dotlib.evaluation import over_trainings, recording
from dotlib.evaluation.recording import printed
from dotlib.metrics import intervals, scores
from dotlib.results import paper, records, tables
from dotlib.results.paper import Words
from dotlib.training.settings import OBJECTIVES, dataset_of, row_of

SCORES = {name: score for name, score in scores.SCORES.items() if score.printed}
ROWS = [f"dcgan-{kind}" for kind in OBJECTIVES]  # that are printed
COLUMNS = (("tab7", "bare"), ("tab7", "mhgan"), ("tab1", "dot"))  # bare, MH-GAN and DOT in print

DIFFERENCES = (("MH-GAN", "bare"), ("DOT", "bare"), ("DOT", "MH-GAN"))
TOO_FEW = "too few trainings"  # of a row in which a method refused
OTHERS = ("kid", "precision", "recall", "density", "coverage")


class Statement(NamedTuple):
    """What the print says of one row by one score: method minus against has the sign of `change`."""

    word: str  # the printed direction, for a table; "" for the sentence below Table 7
    text: str
    change: float
    method: str
    against: str


def in_print(pair: str, quantity: str) -> list[paper.Published | None]:
    """Scores of bare, MH-GAN and DOT in Tables 7 and 1; None where one is not printed."""
    return [printed(table, pair, column, quantity) for table, column in COLUMNS]


def statements(pair: str, quantity: str) -> list[Statement]:
    """The printed change by MH-GAN, and the sentence below the table; none without a print."""
    bare, chain, _ = in_print(pair, quantity)
    if bare is None or chain is None:
        return []
    change, score = chain.value - bare.value, SCORES[quantity]
    word, better = "raises" if change > 0 else "lowers", -1.0 if score.lower_is_better else 1.0
    return [
        Statement(f"{word}: ", f"MH-GAN {word} {score.label}", change, "MH-GAN", "bare"),
        Statement("", f"DOT looks better than MH-GAN, {score.label}", better, "DOT", "MH-GAN"),
    ]


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Label of a data set, "digits, laptop", to the tables of all its trainings in a folder."""
    return over_trainings.frames("tab7_mhgan", folder)


def difference(frame: pd.DataFrame, pair: str, quantity: str, method: str, against: str) -> pd.Series:
    """Method minus another on a pair, by training seed; without trainings in which either refused."""
    lines = frame[frame["dataset"] == pair]
    sets = lines.pivot_table(index=["seed", "set"], columns="method", values=quantity)  # mean over judges
    both = sets.reindex(columns=[method, against]).dropna()
    return (both[method] - both[against]).groupby("seed").mean()


def verdicts(frame: pd.DataFrame) -> dict[tuple[str, str], str]:
    """(pair, statement's text) -> verdict, Holm over all rows, scores and statements of the data set.

    The judges are classifiers, so that no sign is more than replicated. Less than LEAST trainings have no verdict.
    """
    claims = {}
    for pair in pairs(frame):
        for quantity, score in SCORES.items():
            for _, text, change, method, against in statements(pair, quantity):
                values = difference(frame, pair, quantity, method, against)
                if len(values) >= over_trainings.LEAST:
                    least = paper.reprint_gap(score.printed) if against == "bare" else 0.0
                    ends = intervals.t_interval(values)[1]
                    claims[pair, text] = paper.comparison(change, ends, len(values), own=False, least=least)
    return dict(zip(claims, recording.words_of(claims.values()), strict=True))


def pairs(frame: pd.DataFrame) -> list[str]:
    """The pairs of a table that Table 7 prints, in its order."""
    dataset = dataset_of(str(frame["dataset"].iloc[0]))
    present = set(frame["dataset"])
    return [f"{dataset}-{row}" for row in ROWS if f"{dataset}-{row}" in present]


def apart(frame: pd.DataFrame, quantity: str) -> str:
    """Of how many rows the interval of MH-GAN minus bare over trainings excludes 0: "3 of 4"."""
    changes = [difference(frame, pair, quantity, "MH-GAN", "bare") for pair in pairs(frame)]
    ends = [intervals.t_interval(of_row)[1] for of_row in changes if len(of_row) >= over_trainings.LEAST]
    return f"{sum(low > 0 or high < 0 for low, high in ends)} of {len(ends)}"


def verdict_table(frame: pd.DataFrame) -> str:
    """Markdown: a row a pair, the printed direction of MH-GAN, and the verdicts on both statements by both scores."""
    words, lines = verdicts(frame), []
    for pair in pairs(frame):
        judged = (each for quantity in SCORES for each in statements(pair, quantity))
        cells = [f"{each.word}{words.get((pair, each.text), paper.UNDECIDED + ', too few')}" for each in judged]
        lines.append([row_of(pair), *cells])
    heads = ["pair", "MH-GAN and IS", "DOT better by IS", "MH-GAN and FID", "DOT better by FID"]
    return tables.markdown(heads, lines).replace("--:", ":--")


def score_table(quantity: str, frame: pd.DataFrame, here: Mapping[str, str], build: str) -> str:
    """Markdown: a row a pair, its print, its scores over trainings, and last MH-GAN in this build, headed `build`."""
    score, lines = SCORES[quantity], []
    for pair in pairs(frame):
        of = frame[frame["dataset"] == pair]
        prints = ("-" if number is None else f"{number.value:.2f}" for number in in_print(pair, quantity))
        bare = of[of["method"] == "bare"].groupby("seed")[quantity].mean()
        cells = [_change(difference(frame, pair, quantity, *both), score.digits) for both in DIFFERENCES]
        row = row_of(pair)
        lines.append([row, *prints, _trainings(of), f"{bare.mean():.{score.digits}f}", *cells, here.get(row, "-")])
    floor = frame[frame["method"] == "real"][quantity].mean()
    lines.append(["real images", *["-"] * 4, f"{floor:.{score.digits}f}", *["-"] * 4])
    heads = ["paper: bare", "MH-GAN", "DOT", "trainings", "bare", *(f"{a} - {b}" for a, b in DIFFERENCES), build]
    return tables.markdown([score.label, *heads], lines)


def others_table(frame: pd.DataFrame) -> str:
    """Markdown: what both methods change in the scores that the paper does not print, a row a pair and method."""
    lines = []
    for pair in pairs(frame):
        for method in ("MH-GAN", "DOT"):
            changes = ((q, difference(frame, pair, q, method, "bare")) for q in OTHERS)
            cells = (_change(values, scores.SCORES[q].digits) for q, values in changes)
            lines.append([f"{row_of(pair)}, {method}", *cells])
    return tables.markdown(["minus bare", *(scores.SCORES[q].label for q in OTHERS)], lines)


def _change(values: pd.Series, digits: int) -> str:
    """Mean and 95 % interval over trainings, where there are two or more."""
    return intervals.changed(values, digits) if len(values) else "refused"


def _trainings(of: pd.DataFrame) -> str:
    """Number of trainings, and how many of them MH-GAN refused."""
    every, able = (lines["seed"].nunique() for lines in (of, of[of["method"] == "MH-GAN"]))
    return f"{every}" if every == able else f"{every}, {every - able} refused"


def answer(of: Mapping[str, pd.DataFrame]) -> str:
    """How both statements fare by both scores, two sentences for each data set, and what no count here shows."""
    texts = []
    for label, frame in of.items():
        words, told = verdicts(frame), []
        for at, said in enumerate(("MH-GAN changes a row as printed", "DOT is better than MH-GAN")):
            counts = []
            for quantity, score in SCORES.items():
                keys = ((pair, statements(pair, quantity)[at].text) for pair in pairs(frame))
                count = Counter(paper.kind(words.get(key, TOO_FEW)) for key in keys)
                counts.append(f"by {score.label}: {', '.join(f'{word} ({n})' for word, n in count.most_common())}")
            told.append(f"*{said}*, {'; '.join(counts)}")
        runs = len(frame.groupby(over_trainings.TRAINING))
        recorded = f"{tables.count(runs, 'training')} of {tables.count(len(pairs(frame)), 'row')}"
        texts.append(f"On {label}, {recorded}: {told[0]}. {told[1]}.")
    if not texts:
        return "No training is recorded yet; the tables below are of single pairs."
    judges = max(frame["judge"].nunique() for frame in of.values())
    chain = max(frame.loc[frame["method"] == "MH-GAN", "setting"].max() for frame in of.values())
    return "\n\n".join(texts) + (
        f" The chains have {chain:.0f} proposals and the judges are {judges} classifiers of this book, so signs can be "
        "compared with the print and sizes cannot."
    )


FOREST = (("MH-GAN", "bare"), ("DOT", "MH-GAN"))
Panels = dict[str, dict[str, tuple[float, float, float]]]  # title -> row -> low, mean, high


def forest(frame: pd.DataFrame) -> tuple[Panels, dict[str, dict[str, list[float]]], dict[str, int]]:
    """For `plots.curves.forest`: differences over trainings, each training, and the side where DOT would be better."""
    panels: Panels = {}
    trainings: dict[str, dict[str, list[float]]] = {}
    shaded = {}
    for quantity, score in SCORES.items():
        for method, against in FOREST:
            title = f"{score.label}\n{method} - {against}"
            of = {row_of(pair): difference(frame, pair, quantity, method, against) for pair in pairs(frame)}
            of = {row: values for row, values in of.items() if len(values) > 1}
            ends = {row: intervals.t_interval(values) for row, values in of.items()}
            panels[title] = {row: (low, mean, high) for row, (mean, (low, high)) in ends.items()}
            trainings[title] = {row: values.tolist() for row, values in of.items()}
            if method == "DOT":
                shaded[title] = -1 if score.lower_is_better else 1
    return panels, trainings, shaded


def words(of: Mapping[str, pd.DataFrame]) -> dict[str, Words]:
    """(Statement, verdict) for each data set."""
    return {label: [(text, word) for (_, text), word in verdicts(frame).items()] for label, frame in of.items()}
