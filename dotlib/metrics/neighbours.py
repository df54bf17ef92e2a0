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
from dotlib.metrics import backends

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


def precision_recall(*, real: Tensor, fake: Tensor, k: int = 3) -> PrecisionRecall:
    """Precision and recall of fake (M, d) beside real (N, d), through torch_fidelity, in float64; balls are closed.

    A fair comparison of generators has one N and one M. Raises InputError for different widths or k not below both.
    """
    real, fake = _checked(real, fake, k, both=True)
    metric = backends.module("torch_fidelity.metric_prc")
    values = metric.prc_features_to_metric(
        fake, real, prc_neighborhood=k, prc_batch_size=BLOCK, save_cpu_ram=True, verbose=False
    )
    return PrecisionRecall(values[metric.KEY_METRIC_PRECISION], values[metric.KEY_METRIC_RECALL])


def density_coverage(*, real: Tensor, fake: Tensor, k: int = 5) -> DensityCoverage:
    """Density and coverage of fake (M, d) beside real (N, d), in float64; balls are open: a copy of real has density 1.

    Raises InputError for different widths or k >= N.
    """
    real, fake = _checked(real, fake, k, both=False)
    inside = covered = 0
    for rows in real.split(BLOCK):
        radii = torch.cdist(rows, real).kthvalue(k + 1).values  # itself is the first, at 0
        held = (torch.cdist(rows, fake) < radii[:, None]).sum(1)  # fakes in each real ball
        inside += int(held.sum())
        covered += int((held > 0).sum())
    return DensityCoverage(inside / (k * len(fake)), covered / len(real))


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
