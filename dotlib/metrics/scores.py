"""Image scores from a judge's features and logits: inception score, KID, and all of them at once.

Features in, numbers out: which judge made them is not known here. Running statistics take any batches and hold memory
that does not grow with their number; float64 throughout. Fréchet distances are in `frechet`, neighbourhoods in
`neighbours`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from dotlib.errors import InputError, check_count, check_points
from dotlib.metrics.frechet import Moments, fid
from dotlib.metrics.neighbours import neighbourhoods


class Score(NamedTuple):
    """How a score is shown."""

    label: str  # its name in tables
    unit: str  # "" for a pure number
    digits: int  # decimals in tables
    lower_is_better: bool = False
    printed: str = ""  # its name among the paper's values; "" where the paper prints none


SCORES = {  # quantity of a record -> how it is shown
    "is_mean": Score("IS", "inception score", 2, printed="is"),
    "fid": Score("FID", "squared feature units", 2, lower_is_better=True, printed="fid"),
    "kid": Score("KID", "squared kernel distance", 4, lower_is_better=True),
    "mind": Score("MIND", "squared feature units", 2, lower_is_better=True),
    "precision": Score("precision", "", 3),
    "recall": Score("recall", "", 3),
    "density": Score("density", "", 3),
    "coverage": Score("coverage", "", 3),
    "agreement": Score("class agreement", "", 3),
    "intra_fid": Score("intra-class FID", "squared feature units", 2, lower_is_better=True),
    "emd_sqeuclidean": Score("EMD, squared cost", "squared data units", 4, lower_is_better=True),
    "emd_euclidean": Score("W1", "data units", 4, lower_is_better=True),
    "above": Score("real above", "", 3, lower_is_better=True),
    "D": Score("D", "logits", 2),
    "moved": Score("distance moved", "data units", 2),
    "share": Score("high frequencies", "", 3),
    "nearest": Score("distance to nearest", "data units", 2),
}
IMAGE_SCORES = ("is_mean", "fid", "kid", "precision", "recall", "density", "coverage")  # MIND: where records have it

DIRECTIONS = 1_000  # of MIND, as published
BLOCK = 1_000  # rows whose kernel to all others is held at once: 80 MB beside 10,000
KEPT = 10_000  # rows for KID and neighbourhoods, whose cost grows with the square


class InceptionScore:
    """exp of the mean KL divergence of p(y|x) from p(y) ([DOT19] eq. 54), running.

    Args:
        total: Rows that will come. Row j belongs to part i with i total // splits <= j, in order of arrival, so that
            batches do not matter.
        classes: Width of the logits.
        splits: Parts whose scores are averaged, 10 as published.
    """

    def __init__(self, *, total: int, classes: int, splits: int = 10) -> None:
        check_count("classes", classes, 2)
        check_count("splits", splits)
        check_count("total", total, splits)
        self.total, self.seen = total, 0
        self.bounds = [part * total // splits for part in range(splits + 1)]
        self.p_sum = torch.zeros(splits, classes, dtype=torch.float64)
        self.negentropy = torch.zeros(splits, dtype=torch.float64)  # sum over rows of sum p log p

    def add(self, logits: Tensor) -> None:
        """Take in (B, classes) logits. Raises InputError, also for more rows than announced."""
        check_points("logits", logits, width=self.p_sum.shape[1])
        end = self.seen + len(logits)
        _refuse_more("logits", end, self.total, "the parts depend on it")
        log_p = logits.detach().cpu().double().log_softmax(1)
        p = log_p.exp()
        rows = (p * log_p).sum(1)
        for part, (low, high) in enumerate(pairwise(self.bounds)):
            here = slice(max(0, low - self.seen), max(0, high - self.seen))
            self.p_sum[part] += p[here].sum(0)
            self.negentropy[part] += rows[here].sum()
        self.seen = end

    def value(self) -> tuple[float, float]:
        """(mean, sd over the parts), each in [1, classes] up to rounding.

        The sd is the published "(05)": it describes the parts of one sample set and is no confidence interval. Raises
        InputError before all announced rows have come.
        """
        _refuse_fewer("logits", self.seen, self.total)
        sizes = torch.as_tensor(self.bounds, dtype=torch.float64).diff()
        q = self.p_sum / sizes[:, None]  # p(y) of each part
        parts = (self.negentropy / sizes - torch.xlogy(q, q).sum(1)).exp()
        return float(parts.mean()), float(parts.std(correction=0))


@dataclass(frozen=True)
class Kid:
    """Kernel distance over random subsets: mean (unbiased, may be below 0) and sd."""

    mean: float
    sd: float
    subsets: int
    subset_size: int


def kid(*, real: Tensor, fake: Tensor, rng: torch.Generator, subsets: int = 100, subset_size: int | None = None) -> Kid:
    """Squared maximum mean discrepancy, kernel (x.y / d + 1)^3 (arXiv 1801.01401), in float64.

    The subsets are those of torch_fidelity for the same seed, and so are the values, up to rounding; it cubes each
    entry by a general power, which is most of its time.

    Args:
        real: (N, d) features.
        fake: (M, d) features.
        rng: CPU generator of the subsets.
        subsets: Random subsets, whose mean estimates the squared distance without bias.
        subset_size: Rows of each side in a subset; None takes min(1000, half of the smaller side).

    Returns:
        Mean and standard deviation over the subsets.

    Raises:
        InputError: The widths differ, or a subset is larger than a side.
    """
    check_points("real", real)
    check_points("fake", fake, width=real.shape[1])
    smaller = min(len(real), len(fake))
    if subset_size is None:
        subset_size = min(1_000, smaller // 2)
    check_count("subsets", subsets)
    check_count("subset_size", subset_size, 2)
    if subset_size > smaller:
        raise InputError(
            f"subset_size: {subset_size} exceeds the {smaller} rows of the smaller side; lower it or draw more"
        )
    sides = [side.detach().cpu().double().numpy() for side in (real, fake)]
    draws = np.random.RandomState(int(torch.randint(2**32, (1,), generator=rng)))
    chosen = [np.zeros((len(side), subsets), dtype=bool) for side in sides]  # whether a row is in a subset
    for subset in range(subsets):
        for of in chosen:
            of[draws.choice(len(of), subset_size, replace=False), subset] = True
    # The kernels of all rows serve all subsets where they are smaller; else each has those of its own rows.
    whole = len(real) ** 2 + len(fake) ** 2 + len(real) * len(fake)
    together = subsets if whole < 3 * subsets * subset_size**2 else 1
    groups = (slice(first, first + together) for first in range(0, subsets, together))
    values = np.concatenate([_kid_of(sides, [of[:, group] for of in chosen], subset_size) for group in groups])
    return Kid(float(values.mean()), float(values.std()), subsets, subset_size)


def _kid_of(sides: Sequence[np.ndarray], chosen: Sequence[np.ndarray], size: int) -> np.ndarray:
    """The estimate of each subset, (subsets,), from the rows of both sides that any of them has chosen."""
    rows = [slice(None) if some.all() else some for some in (of.any(1) for of in chosen)]  # a slice makes no copy
    (a, b), (of_a, of_b) = ([x[some] for x, some in zip(both, rows, strict=True)] for both in (sides, chosen))
    within = _pairs(a, a, of_a, of_a, hollow=True) + _pairs(b, b, of_b, of_b, hollow=True)
    return within / (size * (size - 1)) - 2 * _pairs(a, b, of_a, of_b) / size**2


def _pairs(a: np.ndarray, b: np.ndarray, of_a: np.ndarray, of_b: np.ndarray, *, hollow: bool = False) -> np.ndarray:
    """Sum of the kernel over all pairs of rows of each subset, (subsets,); hollow leaves out a row beside itself."""
    sums, of_b = np.zeros(of_a.shape[1]), of_b.astype(float)
    for first in range(0, len(a), BLOCK):
        rows = slice(first, first + BLOCK)
        cubes = torch.from_numpy(a[rows] @ b.T).div_(a.shape[1]).add_(1).pow_(3)  # numpy would take logarithms
        if hollow:
            cubes.diagonal(first).zero_()
        sums += np.einsum("ns,ns->s", of_a[rows], cubes.numpy() @ of_b)
    return sums


def kid_by_exchange(
    *, real: Tensor, fake: Tensor, rng: torch.Generator, repeats: int = 1_000
) -> tuple[float, np.ndarray]:
    """KID of all rows, (m, d) each side, and its law where both sides are one population: (repeats,) values.

    Each repeat deals the pooled rows out to the sides anew. The law is skewed to the right, so its standard deviation,
    and no t-interval over a few values, is the standard error of a KID of 0. Raises InputError for sides that are not
    equally many.
    """
    check_points("real", real)
    check_points("fake", fake, width=real.shape[1])
    check_count("repeats", repeats)
    m, d = real.shape
    if len(fake) != m:
        raise InputError(f"fake: found {len(fake)} rows beside {m} of real; take equally many of each")
    pooled = torch.cat([real, fake]).detach().cpu().double()
    kernel = (pooled @ pooled.T / d + 1) ** 3
    kernel.fill_diagonal_(0.0)
    side = torch.ones(repeats + 1, 2 * m, dtype=torch.float64)
    side[0, m:] = -1
    for row in side[1:]:
        row[torch.randperm(2 * m, generator=rng)[:m]] = -1
    between = ((side @ kernel) * side).sum(1)  # pairs on one side less pairs on two
    same, other = (kernel.sum() + between) / 2, (kernel.sum() - between) / 2
    values = same / (m * (m - 1)) - other / m**2
    return float(values[0]), values[1:].numpy()


def mind(*, real: Tensor, fake: Tensor, rng: torch.Generator, directions: int = DIRECTIONS) -> float:
    """Monge Inception distance (arXiv 2605.06797): squared sliced W2 of (N, d) and (M, d) features, times 3 d.

    The mean over random unit directions of the mean squared difference of the sorted projections; squared feature
    units, biased upwards by about a constant over the rows. Of the larger side as many rows are drawn as the smaller
    has. Raises InputError for different widths.
    """
    check_points("real", real)
    check_points("fake", fake, width=real.shape[1])
    check_count("directions", directions)
    n, d = min(len(real), len(fake)), real.shape[1]
    unit = nn.functional.normalize(torch.randn(d, directions, generator=rng, dtype=torch.float64), dim=0)
    sides = (side.detach().cpu().double() for side in (real, fake))
    drawn = (x if len(x) == n else x[torch.randperm(len(x), generator=rng)[:n]] for x in sides)
    a, b = (np.sort((unit.T @ x.T).numpy(), axis=1) for x in drawn)  # (directions, n)
    return 3 * d * float(np.square(a - b).mean())


@dataclass(frozen=True)
class Scores:
    """Every score of one sample set under one judge, and the numbers of rows behind them."""

    is_mean: float  # inception score of all fakes: mean over its parts ...
    is_sd: float  # ... and standard deviation
    fid: float  # of all fakes to all reals
    kid: float  # of the kept rows, as all that follow
    mind: float
    precision: float  # k = 3
    recall: float
    density: float  # k = 5
    coverage: float
    n: int  # fakes
    n_real: int
    kept: int  # of the fakes
    real_kept: int
    kid_subset: int  # rows in a subset of KID


class Reference:
    """The real side of every comparison, computed once: moments of all `total` rows, and `kept` of the rows.

    Those are drawn at random: a file of real images may be sorted by origin or difficulty.
    """

    def __init__(self, *, dim: int, total: int, rng: torch.Generator, kept: int = KEPT) -> None:
        check_count("total", total)
        check_count("kept", kept)
        self.moments, self.total = Moments(dim), total
        self._chosen = torch.zeros(total, dtype=torch.bool)
        self._chosen[torch.randperm(total, generator=rng)[:kept]] = True
        self._parts: list[Tensor] = []

    def add(self, features: Tensor) -> None:
        """Take in (B, dim) features of real images. Raises InputError, also for too many rows."""
        end = self.moments.n + len(features)
        _refuse_more("features", end, self.total, "the kept ones are drawn from them")
        here = self._chosen[self.moments.n : end]
        self.moments.add(features)
        self._parts.append(features.detach().cpu()[here])

    def rows(self) -> Tensor:
        """The kept features, (min(total, kept), dim). Raises InputError before all rows have come."""
        _refuse_fewer("features", self.moments.n, self.total)
        return torch.cat(self._parts)


class Collector:
    """All scores of one sample set, `total` fakes in batches; KID and neighbourhoods take the first `kept` rows."""

    def __init__(
        self, *, dim: int, classes: int, total: int, splits: int = 10, kept: int = KEPT, kid_subsets: int = 100
    ) -> None:
        check_count("kept", kept)
        self.inception = InceptionScore(total=total, classes=classes, splits=splits)
        self.moments, self.kept, self.kid_subsets = Moments(dim), kept, kid_subsets
        self._rows: list[Tensor] = []

    def add(self, features: Tensor, logits: Tensor) -> None:
        """Take in a judge's answer, (B, dim) and (B, classes). Raises InputError."""
        check_points("features", features, width=self.moments.dim)
        if len(logits) != len(features):
            raise InputError(
                f"logits: found {len(logits)} rows beside {len(features)} features; pass what the judge returned"
            )
        self.inception.add(logits)
        room = max(0, self.kept - self.moments.n)
        self.moments.add(features)
        self._rows.append(features.detach()[:room].cpu().clone())

    def scores(self, *, real: Reference, rng: torch.Generator) -> Scores:
        """Compare with the reference; rng draws the subsets of KID.

        Raises InputError before all rows have come, or where they do not exceed the features.
        """
        is_mean, is_sd = self.inception.value()
        distance = fid(real=real.moments, fake=self.moments)
        real_rows, rows = real.rows(), torch.cat(self._rows)
        kernel = kid(real=real_rows, fake=rows, rng=rng, subsets=self.kid_subsets)
        shares, balls = neighbourhoods(real=real_rows, fake=rows)
        return Scores(
            is_mean,
            is_sd,
            distance,
            kernel.mean,
            mind(real=real_rows, fake=rows, rng=rng),
            **vars(shares),
            **vars(balls),
            n=self.moments.n,
            n_real=real.moments.n,
            kept=len(rows),
            real_kept=len(real_rows),
            kid_subset=kernel.subset_size,
        )


def _refuse_more(name: str, rows: int, total: int, reason: str) -> None:
    if rows > total:
        raise InputError(f"{name}: found row {rows} of {total} announced; announce them all, since {reason}")


def _refuse_fewer(name: str, rows: int, total: int) -> None:
    if rows != total:
        raise InputError(f"{name}: found {rows} of {total} announced rows; add the rest")
