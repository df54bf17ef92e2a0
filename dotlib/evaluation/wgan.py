"""A fully connected WGAN measured as the report "DOT Applied to WGAN" moves it, and as it should be moved.

Every way starts from the same latents, set by set, and gives tidy lines. Around them stand what no table has: constants
against the number of pairs, and both norms of D along the training.
"""

import copy
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from dotlib import transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import judges, moves, one_training
from dotlib.evaluation.coupled import coupled_dot
from dotlib.evaluation.images import ImagePair
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.evaluation.one_training import Line
from dotlib.metrics import frequencies
from dotlib.metrics.scores import IMAGE_SCORES
from dotlib.networks.layer_norms import products
from dotlib.pairs import Normal, Pair
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.schedules import MLPTraining
from dotlib.training.settings import dataset_of, settings_of
from dotlib.transport import SGD, Adam, Variant, lipschitz

UPDATES, K, LR = 25, 0.47, 0.05  # of the best setting, 4.4
LRS = (0.005, 0.05, 0.5)  # 4.4
COSTS = {"squared": "sqeuclidean", "l2": "l2", "none": "none"}  # 4.3; the paper and the program; neither
TARGET = ((0.08, 13), (0.13, 15))  # step size and updates: the program's, and 4.2's two and 0.05 more
BATCHES = (8, 64, 600)
SHARES = (0.8, 0.9)  # of p_Z in each coordinate, for truncation
PAIRS = (100, 500, 5_000, 50_000)  # 100 in [DOT19] B.1, 50,000 here in 4.1
REPEATS = 10  # 4.1
SLOPE_PAIRS = 500  # of K_eff along a training
LOOKED = 200  # samples whose slopes are taken along a training
MOVED_ALONE = Variant(anchor="fixed", projection="none", norm="shifted")  # the program, row by row
EXTRA = ("changed", "rough", "apart", "labels")  # columns beside the scores, see `_lines`


@dataclass(frozen=True)
class Released(Normal):
    """N(0, I) as the program keeps to it: no projection, and every coordinate within 3 of 0."""

    spherical: ClassVar[bool] = False

    def constrain(self, z: Tensor) -> Tensor:
        """Clip to [-3, 3]. A new tensor, (B, dim)."""
        return z.clamp(-3, 3)


@dataclass(frozen=True)
class Way:
    """One way to change samples."""

    name: str
    setting: float  # its number in the table: a step size, a share, or rows of a batch
    kind: str = "latent"  # "target", "coupled", "truncation" or "bare"
    lr: float = LR
    updates: int = UPDATES
    cost: str = "l2"
    k: float | None = None  # in the place of the pair's own constant
    released: bool = False  # Adam and the program's support; else SGD, and a projection that projects
    saved: bool = False  # judged as the program saves it: without (x + 1) / 2


BARE = Way("bare", 1.0, "bare")
SAVED = replace(BARE, name="bare, saved in [-1, 1]", saved=True)
BEST = Way("best", 1.0, cost="sqeuclidean", k=K)


def sweep(name: str, released: bool) -> tuple[Way, ...]:
    """Three costs at three step sizes."""
    return tuple(
        Way(f"{name}, {word}", lr, lr=lr, cost=cost, released=released) for word, cost in COSTS.items() for lr in LRS
    )


def ways(whole: bool) -> tuple[Way, ...]:
    """All ways of a record, or the few that a page measures while it is read."""
    printed, released = sweep("printed", False), sweep("program", True)
    target = [
        Way(f"target, {word}", lr, "target", lr, n, cost, released=released)
        for word, cost, released in (("printed", "sqeuclidean", False), ("program", "l2", True))
        for lr, n in TARGET
    ]
    if not whole:
        return (BARE, SAVED, *printed[:3], *target)
    coupled = [Way("coupled", rows, "coupled", released=True) for rows in BATCHES]
    best = replace(BEST, name="best, program", cost="l2", released=True)
    truncation = [Way("truncation", share, "truncation") for share in SHARES]
    saved = replace(BEST, name="best, saved in [-1, 1]", saved=True)
    return (BARE, SAVED, *printed, *released, *target, *coupled, BEST, best, saved, *truncation)


@dataclass(frozen=True)
class Run:
    """One training with all that its measurement needs."""

    trained: zoo.TrainedPair
    pair: ImagePair
    panel: Panel
    settings: Scoring
    seed: int
    curves: dict[str, dict[str, list[float]]]  # "K_eff", "k_eff" -> "mean", "std" of a maximum over each of `pairs`
    pairs: tuple[int, ...]

    def constant(self, name: str) -> float:
        """K_eff or k_eff as 4.1 has it: the expected maximum over the largest number of pairs."""
        return self.curves[name]["mean"][-1]


def scoring(dataset: str, profile: str) -> Scoring:
    """Two sets of samples, all of them behind every score."""
    settings = judges.scoring_settings(dataset, "dcgan", profile)
    if profile == "smoke":
        return replace(settings, sets=1, kept=settings.samples, kid_subsets=5)
    samples = min(settings.samples, 2_500)
    return replace(settings, sets=2, samples=samples, kept=samples, kid_subsets=5, updates=UPDATES, lr=LR)


def load(name: str, *, profile: str, seed: int = 0, whole: bool = True, device: str = "cpu") -> Run:
    """A fully connected WGAN, trained first if need be, with its judges and constants.

    Not `whole`: one set, one judge, fewer pairs. Raises InputError for another pair.
    """
    training = settings_of(name, profile, seed)
    if not isinstance(training, MLPTraining):
        raise InputError(f"name: {name!r} is no fully connected WGAN; name one, digits-mlp-wgan-gp")
    trained, settings = zoo.pair(name, profile=profile, seed=seed, device=device), scoring(training.dataset, profile)
    panel = judges.load_panel(training.dataset, settings, profile=profile, device=device)
    if not whole:
        panel, settings = panel.only_first(), replace(settings, sets=1)
    pair, pairs = ImagePair.of(trained, device), PAIRS[: -1 - (profile == "smoke")] if not whole else PAIRS
    return Run(trained, pair, panel, settings, seed, growth(pair, pairs, seed), pairs)


def growth(pair: ImagePair, pairs: Sequence[int], seed: int) -> dict[str, dict[str, list[float]]]:
    """Expected maximum of eqs. (20) and (21) over each of these numbers of pairs, and its spread."""

    def drawn(n: int, rng: torch.Generator) -> Tensor:
        return pair.generate(pair.prior.sample(n, rng).to(pair.device))

    def latents(n: int, rng: torch.Generator) -> Tensor:
        return pair.prior.sample(n, rng).to(pair.device)

    def measured() -> dict[str, dict[str, list[float]]]:
        of = {}
        for name, f, sample in (("K_eff", pair.logit, drawn), ("k_eff", pair.latent_logit, latents)):
            curve = lipschitz.curve(f, sample, n_pairs=pairs, repeats=REPEATS, rng=generator(seed, name, "growth"))
            of[name] = {"mean": curve.mean.tolist(), "std": curve.std.tolist()}
        return of

    return files.cached(
        f"wgan/{pair.name}", "growth", measured, decides=[list(pairs), seed, pair.digests, str(pair.device)]
    )


@torch.no_grad()
def norms(pair: Pair, seed: int) -> dict[str, float]:
    """What "the norm" of D can mean: K_eff over a few hundred pairs, and its slopes at samples, mean and largest."""
    z = pair.prior.sample(LOOKED, generator(seed, "norms", "samples")).to(pair.device)
    slopes = lipschitz.gradient_norms(pair.logit, pair.generate(z))
    estimate = lipschitz.target_constant(
        pair.logit,
        lambda n, rng: pair.generate(pair.prior.sample(n, rng).to(pair.device)),
        n_pairs=SLOPE_PAIRS,
        rng=generator(seed, "norms", "pairs"),
    )
    return {"K_eff": estimate.value, "slope": float(slopes.mean()), "largest slope": float(slopes.max())}


def norms_along(run: Run) -> dict[int, dict[str, float]]:
    """Update of G -> `norms`, at the milestones of a training that was made here; a shipped one has its end alone."""
    along = {update: norms(pair, run.seed) for update, pair in zoo.milestones(run.trained)}
    return along or {run.trained.settings.generator_updates: norms(run.pair, run.seed)}


def product_of_norms(run: Run) -> float | None:
    """Product of the norms of D's layers, a bound of every slope; None where a layer norm has none."""
    if run.trained.settings.row[1] != "printed" or not isinstance(run.pair.discriminator, nn.Sequential):
        return None
    x = images.to_float(images.image_set(dataset_of(run.pair.name), "test").images[:1])
    D = copy.deepcopy(run.pair.discriminator).cpu().double()
    return products(D, x.double(), rng=generator(0, "power iteration")).maps


# --- moving and judging ---------------------------------------------------------------------------


def moved(way: Way, run: Run, z: Tensor) -> tuple[Tensor, Tensor]:
    """(images (B, 1, H, W) in [-1, 1], distance moved (B,) in units of what is moved) of latents z (B, d)."""
    pair, optimizer = run.pair, (Adam if way.released else SGD)(way.lr)
    if way.kind == "target":
        y = pair.generate(z).detach()
        options = {"steps": way.updates, "optimizer": optimizer, "cost": way.cost, "clip": 1.0}
        x = transport.target_dot(pair.logit, y, way.k or run.constant("K_eff"), **options).final
        return x, (x - y).flatten(1).norm(dim=1)
    changed = _latents(way, run, z, optimizer)
    with torch.no_grad():
        return pair.generate(changed), (changed - z).norm(dim=1)


def _latents(way: Way, run: Run, z: Tensor, optimizer: SGD | Adam) -> Tensor:
    k = way.k or run.constant("k_eff")
    pair = replace(run.pair, prior=Released(run.pair.prior.dim)) if way.released else run.pair
    if way.kind == "bare":
        return z
    if way.kind == "truncation":
        return moves.truncated(pair.prior, z, way.setting)
    if way.kind == "coupled":
        options = {"steps": way.updates, "optimizer": optimizer, "batch_size": int(way.setting)}
        return coupled_dot(pair, z, k, **options)
    variant = MOVED_ALONE if way.released else "exact"
    return transport.latent_dot(
        pair, z, k, steps=way.updates, optimizer=optimizer, cost=way.cost, variant=variant
    ).final


def radii(run: Run, z: Tensor, projection: str, cost: str, lr: float) -> list[float]:
    """Mean norm of latents, at z and after each of UPDATES updates of Algorithm 2 with k_eff; fewer where it diverges.

    The projection is a word of `transport.dot.PROJECTIONS`; the report prints "sqrt_dim".
    """
    variant, k = Variant("fixed", projection, "shifted"), run.constant("k_eff")
    moved, norms_of = z, [float(z.norm(dim=1).mean())]
    for _ in range(UPDATES):
        options = {"steps": 1, "optimizer": SGD(lr), "cost": cost, "variant": variant, "anchor": z}
        try:
            moved = transport.latent_dot(run.pair, moved, k, **options).final
        except InputError:  # a row is no longer finite
            break
        norms_of.append(float(moved.norm(dim=1).mean()))
    return [radius for radius in norms_of if np.isfinite(radius)]


def as_saved(x: Tensor) -> Tensor:
    """What a writer of images in [0, 1] makes of x in [-1, 1]: all below 0 is black. In [-1, 1] again."""
    return 2 * x.clamp(0, 1) - 1


def measure(run: Run, chosen: Sequence[Way]) -> list[Line]:
    """The tidy table: a line for each way, set and judge. Each way and set is measured once."""
    shared = [replace(run.settings, sets=1), run.seed, run.pair.digests, run.panel.digests, run.curves]
    real = one_training.floor(run.pair, run.panel)
    lines = [{key: value for key, value in line.items() if key != "mind"} | dict.fromkeys(EXTRA, 0.0) for line in real]
    work = [(way, number) for number in range(run.settings.sets) for way in chosen]
    for way, number in tqdm(work, run.pair.name, disable=None):
        word = "".join(part for part in f"{way.name}-{way.setting:g}-set{number}" if part not in " ,[]")
        make = functools.partial(_measure_set, run, way, number)
        lines += files.cached(f"wgan/{run.pair.name}", word, make, decides=[way, number, *shared])
    return lines


def _measure_set(run: Run, way: Way, number: int) -> list[Line]:
    z = image_pairs.latents(run.pair, run.settings, run.seed, number).to(run.pair.device)
    with torch.no_grad():
        bare = run.pair.generate(z)
    x, distance = moved(way, run, z)
    with torch.no_grad():
        D = float(run.pair.logit(x).double().mean())
    line = {"method": way.name, "setting": way.setting, "set": number, "D": D, "moved": float(distance.double().mean())}
    line |= {"evaluations": 3 * way.updates + 1 if way.kind in ("latent", "target", "coupled") else 1}
    line |= {"rough": float(frequencies.high_share((x - bare).cpu()).mean())}
    return [line | scores for scores in _lines(run, as_saved(x) if way.saved else x, bare, number)]


def _lines(run: Run, x: Tensor, bare: Tensor, number: int) -> list[Line]:
    """Scores of images by each judge, with what the scores do not say.

    `changed`: share of samples in which the judge sees another label than before; `labels`: exp of the entropy of the
    labels that it sees, 10 where all are equally many; `apart`: mean distance of two samples.
    """
    pixels, before = images.to_uint8(x.cpu()), images.to_uint8(bare.cpu())
    half = len(x) // 2
    apart = float((x[:half] - x[half : 2 * half]).flatten(1).norm(dim=1).mean())
    lines = []
    for name, judge in run.panel.judges.items():
        collector = judges.collect(judge, pixels, run.settings)
        scores = collector.scores(real=run.panel.references[name], rng=generator(0, "subsets", str(number)))
        seen, was = judge(pixels)[1].argmax(1), judge(before)[1].argmax(1)
        extra = {"changed": float((seen != was).double().mean()), "labels": kinds(seen), "apart": apart}
        lines.append({"judge": name} | {q: getattr(scores, q) for q in IMAGE_SCORES} | extra)
    return lines


def kinds(labels: Tensor) -> float:
    """exp of the entropy of the shares of labels (N,): how many kinds there are, were all equally many."""
    share = np.bincount(labels.cpu().numpy()) / len(labels)
    return float(np.exp(-np.sum(share[share > 0] * np.log(share[share > 0]))))


@torch.no_grad()
def shares_of_labels(run: Run, x: Tensor) -> list[float]:
    """Share of each label that the first judge sees in images (B, 1, H, W)."""
    judge = run.panel.judges[run.panel.first]
    labels = judge(images.to_uint8(x.cpu()))[1].argmax(1)
    return (torch.bincount(labels, minlength=judge.classes).double() / len(labels)).tolist()
