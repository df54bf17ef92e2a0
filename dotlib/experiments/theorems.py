"""Duality, Theorems 1 and 2 and the product bound on numbers: measures, tables, record."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dotlib import profiles
from dotlib.evaluation import points as toy_pairs
from dotlib.metrics import optimal_transport
from dotlib.metrics.optimal_transport import Optimum, Potential
from dotlib.networks import layer_norms, mlp
from dotlib.results import paper, records, tables
from dotlib.seeding import generator
from dotlib.training import objectives
from dotlib.training.settings import toy_training
from dotlib.transport import LipschitzEstimate, lipschitz

STEPS = (("pair", "25gaussians-wgan-gp"), ("pair", "swissroll-wgan-gp"))

Key = str | tuple[str, ...]  # of a row
Rows = Mapping[Any, Mapping[str, Any]]  # of a table: Key -> quantity -> number, text, or None


@dataclass(frozen=True)
class Settings:
    """How much is checked."""

    points: int  # of each sample
    critics: int  # random ones, for Theorem 2
    scales: tuple[float, ...] = (0.1, 1.0, 3.0, 10.0)  # of their weights, in turn; training starts at 0.8


SETTINGS = {"smoke": Settings(100, 100), "laptop": Settings(400, 1_000), "paper": Settings(1_000, 1_000)}
TOLERANCE = 1e-8  # fixed before the first run: far above rounding, far below every quantity of the page
PROVED = ("ns", "hinge", "wgan")  # objectives of Theorem 2
CLAIMS = ("Theorem 1", "Theorem 2")  # of the paper; the other statements are older, and only our code can break them
FLAT = 0.001  # of the distance from y to T(y): so near to its minimum an objective is called flat
NAMES = {
    "25gaussians": "25 Gaussians",
    "small": "200 small measures",
    "normalised": "random, normalised",
    "lower": "$D^*_{\\rm low}$",
    "upper": "$D^*_{\\rm up}$",
    "K_eff": "$K_\\text{eff}$",
    "largest": "largest gradient norm",
    "ns": "logistic (5)",
    "hinge": "hinge (6)",
    "wgan": "identity (7) with penalty",
    "printed": "(6) as printed",  # with a maximum where its proof, eq. (49), has a minimum
}


def open_record(pairs: Mapping[str, toy_pairs.ToyPair], profile: str, seed: int) -> records.Record:
    """Start the record, with everything that decides its values."""
    parameters = asdict(profiles.sized(SETTINGS, profile)) | {"figure3": asdict(toy_pairs.figure3_settings(profile))}
    parameters["training"] = {name: asdict(toy_training(name, profile, seed)) for name in pairs}
    weights = {file: digest for pair in pairs.values() for file, digest in pair.digests.items()}
    return records.start("theorems", profile=profile, dataset="both", seed=seed, parameters=parameters, weights=weights)


def table(heads: Sequence[str], formats: str, rows: Rows) -> str:
    """Markdown: a row for each key, with a dash for None; the format "power" is one digit and the power of ten."""
    labels = {key: [key] if isinstance(key, str) else key for key in rows}
    cells = [
        [", ".join(NAMES.get(part, part) for part in labels[key]), *map(_cell, row.values(), formats.split())]
        for key, row in rows.items()
    ]
    return tables.markdown(heads, cells)


def _cell(value: float | str | None, form: str) -> str:
    if form == "power":
        return f"{value:.0e}" if value else "0"
    return "-" if value is None else f"{value:{form}}"


def measures(pair: toy_pairs.ToyPair, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """n training points and n generated points, (n, 2) each."""
    rng = generator(seed, "theorems", pair.name)
    return pair.data.draw(n, rng), pair.draw(n, rng)


def small_optimum(rng: torch.Generator) -> Optimum:
    """The optimum between two random measures of 1 to 12 points with unequal weights."""
    n, m = torch.randint(1, 13, (2,), generator=rng).tolist()
    a, b = (0.05 + torch.rand(size, generator=rng, dtype=torch.float64) for size in (n, m))
    x, y = (torch.randn(size, 2, generator=rng) for size in (n, m))
    return optimal_transport.solve(x, y + 1, a=a / a.sum(), b=b / b.sum())


def worst_certificate(*optima: Optimum) -> dict[str, float | None]:
    """The largest of each number of a certificate over optima and both of their functions; W of a single optimum."""
    certificates = [optimum.certificate(D) for optimum in optima for D in (optimum.lower, optimum.upper)]
    worst = {key: max(certificate[key] for certificate in certificates) for key in certificates[0]}
    return {"W": optima[0].distance if len(optima) == 1 else None} | worst


def excess(D: Potential, y: Tensor, image: Tensor, side: int = 120) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """The objective of eq. (16) above its minimum, -D(y), on a square around y and its image T(y), (2,) each.

    For an optimal D: both coordinates, (side,) each, and (side, side) values with rows along the second, data units.
    """
    centre, half = (y + image) / 2, 1.1 * float((y - image).norm())
    step = torch.linspace(-half, half, side, dtype=torch.float64)
    cells = centre + torch.cartesian_prod(step, step)
    value = optimal_transport.distances(cells, y[None])[:, 0] - D(cells) + D(y[None])
    return (centre[0] + step, centre[1] + step), value.reshape(side, side).T


def flat_share(value: Tensor, y: Tensor, image: Tensor) -> float:
    """Share of the cells of an `excess` around y and its image, (2,) each, where the objective is FLAT."""
    return float((value < FLAT * (y - image).norm()).double().mean())


def descent(optimum: Optimum, x: Tensor, K: float) -> dict[str, float]:
    """Mean move from y to x, W afterwards, and the change of the objective of `lower` without smoothing."""
    length = (x - optimum.y).norm(dim=1)
    change = length - (optimum.lower(x) - optimum.lower(optimum.y)) / K
    W = optimal_transport.solve(optimum.x, x).distance
    return {"move": float(length.mean()), "W": W, "mean": float(change.mean()), "lowest": float(change.min())}


@dataclass(frozen=True)
class Slopes:
    """Slopes of one critic, in logits per data distance."""

    K_eff: LipschitzEstimate
    norms: Tensor  # (M,) gradient norms at generated points
    largest: float  # gradient norm at generated points, training points, grid
    bound: float  # product of the layers' spectral norms, eq. (11)


def slopes(D: nn.Sequential, optimum: Optimum, grid: Tensor, K_eff: LipschitzEstimate) -> Slopes:
    """Slopes of a critic, (B, 2) -> (B, 1), at the points of an optimum and on every third point of a grid."""
    norms = lipschitz.gradient_norms(D, optimum.y.float())
    elsewhere = lipschitz.gradient_norms(D, torch.cat([optimum.x, grid[::3]]).float())
    products = layer_norms.products(D, grid.float(), rng=generator(0, "theorems", "norms"), iterations=1)
    return Slopes(K_eff, norms, float(torch.cat([norms, elsewhere]).max()), products.matrices)


def movable(optimum: Optimum, x: Tensor, steep: Tensor) -> dict[str, float | None]:
    """Share of steep samples, mean move from y to x of these and of the others, W before and afterwards."""
    length = (x - optimum.y.float()).norm(dim=1)
    of_steep, of_others = (float(part.mean()) if len(part) else None for part in (length[steep], length[~steep]))
    W = {"W": optimum.distance, "W_after": optimal_transport.solve(optimum.x, x).distance}
    return {"share": float(steep.double().mean()), "steep": of_steep, "others": of_others} | W


def gaps(D: nn.Module, optimum: Optimum, weight: float, rng: torch.Generator) -> dict[str, float]:
    """The gaps of eq. (18): E D(x) - E D(y), called "dual", and for each objective this minus V_D, in logits.

    D, (B, 2) -> (B, 1), is evaluated in float64, since a large scale would drown the gap in float32. The points x, y
    are those of the optimum. `weight`: of the penalty of the identity loss, whose points are drawn from `rng`.
    """
    D = copy.deepcopy(D).double()
    with torch.no_grad():
        real, fake = D(optimum.x)[:, 0], D(optimum.y)[:, 0]
    value = {key: objectives.OBJECTIVES[key].critic_value(real, fake) for key in PROVED}
    value["wgan"] = value["wgan"] - weight * objectives.gradient_penalty(D, optimum.x, optimum.y, rng=rng).detach()
    value["printed"] = (real - 1).clamp(min=0).mean() + (-1 - fake).clamp(min=0).mean()
    dual = real.mean() - fake.mean()
    return {"dual": float(dual)} | {key: float(dual - v) for key, v in value.items()}


def theorem2_rows(trained: Rows, random: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Objective -> gaps of the trained critics, the smallest of the random ones, and the share of these below 0."""
    return {
        key: {name: gap[key] for name, gap in trained.items()}
        | {"random": min(gap[key] for gap in random)}
        | {"violated": sum(gap[key] < -1e-9 for gap in random) / len(random)}
        for key in (*PROVED, "printed")
    }


def random_critic(scale: float, rng: torch.Generator) -> mlp.MLP:
    """A critic that nobody trained, (B, 2) -> (B, 1): weights of this scale and a random offset."""
    D = mlp.MLP(2, 64, 1)
    mlp.he_normal(D, rng, scale)
    nn.init.normal_(list(D.parameters())[-1], 0, 3, generator=rng)
    return D.requires_grad_(False)


def normalised_critic(seed: int) -> mlp.MLP:
    """A random critic of Table 4 whose layers are divided by their spectral norms, eq. (9)."""
    D = mlp.toy_discriminator(generator(seed, "theorems", "normalised")).eval().requires_grad_(False)
    for layer in D:
        if isinstance(layer, nn.Linear):
            layer.weight /= torch.linalg.matrix_norm(layer.weight, 2)
    return D


@dataclass(frozen=True)
class Results:
    """What the page measures: the rows of its tables, and the slopes of its critics."""

    certificates: Rows
    argmins: Rows
    moves: Rows
    theorem2: Rows
    attained: Rows
    slopes: Mapping[str, Slopes]


def deviations(results: Results) -> dict[str, float]:
    """By how much each statement fails, at the worst place of the page."""
    steepest = (max(s.largest, float(s.K_eff.maxima.max())) / s.bound - 1 for s in results.slopes.values())
    return {
        "strong duality": max(v for row in results.certificates.values() for key, v in row.items() if key != "W"),
        "Theorem 1": max(max(row["lower"], row["spread"]) for row in results.argmins.values()),
        "Theorem 2": max(0.0, -min(smallest_gaps(results.theorem2).values())),
        "product bound": max(0.0, *steepest),
    }


def smallest_gaps(theorem2: Rows) -> dict[str, float]:
    """The smallest gap of any critic, for each objective of Theorem 2."""
    return {key: min(gap for name, gap in theorem2[key].items() if name != "violated") for key in PROVED}


def summary(record: records.Record) -> str:
    """Markdown: each statement, what it was checked on, by how much it fails there, and its verdict if it has one."""
    points, critics = (record.parameters[size] for size in ("points", "critics"))
    checks = {
        "strong duality": (
            "strong duality {eq}`eq-14`, slackness {eq}`eq-33`",
            f"2 samples of {points} + {points} points, 200 small measures",
        ),
        "Theorem 1": (
            "Theorem 1 {eq}`eq-16`, and the segment",
            f"2 x {points} samples, 10,000 grid points, 11 points a segment",
        ),
        "Theorem 2": ("Theorem 2 {eq}`eq-18`", f"2 trained and {critics:,} random critics, 3 objectives"),
        "product bound": ("product bound {eq}`eq-11`", "3 critics"),
    }
    rows = {
        text: {
            "on": on,
            "by": record.get("deviation", method=statement).value,
            "verdict": record.verdicts.get(statement, "a check of the code"),
        }
        for statement, (text, on) in checks.items()
    }
    return table(["statement", "checked on", "deviation", "verdict"], "s power s", rows)


def answer(record: records.Record) -> str:
    """By how much the paper's theorems fail here, what the exact dual leaves to move, and what numbers can show."""
    worst = {claim: _cell(record.get("deviation", method=claim).value, "power") for claim in CLAIMS}
    told = " and ".join(f"{by} from {claim} (*{record.verdicts[claim]}*)" for claim, by in worst.items())
    steep = (f"{row.value:.0%} ({NAMES.get(row.pair, row.pair)})" for row in record.rows(quantity="share_movable"))
    holds = record.verdicts["Theorem 1"] == paper.REPRODUCED
    dual = "so the exact $D^*$ gives no reason to move" if holds else "which the theorem does not allow"
    return (
        f"The largest deviation that this page finds is {told}. The sample $y$ is itself a minimum "
        f"of {{eq}}`eq-16`, up to the first of these, {dual}. Of the samples of "
        f"trained pairs {' and '.join(steep)} have a slope above $K_\\text{{eff}}$ and so start at no minimum of "
        "{eq}`eq-22`. "
        "Numbers can refute a theorem and not prove it, and the shares are each of *one training*."
    )


def fill_record(record: records.Record, results: Results) -> None:
    """Put the deviations, the verdicts, and the values behind the tables into the record."""
    points, n = record.parameters["points"], record.parameters["critics"] + len(results.attained)
    for statement, worst in deviations(results).items():
        record.put("deviation", worst, method=statement, unit="")
        if statement in CLAIMS:
            held = paper.REPRODUCED if worst < TOLERANCE else paper.CONTRADICTED
            record.verdicts[statement] = paper.unless_smoke(held, profile=record.profile)
    for key in ("gap", "excess", "negative", "on_plan"):
        record.put(f"certificate_{key}", max(row[key] for row in results.certificates.values()), unit=toy_pairs.PLAIN)
    record.put("segment_spread", max(row["spread"] for row in results.argmins.values()), unit=toy_pairs.PLAIN)
    for key, gap in smallest_gaps(results.theorem2).items():
        record.put("theorem2_gap", gap, method=key, n=n, unit="logits")
    for name, row in results.attained.items():
        record.put("W", row["W"], pair=name, n=points, unit=toy_pairs.PLAIN)
        record.put("share_movable", results.moves[name, "K_eff"]["share"], pair=name, n=points, unit="")
        record.put("dual_value", row["largest"], pair=name, n=points, unit=toy_pairs.PLAIN)
    for name, s in results.slopes.items():
        record.put("bound", s.bound, pair=name, unit=toy_pairs.SLOPE)
        record.put("gradient", s.largest, pair=name, unit=toy_pairs.SLOPE)
        record.put("K_eff", s.K_eff.value, pair=name, sd=s.K_eff.std, n=len(s.K_eff.maxima), unit=toy_pairs.SLOPE)
