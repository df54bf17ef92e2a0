"""How samples lie about known modes, in the measures of DRS and MH-GAN (Azadi et al. 2019, Turner et al. 2019)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dotlib.errors import check_points, check_positive

WITHIN = 4.0  # standard deviations of a mode: what counts as near it, in both articles


@dataclass(frozen=True)
class ModeQuality:
    """How one sample lies about the modes."""

    near: float  # share of points within WITHIN standard deviations of a mode
    covered: int  # modes with such a point
    spread: (
        float | None
    )  # root mean square of a coordinate of those points about their mode, 1 for the true law; or none


def mode_quality(points: Tensor, centres: Tensor, std: float, *, within: float = WITHIN) -> ModeQuality:
    """How points (N, d) lie about modes that are normal with these centres (M, d) and one standard deviation.

    Points of the true law have a spread of 1, less what is cut off: 0.9987 for d = 2 and 4 standard deviations. Below
    it the modes are narrower than they should be. Raises InputError naming the argument.
    """
    check_points("points", points)
    check_points("centres", centres, width=points.shape[1])
    check_positive("std", std, "the standard deviation of a mode, in data units")
    check_positive("within", within, "so many standard deviations count as near")
    distance, mode = torch.cdist(points.double(), centres.double()).min(1)  # (N,) each
    near = distance <= within * std
    square = float(distance[near].square().mean()) / points.shape[1]  # nan where no point is near
    spread = math.sqrt(square) / std if near.any() else None
    return ModeQuality(float(near.double().mean()), len(mode[near].unique()), spread)
