"""The measurement behind Figure 3 and its audit.

Holds: identities (same seed, same points), invariances (blocks, cache, kill and resume),
failures.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from dotlib import seeding, steps
from dotlib.data import toy as toy_data
from dotlib.errors import InputError
from dotlib.evaluation import points as toy_pairs
from dotlib.experiments import fig3_toy
from dotlib.metrics import optimal_transport
from dotlib.pairs import Pair, Uniform
from dotlib.results import files
from dotlib.training import checkpoints, zoo

C = replace(toy_pairs.FIGURE3["smoke"], trials=7, points=50, steps=3, pairs=20, repeats=4)


def bump(x):
    """A smooth critic with its top at the origin."""
    return -x.square().sum(1)


@pytest.fixture
def pair():
    """G stretches latents, D prefers the origin."""
    networks = Pair(lambda z: 1.5 * z, bump, Uniform(2))
    points = toy_data.toy("25gaussians", seeding.numpy_rng(0, "d"), size=5_000)
    return toy_pairs.ToyPair(
        **vars(networks), name="25gaussians", dataset="25gaussians", data=points, origin="by hand", digests={"G": "00"}
    )


def test_moved_is_one_descent_of_each_trials_own_latents(pair):
    sets = toy_pairs.moved(pair, C, 2.0, seed=0)
    for trial in (0, 6):
        y = pair.generate(toy_pairs.latents(pair, C, 0, trial))
        assert torch.equal(sets["g"][trial], y)
        alone = toy_pairs.move(pair, y, 2.0, C, "dot").final
        assert torch.equal(sets["dot"][trial], alone)
        climbed = toy_pairs.move(pair, y, 2.0, C, "naive").final
        assert torch.equal(sets["naive"][trial], climbed)
    assert not torch.equal(sets["dot"], sets["naive"])


def test_a_pair_is_shipped_where_its_file_is(pair):
    assert not pair.shipped
    for origin, shipped in ((zoo.SHIPPED, True), (zoo.TRAINED, False)):
        assert replace(pair, trained=SimpleNamespace(origin=origin)).shipped is shipped


def test_moved_continues_from_the_blocks_that_a_killed_run_left(pair, monkeypatch):
    whole = toy_pairs.moved(pair, C, 2.0, seed=0)
    blocks = sorted(files.artifacts().glob("figure3/*/*.safetensors"))
    assert len(blocks) == 2  # 7 trials in blocks of 5
    blocks[1].unlink()
    made = []
    original = checkpoints.save
    monkeypatch.setattr(checkpoints, "save", lambda path, *a: made.append(path.name) or original(path, *a))
    again = toy_pairs.moved(pair, C, 2.0, seed=0)
    assert made == ["trial5-6.safetensors"]
    for method in toy_pairs.METHODS:
        assert torch.equal(whole[method], again[method])


@pytest.mark.parametrize(
    "change", [{"K_eff": 3.0}, {"seed": 1}, {"settings": replace(C, lr=0.02)}, {"settings": replace(C, delta=0.1)}]
)
def test_the_cache_is_not_used_for_other_settings(pair, change):
    options = {"settings": C, "K_eff": 2.0, "seed": 0}
    first = toy_pairs.moved(pair, **options)
    assert not torch.equal(first["dot"], toy_pairs.moved(pair, **(options | change))["dot"])


def test_points_that_other_weights_moved_are_not_taken_for_these(pair):
    first = toy_pairs.moved(pair, C, 2.0, seed=0)
    other = replace(pair, discriminator=lambda x: -(x - 1).square().sum(1), digests={"G": "01"})
    assert not torch.equal(first["dot"], toy_pairs.moved(other, C, 2.0, seed=0)["dot"]), "moved by the first D"


def test_every_trial_has_a_target_and_a_floor_of_its_own(pair):
    """Only then is the spread over trials that of a trial."""
    sets = {"g": pair.data.points[:50].expand(7, 50, 2)}
    emd = toy_pairs.distances(pair, sets, C, 0, cost="euclidean", sampling="random", floor=True)
    assert len(set(emd["g"])) == 7, "trials share a target"
    floors = {tuple(toy_pairs.target(pair, C, 0, t, "random", part="floor").flatten().tolist()) for t in range(7)}
    assert len(floors) == 7 and len(set(emd["real"])) == 7
    for t in range(7):
        x, real = (toy_pairs.target(pair, C, 0, t, "random", part=part) for part in ("target", "floor"))
        assert emd["real"][t] == optimal_transport.emd(real, x, cost="euclidean"), f"trial {t} has another floor"


def test_every_reading_of_the_distance_is_measured_for_itself(pair, artifacts):
    """Asked one after the other in one folder, none is served what another has left."""
    sets = {"g": pair.data.points[:50].expand(7, 50, 2)}
    whole = {"cost": "euclidean", "sampling": "random", "floor": False}
    first = toy_pairs.distances(pair, sets, C, 0, **whole)
    assert set(toy_pairs.distances(pair, sets, C, 0, **(whole | {"floor": True}))) == {"g", "real"}
    for change in ({"cost": "sqeuclidean"}, {"sampling": "balanced"}):
        other = toy_pairs.distances(pair, sets, C, 0, **(whole | change))
        assert not np.array_equal(other["g"], first["g"]), f"served the values of another reading: {change}"


def test_more_trials_keep_the_first_ones(pair):
    few = toy_pairs.moved(pair, replace(C, trials=5), 2.0, seed=0)
    more = toy_pairs.moved(pair, replace(C, trials=7), 2.0, seed=0)
    assert torch.equal(few["dot"], more["dot"][:5])


def test_the_floor_is_an_independent_draw_and_targets_are_shared(pair):
    sets = {"g": torch.stack([toy_pairs.target(pair, C, 0, t, "balanced") for t in range(7)])}
    emd = toy_pairs.distances(pair, sets, C, 0, cost="euclidean", sampling="balanced", floor=True)
    assert np.array_equal(emd["g"], np.zeros(7))  # the target against itself
    assert (emd["real"] > 0).all()


def test_unknown_weights_are_refused():
    with pytest.raises(InputError, match=r"weights: unknown 'autors'.*nearest: authors"):
        toy_pairs.load("25gaussians", weights="autors", profile="smoke", seed=0)


def test_a_step_moves_points_and_the_picture_is_drawn(artifacts, tmp_path):
    told = steps.run("move", "swissroll", profile="smoke", seed=0)
    assert told.startswith("swissroll: 4 trials of 100 points moved")
    assert list(artifacts.glob("figure3/swissroll-*/trial0-3.safetensors"))
    fig3_toy.picture("smoke", 0).savefig(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] > 1.5 * image.size[1]  # four columns, two rows
    with pytest.raises(InputError, match="nearest: swissroll"):
        steps.run("move", "swisroll", profile="smoke", seed=0)
