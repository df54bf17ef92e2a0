"""What the report "Discriminator Optimal Transport" states, over trainings; rules: book/protocol, "Embedded transport".

A statement is the sign of one or several differences that are computed inside each training; intervals are over
trainings, each with a pair and an extractor of its own seed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from dotlib.evaluation import over_trainings, recording
from dotlib.evaluation.embedded_moves import EMBEDDED, LATENT
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records, tables, tidy
from dotlib.results.paper import Claim
from dotlib.results.records import Record

PRINTED, ESTIMATED, TARGET = "latent, as printed", "latent, k_eff", "target, as printed"
OFF, ON = "target, unrelated anchor, no D", "target, unrelated anchor"
SPACES = ("pixels", "E", "judge")  # in which the bare samples are scored
CURVE = (1, 10, 20, 30, 40, 50)  # updates of Figure 4 at which the report's curve was read off
FIGURE_4 = ("fid", "precision", "recall")
PEAK = 20  # of them, where its FID is largest
SOME, MOST = 0.01, 0.5  # ours: shares of samples that "some" and "the digits" stand for
FEW = "not attempted (fewer than two recorded trainings)"
Cell = tuple[str, float]  # a way and its setting
BARE: Cell = ("bare", 1.0)
LAST = EMBEDDED[-1]


@dataclass(frozen=True)
class Difference:
    """One of the differences behind a statement: its words, its side in the report, and how it is computed."""

    words: str
    sign: int
    of: Callable[[pd.DataFrame], pd.Series]
    digits: int = 3


def at(frame: pd.DataFrame, quantity: str, cell: Cell) -> pd.Series:
    """A quantity of a way at one of its settings, mean over judges, by training."""
    return over_trainings.by_training(over_trainings.cells(frame, cell[0], quantity, cell[1]))


def change(frame: pd.DataFrame, quantity: str, cell: Cell) -> pd.Series:
    """A quantity of a way at one of its settings minus that of the bare samples, by training."""
    return _minus(quantity, cell)(frame)


def resolved(values: pd.Series) -> str:
    """Whether the 95 % interval of a difference excludes 0, in words."""
    low, high = intervals.t_interval(values)[1]
    return "resolved" if low > 0 or high < 0 else "not resolved"


def _minus(quantity: str, first: Cell, second: Cell = BARE) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: at(frame, quantity, first) - at(frame, quantity, second)


def _beyond(level: float, cell: Cell) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: at(frame, "changed", cell) - level


def _in_space(*quantities: str) -> Callable[[pd.DataFrame], pd.Series]:
    """Mean over some quantities of the bare samples, in features of E minus in pixels."""
    spaces: tuple[Cell, Cell] = ("in E", 1.0), ("in pixels", 1.0)
    return lambda frame: (
        pd.concat([_minus(q, *spaces)(frame) for q in quantities]).groupby(over_trainings.TRAINING).mean()
    )


def at_equal_rise(frame: pd.DataFrame, quantity: str = "changed") -> pd.Series:
    """Embedded minus plain where both have raised D by the smaller of their two last rises, by training.

    Between updates a curve is a straight line; both begin at the bare samples.
    """
    found = {}
    for training, lines in frame.groupby(over_trainings.TRAINING):
        curves = []
        for way in ("embedded", "plain"):
            own = lines[lines["method"].isin((way, "bare"))]
            curves.append(own.groupby(["method", "setting"])[["D", quantity]].mean().sort_values("D"))
        goal = min(curve["D"].max() for curve in curves)
        values = [np.interp(goal, curve["D"], curve[quantity]) for curve in curves]
        found[training] = values[0] - values[1]
    return pd.Series(found, dtype=float).rename_axis(over_trainings.TRAINING)


DIFFERENCES: dict[str, tuple[Difference, ...]] = {  # statement -> all of these have to be on their side
    "s1.K.one": (
        Difference(
            "FID after 5 latent updates, k = 1 minus k_eff", -1, _minus("fid", ("latent, k = 1", 5), (ESTIMATED, 5)), 2
        ),
    ),
    "s1.latent.clearer": (
        Difference("how sure judges are, after 20 updates minus bare", 1, _minus("confidence", (PRINTED, 20))),
    ),
    "s1.latent.labels": (
        Difference("share in another class after 20 updates, minus 1 %", 1, _beyond(SOME, (PRINTED, 20))),
    ),
    "s1.latent.fid": (
        Difference("FID after 5 updates minus bare", -1, _minus("fid", (PRINTED, 5)), 2),
        Difference("FID after 20 updates minus after 5", 1, _minus("fid", (PRINTED, 20), (PRINTED, 5)), 2),
    ),
    "s1.latent.precision": (
        Difference("precision after 5 updates minus bare", 1, _minus("precision", (PRINTED, 5))),
        Difference("precision after 20 updates minus after 5", 1, _minus("precision", (PRINTED, 20), (PRINTED, 5))),
    ),
    "s1.latent.recall": (
        Difference("recall after 1 update minus bare", 1, _minus("recall", (PRINTED, 1))),
        Difference("recall after 20 updates minus after 1", -1, _minus("recall", (PRINTED, 20), (PRINTED, 1))),
    ),
    "s1.target.replaced": (
        Difference(
            "share in another class after 50 updates (own anchor), minus a half", 1, _beyond(MOST, (TARGET, 50))
        ),
    ),
    "s1.target.curve": (
        Difference("FID after 20 updates minus bare (own anchor)", 1, _minus("fid", (TARGET, PEAK)), 2),
        Difference("FID after 50 updates minus bare (own anchor)", -1, _minus("fid", (TARGET, 50)), 2),
    ),
    "s1.table.every": (
        Difference("latent, FID after 5 updates minus bare", -1, _minus("fid", (PRINTED, 5)), 2),
        Difference("precision", 1, _minus("precision", (PRINTED, 5))),
        Difference("recall", 1, _minus("recall", (PRINTED, 5))),
    ),
    "s1.extractor.varies": (
        Difference("precision, E minus pixels", 1, _in_space("precision")),
        Difference("recall, E minus pixels", 1, _in_space("recall")),
    ),
    "s1.extractor.optimistic": (
        Difference("mean of precision and recall, E minus pixels", 1, _in_space("precision", "recall")),
    ),
    "s1.clusters": (Difference("silhouette of the classes, E minus pixels", 1, _in_space("separation")),),
    "s1.embedded.labels": (
        Difference(
            "share in another class after 100 updates, embedded minus plain at one K",
            -1,
            _minus("changed", ("embedded", LAST), ("plain", LAST)),
        ),
        Difference("the same at an equal rise of D", -1, at_equal_rise),
    ),
    "s1.embedded.quality": (
        Difference(
            "FID after 100 updates, embedded minus plain", 1, _minus("fid", ("embedded", LAST), ("plain", LAST)), 2
        ),
        Difference("embedded minus bare", 1, _minus("fid", ("embedded", LAST)), 2),
        Difference("precision, embedded minus plain", -1, _minus("precision", ("embedded", LAST), ("plain", LAST))),
        Difference("embedded minus bare", -1, _minus("precision", ("embedded", LAST))),
    ),
    "s1.embedded.recall": (
        Difference("recall after 20 updates minus bare, target", 1, _minus("recall", ("embedded", 20))),
        Difference("latent", 1, _minus("recall", ("latent, embedded", LATENT[-1]))),
    ),
    "s1.embedded.sensitive": (
        Difference(
            "share in another class after 100 updates, an E whose cost is next to none (first weights) minus E",
            1,
            _minus("changed", ("embedded, untrained E", LAST), ("embedded", LAST)),
        ),
    ),
}

BESIDE: dict[str, tuple[Difference, ...]] = {  # shown in the same cell and not tested: the anchor of the program
    "s1.target.replaced": (
        Difference("other anchor, as in the report's program: share in another class", 1, _beyond(0.0, (ON, 50))),
    ),
    "s1.target.curve": (
        Difference("other anchor, as in the report's program: after 20", 1, _minus("fid", (ON, PEAK)), 2),
        Difference("after 50", -1, _minus("fid", (ON, 50)), 2),
    ),
}


@dataclass(frozen=True)
class Verdict:
    """What is said of one statement."""

    measured: str  # "-" where nothing was
    word: str


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Label of a pair, "digits-resnet-sagan-hi, laptop", to the lines of all its recorded trainings."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for record in records.stored(folder, "embedded"):
        parts.setdefault(f"{record.dataset}, {record.profile}", []).append(frame_of(record, tidy.of(record, folder)))
    return {label: pd.concat(of, ignore_index=True) for label, of in parts.items()}


def frame_of(record: Record, lines: pd.DataFrame) -> pd.DataFrame:
    """The lines of one training, and those of its bare samples in each space, "in pixels" and so on."""
    spaces = [
        {"method": f"in {space}", "setting": 1.0, "set": 0, "judge": space}
        | {
            quantity: record.get(quantity, method=f"in {space}").value
            for quantity in ("precision", "recall", "separation")
        }
        for space in SPACES
    ]
    return pd.concat([lines, pd.DataFrame(spaces)], ignore_index=True).assign(dataset=record.dataset, seed=record.seed)


def bound_slack(points: int = 201) -> float:
    """The least of K times the dual objective minus the loss of D in Theorem 1.2, over a grid of values of D.

    With a = D(x) and b = D(y) in (0, 1) it is (a - b) - log(a) - log(1 - b), at least 1: log(a) <= a - 1, and
    log(1 - b) <= -b.
    """
    inside = torch.linspace(0, 1, points + 2, dtype=torch.float64)[1:-1]
    a, b = inside[:, None], inside[None, :]
    return float((a - b - a.log() - torch.log1p(-b)).min())


def verdicts(frame: pd.DataFrame) -> dict[str, Verdict]:
    """Every statement of the report, by its id, with what was measured and the word, by Holm's correction for all."""
    measured, claims = {}, {}
    for statement in paper.statements("s1"):
        if statement.id == "s1.bound":
            slack = bound_slack()
            measured[statement.id] = f"the loss is below by {slack:.2f} at least, whatever the values of D"
            claims[statement.id] = paper.without_test(paper.REPRODUCED if slack >= 0 else paper.CONTRADICTED)
        else:
            text, claims[statement.id] = _judged(frame, DIFFERENCES[statement.id])
            beside = BESIDE.get(statement.id, ()) if text != "-" else ()
            texts = (f"{each.words}: {intervals.changed(each.of(frame).dropna(), each.digits)}" for each in beside)
            measured[statement.id] = "; ".join([text, *texts])
    words = recording.words_of(claims.values())
    return {id: Verdict(measured[id], word) for id, word in zip(claims, words, strict=True)}


def counted(folder: Path = records.KEPT) -> str:
    """How often each word occurs among the statements, for each recorded pair; a dash where there is none."""
    texts = []
    for label, frame in frames(folder).items():
        words = paper.counted((id, verdict.word) for id, verdict in verdicts(frame).items())
        texts.append(f"{label}: {words}")
    return "; ".join(texts) or "-"


def _judged(frame: pd.DataFrame, differences: tuple[Difference, ...]) -> tuple[str, Claim]:
    texts, claims = [], []
    for difference in differences:
        values = difference.of(frame).dropna()
        if len(values) < 2:
            return "-", paper.without_test(FEW)
        mean, ends = intervals.t_interval(values)
        texts.append(f"{difference.words}: {tables.change(mean, ends, difference.digits)}")
        claims.append(paper.comparison(difference.sign, ends, len(values), own=False))
    return "; ".join(texts), paper.all_of(claims)


# --- sentences ------------------------------------------------------------------------------------

NOTHING = "Fewer than two trainings are recorded."


def first_update(of: Mapping[str, pd.DataFrame]) -> str:
    """Sentences, one a pair: what Algorithm 2 as printed does to FID in one update, and in five."""
    texts = []
    for label, frame in of.items():
        if frame["seed"].nunique() > 1:
            changes = (change(frame, "fid", (PRINTED, updates)) for updates in (1, 5))
            one, five = (f"{intervals.changed(each, 1)} ({resolved(each)})" for each in changes)
            texts.append(f"On *{label}* its first update changes FID by {one}, five updates by {five}.")
    return " ".join(texts) or NOTHING


def below_bare(of: Mapping[str, pd.DataFrame]) -> str:
    """Sentences, one a pair: with the other anchor and D, on which side of bare the scores lie."""
    texts = []
    for label, frame in of.items():
        if frame["seed"].nunique() > 1:
            (peak, _), (end, all_below) = (_sides(frame, updates) for updates in (PEAK, CURVE[-1]))
            word = "All three fall" if all_below else "Not all three fall"
            texts.append(f"On *{label}*, {PEAK} updates: {peak}; {CURVE[-1]} updates: {end}. {word} below.")
    return " ".join(texts) or NOTHING


def _sides(frame: pd.DataFrame, updates: int) -> tuple[str, bool]:
    """On which side of bare FID, precision and recall are, by their intervals, and whether all are below."""
    sides: dict[str, list[str]] = {"above": [], "below": [], "not resolved": []}
    for quantity in FIGURE_4:
        low, high = intervals.t_interval(change(frame, quantity, (ON, updates)))[1]
        sides["above" if low > 0 else "below" if high < 0 else "not resolved"].append(SCORES[quantity].label)
    text = ", ".join(f"{' and '.join(names)} {side}" for side, names in sides.items() if names)
    return text, len(sides["below"]) == len(FIGURE_4)


# --- the audit ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Audit:
    """What an unrelated anchor alone does to FID in target space, over trainings; each field by training."""

    bare: pd.Series
    on: pd.Series  # at the peak of the report's curve, with D
    off: pd.Series  # without any
    own: pd.Series  # with the own anchor, as printed
    changed: pd.Series  # without D, the share in another class after the last update
    correlation: pd.Series  # of the printed curve with ours without D, by ranks

    @property
    def share(self) -> pd.Series:
        """How much of the rise with D is there without D."""
        return (self.off - self.bare) / (self.on - self.bare)


def audit(frame: pd.DataFrame) -> Audit:
    """The audit of Figures 3 and 4."""
    printed = [paper.value(f"s1.fig4.u{step}.fid").value for step in (0, *CURVE)]
    ours = pd.DataFrame([at(frame, "fid", BARE), *(at(frame, "fid", (OFF, step)) for step in CURVE)])
    printed = pd.Series(printed, index=ours.index)  # (updates), of ours updates x trainings
    return Audit(
        bare=at(frame, "fid", BARE),
        on=at(frame, "fid", (ON, PEAK)),
        off=at(frame, "fid", (OFF, PEAK)),
        own=at(frame, "fid", (TARGET, PEAK)),
        changed=at(frame, "changed", (OFF, CURVE[-1])),
        correlation=ours.corrwith(printed, method="spearman"),
    )


def curves(frame: pd.DataFrame, quantity: str, methods: Mapping[str, str]) -> dict[str, tuple]:
    """Shown name -> (updates, mean over trainings, half of the 95 % interval of the change from bare), from 0 on."""
    bare, found = at(frame, quantity, BARE), {}
    for name, method in methods.items():
        steps = sorted(frame.loc[frame["method"] == method, "setting"].unique())
        rows = [bare, *(at(frame, quantity, (method, step)) for step in steps)]
        halves = [0.0, *(_half(row - bare) for row in rows[1:])]
        found[name] = ([0.0, *steps], np.array([row.mean() for row in rows]), np.array(halves))
    return found


def _half(values: pd.Series) -> float:
    if len(values) < 2:
        return 0.0
    _, (low, high) = intervals.t_interval(values)
    return (high - low) / 2
