"""Two slips in a plane. Kinds of test: closed forms, a second method, identities."""

import numpy as np
import pytest

from dotlib.metrics import optimal_transport
from dotlib.plots import plane
from dotlib.transport import dot


def rows(figure):
    return {name: [np.asarray(number.values) for number in numbers] for name, numbers in figure.table.rows.items()}


def test_the_transport_fills_every_training_point_and_the_nearest_point_leaves_the_far_cluster_empty():
    of = rows(plane.nearest())
    nearest, transport = of["share of samples in the far cluster"]
    assert np.allclose(transport, plane.FAR / plane.N)
    assert nearest[:-1].max() == 0 and nearest[-1] == 1
    assert of["share of training points without a sample"][1].max() == 0
    assert of["share of training points without a sample"][0].min() > 0.9


def test_the_mean_distances_are_the_emd_and_a_lower_bound():
    samples, training = plane.clusters()
    nearest, transport = rows(plane.nearest())["mean distance"]
    expected = [optimal_transport.emd(samples, points, cost="euclidean") for points in training]
    assert np.allclose(transport, expected, atol=1e-12)
    assert (nearest <= transport + 1e-12).all()


def test_every_line_goes_from_a_sample_to_a_training_point():
    samples, training = plane.clusters()
    for panel in plane.nearest().panels:
        ways = np.asarray(panel.marks[0].values).reshape(len(plane.FAR), plane.N, 3, 2)
        assert np.array_equal(ways[:, :, 0], np.broadcast_to(samples, ways[:, :, 0].shape))
        assert np.isnan(ways[:, :, 2]).all()
        for at, points in enumerate(training):
            assert {tuple(end) for end in ways[at, :, 1]} <= {tuple(point) for point in points}


@pytest.mark.parametrize("angle", plane.ANGLES)
def test_one_update_multiplies_the_radial_part_as_the_theory_says(angle):
    """Removed by the tangent part, multiplied by 1 - sqrt(d) by the printed divisor on the sphere of radius sqrt(d)."""
    for d in plane.DIMENSIONS:
        radial = plane.RATE * np.cos(np.radians(angle))
        first = {rule: plane.path(rule, d, angle)[1] - (0, 1) for rule in plane.RULES}
        assert np.allclose([first[rule][0] for rule in plane.RULES], plane.RATE * np.sin(np.radians(angle)))
        expected = {"none": radial, "tangent": 0, "printed": radial * (1 - d**0.5)}
        for rule, value in expected.items():
            assert np.isclose(first[rule][1], value, atol=1e-12), (rule, d)


def test_the_tangent_path_stays_near_the_sphere_and_the_printed_one_does_not():
    (none, tangent, printed) = next(iter(rows(plane.projection()).values()))
    assert np.abs(tangent - 1).max() < 0.011
    high = plane.DIMENSIONS.index(128)
    assert printed[high, 0] < 0.4 and printed[high, -1] > plane.LOST
    assert np.allclose(none, none[0])


def test_the_rules_are_those_of_the_descents():
    assert {dot.VARIANTS["paper"].projection, dot.VARIANTS["exact"].projection} == {"sqrt_dim", "norm"}
