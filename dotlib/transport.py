"""Discriminator optimal transport: Algorithms 1 and 2 of [DOT19] and the naive ascent, one descent.

Every row of the input is a problem of its own::

    T(y)   in argmin over x of   c(x, y)   - D(x) / K_eff       target space, eq. (22), Algorithm 1
    T(z_y) in argmin over z of   c(z, z_y) - D(G(z)) / k_eff    latent space, eq. (23), Algorithm 2

with c the Euclidean distance; c = 0 is the naive ascent, eq. (56). What distinguishes the printed
algorithm from the released program and from the intended mathematics is data: `VARIANTS`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib.descent import (
    SGD,
    Adam,
    Optimizer,
    Trajectory,
    check_connected,
    check_cost,
    check_objective,
    explain_mismatch,
    kept_steps,
)
from dotlib.errors import InputError, check_count, check_option, check_points, check_positive
from dotlib.pairs import Pair, refuse_training_mode, rowwise

Norm = Callable[..., Tensor]
Cost = Callable[[Tensor, Tensor], Tensor]

OFFICIAL_DIVISOR = 11.31  # sqrt(128) as the released program has it, whatever the latent dimension
DELTA = 1e-3  # [DOT19] Figure 3 and Table 3, in units of the moved points
TARGET_ADAM = Adam(lr=0.01, betas=(0.0, 0.9))  # [DOT19] B.1
LATENT_SGD = SGD(lr=0.01)  # [DOT19] B.2

ANCHORS = ("fixed", "aliased")
COSTS: dict[str, Callable[[Tensor, Norm], Tensor]] = {
    "l2": lambda v, norm: norm(v),
    "sqeuclidean": lambda v, norm: v.flatten(1).square().sum(1),
    "none": lambda v, norm: v.new_zeros(len(v)),
}
NORMS: dict[str, Norm] = {
    "shifted": lambda v, delta: torch.linalg.vector_norm(v.flatten(1) + delta, dim=1),
    "smooth": lambda v, delta: (v.flatten(1).square().sum(1) + delta**2).sqrt(),
}
DIVISORS: dict[str, Callable[[Tensor], float | Tensor]] = {
    "none": lambda z: math.inf,
    "sqrt_dim": lambda z: math.sqrt(z.shape[1]),
    "constant": lambda z: OFFICIAL_DIVISOR,
    "norm": lambda z: z.square().sum(1, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny),
}


@dataclass(frozen=True)
class Variant:
    """How a descent treats its anchor, a spherical prior, and the norm at distance zero.

    anchor:      "fixed", or "aliased": one array with the moving point until a clip parts them.
    projection:  what divides (g . z) z before it is taken off the gradient g; spherical prior only.
    norm:        the "l2" cost of a displacement v.

    An aliased anchor is the moving point at every step under the normal prior, and the unclipped
    first step under the uniform prior. The divisors are "none" (nothing is taken off), "sqrt_dim"
    (sqrt(d)), "constant" (11.31) and "norm" (z . z: the gradient becomes tangent to the sphere
    through z). The norm of v is "shifted", that of v + delta (1, ..., 1), or "smooth",
    sqrt(v . v + delta^2). Raises InputError for an unknown word, listing the known ones.
    """

    anchor: str
    projection: str
    norm: str

    def __post_init__(self) -> None:
        check_option("anchor", self.anchor, ANCHORS)
        check_option("projection", self.projection, DIVISORS)
        check_option("norm", self.norm, NORMS)


VARIANTS = {
    "paper": Variant(anchor="fixed", projection="sqrt_dim", norm="shifted"),
    "official": Variant(anchor="aliased", projection="constant", norm="shifted"),
    "exact": Variant(anchor="fixed", projection="norm", norm="smooth"),
}


def target_dot(
    D: Callable[[Tensor], Tensor],
    y: Tensor,
    K_eff: float,
    *,
    steps: int = 100,
    optimizer: Optimizer = TARGET_ADAM,
    cost: str | Cost = "l2",
    variant: str | Variant = "paper",
    delta: float = DELTA,
    clip: float | None = None,
    snapshots: Iterable[int] | None = None,
    batch_size: int | None = None,
) -> Trajectory:
    """Target-space DOT, [DOT19] eq. (22), Algorithm 1; with cost="none" the naive ascent, eq. (56).

    ::

        T(y) in argmin over x of  ||x - y||_2 - D(x) / K_eff

    D:           data (B, ...) -> logits (B,) or (B, 1); rows independent, modules in eval mode.
    y:           (B, ...) float32 or float64 samples of p_G, also the anchor; read, never written.
    K_eff:       Lipschitz estimate of D, eq. (20), in logits per unit of data distance; > 0.
    steps:       number of updates; 0 returns a copy of y.
    optimizer:   SGD(lr) or Adam(lr, betas); the default is that of B.1.
    cost:        "l2"; "sqeuclidean", its square; "none"; or a callable (moved, anchor) -> (B,).
    variant:     a key of VARIANTS or a Variant; only its norm acts in target space (see below).
    delta:       makes the norm of "l2" differentiable at x = y; > 0, in data units.
    clip:        confines x to [-clip, clip] after each step, or None, as in the paper.
    snapshots:   step numbers to keep besides the last; one pass serves all.
    batch_size:  rows moved together, None for all; changes memory, not results (up to rounding).

    Target space has no prior to project onto, and the released program, too, copies its anchor
    here; it clips at 2 (book/differences). Returns a Trajectory. Raises InputError naming the
    argument.
    """
    refuse_training_mode("discriminator", D)
    check_points("y", y, rank=None)
    check_positive("K_eff", K_eff, "estimate it with lipschitz.target_constant")
    if clip is not None:
        check_positive("clip", clip, "the released program has 2; None does not clip")
    problem = _Problem(
        cost=_cost(cost, _variant(variant).norm, delta),
        logit=lambda x: rowwise(D(x), len(x)),
        K=K_eff,
        project=lambda x, g: g,
        constrain=(lambda x: x) if clip is None else partial(torch.clamp, min=-clip, max=clip),
        aliased=False,
        generates=False,
    )
    return _solve("y", y, problem, steps, optimizer, snapshots, batch_size)


def latent_dot(
    pair: Pair,
    z_y: Tensor,
    k_eff: float,
    *,
    steps: int = 20,
    optimizer: Optimizer = LATENT_SGD,
    cost: str | Cost = "l2",
    variant: str | Variant = "paper",
    delta: float = DELTA,
    snapshots: Iterable[int] | None = None,
    batch_size: int | None = None,
) -> Trajectory:
    """Latent-space DOT, [DOT19] eq. (23), Algorithm 2; with cost="none" the naive ascent.

    ::

        T(z_y) in argmin over z of  ||z - z_y||_2 - D(G(z)) / k_eff

    pair:     G, D and prior, which says whether to project the gradient and keeps z in its support.
    z_y:      (B, d) float32 or float64 latents, also the anchor; read, never written.
    k_eff:    Lipschitz estimate of D(G(.)), eq. (21), in logits per unit of latent distance; > 0.
    variant:  a key of VARIANTS or a Variant: "paper" as printed, "official" as released, "exact".

    The other options are those of `target_dot`, in latent units; the default optimiser is that of
    B.2. Under the normal prior the gradient g becomes g - (g . z) z / divisor, under the uniform
    prior z is clipped to the cube after each step. Returns a Trajectory of latents, of which
    ``pair.generate`` makes samples. Raises InputError naming the argument.
    """
    for role in ("generator", "discriminator"):
        refuse_training_mode(role, getattr(pair, role, None))
    check_points("z_y", z_y, width=pair.prior.dim)
    check_positive("k_eff", k_eff, "estimate it with lipschitz.latent_constant")
    variant = _variant(variant)
    divisor = DIVISORS[variant.projection]
    problem = _Problem(
        cost=_cost(cost, variant.norm, delta),
        logit=pair.latent_logit,
        K=k_eff,
        project=(
            (lambda z, g: g - (g * z).sum(1, keepdim=True) * z / divisor(z))  # (B, d)
            if pair.prior.spherical
            else (lambda z, g: g)
        ),
        constrain=pair.prior.constrain,
        aliased=variant.anchor == "aliased",
        generates=True,
    )
    return _solve("z_y", z_y, problem, steps, optimizer, snapshots, batch_size)


@dataclass(frozen=True)
class _Problem:
    """What the loop of Algorithms 1 and 2 is given; for 2, x is z and the logit is D(G(z))."""

    cost: Cost  # (x, anchor) -> (B,)
    logit: Callable[[Tensor], Tensor]  # x -> (B,)
    K: float  # K_eff or k_eff
    project: Callable[[Tensor, Tensor], Tensor]  # (x, gradient) -> gradient
    constrain: Callable[[Tensor], Tensor]  # x -> x in the support
    aliased: bool
    generates: bool


def _descend(
    start: Tensor, problem: _Problem, steps: int, optimizer: Optimizer, kept: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """Algorithms 1 and 2: start (B, ...) -> kept points (S, B, ...), objective (steps + 1, B)."""
    x = start.detach().clone(memory_format=torch.contiguous_format).requires_grad_(True)
    anchor = x.detach() if problem.aliased else x.detach().clone()  # detach() alone shares memory
    update = optimizer.on(x)
    points, objective = [], []
    for step in range(steps + 1):
        logit = problem.logit(x)  # (B,)
        value = check_cost(problem.cost(x, anchor), len(x)) - logit / problem.K  # (B,)
        check_objective(value, step)
        if step == 0:
            check_connected(logit, x)
        objective.append(value.detach())
        if step in kept:
            points.append(x.detach().clone())
        if step < steps:
            (g,) = torch.autograd.grad(value.sum(), x)  # row i is the gradient of value[i] alone
            x.grad = problem.project(x.detach(), g)
            update.step()  # in place: an aliased anchor moves along
            x.data = problem.constrain(x.detach())  # a clip allocates: such an anchor stays behind
    return torch.stack(points), torch.stack(objective)


def _solve(
    name: str,
    start: Tensor,
    problem: _Problem,
    steps: int,
    optimizer: Optimizer,
    snapshots: Iterable[int] | None,
    batch_size: int | None,
) -> Trajectory:
    """Check the options of both spaces, descend batch by batch, join the rows."""
    check_count("steps", steps, least=0)
    batch_size = len(start) if batch_size is None else batch_size
    check_count("batch_size", batch_size)
    if not callable(getattr(optimizer, "on", None)):
        raise InputError(f"optimizer: found {optimizer!r}; pass SGD(lr) or Adam(lr, betas)")
    if start.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"{name}: found {start.dtype}, in which small steps vanish; convert points and networks with .float()"
        )
    kept = kept_steps(snapshots, steps)
    with torch.inference_mode(False), torch.enable_grad(), explain_mismatch(name, start):
        batches = tqdm(start.split(batch_size), "transport", delay=2, disable=None)
        parts = [_descend(rows, problem, steps, optimizer, kept) for rows in batches]
    points, objective = zip(*parts, strict=True)
    return Trajectory(
        steps=kept,
        points=torch.cat(points, 1),
        objective=torch.cat(objective, 1),
        generator_evaluations=(steps + 1) * problem.generates,
        discriminator_evaluations=steps + 1,
        backward_passes=steps,
    )


def _variant(variant: str | Variant) -> Variant:
    if isinstance(variant, Variant):
        return variant
    check_option("variant", variant, VARIANTS)
    return VARIANTS[variant]


def _cost(cost: str | Cost, norm: str, delta: float) -> Cost:
    check_positive("delta", delta, "the paper's is 0.001")
    if callable(cost):
        return cost
    check_option("cost", cost, COSTS)
    return lambda moved, anchor: COSTS[cost](moved - anchor, partial(NORMS[norm], delta=delta))
