"""One training of OT-GAN, measured: its loss, its samples along the way, and what its critic and its plans are.

Everything is a tidy line: run, update, judge, quantity, value. Where no judge is asked, the judge is NONE.
"""

import functools
from collections.abc import Iterable, Mapping
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from dotlib.data import images
from dotlib.data.images import ImageSet
from dotlib.evaluation import judges
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.metrics.frequencies import high_share
from dotlib.metrics.scores import Collector
from dotlib.metrics.sinkhorn import Plans, cosine_costs, plans
from dotlib.pairs import Normal
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import otgan
from dotlib.training.otgan import OTGANTraining, TrainedOTGAN

NONE = "-"
WINDOWS = 60  # of the loss; five end with a milestone
QUANTITIES = ("fid", "kid", "precision", "recall")
PROBLEMS = 32  # plans whose mean is shown
LOOKED = 1_000  # images whose features, or roughness, are looked at
LONG = 5_000  # iterations that stand for all of them
AUDITED = tuple((epsilon, batch) for epsilon in (1.0, 0.01) for batch in (8, 32, 128))  # what the ends are compared at
Line = dict[str, float | str]  # of the tidy table


def measure(runs: Mapping[str, TrainedOTGAN], panel: Panel, settings: Scoring) -> list[Line]:
    """The lines of some trainings on one data set, each by the name of its run. Each training is measured once."""
    lines = []
    for name, training in tqdm(runs.items(), "measure", disable=None):
        make = functools.partial(_lines, training, panel, settings)
        decides = [training.sha256, settings, panel.digests]
        of_run = files.cached(f"otgan/{training.settings.dataset}", name.replace(" ", "_"), make, decides=decides)
        lines += [{"run": name} | line for line in of_run]
    return lines


def _lines(training: TrainedOTGAN, panel: Panel, settings: Scoring) -> list[Line]:
    lines = losses(training.log)
    real = images.image_set(training.settings.dataset, judges.SPLITS["classifier"][1])
    steps = [(0, *(each.eval().requires_grad_(False) for each in otgan.networks(training.settings)))]
    steps += list(otgan.along(training))
    last = steps[-1][0]
    for update, G, D in steps:
        asked = panel if update == last else panel.only_first()
        found = scores(G, asked, settings, training.settings) + critic(G, D, real, training.settings)
        lines += [{"update": update} | line for line in found]
    return lines


def losses(log: Iterable[Mapping[str, float]], windows: int = WINDOWS) -> list[Line]:
    """Mean and standard deviation of L in equal windows of a training; each line names the last update of its window.

    The standard deviation is within a window, so that a trend over the training is not in it.
    """
    L = np.array([row["L"] for row in log])
    lines = []
    for first, last in pairwise(len(L) * i // windows for i in range(windows + 1)):
        parts = {"L": L[first:last].mean(), "sd of L": L[first:last].std(ddof=1)}
        lines += [_line(quantity, float(value), update=last) for quantity, value in parts.items()]
    return lines


@torch.no_grad()
def samples(G: nn.Module, n: int, training: OTGANTraining, purpose: str, batch: int = 250) -> Tensor:
    """n images of G, (n, C, H, W) in [-1, 1]; latents are named by the purpose, the same for every G of a seed."""
    z = Normal(training.latent).sample(n, generator(training.seed, "latents", training.dataset, purpose))
    return torch.cat([G(rows) for rows in z.split(batch)])


def scores(G: nn.Module, panel: Panel, settings: Scoring, training: OTGANTraining) -> list[Line]:
    """QUANTITIES of one set of samples by every judge of a panel, and the share of high frequencies."""
    x = samples(G, settings.samples, training, "scores")
    pixels, lines = images.to_uint8(x), [_line("high frequencies", roughness(x))]
    for name, judge in panel.judges.items():
        collector: Collector = judges.collect(judge, pixels, settings)
        found = collector.scores(real=panel.references[name], rng=generator(0, "subsets", "0"))
        lines += [_line(quantity, getattr(found, quantity), name) for quantity in QUANTITIES]
    return lines


def roughness(x: Tensor) -> float:
    """Mean share of high frequencies in images (n, C, H, W), each without its mean."""
    x = x[:LOOKED]
    return float(high_share(x - x.mean((1, 2, 3), keepdim=True)).mean())


@torch.no_grad()
def critic(G: nn.Module, D: nn.Module, real: ImageSet, training: OTGANTraining) -> list[Line]:
    """In how many directions the critic's features of real images lie, and the entropy of the plans of a training."""
    x = images.to_float(real.images[:LOOKED])
    options = {"epsilon": training.epsilon, "iterations": training.iterations, "rule": training.rule}
    solved = plans(_costs(G, D, real, training, training.batch_size), **options)
    return [_line("directions", directions(D(x))), _line("entropy", float(solved.entropy.mean()))]


def directions(features: Tensor) -> float:
    """Effective number of directions of features (n, d), between 1 and d: tr(M)^2 / tr(M^2), M = mean of v v^T.

    v is a feature divided by its norm, as the cosine cost sees it. At 1 all features are on one line, and the cost of
    two images no longer depends on what they show.
    """
    v = nn.functional.normalize(features.double(), dim=1)
    M = v.T @ v / len(v)
    return float(M.trace() ** 2 / M.square().sum())


def _costs(G: nn.Module, D: nn.Module, real: ImageSet, training: OTGANTraining, batch: int) -> Tensor:
    """PROBLEMS costs between batches of real images and of samples, (PROBLEMS, batch, batch)."""
    n = PROBLEMS * batch
    x = real.draw(n, generator(training.seed, "plans", training.dataset))
    sides = (torch.cat([D(rows) for rows in side.split(500)]) for side in (x, samples(G, n, training, "plans")))
    return cosine_costs(*(side.reshape(PROBLEMS, batch, -1) for side in sides))


@torch.no_grad()
def audit(training: TrainedOTGAN, pairs: Iterable[tuple[float, int]] = AUDITED, long: int = LONG) -> list[Line]:
    """How far Sinkhorn has come by its 50 iterations and by the released end, on the features of a trained critic.

    Args:
        training: gives G and the critic, after its last update.
        pairs: (epsilon, batch size) of the problems.
        long: iterations that stand for all of them.

    Returns:
        A line for each pair and end: iterations, mass of the plan, and W; largest marginal error; means over PROBLEMS.
    """
    s, lines = training.settings, []
    real = images.image_set(s.dataset, judges.SPLITS["classifier"][1])
    for epsilon, batch in pairs:
        C = _costs(training.G, training.D, real, s, batch).double()
        ends = {"50 iterations": (s.iterations, "all"), "released end": (s.iterations, "released")}
        for end, (iterations, rule) in (ends | {"converged": (long, "all")}).items():
            found = plans(C, epsilon=epsilon, iterations=iterations, rule=rule)
            lines.append({"epsilon": epsilon, "batch": batch, "end": end} | _of_plans(found, C))
    return lines


def _of_plans(found: Plans, C: Tensor) -> Line:
    errors = torch.stack([found.row_error, found.column_error]).amax(0)
    of_problems = {"iterations": found.iterations.double(), "mass": found.plan.sum((1, 2)), "error": errors}
    return {name: float(v.mean()) for name, v in (of_problems | {"W": (found.plan * C).sum((1, 2))}).items()}


def _line(quantity: str, value: float, judge: str = NONE, **rest: float) -> Line:
    return {**rest, "judge": judge, "quantity": quantity, "value": value}
