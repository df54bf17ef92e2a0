"""Table 2 of [DOT19]: the samples of any G, moved by any D of the data set, over trainings.

The rules are those of book/protocol, "Discriminators of other trainings"; they were fixed before the runs.
"""

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from dotlib.errors import InputError, check_count
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import judges, one_training, over_trainings
from dotlib.evaluation.images import ImagePair
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.evaluation.moves import Move
from dotlib.evaluation.one_training import Line
from dotlib.evaluation.table2_trainings import (
    CLAIMS,
    OWN,
    PAPER_G,
    QUANTITIES,
    Matrix,
    counts,
    foreign,
    judged,
    matrix,
    method,
    printed,
    printed_change,
    verdicts,
)
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import files, records, tables
from dotlib.results.records import Record
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES, ROWS, dataset_of, row_of
from dotlib.transport.lipschitz import LipschitzEstimate

STEPS = (("swap", "digits-dcgan-sagan-hi"),)

SEEDS = 5  # of the trainings; the D of another seed is that of seed + 1 modulo this


@dataclass(frozen=True)
class Run:
    """One trained G with all that moves it."""

    pair: ImagePair
    trained: list[zoo.TrainedPair]  # the first is G's
    panel: Panel
    judge: str
    settings: Scoring
    seed: int
    critics: dict[str, ImagePair]  # method, OWN first, to G with the D that it climbs
    k_eff: dict[str, LipschitzEstimate]  # of each


def swapped(of_G: zoo.TrainedPair, of_D: zoo.TrainedPair, device: str = "cpu") -> ImagePair:
    """G of one pair with D of another, "<row of G>+<row of D>". Raises InputError for pairs of two data sets."""
    dataset = dataset_of(of_G.name)
    if dataset != dataset_of(of_D.name):
        raise InputError(f"of_D: {of_D.name} was trained on other images than {of_G.name}; choose a pair of {dataset}")
    digests = {f"G of {of_G.path.name}": of_G.sha256, f"D of {of_D.path.name}": of_D.sha256}
    D = ImagePair.of(of_D, device).discriminator
    return replace(
        ImagePair.of(of_G, device), discriminator=D, name=f"{row_of(of_G.name)}+{row_of(of_D.name)}", digests=digests
    )


def load(
    name: str, *, profile: str, seed: int = 0, shift: int = 1, judge: str = "classifier", device: str = "cpu"
) -> Run:
    """The G of a named pair with its own D and with those of every row of the seed + shift, modulo SEEDS.

    With shift 0 these are the other rows of the same seed. What is missing is trained. Raises InputError for a 2-D pair
    and a negative shift.
    """
    parts = one_training.image_pair_name(name)
    check_count("shift", shift, 0)
    other = (seed + shift) % SEEDS if shift else seed
    settings = one_training.scoring(parts, profile)
    panel = judges.load_panel(parts.dataset, settings, profile=profile, judge=judge, device=device)
    G = zoo.pair(name, profile=profile, seed=seed, device=device)
    critics, trained = {OWN: ImagePair.of(G, device)}, [G]
    for row in (row for row in ROWS if shift or row != parts.row):
        D = zoo.pair(f"{parts.dataset}-{row}", profile=profile, seed=other, device=device)
        critics[method(row, same_seed=not shift)] = swapped(G, D, device)
        trained.append(D)
    k_eff = {label: image_pairs.constants(critic, settings, seed)[0] for label, critic in critics.items()}
    return Run(critics[OWN], trained, panel, judge, settings, seed, critics, k_eff)


def measure(run: Run) -> list[Line]:
    """The tidy table: a line for each method, set and judge, at G's number of updates. Each set is measured once."""
    options = {"panel": run.panel, "settings": run.settings, "seed": run.seed}
    shared = [replace(run.settings, sets=1), run.seed, run.panel.digests, run.pair.device.type]
    lines = one_training.floor(run.pair, run.panel, run.judge)
    ways = [(one_training.BARE, run.pair)]
    for label, critic in run.critics.items():
        ways.append((Move(label, "descent", (run.settings.updates,), run.k_eff[label].value), critic))
    for move, critic in tqdm(ways, run.pair.name, disable=None):
        for number in range(run.settings.sets):
            lines += files.cached(
                f"swap/{critic.name}",
                f"{move.name.replace(' ', '_')}-set{number}",
                functools.partial(one_training.measured_set, run.pair, critic, move, number, **options),
                decides=[move, number, run.pair.digests, critic.digests, *shared],
            )
    return lines


def open_record(
    name: str, profile: str, seed: int, *, shift: int = 1, judge: str = "classifier", device: str = "cpu"
) -> Record:
    """Start the record of one G; to be called before the work, which it times."""
    scoring = one_training.scoring(one_training.image_pair_name(name), profile)
    where = {"profile": profile, "seed": seed, "judge": judge, "device": device}
    return records.start("tab2_swap", dataset=name, parameters=asdict(scoring) | {"shift": shift}, **where)


def fill_record(record: Record, run: Run, lines: list[Line]) -> None:
    """Put constants, judges and origins into a record; scores are in its table."""
    zoo.add_training_provenance(record, *run.trained)
    weights = {name: digest for critic in run.critics.values() for name, digest in critic.digests.items()}
    record.made |= {"weights": weights | run.panel.digests, "images": run.panel.origins}
    for label, estimate in run.k_eff.items():
        record.put_trials("k_eff", estimate.maxima.numpy(), method=label, unit="logits per latent distance")
    for name, judge in run.panel.judges.items():
        if judge.accuracy is not None:
            record.put("accuracy", judge.accuracy, judge=name, unit="")
    record.put("lines", len(lines), unit="lines of the table")


# --- the print --------------------------------------------------------------------------------------


def generators_by_numbers() -> list[str]:
    """Objectives whose printed row of Table 1, bare and moved, is that of Table 2 without D and with their own D."""

    def numbers(*places: str) -> list[tuple]:
        return [(score.value, score.sd) for place in places for score in printed(place).values()]

    rows = {kind: f"tab1.cifar10.dcgan.{kind}" for kind in OBJECTIVES}
    return [k for k, row in rows.items() if numbers("tab2.none", f"tab2.{k}") == numbers(f"{row}.bare", f"{row}.dot")]


def printed_rank(own: str, quantity: str) -> int:
    """Rank of the own D in the printed table, ties in its favour."""
    sign = 1 if SCORES[quantity].lower_is_better else -1
    scores = {kind: sign * printed(f"tab2.{kind}")[quantity].value for kind in OBJECTIVES}
    return 1 + sum(score < scores[own] for score in scores.values())


# --- over the committed trainings -------------------------------------------------------------------


def answer(of: Mapping[str, pd.DataFrame]) -> str:
    """The primary endpoint and the counts of the whole matrix, a paragraph for each data set."""
    texts = []
    for label, frame in of.items():
        fid = matrix(frame, "fid")
        if PAPER_G not in fid:
            texts.append(f"*{label}*: fewer than {over_trainings.LEAST} trainings of {PAPER_G} are recorded.")
            continue
        line, own = {PAPER_G: fid[PAPER_G]}, fid[PAPER_G][OWN]
        n = len(own.change)
        texts.append(
            f"*{label}*: {len(foreign(line))} discriminators of another seed move samples of the generator of Table 2, "
            f"over {n} trainings. By FID {_words(counts(line))}; "
            f"its own D changes FID by {tables.change(*own.interval)}.\n\n"
            f"All {len(foreign(fid))} combinations of {tables.count(len(fid), 'generator')} with such a discriminator: "
            + "; ".join(f"by {SCORES[q].label} {_words(counts(matrix(frame, q)))}" for q in QUANTITIES)
            + "."
        )
    return "\n\n".join(texts) or "No training is recorded yet, so this page has no answer."


def _words(count: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {word}" for word, n in count.items())


def claim_table(frame: pd.DataFrame, *, own: bool) -> str:
    """Markdown: for G of Table 2 and each D the printed change, ours over trainings, its share, and the verdict."""
    cells, words = {q: matrix(frame, q)[PAPER_G] for q in CLAIMS}, verdicts(frame, own=own)
    rows = []
    for label in cells["fid"]:
        kind = label.removeprefix("D of dcgan-")
        rows.append([label if label == OWN else f"{label}, another seed", len(cells["fid"][label].change)])
        for quantity in CLAIMS:
            cell, is_printed = cells[quantity][label], (kind, quantity) in words
            change = f"{printed_change(kind, quantity):+.2f}" if is_printed else "-"
            ours = tables.change(*cell.interval, SCORES[quantity].digits)
            rows[-1] += [change, ours, f"{cell.share.mean():.2f}", words.get((kind, quantity), "-")]
    heads = [f"{score}, {part}" for score in ("IS", "FID") for part in ("paper", "here", "share", "verdict")]
    return tables.markdown(["moved by", "trainings", *heads], rows)


def claim_tables(of: Mapping[str, pd.DataFrame], folder: Path = records.KEPT) -> str:
    """Markdown: `claim_table` of each data set that has enough trainings of the G of Table 2, under its label."""
    texts = [f"*{label}*\n\n{claim_table(of[label], own=own)}" for label, own in judged(of, folder).items()]
    return "\n\n".join(texts) or "No verdict without trainings."


def count_table(frame: pd.DataFrame) -> str:
    """Markdown: how many cells get better or worse by each score, with a D of another seed and with the own D."""
    rows = []
    for quantity in QUANTITIES:
        cells = matrix(frame, quantity)
        own = [line[OWN].word for line in cells.values()]
        of_own = (f"{own.count(word)} of {len(own)}" for word in over_trainings.VERDICTS[:2])
        rows.append([SCORES[quantity].label, len(foreign(cells)), *counts(cells).values(), *of_own])
    heads = [f"own D: {word}" for word in over_trainings.VERDICTS[:2]]
    return tables.markdown(["score", "cells, D of another seed", *over_trainings.VERDICTS, *heads], rows)


def own_table(frame: pd.DataFrame) -> str:
    """Markdown: FID with the own D minus FID with the D of the same row and another seed, and the rank of the own D."""
    cells = matrix(frame, "fid")
    gaps = [line[OWN].change - line[method(row)].change for row, line in cells.items()]
    words = over_trainings.better_or_worse(over_trainings.directions(gaps), "fid")
    rows = []
    for (row, line), gap, word in zip(cells.items(), gaps, words, strict=True):
        means = {label: cell.change.mean() for label, cell in line.items()}
        rank = 1 + sum(mean < means[OWN] for mean in means.values())
        change = intervals.changed(gap)
        rows.append([row, len(gap), change, word, f"{rank} of {len(means)}", min(means, key=lambda name: means[name])])
    heads = ["G", "trainings", "FID, own D minus D of another seed", "own D is", "its rank by means", "best mean"]
    return tables.markdown(heads, rows)


def fullest(of: Mapping[str, pd.DataFrame]) -> str:
    """Label of the data set with the most lines, which the figures show. Raises InputError where there is none."""
    if not of:
        raise InputError("of: found no recorded training; make the records of results/tab2_swap first")
    return max(of, key=lambda label: len(of[label]))


def heat_map(cells: Matrix) -> dict[str, object]:
    """Mean changes, G down and D across, those that are decided in bold: what `plots.curves.matrix` plots."""
    values = [[cell.change.mean() for cell in line.values()] for line in cells.values()]
    marked = np.array([[cell.word != over_trainings.UNDECIDED for cell in line.values()] for line in cells.values()])
    columns = next(iter(cells.values()))
    return {
        "values": values,
        "marked": marked,
        "centre": 0.0,
        "rows": [f"G of {r}" for r in cells],
        "columns": [*columns],
    }


def k_eff_map(label: str, folder: Path = records.KEPT) -> dict[str, object]:
    """k_eff of each combination, mean over the trainings of a data set: what `plots.curves.matrix` plots."""
    of: dict[str, list[Record]] = {}
    for record in records.stored(folder, "tab2_swap"):
        if over_trainings.label_of(record) == label and record.parameters["shift"]:
            of.setdefault(row_of(record.dataset), []).append(record)
    columns = [OWN, *map(method, ROWS)]
    rows = [row for row in ROWS if row in of]
    values = [[np.mean([run.get("k_eff", method=name).value for run in of[row]]) for name in columns] for row in rows]
    return {"values": values, "rows": [f"G of {row}" for row in rows], "columns": columns}


def training_table(lines: list[Line]) -> str:
    """Markdown: FID and IS of one training, mean over its sets and judges, and the range of the change over both."""
    frame = pd.DataFrame(lines)
    bare = frame[frame["method"] == "bare"].set_index(["set", "judge"])
    rows = []
    for label, of in frame.groupby("method", sort=False):
        if label in over_trainings.UNMOVED:
            continue
        rows.append([label])
        for quantity in ("fid", "is_mean"):
            change = of.set_index(["set", "judge"])[quantity] - bare[quantity]
            rows[-1] += [
                f"{of[quantity].mean():.2f}",
                f"{change.mean():+.2f}",
                f"{change.min():+.2f} to {change.max():+.2f}",
            ]
    heads = [f"{score}{part}" for score in ("FID", "IS") for part in ("", ", change", ", its range")]
    return tables.markdown(["moved by", *heads], rows)
