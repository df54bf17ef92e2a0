"""The conditional pair of [DOT19] section 4.2: G(z | y) and the projection discriminator.

Kinds of test: second method (plain batch norm, spectral norm by the SVD), closed forms (parameter
and channel counts by hand, the projection term), invariances (rows alone, buffers), failures.
"""

import math

import pytest
import torch
from torch import nn

from dotlib.errors import InputError
from dotlib.networks import conditional
from dotlib.networks.conditional import CIFAR, ConditionalBatchNorm
from dotlib.networks.freezing import frozen
from dotlib.networks.layers import thermalise
from dotlib.pairs import Normal, Pair
from dotlib.seeding import generator

TINY = {"bottom": 1, "width": 2, "classes": 5}


def noise(*shape, name="x"):
    """Fixed normal numbers, float64."""
    return torch.randn(shape, generator=generator(0, name), dtype=torch.float64)


def labels(*classes):
    return torch.tensor(classes)


def small(role, **options):
    """A tiny float64 network in evaluation mode, every class with a gain and a bias of its own."""
    sizes = TINY | ({"latent": 6} if role == "Generator" else {}) | options
    network = getattr(conditional, role)(**sizes, rng=generator(0, role)).double()
    for name, p in network.named_parameters():
        p.data += 0.2 * noise(*p.shape, name=name)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * noise(module.num_features, name="mean"))
            module.running_var.copy_(0.5 + noise(module.num_features, name="var").square())
    return network.eval()


def settled(network):
    """Its frozen copy; the network itself goes through the power iterations, too."""
    thermalise(network)
    return frozen(network)


def count(network):
    return sum(p.numel() for p in network.parameters())


def features_of(D, x):
    """phi(x): what the dense layer of D is given."""
    seen = []
    handle = D.dense.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    D(x, torch.zeros(len(x), dtype=torch.int64))
    handle.remove()
    return seen[0]


def test_projection_is_the_inner_product_with_the_features():
    """D(x | y) = b + (w + V_y) . phi(x), so logits under any embedding are known from phi."""
    D = frozen(small("Discriminator"))
    x, y = noise(3, 3, 32, 32), labels(0, 4, 2)
    phi = features_of(D, x)
    assert phi.shape == (3, 32) and float(phi.min()) >= 0 < float(phi.max())
    expected = D.dense.bias + ((D.dense.weight + D.embedding.weight[y]) * phi).sum(1, keepdim=True)
    assert D(x, y).shape == (3, 1)
    assert torch.allclose(D(x, y), expected, rtol=1e-12, atol=1e-12)


def test_projection_is_linear_in_the_embedding():
    D, x, y = frozen(small("Discriminator")), noise(2, 3, 32, 32), labels(1, 1)
    first, second = noise(32, name="first"), noise(32, name="second")

    def with_embedding(v):
        D.embedding.weight[1] = v
        return D(x, y)

    bare = with_embedding(torch.zeros(32, dtype=torch.float64))
    together = with_embedding(2 * first - 3 * second)
    apart = 2 * (with_embedding(first) - bare) - 3 * (with_embedding(second) - bare)
    assert float((together - bare).abs().min()) > 1e-3
    assert torch.allclose(together - bare, apart, rtol=1e-10, atol=1e-12)
    with_embedding(D.dense.weight[0])  # V_y = w doubles the slope in phi
    assert torch.allclose(D(x, y) - D.dense.bias, 2 * (bare - D.dense.bias), rtol=1e-12, atol=0)


def test_features_are_sums_over_places():
    """No weights, biases c in the last block alone: phi = places max(c, 0), 16 x for bottom 4."""
    for bottom, places in ((1, 1), (2, 4), (4, 16)):
        D = frozen(small("Discriminator", bottom=bottom))
        for p in D.blocks.parameters():
            p.zero_()
        c = noise(32, name="c")
        D.blocks[-1].conv2.bias.copy_(c)
        phi = features_of(D, noise(2, 3, 32 * bottom, 32 * bottom))
        assert torch.allclose(phi, places * c.clamp(min=0).expand(2, 32), rtol=1e-14, atol=0)


@pytest.mark.parametrize("training", [True, False])
def test_equal_gains_for_all_classes_are_a_plain_batch_norm(training):
    """Values, gradients and the statistics that training leaves; sums in another order: 1e-12."""
    plain = nn.BatchNorm2d(4, eps=2e-5).double().train(training)
    ours = ConditionalBatchNorm(4, 3).double().train(training)
    plain.weight.data, plain.bias.data = noise(4, name="gain"), noise(4, name="bias")
    ours.gain.weight.data = plain.weight.detach().expand(3, 4).clone()
    ours.bias.weight.data = plain.bias.detach().expand(3, 4).clone()
    x = 3 * noise(6, 4, 2, 5) + 1
    pull, results = noise(6, 4, 2, 5, name="pull"), []
    for norm in (plain, lambda x: ours(x, labels(0, 1, 2, 2, 0, 1))):
        leaf = x.clone().requires_grad_(True)
        out = norm(leaf)
        results.append((out, torch.autograd.grad((out * pull).sum(), leaf)[0]))
    for first, second in zip(*results, strict=True):
        assert torch.allclose(first, second, rtol=1e-12, atol=1e-12)
    assert torch.equal(plain.running_mean, ours.norm.running_mean)
    assert torch.equal(plain.running_var, ours.norm.running_var)


def test_each_row_has_the_gain_and_the_bias_of_its_class():
    norm = ConditionalBatchNorm(2, 3).double().eval()
    norm.gain.weight.data = torch.tensor([[1, 1], [2, 3], [5, 7]], dtype=torch.float64)
    norm.bias.weight.data = torch.tensor([[0, 0], [1, 0], [0, -1]], dtype=torch.float64)
    x = torch.ones(3, 2, 1, 1, dtype=torch.float64)  # mean 0, variance 1 at first
    one = 1 / math.sqrt(1 + 2e-5)
    expected = torch.tensor([[5 * one, 7 * one - 1], [1 * one, one], [1 + 2 * one, 3 * one]])
    found = norm(x, labels(2, 0, 1)).flatten(1)
    assert torch.allclose(found, expected.double(), rtol=0, atol=1e-6)


def test_first_gains_are_one_and_biases_zero():
    G = conditional.Generator(**TINY, rng=generator(0, "G"))
    norms = [m for m in G.modules() if isinstance(m, ConditionalBatchNorm)]
    assert len(norms) == 10
    assert all((m.gain.weight == 1).all() and (m.bias.weight == 0).all() for m in norms)
    assert {m.norm.eps for m in norms} | {G.norm.eps} == {2e-5}


def test_parameter_counts_at_full_width():
    """64 channels, 1,000 classes; weights + biases, a gain and a bias a class. On shapes alone."""
    with torch.device("meta"):
        G, D = conditional.Generator(), conditional.Discriminator()
    by_hand = 128 * 16_384 + 16_384
    for i, o in ((1024, 1024), (1024, 512), (512, 256), (256, 128), (128, 64)):
        by_hand += (9 * i * o + o) + (9 * o * o + o) + (i * o + o) + 2 * 1000 * (i + o)
    by_hand += 2 * 64 + (64 * 3 * 9 + 3)
    assert count(G) == by_hand == 41_996_931
    by_hand = (3 * 64 * 9 + 64) + (64 * 64 * 9 + 64) + (3 * 64 + 64)
    for i, o in ((64, 128), (128, 256), (256, 512), (512, 1024)):
        by_hand += (9 * i * i + i) + (9 * i * o + o) + (i * o + o)
    by_hand += 2 * (9 * 1024 * 1024 + 1024) + (1024 + 1) + 1000 * 1024
    assert count(D) == by_hand == 30_041_857


def test_shapes_and_channels_of_each_block():
    """The ladders of the paper at 1/32 of the width, at 128 x 128."""
    G = conditional.Generator(width=2, classes=3, rng=generator(0, "G")).eval()
    D = conditional.Discriminator(width=2, classes=3, rng=generator(0, "D")).eval()
    seen = []
    for block in (*G.blocks, *D.blocks):
        block.register_forward_hook(lambda m, inputs, out: seen.append(tuple(out.shape[1:])))
    with torch.no_grad():
        x = G(noise(2, 128).float(), labels(0, 2))
        assert x.shape == (2, 3, 128, 128) and float(x.abs().max()) <= 1
        assert D(x, labels(0, 2)).shape == (2, 1)
    up = [(32, 8, 8), (16, 16, 16), (8, 32, 32), (4, 64, 64), (2, 128, 128)]
    down = [(2, 64, 64), (4, 32, 32), (8, 16, 16), (16, 8, 8), (32, 4, 4), (32, 4, 4)]
    assert seen == up + down


def test_first_weights_fill_the_glorot_interval():
    """Uniform on (-a, a): variance a^2 / 3, kurtosis 9 / 5; sqrt 2 wider in residual branches."""
    G = conditional.Generator(bottom=1, width=16, classes=3, rng=generator(0, "G"))
    for module, gain, fans in (
        (G.dense, 1, 128 + 256),
        (G.blocks[1].conv1, 2, 9 * 384),
        (G.blocks[1].shortcut, 1, 384),
    ):
        w, n = module.weight.detach().double(), module.weight.numel()
        reach = math.sqrt(6 * gain / fans)
        assert 0.99 * reach < float(w.abs().max()) <= reach * (1 + 1e-6)
        spread = math.sqrt(4 / 45 / n)  # of the mean of w^2 / a^2
        assert abs(float(w.square().mean()) / reach**2 - 1 / 3) < 5 * spread
        assert float(module.bias.detach().abs().max()) == 0


@pytest.mark.parametrize("role", ["Generator", "Discriminator"])
def test_weights_follow_the_generator_alone(role):
    states = []
    for seed in (4, 4, 5):
        torch.rand(seed, generator=torch.default_generator)  # moves the global state
        states.append(getattr(conditional, role)(**TINY, rng=generator(seed, "w")).state_dict())
    first, again, other = states
    assert all(torch.equal(t, again[name]) for name, t in first.items())
    drawn = [name for name in first if name.endswith(("conv1.weight", "original", "_u", "_v"))]
    assert len(drawn) >= 5
    assert not any(torch.equal(first[name], other[name]) for name in drawn if first[name].numel() > 1)


def test_every_layer_of_D_is_normalised_and_none_of_G():
    """sigma of a fresh D is near 1 already: 15 iterations; thermalised by the SVD to 1e-6."""
    kinds = nn.Linear | nn.Conv2d | nn.Embedding
    G, D = small("Generator"), conditional.Discriminator(**TINY, rng=generator(0, "D")).double()
    layers = [m for m in D.modules() if isinstance(m, kinds)]
    assert len(layers) == 2 + 2 * 6 + 5 and all(hasattr(m, "parametrizations") for m in layers)
    assert not any(hasattr(m, "parametrizations") for m in G.modules())
    fresh = [m.weight.detach().clone() for m in layers]
    exact = [m.weight for m in settled(D).modules() if isinstance(m, kinds)]
    for first, last in zip(fresh, exact, strict=True):
        sigma, rough = (float(torch.linalg.matrix_norm(w.flatten(1), 2)) for w in (last, first))
        assert sigma == pytest.approx(1, abs=1e-6) and 0.99 < rough < 1.5


def test_evaluation_moves_no_buffer_and_training_does():
    for role, x in (("Generator", noise(3, 6)), ("Discriminator", noise(3, 3, 32, 32))):
        network = small(role)
        before = {name: t.clone() for name, t in network.named_buffers()}
        network(x, labels(0, 1, 4))
        assert all(torch.equal(t, before[name]) for name, t in network.named_buffers())
        network.train()(x, labels(0, 1, 4))
        assert any(not torch.equal(t, before[name]) for name, t in network.named_buffers())


def test_frozen_is_the_network_at_every_class():
    """Spectral norm baked in, conditional gains unharmed: values and gradients to 1e-10."""
    G, D = small("Generator"), small("Discriminator")
    still = [settled(G), settled(D)]
    for y in range(5):
        results = []
        for networks in (still, (G, D)):
            z = noise(3, 6).requires_grad_(True)
            logit = Pair(*networks, Normal(6)).conditioned_on(y).latent_logit(z)
            results.append((logit, torch.autograd.grad(logit.sum(), z)[0]))
        for first, second in zip(*results, strict=True):
            assert torch.allclose(first, second, rtol=1e-10, atol=1e-12)
    assert any("gain" in name for name in still[0].state_dict())
    for network in still:
        assert not any(p.requires_grad for p in network.parameters())
        assert not any("parametrizations" in name for name in network.state_dict())


def test_binding_commutes_with_freezing_and_rows_are_alone():
    G, D = small("Generator"), small("Discriminator")
    y, z = labels(3, 0, 4), noise(3, 6)
    bound = Pair(G, D, Normal(6)).conditioned_on(y)
    bound = Pair(frozen(bound.generator), frozen(bound.discriminator), bound.prior)
    alone = [Pair(frozen(G), frozen(D), Normal(6)).conditioned_on(int(one)) for one in y]
    together = bound.latent_logit(z)
    for row, pair in enumerate(alone):
        assert torch.allclose(pair.latent_logit(z[row : row + 1]), together[row : row + 1], rtol=1e-10, atol=1e-12)
    assert not torch.equal(alone[0].latent_logit(z), alone[1].latent_logit(z))


def test_without_a_class_the_embedding_does_not_act():
    """D(x) is D(x | y) with a zero embedding, for every y, and the logit of the dense layer alone."""
    D, x, y = frozen(small("Discriminator")), noise(3, 3, 32, 32), labels(0, 4, 2)
    head, conditioned, phi = D(x), D(x, y), features_of(D, x)
    assert torch.equal(head, D.dense(phi)) and head.shape == (3, 1)
    assert float((conditioned - head).abs().min()) > 1e-3
    D.embedding.weight.zero_()
    assert torch.equal(D(x, y), head)


def test_the_gradient_of_a_bound_pair_is_that_of_finite_differences():
    """Of D(G(z | y) | y), rows of three classes, float64. ReLU has kinks, which a small step rarely crosses."""
    pair = Pair(frozen(small("Generator")), frozen(small("Discriminator")), Normal(6)).conditioned_on(labels(1, 4, 0))
    z = noise(3, 6).requires_grad_(True)
    assert float(torch.autograd.grad(pair.latent_logit(z).sum(), z)[0].abs().max()) > 1e-3
    assert torch.autograd.gradcheck(pair.latent_logit, z, eps=1e-7, atol=1e-6)


def test_the_ladder_of_cifar_has_its_own_sizes():
    """Three up blocks of one width; D halves twice, then keeps the side, and its dense layer has no bias."""
    for bottom, channels in ((1, 1), (4, 3)):
        sizes = {"bottom": bottom, "width": 32, "classes": 10, "channels": channels, "ladder": CIFAR}
        G = conditional.Generator(**sizes, latent=64, rng=generator(0, "G")).eval()
        D = conditional.Discriminator(**sizes, rng=generator(0, "D")).eval()
        seen = []
        for block in (*G.blocks, *D.blocks):
            block.register_forward_hook(lambda m, inputs, out, seen=seen: seen.append(tuple(out.shape[1:])))
        with torch.no_grad():
            x = G(noise(2, 64).float(), labels(0, 9))
            assert x.shape == (2, channels, 8 * bottom, 8 * bottom) and D(x, labels(0, 9)).shape == (2, 1)
        assert seen == [(32, side * bottom, side * bottom) for side in (2, 4, 8, 4, 2, 2, 2)]
        by_hand = (64 + 1) * 32 * bottom**2 + 3 * (2 * (9 * 32 + 1) * 32 + (32 + 1) * 32 + 4 * 10 * 32)
        by_hand += 2 * 32 + (32 * 9 + 1) * channels
        assert count(G) == by_hand
        by_hand = (9 * channels + 1) * 32 + (9 * 32 + 1) * 32 + (channels + 1) * 32
        by_hand += 2 * (9 * 32 + 1) * 32 + (32 + 1) * 32 + 4 * (9 * 32 + 1) * 32 + 32 + 10 * 32
        assert count(D) == by_hand
        assert D.dense.bias is None
    assert count(conditional.Generator(bottom=1, width=32, latent=64, classes=10, channels=1, ladder=CIFAR)) == 64_929


def test_networks_of_two_ladders_differ():
    """The ladder is not ignored: another one has other blocks and other images."""
    for make in (conditional.Generator, conditional.Discriminator):
        ours, theirs = (make(width=2, classes=3, ladder=ladder) for ladder in (CIFAR, conditional.IMAGENET))
        assert len(ours.blocks) < len(theirs.blocks) and count(ours) < count(theirs)
    assert conditional.Discriminator(width=2, classes=3, ladder=CIFAR).image_shape == (3, 32, 32)


def test_classes_are_refused_by_name():
    G, D = small("Generator"), small("Discriminator")
    z = noise(2, 6)
    for y, message in (
        (labels(0, 5), "y: found classes 0 to 5; they are numbered from 0 to 4"),
        (labels(-1, 0), "y: found classes -1 to 0"),
        (labels(0), r"y: expected 2 integers, found shape \(1,\)"),
        (labels(0.0, 1.0), "y: expected 2 integers, .* of torch.float32"),
    ):
        with pytest.raises(InputError, match=message):
            G(z, y)
    for y in (5, -1, labels(0, 7)):
        with pytest.raises(InputError, match="y: found classes"):
            Pair(G, D, Normal(6)).conditioned_on(y).generate(z)
    with pytest.raises(InputError, match="y: found classes 5 to 5; they are numbered from 0 to 4"):
        Pair(small("Generator", classes=6), D, Normal(6)).conditioned_on(5).latent_logit(z)


def test_sizes_and_images_are_refused_by_name():
    for name in ("bottom", "width", "classes"):
        for make in (conditional.Generator, conditional.Discriminator):
            with pytest.raises(InputError, match=f"{name}: expected an integer >= 1, found 0"):
                make(**{name: 0})
    with pytest.raises(InputError, match="latent: .*found 2.5"):
        conditional.Generator(latent=2.5)
    with pytest.raises(InputError, match=r"x: expected images \(B, 3, 32, 32\), found shape"):
        small("Discriminator")(noise(1, 3, 64, 64), labels(0))
