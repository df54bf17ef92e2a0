"""Every setting of every experiment, with its source, in three sizes of the same code.

Profiles: "smoke" shows that the code runs and compares nothing, "laptop" trains for real within
minutes, "paper" has the published sizes.

Every setting of the image experiments, with its source, in three sizes of the same code.

Names of the trained pairs, and where their files lie. Light: the workflow asks it first.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from dotlib.errors import InputError, check_count, check_option, nearest
from dotlib.profiles import PROFILES
from dotlib.results.files import artifacts


@dataclass(frozen=True)
class Training:
    """How one GAN is trained. Defaults: [DOT19] B.1, the 2-D experiment."""

    dataset: str
    objective: str = "wgan"
    generator_updates: int = 20_000  # B.1
    critic_updates: int = 10  # D updates for one of G, B.1
    warmup_updates: int = 25  # during the first 25 updates of G ...
    warmup_critic_updates: int = 100  # ... D gets 100, B.1
    batch_size: int = 256  # B.1
    lr_G: float = 1e-4  # B.1
    lr_D: float = 1e-4  # B.1
    beta1: float = 0.5  # B.1
    beta2: float = 0.9  # B.1
    gp_weight: float = 0.0  # lambda of eq. (51)
    gp_target: float = 1.0  # the penalty draws the gradient norm to this value, [WGANGP17]
    width_G: int = 256  # units of a hidden layer, Table 4
    width_D: int = 512  # Table 4
    data_size: int = 100_000  # B.1
    noise: str = "code"  # data.GAUSSIANS_STD
    seed: int = 0

    def key(self) -> str:
        """Twelve hexadecimal digits that change when any setting changes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def row(self) -> tuple[str, ...]:
        """Words that tell this row from the others of its data set, for its random streams."""
        return ()  # a 2-D set has one row

    def critic_updates_at(self, update: int) -> int:
        """D updates before G's update number `update`, counted from 0."""
        warm = update < self.warmup_updates
        return self.warmup_critic_updates if warm else self.critic_updates


# lambda is stated nowhere. Chosen by G's EMD alone among 0.1, 1, 10: results/gp_weight, made by
# `dotlib choose-gp-weight`.
GP_WEIGHT = {"25gaussians": 0.1, "swissroll": 0.1}

# What a profile changes in the published schedule. "laptop" gives most of its minutes to G: a
# narrower critic, fewer critic updates, a larger step. It was chosen by G's EMD alone.
TOY_SCHEDULE = {
    "smoke": {
        "generator_updates": 4,
        "warmup_updates": 2,
        "warmup_critic_updates": 10,
        "critic_updates": 3,
        "width_D": 128,
        "data_size": 5_000,
    },
    "laptop": {"generator_updates": 8_000, "critic_updates": 3, "width_D": 128, "lr_G": 1e-3, "lr_D": 1e-3},
    "paper": {},
}


def toy_training(dataset: str, profile: str, seed: int = 0) -> Training:
    """Settings of the WGAN-GP on a 2-D set. Raises InputError for an unknown profile."""
    check_option("profile", profile, PROFILES)
    check_option("dataset", dataset, GP_WEIGHT)
    check_count("seed", seed, 0)
    return replace(Training(dataset, gp_weight=GP_WEIGHT[dataset], seed=seed), **TOY_SCHEDULE[profile])


def toy_changed_from_published(profile: str) -> dict[str, tuple]:
    """Fields in which a profile's 2-D training differs from B.1: name -> (published, here)."""
    check_option("profile", profile, PROFILES)
    return {name: (getattr(Training(""), name), here) for name, here in TOY_SCHEDULE[profile].items()}


def toy_datasets(dataset: str) -> tuple[str, ...]:
    """("25gaussians", "swissroll") for "both", else the one that is named."""
    check_option("dataset", dataset, (*GP_WEIGHT, "both"))
    return tuple(GP_WEIGHT) if dataset == "both" else (dataset,)


def as_settings(training: Training) -> dict:
    """The settings as JSON-able fields, in their order."""
    return {field.name: getattr(training, field.name) for field in fields(training)}


@dataclass(frozen=True)
class ImageTraining(Training):
    """How one image GAN is trained. Defaults: [DOT19] Table 5 and B.2, CIFAR-10, DCGAN."""

    generator_updates: int = 150_000  # B.2
    critic_updates: int = 5  # WGAN-GP and SNGAN; SAGAN has 1
    warmup_updates: int = 0
    warmup_critic_updates: int = 1
    batch_size: int = 64
    lr_G: float = 2e-4  # WGAN-GP and SNGAN
    lr_D: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.9
    width_G: int = 512  # widest channels, Table 5; 128 n in Table 6
    width_D: int = 512  # widest channels, Table 5; 128 in Table 6
    data_size: int = 0  # images of the split; 0: all of them
    noise: str = "none"
    architecture: str = "dcgan"  # or "resnet"
    spectral_G: bool = False
    spectral_D: bool = False
    attention: bool = False
    latent: int = 128  # dimension of z
    bottom: int = 4  # M_g; images have sides of 8 M_g
    channels: int = 3
    split: str = "train"  # the released code used train and test, our "paper"
    streams: str = "row"  # weights and batches are drawn for this row alone; once, for all rows

    @property
    def row(self) -> tuple[str, ...]:
        """Architecture, objective, and which networks are normalised or have attention."""
        options = ("spectral_G", "spectral_D", "attention")
        return (self.architecture, self.objective, *(o for o in options if getattr(self, o)))


# What an objective's name stands for (Table 1; B.2 for the optimisers of the self-attention rows).
SAGAN = {"spectral_G": True, "spectral_D": True, "attention": True, "critic_updates": 1, "lr_G": 1e-4, "lr_D": 4e-4}
KINDS = {
    "wgan-gp": {"objective": "wgan", "gp_weight": 10.0},
    "sngan-ns": {"objective": "ns", "spectral_D": True},
    "sngan-hi": {"objective": "hinge", "spectral_D": True},
    "sagan-ns": {"objective": "ns"} | SAGAN,
    "sagan-hi": {"objective": "hinge"} | SAGAN,
}
ROWS = (*(f"dcgan-{kind}" for kind in KINDS), "resnet-sagan-ns", "resnet-sagan-hi")  # Table 1

SHAPES = {  # data set -> bottom size, channels
    "digits": {"bottom": 1, "channels": 1},
    "mnist": {"bottom": 4, "channels": 1},
    "cifar10": {"bottom": 4, "channels": 3},
    "stl10": {"bottom": 6, "channels": 3},
}
RESNET_N = {"cifar10": 2}  # n of Table 6; 1 for STL-10 and, ours, for the grey sets
RESNET_UPDATES = {"stl10": 240_000}  # B.2

# What a profile changes in the published training. Widths and lengths of "laptop" were chosen by
# the minutes at hand and by the scores of bare samples, before any transport.
CHANGES = {
    "smoke": {"dcgan": {"width_G": 32, "width_D": 32}, "resnet": {"width_G": 8, "width_D": 8}},
    "laptop": {"dcgan": {"width_G": 64, "width_D": 64}, "resnet": {"width_G": 16, "width_D": 16}},
    "paper": {"dcgan": {}, "resnet": {}},
}
SMOKE = {"generator_updates": 40, "critic_updates": 1, "batch_size": 16}
LENGTH = {  # updates of G in "laptop": DCGAN with 5 and with 1 updates of D, ResNet
    "digits": (1_600, 700, 450),
    "mnist": (3_000, 4_000, 2_000),
    "cifar10": (3_000, 4_000, 2_000),
    "stl10": (3_000, 4_000, 2_000),
}


def image_training(dataset: str, row: str, profile: str, seed: int = 0) -> ImageTraining:
    """Settings of one row of Table 1 on a data set.

    dataset:  "digits", "mnist", "cifar10" or "stl10".
    row:      "<dcgan|resnet>-<wgan-gp|sngan-ns|sngan-hi|sagan-ns|sagan-hi>".
    Raises InputError for an unknown word.
    """
    check_option("dataset", dataset, SHAPES)
    check_option("profile", profile, PROFILES)
    check_count("seed", seed, 0)
    architecture, _, kind = row.partition("-")
    check_option("architecture", architecture, ("dcgan", "resnet"))
    check_option("objective", kind, KINDS)
    published = {"architecture": architecture} | SHAPES[dataset] | KINDS[kind]
    if architecture == "resnet":
        width = 128 * RESNET_N.get(dataset, 1)
        published |= {
            "width_G": width,
            "width_D": 128,
            "latent": width,
            "generator_updates": RESNET_UPDATES.get(dataset, 150_000),
        }
    changes = dict(CHANGES[profile][architecture])
    if profile == "smoke":
        changes |= SMOKE
    elif profile == "laptop":
        few = published.get("critic_updates", ImageTraining.critic_updates) == 1
        changes["generator_updates"] = LENGTH[dataset][2 if architecture == "resnet" else few]
    return replace(ImageTraining(dataset, seed=seed), **(published | changes))


def pair_names(dataset: str, rows: str = "all") -> tuple[str, ...]:
    """Names of the pairs of a data set: all rows of Table 1, or the one that is named."""
    check_option("dataset", dataset, SHAPES)
    return tuple(f"{dataset}-{row}" for row in (ROWS if rows == "all" else (rows,)))


def changed_from_published(settings: ImageTraining) -> dict[str, tuple]:
    """Fields in which a training differs from the published one: name -> (published, here)."""
    kind = next(
        (
            name
            for name, fields in reversed(KINDS.items())  # SAGAN has all of SNGAN
            if all(
                getattr(settings, key) == value
                for key, value in fields.items()
                if key not in ("critic_updates", "lr_G", "lr_D")
            )
        ),
        None,
    )
    if kind is None:
        raise InputError(
            f"settings: objective {settings.objective!r} with these networks is no row "
            "of Table 1; compare the settings of a row"
        )
    paper = image_training(settings.dataset, f"{settings.architecture}-{kind}", "paper", settings.seed)
    return {
        name: (getattr(paper, name), getattr(settings, name))
        for name in paper.__dataclass_fields__
        if getattr(paper, name) != getattr(settings, name)
    }


TOY_NAMES = {"25gaussians-wgan-gp": "25gaussians", "swissroll-wgan-gp": "swissroll"}  # -> data set
IMAGE_NAMES = {
    f"{dataset}-{architecture}-{kind}": (dataset, f"{architecture}-{kind}")
    for dataset in SHAPES
    for architecture in ("dcgan", "resnet")
    for kind in KINDS
}


def settings_of(name: str, profile: str, seed: int = 0) -> Training:
    """Training settings of a named pair. Raises InputError for an unknown name or profile."""
    if name in TOY_NAMES:
        return toy_training(TOY_NAMES[name], profile, seed)
    if name in IMAGE_NAMES:
        return image_training(*IMAGE_NAMES[name], profile, seed)
    raise InputError(
        f"name: unknown {name!r}; known: {', '.join(TOY_NAMES)}, "
        f"<{'|'.join(SHAPES)}>-<dcgan|resnet>-<{'|'.join(KINDS)}>"
        f"{nearest(name, [*TOY_NAMES, *IMAGE_NAMES])}"
    )


def artifact_path(name: str, *, profile: str, seed: int = 0) -> Path:
    """The file of a pair. Its name carries a hash of the training settings."""
    return pair_path(name, settings_of(name, profile, seed), profile)


def pair_path(name: str, settings: Training, profile: str) -> Path:
    """The file of a pair with these settings."""
    return artifacts() / name / f"{profile}-s{settings.seed}-{settings.key()}.safetensors"
