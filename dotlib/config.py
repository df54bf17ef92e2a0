"""Every setting of every experiment, with its source, in three sizes of the same code.

Profiles: "smoke" shows that the code runs and compares nothing, "laptop" trains for real within
minutes, "paper" has the published sizes.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, fields, replace

from dotlib.errors import SettingsDiffer, check_count, check_option

PROFILES = ("smoke", "laptop", "paper")


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
SCHEDULE = {
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
    """Settings of the WGAN-GP on a 2-D set. Raises BadInput for an unknown profile."""
    check_option("profile", profile, PROFILES)
    check_option("dataset", dataset, GP_WEIGHT)
    check_count("seed", seed, 0)
    return replace(Training(dataset, gp_weight=GP_WEIGHT[dataset], seed=seed), **SCHEDULE[profile])


def changed_from_published(profile: str) -> dict[str, tuple]:
    """Fields in which a profile's 2-D training differs from B.1: name -> (published, here)."""
    check_option("profile", profile, PROFILES)
    return {name: (getattr(Training(""), name), here) for name, here in SCHEDULE[profile].items()}


def toy_datasets(dataset: str) -> tuple[str, ...]:
    """("25gaussians", "swissroll") for "both", else the one that is named."""
    check_option("dataset", dataset, (*GP_WEIGHT, "both"))
    return tuple(GP_WEIGHT) if dataset == "both" else (dataset,)


@dataclass(frozen=True)
class Figure3:
    """How Figure 3 is measured ([DOT19] B.1)."""

    trials: int = 100
    points: int = 1_000  # generated, and as many real ones
    pairs: int = 100  # for K_eff: maximum over these ...
    repeats: int = 10  # ... mean over these
    steps: int = 100
    lr: float = 0.01  # Adam
    betas: tuple[float, float] = (0.0, 0.9)
    delta: float = 1e-3


FIGURE3 = {
    "smoke": Figure3(trials=4, points=100, steps=10),
    "laptop": Figure3(),
    "paper": Figure3(),
}


def figure3_settings(profile: str) -> Figure3:
    """Settings of Figure 3. Raises BadInput for an unknown profile."""
    check_option("profile", profile, PROFILES)
    return FIGURE3[profile]


@dataclass(frozen=True)
class Audit:
    """How much work the audit of Figure 3 puts into its extra measurements."""

    trials: int  # for each changed setting
    readings: int  # trials of each reading that Figure 3 does not print
    pair_counts: tuple[int, ...] = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000)
    pair_repeats: int = 10  # pairs drawn, in multiples of the largest count
    gradient_points: int = 10_000


AUDIT = {
    "smoke": Audit(trials=2, readings=4, pair_counts=(100, 300, 1_000), gradient_points=500),
    "laptop": Audit(trials=5, readings=30),
    "paper": Audit(trials=10, readings=100),
}


def audit_settings(profile: str) -> Audit:
    """Settings of the audit. Raises BadInput for an unknown profile."""
    check_option("profile", profile, PROFILES)
    return AUDIT[profile]


# Constants that the released demo_2d.ipynb prints; the paper's text has others.
NOTEBOOK_K = {"25gaussians": 1.97769, "swissroll": 1.05324}


def refuse_difference(what: str, stored: dict, wanted: dict) -> None:
    """Raise SettingsDiffer, listing each field that differs, unless both are equal."""
    names = sorted(stored.keys() | wanted.keys())
    differing = [
        f"{name}: stored {stored.get(name)!r}, wanted {wanted.get(name)!r}"
        for name in names
        if stored.get(name) != wanted.get(name)
    ]
    if differing:
        raise SettingsDiffer(
            f"{what}: made with other settings ({'; '.join(differing)}); move it away, or ask for the stored settings"
        )


def as_settings(training: Training) -> dict:
    """The settings as JSON-able fields, in their order."""
    return {field.name: getattr(training, field.name) for field in fields(training)}
