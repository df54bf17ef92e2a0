"""The share of high frequencies. Kinds: closed forms (waves, checkerboards, white noise), invariances, failures."""

import itertools
import math

import pytest
import torch

from dotlib.errors import InputError
from dotlib.metrics import frequencies
from dotlib.seeding import generator


def checkerboard(height, width):
    return 1.0 - 2 * ((torch.arange(height)[:, None] + torch.arange(width)) % 2)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (32, 32), (48, 48), (6, 10), (5, 7)])
def test_a_constant_has_no_high_frequency_and_a_checkerboard_only_those(height, width):
    """An odd side has no exact checkerboard: its spectrum leaks, so only even sides are exact."""
    change = torch.stack([torch.full((height, width), 0.3), checkerboard(height, width), torch.zeros(height, width)])[
        :, None
    ]
    share = frequencies.high_share(change)
    assert share[0] < 1e-12 and share[2] == 0
    assert share[1] > (1 - 1e-12 if height % 2 == 0 else 0.8)


@pytest.mark.parametrize("n", [8, 48])
def test_a_wave_is_high_beyond_a_quarter_of_a_cycle_a_pixel(n):
    """cos(2 pi k x / n) lies at k / n cycles a pixel; at exactly 1/4 it is not yet high."""
    x = torch.arange(n, dtype=torch.float64)
    for k in range(n // 2 + 1):
        wave = torch.cos(2 * math.pi * k * x / n).expand(n, n)
        for image in (wave, wave.T, wave * 0.01):
            share = float(frequencies.high_share(image[None, None])[0])
            assert abs(share - (k / n > 0.25)) < 1e-12, k


def naive_share(image):
    """One image (C, H, W), frequency by frequency, from the definition of the transform."""
    channels, height, width = image.shape
    total = high = 0.0
    for c, k, m in itertools.product(range(channels), range(height), range(width)):
        phase = torch.arange(height).double()[:, None] * k / height + torch.arange(width).double() * m / width
        one = (image[c] * torch.exp(-2j * math.pi * phase)).sum().abs().item() ** 2
        total += one
        if max(min(k, height - k) / height, min(m, width - m) / width) > 0.25:
            high += one
    return high / total


def test_share_agrees_with_the_transform_written_out():
    change = torch.randn(3, 2, 6, 9, generator=generator(0, "frequencies", "0"), dtype=torch.float64)
    change = change.cumsum(3)  # not white
    expected = torch.tensor([naive_share(one) for one in change], dtype=torch.float64)
    assert (frequencies.high_share(change) - expected).abs().max() < 1e-12


def test_share_does_not_see_size_place_sign_or_orientation():
    change = torch.randn(4, 3, 8, 8, generator=generator(0, "frequencies", "1")).cumsum(2)
    share = frequencies.high_share(change)
    for other in (100 * change, -change, change.roll((3, 5), (2, 3)), change.transpose(2, 3), change.flip(1)):
        assert (frequencies.high_share(other) - share).abs().max() < 1e-6
    assert torch.equal(frequencies.high_share(change[2:3]), share[2:3]) is True


@pytest.mark.parametrize("side", [8, 32])
def test_white_noise_has_the_white_share(side):
    """Every frequency has the same mean energy; 400 images know the mean to about 0.002."""
    noise = torch.randn(400, 1, side, side, generator=generator(0, "frequencies", "2"))
    white = frequencies.white_share(side, side)
    assert abs(float(frequencies.high_share(noise).mean()) - white) < 0.01
    assert white == 1 - ((side // 2 + 1) / side) ** 2  # side / 2 + 1 of side are low, both ways


@pytest.mark.parametrize(
    "change", [torch.zeros(4, 8, 8), torch.full((1, 1, 2, 2), math.nan), torch.zeros(2, 1, 4, 4, dtype=torch.int64)]
)
def test_share_refuses_what_is_no_batch_of_changes(change):
    with pytest.raises(InputError, match="change: "):
        frequencies.high_share(change)
