"""The four settings whose runtimes [DOT19] B.3 prints: networks, descents, arithmetic."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from dotlib import published, transport
from dotlib.descent import Trajectory
from dotlib.errors import BadInput, check_count, check_option, check_positive
from dotlib.freezing import frozen
from dotlib.image_config import SHAPES
from dotlib.networks import dcgan, mlp, projection
from dotlib.pairs import Pair, Prior
from dotlib.priors import Normal, Uniform
from dotlib.seeding import generator

UPDATES = 30  # B.3
SETTINGS = {
    "swissroll": "Swissroll",
    "cifar10": "CIFAR-10 (SN-DCGAN)",
    "stl10": "STL-10 (SN-DCGAN)",
    "imagenet": "ImageNet",
}
P100 = 10.6e12  # operations a second in single precision, NVLink model; the PCIe model has 9.3e12


@dataclass(frozen=True)
class Plan:
    """How one setting is timed.

    batches:  samples moved together.
    updates:  that run; fewer than 30 are scaled.
    chunk, series:  N = chunk x each of the series are moved, chunk by chunk; none if it is empty.
    """

    batches: tuple[int, ...]
    updates: int = UPDATES
    chunk: int = 1
    series: tuple[int, ...] = ()


@dataclass(frozen=True)
class Sizes:
    """How much work goes into timing.

    runs:    of each, after one that is not counted.
    narrow:  what the published widths are divided by.
    """

    plans: Mapping[str, Plan]
    runs: int = 10  # B.3
    narrow: int = 1


SIZES = {
    "smoke": Sizes(
        {
            "swissroll": Plan((1, 2, 4), 5, 5, (1, 4, 8)),
            "cifar10": Plan((1, 2, 4), 5),
            "stl10": Plan((1, 2, 4), 5),
            "imagenet": Plan((1, 2), 5),
        },
        runs=2,
        narrow=8,
    ),
    "laptop": Sizes(
        {
            "swissroll": Plan((1, 3, 10, 100, 1_000), 10, 100, (1, 2, 4, 8)),
            "cifar10": Plan((1, 3, 10), 3, 3, (1, 2, 4)),
            "stl10": Plan((1, 3, 10), 2),
            "imagenet": Plan((1,), 2),
        },
        runs=3,
    ),
    "paper": Sizes(
        {
            "swissroll": Plan((1, 10, 100, 1_000, 10_000), 30, 100, (1, 2, 5, 10)),
            "cifar10": Plan((1, 10, 100, 1_000), 30, 100, (1, 2, 5, 10)),
            "stl10": Plan((1, 10, 100, 1_000), 30, 100, (1, 2, 5, 10)),
            "imagenet": Plan((1, 10, 100), 30, 10, (1, 2, 5, 10)),
        }
    ),
}


def sizes(profile: str) -> Sizes:
    """Sizes of a profile. Raises BadInput for an unknown one."""
    check_option("profile", profile, SIZES)
    return SIZES[profile]


def printed(name: str) -> published.Published:
    """Seconds of 30 updates on a P100, B.3. Raises BadInput."""
    check_option("name", name, SETTINGS)
    return published.value(f"b3.{name}.seconds")


def printed_ratio(first: str, second: str) -> tuple[float, float]:
    """First over second in print, and the standard deviation that follows from theirs."""
    a, b = printed(first), printed(second)
    return a.value / b.value, a.value / b.value * math.hypot(a.sd / a.value, b.sd / b.value)


def networks(
    name: str, *, narrow: int = 1, spectral: bool = True, rng: torch.Generator | None = None
) -> tuple[nn.Module, nn.Module, Prior]:
    """G, D and prior of a setting, with their published first weights.

    narrow:    divides the published widths: 1, 2, 4 or 8.
    spectral:  spectral norm in D, image settings.
    rng:       None for torch's own start.
    Raises BadInput.
    """
    check_option("name", name, SETTINGS)
    if narrow not in (1, 2, 4, 8):
        raise BadInput(f"narrow: found {narrow!r}; the widths can be divided by 1, 2, 4 or 8")
    if name == "swissroll":  # Table 4
        return (
            mlp.toy_generator(rng, width=256 // narrow),
            mlp.toy_discriminator(rng, width=512 // narrow),
            Uniform(2),
        )
    if name == "imagenet":
        G = projection.Generator(width=64 // narrow, rng=rng)
        D = projection.Discriminator(width=64 // narrow, spectral=spectral, rng=rng)
        return *projection.at_class(G, D, 0), Normal(128)
    sizes = {"bottom": SHAPES[name]["bottom"], "width": 512 // narrow}  # Table 5
    return (dcgan.Generator(**sizes, rng=rng), dcgan.Discriminator(**sizes, spectral=spectral, rng=rng), Uniform(128))


@dataclass(frozen=True)
class Subject:
    """A pair of networks, and the descent that the paper uses on it.

    name:  of the setting, a key of SETTINGS.
    """

    name: str
    pair: Pair
    device: str = "cpu"

    @property
    def moves_data(self) -> bool:
        """Whether points of the data space move, as in Figure 3; else latents."""
        return self.name == "swissroll"

    def start(self, rows: int, rng: torch.Generator) -> Tensor:
        """Points to move, (rows, ...), on the device. Raises BadInput."""
        check_count("rows", rows)
        z = self.pair.prior.sample(rows, rng).to(self.device)
        with torch.no_grad():
            return self.pair.generate(z) if self.moves_data else z

    def move(self, start: Tensor, updates: int, batch: int | None = None) -> Trajectory:
        """DOT with constant 1: data with Adam, latents with SGD, ImageNet's latents with Adam.

        start:  (rows, ...) from `start`; moved `batch` rows at a time, None for all together.
        """
        if self.moves_data:
            return transport.target_dot(self.pair.logit, start, 1.0, steps=updates, batch_size=batch)
        rule = transport.TARGET_ADAM if self.name == "imagenet" else transport.LATENT_SGD
        return transport.latent_dot(self.pair, start, 1.0, steps=updates, optimizer=rule, batch_size=batch)

    def logit(self, x: Tensor) -> Tensor:
        """What is differentiated: D(x), or D(G(z)) of latents. (B, ...) -> (B,)."""
        return self.pair.logit(x) if self.moves_data else self.pair.latent_logit(x)

    def backprop(self, start: Tensor) -> Tensor:
        """One forward and backward pass and nothing else: the gradient of the logits."""
        x = start.detach().requires_grad_(True)
        return torch.autograd.grad(self.logit(x).sum(), x)[0]


def subject(name: str, *, narrow: int = 1, device: str = "cpu", seed: int = 0) -> Subject:
    """A setting with frozen networks at their first weights, as `networks` has them."""
    G, D, prior = networks(name, narrow=narrow, rng=generator(seed, "runtimes", name))
    G, D = (frozen(network.to(device), iterations=0) for network in (G, D))
    return Subject(name, Pair(G, D, prior), device)


@dataclass(frozen=True)
class Work:
    """What one update of one sample asks for, on any machine.

    flops:  floating-point operations of the forward pass, and of the backward pass to the point.
    links:  operations in the chain of its gradient; each has to be started, whatever the batch.
    """

    flops: int
    links: int

    def largest_batch(self, seconds: float, rate: float = P100) -> float:
        """Samples whose 30 updates fit into the seconds at this many operations a second."""
        check_positive("seconds", seconds, "pass what is printed")
        check_positive("rate", rate, "the P100 has 10.6e12 in single precision")
        return seconds * rate / (UPDATES * self.flops)


def work(name: str, *, narrow: int = 1) -> Work:
    """Counted on shapes, convolutions as plain sums; nothing is computed. Raises BadInput."""
    with torch.device("meta"):
        G, D, prior = networks(name, narrow=narrow, spectral=False)
        what = Subject(name, Pair(frozen(G), frozen(D), prior), "meta")
        x = torch.zeros(1, 2 if what.moves_data else prior.dim, requires_grad=True)
        with FlopCounterMode(display=False) as counter:
            logit = what.logit(x)
            logit.sum().backward()
    todo, seen = [logit.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [following for following, _ in node.next_functions]
    return Work(counter.get_total_flops(), len(seen))
