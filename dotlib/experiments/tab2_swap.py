"""Table 2 of [DOT19] and its extension: the samples of any G, moved by any D of the data set."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from dotlib.errors import InputError, check_option
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import ImagePair, Method, Table1Row
from dotlib.metrics import intervals
from dotlib.results import paper, records
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES, ROWS
from dotlib.transport import lipschitz

STEPS = (("score", "digits-*"), ("swap", "digits-*"))

PAPER_G = "dcgan-sagan-hi"  # of Table 2, by its numbers; the caption says SAGAN(ns)
PRINTED = {"is_mean": "is", "fid": "fid"}  # field of Scores -> its name among published values
UNITS = {"fid": "squared feature units", "is_mean": "inception score", "precision": "", "recall": ""}
SIGN = {"fid": 1.0, "is_mean": -1.0}  # times the score: lower is better


@dataclass(frozen=True)
class Sizes:
    """How much work the matrix is. samples: images a set, at most, but for the paper's G."""

    samples: int


SIZES = {"smoke": Sizes(100), "laptop": Sizes(200), "paper": Sizes(10_000)}


def sizes(profile: str) -> Sizes:
    """Sizes of a profile. Raises InputError for an unknown one."""
    check_option("profile", profile, SIZES)
    return SIZES[profile]


@dataclass(frozen=True)
class Cell:
    """Samples of one G before and after being moved by one D, under the first judge.

    k_eff:        of D(G(.)).
    bare, moved:  field of Scores -> (sets,), entry i of both from the same latents.
    """

    k_eff: lipschitz.LipschitzEstimate
    bare: dict[str, np.ndarray]
    moved: dict[str, np.ndarray]

    def change(self, quantity: str) -> tuple[float, tuple[float, float]]:
        """Mean of moved minus bare over the sets, and its 95 % interval."""
        return intervals.interval(self.moved[quantity], self.bare[quantity])


def swapped(of_G: zoo.TrainedPair, of_D: zoo.TrainedPair, device: torch.device | str = "cpu") -> ImagePair:
    """G and prior of one pair with D of another, on a device.

    Its name is "<row of G>+<row of D>", and each file's digest carries the role that it plays.
    Raises InputError for pairs of two data sets.
    """
    first, second = (one.name.partition("-") for one in (of_G, of_D))
    if first[0] != second[0]:
        raise InputError(f"of_D: {of_D.name} was trained on other images than {of_G.name}; choose a pair of {first[0]}")
    return ImagePair(
        of_G.pair.generator.to(device),
        of_D.pair.discriminator.to(device),
        of_G.pair.prior,
        name=f"{first[2]}+{second[2]}",
        digests={f"G of {of_G.path.name}": of_G.sha256, f"D of {of_D.path.name}": of_D.sha256},
    )


def row(
    run: Table1Row, others: Mapping[str, zoo.TrainedPair], seed: int, samples: int | None = None
) -> dict[str, Cell]:
    """One G moved by each D: row of Table 1 -> Cell. Only the first judge is asked.

    run:      the row of Table 1 whose G it is; with its own D the cell is that row's DOT.
    others:   row of Table 1 -> pair whose D it is, its own included.
    samples:  images a set at most; None: as many as in Table 1.

    The settings are those of G's architecture, and the sets start from the latents of Table 1.
    """
    panel = run.panel.only_first()
    least = 2 * panel.judges[panel.first].dim  # FID wants more samples than features
    c = replace(run.settings, samples=min(max(samples or run.settings.samples, least), run.settings.samples))
    steps = (0, c.updates)
    own = run.measured
    if c != run.settings:
        own = image_pairs.measure(run.pair, (Method("dot", steps, c.lr),), panel, c, seed)
    cells = {}
    for name, trained in others.items():
        found = own
        if trained.name != run.trained.name:
            pair = swapped(run.trained, trained, run.pair.device)
            found = image_pairs.measure(pair, (Method("dot", steps[1:], c.lr),), panel, c, seed)
        cells[name] = Cell(
            found.k_eff,
            *(
                {q: np.asarray(m.of("dot", step, q, panel.first)) for q in UNITS}
                for m, step in ((own, 0), (found, c.updates))
            ),
        )
    return cells


def row_of(
    name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu"
) -> dict[str, Cell]:
    """The row of the page for a named pair, "<dataset>-<row of Table 1>", measured or loaded.

    Trains what is missing of all pairs of the data set. Raises what `evaluation.images.table1_row` raises.
    """
    run = image_pairs.table1_row(name, profile=profile, seed=seed, judge=judge, device=device)
    dataset, _, own = name.partition("-")
    others = {row: zoo.pair(f"{dataset}-{row}", profile=profile, seed=seed, device=device) for row in ROWS}
    return row(run, others, seed, None if own == PAPER_G else sizes(profile).samples)


@dataclass(frozen=True)
class Rank:
    """Where a generator's own D stands among all; 1 is the best.

    rank:       by means; low, high: with only those ahead or behind that are separated from it,
                each by its own 95 % interval of paired differences.
    of:         number of discriminators; best: the row with the best mean.
    """

    rank: int
    low: int
    high: int
    of: int
    best: str


def own_rank(cells: Mapping[str, Cell], own: str, quantity: str) -> Rank:
    """Rank of a generator's own D by "fid" (the lowest is best) or "is_mean" (the highest)."""
    check_option("quantity", quantity, SIGN)
    score = {name: SIGN[quantity] * cell.moved[quantity] for name, cell in cells.items()}
    apart = [intervals.interval(value, score[own])[1] for name, value in score.items() if name != own]
    ahead = sum(value.mean() < score[own].mean() for value in score.values())
    return Rank(
        1 + int(ahead),
        1 + sum(high < 0 for _, high in apart),
        len(score) - sum(low > 0 for low, _ in apart),
        len(score),
        min(score, key=lambda name: score[name].mean()),
    )


def generators_by_numbers() -> list[str]:
    """Objectives whose Table 1 rows are Table 2's first column and, for their own D, their own.

    Compared are the printed means and standard deviations of IS and FID, CIFAR-10, DCGAN.
    """

    def print_of(name: str) -> list[tuple]:
        found = [paper.value(f"{name}.{q}") for q in PRINTED.values()]
        return [(one.value, one.sd) for one in found]

    return [
        kind
        for kind in OBJECTIVES
        if print_of("tab2.none") == print_of(f"tab1.cifar10.dcgan.{kind}.bare")
        and print_of(f"tab2.{kind}") == print_of(f"tab1.cifar10.dcgan.{kind}.dot")
    ]


def printed_change(kind: str, quantity: str) -> float:
    """Table 2: the score with the D of an objective minus the score without D."""
    with_D, without = (paper.value(f"tab2.{column}.{PRINTED[quantity]}").value for column in (kind, "none"))
    return with_D - without


def fill_swap(record: records.Record, cells: Mapping[str, Mapping[str, Cell]], runs: Iterable[Table1Row]) -> None:
    """Put the matrix into its record: every change, every k_eff, and a verdict for each printed D.

    cells:  row of G -> row of D -> Cell.
    """
    describe(record, runs)
    for of_G, line in cells.items():
        for of_D, cell in line.items():
            name, estimate = f"{of_G}+{of_D}", cell.k_eff
            record.put(
                f"{name}, k_eff",
                estimate.value,
                sd=estimate.std,
                n=len(estimate.maxima),
                unit="logits per latent distance",
            )
            for quantity, unit in UNITS.items():
                mean, interval = cell.change(quantity)
                record.put(
                    f"{name}, change of {quantity}", mean, interval=interval, unit=unit, n=len(cell.bare[quantity])
                )
    for kind in OBJECTIVES:
        for quantity, claim in (("is_mean", "raises IS"), ("fid", "lowers FID")):
            record.verdicts[f"D of {kind} {claim}"] = paper.verdict_on_sign(
                printed_change(kind, quantity),
                cells[PAPER_G][f"dcgan-{kind}"].change(quantity)[1],
                profile=record.profile,
            )


def describe(record: records.Record, runs: Iterable[Table1Row]) -> None:
    """Put weights, images and scoring settings of all rows into a record."""
    weights, images, how = {}, {}, {}
    for run in runs:
        weights |= run.pair.digests | run.panel.digests
        images |= run.panel.origins
        how[run.trained.settings.architecture] = asdict(run.settings)
    record.made |= {"weights": weights, "images": images}
    record.parameters["scoring"] = how
