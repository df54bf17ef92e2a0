"""What is measured beside the EMD, and the interventions: closed forms, identities, failures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dotlib import seeding
from dotlib.data import toy as toy_data
from dotlib.errors import InputError
from dotlib.evaluation import point_quality
from dotlib.evaluation import points as toy_pairs
from dotlib.metrics import optimal_transport
from dotlib.metrics.energy import energy_distance
from dotlib.metrics.modes import mode_quality
from dotlib.pairs import Pair, Uniform
from dotlib.samplers import density_ratio

SETTINGS = replace(toy_pairs.FIGURE3["smoke"], trials=3, points=50)
H = 2.0
TWO = torch.tensor([[0.0, 0.0], [H, 0.0]])


@pytest.fixture
def pair():
    networks = Pair(lambda z: 1.5 * z, lambda x: -x.square().sum(1), Uniform(2))
    points = toy_data.toy("25gaussians", seeding.numpy_rng(0, "d"), size=5_000)
    return toy_pairs.ToyPair(
        **vars(networks), name="25gaussians", dataset="25gaussians", data=points, origin="by hand", digests={"G": "00"}
    )


def two_modes(first):
    """100 points, so many of them in the first of two modes without width."""
    return TWO[[0] * first + [1] * (100 - first)]


def distance(x, cost):
    return optimal_transport.emd(x, two_modes(50), cost=cost)


@pytest.mark.parametrize("share", [0.02, 0.1])
def test_points_between_two_modes_spare_twice_what_they_cost_only_under_the_squared_cost(share):
    """A tenth of the mass has to travel by h.

    Of m between the modes, of which a part u comes from the first, all goes to the second: m h^2 / 4 or m h / 2 are
    paid, and u h^2 or u h spared.
    """
    x = two_modes(60)
    moved = point_quality.between(x, TWO, share, seeding.generator(0, "between"))
    middle = moved[:, 0] == H / 2
    u = float(middle[:60].sum()) / 100
    assert float(middle.sum()) == 100 * share and torch.equal(moved[~middle], x[~middle])
    assert distance(x, "sqeuclidean") == pytest.approx(0.1 * H**2) and distance(x, "euclidean") == pytest.approx(
        0.1 * H
    )
    assert distance(moved, "sqeuclidean") == pytest.approx(0.1 * H**2 + share * H**2 / 4 - u * H**2)
    assert distance(moved, "euclidean") == pytest.approx(0.1 * H + share * H / 2 - u * H)
    assert distance(moved, "sqeuclidean") < distance(x, "sqeuclidean")


def test_where_nothing_has_to_cross_only_the_price_remains():
    moved = point_quality.between(two_modes(50), TWO, 0.1, seeding.generator(0, "between"))
    assert distance(moved, "sqeuclidean") == pytest.approx(0.1 * H**2 / 4)
    assert distance(moved, "euclidean") == pytest.approx(0.1 * H / 2)


def test_the_price_of_1_in_10_on_the_grid_goes_to_every_neighbour():
    centres = toy_data.mode_centres()
    x = centres.repeat(40, 1)
    moved = point_quality.between(x, centres, 0.5, seeding.generator(0, "between"))
    steps = moved - x
    gone = steps.norm(dim=1) > 0
    assert int(gone.sum()) == 500
    half = 1 / toy_data.GAUSSIANS_SCALE
    assert torch.allclose(steps[gone].norm(dim=1), torch.tensor(half))
    right, left, up, down = (float((steps[:, axis] * sign > 0).sum()) for axis in (0, 1) for sign in (1, -1))
    assert min(right, left, up, down) > 90  # a quarter of 500 each, sd 10
    assert moved.abs().max() <= x.abs().max()  # outwards there is no neighbour
    assert torch.equal(point_quality.between(x, centres, 0.0, seeding.generator(0, "b")), x)


def test_far_points_go_to_the_nearest_mode_and_near_ones_stay():
    y = torch.tensor([[0.39, 0.0], [0.41, 0.0], [1.9, 0.1], [1.2, 3.0]])
    assert torch.equal(point_quality.onto_modes(y, TWO, 0.1), torch.stack([y[0], TWO[0], y[2], TWO[1]]))


def test_points_of_another_space_are_refused():
    with pytest.raises(InputError, match=r"^centres: expected width 3"):
        point_quality.between(torch.zeros(4, 3), TWO, 0.1, seeding.generator(0, "b"))
    with pytest.raises(InputError, match=r"^centres: expected width 3"):
        point_quality.onto_modes(torch.zeros(4, 3), TWO, 0.1)


def test_every_trial_is_measured_against_its_own_target(pair):
    sets = {"g": torch.stack([pair.draw(50, seeding.generator(0, str(t))) for t in range(3)])}
    quality = point_quality.measure(pair, sets, SETTINGS, 0)
    assert list(quality) == list(point_quality.UNITS)
    for t in range(3):
        x, real = (toy_pairs.target(pair, SETTINGS, 0, t, "random", part=part) for part in ("target", "floor"))
        for method, y in (("g", sets["g"][t]), ("real", real)):
            assert quality["energy_distance"][method][t] == energy_distance(y, x)
            log_density = density_ratio.gaussians_log_density(y.double()).mean()
            assert quality["log_density"][method][t] == pytest.approx(float(log_density))
            modes = mode_quality(y, toy_data.mode_centres(), 0.05 / 2.828)
            assert (quality["near"][method][t], quality["covered"][method][t]) == (modes.near, modes.covered)
    assert len(set(quality["energy_distance"]["real"])) == 3


def test_real_points_have_the_log_density_of_25_normal_laws_far_apart(pair):
    """Minus the entropy: log 25 + log(2 pi e sigma^2), with an sd of 1 nat a point."""
    quality = point_quality.measure(pair, {}, SETTINGS, 0)
    sigma = 0.05 / 2.828
    expected = -np.log(25) - np.log(2 * np.pi * np.e * sigma**2)
    assert quality["log_density"]["real"].mean() == pytest.approx(expected, abs=4 / np.sqrt(150))
    assert quality["near"]["real"].mean() > 0.99 and quality["spread"]["real"].mean() == pytest.approx(1, abs=0.2)


def test_no_point_near_a_mode_has_no_spread_and_a_set_without_modes_none_of_these(pair):
    far = {"g": torch.full((3, 50, 2), 9.0)}
    quality = point_quality.measure(pair, far, SETTINGS, 0)
    assert np.isnan(quality["spread"]["g"]).all() and (quality["covered"]["g"] == 0).all()
    roll = toy_data.toy("swissroll", seeding.numpy_rng(0, "d"), size=500)
    quality = point_quality.measure(replace(pair, dataset="swissroll", data=roll), far, SETTINGS, 0)
    assert list(quality) == ["energy_distance", "log_density"]


def test_interventions_change_the_points_of_the_floor_and_of_g(pair):
    g = torch.stack([pair.draw(50, seeding.generator(0, str(t))) for t in range(3)])
    changed = point_quality.interventions(pair, g, SETTINGS, 0, (0.1, 0.2), "balanced")
    assert list(changed) == [
        "real points, 10% put between modes",
        "real points, 20% put between modes",
        "G, far points put at their nearest mode",
    ]
    for t in range(3):
        real = toy_pairs.target(pair, SETTINGS, 0, t, "balanced", part="floor")
        same = (changed["real points, 20% put between modes"][t] == real).all(1)
        assert int(same.sum()) == 40
    quality = mode_quality(changed[point_quality.ONTO_MODES][0], toy_data.mode_centres(), 0.05 / 2.828)
    assert quality.near == 1


def test_the_table_beside_a_record_has_a_line_for_each_known_value():
    emds = {("euclidean", "balanced"): {"g": np.array([0.5, 0.25])}}
    quality = {"spread": {"g": np.array([np.nan, 1.5])}}
    assert list(point_quality.trial_rows(emds, quality)) == [
        {"quantity": "emd_euclidean", "setting": "balanced", "method": "g", "trial": 0, "value": 0.5},
        {"quantity": "emd_euclidean", "setting": "balanced", "method": "g", "trial": 1, "value": 0.25},
        {"quantity": "spread", "setting": "random", "method": "g", "trial": 1, "value": 1.5},
    ]
