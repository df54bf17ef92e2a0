"""Figure 4 of [DOT19]: the same samples moved in target space and in latent space."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from dotlib.data import images
from dotlib.errors import InputError, check_count, check_points
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording, table1_trainings
from dotlib.evaluation.images import Measurement, Method, Table1Row
from dotlib.evaluation.judges import Scoring
from dotlib.metrics import frequencies, intervals
from dotlib.metrics.scores import IMAGE_SCORES, SCORES
from dotlib.results import paper, tables
from dotlib.results.records import Record
from dotlib.seeding import generator
from dotlib.transport import TARGET_ADAM

STEPS = (("score", "digits-*"),)

SAME_RISE = "target, same rise"
CLAIMS = {  # claim -> first, second, quantity, sign of first - second; that latent DOT lowers FID is Table 1's
    "target space raises D more": ("target", "latent", "D", 1),
    "target space worsens FID": (SAME_RISE, "bare", "fid", 1),
    "at the same rise of D, FID is worse in target space": (SAME_RISE, "latent", "fid", 1),
    "the change in target space has more high frequencies": (SAME_RISE, "latent", "share", 1),
}
SHOWN = ("D", "fid", "is_mean", "precision", "recall", "moved", "share", "nearest")

Looked = Mapping[tuple[str, int], tuple[Tensor, Tensor]]  # (method, step) -> images, logits
Columns = Mapping[str, tuple[str, int]]  # column of the page -> (method, step)
Features = Mapping[str, Mapping[str, Tensor]]  # column -> what `features` gives


@dataclass(frozen=True)
class Settings:
    """How much work the page does. Nothing here was chosen by a score."""

    rows: tuple[str, ...] = ("dcgan-wgan-gp", "dcgan-sngan-ns")  # the paper names none; the last one is drawn
    target_steps: tuple[int, ...] = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)  # B.1 has 100 of Adam (0.01, 0, 0.9)
    looked: int = 100  # images of each set whose changes are measured one by one
    shown: int = 8  # columns of the grids


SETTINGS = {
    "smoke": Settings(target_steps=(1, 2, 4), looked=20, shown=5),
    "laptop": Settings(),
    "paper": Settings(looked=500),
}


def nearest(x: Tensor, bank: Tensor, *, block: int = 5_000) -> tuple[Tensor, Tensor]:
    """Distance (B,) to the nearest image of a bank in data units, float64, and its row (B,).

    x holds (B, C, H, W) floats in [-1, 1], the bank (N, C, H, W) uint8, of which `block` are floats at a time. Raises
    InputError for a bank that is empty or of another kind.
    """
    check_points("x", x, rank=4)
    check_count("block", block)
    if bank.dtype != torch.uint8 or bank.shape[1:] != x.shape[1:] or len(bank) == 0:
        shapes = f"{bank.dtype} of shape {tuple(bank.shape)} for x of shape {tuple(x.shape)}"
        raise InputError(f"bank: found {shapes}; give uint8 images of one shape with x")
    flat, squared = x.detach().cpu().double().flatten(1), []
    for part in bank.split(block):
        rows = images.to_float(part).double().flatten(1)
        squared.append(rows.square().sum(1) - 2 * flat @ rows.T)  # |x|^2 left out
    row = torch.cat(squared, 1).argmin(1)
    return (flat - images.to_float(bank[row]).double().flatten(1)).norm(dim=1), row


def distance_of_test_images(dataset: str, bank: Tensor, n: int, seed: int) -> float:
    """Mean distance of n test images, or of all, to the nearest of the bank."""
    test = image_pairs.held_out(dataset, n, generator(seed, "views", dataset))
    return nearest(test, bank)[0].mean().item()


def space_methods(settings: Scoring, steps: Sequence[int]) -> tuple[Method, Method]:
    """Latent DOT as in Table 1 (B.2: SGD), and target DOT (B.1: Adam) with these steps."""
    target = Method("target", tuple(steps), TARGET_ADAM.lr, space="target", adam=True)
    return image_pairs.table1_methods(settings)[0], target


def look(run: Table1Row, settings: Settings, seed: int, number: int) -> Looked:
    """First images of a set under both methods, with their logits."""
    z = image_pairs.latents(run.pair, run.settings, seed, number)[: settings.looked]
    latent, target = space_methods(run.settings, settings.target_steps)
    return {
        (method.name, step): looked
        for method, K in ((latent, run.measured.k_eff.value), (target, run.measured.K_eff.value))
        for step, looked in image_pairs.looked_at(run.pair, method, z, K).items()
    }


def columns(looked: Sequence[Looked], updates: int) -> dict[str, tuple[str, int]]:
    """What the page compares: name -> (method, step), chosen from `look` at every set.

    SAME_RISE is the step of target space at which the mean of D is nearest to that of latent space at its last step.
    No judge is asked.
    """
    level = {key: float(np.mean([float(of_set[key][1].mean()) for of_set in looked])) for key in looked[0]}
    steps = sorted(step for method, step in level if method == "target")
    same = min(steps, key=lambda step: abs(level["target", step] - level["dot", updates]))
    latent = {"bare": ("dot", 0), "latent": ("dot", updates)}
    return latent | {SAME_RISE: ("target", same), "target": ("target", steps[-1])}


def features(looked: Looked, columns: Columns, bank: Tensor) -> dict[str, dict[str, Tensor]]:
    """Column -> images and, (n,) each, D, distance moved, high frequencies of the change, `nearest` of the bank."""
    bare, shown = looked[columns["bare"]][0], {}
    for name, key in columns.items():
        (x, logit), (distance, row) = looked[key], nearest(looked[key][0], bank)
        shown[name] = {"images": x, "D": logit.double(), "moved": (x - bare).double().flatten(1).norm(dim=1)}
        shown[name] |= {"share": frequencies.high_share(x - bare), "nearest": distance, "neighbour": row}
    return shown


def set_values(measured: Measurement, columns: Columns, sets: Sequence[Features]) -> recording.Values:
    """Scores of each column, and means of its features in each set."""
    return {
        (name, ""): {quantity: measured.of(*key, quantity) for quantity in ("D", *IMAGE_SCORES)}
        | {quantity: [float(shown[name][quantity].mean()) for shown in sets] for quantity in SHOWN[-3:]}
        for name, key in columns.items()
    }


def fill_record(
    record: Record,
    columns: Mapping[str, Columns],
    runs: Mapping[str, Table1Row],
    values: Mapping[str, recording.Values],
    test_distance: float,
) -> None:
    """Put every number of the page into its record, by row of Table 1, with a verdict for each claim."""
    recording.describe(record, runs.values())
    record.put("nearest", test_distance, method="test images", unit=SCORES["nearest"].unit)
    for row, run in runs.items():
        recording.put_scores(record, values[row], pair=row)
        record.put("update", columns[row][SAME_RISE][1], pair=row, method=SAME_RISE, unit="updates")
        record.put("k_eff", run.measured.k_eff.value, pair=row, unit="logits per latent distance")
        record.put("K_eff", run.measured.K_eff.value, pair=row, unit="logits per data distance")
    own, claims = recording.on_papers_data(record, "cifar10"), []
    for text, (first, second, quantity, sign) in CLAIMS.items():
        for row, numbers in values.items():
            both = numbers[first, ""][quantity], numbers[second, ""][quantity]
            claim = paper.comparison(sign, intervals.interval(*both)[1], np.size(both[0]), own=own)
            claims.append((record, f"{text}, {row}", claim))
    recording.put_verdicts(claims)


def score_table(record: Record, columns: Mapping[str, Columns]) -> str:
    """Markdown: a line for each pair and quantity, the value in each column with its difference to bare."""
    rows = []
    for row, quantity in ((row, quantity) for row in columns for quantity in SHOWN):
        cells = [recording.score(record, quantity, pair=row, method=name) for name in columns[row]]
        for at, name in enumerate(columns[row]):
            if name != "bare":
                cells[at] += f" ({recording.change(record, quantity, pair=row, method=name, against='bare')})"
        rows.append([f"{row}: {SCORES[quantity].label}", *cells])
    return tables.markdown(["pair", *next(iter(columns.values()))], rows)


def latent_words(of: Mapping[str, pd.DataFrame], rows: Sequence[str]) -> str:
    """In words: what Table 1 says over trainings of the claim that latent DOT lowers FID, for some of its rows."""
    texts = []
    for label, frame in of.items():
        words, changed = table1_trainings.verdicts(frame), table1_trainings.changes(frame, "fid")
        judged = [row for row in rows if (row, "fid") in words and not changed[row].over]
        told = [f"{row} {changed[row]}, {words[row, 'fid']}" for row in judged]
        texts += [f"{label}: {'; '.join(told)}"] if told else []
    return ". ".join(texts) or "no training is recorded yet"


def amplified(shown: Features, n: int) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """The changes of the first n images, the largest of a column black or white, over their high frequencies."""
    pixels, captions = {}, {}
    for name in (name for name in shown if name != "bare"):
        change = shown[name]["images"][:n] - shown["bare"]["images"][:n]
        gain = 1 / max(change.abs().max().item(), 1e-12)
        label = f"{name}\n× {gain:.1f}"
        pixels[label] = images.to_uint8((gain * change).clamp(-1, 1)).numpy()
        captions[label] = [f"{share:.0%}" for share in shown[name]["share"][:n]]
    return pixels, captions


def neighbours(shown: Features, bank: Tensor, n: int) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """The nearest training image of the first n images of each column, and its distance."""
    pixels = {f"nearest to\n{name}": bank[column["neighbour"][:n]].numpy() for name, column in shown.items()}
    distances = [[f"{distance:.2f}" for distance in column["nearest"][:n]] for column in shown.values()]
    return pixels, dict(zip(pixels, distances, strict=True))
