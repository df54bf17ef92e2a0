"""What the report "DOT Applied to WGAN" states, over trainings. The rules are those of book/protocol, "WGAN and DOT".

A statement is a number computed for each training seed, with its side; the interval is over the seeds.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from dotlib.evaluation import over_trainings, recording, wgan_theory
from dotlib.evaluation.wgan import LRS, TARGET
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records, tables
from dotlib.results.paper import Claim

STEM = "wgan_mnist"
GP, SN, FREE, CODE = "mlp-wgan-gp", "mlp-wgan-sn", "mlp-wgan-free", "mlp-wgan-gp-code"
LOW, MIDDLE, HIGH = LRS
LIKE = "printed, squared"  # the sweep that speaks: Algorithm 2 with its cost
TARGETS = "target, program"
NEAR = 0.1  # a norm within this of 1 is "1"
KEPT = 0.02  # a change of recall within this is none
KINDS = 9.0  # of ten labels equally often, at least
NORMS = {"K_eff": "K_eff", "slope": "mean slope at samples", "largest slope": "largest slope at samples"}
FEW = f"not attempted (fewer than {over_trainings.LEAST} trainings)"
SIZES = "not attempted (two sizes, each of other data)"


@dataclass(frozen=True)
class Difference:
    """A statement as a number, (trainings,), above or below 0."""

    words: str
    sign: int
    of: Callable[["Runs"], pd.Series]
    digits: int = 3


@dataclass(frozen=True)
class Runs:
    """All recorded trainings of a data set."""

    table: pd.DataFrame  # tidy lines, with columns dataset and seed
    constants: pd.DataFrame  # pair, seed, quantity, setting, value: what records hold beside the table

    def score(self, quantity: str, method: str, setting: float, pair: str = GP) -> pd.Series:
        """By training seed, mean over sets and judges."""
        of = self.table[self.table["dataset"].str.endswith(pair)]
        return over_trainings.by_training(over_trainings.cells(of, method, quantity, setting)).droplevel("dataset")

    def change(
        self, quantity: str, first: tuple[str, float], second: tuple[str, float] = ("bare", 1.0), pair: str = GP
    ) -> pd.Series:
        """By training seed, a score of the first way minus that of the second."""
        return (self.score(quantity, *first, pair) - self.score(quantity, *second, pair)).dropna()

    def seeds(self, pair: str = GP) -> int:
        """How many trainings of a pair are recorded."""
        return self.table.loc[self.table["dataset"].str.endswith(pair), "seed"].nunique()

    def constant(self, quantity: str, pair: str = GP, setting: float | None = None) -> pd.Series:
        """By training seed, at a setting; at the largest, the end of a training or the most pairs, unless given."""
        of = self.constants[(self.constants["pair"] == pair) & (self.constants["quantity"] == quantity)]
        if of.empty:
            return pd.Series(dtype=float)
        return of[of["setting"] == (of["setting"].max() if setting is None else setting)].set_index("seed")["value"]


def runs(folder: Path = records.KEPT) -> dict[str, Runs]:
    """Label of a data set, "digits, laptop", to all its recorded trainings."""
    of: dict[str, list[dict]] = {}
    for record in records.stored(folder, STEM):
        pair = record.dataset.partition("-")[2]
        of.setdefault(over_trainings.label_of(record), []).extend(
            {"pair": pair, "seed": record.seed, "quantity": row.quantity, "setting": row.setting, "value": row.value}
            for row in record.rows()
        )
    frames = over_trainings.frames(STEM, folder)
    return {label: Runs(frames[label], pd.DataFrame(rows)) for label, rows in of.items()}


def _growth(of: Runs) -> pd.Series:
    return _log_ratio(*(of.constant("K_eff", setting=end) for end in _ends(of)))


def _log_ratio(first: pd.Series, second: pd.Series) -> pd.Series:
    """log of second over first, of the seeds that both have."""
    return (second / first).dropna().map(math.log)


def _ends(of: Runs) -> tuple[float, float]:
    settings = of.constants.loc[of.constants["quantity"] == "K_eff", "setting"]
    return settings.min(), settings.max()


def _smaller(of: Runs) -> pd.Series:
    return _log_ratio(of.constant("norm K_eff", GP), of.constant("norm K_eff", SN))


DIFFERENCES = {
    "s4.sn.small": Difference("log of K_eff, spectral norm over penalty", -1, _smaller),
    "s4.diverse": Difference(
        f"kinds of labels among the samples, minus {KINDS:g} of 10", 1,
        lambda of: of.score("labels", "bare", 1.0) - KINDS, 2,
    ),
    "s4.pairs": Difference("log of K_eff, most pairs over fewest", -1, _growth),
    "s4.target.improves": Difference(
        "FID, moved minus bare", -1, lambda of: of.change("fid", (TARGETS, TARGET[0][0])), 2
    ),
    "s4.target.noise": Difference(
        "FID, two more updates and 0.05 more minus without", 1,
        lambda of: of.change("fid", (TARGETS, TARGET[1][0]), (TARGETS, TARGET[0][0])), 2,
    ),
    "s4.latent.precision": Difference(
        f"precision, step size {MIDDLE:g} minus bare", 1, lambda of: of.change("precision", (LIKE, MIDDLE))
    ),
    "s4.lr.precision": Difference(
        f"precision, step size {HIGH:g} minus {LOW:g}", 1, lambda of: of.change("precision", (LIKE, HIGH), (LIKE, LOW))
    ),
    "s4.lr.diversity": Difference(
        f"recall, step size {HIGH:g} minus {LOW:g}", -1, lambda of: of.change("recall", (LIKE, HIGH), (LIKE, LOW))
    ),
    "s4.best": Difference("precision, best setting minus bare", 1, lambda of: of.change("precision", ("best", 1.0))),
}  # fmt: skip
WITHIN = {"s4.gp.slope": "norm slope", "s4.gp.keff": "norm K_eff"}  # statements that a norm is 1


def within(values: pd.Series, low: float, high: float) -> Claim:
    """Claim that the mean of values over trainings lies in [low, high], by two one-sided tests.

    Contradicted where its 95 % interval lies outside altogether.
    """
    middle, margin = (low + high) / 2, (high - low) / 2
    _, (below, above) = intervals.t_interval(values)
    if above < low or below > high:
        edge = low if above < low else high
        return Claim(intervals.p_value(values - edge), paper.CONTRADICTED, paper.UNDECIDED)
    return Claim(intervals.equivalence_p(values - middle, margin), paper.REPLICATED, paper.UNDECIDED)


def balance(precision: pd.Series, recall: pd.Series) -> Claim:
    """Claim that precision rises and recall stays within KEPT; contradicted where either does not."""
    rises = paper.comparison(1, intervals.t_interval(precision)[1], len(precision), own=False)
    return paper.all_of([rises, within(recall, -KEPT, KEPT)])


@dataclass(frozen=True)
class Verdict:
    """What is said of one statement."""

    measured: str  # "-" where nothing was
    word: str


def verdicts(of: Runs | None) -> dict[str, Verdict]:
    """Every statement of the report, by its id; Holm's correction over those that are tested. None: no training."""
    measured, claims = {}, {}
    theory = wgan_theory.claims()
    for statement in paper.statements("s4"):
        measured[statement.id], claims[statement.id] = theory.get(statement.id) or _judged(statement.id, of)
    words = recording.words_of(claims.values())
    return {id: Verdict(measured[id], word) for id, word in zip(claims, words, strict=True)}


def _judged(id: str, of: Runs | None) -> tuple[str, Claim]:
    """What is measured of a statement that needs trainings, and the claim."""
    if id == "s4.target.dimension":
        return "-", paper.without_test(SIZES)
    values = [] if of is None else _values(id, of)
    if not values or min(map(len, values)) < over_trainings.LEAST:
        return "-", paper.without_test(FEW)
    shown = [intervals.changed(each, _digits(id)) for each in values]
    if id == "s4.lr.balance":
        return f"precision {shown[0]}, recall {shown[1]}", balance(*values)
    if id == "s4.sn.bound":
        steepest = float(values[0].max())
        word = paper.REPRODUCED if steepest <= 1 + 1e-5 else paper.CONTRADICTED
        return f"steepest slope of {len(values[0])} trainings: {steepest:.3f}", paper.without_test(word)
    if id in WITHIN:
        return f"{NORMS[WITHIN[id].removeprefix('norm ')]}: {intervals.shown(values[0], 2)}", within(
            values[0], 1 - NEAR, 1 + NEAR
        )
    difference = DIFFERENCES[id]
    claim = paper.comparison(difference.sign, intervals.t_interval(values[0])[1], len(values[0]), own=False)
    return f"{difference.words}: {shown[0]}", claim


def _values(id: str, of: Runs) -> list[pd.Series]:
    if id == "s4.lr.balance":
        return [of.change(quantity, (LIKE, LOW)) for quantity in ("precision", "recall")]
    if id == "s4.sn.bound":
        return [of.constant("norm largest slope", SN)]
    return [of.constant(WITHIN[id])] if id in WITHIN else [DIFFERENCES[id].of(of).dropna()]


def _digits(id: str) -> int:
    return DIFFERENCES[id].digits if id in DIFFERENCES else 3


def counted(of: Mapping[str, Runs]) -> str:
    """The verdicts of every data set, counted, for the map of the book."""
    texts = []
    for label, each in of.items():
        words = ((id, verdict.word) for id, verdict in verdicts(each).items() if verdict.word != FEW)
        texts.append(f"{label}: {paper.counted(words)}")
    return "; ".join(texts) or "-"


def table(of: Mapping[str, Runs]) -> str:
    """Markdown: every statement with its place, and for each data set what was measured and the verdict."""
    judged = {label: verdicts(each) for label, each in of.items()} or {"no training": verdicts(None)}
    heads = [part for label in judged for part in (f"measured, {label}", "verdict")]
    rows = []
    for statement in paper.statements("s4"):
        cells = [part for words in judged.values() for part in (words[statement.id].measured, words[statement.id].word)]
        rows.append([statement.says, statement.place.partition(", ")[2], *cells])
    return tables.markdown(["statement", "section", *heads], rows)


def sweep_table(of: Runs, family: str) -> str:
    """Markdown: precision, recall and FID of a family, "printed" or "program", at each cost and step size, changes."""
    rows = []
    for cost in ("squared", "l2", "none"):
        for lr in LRS:
            cells = (
                _shown(of.change(quantity, (f"{family}, {cost}", lr)), quantity)
                for quantity in ("precision", "recall", "fid", "D", "moved")
            )
            rows.append([cost, f"{lr:g}", *cells])
    return tables.markdown(["cost", "step size", "precision", "recall", "FID", "D", "distance moved"], rows)


def _shown(values: pd.Series, quantity: str) -> str:
    digits = SCORES[quantity].digits
    if len(values) < over_trainings.LEAST:
        return f"{values.mean():+.{digits}f}" if len(values) else "-"
    return tables.change(*intervals.t_interval(values), digits)
