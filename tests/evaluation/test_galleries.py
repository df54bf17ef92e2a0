"""Samples chosen by the rise of D. Kinds of test: closed forms, identities."""

import numpy as np
import torch
from torch import nn

import dotlib as dot
from dotlib.data.images import to_uint8
from dotlib.evaluation import galleries


class Squash(nn.Module):
    """Latents (B, 4) as grey images of 2 x 2."""

    def forward(self, z):
        return torch.tanh(z).reshape(-1, 1, 2, 2)


class Brightness(nn.Module):
    """D rises with the first pixel alone, so that a latent far from its end rises most."""

    def forward(self, x):
        return 5 * x[:, 0, 0, 0]


def pair():
    return dot.Pair(Squash().eval(), Brightness().eval(), dot.Uniform(4))


def test_rows_hold_the_largest_the_median_and_the_smallest_rises_of_all_latents():
    updates = (0, 3, 6)
    _, rises = galleries.along(pair(), updates, seed=1)
    rng = dot.generator(1, "gallery")
    z = pair().prior.sample(galleries.SAMPLES, rng)
    k_eff = dot.latent_constant(pair(), rng=rng).value
    path = dot.latent_dot(pair(), z, k_eff, steps=6, snapshots=updates)
    with torch.no_grad():
        rise = (pair().latent_logit(path.final) - pair().latent_logit(z)).sort(descending=True).values
    n = galleries.COLUMNS
    middle = (galleries.SAMPLES - n) // 2
    expected = [rise[:n].mean(), rise[middle : middle + n].mean(), rise[-n:].mean()]
    assert np.allclose(rises[-1], expected, atol=1e-6) and np.allclose(rises[0], 0)
    assert expected[0] > expected[1] > expected[2]


def test_the_first_images_are_the_bare_samples_of_the_same_latents():
    images, _ = galleries.along(pair(), (0, 6), seed=1)
    rng = dot.generator(1, "gallery")
    z = pair().prior.sample(galleries.SAMPLES, rng)
    bare = {image.tobytes() for image in to_uint8(pair().generate(z)).numpy()}
    assert images.shape == (2, 3 * galleries.COLUMNS, 1, 2, 2)
    assert {image.tobytes() for image in images[0]} <= bare
    assert (images[1, : galleries.COLUMNS, 0, 0, 0] > images[0, : galleries.COLUMNS, 0, 0, 0]).all()  # D climbs this


def test_every_shipped_row_of_table_1_is_shown_with_larger_images_first():
    names = galleries.names()
    assert len(names) == len(set(names)) >= 10
    assert names[0].startswith("mnist-") and names[-1].startswith("digits-")
    assert not any("cond" in name or "mlp" in name for name in names)


def test_a_shipped_pair_stops_at_twice_its_published_updates():
    images, rises = galleries.of_shipped("digits-resnet-sagan-ns")  # 10 published updates
    updates = [round(share * 10) for share in galleries.SHARES]
    again, _ = galleries.along(dot.load_pair("digits-resnet-sagan-ns", seed=0), updates, 0)
    assert np.array_equal(images, again) and updates[-1] == 20
    assert np.allclose(rises[0], 0) and rises.shape == (len(updates), 3)
