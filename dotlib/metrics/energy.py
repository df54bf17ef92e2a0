"""The energy distance of two samples, estimated without bias."""

import numpy as np
from scipy.spatial.distance import cdist, pdist
from torch import Tensor

from dotlib.errors import InputError, check_count, check_points


def energy_distance(x: Tensor, y: Tensor) -> float:
    """2 E|X - Y| - E|X - X'| - E|Y - Y'| of the laws of two samples, in data units: 0 exactly where they agree.

    The second and third mean leave out the distance of a point to itself, which makes this a U-statistic: its mean over
    samples is the distance of the laws whatever the sizes, so it is below 0 for about half of all samples of one law.
    An earth mover's distance is at least 0, and above it on average even for two samples of one law.

    Args:
        x: (N, d) points, N >= 2.
        y: (M, d) points, M >= 2.

    Returns:
        The estimate. Raises InputError naming the argument.
    """
    check_points("x", x)
    check_points("y", y)
    if x.shape[1] != y.shape[1]:
        raise InputError(f"y: found width {y.shape[1]} beside {x.shape[1]} of x; compare points of one space")
    for name, points in (("x", x), ("y", y)):
        check_count(f"points of {name}", len(points), least=2)
    first, second = (np.asarray(points.detach().cpu().double()) for points in (x, y))
    return float(2 * cdist(first, second).mean() - pdist(first).mean() - pdist(second).mean())
