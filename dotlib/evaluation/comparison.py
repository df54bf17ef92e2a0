"""Every sampler on one pair: what its samples are worth, and what each of them cost.

A point of the frontier is one method at one setting. All methods draw the same number of samples in every set, from
equal generators, and are scored alike, so differences are paired. Preparation is done anew in each set: intervals hold
its scatter too. Sets are cached one by one, and a killed measurement continues with the next.

The samplers meet on 2-D pairs, scored by their distances to training points, and on image pairs with their judges.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np
from torch import Tensor
from tqdm import tqdm

from dotlib import transport
from dotlib.data import images
from dotlib.errors import InputError, NothingAcceptedError, UnusableError, check_count
from dotlib.evaluation import judges
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.images import ImagePair
from dotlib.evaluation.points import Figure3, ToyPair
from dotlib.metrics import optimal_transport
from dotlib.pairs import Pair
from dotlib.profiles import sized
from dotlib.results import files
from dotlib.samplers import base as sampling
from dotlib.samplers import calibration, density_ratio
from dotlib.samplers.base import Cost, Sampler
from dotlib.samplers.methods import METHODS, SamplerSettings, family
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import ImageTraining, settings_of

CALIBRATION = 1_000  # real data behind a calibration, [DOT19] B.2
LENGTHS = {  # what a profile changes in the settings of the samplers
    "smoke": {"fakes": 100, "burn_in": 200, "updates": (2,), "percentiles": (20,), "budgets": (0.5,)}
    | dict.fromkeys(("chains", "langevin", "flow"), (5,)),
    "laptop": {"langevin": (20, 100), "chains": (10, 100)},  # the published 500 are most of all evaluations
    "paper": {},
}
LOG_DENSITIES = {"25gaussians": density_ratio.gaussians_log_density, "swissroll": density_ratio.swissroll_log_density}


@dataclass(frozen=True)
class Toy:
    """Sizes of a comparison on a 2-D pair."""

    points: int  # in a set
    sets: int
    kernel: int  # samples of G behind p_G of the oracle
    chains: tuple[int, ...] = (10, 100, 500)  # lengths of MH-GAN's


TOYS = {"smoke": Toy(100, 2, 500, (5,)), "laptop": Toy(300, 5, 2_000, (10, 100)), "paper": Toy(1_000, 100, 20_000)}


@dataclass(frozen=True)
class Comparison:
    """On what the methods are compared."""

    label: str  # opens the names of the cached files
    pair: Pair
    settings: SamplerSettings  # the same for every method
    score: Callable[[Tensor, int], dict[str, float]]  # (samples, number of the set) -> named numbers; once for each set
    decides: list  # JSON-able; what the scores depend on besides: weights, judges, data
    n: int  # samples in a set
    sets: int
    floor: dict[str, float] = field(default_factory=dict)  # mean scores of real data: those of a perfect sampler
    floor_sets: dict[str, list[float]] = field(default_factory=dict)  # of the floor, where each set has its own
    trained: zoo.TrainedPair | None = None  # where the pair comes from; None for a pair of your own
    scoring: dict = field(default_factory=dict)  # JSON-able: how samples are scored, and by which judges
    digests: dict[str, str] = field(default_factory=dict)  # of the judges and what they compare with

    @property
    def origin(self) -> zoo.TrainedPair:
        """Where the pair comes from. Raises InputError for a pair of your own."""
        if self.trained is None:
            raise InputError(f"comparison: {self.label} is on a pair of unknown origin; load it by name")
        return self.trained


@dataclass(frozen=True)
class Point:
    """One method at one setting; lists have an entry for each set."""

    method: str
    setting: float
    scores: dict[str, list[float]]  # as `over_judges` names them
    cost: list[Cost]  # of each sample
    setup: list[Cost]  # spent once for each set
    acceptance: list[float]  # kept share of the proposals; empty for a method that moves samples
    refused: str = ""  # why the method ended without samples in some set; then the rest is empty

    def evaluations(self) -> float:
        """Network evaluations for one sample, mean over the sets."""
        return sum(cost.evaluations() for cost in self.cost) / len(self.cost)


def load(
    name: str,
    *,
    profile: str,
    seed: int = 0,
    exact: bool = False,
    judge: str = "classifier",
    every_judge: bool = False,
    device: str = "cpu",
) -> Comparison:
    """The comparison on a pair by name: trained, and its judges fit, only if no run has left them.

    The name is "<dataset>-<row of Table 1>", or of a 2-D pair, "25gaussians-wgan-gp"; `exact` puts the oracle in D's
    place there, judge and device belong to an image pair, which only the first judge scores unless all do. Raises
    InputError, and what `zoo.pair` and `judges.load_panel` raise.
    """
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    training = settings_of(name, profile, seed)
    if isinstance(training, ImageTraining):
        settings = judges.scoring_settings(training.dataset, training.architecture, profile)
        panel = judges.load_panel(training.dataset, settings, profile=profile, judge=judge, device=device)
        real = images.image_set(training.dataset, training.split)
        panel = panel if every_judge else panel.only_first()
        comparison = on_images(ImagePair.of(trained, device), panel, settings, real, profile=profile, seed=seed)
    else:
        settings = replace(toy_pairs.figure3_settings(profile), points=TOYS[profile].points)
        pair = toy_pairs.load(training.dataset, weights="trained", profile=profile, seed=seed)
        comparison = on_points(pair, settings, profile=profile, seed=seed, exact=exact)
    return replace(comparison, trained=trained)


def on_points(pair: ToyPair, settings: Figure3, *, profile: str, seed: int, exact: bool = False) -> Comparison:
    """A 2-D pair, scored by the earth mover's distance to training points, in two costs.

    With `exact` the oracle stands in D's place: log p_data, known in closed form, less log p_G; it needs no
    calibration. With either D, G is blurred (`density_ratio.blurred`), since only then p_G is known. DOT and the naive
    ascent move points of data space by Adam, as in Figure 3.
    """
    toy = sized(TOYS, profile)
    compared = density_ratio.blurred(pair)
    if exact:
        rng = generator(seed, "oracle", pair.name)
        compared = density_ratio.ratio_pair(pair, LOG_DENSITIES[pair.dataset], rng, points=toy.kernel)
    options = {"target": True, "calibration": "none" if exact else "logistic", "updates": (20, 50, settings.steps)}
    options["optimizer"] = transport.Adam(settings.lr, settings.betas)
    real = pair.data.draw(min(CALIBRATION, len(pair.data.points)), generator(seed, "calibration", pair.name))

    def score(points: Tensor, number: int) -> dict[str, float]:
        x = toy_pairs.target(pair, settings, seed, number, pair.sampling)
        return {f"emd_{cost}": optimal_transport.emd(points, x, cost=cost) for cost in optimal_transport.COSTS}

    others = (toy_pairs.target(pair, settings, seed, number, "random", part="floor") for number in range(toy.sets))
    floors = [score(points, number) for number, points in enumerate(others)]
    return Comparison(
        label=f"{pair.name}-{'oracle' if exact else 'd'}",
        pair=compared,
        settings=SamplerSettings(real, **(options | LENGTHS[profile] | {"chains": toy.chains})),
        score=score,
        decides=[pair.digests, asdict(settings), exact, toy.kernel * exact],
        n=settings.points,
        sets=toy.sets,
        floor={name: float(np.mean([scores[name] for scores in floors])) for name in floors[0]},
        floor_sets={name: [scores[name] for scores in floors] for name in floors[0]},
        scoring=asdict(settings),
    )


def on_images(
    pair: ImagePair, panel: judges.Panel, settings: judges.Scoring, real: images.ImageSet, *, profile: str, seed: int
) -> Comparison:
    """An image pair, scored by the judges of a panel; of the training images, CALIBRATION at random calibrate D."""
    some = real.take(min(CALIBRATION, len(real)), generator(seed, "calibration", pair.name))
    options = {"updates": (settings.updates // 4, settings.updates // 2, settings.updates)}

    def score(x: Tensor, number: int) -> dict[str, float]:
        scored, pixels = {}, images.to_uint8(x.cpu())
        for name, judge in panel.judges.items():
            collector = judges.collect(judge, pixels, settings)
            rng = generator(seed, "subsets", str(number))
            scored[name] = asdict(collector.scores(real=panel.references[name], rng=rng))
        return over_judges(scored)

    decides = [pair.digests, panel.digests, asdict(replace(settings, sets=1)), real.fingerprint]
    return Comparison(
        label=pair.name,
        pair=pair,
        settings=SamplerSettings(images.to_float(some.images), **(options | sized(LENGTHS, profile))),
        score=score,
        decides=decides,
        n=settings.samples,
        sets=settings.sets,
        floor=over_judges({name: asdict(scores) for name, scores in panel.floor.items()}),
        scoring=asdict(settings) | {"judges": list(panel.judges)},
        digests=panel.digests,
    )


def over_judges(scored: Mapping[str, dict[str, float]]) -> dict[str, float]:
    """Means over judges by the names of scores; of several judges also what each says, as "fid@<judge>"."""
    if len(scored) == 1:
        return next(iter(scored.values()))
    names = next(iter(scored.values()))
    means = {name: float(np.mean([of[name] for of in scored.values()])) for name in names}
    return means | {f"{name}@{judge}": value for judge, of in scored.items() for name, value in of.items()}


def measure(
    comparison: Comparison, seed: int, methods: Iterable[str] | None = None, *, last: bool = False
) -> list[Point]:
    """The points of the methods named, or of all in `METHODS`, in their order.

    With `last` only the last setting of each, the published one where there is one. A method that ends in
    NothingAcceptedError or UnusableError gives a point that says so. Raises InputError for an unknown method, and
    whatever else `Sampler.draw` does.
    """
    check_count("n", comparison.n)
    check_count("sets", comparison.sets)
    return [_point(comparison, seed, *each) for each in samplers(comparison, methods, last=last)]


def samplers(
    comparison: Comparison, methods: Iterable[str] | None = None, *, last: bool = False
) -> list[tuple[str, float, Sampler]]:
    """Method, setting and sampler of every point, as `measure` has them. Raises InputError for another method."""
    found = []
    for method in METHODS if methods is None else methods:
        of = list(family(method, comparison.settings).items())
        found += [(method, *each) for each in (of[-1:] if last else of)]
    return found


def ratio_quality(comparison: Comparison, n: int, seed: int) -> tuple[float, float]:
    """E_G[r], 1 for a density ratio, and the effective share E_G[r]^2 / E_G[r^2], at most 1.

    r is what the methods see: exp of D's logit, calibrated as the settings say. The share is that of samples of G which
    carry the law r p_G when they are weighted to it. Both are over n samples of G on which nothing was fit. Raises
    UnusableError where the calibration does.
    """
    settings, rng = comparison.settings, generator(seed, "quality of the ratio", comparison.label)
    _, _, fakes = sampling.proposals(comparison.pair, settings.fakes + n, rng)
    real = sampling.logits(comparison.pair, settings.real.to(comparison.pair.device))
    log_r = calibration.fit(settings.calibration, real, fakes[: settings.fakes])(fakes[settings.fakes :])
    first, second = log_r.logsumexp(0), (2 * log_r).logsumexp(0)
    return float(first.exp() / n), float((2 * first - second).exp() / n)


def _point(comparison: Comparison, seed: int, method: str, setting: float, sampler: Sampler) -> Point:
    label = f"{comparison.label}-{method.replace(' ', '-').lower()}-{setting:g}"
    numbers = tqdm(range(comparison.sets), label, disable=None)
    try:
        sets = [_drawn_set(comparison, seed, label, sampler, number) for number in numbers]
    except (NothingAcceptedError, UnusableError) as error:
        return Point(method, setting, {}, [], [], [], str(error))
    return Point(
        method,
        setting,
        scores={name: [drawn["scores"][name] for drawn in sets] for name in sets[0]["scores"]},
        cost=[Cost(**drawn["cost"]) for drawn in sets],
        setup=[Cost(**drawn["setup"]) for drawn in sets],
        acceptance=[drawn["acceptance"] for drawn in sets if drawn["acceptance"] is not None],
    )


def _drawn_set(comparison: Comparison, seed: int, label: str, sampler: Sampler, number: int) -> dict:
    """Scores, costs and acceptance of one set, drawn once."""
    pair = comparison.pair

    def draw() -> dict:
        rng = generator(seed, "frontier", type(pair.prior).__name__, str(pair.prior.dim), str(number))
        drawn = sampler.draw(pair, comparison.n, rng)
        costs = {"cost": asdict(drawn.cost), "setup": asdict(drawn.setup)}
        return {"scores": comparison.score(drawn.samples, number), "acceptance": drawn.acceptance} | costs

    decides = [comparison.decides, sampler, comparison.n, seed, pair.device.type]
    code = [type(sampler), comparison.score]
    return files.cached(f"frontier/{label}", f"set{number}", draw, decides=decides, code=code)
