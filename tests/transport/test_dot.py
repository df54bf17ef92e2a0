"""Transport: Algorithms 1 and 2 and the naive ascent.

Identities, closed forms, invariances, a second method (central differences), failures. No golden
numbers: those of the authors' weights belong to the pages. float64 throughout unless a test is
about dtype.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from dotlib.errors import InputError
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.transport import SGD, VARIANTS, Adam, Variant, latent_dot, target_dot

SPACES = ("target", "uniform", "normal")
OPTIMIZERS = {"sgd": SGD(0.01), "adam": Adam(0.01, (0.0, 0.9))}
ROUNDING = 1e-12  # float64: 1e-16 an operation, some hundreds of operations, values of order 1


def network(inputs: int, outputs: int, seed: int) -> nn.Module:
    """A smooth random network in float64, so that central differences converge."""
    rng = torch.Generator().manual_seed(seed)
    layers = nn.Sequential(nn.Linear(inputs, 16), nn.Tanh(), nn.Linear(16, outputs)).double().eval()
    for parameter in layers.parameters():
        parameter.data = torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
    return layers


def points(rows: int, d: int, seed: int = 0) -> torch.Tensor:
    """Uniform points in [-0.7, 0.7]^d: clear of the clip at 1."""
    rng = torch.Generator().manual_seed(seed)
    return 1.4 * torch.rand(rows, d, generator=rng, dtype=torch.float64) - 0.7


def identity(z: torch.Tensor) -> torch.Tensor:
    return z


def constant(x: torch.Tensor) -> torch.Tensor:
    return 3.0 + 0.0 * x.flatten(1).sum(1)


def linear(slope: torch.Tensor):
    return lambda x: x @ slope


def move(space: str, D, y, K=1.0, **options):
    """One transport in the named space; in latent space G is the identity."""
    if space == "target":
        return target_dot(D, y, K, **options)
    prior = {"uniform": Uniform, "normal": Normal}[space](y.shape[1])
    return latent_dot(Pair(identity, D, prior), y, K, **options)


def same(a: torch.Tensor, b: torch.Tensor, atol: float = 0.0) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


# Identities


@pytest.mark.parametrize("space", SPACES)
def test_no_step_is_a_copy(space):
    y = points(5, 2)
    t = move(space, network(2, 1, 1), y, steps=0)
    same(t.final, y)
    assert t.final.data_ptr() != y.data_ptr()
    assert t.steps == (0,) and t.points.shape == (1, 5, 2) and t.objective.shape == (1, 5)
    assert t.backward_passes == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("space", SPACES)
def test_exact_variant_does_not_move_under_a_constant_discriminator(space, optimizer):
    y = points(6, 3)
    same(move(space, constant, y, variant="exact", optimizer=optimizer, steps=30).final, y)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("cost", ["none", "sqeuclidean"])
def test_costs_without_delta_do_not_move_under_a_constant_discriminator(cost, optimizer):
    y = points(6, 3)
    same(target_dot(constant, y, 1.0, cost=cost, optimizer=optimizer, steps=30).final, y)


def test_shifted_norm_drifts_along_the_diagonal_and_comes_back():
    """With v + delta (1, ..., 1) in the norm, the gradient at v = 0 is (1, ..., 1)/sqrt(d) for
    any delta. The second gradient is its opposite as long as lr exceeds the shift delta sqrt(d),
    so the points jump between y and y - lr (1, ..., 1)/sqrt(d) and stay within lr."""
    y, d, lr = points(6, 4), 4, 0.01
    t = target_dot(constant, y, 1.0, optimizer=SGD(lr), steps=7, snapshots=range(8))
    drift = torch.full_like(y, -lr / math.sqrt(d))
    for step in t.steps:
        same(t.at(step), y + drift * (step % 2), ROUNDING)


@pytest.mark.parametrize("optimizer", [SGD(0.0), Adam(0.0)], ids=["sgd", "adam"])
@pytest.mark.parametrize("space", SPACES)
def test_learning_rate_zero_moves_nothing(space, optimizer):
    y = points(6, 3)
    same(move(space, network(3, 1, 2), y, optimizer=optimizer, steps=5).final, y)


def test_nothing_of_the_caller_is_written():
    y, D, G = points(6, 3).requires_grad_(True), network(3, 1, 3), network(3, 3, 4)
    before = y.detach().clone()
    weights = {name: value.clone() for name, value in D.state_dict().items()}
    D.requires_grad_(True)
    for moved in (target_dot(D, y, 1.0, steps=5), latent_dot(Pair(G, D, Normal(3)), y, 1.0)):
        assert not moved.points.requires_grad and not moved.objective.requires_grad
    same(y.detach(), before)
    assert y.grad is None
    for name, value in D.state_dict().items():
        same(value, weights[name])
    for parameter in (*D.parameters(), *G.parameters()):
        assert parameter.grad is None and parameter.requires_grad


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_snapshots_equal_separate_runs(space, optimizer, variant):
    y, D = points(5, 2), network(2, 1, 5)
    options = {"optimizer": optimizer, "variant": variant}
    t = move(space, D, y, steps=12, snapshots=[7, 0, 3, 3], **options)
    assert t.steps == (0, 3, 7, 12)
    for step in t.steps:
        alone = move(space, D, y, steps=step, **options)
        same(t.at(step), alone.final)
        same(t.objective[: step + 1], alone.objective)
    same(t.final, t.at(12))


# Closed forms


@pytest.mark.parametrize("space", ["target", "uniform"])
def test_linear_discriminator_moves_by_the_closed_form(space):
    """With D(x) = K q u.x, |u| = 1, the exact objective is sqrt(v.v + delta^2) - q u.v + constant.
    Its only stationary point has v parallel to u and |v| / sqrt(v.v + delta^2) = q, so
    v = delta q / sqrt(1 - q^2) u. With lr = delta a step contracts by 1 - (1 - q^2)^1.5 or
    better: for q <= 0.8, 100 steps leave 3e-11 of delta. One slope for each of 100 rows."""
    rng = np.random.default_rng(0)
    q = torch.as_tensor(rng.uniform(0.05, 0.8, (100, 1)))
    u = nn.functional.normalize(torch.as_tensor(rng.normal(size=(100, 3))))
    y, K, delta = points(100, 3), 2.5, 0.1
    t = move(
        space, lambda x: K * (q * u * x).sum(1), y, K, variant="exact", delta=delta, steps=100, optimizer=SGD(delta)
    )
    same(t.final - y, delta * q / (1 - q**2).sqrt() * u, 1e-9)


@pytest.mark.parametrize("variant", VARIANTS)
def test_below_slope_one_points_stay_above_they_leave(variant):
    """The norm pulls back with force at most 1. With slope q < 1 a point oscillates around its
    anchor by at most two steps of lr (1 + q); with q > 1 it gains at least lr (q - 1) a step."""
    q = torch.linspace(0.05, 0.9, 50, dtype=torch.float64)[:, None]
    u = torch.tensor([0.6, 0.8], dtype=torch.float64)
    y, K, lr, steps = points(50, 2), 2.0, 0.01, 200
    options = {"variant": variant, "optimizer": SGD(lr), "steps": steps}
    stays = target_dot(lambda x: K * (q * u * x).sum(1), y, K, **options)
    assert ((stays.final - y).norm(dim=1) <= 2 * lr * (1 + q[:, 0])).all()
    q = 1 + q
    leaves = target_dot(lambda x: K * (q * u * x).sum(1), y, K, **options)
    assert ((leaves.final - y) @ u >= lr * (q[:, 0] - 1) * steps - ROUNDING).all()


def test_quadratic_pair_finds_the_monge_map():
    """In one dimension the map from N(m, s^2) to N(m', s'^2) is T(y) = m' + (s'/s)(y - m). For the
    squared cost and D(x) = a x^2 + b x, the minimum of (x - y)^2 - D(x) is (y + b/2) / (1 - a):
    this is T if a = 1 - s/s' and b = 2 (m' s/s' - m)."""
    m, s, m_to, s_to = 0.3, 0.5, 1.2, 0.8
    a = 1 - s / s_to
    b = 2 * (m_to * s / s_to - m)
    y = m + s * torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    t = target_dot(lambda x: a * x[:, 0] ** 2 + b * x[:, 0], y, 1.0, cost="sqeuclidean", optimizer=SGD(0.3), steps=100)
    same(t.final, m_to + s_to / s * (y - m), 1e-9)


def test_squared_cost_and_linear_discriminator():
    """(x - y).(x - y) - w.x / K is least at x = y + w / (2 K); lr 0.25 halves the way each step."""
    y, w = points(4, 3), torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    t = target_dot(linear(w), y, 0.4, cost="sqeuclidean", optimizer=SGD(0.25), steps=60)
    same(t.final - y, (w / 0.8).expand(4, 3), ROUNDING)


def test_segment_of_the_erratum_has_one_objective():
    """Between these measures all mass moves right (T(y) > y), so D(x) = x is an optimal dual. Every
    point ty + (1 - t)T(y) has cost (T(y) - y)(1 - t) and logit y + (1 - t)(T(y) - y): their
    difference is -y plus the constant delta of the shifted norm. Hence the argmin is a set."""
    y = torch.linspace(-1, 1, 9, dtype=torch.float64)[:, None]
    T = 2.5 + 1.5 * y
    values = []
    for t in (0.0, 0.25, 0.5, 0.75, 0.999):
        probe = Probe(y * t + (1 - t) * T - y)
        values.append(target_dot(lambda x: x[:, 0], y, 1.0, optimizer=probe, steps=1).objective[1])
    for value in values:
        same(value, values[0], 1e-9)
        same(value, 1e-3 - y[:, 0], 1e-9)


@pytest.mark.parametrize("d", [2, 64, 128, 256])
@pytest.mark.parametrize(
    ("projection", "factor"),
    [
        ("none", lambda d: 1.0),
        ("sqrt_dim", lambda d: 1 - math.sqrt(d)),
        ("constant", lambda d: 1 - d / 11.31),
        ("norm", lambda d: 0.0),
    ],
)
def test_radial_factor_of_each_projection(projection, factor, d):
    """D(z) = -z.z/2 and no cost: the gradient is z itself, purely radial. On |z|^2 = d one step
    leaves z (1 - lr factor), where factor says what the projection makes of a radial gradient."""
    z = torch.randn(3, d, generator=torch.Generator().manual_seed(d), dtype=torch.float64)
    z = z * (math.sqrt(d) / z.norm(dim=1, keepdim=True))
    variant = Variant(anchor="fixed", projection=projection, norm="smooth")
    t = move("normal", lambda x: -x.square().sum(1) / 2, z, variant=variant, cost="none", steps=1, optimizer=SGD(0.01))
    measured = ((z - t.final) * z).sum(1) / (0.01 * d)
    same(measured, torch.full_like(measured, factor(d)), 1e-6)


def test_named_variants_are_the_three_of_the_book():
    assert VARIANTS["paper"] == Variant("fixed", "sqrt_dim", "shifted")
    assert VARIANTS["official"] == Variant("aliased", "constant", "shifted")
    assert VARIANTS["exact"] == Variant("fixed", "norm", "smooth")


class Anchors:
    """A cost of zero that keeps what it is shown."""

    def __init__(self):
        self.moved, self.anchor = [], []

    def __call__(self, moved, anchor):
        self.moved.append(moved.detach().clone())
        self.anchor.append(anchor.detach().clone())
        return moved.new_zeros(len(moved))


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("variant", ["paper", "exact"])
def test_fixed_anchor_never_moves(space, variant, optimizer):
    y, seen = points(4, 2), Anchors()
    t = move(space, network(2, 1, 6), y, cost=seen, variant=variant, optimizer=optimizer, steps=5)
    assert (t.final - y).abs().min() > 1e-6
    assert len(seen.anchor) == 6
    for anchor in seen.anchor:
        same(anchor, y)


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_aliased_anchor_under_the_normal_prior_is_the_moving_point(optimizer):
    y, seen = points(4, 2), Anchors()
    move("normal", network(2, 1, 6), y, cost=seen, variant="official", optimizer=optimizer, steps=5)
    for moved, anchor in zip(seen.moved, seen.anchor, strict=True):
        same(anchor, moved)
    assert (seen.moved[-1] - y).abs().min() > 1e-6


def test_aliased_anchor_under_the_uniform_prior_is_the_unclipped_first_step():
    """Slope 3 in the first coordinate, lr 0.1: the first step goes 0.3 to the right."""
    y, seen = torch.tensor([[0.9, 0.0], [-0.5, 0.2]], dtype=torch.float64), Anchors()
    slope = torch.tensor([3.0, 0.0], dtype=torch.float64)
    t = move("uniform", linear(slope), y, cost=seen, variant="official", steps=5, optimizer=SGD(0.1))
    same(seen.anchor[0], y)
    for anchor in seen.anchor[1:]:
        same(anchor, y + 0.1 * slope, ROUNDING)
    same(t.final[:, 0], torch.ones(2, dtype=torch.float64), ROUNDING)


def test_aliased_descent_is_the_naive_one_with_a_constant_drift():
    """The norm of a zero displacement, shifted by delta, has gradient (1, ..., 1)/sqrt(d): that of
    the cost sum(z)/sqrt(d), which knows no anchor. So each step is naive plus lr/sqrt(d)."""
    y, D, d = points(6, 5), network(5, 1, 7), 5
    options = {"steps": 20, "optimizer": SGD(0.01)}
    official = move("normal", D, y, variant="official", **options)
    drift = move(
        "normal",
        D,
        y,
        variant=Variant("fixed", "constant", "shifted"),
        cost=lambda moved, anchor: moved.sum(1) / math.sqrt(d),
        **options,
    )
    same(official.final, drift.final, ROUNDING)
    unprojected = Variant("aliased", "none", "shifted")
    alone = move("normal", constant, y, variant=unprojected, **options)
    same(alone.final, y - 20 * 0.01 / math.sqrt(d), ROUNDING)


def test_official_differs_in_latent_space_only():
    y, D = points(6, 2), network(2, 1, 8)
    same(move("target", D, y, variant="official").final, move("target", D, y).final)
    for space in ("uniform", "normal"):
        official = move(space, D, y, variant=Variant("aliased", "sqrt_dim", "shifted"))
        assert (official.final - move(space, D, y).final).abs().max() > 1e-4


# Invariances


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize(
    ("space", "variant"),
    [
        ("target", "paper"),
        ("uniform", "official"),
        ("normal", "paper"),
        ("normal", "official"),
    ],
)
def test_64_rows_together_equal_64_alone(space, variant, optimizer):
    """Also for any batch_size. A matrix product may add in another order: rounding, not zero. Only
    a few steps: Adam divides by the size of the gradient, and where that turns around, it makes a
    step out of rounding."""
    y, D = points(64, 3), network(3, 1, 9)
    options = {"optimizer": optimizer, "variant": variant, "steps": 6, "snapshots": [3]}
    together = move(space, D, y, 2.0, **options)
    alone = [move(space, D, row, 2.0, **options) for row in y.split(1)]
    chunks = move(space, D, y, 2.0, batch_size=7, **options)
    same(torch.cat([t.points for t in alone], 1), together.points, ROUNDING)
    same(torch.cat([t.objective for t in alone], 1), together.objective, ROUNDING)
    same(chunks.points, together.points, ROUNDING)
    same(chunks.objective, together.objective, ROUNDING)


def test_a_constant_for_each_row_equals_rows_with_their_own():
    """Also split into batches, float64 constants for float32 points, in both spaces."""
    y, D, k = points(5, 3), network(3, 1, 9), torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0], dtype=torch.float64)
    for space in SPACES:
        together = move(space, D, y, k, steps=4, batch_size=2, optimizer=SGD(0.01))
        alone = [move(space, D, row[None], float(K), steps=4, optimizer=SGD(0.01)) for row, K in zip(y, k, strict=True)]
        same(torch.cat([t.final for t in alone]), together.final, ROUNDING)
        same(torch.cat([t.objective for t in alone], 1), together.objective, ROUNDING)
    single = move("uniform", D.float(), y.float(), k, steps=1)
    assert single.points.dtype == single.objective.dtype == torch.float32


def test_batch_size_bounds_what_the_networks_see():
    seen, D = set(), network(2, 1, 9)

    def recorded(x):
        seen.add(len(x))
        return D(x)

    for batch_size, sizes in [(None, {10}), (4, {4, 2}), (1, {1}), (99, {10})]:
        seen.clear()
        target_dot(recorded, points(10, 2), 1.0, steps=2, batch_size=batch_size)
        assert seen == sizes


def test_tangent_step_is_orthogonal_to_z_and_keeps_the_norm():
    """g.z = 0 to rounding, so |z|^2 grows by lr^2 |g|^2 a step: second order. With lr = 1e-4,
    |g| <= 10 and 100 steps that is below 1e-4 of |z|^2; here |g| is about 1, and |z| keeps 1e-6."""
    y = torch.randn(8, 16, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    D, lr = network(16, 1, 10), 1e-4
    K = 20.0  # of the order of the slope of D, so that gradients are of order 1
    t = move("normal", D, y, K, variant="exact", optimizer=SGD(lr), steps=100, snapshots=range(101))
    step = t.points[1:] - t.points[:-1]  # (100, B, d)
    assert (step * t.points[:-1]).sum(2).abs().max() < 1e-15 * 16
    assert step.norm(dim=2).max() < 5 * lr
    grown = t.points.square().sum(2).diff(dim=0)
    same(grown, step.square().sum(2), 1e-13)
    same(t.final.norm(dim=1), y.norm(dim=1), 1e-6)
    printed = move("normal", D, y, K, variant="paper", optimizer=SGD(lr), steps=100)
    assert (printed.final.norm(dim=1) - y.norm(dim=1)).abs().max() > 1e-4


def test_a_latent_of_zero_keeps_its_gradient():
    y = torch.zeros(1, 3, dtype=torch.float64)
    slope = torch.tensor([2.0, 0.0, 1.0], dtype=torch.float64)
    t = move("normal", linear(slope), y, variant="exact", optimizer=SGD(0.1), steps=1)
    same(t.final[0], 0.1 * slope, ROUNDING)


@pytest.mark.parametrize("variant", VARIANTS)
def test_uniform_latents_stay_in_the_cube(variant):
    y = points(16, 2)
    t = move("uniform", lambda x: 50 * x.sum(1), y, variant=variant, steps=20, snapshots=range(21), optimizer=SGD(0.05))
    assert t.points.abs().max() <= 1
    same(t.final, torch.ones_like(y))


def test_clip_binds_in_target_space():
    """Both coordinates run off, one to each side, by about 0.01 a step."""
    y, D = points(16, 2), linear(torch.tensor([9.0, -9.0], dtype=torch.float64))
    t = target_dot(D, y, 1.0, steps=300, clip=1.5, snapshots=range(301))
    assert t.points.abs().max() <= 1.5
    same(t.final, torch.tensor([1.5, -1.5], dtype=torch.float64).expand(16, 2))
    free = target_dot(D, y, 1.0, steps=300).final
    assert free[:, 0].min() > 1.5 and free[:, 1].max() < -1.5
    same(target_dot(D, y, 1.0, steps=300, clip=1e6).final, free)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_result_does_not_depend_on_layout_or_grad_mode(name):
    y, D, optimizer = points(6, 3), network(3, 1, 11), OPTIMIZERS[name]
    expected = target_dot(D, y, 1.0, optimizer=optimizer).final
    strided = torch.empty(3, 6, dtype=torch.float64).T.copy_(y)
    assert not strided.is_contiguous()
    same(target_dot(D, strided, 1.0, optimizer=optimizer).final, expected)
    with torch.no_grad():
        same(target_dot(D, y, 1.0, optimizer=optimizer).final, expected)
    with torch.inference_mode():
        same(target_dot(D, y.clone(), 1.0, optimizer=optimizer).final, expected)


def test_images_are_rows_with_more_axes():
    y, D = points(5, 12), network(12, 1, 12)
    images = target_dot(lambda x: D(x.flatten(1)), y.reshape(5, 3, 2, 2), 1.0, steps=10)
    same(images.final.flatten(1), target_dot(D, y, 1.0, steps=10).final, ROUNDING)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_dtype_is_kept(dtype, variant):
    y, D = points(5, 2).to(dtype), network(2, 1, 13).to(dtype)
    for space in SPACES:
        t = move(space, D, y, variant=variant, steps=3)
        assert t.points.dtype == dtype and t.objective.dtype == dtype


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 11},
        {"optimizer": SGD(0.02)},
        {"optimizer": Adam(0.01, (0.5, 0.9))},
        {"optimizer": Adam(0.01, (0.0, 0.99))},
        {"cost": "none"},
        {"cost": "sqeuclidean"},
        {"cost": lambda moved, anchor: (moved - anchor).abs().sum(1)},
        {"variant": "exact"},
        {"delta": 2e-2},
        {"K": 2.0},
        {"clip": 0.5},
    ],
    ids=", ".join,
)
def test_every_option_matters_in_target_space(change):
    y, D = points(16, 2), network(2, 1, 14)
    options = {"steps": 10, "K": 1.0, "optimizer": SGD(0.01)}
    if "optimizer" in change and isinstance(change["optimizer"], Adam):
        options["optimizer"] = Adam(0.01, (0.0, 0.9))
    plain, changed = (move("target", D, y, **o).final for o in (options, options | change))
    assert (changed - plain).abs().max() > 1e-5


@pytest.mark.parametrize("space", ["uniform", "normal"])
@pytest.mark.parametrize(
    "change",
    [
        {"steps": 11},
        {"optimizer": SGD(0.02)},
        {"cost": "none"},
        {"cost": "sqeuclidean"},
        {"variant": "exact"},
        {"variant": "official"},
        {"delta": 2e-2},
        {"K": 2.0},
    ],
    ids=", ".join,
)
def test_every_option_matters_in_latent_space(space, change):
    y, D = points(16, 2), network(2, 1, 14)
    options = {"steps": 10, "K": 1.0, "optimizer": SGD(0.01)}
    plain, changed = (move(space, D, y, **o).final for o in (options, options | change))
    assert (changed - plain).abs().max() > 1e-5


def test_defaults_are_the_paper_s():
    """B.1: 100 steps of Adam(0.01, 0, 0.9). B.2: 20 steps of SGD 0.01, for the DCGAN rows."""
    y, D = points(4, 2), network(2, 1, 15)
    written_out = {"cost": "l2", "variant": "paper", "delta": 0.001, "batch_size": None}
    same(
        target_dot(D, y, 1.0).final,
        target_dot(D, y, 1.0, steps=100, optimizer=Adam(0.01, (0, 0.9)), **written_out).final,
    )
    same(move("uniform", D, y).final, move("uniform", D, y, steps=20, optimizer=SGD(0.01), **written_out).final)


def test_objective_falls_and_evaluations_are_counted():
    rows = {"G": 0, "D": 0, "backward": 0}

    def G(z):
        rows["G"] += len(z)
        return 2 * z

    def D(x):
        rows["D"] += len(x)
        logits = 0.3 * x.sum(1)

        def count(g):
            rows["backward"] += len(g)

        logits.register_hook(count)
        return logits

    y = points(10, 2)
    t = latent_dot(Pair(G, D, Uniform(2)), y, 1.0, steps=8, variant="exact", delta=0.1, batch_size=4)
    assert rows == {"G": 90, "D": 90, "backward": 80}
    assert (t.generator_evaluations, t.discriminator_evaluations, t.backward_passes) == (9, 9, 8)
    assert (t.objective.diff(dim=0) < 0).all()
    t = target_dot(D, y, 1.0, steps=8)
    assert (t.generator_evaluations, t.discriminator_evaluations, t.backward_passes) == (0, 9, 8)


# Second method: central differences


class Probe:
    """In place of an optimiser: moves by given offsets and keeps the gradients it was handed."""

    def __init__(self, *offsets):
        self.offsets = offsets

    def on(self, z):
        self.z, self.gradients = z, []
        return self

    def step(self):
        offset = self.offsets[len(self.gradients)]
        self.gradients.append(self.z.grad.clone())
        with torch.no_grad():
            self.z += offset


DIVISOR = {
    "paper": lambda z: math.sqrt(z.shape[1]),
    "official": lambda z: 11.31,
    "exact": lambda z: z.square().sum(1, keepdim=True),
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize(
    "cost",
    ["l2", "sqeuclidean", "none", lambda moved, anchor: (moved - anchor).pow(4).sum(1)],
    ids=["l2", "sqeuclidean", "none", "quartic"],
)
@pytest.mark.parametrize("space", SPACES)
def test_gradients_equal_central_differences(space, cost, variant):
    """The objective at z_y + a + b, read from the path, is differentiated by b +- h. With h = 1e-6,
    truncation and rounding are each some 1e-10; 1e-7 leaves room for curvature.

    Under the normal prior the handed gradient is projected: its tangential part must be that of the
    differences, its radial part times 1 - z.z / divisor. Where the anchor is the moving point, the
    differences cannot see the cost; its gradient there is the drift of the shifted norm, or zero.
    """
    d, h = 3, 1e-6
    y, D = points(4, d), network(d, 1, 16)
    a, b = 0.1 * points(4, d, seed=1), 0.1 * points(4, d, seed=2)
    options = {"cost": cost, "variant": variant, "K": 1.7, "delta": 0.05}

    def objective(offset):
        return move(space, D, y, optimizer=Probe(a, offset), steps=2, **options).objective[2]

    differences = torch.stack(
        [(objective(b + e) - objective(b - e)) / (2 * h) for e in h * torch.eye(d, dtype=torch.float64)], 1
    )
    probe = Probe(a, b, 0)
    move(space, D, y, optimizer=probe, steps=3, **options)
    gradient = probe.gradients[2]
    if space == "normal":
        if variant == "official" and cost == "l2":
            differences = differences + 1 / math.sqrt(d)
        z = y + a + b
        radial = (differences * z).sum(1, keepdim=True) * z / z.square().sum(1, keepdim=True)
        factor = 1 - z.square().sum(1, keepdim=True) / DIVISOR[variant](z)
        differences = (differences - radial) + factor * radial
    same(gradient, differences, 1e-7)


def test_generator_is_in_the_gradient():
    """With G(z) = A z and D linear in x, D(G(z)) has slope A'w: one naive step shows it."""
    A = torch.tensor([[1.0, 2.0], [0.0, -1.0], [3.0, 0.5]], dtype=torch.float64)
    w = torch.tensor([1.0, -2.0, 0.25], dtype=torch.float64)
    y = points(4, 2)
    t = latent_dot(Pair(lambda z: z @ A.T, linear(w), Uniform(2)), y, 5.0, cost="none", steps=1, optimizer=SGD(0.1))
    same(t.final - y, (0.1 / 5.0 * (w @ A)).expand(4, 2), ROUNDING)


# Failures


def bad(**change):
    """Arguments of a good call, with a change."""
    return {"D": network(2, 1, 17), "y": points(4, 2), "K_eff": 1.0, "steps": 3} | change


def spoiled(value: float) -> torch.Tensor:
    y = points(4, 2)
    y[1, 0] = value
    return y


def training_mode() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)).double()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": spoiled(math.nan)}, "^y: .*NaN.* 1 of 4 rows"),
        ({"y": spoiled(math.inf)}, "^y: .*infinity"),
        ({"y": spoiled(-math.inf)}, "^y: .*infinity"),
        ({"y": points(4, 2)[:0]}, "^y: .*empty"),
        ({"y": points(4, 2)[0]}, r"^y: .*\(2,\)"),
        ({"y": points(4, 2).long()}, "^y: .*int64"),
        ({"y": points(4, 2).to(torch.uint8)}, "^y: .*uint8"),
        ({"y": points(4, 2).to(torch.complex64)}, "^y: .*complex64"),
        ({"y": points(4, 2).half()}, "^y: .*float16.*float"),
        ({"y": points(4, 2).bfloat16()}, "^y: .*bfloat16.*float"),
        ({"y": points(4, 2).float()}, "^y: .*float32.*dtype"),
        ({"y": points(4, 3)}, r"^y: .*\(4, 3\).*width"),
        ({"y": points(4, 2).numpy()}, "^y: .*ndarray"),
        ({"y": None}, "^y: .*NoneType"),
        ({"K_eff": 0}, "^K_eff: .*> 0.*found 0.*lipschitz"),
        ({"K_eff": -1.5}, "^K_eff: .*-1.5"),
        ({"K_eff": math.nan}, "^K_eff: .*nan"),
        ({"K_eff": math.inf}, "^K_eff: .*inf"),
        ({"K_eff": "1"}, "^K_eff: .*'1'"),
        ({"K_eff": torch.ones(3)}, r"^K_eff: found shape \(3,\) for 4 rows; pass one number, or \(4,\)"),
        ({"K_eff": torch.tensor([1.0, 2.0, 0.0, 3.0])}, "^K_eff: .*> 0.*found 0.0.*lipschitz"),
        ({"steps": -1}, "^steps: .*-1"),
        ({"steps": 2.5}, "^steps: .*2.5"),
        ({"optimizer": "adam"}, r"^optimizer: .*'adam'.*SGD\(lr\)"),
        ({"optimizer": 0.01}, "^optimizer: .*0.01"),
        ({"cost": "L2"}, "^cost: .*'L2'.*l2, none, sqeuclidean"),
        ({"cost": 2}, "^cost: .*2"),
        ({"cost": lambda moved, anchor: (moved - anchor).norm()}, r"^cost: gave \(\) for 4 rows"),
        ({"cost": lambda moved, anchor: (moved - anchor).norm(dim=1, keepdim=True)}, r"^cost: .*4, 1"),
        ({"cost": lambda moved, anchor: 0.0}, "^cost: gave float"),
        ({"cost": lambda moved, anchor: (moved - anchor).norm(dim=1) / 0}, "^objective: NaN.*step 0"),
        ({"variant": "exakt"}, "^variant: .*exact, official, paper.*nearest: exact"),
        ({"variant": None}, "^variant: .*None"),
        ({"delta": 0.0}, "^delta: .*0.0"),
        ({"delta": -1e-3}, "^delta: .*-0.001"),
        ({"delta": math.nan}, "^delta: .*nan"),
        ({"clip": 0.0}, "^clip: .*0.0"),
        ({"clip": -2.0}, "^clip: .*-2.0"),
        ({"clip": math.inf}, "^clip: .*inf"),
        ({"snapshots": [4]}, "^snapshots: found 4.*3 steps"),
        ({"snapshots": [-1]}, "^snapshots: .*-1"),
        ({"snapshots": [0.5]}, "^snapshots: .*0.5"),
        ({"batch_size": 0}, "^batch_size: .*0"),
        ({"D": lambda x: (x.sum(1), x)}, "^discriminator: .*tuple"),
        ({"D": lambda x: x}, r"^discriminator: .*\(4, 2\)"),
        ({"D": lambda x: x.sum()}, r"^discriminator: .*\(\)"),
        ({"D": lambda x: x.sum(1) / 0}, "^objective: NaN or infinity at step 0 in 4 of 4 rows"),
        ({"D": lambda x: x.sum(1).detach()}, "^discriminator: .*detach"),
        (
            {"D": lambda x: x.sum(1).detach() + torch.zeros(1, dtype=x.dtype, requires_grad=True)},
            "^discriminator: autograd",
        ),
        ({"D": training_mode()}, "^discriminator: Sequential is in training mode.*eval"),
        (
            {"D": lambda x: (1e3 * x).square().sum(1), "cost": "none", "optimizer": SGD(1e300)},
            "^objective: NaN or infinity at step 1",
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_arguments_of_target_space_are_named(change, message):
    with pytest.raises(InputError, match=message) as error:
        target_dot(**bad(**change))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z_y": points(4, 3)}, "^z_y: expected width 2"),
        ({"z_y": spoiled(math.nan)}, "^z_y: .*NaN"),
        ({"z_y": points(4, 2)[:0]}, "^z_y: .*empty"),
        ({"z_y": points(4, 2).reshape(4, 1, 2)}, r"^z_y: .*\(4, 1, 2\)"),
        ({"z_y": points(4, 2).float()}, "^z_y: .*float32.*dtype"),
        ({"k_eff": 0.0}, "^k_eff: .*0.0.*latent_constant"),
        ({"k_eff": math.nan}, "^k_eff: .*nan"),
        ({"k_eff": torch.ones(4, 1)}, r"^k_eff: found shape \(4, 1\) for 4 rows"),
        ({"k_eff": torch.tensor([1.0, 1.0, math.inf, 1.0])}, "^k_eff: .*inf"),
        ({"variant": "offical"}, "^variant: .*nearest: official"),
        ({"pair": Pair(network(2, 3, 1), network(2, 1, 2), Uniform(2))}, "^z_y: .*width"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_wrong_arguments_of_latent_space_are_named(change, message):
    good = {"pair": Pair(network(2, 2, 1), network(2, 1, 2), Uniform(2)), "z_y": points(4, 2), "k_eff": 1.0, "steps": 3}
    with pytest.raises(InputError, match=message) as error:
        latent_dot(**good | change)
    assert "\n" not in str(error.value)


def test_training_mode_is_seen_after_the_pair_was_made():
    pair = Pair(network(2, 2, 1), network(2, 1, 2), Uniform(2))
    pair.generator.train()
    with pytest.raises(InputError, match=r"^generator: .*training mode"):
        latent_dot(pair, points(4, 2), 1.0)


def test_an_option_with_a_typo_is_a_type_error():
    with pytest.raises(TypeError, match="learning_rate"):
        target_dot(**bad(learning_rate=0.1))
    with pytest.raises(TypeError):
        target_dot(network(2, 1, 1), points(4, 2), 1.0, 100)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-0.1), "^lr: .*-0.1"),
        (lambda: SGD(math.nan), "^lr: .*nan"),
        (lambda: Adam(math.inf), "^lr: .*inf"),
        (lambda: Adam(0.1, (0.0, 1.0)), "^betas: .*1.0"),
        (lambda: Adam(0.1, (-0.1, 0.9)), "^betas: .*-0.1"),
        (lambda: Adam(0.1, (0.9,)), "^betas: .*two"),
        (lambda: Variant("fixd", "none", "smooth"), "^anchor: .*nearest: fixed"),
        (lambda: Variant("fixed", "tangent", "smooth"), "^projection: .*norm, sqrt_dim"),
        (lambda: Variant("fixed", "norm", "smoth"), "^norm: .*nearest: smooth"),
        (lambda: target_dot(**bad()).at(2), r"^step: 2 .*\(3,\)"),
    ],
)
def test_wrong_settings_are_named(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_lack_of_memory_keeps_its_own_error():
    """A caller may want to catch it and lower batch_size."""

    def full(x):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError, match="no room"):
        target_dot(full, points(4, 2), 1.0)
