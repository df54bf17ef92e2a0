"""Latent transport of images: frozen networks against the straightforward port, same work.

    python benchmarks/latent_transport.py [--pair sngan] [--samples 100] [--threads 2]

Full-width CIFAR-10 DCGAN of [DOT19] Table 5, random weights, 20 updates of each latent, float32.
The port differentiates the networks as they were trained: their weights take gradients too, and
spectral norm is computed in every forward pass. Both do the samples in turns, one after the
other, so that other work on the machine slows them alike. The ratio is the median over turns.

Frozen networks do the port's operations on the port's numbers, so the latents agree to the last
bit. The exit status is 1 unless they are at least 1.6 times as fast and the latents within 1e-5.
"""

import argparse
import os
import statistics
import sys
import time

import torch
from torch import Tensor, nn

from dotlib.networks import dcgan
from dotlib.networks.freezing import frozen
from dotlib.networks.layers import Design, SelfAttention, thermalise
from dotlib.networks.mlp import LeakyReLU
from dotlib.pairs import Pair, Uniform
from dotlib.seeding import generator
from dotlib.transport import latent_dot

STEPS, LR, DELTA = 20, 0.01, 1e-3  # [DOT19] B.2
PAIRS = {"wgan-gp": (False, False), "sngan": (False, True), "sagan": (True, True)}
LEAST_RATIO, LARGEST_DIFFERENCE = 1.6, 1e-5


def networks(name: str) -> tuple[nn.Module, nn.Module]:
    """G and D in evaluation mode, spectral norm thermalised, gates open, batch statistics taken."""
    in_G, in_D = PAIRS[name]
    G = dcgan.Generator(Design(512, spectral=in_G, attention=in_G, rng=generator(0, "G")))
    D = dcgan.Discriminator(Design(512, spectral=in_D, attention=in_G, rng=generator(0, "D")))
    for part in (*G.modules(), *D.modules()):
        if isinstance(part, SelfAttention):
            nn.init.ones_(part.gamma)
        if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
            part.momentum = 1.0  # the statistics of one batch
    with torch.no_grad():
        G(Uniform(128).sample(64, generator(0, "statistics")))
    for network in (G, D):
        thermalise(network.eval())
    return G, D


def with_torchs(network: nn.Sequential) -> nn.Sequential:
    """The same network with torch's leaky ReLU, as a port has it; it is the faster one here."""
    for index, part in enumerate(network):
        if isinstance(part, LeakyReLU):
            network[index] = nn.LeakyReLU(part.slope)
    return network


def port(G: nn.Module, D: nn.Module, z_y: Tensor, k_eff: float) -> Tensor:
    """Algorithm 2 of [DOT19] for a uniform prior, as one writes it first."""
    z = z_y.clone().requires_grad_(True)
    optimiser = torch.optim.SGD([z], lr=LR)
    for _ in range(STEPS):
        optimiser.zero_grad()
        loss = torch.linalg.vector_norm(z - z_y + DELTA, dim=1) - D(G(z))[:, 0] / k_eff
        loss.sum().backward()
        optimiser.step()
        with torch.no_grad():
            z.clamp_(-1, 1)
    return z.detach()


def slope(pair: Pair, z: Tensor) -> float:
    """Mean norm of the gradient of D(G(z)): as k_eff it balances the two terms of eq. (23)."""
    z = z.clone().requires_grad_(True)
    (g,) = torch.autograd.grad(pair.latent_logit(z).sum(), z)
    return float(g.norm(dim=1).mean())


def measure(options: argparse.Namespace) -> tuple[dict[str, list[float]], dict[str, Tensor], Tensor]:
    """Seconds of each turn, moved latents, latents before."""
    G, D = networks(options.pair)
    prior = Uniform(128)
    still = Pair(frozen(G), frozen(D), prior)
    D = with_torchs(D)
    z_y = prior.sample(options.samples, generator(0, "latents"))
    k_eff = slope(still, z_y[:20])
    ways = {"port": lambda z: port(G, D, z, k_eff), "frozen": lambda z: latent_dot(still, z, k_eff, steps=STEPS).final}
    clock = time.process_time if options.threads == 1 else time.perf_counter
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    moved: dict[str, list[Tensor]] = {name: [] for name in ways}
    for z in z_y.split(options.turn):
        for name, way in ways.items():
            start = clock()
            moved[name].append(way(z))
            seconds[name].append(clock() - start)
    return seconds, {name: torch.cat(parts) for name, parts in moved.items()}, z_y


def main() -> int:
    """Measure and print the table; 1 when the frozen networks are too slow or not the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pair", choices=PAIRS, default="sngan")
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--turn", type=int, default=20, help="samples moved together")
    parser.add_argument(
        "--threads", type=int, default=os.cpu_count(), help="1 measures processor time, more the clock on the wall"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    seconds, moved, z_y = measure(options)
    print(
        f"{options.pair}, {options.samples} samples x {STEPS} updates, turns of {options.turn}, "
        f"{options.threads} thread(s), torch {torch.__version__}"
    )
    ratios, differences = {}, {}
    for name, times in seconds.items():
        ratios[name] = statistics.median(slow / fast for slow, fast in zip(seconds["port"], times, strict=True))
        rows = (moved[name] - moved["port"]).abs().amax(1)  # (samples,)
        differences[name] = float(rows.max())
        print(
            f"{name:15s} {sum(times):7.1f} s, {statistics.median(times):6.2f} s a turn, ratio "
            f"{ratios[name]:.2f}; latents differ by {differences[name]:.1e} at most, "
            f"{int((rows > LARGEST_DIFFERENCE).sum())} by more than {LARGEST_DIFFERENCE:.0e}"
        )
    print(f"mean distance moved: {float((moved['port'] - z_y).norm(dim=1).mean()):.3f}")
    fine = ratios["frozen"] >= LEAST_RATIO and differences["frozen"] <= LARGEST_DIFFERENCE
    print(f"frozen: ratio >= {LEAST_RATIO} and difference <= {LARGEST_DIFFERENCE:.0e}: {'yes' if fine else 'NO'}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
