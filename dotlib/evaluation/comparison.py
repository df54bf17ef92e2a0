"""Every sampler on one pair: what its samples are worth, and what each of them cost.

A point of the frontier is one method at one setting of its dial. All methods draw the same number
of samples in every set, from equal generators, and are scored alike, so differences are paired.
Preparation is done anew in each set: intervals hold its scatter too. Sets are cached one by one,
and a killed measurement continues with the next.

The pairs on which the samplers meet: 2-D sets with their distances, images with their judges.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass, replace

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from dotlib import transport
from dotlib.data import images
from dotlib.errors import NothingAcceptedError, UnusableError, check_count, check_option
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.judges import Panel, Scoring, scoring, solo, summon
from dotlib.evaluation.points import Figure3, figure3_settings
from dotlib.metrics import optimal_transport
from dotlib.pairs import Pair
from dotlib.profiles import PROFILES
from dotlib.results import files
from dotlib.samplers import base as sampling
from dotlib.samplers import calibration, density_ratio
from dotlib.samplers.base import Cost, Sampler
from dotlib.samplers.methods import METHODS, SamplerSettings, family
from dotlib.seeding import generator
from dotlib.training import settings as training_settings
from dotlib.training import zoo
from dotlib.training.settings import ImageTraining

Score = Callable[[Tensor, int], dict[str, float]]  # (samples, number of the set) -> numbers


@dataclass(frozen=True)
class Comparison:
    """On what the methods are compared.

    label:    opens the names of the cached files.
    pair:     G, D and prior.
    terms:    what every method is granted.
    score:    (samples, number of the set) -> named numbers; called once for each set.
    decides:  JSON-able; what the scores depend on besides: weights, judges, data, code of `score`.
    n, sets:  samples in a set, and number of sets.
    """

    label: str
    pair: Pair
    terms: SamplerSettings
    score: Score
    decides: list
    n: int
    sets: int


@dataclass(frozen=True)
class Point:
    """One method at one setting of its dial; lists have an entry for each set.

    scores:      name -> value in each set.
    cost:        of each sample.
    setup:       spent once for each set.
    acceptance:  kept share of the proposals, or None.
    refused:     why the method ended without samples in some set; then the rest is empty.
    """

    method: str
    dial: float
    scores: dict[str, list[float]]
    cost: list[Cost]
    setup: list[Cost]
    acceptance: list[float | None]
    refused: str = ""

    def evaluations(self) -> float:
        """Rows that networks evaluated for one sample, G and D alike, a backward pass as two."""
        rows = [c.generator + c.discriminator + 2 * c.backward for c in self.cost]
        return sum(rows) / len(rows)


def measure(contest: Comparison, seed: int, methods: Iterable[str] | None = None, *, last: bool = False) -> list[Point]:
    """The points of the methods named, or of all in `samplers.METHODS`, in their order.

    last:  only the last setting of each dial, the published one where there is one.
    A method that ends in NothingAcceptedError or UnusableError gives a point that says so. Raises InputError
    for an unknown method, and whatever else `Sampler.draw` does.
    """
    check_count("n", contest.n)
    check_count("sets", contest.sets)
    points = []
    for method in METHODS if methods is None else methods:
        samplers = list(family(method, contest.terms).items())
        for dial, sampler in samplers[-1:] if last else samplers:
            bar = tqdm(range(contest.sets), f"{contest.label} {method} {dial:g}", disable=None)
            try:
                sets = [_made(contest, seed, method, dial, sampler, number) for number in bar]
            except (NothingAcceptedError, UnusableError) as error:
                points.append(Point(method, dial, {}, [], [], [], str(error)))
            else:
                points.append(_point(method, dial, sets))
    return points


def _point(method: str, dial: float, sets: list[dict]) -> Point:
    scores = {name: [one["scores"][name] for one in sets] for name in sets[0]["scores"]}
    return Point(
        method,
        dial,
        scores,
        [Cost(**one["cost"]) for one in sets],
        [Cost(**one["setup"]) for one in sets],
        [one["acceptance"] for one in sets],
    )


def described(value: object) -> object:
    """A sampler's settings as JSON: dataclasses by name and fields, tensors by their content."""
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().numpy().tobytes()
        return [list(value.shape), hashlib.sha256(content).hexdigest()]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, {f.name: described(getattr(value, f.name)) for f in fields(value)}]
    return list(value) if isinstance(value, tuple) else value


def _made(contest: Comparison, seed: int, method: str, dial: float, sampler: Sampler, number: int) -> dict:
    pair = contest.pair
    label = f"{contest.label}-{method.replace(' ', '-').lower()}-{dial:g}"
    path = files.path_of(
        "frontier",
        label,
        [
            contest.decides,
            described(sampler),
            contest.n,
            seed,
            pair.device.type,
            torch.__version__,
            files.code_of("samplers.methods"),
            files.code_of_functions(_draw, type(sampler)),
        ],
        f"set{number}",
    )
    return files.made_once(path, lambda: _draw(contest, seed, sampler, number))


def _draw(contest: Comparison, seed: int, sampler: Sampler, number: int) -> dict:
    prior = contest.pair.prior
    rng = generator(seed, "frontier", type(prior).__name__, str(prior.dim), str(number))
    drawn = sampler.draw(contest.pair, contest.n, rng)
    return {
        "scores": contest.score(drawn.samples, number),
        "cost": asdict(drawn.cost),
        "setup": asdict(drawn.setup),
        "acceptance": drawn.acceptance,
    }


CALIBRATION = 1_000  # real data behind a calibration, [DOT19] B.2
LENGTHS = {  # what a profile changes in the terms
    "smoke": {
        "fakes": 100,
        "burn_in": 200,
        "updates": (2,),
        "percentiles": (20,),
        "budgets": (0.5,),
        "chains": (5,),
        "langevin": (5,),
        "flow": (5,),
    },
    "laptop": {"langevin": (20, 100)},  # DDLS with 500 steps is half of all evaluations
    "paper": {},
}
LOG_DENSITIES = {"25gaussians": density_ratio.gaussians_log_density, "swissroll": density_ratio.swissroll_log_density}


@dataclass(frozen=True)
class Toy:
    """Sizes of a 2-D contest.

    points:  in a set; sets: number of them.
    kernel:  samples of G behind p_G of the oracle.
    chains:  lengths of MH-GAN's chains.
    """

    points: int
    sets: int
    kernel: int
    chains: tuple[int, ...] = (10, 100, 500)


TOYS = {"smoke": Toy(100, 2, 500, (5,)), "laptop": Toy(300, 5, 2_000, (10, 100)), "paper": Toy(1_000, 100, 20_000)}


@dataclass(frozen=True)
class Match:
    """A contest, and what a page says of it besides.

    trained:  the pair with its provenance.
    floor:    scores of real data in the samples' place, name -> mean: a perfect sampler's.
    """

    contest: Comparison
    trained: zoo.TrainedPair
    floor: dict[str, float]


def match(
    name: str, *, profile: str, seed: int = 0, exact: bool = False, judge: str = "classifier", device: str = "cpu"
) -> Match:
    """The contest on a pair by name: trained, and its judges fit, only if no run has left them.

    name:   "<dataset>-<row of Table 1>", or a 2-D pair, "25gaussians-wgan-gp".
    exact:  of a 2-D pair: the oracle in D's place.
    judge, device:  of an image pair.
    Raises InputError, and what `zoo.pair` and `panel.summon` raise.
    """
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    s = training_settings.settings_of(name, profile, seed)
    if isinstance(s, ImageTraining):
        c = scoring(s.dataset, s.architecture, profile)
        panel = summon(s.dataset, c, profile=profile, judge=judge, device=device)
        contest = on_images(
            image_pairs.subject(trained, device),
            panel,
            c,
            images.image_set(s.dataset, s.split),
            profile=profile,
            seed=seed,
        )
        return Match(contest, trained, asdict(panel.floor[panel.first]))
    c = replace(figure3_settings(profile), points=TOYS[profile].points)
    what = toy_pairs.subject(s.dataset, weights="trained", profile=profile, seed=seed)
    contest = on_points(what, c, profile=profile, seed=seed, exact=exact)
    floors = [
        contest.score(toy_pairs.target(what, c, seed, number, "random", part="floor"), number)
        for number in range(contest.sets)
    ]
    return Match(contest, trained, {key: float(np.mean([one[key] for one in floors])) for key in floors[0]})


def terms(real: Tensor, profile: str, **options: object) -> SamplerSettings:
    """What every method is granted in a profile. Raises InputError for an unknown word."""
    check_option("profile", profile, PROFILES)
    return SamplerSettings(real, **(LENGTHS[profile] | options))


def on_points(what: toy_pairs.Subject, c: Figure3, *, profile: str, seed: int, exact: bool = False) -> Comparison:
    """A 2-D pair, scored by the earth mover's distance to training points, in two costs.

    exact:  the oracle in D's place: log p_data, known in closed form, less log p_G. It needs no
            calibration.
    With either D, G is blurred (`oracle.blurred`), since only then p_G is known.
    DOT and the naive ascent move points of data space by Adam, as in Figure 3.
    """
    pair = density_ratio.blurred(what.pair)
    if exact:
        pair = density_ratio.ratio_pair(
            what.pair, LOG_DENSITIES[what.dataset], generator(seed, "oracle", what.name), points=TOYS[profile].kernel
        )
    real = what.data.draw(min(CALIBRATION, len(what.data.points)), generator(seed, "calibration", what.name))
    updates = LENGTHS[profile].get("updates", (20, 50, c.steps))
    granted = terms(
        real,
        profile,
        target=True,
        how="none" if exact else "logistic",
        updates=updates,
        optimizer=transport.Adam(c.lr, c.betas),
        chains=TOYS[profile].chains,
    )
    drawn = _sampling(what)

    def score(points: Tensor, number: int) -> dict[str, float]:
        x = toy_pairs.target(what, c, seed, number, drawn)
        return {f"emd_{cost}": optimal_transport.emd(points, x, cost=cost) for cost in toy_pairs.COSTS}

    decides = [
        what.digests,
        asdict(c),
        drawn,
        exact,
        TOYS[profile].kernel * exact,
        files.code_of("metrics.optimal_transport", "data.toy", "samplers.density_ratio"),
        files.code_of_functions(toy_pairs.target, on_points),
    ]
    label = f"{what.name}-{'oracle' if exact else 'd'}"
    return Comparison(label, pair, granted, score, decides, c.points, TOYS[profile].sets)


def on_images(
    what: image_pairs.Subject, panel: Panel, c: Scoring, real: images.ImageSet, *, profile: str, seed: int
) -> Comparison:
    """An image pair, scored by the first judge.

    real:  training images, of which CALIBRATION at random calibrate D and start chains.
    """
    panel = solo(panel)
    judge = panel.judges[panel.first]
    some = real.take(min(CALIBRATION, len(real)), generator(seed, "calibration", what.label))
    shares = (c.updates // 4, c.updates // 2, c.updates)
    granted = terms(images.to_float(some.images), profile, updates=LENGTHS[profile].get("updates", shares))

    def score(x: Tensor, number: int) -> dict[str, float]:
        collector = panel.collectors(c.samples, c.splits)[panel.first]
        for rows in images.to_uint8(x.cpu()).split(c.batch):
            collector.add(*judge(rows))
        return asdict(collector.scores(real=panel.references[panel.first], rng=generator(seed, "subsets", str(number))))

    settings = asdict(replace(c, sets=1))
    decides = [
        what.digests,
        panel.digests,
        panel.kept,
        settings,
        real.fingerprint,
        files.code_of("metrics.scores", "data.images"),
        files.code_of_functions(on_images, type(judge)),
    ]
    return Comparison(what.label, what.pair, granted, score, decides, c.samples, c.sets)


def ratio_quality(contest: Comparison, n: int, seed: int) -> tuple[float, float]:
    """E_G[r], 1 for a density ratio, and the effective share E_G[r]^2 / E_G[r^2], at most 1.

    r is what the contest's methods see: exp of D's logit, calibrated as its terms say. The share is
    that of samples of G which carry the law r p_G when they are weighted to it.
    n:  samples of G, on which nothing was fit. Raises UnusableError where the terms do.
    """
    t, rng = contest.terms, generator(seed, "quality of the ratio", contest.label)
    _, _, fakes = sampling.proposals(contest.pair, t.fakes + n, rng)
    real = sampling.logits(contest.pair, t.real.to(contest.pair.device))
    log_r = calibration.fit(t.how, real, fakes[: t.fakes])(fakes[t.fakes :])
    first, second = log_r.logsumexp(0), (2 * log_r).logsumexp(0)
    return float(first.exp() / n), float((2 * first - second).exp() / n)


def _sampling(what: toy_pairs.Subject) -> str:
    """Targets hold equal numbers of every mode, where there are modes: less noise."""
    return "random" if what.data.modes is None else "balanced"
