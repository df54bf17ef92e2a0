"""What the image pairs are made of ([DOT19] Tables 5, 6 and B.2): data, networks, prior, score."""

from collections.abc import Callable

from torch import nn

from dotlib.data import images
from dotlib.networks import dcgan, freezing, resnet
from dotlib.pairs import Normal, Uniform
from dotlib.seeding import generator
from dotlib.training.settings import ImageTraining
from dotlib.training.trainer import Trainer

MILESTONES = 12  # networks kept along a training, evenly spaced, for Figure 2
THREADS = 1  # pairs are trained side by side


def training_set(settings: ImageTraining) -> images.ImageSet:
    """The images of the split, or a fixed part of them where `data_size` is not 0."""
    whole = images.image_set(settings.dataset, settings.split)
    if not settings.data_size:
        return whole
    return whole.take(settings.data_size, generator(settings.seed, "data", settings.dataset))


def prior(settings: ImageTraining) -> Uniform | Normal:
    """U[-1, 1]^d for the DCGAN (Table 5), N(0, I) for the ResNet (Table 6)."""
    kind = Normal if settings.architecture == "resnet" else Uniform
    return kind(settings.latent)


def networks(settings: ImageTraining) -> tuple[nn.Module, nn.Module]:
    """G and D of Table 5 or 6, as the training starts them."""
    family = {"dcgan": dcgan, "resnet": resnet}[settings.architecture]
    shape = {"bottom": settings.bottom, "channels": settings.channels, "attention": settings.attention}
    rng_G, rng_D = (generator(settings.seed, "weights", role, settings.dataset, *settings.row) for role in "GD")
    G = family.Generator(
        latent=settings.latent, width=settings.width_G, spectral=settings.spectral_G, rng=rng_G, **shape
    )
    D = family.Discriminator(width=settings.width_D, spectral=settings.spectral_D, rng=rng_D, **shape)
    return G, D


def ready(network: nn.Module) -> nn.Module:
    """A trained network as transports use it: spectral norm baked in, no gradients of weights."""
    return freezing.frozen(network)


def trainer(settings: ImageTraining, device: str = "cpu") -> Trainer:
    """Fresh networks and their trainer."""
    G, D = networks(settings)
    return Trainer(settings, G, D, prior(settings), training_set(settings).draw, device)


def score(settings: ImageTraining) -> Callable[[nn.Module], dict[str, float]] | None:
    """None: image pairs are judged after the training, from the milestones that it leaves."""
    return None
