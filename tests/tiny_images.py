"""A row of Table 1 without training: a pair on 1 x 4 x 4 images, and judges of pixels."""

from types import SimpleNamespace

import torch
from torch import nn

from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import ImagePair, Measurement
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.metrics.scores import Reference
from dotlib.pairs import Uniform

D_LATENT = 6


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def pair_of(prior=None):
    """Drawn weights, in evaluation mode."""
    prior = prior or Uniform(D_LATENT)
    G = nn.Sequential(nn.Linear(prior.dim, 16), nn.Tanh(), nn.Unflatten(1, (1, 4, 4)))
    D = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Softplus(), nn.Linear(12, 1))
    for number, part in enumerate((*G.parameters(), *D.parameters())):
        part.data = 0.5 * torch.randn(part.shape, generator=rng(number))
    return ImagePair(G.eval(), D.eval(), prior, name="tiny", digests={"pair": "0"})


class PixelJudge:
    """Features are pixels, logits two sums."""

    dim, classes = 3, 2

    def __call__(self, pixels):
        flat = pixels.flatten(1).float() / 255
        return flat[:, :3], flat[:, :2] * 4


def row_of(prior=None):
    """A row of Table 1; its constants are measured, its scores are not."""
    scoring = Scoring(sets=2, samples=30, updates=4, pairs=10, repeats=2, splits=2, batch=7, kept=30)
    pair = pair_of(prior)
    reference = Reference(dim=3, total=40, kept=30, rng=rng(6))
    reference.add(torch.rand(40, 3, generator=rng(5)))
    judges = {"pixels": PixelJudge(), "second": PixelJudge()}
    digests = {"pixels": "0", "second": "1", "test": "2"}
    of_judges = dict.fromkeys(judges, reference), dict.fromkeys(judges)
    panel = Panel(judges, *of_judges, digests, {"test": "drawn here"})
    settings = SimpleNamespace(split="train", key=lambda: "key")
    trained = SimpleNamespace(name="tiny", settings=settings, made={}, sha256="0")
    constants = image_pairs.constants(pair, scoring, 0)
    return image_pairs.Table1Row(pair, trained, panel, scoring, Measurement(*constants, {}, {}))
