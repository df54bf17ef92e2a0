"""Every setting of the image experiments, with its source, in three sizes of the same code."""

from dataclasses import dataclass, replace

from dotlib.config import PROFILES, Training
from dotlib.errors import BadInput, check_count, check_option


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
    Raises BadInput for an unknown word.
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


def run_name(name: str, judge: str, *more: str) -> str:
    """The data set or pair as a record calls it; a judge that is no classifier is part of it."""
    return "-".join([name, *more, *([judge] if judge != "classifier" else [])])


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
        raise BadInput(
            f"settings: objective {settings.objective!r} with these networks is no row "
            "of Table 1; compare the settings of a row"
        )
    paper = image_training(settings.dataset, f"{settings.architecture}-{kind}", "paper", settings.seed)
    return {
        name: (getattr(paper, name), getattr(settings, name))
        for name in paper.__dataclass_fields__
        if getattr(paper, name) != getattr(settings, name)
    }


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


_SAMPLES = {"digits": 600, "mnist": 2_500, "cifar10": 2_500, "stl10": 2_500}  # FID: above 2,048


def scoring(dataset: str, architecture: str, profile: str) -> Scoring:
    """Settings of scores. Raises BadInput for an unknown word."""
    check_option("dataset", dataset, SHAPES)
    check_option("architecture", architecture, ("dcgan", "resnet"))
    check_option("profile", profile, PROFILES)
    updates = 10 if architecture == "resnet" else 20
    whole = Scoring(updates=updates)
    if profile == "laptop" or dataset == "digits":
        whole = replace(whole, samples=_SAMPLES[dataset], kid_subsets=20)
        if dataset != "digits":
            whole = replace(whole, batch=50)  # the attention of 50 images stays in a core's cache
    if profile == "smoke":
        return replace(whole, sets=2, samples=100, updates=updates // 5, repeats=2, splits=2)
    return whole
