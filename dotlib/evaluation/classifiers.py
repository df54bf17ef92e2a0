"""How the classifiers among the judges are fit: settings of each data set, and the loop.

A kind of network is a class of settings, so that the keys and files of one kind do not depend on what another needs.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LinearLR, LRScheduler
from tqdm import tqdm

from dotlib.data.images import image_set, to_float
from dotlib.errors import InputError, check_count, check_option
from dotlib.networks.classifier import Classifier, ResidualClassifier
from dotlib.networks.layers import Rng
from dotlib.profiles import PROFILES
from dotlib.seeding import generator


@dataclass(frozen=True)
class JudgeTraining:
    """How a classifier is fit: Adam, cross-entropy, a step size that falls linearly to zero."""

    split: ClassVar[str] = "judge"  # of the images that it is fit on

    dataset: str
    epochs: int
    batch_size: int = 64
    lr: float = 2e-3
    width: int = 32  # channels of the first layers
    features: int = 64  # width of the last hidden layer, far below the number of reference images, which FID needs
    images: int = 0  # of its split that are used, the first ones; 0 takes all
    flip: bool = False  # mirror half of the images, left to right
    seed: int = 0

    def key(self) -> str:
        """Twelve hexadecimal digits that change when any setting changes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def build(self, sizes: dict[str, int], rng: Rng) -> nn.Module:
        """The network for images of these sizes, before it is fit."""
        return Classifier(**sizes, width=self.width, features=self.features, rng=rng)

    def optimiser(self, parameters: Iterable[nn.Parameter], steps: int) -> tuple[Optimizer, LRScheduler]:
        """What makes the steps, and how long they are."""
        adam = torch.optim.Adam(parameters, self.lr)
        return adam, LinearLR(adam, 1.0, 0.0, steps)

    def augmented(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Images of a batch, (B, C, H, W), as the network sees them: half of them mirrored, if at all."""
        if not self.flip:
            return x
        mirrored = torch.rand(len(x), generator=rng) < 0.5
        return torch.where(mirrored[:, None, None, None], x.flip(3), x)


@dataclass(frozen=True)
class ResidualTraining(JudgeTraining):
    """How a residual classifier is fit, for images of things, on which the plain one stays below 75 %.

    SGD with Nesterov's momentum, whose step size rises linearly to `lr` and falls linearly to zero, in one cycle
    [SMITH18]; weight decay; mirrored and shifted images, as in [HE16] 4.2. The numbers are ours, chosen by minutes and
    by the accuracy on "test" alone.
    """

    lr: float = 0.05
    width: int = 20
    flip: bool = True
    momentum: float = 0.9
    weight_decay: float = 5e-4
    rise: float = 0.2  # share of the steps in which the step size rises
    shift: int = 3  # images move by up to so many pixels, each way

    def build(self, sizes: dict[str, int], rng: Rng) -> nn.Module:
        """The network for images of these sizes, before it is fit."""
        return ResidualClassifier(**sizes, width=self.width, features=self.features, rng=rng)

    def optimiser(self, parameters: Iterable[nn.Parameter], steps: int) -> tuple[Optimizer, LRScheduler]:
        """What makes the steps, and how long they are."""
        options = {"momentum": self.momentum, "nesterov": True, "weight_decay": self.weight_decay}
        sgd = torch.optim.SGD(parameters, self.lr, **options)
        rising = max(1, round(self.rise * steps))
        return sgd, LambdaLR(sgd, lambda step: min((step + 1) / rising, (steps - step) / (steps - rising + 1)))

    def augmented(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Images of a batch, (B, C, H, W), as the network sees them: half of them mirrored, each shifted."""
        return shifted(super().augmented(x, rng), self.shift, rng)


JUDGE_TRAINING = {  # ours: epochs from the minutes at hand, judged by accuracy on "test" alone
    "digits": JudgeTraining("digits", 25, batch_size=32),
    "mnist": JudgeTraining("mnist", 2, width=16),
    "mnist8": JudgeTraining("mnist8", 4),
    "fashion_mnist": JudgeTraining("fashion_mnist", 4, width=16),
    "fashion_mnist8": JudgeTraining("fashion_mnist8", 6),
    "cifar10": ResidualTraining("cifar10", 14),
    "stl10": JudgeTraining("stl10", 20, flip=True),
}
JUDGE_SMOKE = {"epochs": 1, "images": 512}


def judge_training(dataset: str, profile: str, seed: int = 0) -> JudgeTraining:
    """Settings of a classifier; "laptop" and "paper" are alike. Raises InputError."""
    check_option("dataset", dataset, JUDGE_TRAINING)
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    return replace(JUDGE_TRAINING[dataset], seed=seed, **(JUDGE_SMOKE if profile == "smoke" else {}))


def fit(settings: JudgeTraining) -> nn.Module:
    """Train on the split of the settings; evaluation mode."""
    images, labels = labelled(settings.dataset, settings.split)
    rng = generator(settings.seed, "judge", settings.dataset)
    network = untrained(settings, rng).train()
    n = min(settings.images, len(images)) if settings.images else len(images)
    steps = settings.epochs * -(-n // settings.batch_size)
    optimiser, size = settings.optimiser(network.parameters(), steps)
    with tqdm(total=steps, desc=f"judge {settings.dataset}", unit="step", disable=None) as bar:
        for _ in range(settings.epochs):
            for rows in torch.randperm(n, generator=rng).split(settings.batch_size):
                x = settings.augmented(to_float(images[rows]), rng)
                loss = functional.cross_entropy(network(x)[1], labels[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                size.step()
                bar.update()
    return network.eval()


def untrained(settings: JudgeTraining, rng: Rng = None) -> nn.Module:
    """The network of a classifier with its first weights."""
    images, labels = labelled(settings.dataset, settings.split)
    sizes = {"channels": images.shape[1], "size": images.shape[2], "classes": int(labels.max()) + 1}
    with torch.random.fork_rng(devices=[]):  # torch's layers start with draws that nobody asked for
        return settings.build(sizes, rng)


def labelled(dataset: str, split: str) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) uint8 and labels (N,) of a split. Raises InputError where it has no labels."""
    whole = image_set(dataset, split)
    if whole.labels is None:
        raise InputError(f"dataset: {dataset} has no labels; a classifier is fit on them")
    return whole.images, whole.labels


def shifted(x: Tensor, reach: int, rng: torch.Generator) -> Tensor:
    """Each image moved by up to `reach` pixels down or up, and right or left; the edges are filled by reflection.

    Args:
        x: (B, C, H, W) images, never written.
        reach: Pixels, fewer than a side has. All 2 reach + 1 shifts of an axis are equally likely.
        rng: Draws two shifts for each image.

    Returns:
        (B, C, H, W).
    """
    height, width = x.shape[2:]
    padded = functional.pad(x, (reach,) * 4, mode="reflect").permute(0, 2, 3, 1)  # (B, H + 2 reach, W + 2 reach, C)
    down, right = torch.randint(2 * reach + 1, (2, len(x)), generator=rng)
    rows = (down[:, None] + torch.arange(height))[:, :, None]  # (B, H, 1)
    columns = (right[:, None] + torch.arange(width))[:, None, :]  # (B, 1, W)
    return padded[torch.arange(len(x))[:, None, None], rows, columns].permute(0, 3, 1, 2)
