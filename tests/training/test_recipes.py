"""What a pair is made of: streams, training sets, scores. Kinds of test: invariances, identities."""

from dataclasses import replace

import pytest
import torch

from dotlib.data.images import image_set
from dotlib.training import recipes
from dotlib.training import settings as training_settings
from dotlib.training.settings import image_training, toy_training


def test_no_two_pairs_share_weights_or_batches():
    """Rows of one table are replications only if nothing but the data set is common to them."""
    names = [
        *(f"digits-dcgan-{kind}" for kind in training_settings.OBJECTIVES),
        "digits-resnet-sagan-ns",
        "digits-resnet-sagan-hi",
    ]
    trainers = [
        recipes.trainer(training_settings.settings_of(name, "smoke", seed)) for name in names for seed in (0, 1)
    ]
    first = [
        (
            *(next(w for w in network.parameters() if w.ndim > 1).flatten()[:8].tolist() for network in (t.G, t.D)),
            t.draw_real(16, t.rng).flatten().tolist(),
            t._latents().flatten()[:8].tolist(),
        )
        for t in trainers
    ]
    for part in zip(*first, strict=True):
        assert len({str(values) for values in part}) == len(trainers)


def test_a_part_of_the_images_can_be_trained_on():
    whole = recipes.ImageRecipe(image_training("digits", "dcgan-wgan-gp", "smoke")).training_set()
    some = recipes.ImageRecipe(
        replace(image_training("digits", "dcgan-wgan-gp", "smoke"), data_size=100)
    ).training_set()
    assert len(whole) == 1_197 and len(some) == 100
    rows = {row.numpy().tobytes() for row in whole.images}
    assert all(row.numpy().tobytes() in rows for row in some.images)
    reference = {row.numpy().tobytes() for row in image_set("digits", "test").images}
    assert len(rows & reference) <= 3, "a GAN is trained on images of the reference"  # twins among the digits


@pytest.mark.parametrize("dataset", ["25gaussians", "swissroll"])
def test_the_score_is_the_same_at_every_call_and_sees_the_generator(dataset):
    settings = replace(toy_training(dataset, "smoke"), data_size=500)
    score = recipes.ToyRecipe(settings).score()
    G = recipes.trainer(settings).G
    first = score(G)
    assert first == score(G) and first.keys() == {"emd_g"}
    with torch.no_grad():
        G[-1].bias += 3.0  # every point moves by (3, 3): the squared cost grows by about 18
    # |t|^2 plus twice t times the difference of the means, which is below 0.5 an axis here
    assert score(G)["emd_g"] - first["emd_g"] == pytest.approx(18, abs=6)
