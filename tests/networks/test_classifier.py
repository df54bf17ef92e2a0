"""The classifier that judges images. Kinds of test: closed forms, invariances, failures."""

import pytest
import torch
from network_examples import count, noise
from sklearn.datasets import load_digits
from torch import nn

from dotlib.errors import InputError
from dotlib.networks.classifier import Classifier
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
