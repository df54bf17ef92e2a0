"""Fréchet distance of two feature samples from running moments ([DOT19] eq. 55).

::

    FID = |m_r - m_f|^2 + tr(S_r + S_f - 2 (S_r S_f)^(1/2))

with means m and covariances S of real and fake features; squared feature units, lower is better. Its estimate from N
fakes is biased by about a constant over N, so N belongs to every number, and `fid_infinity` extrapolates.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch import Tensor

from dotlib.errors import InputError, check_count, check_points

_potrf, _sygst = scipy.linalg.get_lapack_funcs(("potrf", "sygst"), dtype=np.float64)

NEAR_SINGULAR = 1e-10  # least over largest eigenvalue; below, their roots lose digits


@dataclass
class Moments:
    """Running mean and scatter matrix of the rows of any number of batches, in float64.

    Memory does not grow with n, and cutting the rows into other batches changes the result by rounding only (the update
    is exact algebra: Chan, Golub, LeVeque 1983).

    Attributes:
        dim: Width of the rows.
        n: Rows so far.
        mean: (dim,).
        scatter: (dim, dim), sum over rows of the outer square of row - mean.
    """

    dim: int
    n: int = field(init=False, default=0)
    mean: Tensor = field(init=False)
    scatter: Tensor = field(init=False)
    _root: tuple[int, NDArray[np.float64] | None] = field(init=False, default=(0, None), repr=False, compare=False)

    def __post_init__(self) -> None:
        check_count("dim", self.dim)
        self.mean = torch.zeros(self.dim, dtype=torch.float64)
        self.scatter = torch.zeros(self.dim, self.dim, dtype=torch.float64)

    @classmethod
    def of(cls, features: Tensor) -> "Moments":
        """Moments of one batch, (B, d)."""
        check_points("features", features)
        moments = cls(features.shape[1])
        moments.add(features)
        return moments

    def add(self, features: Tensor) -> None:
        """Take in a batch, (B, dim), any floating type. Raises InputError, and then takes nothing."""
        check_points("features", features, width=self.dim)
        rows = features.detach().cpu().double()
        mean = rows.mean(0)
        centred = rows - mean
        total, step = self.n + len(rows), mean - self.mean
        self.scatter = self.scatter + centred.T @ centred + torch.outer(step, step) * (self.n * len(rows) / total)
        self.mean = self.mean + step * (len(rows) / total)
        self.n = total

    def covariance(self) -> Tensor:
        """(dim, dim), unbiased: divided by n - 1. Raises InputError for fewer than 2 rows."""
        if self.n < 2:
            raise InputError(f"features: found {self.n} rows; a covariance needs at least 2")
        return self.scatter / (self.n - 1)

    def root(self) -> NDArray[np.float64] | None:
        """Lower Cholesky factor of the covariance, (dim, dim); None where rounding makes that not positive definite.

        It is kept until rows come, so that a reference is factored once for all samples that are compared with it.
        """
        made_of, root = self._root
        if made_of != self.n:
            root, failed = _potrf(self.covariance().numpy().T, lower=1, clean=1, overwrite_a=1)
            root = None if failed else root
            self._root = self.n, root
        return root


def fid(*, real: Moments, fake: Moments) -> float:
    """Fréchet distance; squared feature units.

    With S_r = L L^T (Cholesky) the eigenvalues of S_r S_f are those of the symmetric matrix L^T S_f L, and their roots
    sum to the last trace: one symmetric eigenvalue problem. The factor stays with `real`, whose further comparisons
    begin with it. Where a covariance is nearly singular (a judge with idle features) small eigenvalues lose half of
    their digits under the root; then the trace is the sum of the singular values of S_r^(1/2) S_f^(1/2), which keeps
    them. Equal moments may give a rounding error below zero. Raises InputError for different widths, or where N does
    not exceed the number of features.
    """
    for name, side in (("real", real), ("fake", fake)):
        if side.n <= side.dim:
            raise InputError(
                f"{name}: found {side.n} rows for {side.dim} features; FID needs more "
                "rows than features: draw more, or take a judge with fewer"
            )
    if real.dim != fake.dim:
        raise InputError(f"fake: found width {fake.dim} beside {real.dim} of real; use one judge")
    apart = real.mean - fake.mean
    traces = (float(side.scatter.trace()) / (side.n - 1) for side in (real, fake))
    return float(apart @ apart) + sum(traces) - 2 * _trace_of_root(real, fake)


@dataclass(frozen=True)
class FidInfinity:
    """FID extrapolated to infinitely many fakes."""

    value: float  # intercept of the line
    slope: float  # FID times samples
    counts: tuple[int, ...]  # N of each fitted point
    fids: tuple[float, ...]


def fid_infinity(*, real: Moments, fake: Tensor, counts: Sequence[int], rng: torch.Generator) -> FidInfinity:
    """Least squares of FID(N) = value + slope / N over `counts` (arXiv 1911.07023).

    Each point takes `count` rows of fake, (N, d), at random, without replacement; counts are two or more different
    numbers, each above d and at most N. Removes the bias in the number of fakes only: that of the real side stays.
    Raises InputError naming the argument.
    """
    check_points("fake", fake, width=real.dim)
    counts = tuple(counts)
    for count in counts:
        check_count("counts", count, real.dim + 1)
        if count > len(fake):
            raise InputError(f"counts: {count} exceeds the {len(fake)} rows of fake; ask for fewer")
    if len(set(counts)) < 2:
        raise InputError(f"counts: found {counts}; a line needs two different numbers")
    fids = [fid(real=real, fake=Moments.of(fake[torch.randperm(len(fake), generator=rng)[:count]])) for count in counts]
    slope, value = np.polyfit(1 / np.asarray(counts, dtype=float), fids, 1)
    return FidInfinity(float(value), float(slope), counts, tuple(fids))


def _trace_of_root(real: Moments, fake: Moments) -> float:
    """tr (S_r S_f)^(1/2)."""
    factor = real.root()
    if factor is not None:
        product, _ = _sygst(fake.covariance().numpy().T, factor, itype=2, lower=1, overwrite_a=1)  # L^T S_f L
        values = scipy.linalg.eigh(
            product, lower=True, eigvals_only=True, driver="ev", overwrite_a=True, check_finite=False
        )
        if values[0] > NEAR_SINGULAR * values[-1]:
            return float(np.sqrt(values).sum())
    roots = []
    for side in (real, fake):
        values, vectors = np.linalg.eigh(side.covariance().numpy())
        roots.append(vectors * np.sqrt(np.maximum(values, 0)))  # rounding only: S is a scatter
    return float(np.linalg.svd(roots[0].T @ roots[1], compute_uv=False).sum())
