"""Judges: frozen networks that turn images into features and logits, for scores only.

Three kinds. `classifier` is fit here, once per data set, profile and seed, on images that no reference holds, and no
transport ever sees it. `inception` is the network of the published scores. `efficientnet`, from a package, has seen
none of the data sets. Scores of different judges are different quantities. A `Panel` has the judges of a data set, and
the real images that they compare samples with.
"""

import functools
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from dotlib.data.images import ImageSet, image_set, to_float
from dotlib.errors import FileError, InputError, check_device, check_option, one_line, refuse_difference
from dotlib.evaluation import classifiers
from dotlib.evaluation import efficientnet as efficientnet_network
from dotlib.evaluation import inception as inception_network
from dotlib.evaluation.classifiers import JudgeTraining, judge_training
from dotlib.metrics.scores import Collector, Reference, Scores
from dotlib.profiles import PROFILES
from dotlib.results import files, provenance
from dotlib.seeding import generator
from dotlib.training import checkpoints
from dotlib.training.settings import SHAPES


@dataclass(frozen=True)
class Scoring:
    """How the samples of a pair are moved and judged ([DOT19] Table 1 and B.2)."""

    sets: int = 5  # independent sample sets, the same latents for every method
    samples: int = 50_000  # images a set, as published; less in "laptop"
    updates: int = 20  # DCGAN; the ResNet has 10
    lr: float = 0.01  # SGD
    pairs: int = 100  # for k_eff: maximum over these ...
    repeats: int = 10  # ... mean over these, ours; the released code has one
    splits: int = 10  # of the inception score
    batch: int = 250  # images moved and judged together
    kept: int = 5_000  # images behind KID, precision and recall, whose cost grows with the square
    kid_subsets: int = 100  # averaged for KID


_SAMPLES = dict.fromkeys(SHAPES, 2_500) | {"digits": 600}  # FID: above 2,048


def scoring_settings(dataset: str, architecture: str, profile: str) -> Scoring:
    """Settings of scores. Raises InputError for an unknown word."""
    check_option("dataset", dataset, SHAPES)
    check_option("architecture", architecture, ("dcgan", "resnet"))
    check_option("profile", profile, PROFILES)
    settings = Scoring(updates=10 if architecture == "resnet" else 20)
    if profile == "laptop" or dataset == "digits":
        batch = 250 if dataset == "digits" else 50  # the attention of 50 images stays in a core's cache
        settings = replace(settings, samples=_SAMPLES[dataset], kid_subsets=20, batch=batch)
    if profile == "smoke":
        return replace(settings, sets=2, samples=100, updates=settings.updates // 5, repeats=2, splits=2)
    return settings


@dataclass(frozen=True, eq=False)
class Judge:
    """A frozen network with its way of looking at images; ``judge.network.to("cuda")`` moves it."""

    name: str
    network: nn.Module  # what `prepare` gives -> (features (B, dim), logits (B, classes)); evaluation mode
    prepare: Callable[[Tensor], Tensor]  # uint8 images -> the network's input
    dim: int
    classes: int
    sha256: str  # of the file with the weights
    accuracy: float | None = None  # share of right answers on the "test" split; None where that is not its task
    batch: int = 250  # images that are looked at together

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) uint8 -> features (B, dim), logits (B, classes), float32 on the CPU. Raises InputError."""
        is_tensor = isinstance(images, Tensor)
        if not is_tensor or images.dtype != torch.uint8 or images.ndim != 4 or len(images) == 0:
            passed = f"{images.dtype} of shape {tuple(images.shape)}" if is_tensor else type(images).__name__
            raise InputError(f"images: expected (B, C, H, W) uint8, found {passed}; use images.to_uint8")
        device = next(self.network.parameters()).device
        answers = [self.network(self.prepare(rows.to(device))) for rows in images.split(self.batch)]
        features, logits = (torch.cat([part.float().cpu() for part in parts]) for parts in zip(*answers, strict=True))
        return features, logits

    def named(self, logits: Tensor) -> Tensor | None:
        """Logits (B, classes) of the classes of its data set, None for a judge that knows others."""
        return None if self.accuracy is None else logits


def classifier(dataset: str, *, profile: str, seed: int = 0) -> Judge:
    """The classifier of a data set of JUDGE_TRAINING: loaded, or fit first; a second process waits.

    Raises InputError for unknown words, FileError for a damaged file, SettingsDifferError for one that was made with
    other settings or images.
    """
    settings = judge_training(dataset, profile, seed)
    path = files.artifacts() / "judges" / f"{dataset}-{profile}-s{seed}-{settings.key()}.safetensors"
    return load(settings, files.made(path, lambda path: make(settings, path)))


def make(settings: JudgeTraining, path: Path) -> None:
    """Fit on one thread (fastest for networks of this size) and write the file."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = classifiers.fit(settings)
        meta = {"accuracy": _accuracy(network, settings.dataset), "made": provenance.here()}
    finally:
        torch.set_num_threads(threads)
    meta |= {"settings": asdict(settings), "images": _fingerprints(settings)}
    checkpoints.save(path, network.state_dict(), meta)


def load(settings: JudgeTraining, path: Path) -> Judge:
    """Read a classifier's file. Raises FileError or SettingsDifferError."""
    tensors, meta = checkpoints.load(path)
    refuse_difference(str(path), meta.get("settings", {}), asdict(settings))
    refuse_difference(str(path), meta.get("images", {}), _fingerprints(settings))
    network = classifiers.untrained(settings)
    try:
        network.load_state_dict(tensors)
        accuracy = float(meta["accuracy"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        fault = f"does not hold this classifier ({one_line(error)})"
        raise FileError(f"{path}: {fault}; delete it and make it again") from error
    network.eval().requires_grad_(False)
    name, classes = f"{settings.dataset} classifier, seed {settings.seed}", len(tensors["classify.bias"])
    return Judge(name, network, to_float, settings.features, classes, checkpoints.digest(path), accuracy)


def inception(path: Path | None = None, *, sha256: str | None = None) -> Judge:
    """The Inception network of the published scores, with the weights of 2015. Raises FileError.

    It has 2,048 features of the last pooling, and 1,008 logits without bias, as the inception score has them. Images
    are scaled to 299 x 299, grey ones shown in three channels. The weights are at the path, else at $DOTLIB_INCEPTION,
    else fetched; their SHA-256 must be the one given, else the published one.
    """
    network, digest = inception_network.network(path, sha256)
    return Judge("inception", network, inception_network.prepare, network.dim, network.classes, digest, batch=50)


def efficientnet(path: Path | None = None, *, sha256: str | None = None) -> Judge:
    """EfficientNet-Lite0, trained on ImageNet, with 1,280 features and 1,000 logits. Raises InputError, FileError.

    Colour images are scaled to 224 x 224. The weights are at the path, else in the package that the extra `judges`
    installs; their SHA-256 must be the one given, else the published one.
    """
    network, digest = efficientnet_network.network(path, sha256)
    prepare = efficientnet_network.prepare
    return Judge("efficientnet", network, prepare, network.dim, network.classes, digest, batch=50)


def public(name: str) -> Judge:
    """A judge of NETWORKS by its name. Raises InputError, FileError."""
    check_option("judge", name, NETWORKS)
    return inception() if name == "inception" else efficientnet()


@torch.no_grad()
def _accuracy(network: nn.Module, dataset: str) -> float:
    """Share of the split "test" whose largest logit is the label."""
    images, labels = classifiers.labelled(dataset, "test")
    answers = torch.cat([network(to_float(rows))[1].argmax(1) for rows in images.split(500)])
    return int((answers == labels).sum()) / len(labels)


def _fingerprints(settings: JudgeTraining) -> dict[str, str]:
    return {split: image_set(settings.dataset, split).fingerprint for split in (settings.split, "test")}


SEEDS = (0, 1, 2, 3, 4)  # of the classifiers
SPLITS = {  # kind of judge -> (reference, floor): what samples, and real images, are compared with
    "classifier": ("test", "floor"),  # the classifiers are fit on the rest of "train"
    "inception": ("train", "test"),
    "efficientnet": ("train", "test"),
}
NETWORKS = ("inception", "efficientnet")  # judges of one network, not fit here
PLACES = ("DOTLIB_ARTIFACTS", "DOTLIB_DATA", "DOTLIB_CACHE", "DOTLIB_INCEPTION")


@dataclass(frozen=True)
class Panel:
    """Judges with their references, each by its name; the first judge speaks on pages."""

    judges: dict[str, Judge]
    references: dict[str, Reference]
    floor: dict[str, Scores]  # of real images that are not in the reference: those of a perfect sampler
    digests: dict[str, str]  # what the scores depend on besides the samples: weights and images
    origins: dict[str, str]  # split -> where its images come from

    @property
    def first(self) -> str:
        """Name of the judge that speaks on pages."""
        return next(iter(self.judges))

    def only_first(self) -> "Panel":
        """A panel of the first judge alone."""
        parts = ("judges", "references", "floor")
        others = set(self.judges) - {self.first}
        return replace(
            self,
            **{part: {self.first: getattr(self, part)[self.first]} for part in parts},
            digests={name: digest for name, digest in self.digests.items() if name not in others},
        )

    def collectors(self, settings: Scoring) -> dict[str, Collector]:
        """An empty collector of one set for each judge."""
        return {n: _collector(judge, settings, settings.samples) for n, judge in self.judges.items()}


def load_panel(
    dataset: str, settings: Scoring, *, profile: str, judge: str = "classifier", device: str = "cpu"
) -> Panel:
    """The five classifiers of a data set, fit first if need be, or a network of NETWORKS, on a device.

    The floor has as many images as a set of samples has, or all of its split if that has fewer. Kept in memory, since
    the real images are judged too. Raises InputError for another word, or for sets of no more samples than a network of
    NETWORKS has features, and what `classifier`, the network and `images` raise.
    """
    check_option("judge", judge, SPLITS)
    check_device(device)
    places = tuple(os.environ.get(name, "") for name in PLACES)
    of_judges = {name: getattr(settings, name) for name in ("samples", "splits", "batch", "kept", "kid_subsets")}
    return _load_panel(dataset, Scoring(**of_judges), profile, judge, device, places)


@functools.lru_cache(maxsize=4)
def _load_panel(
    dataset: str, settings: Scoring, profile: str, judge: str, device: str, _places: tuple[str, ...]
) -> Panel:
    """`load_panel`; `_places` is what the environment names: other folders are other judges and images."""
    if judge in NETWORKS:
        judges = {judge: _with_enough(public(judge), settings)}
    else:
        judges = {f"classifier {seed}": classifier(dataset, profile=profile, seed=seed) for seed in SEEDS}
    for member in judges.values():
        member.network.to(device)
    real, fresh = (image_set(dataset, split) for split in SPLITS[judge])
    references = {name: _reference(member, real, settings) for name, member in judges.items()}
    return Panel(
        judges,
        references,
        {name: _floor(member, fresh, references[name], settings) for name, member in judges.items()},
        {name: member.sha256 for name, member in judges.items()}
        | {part.split: part.fingerprint for part in (real, fresh)},
        {part.split: part.origin for part in (real, fresh)},
    )


def _with_enough(judge: Judge, settings: Scoring) -> Judge:
    """The judge, if a set has more samples than it has features, which FID needs; said before anything is judged."""
    if settings.samples <= judge.dim:
        raise InputError(
            f"judge: {judge.name!r} has {judge.dim:,} features and a set only {settings.samples:,} samples, where FID "
            "needs more; take a larger profile, or judge='classifier'"
        )
    return judge


def collect(judge: Judge, pixels: Tensor, settings: Scoring) -> Collector:
    """What the scores of images (n, C, H, W) uint8 need, batch by batch."""
    collector = _collector(judge, settings, len(pixels))
    for rows in pixels.split(settings.batch):
        collector.add(*judge(rows))
    return collector


def _collector(judge: Judge, settings: Scoring, total: int) -> Collector:
    options = {"splits": settings.splits, "kept": settings.kept, "kid_subsets": settings.kid_subsets}
    return Collector(dim=judge.dim, classes=judge.classes, total=total, **options)


def _reference(judge: Judge, real: ImageSet, settings: Scoring) -> Reference:
    rng = generator(0, "reference", real.name, real.split)
    reference = Reference(dim=judge.dim, total=len(real), kept=settings.kept, rng=rng)
    for rows in real.images.split(settings.batch):
        reference.add(judge(rows)[0])
    return reference


def _floor(judge: Judge, real: ImageSet, reference: Reference, settings: Scoring) -> Scores:
    drawn = real.take(min(settings.samples, len(real)), generator(0, "floor rows", real.name, real.split))
    collector = collect(judge, drawn.images, settings)
    return collector.scores(real=reference, rng=generator(0, "floor", real.name, judge.name))
