"""What the records say of the paper: a word for each item and kind of data, and a line for each claim.

A word counts verdicts. It is UNDECIDED where more than half neither confirm nor contradict. Else it HOLDS where none
contradicts, FAILS where none confirms, and holds PARTLY where there are both. The rule makes a page short and decides
nothing: the counts stand beside it.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from dotlib.evaluation import (
    keff_trainings,
    points_over_trainings,
    recording,
    table1_trainings,
    table2_trainings,
    table3_trainings,
    table7_trainings,
)
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records
from dotlib.results.paper import UNDECIDED, Words
from dotlib.training.settings import LABELLED, SHAPES, pair_names, toy_datasets

HOLDS, PARTLY, FAILS = "holds", "partly", "fails"
CONFIRM = (paper.REPRODUCED, paper.REPLICATED, points_over_trainings.HOLDS)
CONTRADICT = (paper.CONTRADICTED, points_over_trainings.FAILS)

NO_IMAGES = "2-D and general"
COLUMNS = (NO_IMAGES, "digits", "MNIST", "Fashion-MNIST", "CIFAR-10", "STL-10")
SETS = dict(zip(SHAPES, COLUMNS[1:], strict=True))  # name of a data set -> its column
UNTRAINED = ("theorems", "runtimes")  # experiments whose words are about no training
CLAIMED = {"projection": "without projection"}  # how the paper's claims begin, where a record has other words, too


class Item(NamedTuple):
    """A table or figure of the paper with numbers."""

    title: str
    stem: str  # its page and experiment
    runs: Mapping[str, Iterable[str]]  # column -> data sets of its records


_IMAGES = {column: [name] for name, column in SETS.items()}
_ROWS = {column: pair_names(name) for name, column in SETS.items()}
_LABELS = {SETS[name]: [f"{name}-cond-hi"] for name in LABELLED}
ITEMS = (
    Item("Theorems 1 and 2", "theorems", {NO_IMAGES: ["both"]}),
    Item("Figure 3, 25 Gaussians", "fig3_toy", {NO_IMAGES: ["25gaussians", "25gaussians-authors"]}),
    Item("Figure 3, swissroll", "fig3_toy", {NO_IMAGES: ["swissroll", "swissroll-authors"]}),
    Item("Table 1, inception score and FID", "tab1_scores", _ROWS),
    Item("Table 2, one G with each D", "tab2_swap", _IMAGES),
    Item("Table 3, conditional DOT", "tab3_conditional", _LABELS),
    Item("Tables of B.2, k = 1 against k_eff", "keff", _IMAGES),
    Item("Figure 2, constants along training", "fig2_training", _IMAGES),
    Item("Histories of B.2, Figures 9 to 11", "fig9_histories", _IMAGES),
    Item("Figure 4, data space against latent space", "fig4_spaces", _IMAGES),
    Item("Algorithm 2, anchor and projection", "projection", _IMAGES),
    Item("Table 7, MH-GAN", "tab7_mhgan", _ROWS),
    Item("Runtimes of B.3", "runtimes", {NO_IMAGES: ["all"]}),
)


class Tally(NamedTuple):
    """How many verdicts confirm, contradict, and do neither."""

    confirmed: int
    contradicted: int
    undecided: int

    @classmethod
    def of(cls, words: Iterable[str]) -> "Tally":
        """Of verdicts; whatever neither confirms nor contradicts is undecided, a refusal and a coarse print too."""
        kinds = [paper.kind(word) for word in words]
        good, bad = (sum(kind in group for kind in kinds) for group in (CONFIRM, CONTRADICT))
        return cls(good, bad, len(kinds) - good - bad)

    @property
    def word(self) -> str:
        """HOLDS, PARTLY, FAILS or UNDECIDED, by the rule of this module."""
        decided = self.confirmed + self.contradicted
        if decided < max(1, self.undecided):
            return UNDECIDED
        return HOLDS if not self.contradicted else PARTLY if self.confirmed else FAILS


class Line(NamedTuple):
    """A claim of the paper and what the records say of it."""

    claim: str
    stem: str
    tally: Tally
    on: str  # the data, and what the words are over


OverTrainings = Mapping[str, Mapping[str, Words]]  # title of an item -> label of a data set -> verdicts over trainings


def over_trainings(folder: Path = records.KEPT) -> dict[str, dict[str, Words]]:
    """Verdicts over the recorded trainings of a folder, for each item that has such: item, label, (claim, word)s."""
    by_stem = {
        "tab1_scores": table1_trainings.words(table1_trainings.frames(folder)),
        "tab2_swap": table2_trainings.words(table2_trainings.frames(folder), folder),
        "tab3_conditional": table3_trainings.words(table3_trainings.frames(folder)),
        "keff": keff_trainings.words(keff_trainings.frames(folder)),
        "tab7_mhgan": table7_trainings.words(table7_trainings.frames(folder)),
    }
    of = {item.title: by_stem[item.stem] for item in ITEMS if item.stem in by_stem}
    points = points_over_trainings.frames(points_over_trainings.stored(folder), folder)
    titles = dict(zip(toy_datasets("both"), (item.title for item in ITEMS if item.stem == "fig3_toy"), strict=True))
    return of | {titles[name]: {name: points_over_trainings.words(frame)} for name, frame in points.items()}


def recorded(
    stem: str, datasets: Iterable[str], profiles: Iterable[str], folder: Path, seed: int = 0
) -> tuple[Words, list[str]]:
    """The verdicts of an experiment's records on the paper's claims, each of one training, and which images are copies.

    Records of Table 1 of before judges were averaged have references and judges that the book has given up, and are
    left out.
    """
    keys = [(dataset, profile) for dataset in datasets for profile in profiles]
    candidates = (records.find(stem, dataset=d, profile=p, seed=seed, folder=folder) for d, p in keys)
    stored = [record for record in candidates if record and not recording.outdated(record)]
    claims = [claim for record in stored for claim in record.verdicts.items()]
    copies = sorted({copy for record in stored for copy in recording.copies(record)})
    return [claim for claim in claims if claim[0].startswith(CLAIMED.get(stem, ""))], copies


class Cell(NamedTuple):
    """An item on one kind of data: its verdicts, and what they are over."""

    words: Words
    over: str  # "trainings", "one training", or "" where no training is involved


def cells(item: Item, over: OverTrainings, folder: Path = records.KEPT, built: Path = records.BUILT) -> dict[str, Cell]:
    """Column -> what is known of an item there: over trainings, else of one committed training, else of this build."""
    of: dict[str, Cell] = {}
    for label, words in published_only(over.get(item.title, {})).items():
        if words:  # of every profile of a data set
            before = of[column_of(label)].words if column_of(label) in of else []
            of[column_of(label)] = Cell([*before, *words], "trainings")
    for column, datasets in item.runs.items():
        for profiles, where in ((("paper", "laptop"), folder), (("paper", "laptop", "smoke"), built)):
            words, _ = recorded(item.stem, datasets, profiles, where)
            if column not in of and words:
                of[column] = Cell(words, "" if item.stem in UNTRAINED else "one training")
    return of


# --- the scorecard ---------------------------------------------------------------------------------

FIGURE_3 = "DOT beats naive and is not worse than $G$ (Figure 3)"
THEOREMS = {  # verdict of the page of the theorems -> the claim
    "Theorem 1": "With the optimal dual it is optimal transport (Theorem 1)",
    "Theorem 2": "Training $D$ raises a bound of its dual value (Theorem 2)",
}
CLAIMS = (  # of the paper, page, how its verdicts' claims begin
    ("DOT raises the inception score (Table 1)", "tab1_scores", SCORES["is_mean"].label),
    ("DOT lowers FID (Table 1)", "tab1_scores", SCORES["fid"].label),
    ("Another GAN's $D$ raises the inception score (Table 2)", "tab2_swap", SCORES["is_mean"].label),
    ("Another GAN's $D$ lowers FID (Table 2)", "tab2_swap", SCORES["fid"].label),
    ("$k_\\text{eff}$ and $k = 1$ differ as printed (B.2)", "keff", ""),
    ("Conditional DOT does what Table 3 prints", "tab3_conditional", ""),
    ("DOT looks better than MH-GAN (Table 7)", "tab7_mhgan", "DOT looks better"),
)


def lines(over: OverTrainings, theorems: Mapping[str, str]) -> list[Line]:
    """The claims of the paper, each with its counts: verdicts on both theorems, by name, and those over trainings."""
    points = [item for item in ITEMS if item.stem == "fig3_toy"]
    figure3 = [word for item in points for words in over.get(item.title, {}).values() for _, word in words]
    of = [Line(claim, "theorems", Tally.of([theorems[name]]), "2-D") for name, claim in THEOREMS.items()]
    of.append(Line(FIGURE_3, "fig3_audit", Tally.of(figure3), "2-D, every cost"))
    titles = {item.stem: item.title for item in ITEMS if item not in points}
    for claim, stem, begins in CLAIMS:
        published = published_only(over.get(titles[stem], {}))
        kept = [word for words in published.values() for text, word in words if text.startswith(begins)]
        columns = dict.fromkeys(column_of(label) for label, words in published.items() if words)
        of.append(Line(claim, stem, Tally.of(kept), ", ".join(columns)))
    return of


def published_only(of: Mapping[str, Words]) -> dict[str, Words]:
    """Without the conditional pairs that have one update of D: the page has them, the paper has not."""
    return {label: words for label, words in of.items() if not label.endswith("cond-hi-1")}


def column_of(label: str) -> str:
    """The column of the map in which "digits, laptop" stands, or a 2-D set."""
    return SETS.get(label.partition(",")[0], NO_IMAGES)
