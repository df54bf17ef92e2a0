"""The image networks: [DOT19] Tables 5 and 6, Figures 6 to 8, spectral norm, classifier.

Kinds of test: identities (gamma = 0, a round trip of the state, copies), closed forms (parameter
counts by hand, shapes), invariances (rows alone, seeds), second method (attention by loops, the
SVD, central differences), statistics of the first weights, failures.
"""

import copy
import math

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

from dotlib.errors import InputError
from dotlib.networks import dcgan, resnet
from dotlib.networks.classifier import Classifier
from dotlib.networks.layers import SelfAttention, layer, spectral, thermalise
from dotlib.seeding import generator
from dotlib.training.objectives import gradient_penalty

SIZES = [(4, 32), (6, 48), (1, 8)]
SWITCHES = [(False, False), (True, False), (True, True), (False, True)]


def count(network):
    """Number of parameters."""
    return sum(p.numel() for p in network.parameters())


def noise(*shape, name="x", dtype=torch.float64):
    """Fixed normal numbers."""
    return torch.randn(shape, generator=generator(0, name), dtype=dtype)


def small(kind, role, name="weights", **options):
    """A tiny float64 network in evaluation mode, gamma not 0 and batch statistics not trivial."""
    sizes = {"bottom": 1, "channels": 1, "width": 16, "spectral": True, "attention": True}
    sizes |= ({"latent": 5} if role == "Generator" else {}) | options
    network = getattr(kind, role)(**sizes, rng=generator(0, name)).double()
    for module in network.modules():
        if isinstance(module, SelfAttention):
            nn.init.constant_(module.gamma, 0.7)
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.running_mean.copy_(0.1 * noise(module.num_features, name="mean"))
            module.running_var.copy_(0.5 + noise(module.num_features, name="var").square())
    return network.eval()


# --- Tables 5 and 6: counts by hand, weights + biases; batch norm has scale and shift ---

ATTENTION_128 = 2 * (128 * 16 + 16) + (128 * 128 + 128) + 1  # query, key; value; gamma
ATTENTION_256 = 2 * (256 * 32 + 32) + (256 * 256 + 256) + 1


@pytest.mark.parametrize(("bottom", "total"), [(4, 3_828_739), (6, 5_170_179)])
def test_parameter_counts_of_table_5_generator(bottom, total):
    flat = 512 * bottom * bottom  # 8,192 and 18,432 features
    by_hand = (
        (128 * flat + flat)
        + 2 * flat
        + (512 * 256 * 16 + 256)
        + 2 * 256
        + (256 * 128 * 16 + 128)
        + 2 * 128
        + (128 * 64 * 16 + 64)
        + 2 * 64
        + (64 * 3 * 9 + 3)
    )
    assert by_hand == total
    assert count(dcgan.Generator(bottom=bottom)) == by_hand
    sagan = dcgan.Generator(bottom=bottom, spectral=True, attention=True)
    assert count(sagan) == by_hand + ATTENTION_128


@pytest.mark.parametrize(("bottom", "total"), [(4, 5_860_865), (6, 5_871_105)])
def test_parameter_counts_of_table_5_discriminator(bottom, total):
    by_hand = (
        (3 * 64 * 9 + 64)
        + (64 * 128 * 16 + 128)
        + (128 * 128 * 9 + 128)
        + (128 * 256 * 16 + 256)
        + (256 * 256 * 9 + 256)
        + (256 * 512 * 16 + 512)
        + (512 * 512 * 9 + 512)
        + (512 * bottom * bottom + 1)
    )
    assert by_hand == total
    assert count(dcgan.Discriminator(bottom=bottom)) == by_hand
    assert count(dcgan.Discriminator(bottom=bottom, spectral=True)) == by_hand
    sagan = dcgan.Discriminator(bottom=bottom, spectral=True, attention=True)
    assert count(sagan) == by_hand + ATTENTION_128


@pytest.mark.parametrize(("bottom", "n"), [(4, 2), (6, 1)])
def test_parameter_counts_of_table_6_generator(bottom, n):
    """n = 2 for CIFAR-10, 1 for STL-10; 128 n channels and latent coordinates."""
    c, flat = 128 * n, 128 * n * bottom * bottom
    block = 2 * c + (c * c * 9 + c) + 2 * c + (c * c * 9 + c) + (c * c * 9 + c)  # the shortcut
    by_hand = (c * flat + flat) + 3 * block + 2 * c + (c * 3 * 9 + 3)
    attention = {1: ATTENTION_128, 2: ATTENTION_256}[n]
    plain = resnet.Generator(bottom=bottom, latent=c, width=c, spectral=False, attention=False)
    assert count(plain) == by_hand
    assert count(resnet.Generator(bottom=bottom, latent=c, width=c)) == by_hand + attention


@pytest.mark.parametrize(("bottom", "side"), [(4, 8), (6, 12)])
def test_parameter_counts_of_table_6_discriminator(bottom, side):
    """Two halvings: 32 to 8 and 48 to 12."""
    same, halve = 128 * 128 * 9 + 128, 128 * 128 * 16 + 128
    by_hand = (
        (3 * 128 * 9 + 128)
        + halve
        + (3 * 128 * 16 + 128)  # down1, with its shortcut
        + same
        + halve
        + halve  # down2, with its shortcut
        + 2 * same
        + 2 * same  # down3, twice
        + (128 * side * side + 1)
    )
    plain = resnet.Discriminator(bottom=bottom, spectral=False, attention=False)
    assert count(plain) == by_hand
    assert count(resnet.Discriminator(bottom=bottom)) == by_hand + ATTENTION_128


@pytest.mark.parametrize("kind", [dcgan, resnet])
@pytest.mark.parametrize(("spectral", "attention"), SWITCHES)
@pytest.mark.parametrize(("bottom", "side"), SIZES)
def test_shapes_and_range(kind, spectral, attention, bottom, side):
    switches = {"bottom": bottom, "channels": 3, "width": 8, "spectral": spectral, "attention": attention}
    G = kind.Generator(latent=7, **switches, rng=generator(0, "G"))
    D = kind.Discriminator(**switches, rng=generator(0, "D"))
    x = G(noise(3, 7, dtype=torch.float32))
    assert x.shape == (3, 3, side, side) and float(x.detach().abs().max()) <= 1
    assert D(x).shape == (3, 1)


def test_order_of_layers_in_table_5():
    """[DOT19] Table 5 with the ReLU of the released code after the first batch norm."""
    G = dcgan.Generator(bottom=1, width=8, attention=True)
    up = ["ConvTranspose2d", "BatchNorm2d", "ReLU"]
    assert [type(part).__name__ for part in G] == [
        "Linear",
        "BatchNorm1d",
        "ReLU",
        "Unflatten",
        *up,
        *up,
        "SelfAttention",
        *up,
        "ConvTranspose2d",
        "Tanh",
    ]
    assert {part.eps for part in G if "Norm" in type(part).__name__} == {2e-5}
    D = dcgan.Discriminator(bottom=1, width=8, attention=True)
    step = ["Conv2d", "LeakyReLU"]
    assert [type(part).__name__ for part in D] == [
        *step,
        *step,
        "SelfAttention",
        *step,
        *step,
        *step,
        *step,
        *step,
        "Flatten",
        "Linear",
    ]
    assert {part.slope for part in D if type(part).__name__ == "LeakyReLU"} == {0.2}


def test_every_layer_is_normalised_or_none():
    """Attention always is (Figure 6)."""
    for kind in (dcgan, resnet):
        for role in ("Generator", "Discriminator"):
            for wanted in (True, False):
                network = getattr(kind, role)(bottom=1, width=8, spectral=wanted, attention=False)
                layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]
                assert len(layers) >= 5
                assert {hasattr(m, "parametrizations") for m in layers} == {wanted}


def test_resnet_block_without_its_last_layer_is_its_shortcut():
    """Figure 7: the shortcut of `up` is a convolution of the unpooled input, a linear map."""
    block = next(m for m in small(resnet, "Generator", spectral=False) if hasattr(m, "shortcut"))
    nn.init.zeros_(block.residual[-1].weight)
    x = noise(2, 16, 3, 3)
    big = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(block(x), block.shortcut[-1](big))


def test_resnet_down_blocks_by_what_they_ignore():
    """Figure 8: down3 adds ReLU terms to x itself; with x < 0 only its biases are added, here 0.
    Figure 7: down1 sees the pixels before any ReLU; a change of a negative pixel matters."""
    D = small(resnet, "Discriminator", attention=False)
    x = -noise(2, 16, 2, 2).abs()
    assert torch.equal(D[2](x), x)
    assert torch.equal(D[1](x), D[1].shortcut(x))
    pixels = -noise(1, 1, 8, 8).abs()
    change = D[0].residual(pixels) - D[0].residual(2 * pixels)
    assert float(change.detach().abs().max()) > 1e-3


def test_resnet_order_matters_and_published_is_relu_first():
    """The same weights, the two layers exchanged."""
    published, usual = (small(resnet, "Generator", order=order) for order in ("published", "usual"))
    z = noise(4, 5)
    scale = float(usual(z).detach().abs().max())
    assert float((published(z) - usual(z)).detach().abs().max()) > 0.1 * scale
    names = [[type(part).__name__ for part in list(G)[-4:-2]] for G in (published, usual)]
    assert names == [["ReLU", "BatchNorm2d"], ["BatchNorm2d", "ReLU"]]


# --- attention ---------------------------------------------------------------------------------


def test_attention_starts_as_the_identity():
    x = noise(2, 16, 3, 2)
    assert torch.equal(SelfAttention(16, rng=generator(0, "a")).double()(x), x)


def test_attention_by_loops():
    """Places one by one, as Figure 6 says it; sums of 6 terms, so 1e-12."""
    attention = SelfAttention(16, rng=generator(0, "a")).double().eval()
    nn.init.constant_(attention.gamma, 0.7)
    x = noise(2, 16, 3, 2)
    query, key, value = (part(x).flatten(2).tolist() for part in (attention.query, attention.key, attention.value))
    out = attention(x).flatten(2).tolist()
    assert len(query[0]) == len(key[0]) == 2 and len(value[0]) == 16
    for b in range(2):
        for i in range(6):
            power = [math.exp(sum(query[b][s][i] * key[b][s][j] for s in range(2))) for j in range(6)]
            for c in range(16):
                mixed = sum(p * value[b][c][j] for j, p in enumerate(power)) / sum(power)
                expected = float(x.flatten(2)[b, c, i]) + 0.7 * mixed
                assert out[b][c][i] == pytest.approx(expected, abs=1e-12)


def test_attention_has_no_sense_of_place():
    """Moving the places moves the answer along."""
    attention = small(dcgan, "Discriminator", width=32, bottom=2)[4]
    assert isinstance(attention, SelfAttention)
    x, order = noise(1, 8, 4, 4), torch.randperm(16, generator=generator(0, "order"))
    moved = x.flatten(2)[:, :, order].reshape(x.shape)
    assert torch.allclose(attention(moved).flatten(2), attention(x).flatten(2)[:, :, order], rtol=0, atol=1e-13)


# --- spectral norm -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Conv2d(128, 256, 3),
        lambda: nn.ConvTranspose2d(256, 128, 4),
        lambda: nn.Linear(128, 2048),
        lambda: nn.Linear(8192, 1),
    ],
    ids=["conv", "deconv", "up", "one"],
)
def test_sigma_is_the_svds_after_thermalising(make):
    """On the axis of the released code: rows are axis 0, the inputs of a transposed convolution.

    Full width and random, where singular values lie so close that 100 power iterations are up to
    1 % off.
    """
    module = layer(make(), normalise=True, rng=generator(0, "w"))
    before = module.parametrizations.weight.original.detach().clone()
    assert float(torch.linalg.matrix_norm(module.eval().weight.detach().flatten(1), 2)) > 0
    module.train()
    thermalise(module, 10)
    assert module.training and module.parametrizations.weight[0].training
    assert torch.equal(module.parametrizations.weight.original, before)
    top = torch.linalg.matrix_norm(module.eval().weight.detach().double().flatten(1), 2)
    assert float(top) == pytest.approx(1, abs=1e-5)  # the bar is 1e-3


def test_thermalising_twice_changes_nothing_more():
    network = small(dcgan, "Discriminator")
    x = noise(3, 1, 8, 8)
    thermalise(network)
    once = network(x)
    thermalise(network, 7)
    assert torch.allclose(network(x), once, rtol=1e-10, atol=0)
    thermalise(nn.Linear(2, 3))  # nothing to do


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_evaluation_changes_no_buffer_and_training_does(kind):
    for role, x in (("Generator", noise(3, 5)), ("Discriminator", noise(3, 1, 8, 8))):
        network = small(kind, role)
        before = {name: t.clone() for name, t in network.named_buffers()}
        network(x)
        assert all(torch.equal(t, before[name]) for name, t in network.named_buffers())
        network.train()(x)
        moved = {name.rsplit(".", 1)[1] for name, t in network.named_buffers() if not torch.equal(t, before[name])}
        assert {"_u", "_v"} <= moved


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_gradient_penalty_has_the_derivative_of_its_values(kind):
    """Second derivatives through spectral norm and attention, against central differences.

    Step 1e-5 in float64: truncation and rounding both about 1e-10 of a value of order 1. The
    direction is one for all weights; u and v stand still in evaluation mode.
    """
    D = small(kind, "Discriminator", width=8)
    for p in D.parameters():
        p.data += 0.3 * noise(*p.shape, name="start")  # off the small start: gradients of order 1
    real, fake = noise(4, 1, 8, 8), noise(4, 1, 8, 8, name="fake")

    def penalty():
        return gradient_penalty(D, real, fake, target=1.0, rng=generator(0, "mix"))

    parameters = list(D.parameters())
    direction = [noise(*p.shape, name=f"d{i}") for i, p in enumerate(parameters)]
    gradients = torch.autograd.grad(penalty(), parameters, allow_unused=True)
    slope = sum(float((g * d).sum()) for g, d in zip(gradients, direction, strict=True) if g is not None)
    values = []
    for step in (1e-5, -1e-5):
        for p, d in zip(parameters, direction, strict=True):
            p.data += step * d
        values.append(float(penalty().detach()))
        for p, d in zip(parameters, direction, strict=True):
            p.data -= step * d
    assert abs(slope) > 1e-3
    assert (values[0] - values[1]) / 2e-5 == pytest.approx(slope, rel=1e-4)


def updates(network, optimiser, steps, start):
    """Some steps of training on fixed draws."""
    for step in range(start, start + steps):
        optimiser.zero_grad()
        network(noise(4, 1, 8, 8, name=f"batch {step}", dtype=torch.float32)).square().sum().backward()
        optimiser.step()


def test_state_dict_continues_to_the_last_bit():
    """Six updates at once, or three, a saved state into a fresh network, and three more."""
    options = {"bottom": 1, "channels": 1, "width": 8, "spectral": True, "attention": True}
    whole = dcgan.Discriminator(**options, rng=generator(0, "D"))
    updates(whole, torch.optim.SGD(whole.parameters(), 0.1), 6, 0)
    half = dcgan.Discriminator(**options, rng=generator(0, "D"))
    updates(half, torch.optim.SGD(half.parameters(), 0.1), 3, 0)
    state = {name: t.clone() for name, t in half.state_dict().items()}
    again = dcgan.Discriminator(**options, rng=generator(1, "other"))
    again.load_state_dict(state, strict=True)
    updates(again, torch.optim.SGD(again.parameters(), 0.1), 3, 3)
    assert {name.rsplit(".", 1)[-1] for name in state} >= {"_u", "_v", "original", "bias"}
    end = again.state_dict()
    assert all(torch.equal(t, end[name]) for name, t in whole.state_dict().items())


def test_a_deep_copy_is_equal_and_apart():
    network = small(dcgan, "Discriminator")
    x, twin = noise(3, 1, 8, 8), copy.deepcopy(network)
    before = network(x)
    assert torch.equal(twin(x), before)
    for p in twin.parameters():
        p.data.add_(0.1)
    twin.train()(x)
    assert torch.equal(network(x), before)


# --- first weights, independence, failures -----------------------------------------------------


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_weights_follow_the_generator_alone(kind):
    """Singular vectors too."""
    options = {"bottom": 1, "width": 8, "spectral": True, "attention": True}
    for role in ("Generator", "Discriminator"):
        states = []
        for seed in (4, 4, 5):
            torch.rand(seed, generator=torch.default_generator)  # moves the global state
            states.append(getattr(kind, role)(**options, rng=generator(seed, "w")).state_dict())
        first, again, other = states
        assert all(torch.equal(t, again[name]) for name, t in first.items())
        assert all(
            not torch.equal(t, other[name])
            for name, t in first.items()
            if name.endswith(("original", "_u", "_v")) and t.numel() > 1
        )


def test_first_weights_are_normal_with_std_002():
    """Sum of squares over the variance is chi-square with n degrees; 5 standard deviations."""
    for network in (
        dcgan.Generator(bottom=1, width=64, rng=generator(0, "G")),
        dcgan.Discriminator(bottom=1, width=64, rng=generator(0, "D")),
    ):
        for module in network:
            if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                w, n = module.weight.detach().double() / 0.02, module.weight.numel()
                assert abs(float(w.square().sum()) - n) < 5 * math.sqrt(2 * n)
                assert abs(float(w.sum())) < 5 * math.sqrt(n)
                assert float(module.bias.detach().abs().max()) == 0


@pytest.mark.parametrize("kind", [dcgan, resnet])
def test_rows_are_independent_in_evaluation(kind):
    """Sums in other orders: 1e-13 of values of order 1."""
    for role, x in (("Generator", noise(5, 5)), ("Discriminator", noise(5, 1, 8, 8))):
        network = small(kind, role)
        alone = torch.cat([network(row[None]) for row in x])
        assert torch.allclose(network(x), alone, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", [dcgan, resnet])
@pytest.mark.parametrize("role", ["Generator", "Discriminator"])
def test_sizes_are_refused_by_name(kind, role):
    make = getattr(kind, role)
    with pytest.raises(InputError, match="width: found 20; .*multiple of 8 such as 16"):
        make(width=20)
    with pytest.raises(InputError, match="bottom: expected an integer >= 1, found 0"):
        make(bottom=0)
    with pytest.raises(InputError, match="channels: .*found 2.5"):
        make(channels=2.5)


def test_images_of_another_shape_are_refused():
    for D in (small(dcgan, "Discriminator"), small(resnet, "Discriminator"), Classifier(channels=1, size=8, width=2)):
        for shape in ((2, 1, 9, 9), (2, 3, 8, 8), (1, 8, 8), (2, 64)):
            with pytest.raises(InputError, match=r"x: expected images \(B, 1, 8, 8\), found shape"):
                D(torch.zeros(shape))


def test_other_failures_name_the_argument():
    with pytest.raises(InputError, match="latent: .*found 0"):
        dcgan.Generator(latent=0)
    with pytest.raises(InputError, match="order: unknown 'usul'; known: published, usual; nearest"):
        resnet.Generator(order="usul")
    with pytest.raises(InputError, match="iterations: .*found -1"):
        thermalise(spectral(nn.Linear(2, 2)), -1)
    with pytest.raises(InputError, match="channels: .*found 0"):
        SelfAttention(0)


# --- the classifier ----------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (3, 48)])
def test_classifier_counts_and_shapes(channels, size):
    """By hand: c-32-64-64 channels in 3 x 3 convolutions, two halvings, 64 features, 10 classes."""
    by_hand = (
        (channels * 32 * 9 + 32)
        + (32 * 64 * 9 + 64)
        + (64 * 64 * 9 + 64)
        + (64 * (size // 4) * (size // 4) * 64 + 64)
        + (64 * 10 + 10)
    )
    network = Classifier(channels=channels, size=size, rng=generator(0, "judge"))
    assert count(network) == by_hand
    features, logits = network(noise(2, channels, size, size, dtype=torch.float32))
    assert features.shape == (2, 64) and logits.shape == (2, 10)


def test_classifier_rows_are_independent_in_training_mode():
    network = Classifier(channels=1, size=8, width=4, rng=generator(0, "judge")).double().train()
    x = noise(5, 1, 8, 8)
    for together, alone in zip(network(x), network(x[2:3]), strict=True):
        assert torch.allclose(together[2:3], alone, rtol=1e-12, atol=1e-13)


def test_classifier_learns_the_digits():
    """300 of 1,797 images are kept out. 95 % leaves room for one rounding in another order."""
    images, labels = load_digits(return_X_y=True)
    mixed = torch.randperm(len(labels), generator=generator(0, "split"))
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8)[mixed] / 8 - 1
    y = torch.tensor(labels)[mixed]
    network = Classifier(channels=1, size=8, width=16, rng=generator(0, "judge"))
    adam, rng = torch.optim.Adam(network.parameters(), 3e-3), generator(0, "order")
    for _ in range(6):
        for rows in torch.randperm(1497, generator=rng).split(50):
            adam.zero_grad()
            nn.functional.cross_entropy(network(x[rows])[1], y[rows]).backward()
            adam.step()
    with torch.no_grad():
        right = float((network(x[1497:])[1].argmax(1) == y[1497:]).float().mean())
    assert right > 0.95


def test_classifier_refuses_bad_sizes():
    for size in (4, 7):
        with pytest.raises(InputError, match=f"size: .*>= 8, found {size}"):
            Classifier(channels=1, size=size)
    with pytest.raises(InputError, match="size: found 30; pad the images to a multiple of 4"):
        Classifier(channels=1, size=30)
    with pytest.raises(InputError, match="classes: .*found 1"):
        Classifier(channels=1, size=8, classes=1)
