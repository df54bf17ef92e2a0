"""How much of the real features the fakes cover, and the reverse, by nearest neighbours.

Balls around every point of one set reach to its k-th nearest other point of that set.

::

    precision = share of fakes inside some real ball        recall   = share of reals in a fake ball
    density   = mean over fakes of (real balls around it) / k
    coverage  = share of real balls that hold a fake

Precision and recall: arXiv 1904.06991, k = 3. Density and coverage: arXiv 2002.09797, k = 5.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from dotlib.errors import InputError, check_count, check_points

PRECISION_K, DENSITY_K = 3, 5  # as published
BLOCK = 1_000  # rows whose distances to all others are held at once: 80 MB beside 10,000


@dataclass(frozen=True)
class PrecisionRecall:
    """Both in [0, 1]."""

    precision: float
    recall: float


@dataclass(frozen=True)
class DensityCoverage:
    """Density is at least 0 and may exceed 1; coverage lies in [0, 1]."""

    density: float
    coverage: float


def neighbourhoods(*, real: Tensor, fake: Tensor) -> tuple[PrecisionRecall, DensityCoverage]:
    """All four of fake (M, d) beside real (N, d), with the published numbers of neighbours; distances are taken once.

    The values of `precision_recall` and `density_coverage`. Raises InputError for different widths, and for a side with
    less than six rows.
    """
    real, fake = _checked(real, fake, max(PRECISION_K, DENSITY_K), both=True)
    return _compared(real, fake, PRECISION_K, DENSITY_K)


def precision_recall(*, real: Tensor, fake: Tensor, k: int = PRECISION_K) -> PrecisionRecall:
    """Precision and recall of fake (M, d) beside real (N, d), in float64; balls are closed.

    The values of torch_fidelity, up to its rounding of shares. A fair comparison of generators has one N and one M.
    Raises InputError for different widths or k not below both.
    """
    return _compared(*_checked(real, fake, k, both=True), k, k)[0]


def density_coverage(*, real: Tensor, fake: Tensor, k: int = DENSITY_K) -> DensityCoverage:
    """Density and coverage of fake (M, d) beside real (N, d), in float64; balls are open: a copy of real has density 1.

    Raises InputError for different widths or k >= N.
    """
    return _compared(*_checked(real, fake, k, both=False), None, k)[1]


def _compared(real: Tensor, fake: Tensor, k: int | None, k_open: int) -> tuple[PrecisionRecall, DensityCoverage]:
    """All four, from closed balls to the k-th neighbour and open ones to that of k_open; without k the first are 0."""
    balls, open_balls = _radii(real, k or k_open, k_open)
    of_fake = _radii(fake, k)[0] if k else torch.empty(0)
    precise = torch.zeros(len(fake), dtype=torch.bool)
    recalled = inside = covered = 0
    for rows, ball, open_ball in zip(*(each.split(BLOCK) for each in (real, balls, open_balls)), strict=True):
        distances = torch.cdist(rows, fake)
        if k:
            precise |= (distances <= ball[:, None]).any(0)
            recalled += int((distances <= of_fake).any(1).sum())
        held = (distances < open_ball[:, None]).sum(1)  # fakes in each real ball
        inside += int(held.sum())
        covered += int((held > 0).sum())
    shares = PrecisionRecall(int(precise.sum()) / len(fake), recalled / len(real))
    return shares, DensityCoverage(inside / (k_open * len(fake)), covered / len(real))


def _radii(x: Tensor, *counts: int) -> tuple[Tensor, ...]:
    """The distance of each row of x to its k-th nearest other row, (N,), for every k."""
    nearest = [torch.cdist(rows, x).topk(max(counts) + 1, largest=False).values for rows in x.split(BLOCK)]
    return torch.cat(nearest).T[list(counts)].unbind()  # itself is the first, at 0


def _checked(real: Tensor, fake: Tensor, k: int, *, both: bool) -> tuple[Tensor, Tensor]:
    """Both sets in float64 around the mean of real, which costs distances the fewest digits."""
    check_points("real", real)
    check_points("fake", fake, width=real.shape[1])
    check_count("k", k)
    for name, side in (("real", real), ("fake", fake))[: 2 if both else 1]:
        if k >= len(side):
            raise InputError(
                f"k: {k} neighbours are more than {name} has beside each of its {len(side)} rows; lower k or draw more"
            )
    real, fake = (side.detach().cpu().double() for side in (real, fake))
    return real - real.mean(0), fake - real.mean(0)
