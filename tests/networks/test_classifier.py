"""The classifiers that judge images. Kinds of test: closed forms, invariances, failures."""

import pytest
import torch
from network_examples import count, noise
from sklearn.datasets import load_digits
from torch import nn

from dotlib.errors import InputError
from dotlib.networks.classifier import Classifier, ResidualClassifier
from dotlib.seeding import generator


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


@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32), (3, 48)])
def test_residual_classifier_counts_and_shapes(channels, size):
    """By hand: a stem of w maps, stages of 2, 4, 8 w; 3 x 3 convolutions without bias, each with a batch norm."""
    w, f = 8, 20
    convolutions = [(channels, w), (w, 2 * w), (2 * w, 2 * w), (2 * w, 4 * w), (4 * w, 4 * w)]
    convolutions += [(4 * w, 8 * w), (8 * w, 8 * w)]
    by_hand = sum(9 * a * b + 2 * b for a, b in convolutions) + (8 * w * f + f) + (f * 10 + 10)
    network = ResidualClassifier(channels=channels, size=size, width=w, features=f, rng=generator(0, "judge"))
    assert count(network) == by_hand
    features, logits = network(noise(2, channels, size, size, dtype=torch.float32))
    assert features.shape == (2, f) and logits.shape == (2, 10)
    assert [tuple(network.places[: 2 * i + 1](torch.zeros(2, channels, size, size)).shape[1:]) for i in range(4)] == [
        (wide, size // halved, size // halved) for wide, halved in ((w, 1), (2 * w, 2), (4 * w, 4), (8 * w, 8))
    ]


def test_residual_classifier_adds_what_came_in():
    """With a last batch norm of weight and bias 0 a residual layer is the identity."""
    network = ResidualClassifier(channels=1, size=8, width=4, rng=generator(0, "judge")).double().eval()
    residual, x = network.places[2], noise(3, 8, 4, 4)
    assert not torch.allclose(residual(x), x)
    for parameter in residual.residual[1].parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(residual(x), x)


def test_residual_classifier_rows_are_independent_in_evaluation_mode():
    network = ResidualClassifier(channels=1, size=8, width=4, rng=generator(0, "judge")).double()
    x = noise(5, 1, 8, 8)
    network(x)  # one step of the running statistics
    network.eval()
    for together, alone in zip(network(x), network(x[2:3]), strict=True):
        assert torch.allclose(together[2:3], alone, rtol=1e-12, atol=1e-13)


def test_residual_classifier_draws_its_weights_from_its_generator():
    first, again, other = (
        ResidualClassifier(channels=3, size=8, width=16, rng=generator(seed, "judge")).state_dict()
        for seed in (0, 0, 1)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn = [name for name, tensor in first.items() if tensor.ndim > 1]
    assert len(drawn) == 9 and not any(torch.equal(first[name], other[name]) for name in drawn)
    assert float(first["places.5.0.weight"].std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.05)


def test_residual_classifier_refuses_bad_sizes():
    with pytest.raises(InputError, match="size: found 12; pad the images to a multiple of 8"):
        ResidualClassifier(channels=1, size=12)
    with pytest.raises(InputError, match="classes: .*found 1"):
        ResidualClassifier(channels=1, size=8, classes=1)
    with pytest.raises(InputError, match="images|shape"):
        ResidualClassifier(channels=1, size=8)(noise(2, 3, 8, 8, dtype=torch.float32))
