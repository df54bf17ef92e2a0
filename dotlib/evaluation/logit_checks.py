"""Whether D's logit is a log density ratio, before and after each calibration.

Maps are fit on data that D has seen in its training, as in [DOT19] B.2, and on samples of G. They are judged on data
that D has not seen, and on samples that no map was fit on. What cannot be fit or checked is part of the result, with
the message that it ended with.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

from dotlib.errors import InputError, check_count, check_points
from dotlib.pairs import Pair
from dotlib.samplers import base as sampling
from dotlib.samplers import calibration
from dotlib.samplers.calibration import CALIBRATIONS, Calibrator, Logistic, Reliability

REALS = ("seen", "held out")  # data behind D's training and the fit; data behind neither
BINS = 10  # of probability
LEVEL = 0.95
NORMAL = 1.96  # 97.5 % point of N(0, 1)

Made = TypeVar("Made")


@dataclass(frozen=True)
class Refused:
    """In the place of a map or of its checks: the message of the error that it ended with."""

    message: str


def attempt(make: Callable[[], Made]) -> Made | Refused:
    """What `make` returns, or Refused where it raises InputError; other errors pass through."""
    try:
        return make()
    except InputError as error:
        return Refused(str(error))


@dataclass(frozen=True, eq=False)
class Logits:
    """What D says before any map, float64 on the CPU."""

    fit_real: Tensor  # (R,) of data that D has seen; maps are fit on these ...
    fit_fake: Tensor  # ... and on these, (F,) of samples of G
    real: dict[str, Tensor]  # word of REALS -> (n,); the seen ones are the first of fit_real
    fake: Tensor  # (n,) of samples of G on which nothing is fit


@dataclass(frozen=True, eq=False)
class Checks:
    """One map, judged on `Logits.real` and `Logits.fake`; dictionaries have the words of REALS."""

    bins: dict[str, Reliability]
    ece: dict[str, float]  # expected calibration error
    chance: dict[str, float]  # `chance_error` of the same probabilities
    z: float  # Z of MH-GAN, with the data held out; about N(0, 1) when calibrated
    log_ratio: float  # log E_G[r], 0 for a density ratio


@dataclass(frozen=True)
class Ranking:
    """How often D's logit of a datum lies above that of a sample of G; a tie counts half."""

    seen: float  # share of all pairs of a datum that D has seen and a sample; 1/2 for a D that cannot tell them apart
    held_out: float  # the same share with the data held out
    gap: float  # seen - held_out
    interval: tuple[float, float]  # of the gap, 95 %, over data, given the samples


@dataclass(frozen=True, eq=False)
class Examined:
    """One discriminator; maps and checks are by the names in `calibration.CALIBRATIONS`."""

    logits: Logits
    maps: dict[str, Calibrator | Refused]
    on_held_out: Logistic | Refused  # of the data held out and the samples judged: never judged itself
    checks: dict[str, Checks | Refused]
    ranking: Ranking


def read_logits(pair: Pair, seen: Tensor, held_out: Tensor, fakes: int, n: int, rng: torch.Generator) -> Logits:
    """Evaluate D once on everything that maps are fit and judged on, all in the units of G.

    Maps are fit on all data that D has seen, (R, ...), and on so many fakes. They are judged on n rows of each kind,
    classes of one size: fewer where R, or the number of data held out, is less. Raises InputError naming the argument.
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
    """Fit every map, and check it by `chance_error` from rng; what cannot be fit or checked becomes Refused."""
    maps = {
        name: attempt(lambda name=name: calibration.fit(name, logits.fit_real, logits.fit_fake))
        for name in CALIBRATIONS
    }
    checks = {
        name: line if isinstance(line, Refused) else attempt(lambda line=line: _checks(line, logits, rng))
        for name, line in maps.items()
    }
    on_held_out = attempt(lambda: Logistic.fit(logits.real["held out"], logits.fake))
    return Examined(logits, maps, on_held_out, checks, ranking(logits))


def chance_error(logits: Tensor, rng: torch.Generator, draws: int = 200) -> float:
    """The calibration error below which a calibrated D stays in 95 % of samples of this size.

    The probabilities of the pooled rows, logits (N,), are taken to be right: `draws` times, rows are drawn with
    replacement, then labels by these probabilities.
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
    """Share of all pairs of (n,) logits of data and (m,) of samples with the datum's above; a tie counts half."""
    return float(_places(real, fake).mean())


def error_on_the_fit(logits: Logits) -> float:
    """ECE of the isotonic map on the rows that it was fit on."""
    calibrate = calibration.Isotonic.fit(logits.fit_real, logits.fit_fake)
    real, fake = calibrate(logits.fit_real), calibrate(logits.fit_fake)
    return calibration.expected_calibration_error(calibration.reliability(real, fake))


def _places(real: Tensor, fake: Tensor) -> Tensor:
    """Share of the samples below each datum, (n,) float64."""
    fake = fake.sort().values
    return (torch.searchsorted(fake, real) + torch.searchsorted(fake, real, right=True)).double() / (2 * len(fake))


def _checks(calibrate: Calibrator, logits: Logits, rng: torch.Generator) -> Checks:
    real, fake = {kind: calibrate(x) for kind, x in logits.real.items()}, calibrate(logits.fake)
    bins = {kind: calibration.reliability(x, fake, BINS) for kind, x in real.items()}
    ece = {kind: calibration.expected_calibration_error(table) for kind, table in bins.items()}
    chance = {kind: chance_error(torch.cat([x, fake]), rng) for kind, x in real.items()}
    z = calibration.z_statistic(real["held out"], fake)
    return Checks(bins, ece, chance, z, log_ratio=float(fake.logsumexp(0)) - math.log(len(fake)))
