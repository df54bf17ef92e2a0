"""A pair along its training ([DOT19] Figure 2): constants of D, scores of G.

Every milestone sees the same latents and the same random pairs, so its repeats are paired with
those of any other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dotlib.errors import InputError, check_option
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import ImagePair, Method
from dotlib.evaluation.judges import Panel, Scoring, scoring_settings
from dotlib.metrics import intervals
from dotlib.networks import layer_norms
from dotlib.results import paper, records
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES
from dotlib.transport import lipschitz

STEPS = (("score", "digits-*"),)

CONSTANTS = {"K_eff": "logits per data distance", "k_eff": "logits per latent distance"}
SCORES = {"is_mean": "inception score", "fid": "squared feature units"}
DRASTIC = 2.0  # ours, fixed before any run: the paper has no number for "drastically"


@dataclass(frozen=True)
class Along:
    """How Figure 2 is measured ([DOT19] Figure 2: 500 pairs, one sigma over 500 trials)."""

    scoring: Scoring  # of G at a milestone; its own constants decide nothing
    rows: tuple[str, ...] = tuple(f"dcgan-{kind}" for kind in OBJECTIVES)
    n_pairs: int = 500
    repeats: int = 500
    pool: int = 10_000  # images, and latents, of which the pairs are taken
    every: int = 1  # milestones: one of so many, the last included
    gradients: int = 500  # images at which the slope of D is taken


@dataclass(frozen=True)
class Milestone:
    """A pair at one moment of its training: constants, and scores of G for each set of latents."""

    update: int
    K_eff: lipschitz.LipschitzEstimate
    k_eff: lipschitz.LipschitzEstimate
    is_mean: list[float]
    fid: list[float]


def along_settings(dataset: str, profile: str) -> Along:
    """Settings of Figure 2. Raises InputError for an unknown word."""
    c = replace(scoring_settings(dataset, "dcgan", profile), kept=100, pairs=10, repeats=1)
    if profile == "smoke":
        return Along(c, n_pairs=20, repeats=10, pool=200, every=4, gradients=50)
    c = replace(c, samples=min(c.samples, 10_000))
    return Along(c, every=2 if profile == "laptop" else 1)


def along_training(
    trained: zoo.TrainedPair, judged: Panel, c: Along, seed: int, device: str = "cpu"
) -> list[Milestone]:
    """Constants and scores of a pair at its milestones, oldest first.

    Scores are kept under the digest of the finished pair and the update: a training leaves one
    milestone at an update. Raises InputError where there are none.
    """
    found = list(zoo.milestones(trained))[::-1][:: c.every][::-1]
    if not found:
        raise InputError(f"trained: no milestones beside {trained.path}; delete the pair and train it again")
    history, bare = [], Method("bare", (0,), c.scoring.lr, k=1.0)
    for update, then in found:
        at = replace(trained, name=f"{trained.name}-u{update}", pair=then)
        pair = image_pairs.ImagePair.of(at, device)
        pair = replace(pair, digests=pair.digests | {"update": str(update)})
        m = image_pairs.measure(pair, (bare,), judged, c.scoring, seed)
        history.append(
            Milestone(update, *pool_constants(pair, c, seed), m.of("bare", 0, "is_mean"), m.of("bare", 0, "fid"))
        )
    return history


def pool_constants(
    pair: ImagePair, c: Along, seed: int
) -> tuple[lipschitz.LipschitzEstimate, lipschitz.LipschitzEstimate]:
    """K_eff, eq. (20), and k_eff, eq. (21), of one pool of latents and the same random pairs."""
    z = pool(pair, c, seed)
    K_eff, k_eff = (
        lipschitz.pooled_constant(f, points, n_pairs=c.n_pairs, repeats=c.repeats, rng=generator(seed, "fig2", "pairs"))
        for f, points in ((pair.logit, generated(pair, z, c)), (pair.latent_logit, z))
    )
    return K_eff, k_eff


def pool(pair: ImagePair, c: Along, seed: int) -> Tensor:
    """The latents of Figure 2, (pool, d), the same for every pair with this prior."""
    rng = generator(seed, "fig2", "pool", str(pair.prior.dim))
    return pair.prior.sample(c.pool, rng).to(pair.device)


@torch.no_grad()
def generated(pair: ImagePair, z: Tensor, c: Along) -> Tensor:
    """G(z), (B, C, H, W), batch by batch."""
    return torch.cat([pair.generate(rows) for rows in z.split(c.scoring.batch)])


def growth(history: Sequence[Milestone], name: str) -> tuple[float, tuple[float, float]]:
    """A constant at the end of a training over that in its middle, with a 95 % interval.

    name:  "K_eff" or "k_eff".
    The geometric mean over the repeats, which are paired. Raises InputError where D is constant on
    samples.
    """
    check_option("name", name, CONSTANTS)
    logs = []
    for at in (history[-1], middle(history)):
        maxima = getattr(at, name).maxima.numpy()
        if not (maxima > 0).all():
            raise InputError(
                f"history: {name} is 0 at update {at.update}, D is constant on samples; "
                "look for where the training collapsed"
            )
        logs.append(np.log(maxima))
    mean, (low, high) = intervals.interval(*logs)
    return math.exp(mean), (math.exp(low), math.exp(high))


def middle(history: Sequence[Milestone]) -> Milestone:
    """The milestone nearest to half of the updates, the earlier of two."""
    return min(history, key=lambda at: abs(2 * at.update - history[-1].update))


def not_drastic(interval: tuple[float, float], *, profile: str) -> str:
    """Verdict on "does not increase drastically" from the interval of `growth`: below DRASTIC."""
    low, high = (math.log(end / DRASTIC) for end in interval)
    return paper.verdict_on_sign(-1.0, (low, high), profile=profile)


def bounds(pair: ImagePair, c: Along, seed: int) -> tuple[float, layer_norms.Products]:
    """The largest gradient norm of D at samples, and the products that bound it from above.

    Raises InputError for a D with attention, whose slope is not bounded.
    """
    x = generated(pair, pool(pair, c, seed)[: c.gradients], c)
    return (
        float(lipschitz.gradient_norms(pair.logit, x).max()),
        layer_norms.products(pair.discriminator, x, rng=generator(seed, "fig2", "power")),
    )


def fill_training(record: records.Record, histories: Mapping[str, Sequence[Milestone]]) -> None:
    """Put Figure 2 into its record: curves, growth, verdicts. histories: row -> milestones."""
    for row, history in histories.items():
        record.put(f"{row}, updates", [at.update for at in history], unit="updates of G")
        for name, unit in CONSTANTS.items():
            estimates = [getattr(at, name) for at in history]
            record.put(f"{row}, {name}", [one.value for one in estimates], unit=unit)
            record.put(f"{row}, {name}, sd", [one.std for one in estimates], unit=unit)
            ratio, interval = growth(history, name)
            record.put(f"{row}, growth of {name}", ratio, interval=interval, unit="", n=len(estimates[-1].maxima))
            record.verdicts[f"{row}: {name} does not increase drastically"] = not_drastic(
                interval, profile=record.profile
            )
        for name in ("is_mean", "fid"):
            record.put(f"{row}, {name}", [float(np.mean(getattr(at, name))) for at in history], unit=SCORES[name])
