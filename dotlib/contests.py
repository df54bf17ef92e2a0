"""The pairs on which the samplers meet: 2-D sets with their distances, images with their judges."""

from dataclasses import asdict, dataclass, replace

import numpy as np
from torch import Tensor

from dotlib import (
    calibration,
    catalog,
    figure3,
    image_scores,
    images,
    metrics,
    oracle,
    sampling,
    score_files,
    transport,
    zoo,
)
from dotlib.config import PROFILES, Figure3, figure3_settings
from dotlib.errors import check_option
from dotlib.frontier import Contest
from dotlib.image_config import ImageTraining, Scoring, scoring
from dotlib.jury import Jury, solo, summon
from dotlib.samplers import Terms
from dotlib.seeding import generator

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
LOG_DENSITIES = {"25gaussians": oracle.gaussians_log_density, "swissroll": oracle.swissroll_log_density}


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

    contest: Contest
    trained: zoo.TrainedPair
    floor: dict[str, float]


def match(
    name: str, *, profile: str, seed: int = 0, exact: bool = False, judge: str = "classifier", device: str = "cpu"
) -> Match:
    """The contest on a pair by name: trained, and its judges fit, only if no run has left them.

    name:   "<dataset>-<row of Table 1>", or a 2-D pair, "25gaussians-wgan-gp".
    exact:  of a 2-D pair: the oracle in D's place.
    judge, device:  of an image pair.
    Raises BadInput, and what `zoo.pair` and `jury.summon` raise.
    """
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    s = catalog.settings_of(name, profile, seed)
    if isinstance(s, ImageTraining):
        c = scoring(s.dataset, s.architecture, profile)
        jury = summon(s.dataset, c, profile=profile, judge=judge, device=device)
        contest = on_images(
            image_scores.subject(trained, device),
            jury,
            c,
            images.image_set(s.dataset, s.split),
            profile=profile,
            seed=seed,
        )
        return Match(contest, trained, asdict(jury.floor[jury.first]))
    c = replace(figure3_settings(profile), points=TOYS[profile].points)
    what = figure3.subject(s.dataset, weights="trained", profile=profile, seed=seed)
    contest = on_points(what, c, profile=profile, seed=seed, exact=exact)
    floors = [
        contest.score(figure3.target(what, c, seed, number, "random", part="floor"), number)
        for number in range(contest.sets)
    ]
    return Match(contest, trained, {key: float(np.mean([one[key] for one in floors])) for key in floors[0]})


def terms(real: Tensor, profile: str, **options: object) -> Terms:
    """What every method is granted in a profile. Raises BadInput for an unknown word."""
    check_option("profile", profile, PROFILES)
    return Terms(real, **(LENGTHS[profile] | options))


def on_points(what: figure3.Subject, c: Figure3, *, profile: str, seed: int, exact: bool = False) -> Contest:
    """A 2-D pair, scored by the earth mover's distance to training points, in two costs.

    exact:  the oracle in D's place: log p_data, known in closed form, less log p_G. It needs no
            calibration.
    With either D, G is blurred (`oracle.blurred`), since only then p_G is known.
    DOT and the naive ascent move points of data space by Adam, as in Figure 3.
    """
    pair = oracle.blurred(what.pair)
    if exact:
        pair = oracle.ratio_pair(
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
        x = figure3.target(what, c, seed, number, drawn)
        return {f"emd_{cost}": metrics.emd(points, x, cost=cost) for cost in figure3.COSTS}

    decides = [
        what.digests,
        asdict(c),
        drawn,
        exact,
        TOYS[profile].kernel * exact,
        score_files.code_of("metrics", "data", "oracle"),
        score_files.code_of_functions(figure3.target, on_points),
    ]
    label = f"{what.name}-{'oracle' if exact else 'd'}"
    return Contest(label, pair, granted, score, decides, c.points, TOYS[profile].sets)


def on_images(
    what: image_scores.Subject, jury: Jury, c: Scoring, real: images.ImageSet, *, profile: str, seed: int
) -> Contest:
    """An image pair, scored by the first judge.

    real:  training images, of which CALIBRATION at random calibrate D and start chains.
    """
    jury = solo(jury)
    judge = jury.judges[jury.first]
    some = real.take(min(CALIBRATION, len(real)), generator(seed, "calibration", what.label))
    shares = (c.updates // 4, c.updates // 2, c.updates)
    granted = terms(images.to_float(some.images), profile, updates=LENGTHS[profile].get("updates", shares))

    def score(x: Tensor, number: int) -> dict[str, float]:
        collector = jury.collectors(c.samples, c.splits)[jury.first]
        for rows in images.to_uint8(x.cpu()).split(c.batch):
            collector.add(*judge(rows))
        return asdict(collector.scores(real=jury.references[jury.first], rng=generator(seed, "subsets", str(number))))

    settings = asdict(replace(c, sets=1))
    decides = [
        what.digests,
        jury.digests,
        jury.kept,
        settings,
        real.fingerprint,
        score_files.code_of("scores", "images"),
        score_files.code_of_functions(on_images, type(judge)),
    ]
    return Contest(what.label, what.pair, granted, score, decides, c.samples, c.sets)


def ratio_quality(contest: Contest, n: int, seed: int) -> tuple[float, float]:
    """E_G[r], 1 for a density ratio, and the effective share E_G[r]^2 / E_G[r^2], at most 1.

    r is what the contest's methods see: exp of D's logit, calibrated as its terms say. The share is
    that of samples of G which carry the law r p_G when they are weighted to it.
    n:  samples of G, on which nothing was fit. Raises Unusable where the terms do.
    """
    t, rng = contest.terms, generator(seed, "quality of the ratio", contest.label)
    _, _, fakes = sampling.proposals(contest.pair, t.fakes + n, rng)
    real = sampling.logits(contest.pair, t.real.to(sampling.device_of(contest.pair)))
    log_r = calibration.fit(t.how, real, fakes[: t.fakes])(fakes[t.fakes :])
    first, second = log_r.logsumexp(0), (2 * log_r).logsumexp(0)
    return float(first.exp() / n), float((2 * first - second).exp() / n)


def _sampling(what: figure3.Subject) -> str:
    """Targets hold equal numbers of every mode, where there are modes: less noise."""
    return "random" if what.data.modes is None else "balanced"
