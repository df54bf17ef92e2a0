"""Algorithm 1 of the report "Optimal Transport GAN": one loss for both players, on four batches, and its rhythm.

Each update draws X, X' of the data and Y, Y' of G. The critic raises L, G lowers it. In the printed line
"t mod n_gen + 1 = 0", read from left to right, the left side is at least 1, so that the critic would never learn; meant
is t mod (n_gen + 1) = 0. Both readings are here.
"""

import math
from dataclasses import dataclass

import torch

from dotlib.data import images
from dotlib.errors import InputError, check_count, check_option
from dotlib.metrics.energy import minibatch_energy
from dotlib.networks.otgan import ARCHITECTURES, GENERATORS, WIDTH, Critic
from dotlib.pairs import Normal
from dotlib.seeding import generator
from dotlib.training.settings import Training
from dotlib.training.trainer import Trainer

RHYTHMS = ("meant", "printed")
SIZE = {"digits": 8, "mnist8": 8, "mnist": 32, "fashion_mnist": 32}  # side of the images


@dataclass(frozen=True)
class OTGANTraining(Training):
    """How one OT-GAN is trained. Defaults: 3.1 of the report; what it leaves open is marked as ours."""

    objective: str = "energy"
    generator_updates: int = 3_750  # of either player: 4 epochs of 60,000 images, 64 real ones an update
    critic_updates: int = 1  # for n_gen of G
    warmup_updates: int = 0
    warmup_critic_updates: int = 1
    batch_size: int = 32  # of each of X, X', Y, Y'
    width_G: int = 0  # 0: that of the architecture, ours
    width_D: int = 0
    beta1: float = 0.9  # ours; the step size of 1e-4 is the report's
    beta2: float = 0.999
    data_size: int = 0  # all images
    noise: str = "none"
    architecture: str = "cnn"  # or "mlp"
    latent: int = 16
    features: int = 16  # of the critic
    n_gen: int = 5  # updates of G for one of the critic
    epsilon: float = 1.0  # math.inf: the control with the uniform plan
    iterations: int = 50  # of Sinkhorn
    rule: str = "all"  # or "released", which ends them early
    gradient: str = "fixed"  # or "unrolled", through the iterations
    rhythm: str = "meant"  # or "printed": the critic never learns
    split: str = "train"

    @property
    def row(self) -> tuple[str, ...]:
        """What tells this training from the others of its data set."""
        numbers = f"batch {self.batch_size}", f"epsilon {self.epsilon:g}", f"n_gen {self.n_gen}"
        return ("otgan", self.architecture, *numbers, self.rule, self.gradient, self.rhythm)


# The runs of the report, its Figures 1 to 4, and ours beside them: what changes in the defaults.
RUNS = {
    "cnn": {},
    "mlp": {"architecture": "mlp"},
    "batch 8": {"batch_size": 8},
    "batch 128": {"batch_size": 128},
    "epsilon 0.01": {"epsilon": 0.01},
    "uniform plan": {"epsilon": math.inf},
}


def is_critic_update(t: int, n_gen: int, rhythm: str = "meant") -> bool:
    """Whether update t, counted from 1, is the critic's: line 4 of Algorithm 1, as meant or as printed."""
    return t % (n_gen + 1) == 0 if rhythm == "meant" else (t % n_gen) + 1 == 0


@dataclass
class OTGANTrainer(Trainer):
    """The state of one training; D is the critic, images -> features. `trainer.train` runs it."""

    settings: OTGANTraining  # pyright: ignore[reportIncompatibleVariableOverride]: nothing replaces it

    def __post_init__(self) -> None:
        s = self.settings
        check_option("rhythm", s.rhythm, RHYTHMS)
        for name in ("n_gen", "batch_size", "iterations"):
            check_count(name, getattr(s, name))
        self.rng = generator(s.seed, "training", s.dataset, *s.row)
        self.networks = {"G": self.G.to(self.device).train(), "D": self.D.to(self.device).train()}
        self.optimisers = {
            role: torch.optim.Adam(network.parameters(), rate, (s.beta1, s.beta2))
            for (role, network), rate in zip(self.networks.items(), (s.lr_G, s.lr_D), strict=True)
        }

    def step(self) -> dict[str, float]:
        """One update of the player whose turn it is. Returns L before it, and 1 where that was the critic.

        Raises InputError when L is not finite.
        """
        critic = is_critic_update(self.update + 1, self.settings.n_gen, self.settings.rhythm)
        player = "D" if critic else "G"
        for role, network in self.networks.items():
            network.requires_grad_(role == player)
        loss = self._loss()
        if not math.isfinite(float(loss.detach())):
            raise InputError(f"settings: training diverged at update {self.update + 1}; lower lr_D, or raise epsilon")
        self.optimisers[player].zero_grad()
        (-loss if critic else loss).backward()
        self.optimisers[player].step()
        self.update += 1
        return {"L": float(loss.detach()), "critic": float(critic)}

    def _loss(self) -> torch.Tensor:
        """L of fresh batches. Y and Y' are two passes of G: a batch norm over both would tie them together."""
        s = self.settings
        real = [*self._reals(), *self._reals()]
        fake = [self.G(self._latents()), self.G(self._latents())]
        x, x2, y, y2 = self.D(torch.cat([*real, *fake])).chunk(4)
        options = {"iterations": s.iterations, "rule": s.rule, "gradient": s.gradient}
        return minibatch_energy((x, x2), (y, y2), epsilon=s.epsilon, **options)


def trainer(settings: OTGANTraining, device: str = "cpu") -> OTGANTrainer:
    """Fresh networks and their trainer, on the images of the data set. Raises InputError for an unknown word."""
    s = settings
    check_option("dataset", s.dataset, SIZE)
    check_option("architecture", s.architecture, ARCHITECTURES)
    rng_G, rng_D = (generator(s.seed, "weights", role, s.dataset, *s.row) for role in "GD")
    width_G, width_D = (width or WIDTH[s.architecture] for width in (s.width_G, s.width_D))
    G = GENERATORS[s.architecture](SIZE[s.dataset], latent=s.latent, width=width_G, rng=rng_G)
    D = Critic(s.architecture, SIZE[s.dataset], features=s.features, width=width_D, rng=rng_D)
    whole = images.image_set(s.dataset, s.split)
    if s.data_size:
        whole = whole.take(s.data_size, generator(s.seed, "data", s.dataset))
    return OTGANTrainer(s, G, D, Normal(s.latent), lambda n, rng: (whole.draw(n, rng),), device)
