"""Embedded DOT and the null space of an extractor.

Identities (the identity is the plain cost, a constant the naive ascent), closed forms for linear E and D, invariances,
a second method (central differences, a projector by pinv), failures. float64 throughout.
"""

import numpy as np
import pytest
import torch
from torch import nn

from dotlib.errors import InputError
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.seeding import generator
from dotlib.transport import SGD, Adam, Variant, embedded, latent_dot, null_share, target_constant, target_dot
from dotlib.transport.embedding import jacobian
from dotlib.transport.lipschitz import slopes

DELTA = 1e-3
ADAM = Adam(0.02)
NO_PROJECTION = Variant(anchor="fixed", projection="none", norm="smooth")


def noise(*shape, name="x"):
    return torch.randn(shape, generator=generator(0, "embedding", name), dtype=torch.float64)


def network(inputs, outputs, name):
    layers = nn.Sequential(nn.Linear(inputs, 12), nn.Tanh(), nn.Linear(12, outputs)).double().eval()
    for number, parameter in enumerate(layers.parameters()):
        parameter.data = noise(*parameter.shape, name=f"{name}{number}")
    return layers.requires_grad_(False)


D, E = network(4, 1, "D"), network(4, 3, "E")
G = network(2, 4, "G")
PAIR = Pair(G, D, Uniform(2))


def latents(rows=6):
    return 0.5 * torch.tanh(noise(rows, 2, name="z"))


def target(cost, y=None, K=0.7, **options):
    options = {"steps": 15, "optimizer": ADAM} | options
    return target_dot(D, noise(6, 4, name="y") if y is None else y, K, cost=cost, **options)


def latent(cost, **options):
    options = {"steps": 15, "optimizer": ADAM, "compared": "samples"} | options
    return latent_dot(PAIR, latents(), 0.7, cost=cost, **options)


# Identities


@pytest.mark.parametrize(("variant", "norm"), [("paper", "shifted"), ("exact", "smooth")])
@pytest.mark.parametrize("cost", ["l2", "sqeuclidean"])
def test_the_identity_gives_the_plain_cost_to_the_bit(cost, variant, norm):
    """In images too, whose features are flattened, and in latent space where the cost sees samples."""
    same = embedded(lambda x: x, cost=cost, norm=norm)
    assert torch.equal(target(same).points, target(cost, variant=variant).points)
    assert torch.equal(latent(same).final, latent(cost, variant=variant).final)
    y, flat = noise(3, 1, 2, 2, name="images"), nn.Sequential(nn.Flatten(), D)
    options = {"steps": 9, "optimizer": ADAM, "variant": variant}
    first, second = (target_dot(flat.eval(), y, 0.7, cost=each, **options).final for each in (same, cost))
    assert torch.equal(first, second)


def test_a_constant_extractor_is_the_naive_ascent():
    """The cost is |delta| sqrt(m), whose gradient is 0."""
    blind = embedded(lambda x: 0 * x)
    assert torch.equal(target(blind).final, target("none").final)
    assert torch.equal(latent(blind).final, latent("none").final)
    assert target(blind).objective[0] - target("none").objective[0] == pytest.approx(np.full(6, 2 * DELTA), rel=1e-9)


@pytest.mark.parametrize("scale", [0.25, 4.0])
def test_a_scaled_identity_scales_the_constant(scale):
    """c ||x - y|| - D / K = c (||x - y|| - D / (c K)): steps c times as long with c times the constant."""
    scaled = embedded(lambda x: scale * x, delta=scale * DELTA)
    descent = {"optimizer": SGD(0.02 / scale)}
    found, plain = target(scaled, **descent), target("l2", K=0.7 * scale, optimizer=SGD(0.02))
    torch.testing.assert_close(found.points, plain.points, rtol=0, atol=1e-12)
    torch.testing.assert_close(found.objective, scale * plain.objective, rtol=1e-12, atol=1e-12)


def test_what_the_cost_sees_is_latents_or_samples():
    """With a G that keeps distances both are one; with a stretched one they are not."""
    turn = torch.linalg.qr(noise(2, 2, name="turn"))[0]
    for stretch, alike in ((1.0, True), (3.0, False)):
        pair = Pair(lambda z, s=stretch: s * z @ turn, network(2, 1, "D2"), Uniform(2))
        options = {"steps": 8, "optimizer": SGD(0.02), "variant": "exact"}
        ends = [latent_dot(pair, latents(), 0.7, compared=each, **options).final for each in ("latents", "samples")]
        assert torch.allclose(*ends, rtol=0, atol=1e-12) is alike


def test_samples_are_made_once_a_step():
    """The cost acts on the G(z) whose D is taken; an anchor of its own is one sample more."""
    seen = []
    counting = Pair(lambda z: seen.append(len(z)) or G(z), D, Uniform(2))
    options = {"steps": 5, "compared": "samples", "cost": embedded(E)}
    for anchor, extra in ((None, 0), (latents(6).flip(0), 1)):
        seen.clear()
        path = latent_dot(counting, latents(), 0.7, anchor=anchor, **options)
        assert seen == [6] * (6 + extra) and path.generator_evaluations == len(seen)


# Anchors


def test_the_points_themselves_as_anchor_are_the_algorithm():
    y, z = noise(6, 4, name="y"), latents()
    assert torch.equal(target("l2", y, anchor=y).points, target("l2", y).points)
    for compared in ("latents", "samples"):
        assert torch.equal(latent("l2", anchor=z, compared=compared).points, latent("l2", compared=compared).points)


@pytest.mark.parametrize("space", ["target", "latent"])
def test_an_unrelated_anchor_draws_every_point_to_it_without_a_discriminator(space):
    """With D constant the end is within a step of another sample, and with the own anchor nothing moves."""
    start = 0.5 * torch.tanh(noise(6, 3, name="start"))
    other, flat, lr = start.roll(1, 0), lambda x: 0 * x.sum(1), 0.02

    def end(**options):
        options |= {"steps": 300, "optimizer": SGD(lr), "variant": "exact"}
        if space == "target":
            return target_dot(flat, start, 1.0, **options).final
        return latent_dot(Pair(lambda z: z, flat, Uniform(3)), start, 1.0, **options).final

    assert (end(anchor=other) - other).norm(dim=1).max() < lr
    assert (start - other).norm(dim=1).min() > 10 * lr
    assert torch.equal(end(), start)


def test_an_unrelated_anchor_shrinks_normal_latents():
    """Half of the way between two independent draws of N(0, I): the length falls by the root of 2."""
    z = noise(400, 32, name="normal")
    pair = Pair(lambda z: z, lambda x: 0 * x.sum(1), Normal(32))
    steps = round(float((z - z.roll(1, 0)).norm(dim=1).mean()) / 2 / 0.05)  # SGD walks 0.05 a step along the norm
    moved = latent_dot(pair, z, 1.0, anchor=z.roll(1, 0), steps=steps, optimizer=SGD(0.05), variant=NO_PROJECTION).final
    assert float(moved.norm(dim=1).mean() / z.norm(dim=1).mean()) == pytest.approx(0.5**0.5, abs=0.02)


def test_batches_keep_their_anchors():
    y, other = noise(6, 4, name="y"), noise(6, 4, name="other")
    whole, parts = (target("l2", y, anchor=other, batch_size=size).final for size in (None, 4))
    torch.testing.assert_close(whole, parts, rtol=0, atol=1e-13)
    z = latents()
    for compared in ("latents", "samples"):
        ends = [latent("l2", anchor=z.flip(0), compared=compared, batch_size=size).final for size in (None, 4)]
        torch.testing.assert_close(*ends, rtol=0, atol=1e-13)


# The pseudo-metric, in closed form


def test_along_the_null_space_d_is_climbed_without_end():
    """E sees two of three coordinates, D is linear with slope w.

    Along the third the gradient is w_3 / K at every step, whatever the distance: after n steps the point has moved
    n lr w_3 / K. Of the others, the distance holds those back whose slope is below K, and no others.
    """
    K, lr, steps = 1.0, 0.01, 400
    for slopes_of, held in (([0.3, 0.4, 2.0], True), ([0.9, 1.2, 2.0], False)):
        w = torch.tensor(slopes_of).double()
        start = noise(5, 3, name="start")
        options = {"steps": steps, "optimizer": SGD(lr)}
        path = target_dot(lambda x, w=w: x @ w, start, K, cost=embedded(lambda x: x[:, :2], norm="smooth"), **options)
        moved = path.final - start
        torch.testing.assert_close(moved[:, 2], torch.full((5,), steps * lr * 2.0 / K).double(), rtol=0, atol=1e-12)
        seen = moved[:, :2].norm(dim=1)
        assert (seen < 2 * DELTA).all() if held else (seen > 0.4 * steps * lr * (1.5 - 1)).all()
        share = null_share(lambda x: x[:, :2], start, moved).share
        torch.testing.assert_close(share, moved[:, 2].square() / moved.square().sum(1), rtol=1e-12, atol=0)


def test_the_plain_cost_holds_the_same_discriminator_back_in_every_direction():
    """Slope 0.97 below K: the point stays, although the embedded cost lets it go along its blind coordinate."""
    w, start = torch.tensor([0.3, 0.4, 0.8]).double(), noise(5, 3, name="start")
    ends = {}
    for name, cost in (("plain", "l2"), ("embedded", embedded(lambda x: x[:, :2], norm="smooth"))):
        path = target_dot(lambda x: x @ w, start, 1.0, cost=cost, steps=400, optimizer=SGD(0.01), variant="exact")
        ends[name] = (path.final - start).norm(dim=1)
    assert (ends["plain"] < 5 * DELTA).all() and (ends["embedded"] > 3).all()


def test_the_null_share_of_a_linear_extractor_is_that_of_its_projector():
    A, x, d = noise(3, 5, name="A"), noise(60, 5), noise(60, 5, name="d")
    found = null_share(lambda x: x @ A.T, x, d)
    seen = d @ torch.linalg.pinv(A) @ A
    torch.testing.assert_close(found.share, 1 - seen.square().sum(1) / d.square().sum(1), rtol=1e-10, atol=1e-12)
    assert (found.rank == 3).all()
    inside = d - seen
    torch.testing.assert_close(null_share(lambda x: x @ A.T, x, inside).share, torch.ones(60).double())
    assert null_share(lambda x: x @ A.T, x, seen).share.max() < 1e-12


def test_a_random_direction_has_the_share_of_its_dimensions():
    """E of the share is (n - rank) / n; its law is a Beta one with parameters (n - rank) / 2 and rank / 2."""
    n, rank, rows = 16, 6, 2_000
    A = noise(rank, 4, name="left") @ noise(4, n, name="right")  # six features of rank 4
    found = null_share(lambda x: x @ A.T, noise(rows, n), noise(rows, n, name="d"))
    assert (found.rank == 4).all()
    a, b = (n - 4) / 2, 4 / 2
    sd = (a * b / (a + b) ** 2 / (a + b + 1)) ** 0.5
    assert abs(float(found.share.mean()) - a / (a + b)) < 4 * sd / rows**0.5


def test_a_relu_counts_only_the_features_that_are_alive():
    x = torch.tensor([[1.0, -1.0, 2.0], [-1.0, -2.0, -3.0]]).double()
    found = null_share(torch.relu, x, torch.ones(2, 3).double())
    assert found.rank.tolist() == [2, 0]
    torch.testing.assert_close(found.share, torch.tensor([1 / 3, 1.0]).double())


def test_a_tolerance_drops_small_singular_values():
    E, d = (lambda x: x * torch.tensor([1.0, 1e-3]).double()), torch.ones(1, 2).double()
    shares = [float(null_share(E, d, d, tolerance=each).share) for each in (None, 1e-2)]
    assert shares == pytest.approx([0.0, 0.5], abs=1e-12)


def test_more_features_than_numbers_leave_nothing_unseen():
    A = noise(9, 4, name="tall")
    found = null_share(lambda x: x @ A.T, noise(7, 4), noise(7, 4, name="d"))
    assert (found.rank == 4).all() and found.share.max() < 1e-12


# A second method


def test_the_jacobian_is_that_of_central_differences():
    x, h = noise(5, 4), 1e-6
    found = jacobian(E, x)
    for j in range(4):
        step = torch.zeros(4).double().index_fill_(0, torch.tensor([j]), h)
        expected = (E(x + step) - E(x - step)) / (2 * h)
        torch.testing.assert_close(found[:, :, j], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("norm", ["shifted", "smooth"])
def test_gradients_of_the_cost(norm):
    cost, y = embedded(E, norm=norm), noise(3, 4, name="y")
    assert torch.autograd.gradcheck(lambda x: cost(x, y), noise(3, 4).requires_grad_(True))
    at = y.clone().requires_grad_(True)  # at the anchor the norm has its delta, and a finite gradient
    (gradient,) = torch.autograd.grad(cost(at, y).sum(), at)
    assert torch.isfinite(gradient).all() and (gradient == 0).all() == (norm == "smooth")


def test_a_step_is_that_of_the_printed_formula():
    y, K, lr = noise(6, 4, name="y"), 0.7, 0.05
    first = target_dot(D, y, K, cost=embedded(E), steps=2, optimizer=SGD(lr), snapshots=[1])
    x = first.at(1).requires_grad_(True)
    objective = (E(x) - E(y) + DELTA).square().sum(1).sqrt() - D(x)[:, 0] / K
    (g,) = torch.autograd.grad(objective.sum(), x)
    torch.testing.assert_close(first.final, x.detach() - lr * g, rtol=0, atol=1e-13)
    torch.testing.assert_close(first.objective[1], objective.detach(), rtol=1e-13, atol=0)


def test_the_latent_step_is_that_of_the_printed_formula():
    z0, k, lr = latents(), 0.7, 0.01
    options = {"steps": 2, "optimizer": SGD(lr), "snapshots": [1], "compared": "samples"}
    path = latent_dot(PAIR, z0, k, cost=embedded(E), **options)
    z = path.at(1).requires_grad_(True)
    objective = (E(G(z)) - E(G(z0)) + DELTA).square().sum(1).sqrt() - D(G(z))[:, 0] / k
    (g,) = torch.autograd.grad(objective.sum(), z)
    torch.testing.assert_close(path.final, (z.detach() - lr * g).clamp(-1, 1), rtol=0, atol=1e-13)


# The constant of an embedding


def test_slopes_over_features_are_a_plain_loop():
    x, y = noise(7, 4), noise(7, 4, name="other")
    found = slopes(D, x, y, E)
    for a, b, slope in zip(x, y, found, strict=True):
        rise, run = abs(float(D(a) - D(b))), float((E(a) - E(b)).norm())
        assert float(slope) == pytest.approx(rise / run, rel=1e-10)
    torch.testing.assert_close(slopes(D, x, y, lambda x: 2 * x), slopes(D, x, y) / 2, rtol=1e-12, atol=0)


def test_the_constant_over_features_takes_the_same_pairs():
    def sample(n, rng):
        return torch.randn(n, 4, generator=rng, dtype=torch.float64)

    plain, doubled = (
        target_constant(D, sample, n_pairs=20, repeats=3, embed=embed, rng=generator(0, "K"))
        for embed in (None, lambda x: 2 * x)
    )
    torch.testing.assert_close(doubled.maxima, plain.maxima / 2, rtol=1e-12, atol=0)


# Failures


def test_wrong_arguments_are_named():
    x = noise(3, 4)
    cases = {
        r"^E: .* is in training mode": lambda: embedded(nn.Dropout()),
        r"^E: .*training mode": lambda: null_share(nn.Dropout(), x, x),
        r"^cost: unknown 'none'; known: l2, sqeuclidean": lambda: embedded(E, cost="none"),
        r"^norm: unknown 'l2'": lambda: embedded(E, norm="l2"),
        r"^E: gave \(3,\) for 3 rows": lambda: target(embedded(lambda x: x.sum(1)), x),
        r"^E: gave tuple for 3 rows": lambda: target(embedded(lambda x: (x, x)), x),
        r"^E: found NaN or infinity in 3 of 3 rows": lambda: target(embedded(lambda x: x / 0), x),
        r"^d: found shape \(3, 2\) for \(3, 4\) numbers": lambda: null_share(E, x, x[:, :2]),
        r"^d: found 1 moves of length 0": lambda: null_share(E, x, x * torch.tensor([[1.0], [0.0], [1.0]])),
        r"autograd does not connect": lambda: jacobian(lambda x: x.detach(), x),
        r"^anchor: found \(2, 4\) of torch.float64 beside": lambda: target("l2", x, anchor=x[:2]),
        r"^anchor: found .*float32": lambda: target("l2", x, anchor=x.float()),
        r"^compared: unknown 'images'; known: latents, samples": lambda: latent("l2", compared="images"),
        r"^variant: an \"aliased\" anchor": lambda: latent("l2", variant="official"),
        r"^variant: an \"aliased\"": lambda: latent("l2", variant="official", compared="latents", anchor=latents()),
        r"^embed: maps the points of 3 of 3 pairs to one": lambda: slopes(D, x, x + 1, lambda x: 0 * x),
    }
    for message, call in cases.items():
        with pytest.raises(InputError, match=message):
            call()
