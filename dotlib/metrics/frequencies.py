"""How rough images are: the share of their spectral energy at high frequencies."""

import torch
from torch import Tensor

from dotlib.errors import check_points


def high_share(change: Tensor) -> Tensor:
    """Share of each image's spectral energy at high frequencies, (B, C, H, W) -> (B,) in [0, 1].

    High: along rows or along columns, more than half of the highest frequency, that is more than 1/4 cycle a pixel. A
    constant has 0, a checkerboard 1, an image of zeros 0, white noise `white_share` on average. Channels are added.
    Raises InputError for other shapes.
    """
    check_points("change", change, rank=4)
    energy = torch.fft.fft2(change.detach().double()).abs().square().sum(1)  # (B, H, W)
    high = (energy * _high(*change.shape[2:]).to(energy)).sum((1, 2))
    return high / energy.sum((1, 2)).clamp(min=torch.finfo(energy.dtype).tiny)


def white_share(height: int, width: int) -> float:
    """What `high_share` is on average for independent pixels: the share of high frequencies."""
    return float(_high(height, width).double().mean())


def _high(height: int, width: int) -> Tensor:
    """(H, W): whether `high_share` counts a frequency."""
    y, x = (4 * torch.minimum(torch.arange(n), n - torch.arange(n)) > n for n in (height, width))
    return y[:, None] | x
