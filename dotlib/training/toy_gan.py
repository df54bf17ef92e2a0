"""What the 2-D pairs are made of ([DOT19] Table 4 and B.1): data, networks, prior, score."""

from collections.abc import Callable

import torch
from torch import nn

from dotlib.data import toy as toy_data
from dotlib.metrics import optimal_transport
from dotlib.networks import mlp
from dotlib.pairs import Uniform
from dotlib.seeding import generator, numpy_rng
from dotlib.training.settings import Training
from dotlib.training.trainer import Trainer

SCORE_SETS, SCORE_POINTS = 4, 1_000  # of each score along a training
MILESTONES = 0  # no page looks at a 2-D pair before its end
THREADS = 1  # fastest for networks of this size


def training_set(settings: Training) -> toy_data.ToyData:
    """The training set of a 2-D pair: the same for every pair of one seed."""
    return toy_data.toy(
        settings.dataset,
        numpy_rng(settings.seed, "data", settings.dataset),
        size=settings.data_size,
        noise=settings.noise,
    )


def prior(settings: Training) -> Uniform:
    """U[-1, 1]^2, Table 4."""
    return Uniform(2)


def networks(settings: Training) -> tuple[mlp.MLP, mlp.MLP]:
    """G and D of Table 4, as the training starts them."""
    return (
        mlp.toy_generator(generator(settings.seed, "weights", "G"), width=settings.width_G),
        mlp.toy_discriminator(generator(settings.seed, "weights", "D"), width=settings.width_D),
    )


def ready(network: nn.Module) -> nn.Module:
    """A trained network as transports use it: evaluation mode, no gradients of weights."""
    return network.eval().requires_grad_(False)


def trainer(settings: Training, device: str = "cpu") -> Trainer:
    """Fresh networks and their trainer."""
    G, D = networks(settings)
    points = training_set(settings).points

    def draw_real(n: int, rng: torch.Generator) -> torch.Tensor:
        return points[torch.randint(len(points), (n,), generator=rng)]

    return Trainer(settings, G, D, prior(settings), draw_real, device)


def score(settings: Training) -> Callable[[nn.Module], dict[str, float]]:
    """G's own score while it trains: mean EMD of 4 sets of 1,000 points against training points.

    Cost squared l2 as published. Latents and targets are the same at every call, and the Gaussians'
    targets hold 40 points of each mode, so that changes of G are not drowned by the draw.
    """
    rng = generator(settings.seed, "score", settings.dataset)
    real = training_set(settings)
    sampling = "random" if real.modes is None else "balanced"
    n = min(SCORE_POINTS, len(real.points))
    sets = [(Uniform(2).sample(n, rng), real.draw(n, rng, sampling=sampling)) for _ in range(SCORE_SETS)]

    @torch.no_grad()
    def emd_of(G: nn.Module) -> dict[str, float]:
        device = next(G.parameters()).device
        made = [G(z.to(device)).cpu() for z, _ in sets]
        return {"emd_g": sum(optimal_transport.emd(y, x) for y, (_, x) in zip(made, sets, strict=True)) / SCORE_SETS}

    return emd_of
