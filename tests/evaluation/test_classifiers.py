"""How judges are fit. Kinds of test: golden numbers (keys of files that exist), closed forms, invariances, failures."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import classifiers
from dotlib.evaluation.classifiers import JudgeTraining, ResidualTraining
from dotlib.networks.classifier import Classifier, ResidualClassifier
from dotlib.seeding import generator


@pytest.fixture
def squares(monkeypatch):
    """A labelled set of 8 x 8 images in three colours, two classes: which half is brighter."""
    x = torch.randint(100, (96, 3, 8, 8), generator=generator(0, "squares"), dtype=torch.uint8)
    y = torch.arange(96) % 2
    for half, rows in enumerate((slice(0, 4), slice(4, 8))):
        x[y == half, :, rows] += 120
    built = images._build("squares", "judge", (x, y, "drawn"))
    monkeypatch.setattr(classifiers, "image_set", lambda name, split: built)
    return built


def test_keys_of_judges_with_files_stay():
    """The keys of seed 0, as the files of these judges have had them since their features pass a leaky ReLU."""
    keys = {
        "digits": "41db47551054",
        "mnist": "11be55945c2b",
        "mnist8": "1e94df38cf4e",
        "fashion_mnist": "a15ce0e6f65c",
        "fashion_mnist8": "ddbc3fda7a07",
        "stl10": "1d59bb3babb4",
    }
    found = {name: classifiers.judge_training(name, "laptop").key() for name in keys}
    assert found == keys
    assert not set(keys.values()) & {classifiers.judge_training("cifar10", "laptop").key()}


@pytest.mark.parametrize("settings", [JudgeTraining("digits", 2), ResidualTraining("cifar10", 2)])
def test_every_setting_changes_the_key(settings):
    def other(value):
        return not value if isinstance(value, bool) else "x" if isinstance(value, str) else value + 1

    values = dataclasses.asdict(settings)
    keys = {dataclasses.replace(settings, **{name: other(value)}).key() for name, value in values.items()}
    assert len(keys | {settings.key()}) == len(values) + 1


def test_a_class_of_settings_is_a_kind_of_network(squares):
    for settings, kind in (
        (JudgeTraining("squares", 1), Classifier),
        (ResidualTraining("squares", 1), ResidualClassifier),
    ):
        network = classifiers.untrained(dataclasses.replace(settings, width=8, features=6), generator(0, "weights"))
        assert type(network) is kind
        features, logits = network(images.to_float(squares.images[:5]))
        assert features.shape == (5, 6) and logits.shape == (5, 2)


def test_a_residual_judge_repeats_bit_by_bit_learns_and_is_alive(squares):
    """No feature is the same for all images, and bright halves, which no shift of a pixel hides, are told apart."""
    settings = ResidualTraining("squares", 4, batch_size=16, width=8, features=16, shift=1)
    network, again = (classifiers.fit(settings) for _ in range(2))
    other = classifiers.fit(dataclasses.replace(settings, seed=1)).state_dict()
    state = network.state_dict()
    assert all(torch.equal(state[name], t) for name, t in again.state_dict().items())
    assert not torch.equal(state["classify.weight"], other["classify.weight"])
    assert not network.training
    with torch.no_grad():
        features, logits = network(images.to_float(squares.images))
    assert (logits.argmax(1) == squares.labels).all()
    assert (features.std(0) > 0).all()


@pytest.mark.parametrize(
    "change", [{"flip": False}, {"shift": 0}, {"momentum": 0.5}, {"weight_decay": 0.1}, {"rise": 0.5}]
)
def test_every_way_of_fitting_is_used(squares, change):
    settings = ResidualTraining("squares", 1, batch_size=16, width=8, features=6, shift=2)
    plain, changed = (
        classifiers.fit(each).state_dict() for each in (settings, dataclasses.replace(settings, **change))
    )
    assert not torch.equal(plain["classify.weight"], changed["classify.weight"])


def test_the_step_rises_to_its_largest_and_falls_to_zero():
    """Linear both ways, [SMITH18]: 10 of 50 steps up, the tenth with all of `lr`, 41 down to none after the last."""
    settings = ResidualTraining("cifar10", 1, lr=0.1, rise=0.2)
    sgd, size = settings.optimiser([torch.nn.Parameter(torch.zeros(1))], 50)
    sizes = []
    for _ in range(51):
        sizes.append(sgd.param_groups[0]["lr"])
        sgd.step()
        size.step()
    assert sizes == pytest.approx([0.01 * i for i in range(1, 11)] + [0.1 * i / 41 for i in range(40, -1, -1)])


def test_augmentation_is_drawn_from_its_generator_alone():
    x, settings = torch.randn(40, 3, 8, 8, generator=generator(0, "x")), ResidualTraining("cifar10", 1)
    before, state = x.clone(), torch.get_rng_state()
    first, again, other = (settings.augmented(x, generator(seed, "augmented")) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.equal(x, before) and torch.equal(torch.get_rng_state(), state)


def test_a_shift_is_a_window_of_the_reflected_image():
    """Each image is one of the 25 windows of its reflection, cut by hand; over 500 images all of them come."""
    x, reach = torch.randn(500, 2, 6, 7, generator=generator(0, "x")), 2
    moved = classifiers.shifted(x, reach, generator(0, "shifts"))
    wide = functional.pad(x, (reach,) * 4, mode="reflect")
    is_window = torch.stack(
        [
            (moved == wide[:, :, down : down + 6, right : right + 7]).flatten(1).all(1)
            for down in range(2 * reach + 1)
            for right in range(2 * reach + 1)
        ],
        1,
    )  # (500, 25)
    assert (is_window.sum(1) == 1).all()
    assert (is_window.sum(0) > 5).all()  # 20 on average
    assert torch.equal(classifiers.shifted(x, 0, generator(0, "shifts")), x)


def test_half_of_the_images_are_mirrored():
    x = torch.randn(400, 1, 4, 4, generator=generator(0, "x"))
    seen = JudgeTraining("digits", 1, flip=True).augmented(x, generator(0, "mirrored"))
    mirrored = (seen == x.flip(3)).flatten(1).all(1)
    assert ((seen == x).flatten(1).all(1) ^ mirrored).all()
    assert 150 < mirrored.sum() < 250  # five standard deviations


def test_a_set_without_labels_has_no_classifier(monkeypatch):
    nameless = images._build("nameless", "judge", (torch.zeros(2, 1, 8, 8, dtype=torch.uint8), None, "drawn"))
    monkeypatch.setattr(classifiers, "image_set", lambda name, split: nameless)
    with pytest.raises(InputError, match="dataset: nameless has no labels"):
        classifiers.untrained(JudgeTraining("nameless", 1))
