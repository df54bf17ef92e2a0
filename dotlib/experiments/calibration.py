"""Whether D's logit is a log density ratio, before and after each calibration.

Maps are fit on images that D has seen in its training, as in [DOT19] B.2, and on samples of G. They
are judged on images that D has not seen, and on samples that no map was fit on. What cannot be fit
or checked is part of the result, with the message that it ended with.

What calibration does to the discriminators of the image pairs, and to each rejection method.

The record and the tables of the page on calibration.
"""

import copy
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dotlib.data import images
from dotlib.errors import InputError, check_count, check_option, check_points
from dotlib.evaluation import comparison
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.comparison import Comparison, Match, Point, described
from dotlib.evaluation.judges import scoring, summon
from dotlib.metrics import intervals, scores
from dotlib.pairs import Pair
from dotlib.results import files, records
from dotlib.samplers import base as sampling
from dotlib.samplers import calibration
from dotlib.samplers.calibration import CALIBRATIONS, Calibrator, Logistic, Reliability
from dotlib.seeding import generator
from dotlib.training import zoo

REALS = ("seen", "held out")  # data behind D's training and the fit; data behind neither
BINS = 10  # of probability
LEVEL = 0.95
NORMAL = 1.96  # 97.5 % point of N(0, 1)


@dataclass(frozen=True)
class Refused:
    """In the place of a map or of its checks: the message of the error that it ended with."""

    message: str


def attempt(make: Callable[[], object]) -> object:
    """What `make` returns, or Refused where it raises InputError; other errors pass through."""
    try:
        return make()
    except InputError as error:
        return Refused(str(error))


@dataclass(frozen=True, eq=False)
class Logits:
    """What D says before any map, float64 on the CPU.

    fit_real, fit_fake:  (R,) of data that D has seen, (F,) of samples of G: maps are fit on these.
    real:                word of REALS -> (n,); the seen ones are the first of fit_real.
    fake:                (n,) of samples of G on which nothing is fit.
    """

    fit_real: Tensor
    fit_fake: Tensor
    real: dict[str, Tensor]
    fake: Tensor


@dataclass(frozen=True, eq=False)
class Checks:
    """One map, judged on `Logits.real` and `Logits.fake`; dictionaries have the words of REALS.

    bins:       reliability diagram.
    ece:        expected calibration error.
    chance:     `chance_error` of the same probabilities.
    z:          Z of MH-GAN, with the data held out; about N(0, 1) when calibrated.
    log_ratio:  log E_G[r], 0 for a density ratio.
    """

    bins: dict[str, Reliability]
    ece: dict[str, float]
    chance: dict[str, float]
    z: float
    log_ratio: float


@dataclass(frozen=True)
class Ranking:
    """How often D's logit of a datum lies above that of a sample of G; a tie counts half.

    seen, held_out:  share of all (datum, sample) pairs; 1/2 for a D that cannot tell them apart.
    gap, interval:   seen - held_out and its 95 % interval, over data, given the samples.
    """

    seen: float
    held_out: float
    gap: float
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Examined:
    """One discriminator.

    maps, checks:  by the names in `calibration.CALIBRATIONS`.
    on_held_out:   the logistic map of the data held out and the samples judged. It is compared
                   with that of `maps`, and never judged: it was fit on what judges.
    """

    logits: Logits
    maps: dict[str, Calibrator | Refused]
    on_held_out: Logistic | Refused
    checks: dict[str, Checks | Refused]
    ranking: Ranking


def read_logits(pair: Pair, seen: Tensor, held_out: Tensor, fakes: int, n: int, rng: torch.Generator) -> Logits:
    """Evaluate D once on everything that maps are fit and judged on.

    seen:      (R, ...) data in the units of G that D was trained on; maps are fit on all of it.
    held_out:  (S, ...) data that it was not trained on.
    fakes:     samples of G to fit on.
    n:         rows of each kind to judge on, fewer where R or S is less: classes of one size.
    Raises InputError.
    """
    check_points("seen", seen, rank=None)
    check_points("held_out", held_out, rank=None)
    check_count("fakes", fakes)
    n, device = min(n, len(seen), len(held_out)), pair.device
    check_count("n: rows of each kind", n, least=2)
    fit_real, other = (sampling.logits(pair, x.to(device)) for x in (seen, held_out[:n]))
    _, _, fake = sampling.proposals(pair, fakes + n, rng)
    return Logits(fit_real, fake[:fakes], dict(zip(REALS, (fit_real[:n], other), strict=True)), fake[fakes:])


def examine(logits: Logits, rng: torch.Generator) -> Examined:
    """Fit every map, and check it.

    rng:  for `chance_error`.
    A map that cannot be fit, or not be checked, becomes Refused.
    """
    maps = {
        how: attempt(lambda how=how: calibration.fit(how, logits.fit_real, logits.fit_fake)) for how in CALIBRATIONS
    }
    checks = {
        how: one if isinstance(one, Refused) else attempt(lambda one=one: _checks(one, logits, rng))
        for how, one in maps.items()
    }
    on_held_out = attempt(lambda: Logistic.fit(logits.real[REALS[1]], logits.fake))
    return Examined(logits, maps, on_held_out, checks, ranking(logits))


def chance_error(logits: Tensor, rng: torch.Generator, draws: int = 200) -> float:
    """The calibration error below which a calibrated D stays in 95 % of samples of this size.

    logits:  (N,) of the pooled rows, whose probabilities are taken to be right: rows are drawn
             with replacement, then labels by these probabilities.
    draws:   samples behind the 95 % point.
    """
    p = logits.sigmoid()
    drawn = p[torch.randint(len(p), (draws, len(p)), generator=rng)]  # (draws, N)
    misses = torch.bernoulli(drawn, generator=rng) - drawn
    index = (drawn * BINS).long().clamp(max=BINS - 1)  # p = 1 is in the last bin
    sums = torch.zeros(draws, BINS, dtype=p.dtype).scatter_add_(1, index, misses)
    return float((sums.abs().sum(1) / len(p)).quantile(LEVEL))


def ranking(logits: Logits) -> Ranking:
    """How D ranks data above samples of G. No increasing map changes it."""
    places = [_places(logits.real[kind], logits.fake) for kind in REALS]
    seen, held_out = (float(place.mean()) for place in places)
    half = NORMAL * math.sqrt(sum(float(place.var()) / len(place) for place in places))
    gap = seen - held_out
    return Ranking(seen, held_out, gap, (gap - half, gap + half))


def share_above(real: Tensor, fake: Tensor) -> float:
    """Share of all pairs in which the logit of a datum lies above that of a sample.

    real, fake:  (n,), (m,); a tie counts half. 1/2 where both have one law.
    """
    return float(_places(real, fake).mean())


def _places(real: Tensor, fake: Tensor) -> Tensor:
    """Share of the samples below each datum, (n,) float64."""
    fake = fake.sort().values
    return (torch.searchsorted(fake, real) + torch.searchsorted(fake, real, right=True)).double() / (2 * len(fake))


def _checks(calibrate: Calibrator, logits: Logits, rng: torch.Generator) -> Checks:
    real, fake = {kind: calibrate(x) for kind, x in logits.real.items()}, calibrate(logits.fake)
    bins = {kind: calibration.reliability(x, fake, BINS) for kind, x in real.items()}
    return Checks(
        bins,
        {kind: calibration.expected_calibration_error(one) for kind, one in bins.items()},
        {kind: chance_error(torch.cat([x, fake]), rng) for kind, x in real.items()},
        calibration.z_statistic(real[REALS[1]], fake),
        float(fake.logsumexp(0)) - math.log(len(fake)),
    )


METHODS = ("DRS", "OBRS", "MH-GAN")  # read the value of a logit, and choose among samples
DRAWN = ("dcgan-wgan-gp", "dcgan-sngan-ns", "dcgan-sngan-hi")  # a row for each objective


@dataclass(frozen=True)
class Sizes:
    """How much work the page is.

    judged:   images of each kind, and samples of G, on which maps are judged; at most.
    samples:  images in a set of draws; sets: number of sets.
    burn_in, percentile, budget, chain:  the one setting of each method.
    """

    judged: int
    samples: int
    burn_in: int
    chain: int
    sets: int = 5
    percentile: float = 60.0  # reference program of DRS
    budget: float = 0.4


SIZES = {
    "smoke": Sizes(200, 100, 200, 5, sets=2),
    "laptop": Sizes(1_000, 300, 1_000, 20),
    "paper": Sizes(1_000, 10_000, 10_000, 100),
}


@dataclass(frozen=True)
class Draws:
    """Samples of G as they are, and (method, map) -> those that the method chose with that map."""

    bare: Point
    points: dict[tuple[str, str], Point]


def sizes(profile: str) -> Sizes:
    """Sizes of a profile. Raises InputError for an unknown one."""
    check_option("profile", profile, SIZES)
    return SIZES[profile]


def match(name: str, *, profile: str, seed: int = 0, judge: str = "classifier", device: str = "cpu") -> Match:
    """The contest of a named image pair, "<dataset>-<row of Table 1>", in the sizes of the page.

    Its scores have "above" besides: how often the logit of an image held out lies above that of a
    sample, 1/2 where both have one law.
    Raises InputError for a pair that has seen every image, and what `zoo.pair` and `summon` raise.
    """
    s = sizes(profile)
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    t = trained.settings
    if getattr(t, "split", None) != "train":
        raise InputError(
            f"name: {name} leaves no image that its D has not seen; name an image pair trained on the split 'train'"
        )
    c = replace(scoring(t.dataset, t.architecture, profile), samples=s.samples, sets=s.sets)
    panel = summon(t.dataset, c, profile=profile, judge=judge, device=device)
    whole = comparison.on_images(
        image_pairs.subject(trained, device), panel, c, images.image_set(t.dataset, t.split), profile=profile, seed=seed
    )
    terms = replace(whole.terms, burn_in=s.burn_in, percentiles=(s.percentile,), budgets=(s.budget,), chains=(s.chain,))
    held_out = _held_out(t.dataset, s.judged, seed)
    real = sampling.logits(whole.pair, held_out.to(device))

    def score(x: Tensor, number: int) -> dict[str, float]:
        return whole.score(x, number) | {"above": share_above(real, sampling.logits(whole.pair, x))}

    decides = [
        *whole.decides,
        s.judged,
        files.code_of("samplers.calibration", "samplers.base"),
        files.code_of_functions(_held_out, match),
    ]
    return Match(replace(whole, terms=terms, score=score, decides=decides), trained, asdict(panel.floor[panel.first]))


def examine_pair(found: Match, judged: int, seed: int) -> Examined:
    """`ratio_checks.examine`: fit on the training images of the contest, judged on split "test".

    judged:  images of each kind at most.
    """
    terms, label = found.contest.terms, found.contest.label
    held_out = _held_out(found.trained.settings.dataset, judged, seed)
    logits = read_logits(
        found.contest.pair, terms.real, held_out, terms.fakes, judged, generator(seed, "reliability", label)
    )
    return examine(logits, generator(seed, "chance", label))


def draw(contest: Comparison, seed: int, methods: Sequence[str] = METHODS) -> Draws:
    """Draw by each method with each map, at the one setting that the contest's terms have.

    A method that cannot work with a map gives a point that says so. Raises InputError for an unknown
    method.
    """
    for method in methods:
        check_option("methods", method, METHODS)
    (bare,) = comparison.measure(contest, seed, ["bare"])
    points = {}
    for method in methods:
        for how in CALIBRATIONS:
            one = replace(contest, terms=replace(contest.terms, how=how))
            (points[method, how],) = comparison.measure(one, seed, [method], last=True)
    return Draws(bare, points)


def state_digest(pair: Pair) -> str:
    """SHA-256 over every parameter and buffer of G and D."""
    digest = hashlib.sha256()
    for network in (pair.generator, pair.discriminator):
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def moved_by_training_mode(pair: Pair, n: int, rng: torch.Generator) -> tuple[int, int]:
    """(statistics that n samples change in training mode, statistics that G and D keep).

    Copies are run; the pair stays as it is. Counters of batches are no statistics.
    """
    G, D = (copy.deepcopy(net).train() for net in (pair.generator, pair.discriminator))
    kept = [b for net in (G, D) for b in net.buffers() if b.is_floating_point()]
    before = [b.clone() for b in kept]
    with torch.no_grad():
        D(G(sampling.latents(pair, n, rng)))
    return sum(not torch.equal(a, b) for a, b in zip(before, kept, strict=True)), len(kept)


def _held_out(dataset: str, n: int, seed: int) -> Tensor:
    """n images of the split "test", or all of them, in the units of G."""
    test = images.image_set(dataset, "test")
    rows = test.take(min(n, len(test)), generator(seed, "held out", dataset))
    return images.to_float(rows.images)


NAMES = {"none": "as trained", "logistic": "logistic", "isotonic": "isotonic"}  # maps on pages
REFUSED = "refused"  # in tables
SCORES = ("fid", "precision", "recall", "above")
QUANTITIES = scores.QUANTITIES | {"above": ("real above", "", 3)}  # name, unit, digits


def fill_record(
    record: records.Record, found: Mapping[str, Match], examined: Mapping[str, Examined], drawn: Mapping[str, Draws]
) -> None:
    """Put every check, ranking and draw into the record, and what was refused, by row of Table 1.

    Messages of refusals are in `record.made`; their number is a value.
    """
    zoo.add_training_provenance(record, *(one.trained for one in found.values()))
    record.made["weights"] = {one.trained.path.name: one.trained.sha256 for one in found.values()}
    record.made["images"] = {
        f"{kind}, {one.split}": one.origin
        for kind, one in (
            (one.trained.settings.dataset, images.image_set(one.trained.settings.dataset, split))
            for one in found.values()
            for split in ("train", "test")
        )
    }
    record.parameters["terms"] = {row: described(one.contest.terms)[1] for row, one in found.items()}
    for row, one in examined.items():
        _put_examined(record, row, one)
    for row, one in drawn.items():
        for name in SCORES:
            record.put(
                f"{row}, bare, {name}",
                float(np.mean(one.bare.scores[name])),
                unit=QUANTITIES[name][1],
                n=len(one.bare.scores[name]),
            )
        for (method, how), point in one.points.items():
            if not point.refused:
                _put_point(record, f"{row}, {method}, {how}", point, one.bare)
    record.made["refused"] = refusals(examined, drawn)
    record.put("refused", len(record.made["refused"]), unit="maps and methods")


def refusals(examined: Mapping[str, Examined], drawn: Mapping[str, Draws]) -> dict[str, str]:
    """What could not be fit, checked or drawn: "<row>, <method or check>, <map>" -> the message."""
    found = {}
    for row, one in examined.items():
        parts = one.checks | {"logistic, held out": one.on_held_out}
        found |= {f"{row}, checks, {how}": part.message for how, part in parts.items() if isinstance(part, Refused)}
    for row, one in drawn.items():
        found |= {
            f"{row}, {method}, {how}": point.refused for (method, how), point in one.points.items() if point.refused
        }
    return found


def shown_ratio(log_ratio: float) -> str:
    """E_G[r] as pages print it: "1.02", or as a power of ten where it is far from 1."""
    power = log_ratio / math.log(10)
    return f"{math.exp(log_ratio):.3g}" if abs(power) < 3 else f"$10^{{{power:.0f}}}$"


def point_cells(point: Point, bare: Point) -> list[str]:
    """Cells of a point: accepted share, then each of SCORES with the interval of its paired difference to bare."""
    if point.refused:
        return [REFUSED] * (1 + len(SCORES))
    cells = ["-" if None in point.acceptance else f"{np.mean(point.acceptance):.3f}"]
    for name in SCORES:
        digits, text = QUANTITIES[name][2], f"{np.mean(point.scores[name]):.{QUANTITIES[name][2]}f}"
        if point is not bare:
            _, (low, high) = change(point, bare, name)
            text += f" [{low:+.{digits}f}, {high:+.{digits}f}]"
        cells.append(text)
    return cells


def change(point: Point, bare: Point, name: str) -> tuple[float, tuple[float, float]]:
    """Mean of a score minus bare's over the sets, and its 95 % interval."""
    return intervals.interval(np.asarray(point.scores[name]), np.asarray(bare.scores[name]))


def changes_of(drawn: Mapping[str, Draws], name: str) -> dict[str, dict]:
    """`change` of every point, or REFUSED: row -> method -> name of the map on pages."""
    found = {row: {} for row in drawn}
    for row, one in drawn.items():
        for (method, how), point in one.points.items():
            found[row].setdefault(method, {})[NAMES[how]] = REFUSED if point.refused else change(point, one.bare, name)
    return found


def _put_examined(record: records.Record, row: str, one: Examined) -> None:
    for how, checks in one.checks.items():
        if not isinstance(checks, Checks):
            continue
        for kind in REALS:
            record.put(f"{row}, {how}, ECE {kind}", checks.ece[kind], unit="probability")
            record.put(f"{row}, {how}, ECE {kind} by chance", checks.chance[kind], unit="probability")
        record.put(f"{row}, {how}, Z", checks.z, unit="standard errors")
        record.put(f"{row}, {how}, log E_G[r]", checks.log_ratio, unit="")
    line = one.maps["logistic"]
    if not isinstance(line, Refused):
        record.put(f"{row}, slope", line.slope, unit="log ratio per logit")
        record.put(f"{row}, intercept", line.intercept, unit="log ratio")
    if not isinstance(one.on_held_out, Refused):
        record.put(f"{row}, slope held out", one.on_held_out.slope, unit="log ratio per logit")
    record.put(f"{row}, seen above samples", one.ranking.seen, unit="")
    record.put(f"{row}, held out above samples", one.ranking.held_out, unit="")
    record.put(f"{row}, seen minus held out", one.ranking.gap, unit="", interval=one.ranking.interval)


def _put_point(record: records.Record, key: str, point: Point, bare: Point) -> None:
    record.put(f"{key}, accepted", float(np.mean(point.acceptance)), unit="", n=len(point.acceptance))
    for name in SCORES:
        unit, n = QUANTITIES[name][1], len(point.scores[name])
        mean, interval = change(point, bare, name)
        record.put(f"{key}, {name}", float(np.mean(point.scores[name])), unit=unit, n=n)
        record.put(f"{key}, change of {name}", mean, interval=interval, unit=unit, n=n)
