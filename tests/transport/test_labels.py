"""Algorithm 3 of [DOT19], eqs. (25), (26): latent-space DOT on a pair with its labels bound.

Kinds of test: second method (the algorithm as a plain loop), identities, invariances (rows, batches, order), closed
forms (linear pairs), failures.
"""

import pytest
import torch
from torch import Tensor

from dotlib.errors import InputError
from dotlib.networks import conditional
from dotlib.networks.freezing import frozen
from dotlib.pairs import Normal, Pair, Uniform
from dotlib.seeding import generator
from dotlib.transport import SGD, VARIANTS, Adam, class_constants, latent_constant, latent_dot

CLASSES, DIM, ROWS = 5, 6, 4
Y = torch.tensor([3, 0, 4, 0])
K = torch.tensor([0.2, 0.3, 0.5, 0.7, 0.11], dtype=torch.float64)  # of each class
OPTIMIZERS = {"sgd": SGD(0.05), "adam": Adam(0.02)}
EACH = pytest.mark.parametrize(
    ("optimizer", "variant"), [(optimizer, variant) for optimizer in OPTIMIZERS for variant in VARIANTS]
)


@pytest.fixture(scope="module")
def pair() -> Pair:
    """A projection pair in float64 whose classes differ, on the smallest ladder."""
    sizes = {"bottom": 1, "width": 2, "classes": CLASSES, "channels": 1, "ladder": conditional.CIFAR}
    G = conditional.Generator(**sizes, latent=DIM, rng=generator(0, "G")).double()
    D = conditional.Discriminator(**sizes, rng=generator(0, "D")).double()
    rng = generator(0, "spread")
    for network in (G, D):
        for p in network.parameters():
            p.data += 0.3 * torch.randn(p.shape, generator=rng, dtype=torch.float64)
    return Pair(frozen(G), frozen(D), Normal(DIM))


@pytest.fixture(scope="module")
def z() -> Tensor:
    return torch.randn(ROWS, DIM, generator=generator(0, "z"), dtype=torch.float64)


def plain(pair: Pair, z_y: Tensor, y: int, k: float, steps: int, lr: float, delta: float = 1e-3) -> Tensor:
    """Algorithm 3 of one latent and one class with plain gradient descent, written out from the article."""
    z = z_y.clone()
    for _ in range(steps):
        leaf = z[None].clone().requires_grad_(True)
        label = torch.tensor([y])
        value = (leaf[0] - z_y + delta).norm() - pair.discriminator(pair.generator(leaf, label), label).sum() / k
        (g,) = torch.autograd.grad(value, leaf)
        z = z - lr * (g[0] - (g[0] @ z) * z / DIM**0.5)
    return z


def test_it_is_the_algorithm_of_the_article(pair, z):
    moved = latent_dot(pair.conditioned_on(Y), z, K[Y], steps=5, optimizer=SGD(0.05)).final
    by_hand = torch.stack([plain(pair, row, int(y), float(K[y]), 5, 0.05) for row, y in zip(z, Y, strict=True)])
    assert float((moved - z).norm(dim=1).min()) > 0.02
    assert torch.allclose(moved, by_hand, rtol=1e-11, atol=1e-12)


@EACH
def test_one_class_for_all_rows_gives_the_bits_of_the_pair_at_that_class(pair, z, optimizer, variant):
    """The tensor (y, ..., y) against y; and against a pair of one-argument functions, made without `conditioned_on`."""
    options = {"steps": 4, "optimizer": OPTIMIZERS[optimizer], "variant": variant}
    y = torch.full((ROWS,), 3)
    alone = latent_dot(pair.conditioned_on(3), z, 0.3, **options)
    functions = Pair(lambda z: pair.generator(z, y), lambda x: pair.discriminator(x, y), pair.prior)
    for other in (latent_dot(pair.conditioned_on(y), z, 0.3, **options), latent_dot(functions, z, 0.3, **options)):
        assert torch.equal(other.final, alone.final) and torch.equal(other.objective, alone.objective)
    assert not torch.equal(latent_dot(pair.conditioned_on(2), z, 0.3, **options).final, alone.final)


@EACH
def test_rows_of_several_classes_are_each_row_alone(pair, z, optimizer, variant):
    """float64: only the order of sums within a batch differs, 1e-12."""
    options = {"steps": 4, "optimizer": OPTIMIZERS[optimizer], "variant": variant}
    together = latent_dot(pair.conditioned_on(Y), z, K[Y], **options)
    for row, y in enumerate(Y.tolist()):
        one = latent_dot(pair.conditioned_on(y), z[row : row + 1], float(K[y]), **options)
        assert torch.allclose(one.final[0], together.final[row], rtol=1e-12, atol=1e-12)
        assert torch.allclose(one.objective[:, 0], together.objective[:, row], rtol=1e-12, atol=1e-11)


def test_rows_alone_in_single_precision(pair, z):
    single = Pair(*(network.float() for network in map(frozen, (pair.generator, pair.discriminator))), pair.prior)
    together = latent_dot(single.conditioned_on(Y), z.float(), K[Y], steps=4, optimizer=SGD(0.05)).final
    for row, y in enumerate(Y.tolist()):
        bound = single.conditioned_on(y)
        one = latent_dot(bound, z[row : row + 1].float(), float(K[y]), steps=4, optimizer=SGD(0.05)).final
        assert torch.allclose(one[0], together[row], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_batches_take_the_labels_and_constants_of_their_rows(pair, z, size):
    whole = latent_dot(pair.conditioned_on(Y), z, K[Y], steps=3, snapshots=(1,))
    parts = latent_dot(pair.conditioned_on(Y), z, K[Y], steps=3, snapshots=(1,), batch_size=size)
    assert torch.allclose(parts.points, whole.points, rtol=1e-12, atol=1e-12)
    assert torch.allclose(parts.objective, whole.objective, rtol=1e-12, atol=1e-11)


@EACH
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_constants_in_a_tensor_give_the_bits_of_the_number(pair, z, optimizer, variant, dtype):
    options = {"steps": 4, "optimizer": OPTIMIZERS[optimizer], "variant": variant}
    networks = [frozen(network).to(dtype) for network in (pair.generator, pair.discriminator)]
    bound = Pair(*networks, pair.prior).conditioned_on(Y)
    number = latent_dot(bound, z.to(dtype), 0.3, **options)
    for k in (torch.full((ROWS,), 0.3, dtype=torch.float64), torch.full((ROWS,), 0.3, dtype=dtype)):
        tensor = latent_dot(bound, z.to(dtype), k, **options)
        assert torch.equal(tensor.final, number.final) and torch.equal(tensor.objective, number.objective)
    other = latent_dot(bound, z.to(dtype), torch.tensor([0.3, 0.3, 0.3, 0.31], dtype=dtype), **options)
    assert torch.equal(other.objective[:, :3], number.objective[:, :3])
    assert not torch.equal(other.objective[:, 3], number.objective[:, 3])


def test_swapped_labels_of_equal_latents_swap_the_results(pair, z):
    start = z[:1].repeat(2, 1)
    ends = [
        latent_dot(pair.conditioned_on(y), start, K[y], steps=4, optimizer=SGD(0.05)).final
        for y in (torch.tensor([1, 4]), torch.tensor([4, 1]))
    ]
    assert torch.allclose(ends[0], ends[1].flip(0), rtol=1e-12, atol=1e-12)
    assert float((ends[0] - ends[1]).norm(dim=1).min()) > 1e-3


# --- linear pairs ------------------------------------------------------------------------------

MAPS = torch.randn(3, 2, 4, generator=generator(0, "A"), dtype=torch.float64)  # A_y: latents (4,) -> data (2,)
WEIGHTS = torch.randn(3, 2, generator=generator(0, "w"), dtype=torch.float64)  # w_y
SLOPES = torch.einsum("yij,yi->yj", MAPS, WEIGHTS)  # A_y^T w_y, the gradient of D(G(z | y) | y)


def linear(prior: Normal | Uniform) -> Pair:
    """G(z | y) = A_y z and D(x | y) = w_y . x on as many latent coordinates as the prior has."""
    maps = MAPS[:, :, : prior.dim]
    return Pair(
        lambda z, y: torch.einsum("bij,bj->bi", maps.to(z)[y], z), lambda x, y: (WEIGHTS.to(x)[y] * x).sum(1), prior
    )


def test_constants_of_a_linear_pair_on_a_line_are_its_slopes():
    """On one latent coordinate all pairs are aligned: every slope is |A_y^T w_y|, float32 rounding apart."""
    found = class_constants(linear(Normal(1)), 3, n_pairs=20, repeats=2, rng=generator(0, "k"))
    assert found.shape == (3, 2) and found.dtype == torch.float64
    assert torch.allclose(found, SLOPES[:, :1].abs().expand(3, 2), rtol=1e-3)


def test_constants_of_a_linear_pair_are_never_above_its_slopes():
    found = class_constants(linear(Normal(4)), 3, n_pairs=2_000, rng=generator(0, "k"))[:, 0]
    largest = SLOPES.norm(dim=1)
    assert ((found <= largest * (1 + 1e-5)) & (found > 0.8 * largest)).all()


def test_latents_leave_below_their_slope_and_stay_above():
    """Uniform prior and smooth norm: each step beyond the first few moves by lr (slope / k - 1), or the row stays."""
    y, lr, steps = torch.tensor([0, 1, 2]), 1e-3, 100
    bound, start, slope = linear(Uniform(4)).conditioned_on(y), torch.zeros(3, 4).double(), SLOPES.norm(dim=1)
    options = {"optimizer": SGD(lr), "steps": steps, "variant": "exact"}
    for factor, least, most in ((1.25, 0, 2 * lr), (0.5, 0.97, 1.03)):
        far = (latent_dot(bound, start, factor * slope, **options).final - start).norm(dim=1)
        unit = lr * steps * (1 / factor - 1) if factor < 1 else 1
        assert ((far >= least * unit) & (far <= most * unit)).all(), far / unit


def test_a_constant_discriminator_leaves_every_latent_within_a_step():
    """Uniform prior: the norm as printed falls to -delta in each coordinate and swings about it within lr."""
    pair = Pair(lambda z, y: z, lambda x, y: 0 * x.sum(1) + y, Uniform(DIM))
    z, lr = pair.prior.sample(3, generator(0, "z")).double() * 0.9, 1e-3
    for variant, most in (("paper", lr + 1e-6 * DIM**0.5), ("exact", 0.0)):
        options = {"steps": 30, "optimizer": SGD(lr), "variant": variant, "delta": 1e-6}
        moved = latent_dot(pair.conditioned_on(torch.tensor([2, 0, 1])), z, 1.0, **options).final
        assert float((moved - z).norm(dim=1).max()) <= most * (1 + 1e-9)


# --- constants of the classes ------------------------------------------------------------------


def test_each_class_has_the_constant_of_its_bound_pair(pair):
    """One stream for all classes, one after the other."""
    found = class_constants(frozen_single(pair), CLASSES, n_pairs=7, repeats=3, rng=generator(0, "k"))
    rng = generator(0, "k")
    for y in range(CLASSES):
        bound = frozen_single(pair).conditioned_on(y)
        assert torch.equal(latent_constant(bound, n_pairs=7, repeats=3, rng=rng).maxima, found[y])
    assert len(set(found.flatten().tolist())) == found.numel()


def test_without_a_label_the_constant_is_that_of_a_zero_embedding(pair):
    """The released k_eff(y): G has the label, D has not."""
    bare = frozen_single(pair)
    bare.discriminator.embedding.weight.zero_()
    numbers = {"n_pairs": 7, "repeats": 2}
    released = class_constants(frozen_single(pair), CLASSES, **numbers, unconditional=True, rng=generator(0, "k"))
    assert torch.allclose(released, class_constants(bare, CLASSES, **numbers, rng=generator(0, "k")), rtol=1e-5)
    printed = class_constants(frozen_single(pair), CLASSES, **numbers, rng=generator(0, "k"))
    assert float((printed - released).abs().min()) > 1e-4


def frozen_single(pair: Pair) -> Pair:
    return Pair(*(frozen(network).float() for network in (pair.generator, pair.discriminator)), pair.prior)


def test_slips_are_named(pair, z):
    bound = pair.conditioned_on(Y)
    with pytest.raises(InputError, match="labels: 4 are bound, found 3 rows"):
        latent_dot(bound, z[:3], 1.0, steps=1)
    with pytest.raises(InputError, match="labels: 4 are bound, found 3 rows"):
        latent_dot(bound, z[:3], 1.0, steps=1, batch_size=4)
    with pytest.raises(InputError, match=r"k_eff: found shape \(5,\) for 4 rows"):
        latent_dot(bound, z, K, steps=1)
    with pytest.raises(InputError, match="k_eff: expected a finite number > 0, found 0.0"):
        latent_dot(bound, z, torch.tensor([1.0, 0.0, 1.0, 1.0]), steps=1)
    with pytest.raises(InputError, match="classes: expected an integer >= 1, found 0"):
        class_constants(pair, 0, rng=generator(0, "k"))
    with pytest.raises(InputError, match="y: found classes 5 to 5"):
        class_constants(frozen_single(pair), 6, rng=generator(0, "k"))
