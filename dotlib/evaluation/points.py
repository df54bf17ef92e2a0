"""The 2-D pairs of Figure 3: points moved once, and compared with training points in every way.

A trial draws 1,000 latents, moves the generated points by DOT and by the naive ascent, and compares each set with 1,000
training points ([DOT19] B.1). All methods of a trial share latents and target, so their differences are paired. Moved
points are cached; a killed measurement continues from the last finished block of trials.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dotlib import transport
from dotlib.data.toy import ToyData
from dotlib.errors import check_option
from dotlib.metrics import optimal_transport
from dotlib.pairs import Pair
from dotlib.profiles import sized
from dotlib.results import files
from dotlib.seeding import generator
from dotlib.training import authors, checkpoints, zoo
from dotlib.training.recipes import ToyRecipe
from dotlib.training.settings import toy_datasets, toy_training
from dotlib.transport import Trajectory, lipschitz


@dataclass(frozen=True)
class Figure3:
    """How Figure 3 is measured ([DOT19] B.1)."""

    trials: int = 100
    points: int = 1_000  # generated, and as many real ones
    pairs: int = 100  # for K_eff: maximum over these ...
    repeats: int = 10  # ... mean over these
    steps: int = 100
    lr: float = 0.01  # Adam
    betas: tuple[float, float] = (0.0, 0.9)
    delta: float = 1e-3


FIGURE3 = {"smoke": Figure3(trials=4, points=100, steps=10), "laptop": Figure3(), "paper": Figure3()}
METHODS = ("g", "dot", "naive")
NAMES = {"g": "G", "dot": "DOT", "naive": "naive", "real": "real points"}
SQUARED, PLAIN, SLOPE = "squared data units", "data units", "logits per data distance"
CLAIMS = (  # first minus second, and what the paper's numbers say of it
    ("dot", "g", "DOT against G"),
    ("dot", "naive", "DOT against naive"),
    ("naive", "g", "naive against G"),
)
LIMITS = {"25gaussians": (-2.0, 2.0), "swissroll": (-2.4, 2.4)}  # of a plot's axes, data units
BLOCK = 5  # trials in one cached file

Clouds = dict[str, Tensor]  # method -> points of every trial, (trials, points, 2)


def figure3_settings(profile: str) -> Figure3:
    """Settings of Figure 3. Raises InputError for an unknown profile."""
    return sized(FIGURE3, profile)


@dataclass(frozen=True)
class ToyPair(Pair):
    """A 2-D pair with the training set that its points are compared with."""

    name: str  # in records: that of the data set, or "25gaussians-authors"
    dataset: str  # "25gaussians" or "swissroll"
    data: ToyData
    origin: str  # how the weights came about
    digests: dict[str, str]  # file -> SHA-256 of its weights
    trained: zoo.TrainedPair | None = None  # where ours was found; None for weights from elsewhere

    @property
    def sampling(self) -> str:
        """How targets are drawn with the least noise: equal numbers of every mode, where there are modes."""
        return "random" if self.data.modes is None else "balanced"

    @property
    def shipped(self) -> bool:
        """Whether the pair came with the repository."""
        return self.trained is not None and self.trained.origin == zoo.SHIPPED

    @torch.no_grad()
    def draw(self, n: int, rng: torch.Generator) -> Tensor:
        """n points of p_G, (n, 2)."""
        return self.generate(self.prior.sample(n, rng))


def load(dataset: str, *, weights: str, profile: str, seed: int) -> ToyPair:
    """Our trained pair, weights="trained", or the authors', weights="authors"; ours is trained first if need be.

    Raises InputError for another word, FileError when the authors' files are not at hand.
    """
    check_option("weights", weights, ("trained", "authors"))
    training = toy_training(dataset, profile, seed)
    data = ToyRecipe(training).training_set()
    if weights == "authors":
        pair, digests = authors.load_pair(dataset)
        name, origin, trained = f"{dataset}-authors", "the authors' weights", None
    else:
        trained = zoo.pair(f"{dataset}-wgan-gp", profile=profile, seed=seed)
        name, pair, digests = dataset, trained.pair, {trained.path.name: trained.sha256}
        origin = f"trained here, {training.generator_updates} updates of G, penalty weight {training.gp_weight:g}"
        origin += f", training {training.key()}"
    about = {"name": name, "dataset": dataset, "origin": origin, "digests": digests, "trained": trained}
    return ToyPair(**vars(pair), data=data, **about)


def load_all(dataset: str, *, weights: str, profile: str, seed: int) -> dict[str, ToyPair]:
    """Name -> pair, for one data set or "both".

    With weights="auto" the authors' pairs come after ours where $DOTLIB_OFFICIAL names their folder. Raises as `load`.
    """
    ours_and_theirs = ("trained", "authors") if authors.folder() else ("trained",)
    kinds = ours_and_theirs if weights == "auto" else (weights,)
    loaded = [load(name, weights=kind, profile=profile, seed=seed) for name in toy_datasets(dataset) for kind in kinds]
    return {pair.name: pair for pair in loaded}


def constant(pair: ToyPair, settings: Figure3, seed: int) -> lipschitz.LipschitzEstimate:
    """K_eff by the recipe of B.1: maximum over 100 pairs of p_G, mean over 10 repeats."""
    rng = generator(seed, "K_eff", pair.name)
    return lipschitz.target_constant(pair.logit, pair.draw, n_pairs=settings.pairs, repeats=settings.repeats, rng=rng)


def few(settings: Figure3) -> Figure3:
    """The same settings with the trials of the first block alone, for pictures."""
    return replace(settings, trials=min(BLOCK, settings.trials))


def moved(pair: ToyPair, settings: Figure3, K_eff: float, seed: int) -> Clouds:
    """Points of every trial, before and after transport."""
    blocks, decides = [], [pair.name, pair.digests, replace(settings, trials=0), K_eff, seed]
    for start in tqdm(range(0, settings.trials, BLOCK), desc=f"transport {pair.name}", unit="block", disable=None):
        trials = range(start, min(start + BLOCK, settings.trials))
        name, make = f"trial{start}-{trials[-1]}", partial(_move_block, pair, settings, K_eff, seed, trials)
        blocks.append(files.cached(f"figure3/{pair.name}", name, make, decides=decides, store=checkpoints.TENSORS))
    return {method: torch.cat([block[method] for block in blocks]) for method in METHODS}


def move(pair: ToyPair, y: Tensor, K_eff: float, settings: Figure3, method: str, **changes: Any) -> Trajectory:
    """Algorithm 1 on points y (B, 2) with the settings of B.1, or for the method "naive" the ascent, eq. (56).

    Changes are options of `transport.target_dot` that replace the published ones.
    """
    options = {"steps": settings.steps, "delta": settings.delta, "cost": "none" if method == "naive" else "l2"}
    options["optimizer"] = transport.Adam(settings.lr, settings.betas)
    return transport.target_dot(pair.logit, y, K_eff, **(options | changes))


def latents(pair: ToyPair, settings: Figure3, seed: int, trial: int) -> Tensor:
    """The latents of one trial, (points, 2): the same for every method and constant."""
    return pair.prior.sample(settings.points, generator(seed, "latents", pair.name, str(trial)))


def target(pair: ToyPair, settings: Figure3, seed: int, trial: int, sampling: str, part: str = "target") -> Tensor:
    """Training points of one trial, (points, 2); another word for `part` is an independent draw."""
    rng = generator(seed, part, pair.name, sampling, str(trial))
    return pair.data.draw(settings.points, rng, sampling=sampling)


def distances(
    pair: ToyPair, sets: Clouds, settings: Figure3, seed: int, *, cost: str, sampling: str, floor: bool = False
) -> dict[str, np.ndarray]:
    """EMD of every trial: method -> (trials,), against the same target points for all methods; computed once.

    A floor adds "real": a second, independent draw of training points in the methods' place.
    """

    def measured() -> dict[str, list[float]]:
        result = {}
        for trial in tqdm(range(settings.trials), desc=f"EMD {pair.name} {cost} {sampling}", disable=None):
            x = target(pair, settings, seed, trial, sampling)
            points = {name: of_trials[trial] for name, of_trials in sets.items()}
            if floor:
                points["real"] = target(pair, settings, seed, trial, sampling, part="floor")
            for name, y in points.items():
                result.setdefault(name, []).append(optimal_transport.emd(y, x, cost=cost))
        return result

    decides = [sets, floor, pair.data.points, settings.trials, settings.points, seed, cost, sampling]
    values = files.cached(f"emd/{pair.name}", "distances", measured, decides=decides)
    return {name: np.asarray(of_trials) for name, of_trials in values.items()}


def _move_block(pair: ToyPair, settings: Figure3, K_eff: float, seed: int, trials: range) -> Clouds:
    z = torch.cat([latents(pair, settings, seed, trial) for trial in trials])
    with torch.no_grad():
        y = pair.generate(z)
    final = {"g": y} | {
        method: move(pair, y, K_eff, settings, method, batch_size=settings.points).final for method in ("dot", "naive")
    }
    return {method: points.reshape(len(trials), settings.points, 2) for method, points in final.items()}
