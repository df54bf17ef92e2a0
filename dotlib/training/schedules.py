"""The settings of one training, kind by kind, with the source of each default. Free of torch.

Which of them a name and a profile stand for is in `settings`.
"""

import hashlib
import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Training:
    """How one GAN is trained. Defaults: the 2-D experiment, [DOT19] B.1."""

    dataset: str
    objective: str = "wgan"
    generator_updates: int = 20_000  # B.1
    critic_updates: int = 10  # D updates for one of G, B.1
    warmup_updates: int = 25  # during the first 25 updates of G ...
    warmup_critic_updates: int = 100  # ... D gets 100, B.1
    batch_size: int = 256  # B.1
    width_G: int = 256  # units of a hidden layer, Table 4
    width_D: int = 512  # Table 4
    lr_G: float = 1e-4  # B.1
    lr_D: float = 1e-4  # B.1
    beta1: float = 0.5  # B.1
    beta2: float = 0.9  # B.1
    gp_weight: float = 0.0  # lambda of eq. (51)
    gp_target: float = 1.0  # the penalty draws the gradient norm to this value, [WGANGP17]
    data_size: int = 100_000  # B.1
    noise: str = "code"  # data.toy.GAUSSIANS_STD
    seed: int = 0

    def key(self) -> str:
        """Twelve hexadecimal digits that change when any setting changes."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    @property
    def row(self) -> tuple[str, ...]:
        """Words that tell this row of a table from the others of its data set; they name its random streams."""
        return ()  # a 2-D set has one row

    @property
    def decay(self) -> float:
        """Adam's decay of weights; [DOT19] has none."""
        return 0.0

    def lr_at(self, update: int) -> dict[str, float]:
        """Step sizes of G and D at G's update number `update`, counted from 0."""
        return {"G": self.lr_G, "D": self.lr_D}

    def critic_updates_at(self, update: int) -> int:
        """D updates before G's update number `update`, counted from 0."""
        return self.warmup_critic_updates if update < self.warmup_updates else self.critic_updates


@dataclass(frozen=True)
class ImageTraining(Training):
    """How one image GAN is trained. Defaults: CIFAR-10, DCGAN, [DOT19] Table 5 and B.2."""

    generator_updates: int = 150_000  # B.2
    critic_updates: int = 5  # WGAN-GP and SNGAN; SAGAN has 1
    warmup_updates: int = 0
    warmup_critic_updates: int = 1
    batch_size: int = 64
    width_G: int = 512  # widest channels, Table 5; 128 n in Table 6
    width_D: int = 512  # widest channels, Table 5; 128 in Table 6
    lr_G: float = 2e-4  # WGAN-GP and SNGAN
    lr_D: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.9
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
    streams: str = "row"  # weights and batches are drawn for this row alone; at first, for all rows of a data set

    @property
    def row(self) -> tuple[str, ...]:
        """Architecture, objective, and which networks are normalised or have attention."""
        options = ("spectral_G", "spectral_D", "attention")
        return (self.architecture, self.objective, *(option for option in options if getattr(self, option)))


@dataclass(frozen=True)
class ConditionalTraining(ImageTraining):
    """How one conditional image GAN is trained. Defaults: CIFAR-10 in the repository of [PROJ18], sn_cifar10.yml.

    There, and not here, G comes first in an update, with a batch twice as large, and the step size falls linearly to
    zero.
    """

    objective: str = "hinge"
    generator_updates: int = 50_000
    width_G: int = 256
    width_D: int = 128
    architecture: str = "cond"
    spectral_D: bool = True
    classes: int = 10

    @property
    def row(self) -> tuple[str, ...]:
        """Architecture, objective, and the updates of D for one of G."""
        return (self.architecture, self.objective, f"n_dis {self.critic_updates}")


@dataclass(frozen=True)
class MLPTraining(ImageTraining):
    """How one fully connected WGAN is trained. Defaults: the report "DOT Applied to WGAN", 3.2, on MNIST.

    It has two lists for Adam; this is the first, whose step size falls "slowly", here linearly. It leaves open how
    often D is updated, the weight of the penalty, and the slope of the leaky ReLU; ours are those of its program.
    """

    generator_updates: int = 37_500  # 200 epochs of 60,000 images, a fresh batch for each of D's updates
    width_G: int = 128  # of the widest layer
    width_D: int = 128
    lr_G: float = 1e-4
    lr_D: float = 1e-4
    lr_last: float = 1e-5  # of both, after the last update
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 1e-4
    architecture: str = "mlp"
    design: str = "printed"  # or "code": a key of networks.course.DESIGNS
    latent: int = 100

    @property
    def row(self) -> tuple[str, ...]:
        """What tells this training from the others of its data set."""
        return ("mlp", self.design, "spectral_D" if self.spectral_D else f"penalty {self.gp_weight:g}")

    @property
    def decay(self) -> float:
        """Adam's decay of weights."""
        return self.weight_decay

    def lr_at(self, update: int) -> dict[str, float]:
        """From the first step sizes to `lr_last`, linearly in the update of G."""
        done = update / max(1, self.generator_updates - 1)
        return {role: lr + done * (self.lr_last - lr) for role, lr in super().lr_at(update).items()}
