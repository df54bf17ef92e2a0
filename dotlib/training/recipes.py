"""What a pair is made of: its data, networks, prior, and the score that is kept along its training."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from dotlib.data import images
from dotlib.data import toy as toy_data
from dotlib.metrics.optimal_transport import emd
from dotlib.networks import conditional, course, dcgan, mlp, resnet
from dotlib.networks.layers import Design
from dotlib.pairs import Normal, Uniform
from dotlib.seeding import generator, numpy_rng
from dotlib.training.settings import ConditionalTraining, ImageTraining, MLPTraining, Training
from dotlib.training.trainer import Draw, Trainer

SCORE_SETS, SCORE_POINTS = 4, 1_000  # of each score along a 2-D training


@dataclass(frozen=True)
class ToyRecipe:
    """A pair of a 2-D set, [DOT19] Table 4 and B.1; `milestones` are the times that G and D are kept on the way."""

    settings: Training
    classes: ClassVar = 0  # G and D take no labels
    milestones: ClassVar = 0  # no page looks at a 2-D pair before its end
    prior: ClassVar = Uniform(2)  # Table 4

    def training_set(self) -> toy_data.ToyData:
        """The training set: the same for every pair of one seed."""
        s = self.settings
        return toy_data.toy(s.dataset, numpy_rng(s.seed, "data", s.dataset), size=s.data_size, noise=s.noise)

    def networks(self) -> tuple[mlp.MLP, mlp.MLP]:
        """G and D of Table 4."""
        s = self.settings
        rng_G, rng_D = (generator(s.seed, "weights", role) for role in "GD")
        return mlp.toy_generator(rng_G, width=s.width_G), mlp.toy_discriminator(rng_D, width=s.width_D)

    def draw_real(self) -> Draw:
        """(n, rng) -> training points (n, 2), alone in a tuple."""
        points = self.training_set().points
        return lambda n, rng: (points[torch.randint(len(points), (n,), generator=rng)],)

    def score(self) -> Callable[[nn.Module], dict[str, float]]:
        """Mean EMD (squared l2, as published) of four sets of 1,000 points of G to training points.

        Latents and targets are the same at every call, and the Gaussians' targets hold 40 points of each mode, so that
        changes of G are not drowned by the draw.
        """
        rng, real = generator(self.settings.seed, "score", self.settings.dataset), self.training_set()
        sampling = "random" if real.modes is None else "balanced"
        n = min(SCORE_POINTS, len(real.points))
        sets = [(self.prior.sample(n, rng), real.draw(n, rng, sampling=sampling)) for _ in range(SCORE_SETS)]

        @torch.no_grad()
        def emd_of(G: nn.Module) -> dict[str, float]:
            device = next(G.parameters()).device
            made = [G(z.to(device)).cpu() for z, _ in sets]
            return {"emd_g": sum(emd(y, x) for y, (_, x) in zip(made, sets, strict=True)) / SCORE_SETS}

        return emd_of


@dataclass(frozen=True)
class ImageRecipe:
    """A pair of a data set of images, [DOT19] Tables 5, 6 and B.2."""

    settings: ImageTraining
    milestones: ClassVar = 12  # for Figure 2

    @property
    def classes(self) -> int:
        """Of the labels that G and D take; 0: they take none."""
        return 0

    @property
    def prior(self) -> Uniform | Normal:
        """U[-1, 1]^d for the DCGAN (Table 5), N(0, I) for the ResNet (Table 6)."""
        return (Normal if self.settings.architecture == "resnet" else Uniform)(self.settings.latent)

    def training_set(self) -> images.ImageSet:
        """The images of the split, or a fixed part of them where `data_size` is not 0."""
        s = self.settings
        whole = images.image_set(s.dataset, s.split)
        return whole.take(s.data_size, generator(s.seed, "data", s.dataset)) if s.data_size else whole

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """G and D of Table 5 or 6."""
        s = self.settings
        family = {"dcgan": dcgan, "resnet": resnet}[s.architecture]
        rng_G, rng_D = (generator(s.seed, "weights", role, s.dataset, *s.row) for role in "GD")
        design_G = Design(s.width_G, s.bottom, s.channels, s.spectral_G, s.attention, rng_G)
        design_D = Design(s.width_D, s.bottom, s.channels, s.spectral_D, s.attention, rng_D)
        return family.Generator(design_G, s.latent), family.Discriminator(design_D)

    def draw_real(self) -> Draw:
        """(n, rng) -> images (n, C, H, W) in [-1, 1], alone in a tuple."""
        whole = self.training_set()
        return lambda n, rng: (whole.draw(n, rng),)

    def score(self) -> None:
        """Image pairs are judged after the training, from the milestones that it leaves."""


@dataclass(frozen=True)
class ConditionalRecipe(ImageRecipe):
    """A conditional pair of a labelled data set of images, the networks of [PROJ18] for CIFAR-10."""

    settings: ConditionalTraining

    @property
    def classes(self) -> int:
        """Labels are 0 to classes - 1."""
        return self.settings.classes

    @property
    def prior(self) -> Normal:
        """N(0, I)."""
        return Normal(self.settings.latent)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """G(z | y) and D(x | y)."""
        s = self.settings
        rng_G, rng_D = (generator(s.seed, "weights", role, s.dataset, *s.row) for role in "GD")
        sizes = {"bottom": s.bottom, "classes": s.classes, "channels": s.channels, "ladder": conditional.CIFAR}
        G = conditional.Generator(**sizes, width=s.width_G, latent=s.latent, rng=rng_G)
        return G, conditional.Discriminator(**sizes, width=s.width_D, spectral=s.spectral_D, rng=rng_D)

    def draw_real(self) -> Draw:
        """(n, rng) -> images (n, C, H, W) in [-1, 1] and their labels (n,)."""
        return self.training_set().draw_labelled


@dataclass(frozen=True)
class MLPRecipe(ImageRecipe):
    """A fully connected WGAN of grey images, with the prior N(0, I)."""

    settings: MLPTraining

    @property
    def prior(self) -> Normal:
        """N(0, I)."""
        return Normal(self.settings.latent)

    def networks(self) -> tuple[nn.Module, nn.Module]:
        """G and D of the design."""
        s = self.settings
        rng_G, rng_D = (generator(s.seed, "weights", role, s.dataset, *s.row) for role in "GD")
        G = course.Generator(8 * s.bottom, latent=s.latent, width=s.width_G, design=s.design, rng=rng_G)
        options = {"width": s.width_D, "design": s.design, "spectral": s.spectral_D}
        return G, course.Discriminator(8 * s.bottom, **options, rng=rng_D)


def recipe(settings: Training) -> ToyRecipe | ImageRecipe:
    """The recipe of a pair with these settings."""
    if isinstance(settings, ConditionalTraining):
        return ConditionalRecipe(settings)
    if isinstance(settings, MLPTraining):
        return MLPRecipe(settings)
    return ImageRecipe(settings) if isinstance(settings, ImageTraining) else ToyRecipe(settings)


def trainer(settings: Training, device: str = "cpu") -> Trainer:
    """Fresh networks and their trainer."""
    parts = recipe(settings)
    G, D = parts.networks()
    return Trainer(settings, G, D, parts.prior, parts.draw_real(), device, parts.classes)
