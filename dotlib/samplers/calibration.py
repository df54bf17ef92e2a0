"""Calibration: from a discriminator's logits to log p_data(x) / p_G(x), and how far off they are.

A discriminator trained to optimality on equal shares of data and samples has the log density ratio as its logit; a real
one does not, and every rejection sampler believes it. Reals and fakes count half each here, however many there are: log
odds are log density ratios. [MHGAN19]: Turner et al., Metropolis-Hastings generative adversarial networks, ICML 2019.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from dotlib.errors import InputError, UnusableError, check_count, check_option, check_points
from dotlib.pairs import Pair
from dotlib.samplers.base import Keep, Sampler, logits, proposals, with_logits

TOLERANCE = 1e-10  # of the gradient of the log likelihood, in the logits' mean deviations
OVERLAP = 1e-6  # of the classes, in the same unit: less than this is float32 rounding


@dataclass(frozen=True)
class Identity:
    """Logits as they are."""

    @classmethod
    def fit(cls, real_logits: Tensor, fake_logits: Tensor) -> "Identity":
        """Nothing to estimate. Raises InputError for logits that no calibration takes."""
        _labelled(real_logits, fake_logits)
        return cls()

    def __call__(self, logits: Tensor) -> Tensor:
        """The logits themselves, (B,)."""
        return logits


@dataclass(frozen=True)
class Logistic:
    """slope * logit + intercept, both by maximum likelihood (Platt scaling), without a penalty."""

    slope: float
    intercept: float

    @classmethod
    def fit(cls, real_logits: Tensor, fake_logits: Tensor) -> "Logistic":
        """Maximum likelihood on (n,) logits of data and (m,) of samples of G, half the weight each.

        Raises InputError without a finite maximum: logits all equal, or classes that a threshold
        separates, whose likelihood grows with the slope for ever.
        """
        values, real, weight = _labelled(real_logits, fake_logits)
        centre = values.mean()
        scale = np.abs(values - centre).mean()
        (low, high), (fake_low, fake_high) = ((x.min(), x.max()) for x in (values[real], values[~real]))
        if min(fake_high - low, high - fake_low) <= OVERLAP * scale:
            raise UnusableError(
                f"real_logits, fake_logits: separable, {low:g} to {high:g} and {fake_low:g} to {fake_high:g}, so no "
                "slope is the most likely; pass more rows, or data that D was not trained on, or use isotonic"
            )
        model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=TOLERANCE)  # no penalty
        model.fit(((values - centre) / scale)[:, None], real, sample_weight=weight)  # (n + m, 1)
        slope = float(model.coef_[0, 0] / scale)
        return cls(slope, float(np.ravel(model.intercept_)[0] - slope * centre))

    def __call__(self, logits: Tensor) -> Tensor:
        """slope * logits + intercept, (B,); gradients go through."""
        return logits * self.slope + self.intercept


@dataclass(frozen=True)
class Isotonic:
    """Log odds of the non-decreasing function that fits the labels best in least squares.

    Probabilities stay 1/(2n) away from 0 and 1, n the size of the smaller class: log odds are finite.
    """

    thresholds: tuple[float, ...]  # logits at which the fitted function is known, increasing
    probabilities: tuple[float, ...]  # its values there; linear in between, constant outside

    @classmethod
    def fit(cls, real_logits: Tensor, fake_logits: Tensor) -> "Isotonic":
        """Least squares on (n,) logits of data and (m,) of samples of G, half the weight each.

        A D that ranks samples above data gives a constant. Raises InputError for unusable logits.
        """
        values, real, weight = _labelled(real_logits, fake_logits)
        edge = weight.max()  # 1/(2n)
        model = IsotonicRegression(y_min=edge, y_max=1 - edge).fit(values, real, weight)
        return cls(tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist()))

    def __call__(self, logits: Tensor) -> Tensor:
        """Log odds, (B,). Raises InputError for logits that require a gradient: steps have none."""
        if logits.requires_grad:
            raise InputError(
                "logits: isotonic calibration has no useful gradient, found logits that "
                "require one; use logistic, or evaluate under torch.no_grad()"
            )
        p = np.interp(logits.double().cpu().numpy(), self.thresholds, self.probabilities)  # (B,)
        return torch.from_numpy(np.log(p) - np.log1p(-p)).to(logits)


Calibrator = Identity | Logistic | Isotonic  # of logits, (B,) -> (B,), to log p_data / p_G; dtype and device stay
CALIBRATIONS = {"none": Identity, "logistic": Logistic, "isotonic": Isotonic}


def fit(name: str, real_logits: Tensor, fake_logits: Tensor) -> Calibrator:
    """The calibrator of that name, fitted to logits, (n,) of data and (m,) of samples of G.

    Raises InputError for an unknown word and for logits that are not finite, naming the argument.
    """
    check_option("calibration", name, CALIBRATIONS)
    return CALIBRATIONS[name].fit(real_logits, fake_logits)


@dataclass(frozen=True, eq=False)
class Calibrated(Sampler):
    """Another sampler, on a discriminator calibrated first.

    Costs fakes evaluations of G and n + fakes of D, once. Raises InputError naming the argument.

    Attributes:
        inner: The sampler that gets the calibrated pair.
        real: (n, ...) data in the units of G, best held out from training; [DOT19] B.2 takes 1,000.
        calibration: A key of CALIBRATIONS; "none" evaluates nothing.
        fakes: Fresh samples of G to fit on besides; [DOT19] B.2 takes 1,000.
    """

    inner: Sampler
    real: Tensor
    calibration: str = "logistic"
    fakes: int = 1000

    def __post_init__(self) -> None:
        if not isinstance(self.inner, Sampler):
            raise InputError(f"inner: found a {type(self.inner).__name__}; pass a Sampler")
        check_points("real", self.real, rank=None)
        check_option("calibration", self.calibration, CALIBRATIONS)
        check_count("fakes", self.fakes)

    def prepare(self, pair: Pair, rng: torch.Generator) -> Keep:
        """Fit on D(real) and D of new samples, then prepare `inner` on the calibrated pair."""
        if self.calibration == "none":
            return self.inner.prepare(pair, rng)
        _, x, fake_logits = proposals(pair, self.fakes, rng)
        if (self.real.shape[1:], self.real.dtype) != (x.shape[1:], x.dtype):
            raise InputError(
                f"real: rows of shape {tuple(self.real.shape[1:])}, {self.real.dtype}; "
                f"bring them to those of G, {tuple(x.shape[1:])}, {x.dtype}"
            )
        real_logits = logits(pair, self.real.to(pair.device))
        return self.inner.prepare(with_logits(pair, fit(self.calibration, real_logits, fake_logits)), rng)


@dataclass(frozen=True, eq=False)
class Reliability:
    """Bins of predicted probability that are not empty, in increasing order, (k,) each."""

    predicted: np.ndarray  # mean probability of being data
    observed: np.ndarray  # share of data, both classes at half the weight
    share: np.ndarray  # of that weight in the bin; sums to 1
    count: np.ndarray  # rows in the bin


def reliability(real_logits: Tensor, fake_logits: Tensor, bins: int = 10) -> Reliability:
    """Reliability diagram of (n,) logits of data and (m,) of samples, equal bins over [0, 1].

    Raises InputError for unusable logits or a number of bins below 1.
    """
    check_count("bins", bins)
    values, real, weight = _labelled(real_logits, fake_logits)
    p = expit(values)
    index = np.minimum((p * bins).astype(int), bins - 1)  # p = 1 is in the last bin
    count = np.bincount(index)
    sums = (np.bincount(index, weight * x) for x in (np.ones_like(p), p, real))
    share, predicted, observed = (x[count > 0] for x in sums)
    return Reliability(predicted / share, observed / share, share, count[count > 0])


def expected_calibration_error(table: Reliability) -> float:
    """Mean distance of observed from predicted, bins weighted by their share; in [0, 1]."""
    return float((table.share * np.abs(table.observed - table.predicted)).sum())


def z_statistic(real_logits: Tensor, fake_logits: Tensor) -> float:
    """Z of [MHGAN19], (n,) logits of data and (m,) of samples, N(0, 1) when calibrated.

    ::

        Z = sum(y_i - p_i) / sqrt(sum p_i (1 - p_i))     y_i = 1 for data, else 0

    That is for labels drawn at random. Class sizes that are fixed, n/m being the prior odds in p_i,
    leave less variance: almost none for a D near constant, whose Z is near 0. Raises InputError for
    unusable logits, and where every p_i rounds to 0 or 1.
    """
    values, real, _ = _labelled(real_logits, fake_logits)
    values += math.log(len(real_logits) / len(fake_logits))
    p = expit(values)
    variance = (p * expit(-values)).sum()  # 1 - p would round to 0
    if variance == 0:
        raise InputError("real_logits, fake_logits: probabilities all round to 0 or 1; calibrate D")
    return float((real - p).sum() / math.sqrt(variance))


def _labelled(real_logits: Tensor, fake_logits: Tensor) -> tuple[np.ndarray, ...]:
    """(n + m,) each: all logits in float64, whether from data, and weights, 1/2 for each class."""
    check_points("real_logits", real_logits, rank=1)
    check_points("fake_logits", fake_logits, rank=1)
    both = [x.detach().double().cpu().numpy() for x in (real_logits, fake_logits)]
    sizes = [len(x) for x in both]
    return np.concatenate(both), np.repeat([True, False], sizes), np.repeat([0.5 / n for n in sizes], sizes)
