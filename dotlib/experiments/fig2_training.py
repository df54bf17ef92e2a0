"""A pair along its training ([DOT19] Figure 2): constants of D and scores of G, from the same latents and pairs.

It takes the milestones that a training leaves. Shipped pairs have none, so their committed record is shown.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from torch import Tensor, nn

from dotlib.errors import InputError, check_option, refuse_difference
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import recording
from dotlib.evaluation.images import ImagePair, Method
from dotlib.evaluation.judges import Panel, Scoring, scoring_settings
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.networks import layer_norms
from dotlib.pairs import Pair
from dotlib.results import paper, records, tables
from dotlib.results.records import Record
from dotlib.samplers import base as sampling
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import OBJECTIVES
from dotlib.transport import lipschitz

STEPS = (("score", "digits-*"),)

CONSTANTS = {"K_eff": "logits per data distance", "k_eff": "logits per latent distance"}
QUANTITIES = ("is_mean", "fid")
FENCES = ("largest gradient norm", "product of maps")  # around the Lipschitz constant of D, from below and above
OF_TRAINING = "{}, by training seed"  # quantity of the same in one training; its setting is the seed
DRASTIC = 2.0  # ours, fixed before any run: the paper has no number for "drastically"


@dataclass(frozen=True)
class Settings:
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


def settings_of(dataset: str, profile: str) -> Settings:
    """Settings of Figure 2. Raises InputError for an unknown word."""
    scoring = replace(scoring_settings(dataset, "dcgan", profile), kept=100, pairs=10, repeats=1)
    if profile == "smoke":
        return Settings(scoring, n_pairs=20, repeats=10, pool=200, every=4, gradients=50)
    scoring = replace(scoring, samples=min(scoring.samples, 10_000))
    return Settings(scoring, every=2 if profile == "laptop" else 1)


def along_training(
    trained: zoo.TrainedPair, panel: Panel, settings: Settings, seed: int, device: str = "cpu"
) -> list[Milestone]:
    """Constants and scores of a pair at its milestones, oldest first. Raises InputError where there are none."""
    milestones = list(zoo.milestones(trained))[::-1][:: settings.every][::-1]
    if not milestones:
        remedy = "set DOTLIB_TRAIN=1" if trained.origin == zoo.SHIPPED else "delete the pair"
        raise InputError(f"trained: no milestones beside {trained.path}; {remedy} and train it again")
    history, bare = [], Method("bare", (0,), settings.scoring.lr, k=1.0)
    for update, then in milestones:
        pair = ImagePair.of(replace(trained, name=f"{trained.name}-u{update}", pair=then), device)
        pair = replace(pair, digests=pair.digests | {"update": str(update)})
        measured = image_pairs.measure(pair, (bare,), panel, settings.scoring, seed)
        scores = (measured.of("bare", 0, quantity) for quantity in QUANTITIES)
        history.append(Milestone(update, *pool_constants(pair, settings, seed), *scores))
    return history


def pool_constants(
    pair: ImagePair, settings: Settings, seed: int
) -> tuple[lipschitz.LipschitzEstimate, lipschitz.LipschitzEstimate]:
    """K_eff, eq. (20), and k_eff, eq. (21), of one pool of latents and the same random pairs."""
    z, counts = pool(pair, settings, seed), {"n_pairs": settings.n_pairs, "repeats": settings.repeats}
    x = sampling.generate(pair, z, settings.scoring.batch)
    K_eff, k_eff = (
        lipschitz.pooled_constant(f, points, rng=generator(seed, "fig2", "pairs"), **counts)
        for f, points in ((pair.logit, x), (pair.latent_logit, z))
    )
    return K_eff, k_eff


def pool(pair: Pair, settings: Settings, seed: int) -> Tensor:
    """The latents of Figure 2, (pool, d), the same for every pair with this prior."""
    return sampling.latents(pair, settings.pool, generator(seed, "fig2", "pool", str(pair.prior.dim)))


def growth(history: Sequence[Milestone], name: str) -> tuple[float, tuple[float, float]]:
    """K_eff or k_eff at the end of a training over that in its middle, with a 95 % interval.

    The geometric mean over the repeats, which are paired. Raises InputError where D is constant on samples.
    """
    check_option("name", name, CONSTANTS)
    logs = []
    for at in (history[-1], history[middle([at.update for at in history])]):
        maxima = getattr(at, name).maxima.numpy()
        if not (maxima > 0).all():
            place = f"{name} is 0 at update {at.update}, D is constant on samples"
            raise InputError(f"history: {place}; look for where the training collapsed")
        logs.append(np.log(maxima))
    mean, (low, high) = intervals.interval(*logs)
    return math.exp(mean), (math.exp(low), math.exp(high))


def middle(updates: Sequence[int]) -> int:
    """The position of the milestone nearest to half of the updates, the earlier of two."""
    return min(range(len(updates)), key=lambda i: abs(2 * updates[i] - updates[-1]))


def not_drastic(interval: tuple[float, float], n: int, *, own: bool) -> paper.Claim:
    """The claim "does not increase drastically", below DRASTIC, from the interval of `growth` over n repeats."""
    low, high = (math.log(end / DRASTIC) for end in interval)
    return paper.comparison(-1.0, (low, high), n, own=own)


def bounds(pair: Pair, settings: Settings, seed: int) -> tuple[float, layer_norms.Products]:
    """Largest gradient norm of D at samples, and products that bound it. Raises InputError for a D with attention."""
    x = sampling.generate(pair, pool(pair, settings, seed)[: settings.gradients], settings.scoring.batch)
    products = layer_norms.products(cast(nn.Sequential, pair.discriminator), x, rng=generator(seed, "fig2", "power"))
    return float(lipschitz.gradient_norms(pair.logit, x).max()), products


def committed(record: Record, pairs: Mapping[str, zoo.TrainedPair]) -> Record:
    """The committed record with these parameters and pairs, in the place of a new one. pairs: row -> pair.

    Raises InputError where there is none, and SettingsDifferError where it is of other parameters or trainings.
    """
    where = {"profile": record.profile, "dataset": record.dataset, "seed": record.seed}
    kept = records.find(record.stem, **where, folder=records.KEPT)
    if kept is None:
        raise InputError(
            f"pairs: shipped ones have no milestones, and results/{record.stem} has no {record.key}; "
            "to train them here, set DOTLIB_TRAIN=1, or make book TRAIN=1"
        )
    label = f"results/{record.stem}/{record.key}.json"
    refuse_difference(label, kept.parameters, record.parameters)
    wanted = {trained.name: trained.sha256 for trained in pairs.values()}
    refuse_difference(label, {name: origin["sha256"] for name, origin in kept.made["pairs"].items()}, wanted)
    return kept


def fill_record(record: Record, histories: Mapping[str, Sequence[Milestone]]) -> None:
    """Put Figure 2 into its record: curves, growth, verdicts. histories: row -> milestones."""
    for row, history in histories.items():
        for at in history:
            for name, unit in CONSTANTS.items():
                record.put_trials(name, getattr(at, name).maxima.numpy(), pair=row, setting=at.update, unit=unit)
            for name in QUANTITIES:
                record.put_trials(name, getattr(at, name), pair=row, setting=at.update, unit=SCORES[name].unit)
        for name in CONSTANTS:
            ratio, interval = growth(history, name)
            record.put("growth", ratio, pair=row, method=name, interval=interval, unit="")
    put_verdicts(record)


def put_verdicts(record: Record) -> None:
    """Put the verdict on every growth into the record."""
    own, claims = recording.on_papers_data(record, "cifar10"), []
    for growth in record.rows(quantity="growth"):
        repeats = next(record.rows(quantity=growth.method, pair=growth.pair)).n or 0
        claim = not_drastic(growth.interval, repeats, own=own)
        claims.append((record, f"{growth.pair}: {growth.method} does not increase drastically", claim))
    recording.put_verdicts(claims)


def curves(record: Record, quantity: str) -> dict[str, tuple[list, ...]]:
    """Updates, means and standard deviations of a constant or a score along each training, by row."""
    points: dict[str, list[tuple]] = {}
    for row in record.rows(quantity=quantity):
        points.setdefault(row.pair, []).append((row.setting, row.value, row.sd))
    return {pair: tuple(map(list, zip(*of_pair, strict=True))) for pair, of_pair in points.items()}


def fill_bounds(record: Record, pairs: Mapping[str, ImagePair], settings: Settings, seed: int) -> None:
    """Put the fences of each slope of D into the record; pairs: row -> finished pair, without those with attention."""
    for row, pair in pairs.items():
        gradient, top = bounds(pair, settings, seed)
        values = {"largest gradient norm": gradient, "product of matrices": top.matrices, "product of maps": top.maps}
        for quantity, value in values.items():
            record.put(quantity, value, pair=row, unit=CONSTANTS["K_eff"])


def fill_trainings(record: Record, pairs: Mapping[str, Mapping[int, Pair]], settings: Settings, seed: int) -> None:
    """Put FENCES of every training into the record; pairs: row -> training seed -> finished pair, without attention."""
    for row, of_row in pairs.items():
        for training, pair in of_row.items():
            gradient, top = bounds(pair, settings, seed)
            for quantity, value in zip(FENCES, (gradient, top.maps), strict=True):
                name = OF_TRAINING.format(quantity)
                record.put(name, value, pair=row, setting=training, unit=CONSTANTS["K_eff"])


def trainings_table(record: Record) -> str:
    """Markdown: geometric mean of FENCES over trainings, with the 95 % interval where there are two or more."""
    rows = []
    for row in dict.fromkeys(row.pair for row in record.rows(quantity=OF_TRAINING.format(FENCES[0]))):
        of_row = [[each.value for each in record.rows(quantity=OF_TRAINING.format(name), pair=row)] for name in FENCES]
        rows.append([row, len(of_row[0]), *(intervals.shown(values, positive=True) for values in of_row)])
    return tables.markdown(["row", "trainings", *FENCES], rows)


def ratio_table(record: Record) -> str:
    """Markdown: growth of both constants, end over middle with its interval, middle over first."""
    of_name = {name: curves(record, name) for name in CONSTANTS}
    rows = []
    for row in of_name["K_eff"]:
        rows.append([row])
        for name, of_row in of_name.items():
            late, (updates, values, _) = record.get("growth", pair=row, method=name), of_row[row]
            early = values[middle(updates)] / values[0]
            rows[-1] += [f"{late.value:.2f} [{late.low:.2f}, {late.high:.2f}]", f"{early:.2f}"]
    heads = [f"{name}, {part}" for name in CONSTANTS for part in ("end / middle", "middle / first")]
    return tables.markdown(["row", *heads], rows)


def bounds_table(record: Record) -> str:
    """Markdown: K_eff at the end of a training between its fences. Raises AssertionError where one does not hold."""
    rows, ends = [], curves(record, "K_eff")
    for gradient in record.rows(quantity="largest gradient norm"):
        matrices, maps = (record.get(f"product of {kind}", pair=gradient.pair).value for kind in ("matrices", "maps"))
        K_eff = ends[gradient.pair][1][-1]
        assert max(gradient.value, K_eff) <= 1.01 * maps  # 1 %: the power iteration comes from below
        rows.append([gradient.pair, f"{K_eff:.3f}", f"{gradient.value:.3f}", f"{matrices:.3g}", f"{maps:.3g}"])
    heads = ["end of training", "K_eff", "largest gradient norm", "product, matrices", "product, maps"]
    return tables.markdown(heads, rows)


def verdict_table(record: Record, rows: Sequence[str]) -> str:
    """Markdown: growth of both constants and the verdict on it."""
    lines = []
    for row in rows:
        growths = (record.get("growth", pair=row, method=name) for name in CONSTANTS)
        verdicts = (record.verdicts[f"{row}: {name} does not increase drastically"] for name in CONSTANTS)
        lines.append([row, *(f"{g.value:.2f}, {verdict}" for g, verdict in zip(growths, verdicts, strict=True))])
    return tables.markdown(["row", *(f"{name}: end / middle, verdict" for name in CONSTANTS)], lines)
