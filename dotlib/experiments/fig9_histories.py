"""Samples along their transport ([DOT19] Figures 9 to 11): three learning rates, DOT and naive, the same latents."""

import math
from dataclasses import dataclass, replace

import numpy as np

from dotlib import transport
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording
from dotlib.evaluation.images import ImagePair, Measurement, Method
from dotlib.evaluation.judges import Scoring, scoring_settings
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, tables
from dotlib.results.records import Record
from dotlib.training.settings import image_training

STEPS = (("score", "digits-*"),)

QUANTITIES = ("is_mean", "fid", "precision", "recall")
BORDER = 1 - 1e-6  # a coordinate beyond this lies on a face of the cube


@dataclass(frozen=True)
class Settings:
    """How Figures 9 to 11 are measured ([DOT19] B.2)."""

    scoring: Scoring
    lrs: tuple[float, ...] = (0.05, 0.005, 0.001)
    steps: tuple[int, ...] = tuple(range(0, 101, 10))
    early: int = 10  # B.2 quotes the scores after 0, 10 and 90 updates
    late: int = 90
    followed: int = 100  # latents whose way is measured


@dataclass(frozen=True)
class Claim:
    """A sentence of B.2 as the sign of a paired difference, first minus second."""

    text: str
    quantity: str
    first: tuple[str, int]  # method, step
    second: tuple[str, int]
    printed: float  # the published difference; 1 where the text says no more than that it is above 0


def settings_of(dataset: str, row: str, profile: str) -> Settings:
    """Settings of Figures 9 to 11 for a row of Table 1. Raises InputError for an unknown word."""
    scoring = scoring_settings(dataset, image_training(dataset, row, profile).architecture, profile)
    if profile == "smoke":
        return Settings(scoring, steps=(0, 1, 2, 3), early=1, late=2, followed=20)
    whole = profile == "paper" and dataset != "digits"
    few = 200 if dataset == "digits" else 2_500  # FID needs more images than Inception's 2,048
    samples, splits = 10_000 if whole else few, 5 if dataset == "digits" else scoring.splits
    return Settings(replace(scoring, samples=samples, kept=min(samples, 1_000), splits=splits))


def methods(settings: Settings) -> tuple[Method, ...]:
    """DOT and the naive ascent, eq. (56), for each learning rate; one pass a curve."""
    return tuple(
        Method(named(kind, lr), settings.steps, lr, cost=cost)
        for lr in settings.lrs
        for kind, cost in (("dot", "l2"), ("naive", "none"))
    )


def named(kind: str, lr: float) -> str:
    """A curve's name in files and records: "dot-0.05"."""
    return f"{kind}-{lr:g}"


def curve(measured: Measurement, method: str, quantity: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """(steps, mean over the sets, half of the 95 % interval of the paired difference to bare)."""
    steps = [step for name, step in measured.rows if name == method]
    sets = np.array([measured.of(method, step, quantity) for step in steps])  # (steps, sets)
    ends = [intervals.interval(row, sets[0])[1] for row in sets]
    return steps, sets.mean(1), np.array([(high - low) / 2 for low, high in ends])


def panels(measured: Measurement, lr: float) -> dict[str, tuple[str, dict]]:
    """IS and FID along the updates at one learning rate, DOT and naive, as `plots.curves.histories` takes them."""
    return {
        SCORES[q].label: (SCORES[q].unit, {k: curve(measured, named(k.lower(), lr), q) for k in ("DOT", "naive")})
        for q in QUANTITIES[:2]
    }


def ways(pair: ImagePair, k_eff: float, settings: Settings, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Curve -> (mean distance from the start, how the support holds), both (steps,).

    The second is the share of coordinates on a face of the cube, or for a normal prior the mean of ||z|| / sqrt(d).
    """
    z = image_pairs.latents(pair, settings.scoring, seed, 0)[: settings.followed].to(pair.device)
    curves = {}
    for method in methods(settings):
        options = {"cost": method.cost, "optimizer": transport.SGD(method.lr), "snapshots": settings.steps}
        path = transport.latent_dot(pair, z, k_eff, steps=settings.steps[-1], **options).points  # (steps, latents, d)
        radius = path.norm(dim=2).mean(1) / math.sqrt(path.shape[2])
        edge = radius if pair.prior.spherical else (path.abs() > BORDER).float().mean((1, 2))
        curves[method.name] = (path - z).norm(dim=2).mean(1).cpu().numpy(), edge.cpu().numpy()
    return curves


def claims(settings: Settings) -> tuple[Claim, ...]:
    """What B.2 says of Figures 9 to 11, fixed before any run."""
    large, middle, small = (f"lr {lr:g}" for lr in sorted(settings.lrs, reverse=True))
    early, late, end = settings.early, settings.late, settings.steps[-1]
    dot, naive = ({f"lr {lr:g}": named(kind, lr) for lr in settings.lrs} for kind in ("dot", "naive"))
    table = []
    for quantity, score in (("is_mean", "IS"), ("fid", "FID")):
        start, rise, fall = (printed(quantity, update) for update in (0, 10, 90))
        improves, worsens = f"improves {score} by update {early}", f"worsens {score} from update {early} to {late}"
        table += [
            Claim(f"{large}: DOT {improves}", quantity, (dot[large], early), (dot[large], 0), rise - start),
            Claim(f"{large}: DOT {worsens}", quantity, (dot[large], late), (dot[large], early), fall - rise),
        ]
    slow, above = f"DOT's FID at update {early} is above that of {large}", f"naive's FID at update {end} is above DOT's"
    table += [
        Claim(f"{small} is slow: {slow}", "fid", (dot[small], early), (dot[large], early), 1.0),
        Claim(f"{middle}: DOT raises IS by update {end}", "is_mean", (dot[middle], end), (dot[middle], 0), 1.0),
        Claim(f"{middle}: naive raises IS by update {end}", "is_mean", (naive[middle], end), (naive[middle], 0), 1.0),
        Claim(f"{middle}: {above}", "fid", (naive[middle], end), (dot[middle], end), 1.0),
        Claim(f"{small}: {above}", "fid", (naive[small], end), (dot[small], end), 1.0),
    ]
    return tuple(table)


def printed(quantity: str, update: int) -> float:
    """A score that the text quotes from Figure 9, after 0, 10 or 90 updates."""
    return paper.value(f"fig9.u{update}.{SCORES[quantity].printed}").value


def fill_record(record: Record, measured: Measurement, settings: Settings) -> None:
    """Put Figures 9 to 11 into their record: curves, paired differences, verdicts."""
    record.put_trials("k_eff", measured.k_eff.maxima.numpy(), unit="logits per latent distance")
    for name, step in measured.rows:
        for quantity in QUANTITIES:
            of_sets = measured.of(name, step, quantity)
            record.put_trials(quantity, of_sets, method=name, setting=step, unit=SCORES[quantity].unit)
    own, judged = recording.on_papers_data(record, "cifar10"), []
    for claim in claims(settings):
        both = (measured.of(*at, claim.quantity) for at in (claim.first, claim.second))
        interval = intervals.put_difference(record, claim.text, *both, unit=SCORES[claim.quantity].unit)
        sets, least = record.get(claim.text).n or 0, paper.reprint_gap(SCORES[claim.quantity].printed)
        least = 0.0 if claim.printed == 1.0 else least  # a sentence of the text has no printed difference
        judged.append((record, claim.text, paper.comparison(claim.printed, interval, sets, own=own, least=least)))
    recording.put_verdicts(judged)


def quoted_table(record: Record, settings: Settings) -> str:
    """Markdown: the scores that the text quotes of DOT at the largest rate, and ours after as many updates."""
    rows, largest = [], named("dot", settings.lrs[0])
    for update, step in ((0, 0), (10, settings.early), (90, settings.late)):
        scores = [printed(quantity, update) for quantity in QUANTITIES[:2]]
        scores += [record.get(quantity, method=largest, setting=step).value for quantity in QUANTITIES[:2]]
        rows.append([f"{update}, here {step}", *(f"{score:.2f}" for score in scores)])
    heads = (f"{score}, {where}" for where in ("paper", record.dataset) for score in ("IS", "FID"))
    return tables.markdown(["updates", *heads], rows)


def claim_table(record: Record, settings: Settings) -> str:
    """Markdown: each claim with its published side, our difference and the verdict."""
    rows = []
    for claim in claims(settings):
        row, printed = record.get(claim.text), "above 0" if claim.printed == 1.0 else f"{claim.printed:+.2f}"
        here = tables.change(row.value, row.interval, 3)
        rows.append([claim.text, printed, here, record.verdicts[claim.text]])
    return tables.markdown(["claim", "paper", f"this build, {record.dataset}", "verdict"], rows)
