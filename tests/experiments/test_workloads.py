"""The settings of B.3: which networks, which descent, how much arithmetic.

Kinds of test: identities (the public transport), second method (central differences), closed forms
(operations by hand, an error by finite differences), invariances, failures.
"""

import math
from dataclasses import replace

import pytest
import torch

from dotlib import transport
from dotlib.errors import InputError
from dotlib.experiments import runtimes
from dotlib.experiments.runtimes import SETTINGS, Subject
from dotlib.networks.mlp import MLP
from dotlib.pairs import Pair, Uniform
from dotlib.seeding import generator


def rng():
    return generator(0, "runtimes")


def tiny(name="cifar10"):
    """A setting's descent on networks of a few weights."""
    networks = [MLP(2, 4, out, hidden=1, rng=generator(0, str(out))).eval().requires_grad_(False) for out in (2, 1)]
    return Subject(name, Pair(*networks, Uniform(2)))


# --- what is timed -----------------------------------------------------------------------------


def test_moves_are_those_of_the_public_transport():
    z = Uniform(2).sample(5, rng())
    for name, optimizer in (
        ("cifar10", transport.SGD(0.01)),
        ("stl10", transport.SGD(0.01)),
        ("imagenet", transport.Adam(0.01, (0.0, 0.9))),
    ):
        what = tiny(name)
        assert torch.equal(what.start(5, rng()), z)
        ends = [what.move(z, 4, batch).final for batch in (None, 5)]
        ends.append(transport.latent_dot(what.pair, z, 1.0, steps=4, optimizer=optimizer).final)
        assert torch.equal(ends[0], ends[2]) and torch.equal(ends[0], ends[1])
    what = tiny("swissroll")
    y = what.start(5, rng())
    assert torch.equal(y, what.pair.generate(z))
    end = transport.target_dot(what.pair.discriminator, y, 1.0, steps=4).final
    assert torch.equal(what.move(y, 4).final, end) and not torch.equal(end, y)


def test_backprop_is_the_gradient_of_the_logit():
    what, z = tiny(), Uniform(2).sample(3, rng()).double()
    what = replace(what, pair=Pair(what.pair.generator.double(), what.pair.discriminator.double(), what.pair.prior))
    g, step = what.backprop(z), 1e-6
    for i in range(2):
        e = step * torch.eye(2, dtype=torch.float64)[i]
        slope = (what.pair.latent_logit(z + e) - what.pair.latent_logit(z - e)) / (2 * step)
        assert torch.allclose(g[:, i], slope, rtol=1e-6, atol=1e-8)
    assert not z.requires_grad


@pytest.mark.parametrize("name", SETTINGS)
def test_subjects_are_frozen_and_of_the_stated_shape(name):
    what = runtimes.subject(name, narrow=8)
    shape = {"swissroll": (2,), "cifar10": (3, 32, 32), "stl10": (3, 48, 48), "imagenet": (3, 128, 128)}[name]
    z = what.pair.prior.sample(2, rng())
    assert what.pair.generate(z).shape == (2, *shape)
    for network in (what.pair.generator, what.pair.discriminator):
        assert not any(p.requires_grad for p in network.parameters())
        assert not any("parametrizations" in key for key in network.state_dict())
    g = what.backprop(what.start(2, rng())).abs()
    assert float(g.max()) > 1e-25  # far from the denormal numbers that slow a processor down
    assert torch.equal(runtimes.subject(name, narrow=8).pair.generate(z), what.pair.generate(z))


# --- arithmetic --------------------------------------------------------------------------------


def test_operations_of_the_swissroll_and_dcgan_by_hand():
    """Two operations a product, forward and backward: 4 products; D of Table 4, pair of Table 5."""
    assert runtimes.work("swissroll").flops == 4 * (2 * 512 + 2 * 512 * 512 + 512)

    def dcgan(bottom):
        places = bottom * bottom
        G = 128 * 512 * places + places * 16 * (512 * 256 + 4 * 256 * 128 + 16 * 128 * 64) + 64 * places * 64 * 3 * 9
        D = places * (
            64 * 9 * 3 * 64
            + 16 * (16 * 64 * 128 + 4 * 128 * 256 + 256 * 512)
            + 9 * (16 * 128 * 128 + 4 * 256 * 256 + 512 * 512)
            + 512
        )
        return 4 * (G + D)

    assert runtimes.work("cifar10").flops == dcgan(4)
    assert runtimes.work("stl10").flops == dcgan(6) == dcgan(4) * 9 // 4


def test_operations_of_imagenet_by_hand():
    """A 3 x 3 convolution at each side of a block and a 1 x 1 beside, at their resolutions."""
    G, D, side = 128 * 16_384 + 128 * 128 * 27 * 64, 0, 8
    for i, o in ((1024, 1024), (1024, 512), (512, 256), (256, 128), (128, 64)):
        G += side * side * (9 * i * o + 9 * o * o + i * o)
        side *= 2
    D += 128 * 128 * (27 * 64 + 9 * 64 * 64) + 64 * 64 * 3 * 64
    for i, o, side in ((64, 128, 64), (128, 256, 32), (256, 512, 16), (512, 1024, 8)):
        D += side * side * (9 * i * i + 9 * i * o + i * o)
    D += 4 * 4 * 2 * 9 * 1024 * 1024 + 1024
    assert runtimes.work("imagenet").flops == 4 * (G + D)


def test_links_do_not_depend_on_the_size_of_images_or_networks():
    links = {name: runtimes.work(name).links for name in SETTINGS}
    assert links["cifar10"] == links["stl10"] < links["imagenet"]
    assert links["swissroll"] < links["cifar10"]
    for name in SETTINGS:
        narrow = runtimes.work(name, narrow=8)
        assert narrow.links == links[name] and narrow.flops < runtimes.work(name).flops / 16


def test_largest_batch_inverts_the_seconds():
    one = runtimes.Work(flops=2_000, links=1)
    assert one.largest_batch(3.0, rate=4e5) == pytest.approx(3 * 4e5 / (30 * 2_000))


def test_the_printed_ratio_and_its_error():
    """1.05(01) over 1.04(01): the error of a quotient by finite differences of each number."""
    value, sd = runtimes.printed_ratio("stl10", "cifar10")
    assert value == pytest.approx(1.05 / 1.04)
    parts = [(1.0501 / 1.04 - value) / 1e-4 * 0.01, (1.05 / 1.0401 - value) / 1e-4 * 0.01]
    assert sd == pytest.approx(math.hypot(*parts), rel=1e-3)
    assert [runtimes.printed(name).value for name in SETTINGS] == [0.310, 1.04, 1.05, 2.52]


def test_every_profile_has_every_setting_and_paper_is_as_published():
    """A figure joins the batches of a setting, so they are the first ones of the longest list."""
    for profile in ("smoke", "laptop", "paper"):
        c = runtimes.sizes(profile)
        longest = max((plan.batches for plan in c.plans.values()), key=len)
        assert list(c.plans) == list(SETTINGS) and sorted(set(longest)) == list(longest)
        assert all(plan.batches == longest[: len(plan.batches)] for plan in c.plans.values())
        assert c.runs >= 2 and c.narrow == (8 if profile == "smoke" else 1)
    assert c.runs == 10 and {plan.updates for plan in c.plans.values()} == {30}


def test_bad_arguments_are_refused_by_name():
    for make in (runtimes.networks, runtimes.printed, runtimes.work):
        with pytest.raises(InputError, match="name: unknown 'cifar'; .*nearest: cifar10"):
            make("cifar")
    with pytest.raises(InputError, match="profile: unknown 'smok'; .*nearest: smoke"):
        runtimes.sizes("smok")
    with pytest.raises(InputError, match="narrow: found 3"):
        runtimes.subject("swissroll", narrow=3)
    with pytest.raises(InputError, match="rows: .*found 0"):
        tiny().start(0, rng())
    for options in ({"seconds": 0.0}, {"seconds": 1.0, "rate": -1.0}):
        with pytest.raises(InputError, match="seconds: |rate: "):
            runtimes.Work(4, 1).largest_batch(**options)
