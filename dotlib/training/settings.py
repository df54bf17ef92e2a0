"""Which settings a pair of each name is trained with, in each profile.

The three profiles are one code with other numbers: "smoke" shows that it runs and compares nothing, "laptop" trains for
real within minutes, "paper" is the published training. Free of torch, since the workflow reads it first.
"""

import functools
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

from dotlib.errors import InputError, check_count, check_option, nearest
from dotlib.profiles import PROFILES
from dotlib.results.files import artifacts
from dotlib.results.provenance import checkout
from dotlib.training.schedules import ConditionalTraining, ImageTraining, MLPTraining, Training

# The gradient penalty's weight on the 2-D sets is stated nowhere. Chosen by G's EMD alone among 0.1, 1, 10:
# results/gp_weight, made by `dotlib choose-gp-weight`.
GP_WEIGHT = {"25gaussians": 0.1, "swissroll": 0.1}

# What a profile changes in the published 2-D training. "laptop" gives most of its minutes to G: a narrower critic,
# fewer updates of it, a larger step. It was chosen by G's EMD alone.
TOY_CHANGES = {
    "smoke": {"generator_updates": 4, "critic_updates": 3, "warmup_updates": 2, "warmup_critic_updates": 10}
    | {"width_D": 128, "data_size": 5_000},
    "laptop": {"generator_updates": 8_000, "critic_updates": 3, "width_D": 128, "lr_G": 1e-3, "lr_D": 1e-3},
    "paper": {},
}

# What the name of an image pair's objective stands for (Table 1; B.2 for the optimisers of the self-attention rows).
SAGAN = {"spectral_G": True, "spectral_D": True, "attention": True, "critic_updates": 1, "lr_G": 1e-4, "lr_D": 4e-4}
OBJECTIVES = {
    "wgan-gp": {"objective": "wgan", "gp_weight": 10.0},
    "sngan-ns": {"objective": "ns", "spectral_D": True},
    "sngan-hi": {"objective": "hinge", "spectral_D": True},
    "sagan-ns": {"objective": "ns"} | SAGAN,
    "sagan-hi": {"objective": "hinge"} | SAGAN,
}
ARCHITECTURES = ("dcgan", "resnet")
ROWS = (*(f"dcgan-{objective}" for objective in OBJECTIVES), "resnet-sagan-ns", "resnet-sagan-hi")  # Table 1
SHAPES = {  # of the images of a data set
    "digits": {"bottom": 1, "channels": 1},
    "mnist": {"bottom": 4, "channels": 1},
    "fashion_mnist": {"bottom": 4, "channels": 1},
    "cifar10": {"bottom": 4, "channels": 3},
    "stl10": {"bottom": 6, "channels": 3},
}
RESNET_N = {"cifar10": 2}  # n of Table 6; 1 for STL-10 and, ours, for the grey sets
RESNET_UPDATES = {"stl10": 240_000}  # B.2

# What a profile changes in the published training of images. Widths and lengths of "laptop" were chosen by the minutes
# at hand and by the scores of bare samples, before any transport.
WIDTHS = {"smoke": {"dcgan": 32, "resnet": 8}, "laptop": {"dcgan": 64, "resnet": 16}}
SMOKE = {"generator_updates": 40, "critic_updates": 1, "batch_size": 16}
# Updates of G in "laptop": DCGAN with 5 and with 1 updates of D, ResNet.
LENGTHS = dict.fromkeys(SHAPES, (3_000, 4_000, 2_000)) | {"digits": (1_600, 700, 450)}

# In "laptop" one pair is trained as wide as a core allows, too. Its names end in the updates of G after which it is
# measured, which book/protocol fixed before the first of these trainings.
WIDE_PAIR, WIDE_CHANNELS = "cifar10-dcgan-sngan-ns", 128
WIDE = {"wide-10k": 10_000, "wide-50k": 50_000, "wide-150k": 150_000}

# Conditional pairs: the labelled sets, and what a name stands for. With one update of D for one of G, D tells little.
LABELLED = ("digits", "mnist", "fashion_mnist", "cifar10")
CONDITIONAL = {"hi": {}, "hi-1": {"critic_updates": 1}}
CONDITIONAL_CHANGES = {  # in the published training
    "smoke": {"generator_updates": 40, "batch_size": 16, "width_G": 8, "width_D": 8, "latent": 16},
    "laptop": {"generator_updates": 2_000, "width_G": 16, "width_D": 16, "latent": 64},
    "paper": {},
}
CONDITIONAL_DIGITS = {"generator_updates": 1_500, "width_G": 32, "width_D": 32}  # in "laptop"

# Fully connected WGANs: the grey sets, and what a name stands for. "code" is the program of the report.
GREY = ("digits", "mnist", "fashion_mnist")
_CODE = {"design": "code", "width_G": 1_024, "width_D": 1_024, "lr_last": 1e-4, "beta1": 0.0, "beta2": 0.9}
_CODE |= {"weight_decay": 0.0, "warmup_updates": 7_500, "warmup_critic_updates": 5, "critic_updates": 1}  # 40 epochs
MLP = {
    "wgan-gp": {"gp_weight": 10.0},
    "wgan-sn": {"spectral_D": True},
    "wgan-free": {},  # nothing constrains D
    "wgan-gp-code": {"gp_weight": 10.0, "generator_updates": 157_500} | _CODE,  # 160 more epochs
}
MLP_SMOKE = {"generator_updates": 40, "critic_updates": 1, "warmup_updates": 4, "batch_size": 16}
# In "laptop" a quarter of the published updates, fewer on the digits, and larger steps: chosen by bare samples alone.
MLP_LENGTHS = {"digits": 3_000, "mnist": 9_375, "fashion_mnist": 9_375}
MLP_STEPS = {"lr_G": 5e-4, "lr_D": 5e-4, "lr_last": 5e-5}


class PairName(NamedTuple):
    """What a pair is called: "25gaussians-wgan-gp", "mnist-dcgan-sngan-hi"."""

    dataset: str
    architecture: str  # "dcgan", "resnet", "cond" or "mlp"; "" for the networks of the 2-D sets
    objective: str  # a key of OBJECTIVES, of CONDITIONAL, or of MLP; the wide pair's ends in a key of WIDE

    @classmethod
    def parse(cls, name: str) -> "PairName":
        """The parts of a name. Raises InputError, naming the nearest, for a name that no pair has."""
        if name not in _names():
            known = f"<{'|'.join(SHAPES)}>-<{'|'.join(ARCHITECTURES)}>-<{'|'.join(OBJECTIVES)}>"
            known += f", <{'|'.join(LABELLED)}>-cond-<{'|'.join(CONDITIONAL)}>, {WIDE_PAIR}-<{'|'.join(WIDE)}>"
            known += f", <{'|'.join(GREY)}>-mlp-<{'|'.join(MLP)}>"
            toys = ", ".join(str(pair) for pair in _names().values() if not pair.architecture)
            raise InputError(f"name: unknown {name!r}; known: {toys}, {known}{nearest(name, _names())}")
        return _names()[name]

    @property
    def row(self) -> str:
        """The pair's row of Table 1, "dcgan-sngan-hi"."""
        return "-".join(filter(None, self[1:]))

    def __str__(self) -> str:
        return f"{self.dataset}-{self.row}"


@functools.cache
def _names() -> dict[str, PairName]:
    toys = [PairName(dataset, "", "wgan-gp") for dataset in GP_WEIGHT]
    pairs = [PairName(d, architecture, o) for d in SHAPES for architecture in ARCHITECTURES for o in OBJECTIVES]
    pairs += [PairName(dataset, "cond", objective) for dataset in LABELLED for objective in CONDITIONAL]
    pairs += [PairName(dataset, "mlp", objective) for dataset in GREY for objective in MLP]
    dataset, architecture, objective = WIDE_PAIR.split("-", 2)
    pairs += [PairName(dataset, architecture, f"{objective}-{length}") for length in WIDE]
    return {str(name): name for name in toys + pairs}


def dataset_of(name: str) -> str:
    """The data set in the name of a pair, or in that of a record, which may be the data set alone."""
    return name.partition("-")[0]


def row_of(name: str) -> str:
    """The row of Table 1 in the name of a pair, or in that of a record; "" for a data set alone."""
    return name.partition("-")[2]


def length_of(name: str) -> str:
    """How long the pair of this name was trained, a key of WIDE; "" where it is not the wide one."""
    return next((length for length in WIDE if name.endswith(f"-{length}")), "")


def toy_training(dataset: str, profile: str, seed: int = 0) -> Training:
    """Settings of the WGAN-GP on a 2-D set. Raises InputError for an unknown word."""
    check_option("profile", profile, PROFILES)
    check_option("dataset", dataset, GP_WEIGHT)
    check_count("seed", seed, 0)
    return replace(Training(dataset, gp_weight=GP_WEIGHT[dataset], seed=seed), **TOY_CHANGES[profile])


def image_training(dataset: str, row: str, profile: str, seed: int = 0) -> ImageTraining:
    """Settings of a row of Table 1, "<architecture>-<objective>". Raises InputError for an unknown word."""
    check_option("dataset", dataset, SHAPES)
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    architecture, _, objective = row.partition("-")
    check_option("architecture", architecture, ARCHITECTURES)
    check_option("objective", objective, OBJECTIVES)
    settings = ImageTraining(dataset, architecture=architecture, seed=seed)
    settings = replace(settings, **SHAPES[dataset], **OBJECTIVES[objective])
    if architecture == "resnet":
        latent, updates = 128 * RESNET_N.get(dataset, 1), RESNET_UPDATES.get(dataset, settings.generator_updates)
        settings = replace(settings, width_G=latent, width_D=128, latent=latent, generator_updates=updates)
    if profile == "paper":
        return settings
    width = WIDTHS[profile][architecture]
    settings = replace(settings, width_G=width, width_D=width)
    if profile == "smoke":
        return replace(settings, **SMOKE)
    length = 2 if architecture == "resnet" else int(settings.critic_updates == 1)
    return replace(settings, generator_updates=LENGTHS[dataset][length])


def wide_training(length: str, profile: str, seed: int = 0) -> ImageTraining:
    """Settings of WIDE_PAIR for a key of WIDE; "smoke" has those of the plain pair. Raises InputError."""
    check_option("length", length, WIDE)
    settings = image_training(dataset_of(WIDE_PAIR), row_of(WIDE_PAIR), profile, seed)
    if profile == "paper":
        raise InputError(
            f"profile: 'paper' has no {WIDE_PAIR}-{length}; its one training is {WIDE_PAIR}, which is wide"
        )
    changes = {"width_G": WIDE_CHANNELS, "width_D": WIDE_CHANNELS, "generator_updates": WIDE[length]}
    return replace(settings, **changes) if profile == "laptop" else settings


def conditional_training(dataset: str, objective: str, profile: str, seed: int = 0) -> ConditionalTraining:
    """Settings of a conditional pair, "<dataset>-cond-<objective>". Raises InputError for an unknown word."""
    check_option("dataset", dataset, LABELLED)
    check_option("objective", objective, CONDITIONAL)
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    changes = CONDITIONAL_CHANGES[profile] | (CONDITIONAL_DIGITS if (dataset, profile) == ("digits", "laptop") else {})
    settings = ConditionalTraining(dataset, seed=seed)
    return replace(settings, **SHAPES[dataset], **CONDITIONAL[objective], **changes)


def mlp_training(dataset: str, objective: str, profile: str, seed: int = 0) -> MLPTraining:
    """Settings of a fully connected WGAN, "<dataset>-mlp-<objective>". Raises InputError for an unknown word."""
    check_option("dataset", dataset, GREY)
    check_option("objective", objective, MLP)
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    settings = replace(MLPTraining(dataset, seed=seed), **SHAPES[dataset], **MLP[objective])
    if profile == "smoke":
        return replace(settings, **MLP_SMOKE, width_G=settings.width_G // 8, width_D=settings.width_D // 8)
    if profile == "paper":
        return settings
    updates = MLP_LENGTHS[dataset]
    if settings.design == "printed":
        return replace(settings, generator_updates=updates, **MLP_STEPS)
    return replace(settings, generator_updates=updates, warmup_updates=updates // 5)


def settings_of(name: str, profile: str, seed: int = 0) -> Training:
    """Training settings of a named pair. Raises InputError for an unknown name or profile."""
    pair = PairName.parse(name)
    if pair.architecture == "cond":
        return conditional_training(pair.dataset, pair.objective, profile, seed)
    if pair.architecture == "mlp":
        return mlp_training(pair.dataset, pair.objective, profile, seed)
    if length_of(name):
        return wide_training(length_of(name), profile, seed)
    if pair.architecture:
        return image_training(pair.dataset, pair.row, profile, seed)
    return toy_training(pair.dataset, profile, seed)


def changed_from_published(settings: Training) -> dict[str, tuple]:
    """Fields that differ from the published training: name -> (published, here). Raises InputError where none is."""
    if isinstance(settings, ConditionalTraining):
        rows = [conditional_training(settings.dataset, name, "paper", settings.seed) for name in CONDITIONAL]
    elif isinstance(settings, MLPTraining):
        rows = [mlp_training(settings.dataset, name, "paper", settings.seed) for name in MLP]
    elif isinstance(settings, ImageTraining):
        names = [f"{settings.architecture}-{objective}" for objective in OBJECTIVES]
        rows = [image_training(settings.dataset, name, "paper", settings.seed) for name in names]
    else:
        rows = [toy_training(settings.dataset, "paper", settings.seed)]
    published = next((row for row in rows if row.row == settings.row), None)
    if published is None:
        raise InputError(
            f"settings: objective {settings.objective!r} with these networks is no row of Table 1; "
            "compare the settings of a row"
        )
    ours = asdict(settings)
    return {name: (value, ours[name]) for name, value in asdict(published).items() if value != ours[name]}


def pair_names(dataset: str, rows: str = "all") -> tuple[str, ...]:
    """Names of the image pairs of a data set: all rows of Table 1, or the one that is named."""
    check_option("dataset", dataset, SHAPES)
    return tuple(f"{dataset}-{row}" for row in (ROWS if rows == "all" else (rows,)))


def toy_datasets(dataset: str) -> tuple[str, ...]:
    """("25gaussians", "swissroll") for "both", else the one that is named."""
    check_option("dataset", dataset, (*GP_WEIGHT, "both"))
    return tuple(GP_WEIGHT) if dataset == "both" else (dataset,)


def artifact_path(name: str, *, profile: str, seed: int = 0) -> Path:
    """The file of a pair: the committed one, else the one that is trained. Its name hashes the training settings."""
    return pair_file(name, settings_of(name, profile, seed), profile)


def trains_all() -> bool:
    """Whether $DOTLIB_TRAIN asks for all pairs to be trained here."""
    return os.environ.get("DOTLIB_TRAIN", "") not in ("", "0")


def measures_all() -> bool:
    """Whether pages measure even what a committed record has: $DOTLIB_MEASURE asks for it, or all pairs are new."""
    return trains_all() or os.environ.get("DOTLIB_MEASURE", "") not in ("", "0")


def pair_file(name: str, settings: Training, profile: str) -> Path:
    """The committed file of a pair with these settings; where there is none, or $DOTLIB_TRAIN is set, `pair_path`."""
    folder = None if trains_all() else shipped_folder()
    shipped = folder and folder / pair_name(name, settings, profile)
    return shipped if shipped and shipped.exists() else pair_path(name, settings, profile)


def pair_path(name: str, settings: Training, profile: str) -> Path:
    """Where a pair with these settings is trained."""
    return artifacts() / pair_name(name, settings, profile)


def pair_name(name: str, settings: Training, profile: str) -> Path:
    """The file of a pair in its folder, whether that of trained or of committed pairs."""
    return Path(name) / f"{profile}-s{settings.seed}-{settings.key()}.safetensors"


def shipped_folder() -> Path | None:
    """The folder of committed pairs, `pairs` in the repository; None for an installed copy."""
    return (root := checkout()) and root / "pairs"
