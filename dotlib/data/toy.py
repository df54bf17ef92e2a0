"""Training data: the two 2-D sets of [DOT19] B.1."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dotlib.errors import InputError, check_count, check_option

GAUSSIANS_SCALE = 2.828  # "to make the data variance 1", B.1
SWISSROLL_SCALE = 7.5  # B.1
SWISSROLL_NOISE = 0.25  # B.1
GAUSSIANS_STD = {  # before the division by 2.828
    "code": 0.05,  # official code, after igul222/improved_wgan_training
    "paper": 0.1,  # B.1: N(0, 1e-2 I)
}
TOY = ("25gaussians", "swissroll")


@dataclass(frozen=True)
class ToyData:
    """A fixed 2-D training set."""

    points: Tensor  # (N, 2) float32
    modes: Tensor | None  # (N,) int64, the index of the Gaussian that made each point

    def draw(self, n: int, rng: torch.Generator, *, sampling: str = "random") -> Tensor:
        """n different training points, (n, 2).

        `sampling`: "random": any n points ([DOT19] B.1, "randomly chosen 1,000 training samples"). "balanced": n / 25
        points of every mode, as the official notebook draws its targets. Only for data with modes. Raises InputError
        when there are too few points, or when n does not divide among the modes.
        """
        check_count("n", n)
        check_option("sampling", sampling, ("random", "balanced"))
        if n > len(self.points):
            raise InputError(f"n: {n} exceeds the {len(self.points)} training points; draw fewer")
        if sampling == "random":
            return self.points[torch.randperm(len(self.points), generator=rng)[:n]]
        if self.modes is None:
            raise InputError('sampling: "balanced" needs modes, and this set has none; use "random"')
        count = int(self.modes.max()) + 1
        if n % count:
            raise InputError(f"n: {n} is not a multiple of the {count} modes; use {max(count, n // count * count)}")
        smallest = int(torch.bincount(self.modes, minlength=count).min())
        if n // count > smallest:
            raise InputError(f"n: {n} takes {n // count} points of each mode, and one has {smallest}; draw fewer")
        order = torch.randperm(len(self.points), generator=rng)
        order = order[torch.argsort(self.modes[order], stable=True)]  # shuffled within each mode
        starts = torch.searchsorted(self.modes[order], torch.arange(count))
        return self.points[order[(starts[:, None] + torch.arange(n // count)).flatten()]]


def toy(name: str, rng: np.random.Generator, *, size: int = 100_000, noise: str = "code") -> ToyData:
    """One of the 2-D training sets of [DOT19] B.1.

    `rng` is from `seeding.numpy_rng`; `size`, 100,000 as published, must be a multiple of 25 for the Gaussians, whose
    `noise` has two readings (book/differences): standard deviation 0.05 before scaling, "code", or 0.1, "paper". Raises
    InputError.
    """
    check_option("name", name, TOY)
    check_option("noise", noise, GAUSSIANS_STD)
    check_count("size", size)
    if name == "25gaussians":
        return _gaussians(rng, size, GAUSSIANS_STD[noise])
    from sklearn.datasets import make_swiss_roll  # here: two seconds that others need not wait for

    roll, _ = make_swiss_roll(size, noise=SWISSROLL_NOISE, random_state=int(rng.integers(2**31 - 1)))
    points = np.ascontiguousarray(roll[:, [0, 2]]) / SWISSROLL_SCALE
    return ToyData(torch.from_numpy(points.astype(np.float32)), None)


def mode_centres() -> Tensor:
    """The 25 centres {-4, -2, 0, 2, 4}^2 / 2.828, (25, 2)."""
    axis = torch.arange(-4.0, 5.0, 2.0)
    return torch.cartesian_prod(axis, axis) / GAUSSIANS_SCALE


def _gaussians(rng: np.random.Generator, size: int, std: float) -> ToyData:
    if size % 25:
        raise InputError(f"size: {size} is not a multiple of 25; use {max(25, size // 25 * 25)}")
    modes = np.repeat(np.arange(25), size // 25)
    noise = rng.standard_normal((size, 2)) * std / GAUSSIANS_SCALE
    points = (mode_centres().numpy()[modes] + noise).astype(np.float32)
    return ToyData(torch.from_numpy(points), torch.from_numpy(modes))
