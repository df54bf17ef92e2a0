"""Samples along their transport ([DOT19] Figures 9 to 11): three learning rates, DOT and naive.

Every curve starts from the same latents, so that differences are paired.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from dotlib import transport
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import ImagePair, Measurement, Method
from dotlib.evaluation.judges import Scoring, scoring_settings
from dotlib.metrics import intervals
from dotlib.results import paper, records

STEPS = (("score", "digits-*"),)

SCORES = {"is_mean": "inception score", "fid": "squared feature units", "precision": "", "recall": ""}
BORDER = 1 - 1e-6  # a coordinate beyond this lies on a face of the cube


@dataclass(frozen=True)
class Updates:
    """How Figures 9 to 11 are measured ([DOT19] B.2)."""

    scoring: Scoring
    lrs: tuple[float, ...] = (0.05, 0.005, 0.001)
    steps: tuple[int, ...] = tuple(range(0, 101, 10))
    early: int = 10  # B.2 quotes the scores after 0, 10 and 90 updates
    late: int = 90
    followed: int = 100  # latents whose way is measured


@dataclass(frozen=True)
class Claim:
    """A sentence of B.2 as the sign of a paired difference, first minus second.

    first, second:  (method, step); printed: the published difference, or its sign, 1 or -1.
    """

    text: str
    quantity: str
    first: tuple[str, int]
    second: tuple[str, int]
    printed: float


def updates_settings(dataset: str, row: str, profile: str) -> Updates:
    """Settings of Figures 9 to 11 for a row of Table 1. Raises InputError for an unknown word."""
    c = scoring_settings(dataset, row.partition("-")[0], profile)
    if profile == "smoke":
        return Updates(c, steps=(0, 1, 2, 3), early=1, late=2, followed=20)
    whole = profile == "paper" and dataset != "digits"
    few = 200 if dataset == "digits" else 2_500  # FID needs more images than Inception's 2,048
    samples = 10_000 if whole else few
    return Updates(replace(c, samples=samples, kept=min(samples, 1_000), splits=5 if dataset == "digits" else c.splits))


def methods(c: Updates) -> tuple[Method, ...]:
    """DOT and the naive ascent, eq. (56), for each learning rate; one pass a curve."""
    return tuple(
        Method(named(kind, lr), c.steps, lr, cost=cost)
        for lr in c.lrs
        for kind, cost in (("dot", "l2"), ("naive", "none"))
    )


def named(kind: str, lr: float) -> str:
    """A curve's name in files and records: "dot-0.05"."""
    return f"{kind}-{lr:g}"


def curve(m: Measurement, method: str, quantity: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """(steps, mean over the sets, half of the 95 % interval of the paired difference to bare)."""
    steps = [step for name, step in m.rows if name == method]
    sets = np.array([m.of(method, step, quantity) for step in steps])  # (steps, sets)
    ends = [intervals.interval(row, sets[0])[1] for row in sets]
    return steps, sets.mean(1), np.array([(high - low) / 2 for low, high in ends])


def ways(pair: ImagePair, k_eff: float, c: Updates, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Curve -> (mean distance from the start, how the support holds), both (steps,).

    The second is the share of coordinates on a face of the cube for the uniform prior, and the
    mean of ||z|| / sqrt(d) for the normal one.
    """
    z = image_pairs.latents(pair, c.scoring, seed, 0)[: c.followed].to(pair.device)
    found = {}
    for method in methods(c):
        path = transport.latent_dot(
            pair,
            z,
            k_eff,
            steps=c.steps[-1],
            snapshots=c.steps,
            cost=method.cost,
            optimizer=transport.SGD(method.lr),
        ).points  # (steps, latents, d)
        radius = path.norm(dim=2).mean(1) / math.sqrt(path.shape[2])
        edge = radius if pair.prior.spherical else (path.abs() > BORDER).float().mean((1, 2))
        found[method.name] = (path - z).norm(dim=2).mean(1).cpu().numpy(), edge.cpu().numpy()
    return found


def claims(c: Updates) -> tuple[Claim, ...]:
    """What B.2 says of Figures 9 to 11, fixed before any run."""
    large, middle, small = sorted(c.lrs, reverse=True)
    dot, end = named("dot", large), c.steps[-1]
    found = []
    for score, quantity in (("IS", "is_mean"), ("FID", "fid")):
        u = [paper.value(f"fig9.u{n}.{score.lower()}").value for n in (0, 10, 90)]
        found += [
            Claim(
                f"lr {large:g}: DOT improves {score} within {c.early} updates",
                quantity,
                (dot, c.early),
                (dot, 0),
                u[1] - u[0],
            ),
            Claim(
                f"lr {large:g}: DOT worsens {score} from update {c.early} to {c.late}",
                quantity,
                (dot, c.late),
                (dot, c.early),
                u[2] - u[1],
            ),
        ]
    found.append(
        Claim(
            f"lr {small:g} is slow: DOT's FID at update {c.early} is above that of lr {large:g}",
            "fid",
            (named("dot", small), c.early),
            (dot, c.early),
            1.0,
        )
    )
    for kind, name in (("dot", "DOT"), ("naive", "naive")):
        found.append(
            Claim(
                f"lr {middle:g}: {name} raises IS by update {end}",
                "is_mean",
                (named(kind, middle), end),
                (named(kind, middle), 0),
                1.0,
            )
        )
    found += [
        Claim(
            f"lr {lr:g}: naive's FID at update {end} is above DOT's",
            "fid",
            (named("naive", lr), end),
            (named("dot", lr), end),
            1.0,
        )
        for lr in (middle, small)
    ]
    return tuple(found)


def sign(claim: Claim) -> str:
    """The published side of a claim, in a cell of a table: the difference, or "above 0"."""
    if abs(claim.printed) == 1.0:
        return "above 0" if claim.printed > 0 else "below 0"
    return f"{claim.printed:+.2f}"


def fill_updates(record: records.Record, m: Measurement, c: Updates) -> None:
    """Put Figures 9 to 11 into their record: curves, paired differences, verdicts."""
    record.put("k_eff", m.k_eff.value, sd=m.k_eff.std, n=len(m.k_eff.maxima), unit="logits per latent distance")
    for method in methods(c):
        for quantity, unit in SCORES.items():
            record.put(f"{method.name}, {quantity}", curve(m, method.name, quantity)[1].tolist(), unit=unit)
    for claim in claims(c):
        mean, interval = intervals.interval(m.of(*claim.first, claim.quantity), m.of(*claim.second, claim.quantity))
        record.put(claim.text, mean, interval=interval, n=c.scoring.sets, unit=SCORES[claim.quantity])
        record.verdicts[claim.text] = paper.verdict_on_sign(claim.printed, interval, profile=record.profile)
