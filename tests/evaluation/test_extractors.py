"""Extractors: what they are fit on, that no judge is one, and scores by representation.

Kinds of test: identities, closed forms, failures.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dotlib.data import images
from dotlib.errors import InputError
from dotlib.evaluation import classifiers, extractors, judges
from dotlib.evaluation.extractors import Space
from dotlib.metrics.neighbours import precision_recall
from dotlib.seeding import generator


@pytest.fixture(scope="module")
def artifact_folder(judged):
    return judged()


@pytest.fixture
def E(artifacts):
    return extractors.extractor("digits", profile="smoke")


def test_an_extractor_is_fit_on_the_floor_and_on_nothing_else(monkeypatch, tmp_path):
    """Judges are fit on "judge" and score against "test": no image is on two sides."""
    seen = []
    labelled = classifiers.labelled
    monkeypatch.setattr(classifiers, "labelled", lambda name, split: seen.append(split) or labelled(name, split))
    classifiers.fit(replace(extractors.training("digits", "smoke"), images=32))
    assert set(seen) == {"floor"}
    sets = [images.image_set("digits", split).images.flatten(1) for split in ("floor", "judge", "test")]
    assert sum(map(len, sets)) == 1797, "a split has images of another"


def test_it_is_kept_and_read_back_with_its_digest(E, artifacts):
    again = extractors.extractor("digits", profile="smoke")
    assert again.sha256 == E.sha256 and again.dim == 32
    x = images.image_set("digits", "test").images[:7]
    assert torch.equal(again(x)[0], E(x)[0])
    assert len(list((artifacts / "extractors").glob("*.safetensors"))) == 1
    assert not any(p.requires_grad for p in E.network.parameters()) and not E.network.training


def test_features_are_those_of_the_network(E):
    x = images.to_float(images.image_set("digits", "test").images[:7])
    assert torch.equal(extractors.Features(E.network)(x), E.network(x)[0])
    first, second = (extractors.untrained(extractors.training("digits", "laptop", seed)) for seed in (0, 1))
    assert not torch.equal(first(x)[0], second(x)[0]) and not first.training


def test_a_judge_may_not_move_what_it_scores(E, artifacts):
    panel = judges.load_panel("digits", judges.scoring_settings("digits", "dcgan", "smoke"), profile="smoke")
    extractors.refuse_judge(E, panel)
    with pytest.raises(InputError, match=r"^extractor: .* is the judge 'classifier 3', which may not move what it"):
        extractors.refuse_judge(panel.judges["classifier 3"], panel)


def test_published_widths_are_for_the_profile_paper_on_28_pixels():
    assert (extractors.training("mnist", "paper").width, extractors.training("mnist", "paper").features) == (64, 256)
    for dataset in extractors.TRAINING:
        for profile in ("smoke", "laptop", "paper"):
            settings = extractors.training(dataset, profile, 3)
            assert settings.features == 4 * settings.width and settings.seed == 3 and settings.split == "floor"
    with pytest.raises(InputError, match="^dataset: unknown 'stl10'"):
        extractors.training("stl10", "laptop")


def test_scores_of_a_space_are_those_of_its_rows():
    real, fake = (torch.randn(60, 3, generator=generator(0, name)) for name in ("real", "fake"))
    space = Space(real, fake, torch.zeros(60))
    assert space.scores() == precision_recall(real=real, fake=fake, k=5)
    assert Space(real, real.clone(), torch.zeros(60)).scores().precision == 1.0


def test_the_separation_of_far_clusters_is_1_and_of_none_about_0():
    labels = torch.arange(200) % 4
    spread = torch.randn(200, 2, generator=generator(0, "spread"))
    centres = 1e3 * torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    assert Space(spread + centres[labels], spread, labels).separation() > 0.99
    assert abs(Space(spread, spread, labels).separation()) < 0.1


def test_the_spaces_hold_the_test_images_and_the_samples(E):
    fakes = images.image_set("digits", "floor").images[:40]
    found = extractors.spaces("digits", fakes, {"E": E})
    assert list(found) == ["pixels", "E"]
    test = images.image_set("digits", "test")
    assert torch.equal(found["pixels"].real, images.to_float(test.images).flatten(1))
    assert torch.equal(found["E"].fake, E(fakes)[0]) and torch.equal(found["E"].labels, test.labels)


def test_the_plane_keeps_far_groups_apart():
    labels = torch.arange(60) % 2
    rows = torch.randn(60, 5, generator=generator(0, "plane")) + 100 * labels[:, None]
    plane = extractors.tsne(rows, 0)
    assert plane.shape == (60, 2) and np.array_equal(plane, extractors.tsne(rows, 0))
    first, second = (plane[labels.numpy() == label] for label in (0, 1))
    spread = max(np.linalg.norm(part - part.mean(0), axis=1).mean() for part in (first, second))
    assert np.linalg.norm(first.mean(0) - second.mean(0)) > spread


def test_a_record_tells_the_settings_and_the_digest(E):
    told = extractors.described(E, extractors.training("digits", "smoke"))
    assert told["sha256"] == E.sha256 and told["width"] == 8 and told["accuracy"] == E.accuracy
