"""Table 2 of [DOT19] and its extension: the samples of any G, moved by any D of the data set."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from dotlib.errors import InputError, check_option
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording
from dotlib.evaluation.images import ImagePair, Method, Table1Row
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.profiles import sized
from dotlib.results import paper, tables
from dotlib.results.records import Record
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES, ROWS
from dotlib.transport import lipschitz

STEPS = (("score", "digits-*"), ("swap", "digits-*"))

PAPER_G = "dcgan-sagan-hi"  # of Table 2, by its numbers; the caption says SAGAN(ns)
QUANTITIES = ("fid", "is_mean", "precision", "recall")
CLAIMS = {"is_mean": "raises IS", "fid": "lowers FID"}  # what Table 2 says of each D
SAMPLES = {"smoke": 100, "laptop": 200, "paper": 10_000}  # images a set, at most, but for the paper's G


@dataclass(frozen=True)
class Cell:
    """Samples of one G before and after being moved by one D from the same latents, under the first judge."""

    k_eff: lipschitz.LipschitzEstimate  # of D(G(.))
    bare: dict[str, np.ndarray]  # quantity -> (sets,)
    moved: dict[str, np.ndarray]

    def change(self, quantity: str) -> tuple[float, tuple[float, float]]:
        """Mean of moved minus bare over the sets, and its 95 % interval."""
        return intervals.interval(self.moved[quantity], self.bare[quantity])


Matrix = Mapping[str, Mapping[str, Cell]]  # row of G -> row of D -> cell


def swapped(of_G: zoo.TrainedPair, of_D: zoo.TrainedPair, device: str = "cpu") -> ImagePair:
    """G of one pair with D of another, "<row of G>+<row of D>". Raises InputError for pairs of two data sets."""
    first, second = (trained.name.partition("-") for trained in (of_G, of_D))
    if first[0] != second[0]:
        raise InputError(f"of_D: {of_D.name} was trained on other images than {of_G.name}; choose a pair of {first[0]}")
    digests = {f"G of {of_G.path.name}": of_G.sha256, f"D of {of_D.path.name}": of_D.sha256}
    D = ImagePair.of(of_D, device).discriminator
    return replace(ImagePair.of(of_G, device), discriminator=D, name=f"{first[2]}+{second[2]}", digests=digests)


def row(
    run: Table1Row, others: Mapping[str, zoo.TrainedPair], seed: int, samples: int | None = None
) -> dict[str, Cell]:
    """The G of a run moved by the D of each other pair, its own included; both by row of Table 1.

    Only the first judge is asked. The settings are those of G's architecture, the sets start from the latents of
    Table 1, and have at most so many `samples`, None for as many as there. With its own D the cell is the run's DOT.
    """
    panel = run.panel.only_first()
    least = 2 * panel.judges[panel.first].dim  # FID wants more samples than features
    settings = replace(run.settings, samples=min(max(samples or run.settings.samples, least), run.settings.samples))
    dot, own = Method("dot", (0, settings.updates), settings.lr), run.measured
    if settings != run.settings:
        own = image_pairs.measure(run.pair, (dot,), panel, settings, seed)
    bare, cells = {quantity: np.asarray(own.of("dot", 0, quantity, panel.first)) for quantity in QUANTITIES}, {}
    for name, trained in others.items():
        measured = own
        if trained.name != run.trained.name:
            pair = swapped(run.trained, trained, str(run.pair.device))
            measured = image_pairs.measure(pair, (replace(dot, steps=dot.steps[1:]),), panel, settings, seed)
        moved = {q: np.asarray(measured.of("dot", settings.updates, q, panel.first)) for q in QUANTITIES}
        cells[name] = Cell(measured.k_eff, bare, moved)
    return cells


def row_of(
    name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu"
) -> dict[str, Cell]:
    """`row` of a named pair, "<dataset>-<row of Table 1>"; trains what is missing. Raises what `table1_row` raises."""
    run = image_pairs.table1_row(name, profile=profile, seed=seed, judge=judge, device=device)
    dataset, _, own = name.partition("-")
    others = {row: zoo.pair(f"{dataset}-{row}", profile=profile, seed=seed, device=device) for row in ROWS}
    return row(run, others, seed, None if own == PAPER_G else sized(SAMPLES, profile))


@dataclass(frozen=True)
class Rank:
    """Where a generator's own D stands among all discriminators; 1 is the best."""

    rank: int  # by means
    low: int  # with only those ahead that are separated from it by the 95 % interval of paired differences
    high: int  # with only those behind that are separated from it
    of: int  # number of discriminators
    best: str  # the row with the best mean

    def __str__(self) -> str:
        return f"{self.rank} [{self.low}, {self.high}] of {self.of}"


def own_rank(cells: Mapping[str, Cell], own: str, quantity: str) -> Rank:
    """Rank of a generator's own D by "fid" (the lowest is best) or "is_mean" (the highest)."""
    check_option("quantity", quantity, CLAIMS)
    sign = 1 if SCORES[quantity].lower_is_better else -1
    score = {name: sign * cell.moved[quantity] for name, cell in cells.items()}
    apart = [intervals.interval(value, score[own])[1] for name, value in score.items() if name != own]
    rank = 1 + sum(value.mean() < score[own].mean() for value in score.values())
    low, high = 1 + sum(high < 0 for _, high in apart), len(score) - sum(low > 0 for low, _ in apart)
    return Rank(int(rank), low, high, len(score), min(score, key=lambda name: score[name].mean()))


def printed(place: str) -> dict[str, paper.Published]:
    """IS and FID as printed at a place of the paper's values."""
    return {quantity: paper.value(f"{place}.{SCORES[quantity].printed}") for quantity in CLAIMS}


def generators_by_numbers() -> list[str]:
    """Objectives whose printed row of Table 1, bare and moved, is that of Table 2 without D and with their own D."""

    def numbers(*places: str) -> list[tuple]:
        return [(score.value, score.sd) for place in places for score in printed(place).values()]

    rows = {kind: f"tab1.cifar10.dcgan.{kind}" for kind in OBJECTIVES}
    return [k for k, row in rows.items() if numbers("tab2.none", f"tab2.{k}") == numbers(f"{row}.bare", f"{row}.dot")]


def printed_change(kind: str, quantity: str) -> float:
    """Table 2: the score with the D of an objective minus the score without D."""
    return printed(f"tab2.{kind}")[quantity].value - printed("tab2.none")[quantity].value


def printed_rank(own: str, quantity: str) -> int:
    """Rank of the own D in the printed table, ties in its favour."""
    sign = 1 if SCORES[quantity].lower_is_better else -1
    scores = {kind: sign * printed(f"tab2.{kind}")[quantity].value for kind in OBJECTIVES}
    return 1 + sum(score < scores[own] for score in scores.values())


def fill_record(record: Record, cells: Matrix, ranks: Mapping[str, Mapping[str, Rank]]) -> None:
    """Put the matrix into its record: every change, every k_eff, the ranks, and a verdict for each printed D."""
    for of_G, line in cells.items():
        for of_D, cell in line.items():
            k_eff = cell.k_eff.maxima.numpy()
            record.put_trials("k_eff", k_eff, pair=of_G, method=of_D, unit="logits per latent distance")
            values: recording.Values = {("bare", ""): cell.bare, (of_D, ""): cell.moved}
            for quantity in QUANTITIES:
                recording.put_change(record, quantity, values, (of_D, ""), ("bare", ""), pair=of_G)
        for quantity, rank in ranks.get(of_G, {}).items():
            record.put("rank of own D", rank.rank, pair=of_G, setting=quantity, interval=(rank.low, rank.high), unit="")
    own, claims = recording.on_papers_data(record, "cifar10"), []
    for kind, (quantity, text) in itertools.product(OBJECTIVES, CLAIMS.items()):
        row = record.get(quantity, pair=PAPER_G, method=f"dcgan-{kind}", against="bare")
        change, least = printed_change(kind, quantity), paper.reprint_gap(SCORES[quantity].printed)
        claim = paper.comparison(change, row.interval, row.n or 0, own=own, least=least)
        claims.append((record, f"D of {kind} {text}", claim))
    recording.put_verdicts(claims)


def heat_map(cells: Matrix, quantity: str) -> dict[str, object]:
    """Changes of a score, G down and D across, those whose interval excludes 0 in bold: what `matrix` plots."""
    changes = [[cell.change(quantity) for cell in line.values()] for line in cells.values()]
    values = [[mean for mean, _ in line] for line in changes]
    marked = np.array([[low > 0 or high < 0 for _, (low, high) in line] for line in changes])
    return {"values": values, "marked": marked, "centre": 0.0} | labels(cells)


def labels(cells: Matrix) -> dict[str, object]:
    """Names of the rows and columns of a heat map."""
    columns = next(iter(cells.values()))
    return {"rows": [f"G of {row}" for row in cells], "columns": [f"D of {row}" for row in columns]}


def directions(cells: Matrix, quantity: str) -> list[int]:
    """Number of cells whose interval lies above 0, holds 0, lies below 0."""
    ends = [cell.change(quantity)[1] for line in cells.values() for cell in line.values()]
    up, down = sum(low > 0 for low, _ in ends), sum(high < 0 for _, high in ends)
    return [up, len(ends) - up - down, down]


def claim_table(record: Record) -> str:
    """Markdown: for each D of Table 2 the printed change, ours and the verdict, for IS and FID."""
    rows = []
    for kind in OBJECTIVES:
        rows.append([kind])
        for quantity, claim in CLAIMS.items():
            here = recording.change(record, quantity, pair=PAPER_G, method=f"dcgan-{kind}", against="bare")
            rows[-1] += [f"{printed_change(kind, quantity):+.2f}", here, record.verdicts[f"D of {kind} {claim}"]]
    heads = [head for score in ("IS", "FID") for head in (f"{score}, paper", f"{score}, here", "verdict")]
    return tables.markdown(["D", *heads], rows)
