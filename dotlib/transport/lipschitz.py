"""Effective Lipschitz constants of a discriminator ([DOT19] eqs. 20, 21 and B.1), with spread.

::

    K_eff = max |D(x) - D(y)| / ||x - y||_2          over x, y drawn from p_G        eq. (20)
    k_eff = max |D(G(z)) - D(G(z'))| / ||z - z'||_2  over z, z' drawn from p_Z       eq. (21)
    k_eff(y): the same with G(. | y) and D(. | y)                                    eq. (26)

A maximum over random pairs is an extreme value: it is below the true constant, grows with the number of pairs, and
scatters. The paper takes 100 pairs and averages ten such maxima. The estimates here return every maximum, and `curve`
shows the growth.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dotlib.errors import InputError, check_count, check_points
from dotlib.pairs import Pair, explain_mismatch, refuse_training_mode, rowwise, rowwise_gradient

Logit = Callable[[Tensor], Tensor]  # (B, ...) -> (B,) or (B, 1)
Embed = Callable[[Tensor], Tensor]  # (B, ...) -> features (B, ...)
Sample = Callable[[int, torch.Generator], Tensor]  # (n, rng) -> (n, ...)

CHUNK = 2048  # points drawn together, and evaluated together where a point is a few numbers
BLOCK = 100  # images, or latents of images, evaluated together: attention holds 40 MB for each
FEW = 16  # numbers


@dataclass(frozen=True)
class LipschitzEstimate:
    """Maxima of slopes over random pairs."""

    maxima: Tensor  # (repeats,) float64, the largest slope among n_pairs pairs, for each repeat
    n_pairs: int

    @property
    def value(self) -> float:
        """Mean of the maxima: the paper's K_eff or k_eff, logits per unit of distance."""
        return float(self.maxima.mean())

    @property
    def std(self) -> float:
        """Standard deviation of one maximum (divisor repeats - 1); nan for a single repeat."""
        return float(self.maxima.std()) if len(self.maxima) > 1 else float("nan")


@dataclass(frozen=True)
class LipschitzCurve:
    """The expected maximum as a function of the number of pairs."""

    n_pairs: tuple[int, ...]  # ascending
    mean: Tensor  # (len(n_pairs),) float64, expected largest slope among so many pairs, without bias
    std: Tensor  # (len(n_pairs),) float64, of one such maximum
    slopes: Tensor  # (pairs drawn,) float64, in the order of drawing: groups of n give independent maxima over n

    @property
    def total(self) -> int:
        """Pairs drawn."""
        return len(self.slopes)


def target_constant(
    D: Logit,
    sample: Sample,
    *,
    n_pairs: int = 100,
    repeats: int = 10,
    embed: Embed | None = None,
    rng: torch.Generator,
) -> LipschitzEstimate:
    """K_eff of [DOT19] eq. (20) by the recipe of B.1: mean over repeats of the largest slope.

    Args:
        D: data (B, ...) -> logits (B,) or (B, 1), modules in eval mode.
        sample: (n, rng) -> n independent points of p_G, (n, ...).
        n_pairs: pairs in each maximum; the paper has 100, 500 in its Figure 2.
        repeats: independent maxima; the paper has 10.
        embed: data (B, ...) -> features (B, ...), whose distance the slopes are taken over, as an embedded cost has
            it; None: the distance of the data.
        rng: where the randomness comes from, for example ``seeding.generator(0, "K_eff")``.

    Returns:
        Maxima in logits per unit of data distance, or of feature distance.

    Raises:
        InputError: names the argument; also when every pair coincides, because the generator gives one point only.
    """
    check_count("n_pairs", n_pairs)
    check_count("repeats", repeats)
    slope = torch.cat(list(_pair_slopes(D, sample, n_pairs * repeats, rng, embed)))
    return LipschitzEstimate(slope.reshape(repeats, n_pairs).amax(1), n_pairs)


def latent_constant(pair: Pair, *, n_pairs: int = 100, repeats: int = 10, rng: torch.Generator) -> LipschitzEstimate:
    """k_eff of [DOT19] eq. (21): `target_constant` of D(G(.)) with latents of the prior.

    Args:
        pair: G, D and prior; latents are drawn on the CPU and moved to where the generator is.
        n_pairs: as in `target_constant`.
        repeats: as in `target_constant`.
        rng: as in `target_constant`.

    Returns:
        Maxima in logits per unit of latent distance.

    Raises:
        InputError: names the argument.
    """
    pair.refuse_training_mode()
    return target_constant(
        pair.latent_logit,
        lambda n, rng: pair.prior.sample(n, rng).to(pair.device),
        n_pairs=n_pairs,
        repeats=repeats,
        rng=rng,
    )


def class_constants(
    pair: Pair,
    classes: int,
    *,
    n_pairs: int = 50,
    repeats: int = 1,
    unconditional: bool = False,
    rng: torch.Generator,
) -> Tensor:
    """k_eff(y) of [DOT19] eq. (26): `latent_constant` with each label bound, one after the other.

    Args:
        pair: a conditional pair, whose G and D take (rows, labels).
        classes: labels are 0 to classes - 1.
        n_pairs: pairs in each maximum; the paper has 50.
        repeats: independent maxima for each label; the released program has 1.
        unconditional: take D without a label, D(G(z | y)), as the released program does; D must allow that.
        rng: as in `target_constant`.

    Returns:
        (classes, repeats) float64 maxima, in logits per unit of latent distance. ``constants.mean(1)[labels]`` is the
        k_eff of `latent_dot` for the rows of these labels.

    Raises:
        InputError: names the argument.
    """
    check_count("classes", classes)
    maxima = []
    for y in range(classes):
        bound = pair.conditioned_on(y)
        part = Pair(bound.generator, pair.discriminator, pair.prior) if unconditional else bound
        maxima.append(latent_constant(part, n_pairs=n_pairs, repeats=repeats, rng=rng).maxima)
    return torch.stack(maxima)


def pooled_constant(
    f: Logit, points: Tensor, *, n_pairs: int = 500, repeats: int = 500, rng: torch.Generator
) -> LipschitzEstimate:
    """Eq. (20) or (21) with pairs taken from one pool of points, (P, ...), each of which f sees once.

    f is D on images, or ``pair.latent_logit`` on latents. A repeat draws its pairs of different points at random, also
    those of other repeats. Points come back, so with a small pool the spread over repeats misses part of the spread
    over points; with P >= 20 n_pairs few pairs of two repeats share a point. The defaults are those of [DOT19] Figure
    2. Raises InputError.
    """
    refuse_training_mode("discriminator", f)
    check_points("points", points, rank=None)
    check_count("n_pairs", n_pairs)
    check_count("repeats", repeats)
    check_count("points", len(points), least=2)
    _check_rng(rng)
    total = n_pairs * repeats
    i = torch.randint(len(points), (total,), generator=rng)
    j = (i + torch.randint(1, len(points), (total,), generator=rng)) % len(points)  # never i
    values, flat = _values(f, points).cpu(), points.flatten(1).cpu()
    parts = zip(i.split(CHUNK), j.split(CHUNK), strict=True)
    run = torch.cat([torch.linalg.vector_norm((flat[a] - flat[b]).double(), dim=1) for a, b in parts])
    slope = torch.where(run > 0, (values[i] - values[j]).abs() / run, 0.0)
    return LipschitzEstimate(slope.reshape(repeats, n_pairs).amax(1), n_pairs)


def curve(
    D: Logit,
    sample: Sample,
    *,
    n_pairs: Iterable[int] = (100, 1_000, 10_000, 100_000),
    repeats: int = 10,
    rng: torch.Generator,
) -> LipschitzCurve:
    """How the expected maximum of eq. (20) grows with the number of pairs, from one pass.

    The N slopes are sorted, and the largest of n of them, drawn without replacement, is the i-th smallest with
    probability C(i - 1, n - 1) / C(N, n). The mean under this law has no bias. The standard deviation is low by a share
    of about 1 / repeats for the largest n. Points are made CHUNK at a time; only slopes are kept, 8 bytes a pair.

    D and sample are as in `target_constant`; for eq. (21) ``pair.latent_logit`` and ``pair.prior.sample``. `repeats`,
    at least 2, times the largest of `n_pairs` are drawn. Raises InputError.
    """
    numbers = tuple(sorted(set(n_pairs)))
    for n in numbers or (0,):
        check_count("n_pairs", n)
    check_count("repeats", repeats, least=2)
    total = numbers[-1] * repeats
    drawn = torch.cat(list(_pair_slopes(D, sample, total, rng)))
    slope = drawn.sort().values
    laws = [_law_of_maximum(n, total) for n in numbers]
    mean = torch.stack([law @ slope for law in laws])
    variance = torch.stack([law @ (slope - m).square() for law, m in zip(laws, mean, strict=True)])
    return LipschitzCurve(numbers, mean, variance.sqrt(), drawn)


def slopes(f: Logit, x: Tensor, y: Tensor, embed: Embed | None = None) -> Tensor:
    """Difference quotients ``|f(x) - f(y)| / ||x - y||_2`` of each row of x and y, (B, ...) -> (B,) float64.

    With `embed`, the distance is that of ``embed(x)`` and ``embed(y)``. Two equal points (0/0) give 0: they say nothing
    about the constant, and no maximum notices them. Two points that only an embedding makes equal have no slope, and
    are refused. Raises InputError.
    """
    refuse_training_mode("discriminator", f)
    refuse_training_mode("embed", embed)
    check_points("x", x, rank=None)
    check_points("y", y, rank=None)
    if x.shape != y.shape:
        raise InputError(f"y: found shape {tuple(y.shape)} beside x {tuple(x.shape)}; pass one partner for each point")
    with torch.no_grad():
        a, b = (x, y) if embed is None else (_embedded(embed, x), _embedded(embed, y))
        run = torch.linalg.vector_norm((a.double() - b.double()).flatten(1), dim=1)  # (B,)
        rise = (_values(f, x) - _values(f, y)).abs()  # (B,)
    if embed is not None and (bad := int(((run == 0) & (rise > 0)).sum())):
        raise InputError(
            f"embed: maps the points of {bad} of {len(x)} pairs to one; D has no constant in this distance"
        )
    return torch.where(run > 0, rise / run, 0.0)


def gradient_norms(f: Logit, x: Tensor) -> Tensor:
    """``||grad f(x)||_2`` of each row: the local slope, whose supremum is the Lipschitz constant.

    Args:
        f: (B, ...) -> (B,) or (B, 1), rows independent.
        x: (B, ...) points; read, never written.

    Returns:
        (B,) float64, logits per unit of distance.

    Raises:
        InputError: names the argument.
    """
    refuse_training_mode("discriminator", f)
    check_points("x", x, rank=None)
    norms = []
    with explain_mismatch("x", x):
        for rows in _blocks(x):
            values, gradient = rowwise_gradient(f, rows)  # (b,), (b, ...)
            _check_finite(values)
            norms.append(torch.linalg.vector_norm(gradient.double().flatten(1), dim=1))
    return torch.cat(norms)


def _embedded(embed: Embed, x: Tensor) -> Tensor:
    with explain_mismatch("x", x):
        return torch.cat([embed(rows) for rows in _blocks(x)])


def _pair_slopes(
    D: Logit, sample: Sample, total: int, rng: torch.Generator, embed: Embed | None = None
) -> Iterator[Tensor]:
    """Slopes of `total` independent pairs, CHUNK points at a time."""
    _check_rng(rng)
    for first in range(0, total, CHUNK // 2):
        rows = min(CHUNK // 2, total - first)
        with torch.no_grad():
            points = sample(2 * rows, rng)
        check_points("sample", points, rank=None)
        if len(points) != 2 * rows:
            raise InputError(f"sample: gave {len(points)} points for n = {2 * rows}; return n")
        x, y = points.chunk(2)
        if torch.equal(x, y):
            raise InputError(f"sample: all {rows} pairs coincide; the generator gives one point only")
        yield slopes(D, x, y, embed).cpu()


def _check_rng(rng: object) -> None:
    """Refuse anything but a generator: None would draw from torch's global one."""
    if not isinstance(rng, torch.Generator):
        raise InputError(f"rng: found {type(rng).__name__}; pass seeding.generator(seed, name)")


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    return x.split(CHUNK if x[0].numel() <= FEW else BLOCK)


@torch.no_grad()
def _values(f: Logit, x: Tensor) -> Tensor:
    """f(x) as (B,) float64, refused when not finite."""
    with explain_mismatch("x", x):
        values = torch.cat([rowwise(f(rows), len(rows)) for rows in _blocks(x)])
    _check_finite(values)
    return values.double()


def _check_finite(values: Tensor) -> None:
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise InputError(
            f"discriminator: NaN or infinity for {bad} of {len(values)} points; it diverged, "
            "or returns probabilities of 0 and 1 as logits"
        )


def _law_of_maximum(n: int, total: int) -> Tensor:
    """Chance of each of `total` ascending values to be the largest of n drawn, (total,) float64."""
    i = torch.arange(1, total + 1, dtype=torch.float64)
    log_ways = i.lgamma() - (i - n + 1).lgamma()  # log C(i - 1, n - 1) + constant; -inf for i < n
    return log_ways.softmax(0)
