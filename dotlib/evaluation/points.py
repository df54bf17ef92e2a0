"""The measurement behind Figure 3 and its audit: transport once, score in every way.

A trial draws 1,000 latents, moves the generated points by DOT and by the naive ascent, and compares
each set with 1,000 training points ([DOT19] B.1). All methods of a trial share latents and target,
so their differences are paired. Moved points are cached in files keyed by everything that decides
them, the code of the descent too; a killed measurement continues from the last finished block of
trials.
"""

import hashlib
import inspect
import json
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dotlib import pairs, seeding, transport
from dotlib.data.toy import ToyData
from dotlib.errors import check_option
from dotlib.metrics import optimal_transport
from dotlib.networks import mlp
from dotlib.pairs import Pair
from dotlib.profiles import PROFILES
from dotlib.results import files, provenance
from dotlib.seeding import generator
from dotlib.training import authors, checkpoints, zoo
from dotlib.training.recipes import ToyRecipe
from dotlib.training.settings import toy_datasets, toy_training
from dotlib.transport import lipschitz


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


FIGURE3 = {
    "smoke": Figure3(trials=4, points=100, steps=10),
    "laptop": Figure3(),
    "paper": Figure3(),
}


def figure3_settings(profile: str) -> Figure3:
    """Settings of Figure 3. Raises InputError for an unknown profile."""
    check_option("profile", profile, PROFILES)
    return FIGURE3[profile]


METHODS = ("g", "dot", "naive")
NAMES = {"g": "G", "dot": "DOT", "naive": "naive", "real": "real points"}
SQUARED, PLAIN, SLOPE = "squared data units", "data units", "logits per data distance"
CLAIMS = (  # first minus second, and what the paper's numbers say of it
    ("dot", "g", "DOT against G"),
    ("dot", "naive", "DOT against naive"),
    ("naive", "g", "naive against G"),
)
COSTS = ("sqeuclidean", "euclidean")
LIMITS = {"25gaussians": (-2.0, 2.0), "swissroll": (-2.4, 2.4)}  # of a plot's axes, data units
BLOCK = 5  # trials in one cached file


@dataclass(frozen=True)
class Subject:
    """The pair that is measured.

    name:     opens the records' dataset field: "25gaussians", or "25gaussians-authors".
    dataset:  "25gaussians" or "swissroll".
    origin:   a sentence on how the weights came about.
    digests:  file -> SHA-256 of its weights.
    """

    name: str
    dataset: str
    pair: Pair
    data: ToyData
    origin: str
    digests: dict[str, str]

    def generate(self, n: int, rng: torch.Generator) -> Tensor:
        """n points of p_G, (n, 2)."""
        with torch.no_grad():
            return self.pair.generate(self.pair.prior.sample(n, rng))


def subject(dataset: str, *, weights: str, profile: str, seed: int) -> Subject:
    """Our trained pair, or the authors' weights, with the training set it is compared with.

    weights:  "trained" or "authors".
    Raises InputError for another word, FileError when the authors'
              files are not at hand.
    """
    check_option("weights", weights, ("trained", "authors"))
    settings = toy_training(dataset, profile, seed)
    points = ToyRecipe(settings).training_set()
    if weights == "authors":
        pair, digests = authors.load_pair(dataset)
        return Subject(f"{dataset}-authors", dataset, pair, points, "the authors' weights", digests)
    trained = zoo.pair(f"{dataset}-wgan-gp", profile=profile, seed=seed)
    origin = (
        f"trained here, {settings.generator_updates} updates of G, penalty weight "
        f"{settings.gp_weight:g}, training {settings.key()}"
    )
    return Subject(dataset, dataset, trained.pair, points, origin, {trained.path.name: trained.sha256})


def subjects(dataset: str, *, weights: str, profile: str, seed: int) -> dict[str, Subject]:
    """Name -> subject for one data set or "both".

    weights:  "trained"; "authors"; or "auto", trained and, where $DOTLIB_OFFICIAL names their
              folder, the authors' too. Raises as `subject` does.
    """
    kinds = (weights,)
    if weights == "auto":
        kinds = ("trained", "authors") if authors.folder() else ("trained",)
    found = [
        subject(name, weights=kind, profile=profile, seed=seed) for name in toy_datasets(dataset) for kind in kinds
    ]
    return {one.name: one for one in found}


def constant(what: Subject, c: Figure3, seed: int) -> lipschitz.LipschitzEstimate:
    """K_eff by the recipe of B.1: maximum over 100 pairs of p_G, mean over 10 repeats."""
    return lipschitz.target_constant(
        what.pair.logit, what.generate, n_pairs=c.pairs, repeats=c.repeats, rng=generator(seed, "K_eff", what.name)
    )


def moved(what: Subject, c: Figure3, K_eff: float, seed: int) -> dict[str, Tensor]:
    """Points of every trial, before and after transport: method -> (trials, points, 2)."""
    folder = files.artifacts() / "figure3" / _key(what, c, K_eff, seed)
    blocks = []
    starts = range(0, c.trials, BLOCK)
    for start in tqdm(starts, desc=f"transport {what.name}", unit="block", disable=None):
        size = min(BLOCK, c.trials - start)
        path = folder / f"trial{start}-{start + size - 1}.safetensors"
        if not path.exists():
            with files.only_maker(path):
                if not path.exists():
                    checkpoints.save(path, _move_block(what, c, K_eff, seed, start, size), {"made": provenance.here()})
        blocks.append(checkpoints.load(path)[0])
    return {method: torch.cat([block[method] for block in blocks]) for method in METHODS}


def move(what: Subject, y: Tensor, K_eff: float, c: Figure3, method: str, **changes: object) -> transport.Trajectory:
    """Algorithm 1 on points y (B, 2) with the settings of B.1, or the naive ascent, eq. (56).

    changes:  options of `transport.target_dot` that replace the published ones.
    """
    options = {
        "steps": c.steps,
        "optimizer": transport.Adam(c.lr, c.betas),
        "delta": c.delta,
        "cost": "none" if method == "naive" else "l2",
    }
    return transport.target_dot(what.pair.logit, y, K_eff, **(options | changes))


def latents(what: Subject, c: Figure3, seed: int, trial: int) -> Tensor:
    """The latents of one trial, (points, 2): the same for every method and constant."""
    return what.pair.prior.sample(c.points, generator(seed, "latents", what.name, str(trial)))


def target(what: Subject, c: Figure3, seed: int, trial: int, sampling: str, part: str = "target") -> Tensor:
    """Training points of one trial, (points, 2). part: another word is an independent draw."""
    rng = generator(seed, part, what.name, sampling, str(trial))
    return what.data.draw(c.points, rng, sampling=sampling)


def distances(
    what: Subject, sets: dict[str, Tensor], c: Figure3, seed: int, *, cost: str, sampling: str, floor: bool = False
) -> dict[str, np.ndarray]:
    """EMD of every trial: method -> (trials,), against the same target points for all methods.

    Computed once and then read from its file.

    floor:  adds "real": a second, independent draw of training points in the methods' place.
    """
    names = (*sets, *(("real",) if floor else ()))
    path = files.path_of(
        "emd",
        what.name,
        [
            [_digest(points) for points in sets.values()],
            names,
            _digest(what.data.points),
            [c.trials, c.points],
            seed,
            cost,
            sampling,
            files.code_of("metrics.optimal_transport", "data.toy"),
            files.code_of_functions(_distances, target),
        ],
        "distances",
    )
    found = files.made_once(path, lambda: _distances(what, sets, c, seed, cost, sampling, floor))
    return {name: np.asarray(found[name]) for name in names}


def _distances(
    what: Subject, sets: dict[str, Tensor], c: Figure3, seed: int, cost: str, sampling: str, floor: bool
) -> dict[str, list[float]]:
    result = {name: [] for name in (*sets, *(("real",) if floor else ()))}
    bar = tqdm(range(c.trials), desc=f"EMD {what.name} {cost} {sampling}", disable=None)
    for trial in bar:
        x = target(what, c, seed, trial, sampling)
        for name, points in sets.items():
            result[name].append(optimal_transport.emd(points[trial], x, cost=cost))
        if floor:
            other = target(what, c, seed, trial, sampling, part="floor")
            result["real"].append(optimal_transport.emd(other, x, cost=cost))
    return result


def _digest(points: Tensor) -> str:
    content = points.detach().cpu().contiguous()
    return hashlib.sha256(f"{tuple(content.shape)}".encode() + content.numpy().tobytes()).hexdigest()


def _move_block(what: Subject, c: Figure3, K_eff: float, seed: int, start: int, size: int) -> dict[str, Tensor]:
    z = torch.cat([latents(what, c, seed, trial) for trial in range(start, start + size)])
    with torch.no_grad():
        y = what.pair.generate(z)
    final = {"g": y} | {
        method: move(what, y, K_eff, c, method, batch_size=c.points).final for method in ("dot", "naive")
    }
    return {method: points.reshape(size, c.points, 2) for method, points in final.items()}


def _key(what: Subject, c: Figure3, K_eff: float, seed: int) -> str:
    settings = {k: v for k, v in asdict(c).items() if k != "trials"}
    code = [
        torch.__version__,
        *map(inspect.getsource, (transport.dot, pairs, mlp, seeding, move, latents, _move_block)),
    ]
    text = json.dumps([what.name, what.digests, settings, K_eff, seed, code], sort_keys=True)
    return f"{what.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
