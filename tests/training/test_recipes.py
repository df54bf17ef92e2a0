"""What a pair is made of: streams, training sets, scores. Kinds of test: invariances, identities."""

from dataclasses import replace

import pytest
import torch

from dotlib.data.images import image_set
from dotlib.pairs import Normal
from dotlib.seeding import generator
from dotlib.training import recipes
from dotlib.training import settings as training_settings
from dotlib.training.settings import image_training, toy_training


def test_no_two_pairs_share_weights_or_batches():
    """Rows of one table are replications only if nothing but the data set is common to them."""
    names = [
        *(f"digits-dcgan-{kind}" for kind in training_settings.OBJECTIVES),
        "digits-resnet-sagan-ns",
        "digits-resnet-sagan-hi",
        "digits-cond-hi",
        "digits-cond-hi-1",
        *(f"digits-mlp-{kind}" for kind in training_settings.MLP),
    ]
    trainers = [
        recipes.trainer(training_settings.settings_of(name, "smoke", seed)) for name in names for seed in (0, 1)
    ]
    first = [
        (
            *(next(w for w in network.parameters() if w.ndim > 1).flatten()[:8].tolist() for network in (t.G, t.D)),
            t.draw_real(16, t.rng)[0].flatten().tolist(),
            t._latents().flatten()[:8].tolist(),
            t._fakes()[-1].flatten()[:16].tolist(),  # labels, where there are any
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


def test_a_conditional_pair_trains_on_labelled_images_of_its_set():
    """Sizes of the networks by the formulas of their layers, for digits at width 32 and 64 latents."""
    parts = recipes.recipe(training_settings.settings_of("digits-cond-hi", "laptop"))
    G, D = parts.networks()
    c, tables, conv = 32, 2 * 10 * 32, 9 * 32 * 32 + 32  # width; gains and biases of ten classes; a 3 x 3 convolution
    blocks = 3 * (2 * conv + c * c + c + 2 * tables)
    assert sum(p.numel() for p in G.parameters()) == 64 * c + c + blocks + 2 * c + 9 * c + 1 == 64_929
    first, halved, plain = 9 * c + c + conv + c + c, 2 * conv + c * c + c, 2 * conv
    assert sum(p.numel() for p in D.parameters()) == first + halved + 2 * plain + c + 10 * c == 66_528
    x, y = parts.draw_real()(32, generator(0, "draw"))
    assert x.shape == (32, 1, 8, 8) and y.shape == (32,) and parts.classes == 10 and parts.prior == Normal(64)
    assert D(x, y).shape == (32, 1) and G(parts.prior.sample(32, generator(0, "z")), y).shape == x.shape
    assert any("_u" in name for name in D.state_dict()) and not any("_u" in name for name in G.state_dict())
    assert recipes.recipe(training_settings.settings_of("digits-resnet-sagan-hi", "laptop")).classes == 0


@pytest.mark.parametrize(("dataset", "side"), [("digits", 8), ("mnist", 32)])
def test_a_fully_connected_wgan_has_the_networks_of_its_design(dataset, side):
    for kind, widest, normalised in (("wgan-gp", 128, 0), ("wgan-sn", 128, 4), ("wgan-gp-code", 1_024, 0)):
        parts = recipes.recipe(training_settings.settings_of(f"{dataset}-mlp-{kind}", "laptop"))
        G, D = parts.networks()
        assert parts.prior == Normal(100) and parts.classes == 0 and parts.milestones == 12
        x = G(parts.prior.sample(3, generator(0, "z")))
        assert x.shape == (3, 1, side, side) and D(x).shape == (3, 1)
        assert max(p.shape[0] for p in D.parameters()) == max(p.shape[0] for p in list(G.parameters())[:6]) == widest
        assert sum(name.endswith("_u") for name in D.state_dict()) == normalised


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
