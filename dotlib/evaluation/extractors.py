"""The extractors in whose features an embedded cost is taken, and how much a score depends on the extractor.

An extractor E is a VGG5 that is fit on the split "floor", so that no judge and no reference has seen its images, and E
has seen none of theirs. Whoever moves samples with E may not be scored by E: `refuse_judge` sees to it.
"""

from dataclasses import asdict, dataclass, replace
from typing import ClassVar, NamedTuple

import numpy as np
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from torch import Tensor, nn

from dotlib.data import images
from dotlib.errors import InputError, check_count, check_option
from dotlib.evaluation import classifiers, judges
from dotlib.evaluation.classifiers import JudgeTraining
from dotlib.evaluation.judges import Judge, Panel
from dotlib.metrics.neighbours import PrecisionRecall, precision_recall
from dotlib.networks.layers import Rng
from dotlib.networks.vgg import VGG5
from dotlib.profiles import PROFILES
from dotlib.results import files
from dotlib.seeding import generator

NEIGHBOURS = 5  # of precision and recall: the report's programs have five


@dataclass(frozen=True)
class ExtractorTraining(JudgeTraining):
    """How an extractor is fit: a VGG5, otherwise as a judge is, on other images."""

    split: ClassVar[str] = "floor"
    width: int = 8
    features: int = 32  # four times the width

    def build(self, sizes: dict[str, int], rng: Rng) -> nn.Module:
        """The network for images of these sizes, before it is fit."""
        return VGG5(**sizes, width=self.width, rng=rng)


TRAINING = {  # ours: the width keeps the report's share of features among the numbers of an image, a third to a half
    "digits": ExtractorTraining("digits", 40, batch_size=32),
    "mnist": ExtractorTraining("mnist", 3, width=16, features=64),
    "fashion_mnist": ExtractorTraining("fashion_mnist", 4, width=16, features=64),
}
PUBLISHED = {"width": 64, "features": 256}
SMOKE = {"epochs": 1, "images": 256}


def training(dataset: str, profile: str, seed: int = 0) -> ExtractorTraining:
    """Settings of an extractor; the profile "paper" has the published width. Raises InputError."""
    check_option("dataset", dataset, TRAINING)
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    changed = {"smoke": SMOKE, "laptop": {}, "paper": {} if dataset == "digits" else PUBLISHED}[profile]
    return replace(TRAINING[dataset], seed=seed, **changed)


def extractor(dataset: str, *, profile: str, seed: int = 0) -> Judge:
    """The extractor of a data set: loaded, or fit first; a second process waits. Raises what `judges.load` does."""
    settings = training(dataset, profile, seed)
    path = files.artifacts() / "extractors" / f"{dataset}-{profile}-s{seed}-{settings.key()}.safetensors"
    loaded = judges.load(settings, files.made(path, lambda path: judges.make(settings, path)))
    return replace(loaded, name=f"{dataset} VGG5, seed {seed}")


def untrained(settings: ExtractorTraining) -> nn.Module:
    """A VGG5 of these settings with its first weights, in evaluation mode: a control."""
    network = classifiers.untrained(settings, generator(settings.seed, "untrained extractor", settings.dataset))
    return network.eval().requires_grad_(False)


@dataclass(frozen=True)
class Features:
    """The features of a network that gives (features, logits), as `transport.embedded` takes them."""

    network: nn.Module

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, m)."""
        return self.network(x)[0]


def refuse_judge(extractor: Judge, panel: Panel) -> None:
    """Raise InputError where the extractor is one of the judges: it would score what it has moved itself."""
    for name, judge in panel.judges.items():
        if judge.sha256 == extractor.sha256:
            raise InputError(f"extractor: {extractor.name} is the judge {name!r}, which may not move what it scores")


class Space(NamedTuple):
    """Real and generated images in one representation, and the labels of the real ones."""

    real: Tensor  # (N, m)
    fake: Tensor  # (M, m)
    labels: Tensor  # (N,)

    def scores(self) -> PrecisionRecall:
        """Precision and recall of the generated images in this representation."""
        return precision_recall(real=self.real, fake=self.fake, k=NEIGHBOURS)

    def separation(self) -> float:
        """Mean silhouette of the real images by label: 1 for clusters far apart, about 0 for none."""
        return float(silhouette_score(self.real.double().numpy(), self.labels.numpy()))


def spaces(dataset: str, fakes: Tensor, networks: dict[str, Judge]) -> dict[str, Space]:
    """Images (n, C, H, W) uint8 beside the "test" split, in pixels and in the features of each network."""
    test = images.image_set(dataset, "test")
    real, labels = classifiers.labelled(dataset, "test")
    pixels = Space(images.to_float(test.images).flatten(1), images.to_float(fakes).flatten(1), labels)
    return {"pixels": pixels} | {name: Space(net(real)[0], net(fakes)[0], labels) for name, net in networks.items()}


def tsne(rows: Tensor, seed: int) -> np.ndarray:
    """The plane of t-SNE for (n, m) rows: (n, 2). Distances between far groups mean nothing in it."""
    options = {"perplexity": min(30, (len(rows) - 1) / 3), "init": "pca", "n_jobs": 1}
    return TSNE(random_state=seed, **options).fit_transform(rows.double().numpy())


def described(extractor: Judge, settings: ExtractorTraining) -> dict:
    """What a record says of its extractor."""
    return asdict(settings) | {"accuracy": extractor.accuracy, "sha256": extractor.sha256}
