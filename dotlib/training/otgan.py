"""Algorithm 1 of the report "Optimal Transport GAN": one loss for both players, on four batches, and its rhythm.

Each update draws X, X' of the data and Y, Y' of G. The critic raises L, G lowers it. In the printed line
"t mod n_gen + 1 = 0", read from left to right, the left side is at least 1, so that the critic would never learn; meant
is t mod (n_gen + 1) = 0. Both readings are here.
"""

import math
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn

from dotlib.data import images
from dotlib.errors import FileError, InputError, check_count, check_device, check_option, one_line, refuse_difference
from dotlib.metrics.energy import minibatch_energy
from dotlib.networks.otgan import ARCHITECTURES, GENERATORS, WIDTH, Critic
from dotlib.pairs import Normal
from dotlib.results import files, provenance
from dotlib.results.files import artifacts
from dotlib.seeding import generator
from dotlib.training import checkpoints
from dotlib.training.settings import Training
from dotlib.training.trainer import Trainer, read_log, train, weights

RHYTHMS = ("meant", "printed")
MILESTONES = 12  # times at which G is kept along a training
ALONG = ".along"  # ending of their folder
SIZE = {"digits": 8, "mnist8": 8, "fashion_mnist8": 8, "mnist": 32, "fashion_mnist": 32}  # side of the images


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


@dataclass(frozen=True)
class TrainedOTGAN:
    """G and its critic after a training, in evaluation mode, and where they come from."""

    settings: OTGANTraining
    G: nn.Module
    D: nn.Module  # images -> features: no pair for DOT
    path: Path
    sha256: str  # of the file, for records
    log: list[dict[str, float]]  # L of every update, and whose it was
    made: dict  # provenance, and seconds of the training


def trained(settings: OTGANTraining, device: str = "cpu") -> TrainedOTGAN:
    """Load what was trained with these settings, or train it first; a second process waits for the first.

    Raises InputError for unknown words and devices, FileError for a damaged file.
    """
    path = artifacts() / f"{settings.dataset}-otgan" / f"s{settings.seed}-{settings.key()}.safetensors"
    files.made(path, lambda path: _make(settings, path, device))
    tensors, meta = checkpoints.load(path)
    refuse_difference(str(path), meta["settings"], asdict(settings))
    return TrainedOTGAN(settings, *_read(settings, tensors), path, checkpoints.digest(path), meta["log"], meta["made"])


def along(training: TrainedOTGAN) -> Iterator[tuple[int, nn.Module, nn.Module]]:
    """(update, G and its critic as they were then) at MILESTONES times of a training, oldest first."""
    for path in sorted(training.path.with_suffix(ALONG).glob("*.safetensors")):
        tensors, meta = checkpoints.load(path)
        yield meta["update"], *_read(training.settings, tensors)


def networks(settings: OTGANTraining) -> tuple[nn.Module, Critic]:
    """Fresh G and critic. Raises InputError for an unknown word."""
    s = settings
    check_option("dataset", s.dataset, SIZE)
    check_option("architecture", s.architecture, ARCHITECTURES)
    rng_G, rng_D = (generator(s.seed, "weights", role, s.dataset, *s.row) for role in "GD")
    width_G, width_D = (width or WIDTH[s.architecture] for width in (s.width_G, s.width_D))
    G = GENERATORS[s.architecture](SIZE[s.dataset], latent=s.latent, width=width_G, rng=rng_G)
    return G, Critic(s.architecture, SIZE[s.dataset], features=s.features, width=width_D, rng=rng_D)


def trainer(settings: OTGANTraining, device: str = "cpu") -> OTGANTrainer:
    """Fresh networks and their trainer, on the images of the data set. Raises InputError for an unknown word."""
    s, (G, D) = settings, networks(settings)
    whole = images.image_set(s.dataset, s.split)
    if s.data_size:
        whole = whole.take(s.data_size, generator(s.seed, "data", s.dataset))
    return OTGANTrainer(s, G, D, Normal(s.latent), lambda n, rng: (whole.draw(n, rng),), device)


def _make(settings: OTGANTraining, path: Path, device: str) -> None:
    """Train, from the unfinished state beside `path` where there is one, and write it."""
    check_device(device)
    folder, started = path.with_suffix(".run"), time.monotonic()
    parts = {"milestones": MILESTONES, "along": path.with_suffix(ALONG)}
    train(trainer(settings, device), folder, log_every=1, **parts)
    tensors, _ = checkpoints.load(folder / "state.safetensors")
    made = provenance.here(device) | {"seconds_since_resume": round(time.monotonic() - started, 1)}
    meta = {"settings": asdict(settings), "log": read_log(folder), "made": made}
    checkpoints.save(path, weights(tensors), meta)
    shutil.rmtree(folder)


def _read(settings: OTGANTraining, tensors: dict[str, torch.Tensor]) -> tuple[nn.Module, nn.Module]:
    """G and the critic with these weights, in evaluation mode."""
    G, D = networks(settings)
    for prefix, network in (("G.", G), ("D.", D)):
        try:
            network.load_state_dict(checkpoints.part(prefix, tensors))
        except RuntimeError as error:
            raise FileError(
                f"weights: not of these networks ({one_line(error)}); delete the file, train again"
            ) from error
    return G.eval().requires_grad_(False), D.eval().requires_grad_(False)
