"""Moving the samples of an image pair and judging them: one pass, cached set by set.

A set is one draw of latents. Every method starts from the same latents, so that differences between methods are paired.
A killed measurement continues with the next set.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from dotlib import seeding, transport
from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import judges
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.metrics.scores import Collector, Scores
from dotlib.pairs import Pair
from dotlib.results import files
from dotlib.samplers import base as sampling
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import ImageTraining, settings_of
from dotlib.transport import lipschitz
from dotlib.transport.lipschitz import LipschitzEstimate


@dataclass(frozen=True)
class ImagePair(Pair):
    """A pair whose images are moved and judged."""

    name: str  # "<dataset>-<row of Table 1>", in files and in random streams
    digests: dict[str, str]  # file -> SHA-256 of the weights

    @classmethod
    def of(cls, trained: zoo.TrainedPair, device: str = "cpu") -> "ImagePair":
        """A trained pair, moved to a device; the order of its weights in memory changes, for speed, and no weight."""
        for network in (trained.pair.generator, trained.pair.discriminator):
            if isinstance(network, nn.Module):
                network.to(device).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]: no stub
        return cls(**vars(trained.pair), name=trained.name, digests={trained.path.name: trained.sha256})


@dataclass(frozen=True)
class Method:
    """One way of moving samples."""

    name: str
    steps: tuple[int, ...]  # updates after which samples are judged, ascending; the last ends the descent
    lr: float  # of SGD, or of Adam where `adam`
    k: float | None = None  # a number in the place of the pair's estimate
    cost: str = "l2"
    variant: str | transport.Variant = "paper"
    space: str = "latent"  # or "target": images are moved, with K_eff
    adam: bool = False


@dataclass(frozen=True)
class Measurement:
    """What `measure` gives."""

    k_eff: LipschitzEstimate  # for latent methods
    K_eff: LipschitzEstimate  # for target methods
    rows: dict[tuple[str, int], dict[str, list[Scores]]]  # (method, step) -> judge -> Scores of each set
    logits: dict[tuple[str, int], list[float]]  # (method, step) -> mean of D in each set

    def of(self, method: str, step: int, quantity: str, judge: str | None = None) -> list[float]:
        """One quantity ("fid", "is_mean", ..., or "D") of every set; the first judge unless named."""
        if quantity == "D":
            return self.logits[method, step]
        row = self.rows[method, step]
        return [getattr(scores, quantity) for scores in row[judge or next(iter(row))]]

    def mean(self, method: str, step: int, quantity: str) -> list[float]:
        """One quantity of every set, mean over the judges."""
        judged = [self.of(method, step, quantity, judge) for judge in self.rows[method, step]]
        return np.mean(judged, axis=0).tolist()


@dataclass(frozen=True)
class Table1Row:
    """One row of Table 1: a trained pair, its judges, and what they measured."""

    pair: ImagePair
    trained: zoo.TrainedPair
    panel: Panel
    settings: Scoring
    measured: Measurement


def table1_row(name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu") -> Table1Row:
    """The row of an image pair, "<dataset>-<row of Table 1>": trained, moved and judged, each once.

    Raises InputError, and what `zoo.pair` and `judges.load_panel` raise.
    """
    training = settings_of(name, profile, seed)
    if not isinstance(training, ImageTraining):
        raise InputError(f"name: {name!r} is a 2-D pair; name an image pair, digits-dcgan-sngan-ns")
    if profile == "paper":
        seeding.strict()
    settings = judges.scoring_settings(training.dataset, training.architecture, profile)
    panel = judges.load_panel(training.dataset, settings, profile=profile, judge=judge, device=device)
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    pair = ImagePair.of(trained, device)
    return Table1Row(pair, trained, panel, settings, measure(pair, table1_methods(settings), panel, settings, seed))


def table1_methods(settings: Scoring) -> tuple[Method, ...]:
    """DOT as published, DOT with k = 1, and the naive ascent with the same steps."""
    steps = (0, settings.updates // 2, settings.updates)
    return (
        Method("dot", steps, settings.lr),
        Method("k1", steps[1:], settings.lr, k=1.0),
        Method("naive", steps[1:], settings.lr, cost="none"),
    )


def constants(pair: ImagePair, settings: Scoring, seed: int) -> tuple[LipschitzEstimate, LipschitzEstimate]:
    """k_eff, eq. (21), and K_eff, eq. (20), of a pair, estimated once and then read back.

    The pairs of latents are the same for every D and every G of one prior.
    """
    decides = [pair.digests, settings.pairs, settings.repeats, seed, pair.device.type]
    values = files.cached(f"scores/{pair.name}", "constants", partial(_maxima, pair, settings, seed), decides=decides)
    latent, target = (LipschitzEstimate(torch.tensor(v, dtype=torch.float64), settings.pairs) for v in values)
    return latent, target


def measure(pair: ImagePair, methods: Sequence[Method], panel: Panel, settings: Scoring, seed: int) -> Measurement:
    """Scores of every method after each of its steps, for each set of latents and each judge."""
    k_eff, K_eff = constants(pair, settings, seed)
    rows, logits = {}, {}
    for method in methods:
        K = (k_eff if method.space == "latent" else K_eff).value if method.k is None else method.k
        for number in tqdm(range(settings.sets), f"{pair.name} {method.name}", disable=None):
            for step, entry in _scored_set(pair, method, K, panel, settings, seed, number).items():
                key = method.name, int(step)
                logits.setdefault(key, []).append(entry["logit"])
                for judge, values in entry["scores"].items():
                    rows.setdefault(key, {}).setdefault(judge, []).append(Scores(**values))
    return Measurement(k_eff, K_eff, rows, logits)


def latents(pair: Pair, settings: Scoring, seed: int, number: int) -> Tensor:
    """Latents of one set, (samples, d): the same for every method and every discriminator."""
    kind = "normal" if pair.prior.spherical else "uniform"
    return pair.prior.sample(settings.samples, generator(seed, "latents", kind, str(pair.prior.dim), str(number)))


def held_out(dataset: str, n: int, rng: torch.Generator) -> Tensor:
    """n images of the split "test", or all of them, in the units of G."""
    test = images.image_set(dataset, "test")
    return images.to_float(test.take(min(n, len(test)), rng).images)


def moved(pair: Pair, method: Method, z: Tensor, K: float) -> Iterator[tuple[int, Tensor]]:
    """(step, images (B, C, H, W) on the pair's device) of every kept step, for latents z (B, d)."""
    z = z.to(pair.device)
    options = {"steps": method.steps[-1], "snapshots": method.steps, "cost": method.cost, "variant": method.variant}
    options["optimizer"] = transport.Adam(method.lr) if method.adam else transport.SGD(method.lr)
    if method.space == "target":
        with torch.no_grad():
            y = pair.generate(z)
        path = transport.target_dot(pair.logit, y, K, clip=1.0, **options)
        yield from zip(path.steps, path.points, strict=True)
        return
    path = transport.latent_dot(pair, z, K, **options)
    for step, point in zip(path.steps, path.points, strict=True):
        with torch.no_grad():
            yield step, pair.generate(point)


@torch.no_grad()
def looked_at(pair: Pair, method: Method, z: Tensor, K: float) -> dict[int, tuple[Tensor, Tensor]]:
    """Kept step -> images (B, C, H, W) and D in logits (B,), on the CPU, for latents z (B, d)."""
    return {step: (x.cpu(), pair.logit(x).cpu()) for step, x in moved(pair, method, z, K)}


def captioned(rows: Mapping[str, tuple[Tensor, Tensor]]) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """Pixels uint8 and captions of rows of images in [-1, 1] with logits (n,): D of the first, then how it changed."""
    first = next(iter(rows.values()))[1]
    pixels = {name: images.to_uint8(x).numpy() for name, (x, _) in rows.items()}
    captions = {name: [f"{change:+.2f}" for change in logit - first] for name, (_, logit) in rows.items()}
    return pixels, captions | {next(iter(rows)): [f"{logit:.2f}" for logit in first]}


def _maxima(pair: Pair, settings: Scoring, seed: int) -> list[list[float]]:
    draw = partial(sampling.generated, pair, block=lipschitz.BLOCK)
    counts: dict[str, Any] = {"n_pairs": settings.pairs, "repeats": settings.repeats}
    words = (type(pair.prior).__name__, str(pair.prior.dim))
    latent = lipschitz.latent_constant(pair, rng=generator(seed, "k_eff", *words), **counts)
    target = lipschitz.target_constant(pair.logit, draw, rng=generator(seed, "K_eff", *words), **counts)
    return [latent.maxima.tolist(), target.maxima.tolist()]


def _scored_set(
    pair: ImagePair, method: Method, K: float, panel: Panel, settings: Scoring, seed: int, number: int
) -> dict:
    """`_score_set`, made once."""
    return files.cached(
        f"scores/{pair.name}-{method.name}",
        f"set{number}",
        lambda: _score_set(pair, method, K, panel, settings, seed, number),
        decides=[replace(settings, sets=1), method, K, panel.digests, seed, pair.digests, pair.device.type],
    )


def _score_set(pair: Pair, method: Method, K: float, panel: Panel, settings: Scoring, seed: int, number: int) -> dict:
    """Step -> scores of every judge and the mean logit, for one set; memory is that of a batch."""
    collectors = {step: panel.collectors(settings) for step in method.steps}
    total = dict.fromkeys(method.steps, 0.0)
    whole = latents(pair, settings, seed, number).to(pair.device)
    for z in whole.split(sampling.block_for(pair, whole, settings.batch)):
        for step, x in moved(pair, method, z, K):
            with torch.no_grad():
                total[step] += float(pair.logit(x).double().sum())
            pixels = images.to_uint8(x.cpu())
            for judge, collector in collectors[step].items():
                collector.add(*panel.judges[judge](pixels))

    def scored(judge: str, collector: Collector) -> dict:
        return asdict(collector.scores(real=panel.references[judge], rng=generator(seed, "subsets", str(number))))

    scores = {step: {judge: scored(judge, c) for judge, c in each.items()} for step, each in collectors.items()}
    return {str(step): {"logit": total[step] / settings.samples, "scores": scores[step]} for step in method.steps}
