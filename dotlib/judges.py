"""Judges: frozen networks that turn images into features and logits, for scores only.

Two kinds. `classifier` is fit here, once per data set, profile and seed, on images that no
reference holds, and no transport ever sees it. `inception` is the network of the published scores.
Scores of different judges are different quantities.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from dotlib import atomic, catalog, checkpoints, inception_weights, provenance
from dotlib.config import PROFILES, refuse_difference
from dotlib.errors import BadFile, BadInput, check_count, check_option
from dotlib.images import ImageSet, image_set, to_float
from dotlib.networks.judges import Classifier
from dotlib.seeding import generator


@dataclass(frozen=True, eq=False)
class Judge:
    """A frozen network with its way of looking at images.

    network:   what `prepare` gives -> (features (B, dim), logits (B, classes)); evaluation mode.
    prepare:   uint8 images -> the network's input.
    sha256:    of the file with the weights, for records.
    accuracy:  share of right answers on the "test" split, or None where that is not its task.
    batch:     images that are looked at together.
    It works where its weights are: ``judge.network.to("cuda")`` moves it.
    """

    name: str
    network: nn.Module
    prepare: Callable[[Tensor], Tensor]
    dim: int
    classes: int
    sha256: str
    accuracy: float | None = None
    batch: int = 250

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) uint8 -> features (B, dim) and logits (B, classes), float32 on the CPU.

        Raises BadInput for anything but a batch of uint8 images.
        """
        found = (
            f"{images.dtype} of shape {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
        )
        if not isinstance(images, Tensor) or images.dtype != torch.uint8 or images.ndim != 4 or images.shape[0] == 0:
            raise BadInput(f"images: expected (B, C, H, W) uint8, found {found}; use images.to_uint8")
        device = next(self.network.parameters()).device
        answers = [self.network(self.prepare(rows.to(device))) for rows in images.split(self.batch)]
        features, logits = (torch.cat([part.float().cpu() for part in parts]) for parts in zip(*answers, strict=True))
        return features, logits


@dataclass(frozen=True)
class JudgeTraining:
    """How a classifier is fit: Adam, cross-entropy, a step size that falls linearly to zero.

    images:    of the "judge" split that are used, the first ones; 0 takes all.
    width:     channels of the first layers; features is the width of the last hidden one, far
               below the number of reference images, which FID needs.
    flip:      mirror half of the images, left to right.
    """

    dataset: str
    epochs: int
    batch_size: int = 64
    lr: float = 2e-3
    width: int = 32
    features: int = 64
    images: int = 0
    flip: bool = False
    seed: int = 0

    def key(self) -> str:
        """Twelve hexadecimal digits that change when any setting changes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]


# Ours: epochs from the minutes at hand, judged by accuracy on "test" alone.
TRAINING = {
    "digits": JudgeTraining("digits", 25, batch_size=32),
    "mnist": JudgeTraining("mnist", 2, width=16),
    "cifar10": JudgeTraining("cifar10", 6, flip=True),
    "stl10": JudgeTraining("stl10", 20, flip=True),
}
SMOKE = {"epochs": 1, "images": 512}


def judge_training(dataset: str, profile: str, seed: int = 0) -> JudgeTraining:
    """Settings of a classifier; "laptop" and "paper" are alike. Raises BadInput."""
    check_option("dataset", dataset, TRAINING)
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    return replace(TRAINING[dataset], seed=seed, **(SMOKE if profile == "smoke" else {}))


def classifier(dataset: str, *, profile: str, seed: int = 0) -> Judge:
    """The classifier of a data set: loaded, or fit first; a second process waits for the first.

    dataset:  "digits", "mnist", "cifar10" or "stl10".
    Raises BadInput for unknown words, BadFile for a damaged file, SettingsDiffer for one that was
    made with other settings or images.
    """
    settings = judge_training(dataset, profile, seed)
    name = f"{dataset}-{profile}-s{seed}-{settings.key()}.safetensors"
    path = catalog.artifacts() / "judges" / name
    if not path.exists():
        with atomic.only_maker(path):
            if not path.exists():
                make(settings, path)
    return load(settings, path)


def make(settings: JudgeTraining, path: Path) -> None:
    """Fit on one thread (fastest for networks of this size) and write the file."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = fit(settings)
        accuracy = accuracy_of(network, image_set(settings.dataset, "test"))
    finally:
        torch.set_num_threads(threads)
    checkpoints.save(
        path,
        network.state_dict(),
        {
            "settings": asdict(settings),
            "images": _fingerprints(settings),
            "accuracy": accuracy,
            "made": provenance.here(),
        },
    )


def load(settings: JudgeTraining, path: Path) -> Judge:
    """Read a classifier's file. Raises BadFile or SettingsDiffer."""
    tensors, meta = checkpoints.load(path)
    refuse_difference(str(path), meta.get("settings", {}), asdict(settings))
    refuse_difference(str(path), meta.get("images", {}), _fingerprints(settings))
    data = image_set(settings.dataset, "judge")
    network = _network(settings, data)
    try:
        network.load_state_dict(tensors)
        accuracy = float(meta["accuracy"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadFile(
            f"{path}: does not hold this classifier ({' '.join(str(error).split())}); delete it and make it again"
        ) from error
    network.eval().requires_grad_(False)
    return Judge(
        f"{settings.dataset} classifier, seed {settings.seed}",
        network,
        to_float,
        settings.features,
        _classes(data),
        checkpoints.digest(path),
        accuracy,
    )


def fit(settings: JudgeTraining) -> nn.Module:
    """Train on the "judge" split; evaluation mode."""
    s, data = settings, image_set(settings.dataset, "judge")
    rng = generator(s.seed, "judge", s.dataset)
    network = _network(s, data, rng).train()
    n = min(s.images, len(data)) if s.images else len(data)
    steps = s.epochs * -(-n // s.batch_size)
    optimiser = torch.optim.Adam(network.parameters(), s.lr)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, steps)
    bar = tqdm(total=steps, desc=f"judge {s.dataset}", unit="step", disable=None)
    with bar:
        for _ in range(s.epochs):
            for rows in torch.randperm(n, generator=rng).split(s.batch_size):
                x = to_float(data.images[rows])
                if s.flip:
                    mirrored = torch.rand(len(x), generator=rng) < 0.5
                    x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
                loss = functional.cross_entropy(network(x)[1], data.labels[rows])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                falling.step()
                bar.update()
    return network.eval()


@torch.no_grad()
def accuracy_of(network: nn.Module, data: ImageSet) -> float:
    """Share of images whose largest logit is their label."""
    right = sum(
        int((network(to_float(x))[1].argmax(1) == y).sum())
        for x, y in zip(data.images.split(500), data.labels.split(500), strict=True)
    )
    return right / len(data)


def inception(path: Path | None = None, *, sha256: str | None = None) -> Judge:
    """The Inception network of the published scores, with the weights of 2015.

    path:    the weights; None takes $DOTLIB_INCEPTION, or else `downloads.fetch`.
    sha256:  that the file must have; None demands the published one.
    2,048 features of the last pooling, and 1,008 logits without bias, as the inception score has
    them. Images are scaled to 299 x 299, grey ones shown in three channels. Raises BadFile.
    """
    network, digest = inception_weights.network(path, sha256)
    return Judge("inception", network, inception_weights.prepare, network.dim, network.classes, digest, batch=50)


def _network(s: JudgeTraining, data: ImageSet, rng: torch.Generator | None = None) -> Classifier:
    _, channels, size, _ = data.images.shape
    with torch.random.fork_rng(devices=[]):  # torch's layers start with draws that nobody asked for
        return Classifier(
            channels=channels, size=size, width=s.width, features=s.features, classes=_classes(data), rng=rng
        )


def _classes(data: ImageSet) -> int:
    return int(data.labels.max()) + 1


def _fingerprints(s: JudgeTraining) -> dict[str, str]:
    return {split: image_set(s.dataset, split).fingerprint for split in ("judge", "test")}
