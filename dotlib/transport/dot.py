"""Discriminator optimal transport: Algorithms 1 to 3 of [DOT19], and the naive ascent.

Every row of the input is a problem of its own::

    T(y)   in argmin over x of  ||x - y||_2   - D(x) / K_eff       target space, eq. (22), Algorithm 1
    T(z_y) in argmin over z of  ||z - z_y||_2 - D(G(z)) / k_eff    latent space, eq. (23), Algorithm 2

Algorithm 3, eq. (25), has G(. | y), D(. | y) and k_eff(y): it is Algorithm 2 on ``pair.conditioned_on(y)``. Without the
distance this is the naive ascent, eq. (56). Where the printed algorithm, the released program and the intended
mathematics differ, a `Variant` says which of them is meant.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib.errors import InputError, check_count, check_not_negative, check_option, check_points, check_positive
from dotlib.pairs import Pair, check_connected, explain_mismatch, refuse_training_mode, rowwise

Cost = Callable[[Tensor, Tensor], Tensor]  # moved and anchor, (B, ...) -> (B,)

ANCHORS = ("fixed", "aliased")
PROJECTIONS = ("none", "sqrt_dim", "constant", "norm")
NORMS = ("shifted", "smooth")
COSTS = ("l2", "sqeuclidean", "none")
COMPARED = ("latents", "samples")

OFFICIAL_DIVISOR = 11.31  # sqrt(128) as the released program has it, whatever the latent dimension
DELTA = 1e-3  # [DOT19] Figure 3 and Table 3, in units of the moved points


@dataclass(frozen=True)
class SGD:
    """Plain gradient descent; lr >= 0 in units of the moved points ([DOT19] B.2: 0.01)."""

    lr: float

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr, "0.01 is the paper's")

    def on(self, z: Tensor) -> torch.optim.Optimizer:
        """Bind the update rule to the tensor that it moves in place."""
        return torch.optim.SGD([z], lr=self.lr)


@dataclass(frozen=True)
class Adam:
    """Adam; lr >= 0 is about the first step of each coordinate ([DOT19] B.1: 0.01, 0, 0.9).

    Its state is kept for each coordinate, so rows stay independent. It rescales coordinates, so a tangent gradient does
    not make a tangent step.
    """

    lr: float
    betas: tuple[float, float] = (0.0, 0.9)

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr, "0.01 is the paper's")
        for beta in self.betas:
            check_not_negative("betas", beta, "the paper's are (0.0, 0.9)")
        if len(self.betas) != 2 or max(self.betas) >= 1:
            raise InputError(f"betas: expected two numbers in [0, 1), found {self.betas!r}; the paper's are (0.0, 0.9)")

    def on(self, z: Tensor) -> torch.optim.Optimizer:
        """Bind the update rule to the tensor that it moves in place."""
        first, second = map(float, self.betas)  # torch refuses an integer 0
        return torch.optim.Adam([z], lr=self.lr, betas=(first, second))


class Optimizer(Protocol):
    """What a descent needs: SGD, Adam, or any object that binds a torch optimiser to a tensor."""

    def on(self, z: Tensor) -> torch.optim.Optimizer:
        """Return an optimiser whose step() moves z in place along z.grad."""
        ...


TARGET_ADAM = Adam(lr=0.01, betas=(0.0, 0.9))  # [DOT19] B.1
LATENT_SGD = SGD(lr=0.01)  # [DOT19] B.2


@dataclass(frozen=True)
class Variant:
    """How a descent treats its anchor, a spherical prior, and the norm at distance zero.

    An "aliased" anchor is one array with the moving point until a clip parts them: the moving point at every step under
    the normal prior, the unclipped first step under the uniform prior. Raises InputError, listing the known words.
    """

    anchor: str  # "fixed" or "aliased"
    projection: str  # the `divisor` in `project`, under a spherical prior: "none", "sqrt_dim", "constant" or "norm"
    norm: str  # the "l2" cost of a displacement: "shifted" or "smooth"

    def __post_init__(self) -> None:
        check_option("anchor", self.anchor, ANCHORS)
        check_option("projection", self.projection, PROJECTIONS)
        check_option("norm", self.norm, NORMS)


VARIANTS = {
    "paper": Variant(anchor="fixed", projection="sqrt_dim", norm="shifted"),
    "official": Variant(anchor="aliased", projection="constant", norm="shifted"),
    "exact": Variant(anchor="fixed", projection="norm", norm="smooth"),
}


@dataclass(frozen=True)
class Trajectory:
    """What one descent gives; nothing here shares memory with the input.

    The objective is in the units of the points, (steps in all + 1, B): before the first step, after it, ..., at the
    end, measured from the anchor of its own step.
    """

    steps: tuple[int, ...]  # the kept step numbers, ascending; the last is the end of the descent
    points: Tensor  # (len(steps), B, ...) after each of these steps, detached, dtype of the input
    objective: Tensor
    generator_evaluations: int  # for each row
    discriminator_evaluations: int  # for each row
    backward_passes: int  # through D, for each row

    @property
    def final(self) -> Tensor:
        """Points after the last step, (B, ...)."""
        return self.points[-1]

    def at(self, step: int) -> Tensor:
        """Points after a kept step, (B, ...). Raises InputError, listing the kept ones."""
        if step not in self.steps:
            raise InputError(f"step: {step!r} was not kept; kept: {self.steps}; name it in snapshots")
        return self.points[self.steps.index(step)]


def target_dot(
    D: Callable[[Tensor], Tensor],
    y: Tensor,
    K_eff: float | Tensor,
    *,
    steps: int = 100,
    optimizer: Optimizer = TARGET_ADAM,
    cost: str | Cost = "l2",
    variant: str | Variant = "paper",
    delta: float = DELTA,
    anchor: Tensor | None = None,
    clip: float | None = None,
    snapshots: Iterable[int] | None = None,
    batch_size: int | None = None,
) -> Trajectory:
    """Algorithm 1: target-space DOT, [DOT19] eq. (22): T(y) in argmin over x of ``||x - y||_2 - D(x) / K_eff``.

    Target space has no prior to project onto, and the released program, too, copies its anchor here; it clips at 2
    (book/differences).

    Args:
        D: data (B, ...) -> logits (B,) or (B, 1); rows independent, modules in eval mode.
        y: (B, ...) float32 or float64 samples of p_G; read, never written.
        K_eff: Lipschitz estimate of D, eq. (20), in logits per unit of data distance; > 0; or one for each row, (B,).
        steps: number of updates; 0 returns a copy of y.
        optimizer: SGD(lr) or Adam(lr, betas); the default is that of B.1.
        cost: "l2"; "sqeuclidean", its square; "none", the naive ascent, eq. (56); or (moved, anchor) -> (B,).
        variant: a key of VARIANTS or a Variant; only its norm acts in target space.
        delta: makes the norm of "l2" differentiable at x = y; > 0, in data units.
        anchor: (B, ...) points from which the cost is measured; None: y itself, as in the algorithm. Others are for
            audits of programs that take another draw.
        clip: confines x to [-clip, clip] after each step, or None, as in the paper.
        snapshots: step numbers to keep besides the last; one pass serves all.
        batch_size: rows moved together, None for all; changes memory, not results (up to rounding).

    Returns:
        Points at the kept steps, and the objective at every step.

    Raises:
        InputError: names the argument.
    """
    refuse_training_mode("discriminator", D)
    check_points("y", y, rank=None)
    _check_constant("K_eff", K_eff, len(y), "estimate it with lipschitz.target_constant")
    if clip is not None:
        check_positive("clip", clip, "the released program has 2; None does not clip")
    variant = _checked_variant("y", y, optimizer, variant)
    recorder = _Recorder(steps, snapshots)
    with torch.inference_mode(False), torch.enable_grad(), explain_mismatch("y", y):
        for x, origin, K in _batches(y, anchor, K_eff, batch_size):
            update = optimizer.on(x)
            for step in range(steps + 1):
                logit = rowwise(D(x), len(x))  # (B,)
                objective = transport_cost(x, origin, cost, variant.norm, delta) - logit / K  # (B,)
                recorder.add(step, x, objective, logit)
                if step < steps:
                    (x.grad,) = torch.autograd.grad(objective.sum(), x)  # row i: the gradient of objective[i] alone
                    update.step()
                    if clip is not None:
                        x.data = x.detach().clamp(-clip, clip)
    return recorder.trajectory(generator_evaluations=0)


def latent_dot(
    pair: Pair,
    z_y: Tensor,
    k_eff: float | Tensor,
    *,
    steps: int = 20,
    optimizer: Optimizer = LATENT_SGD,
    cost: str | Cost = "l2",
    variant: str | Variant = "paper",
    delta: float = DELTA,
    anchor: Tensor | None = None,
    compared: str = "latents",
    snapshots: Iterable[int] | None = None,
    batch_size: int | None = None,
) -> Trajectory:
    """Algorithm 2: latent-space DOT, [DOT19] eq. (23): T(z_y) in argmin over z of ``||z - z_y||_2 - D(G(z)) / k_eff``.

    Under the normal prior the gradient is projected (`project`), under the uniform prior z is clipped to the cube after
    each step. Algorithm 3, eq. (25), is this one on a pair with its labels bound, with the k_eff of each row's label.

    Args:
        pair: G, D and prior, which says whether to project the gradient and keeps z in its support; or what
            ``pair.conditioned_on(labels)`` makes of a conditional one.
        z_y: (B, d) float32 or float64 latents; read, never written.
        k_eff: Lipschitz estimate of D(G(.)), eq. (21), in logits per unit of latent distance; > 0; or one a row, (B,).
        steps: number of updates; 0 returns a copy of z_y.
        optimizer: SGD(lr) or Adam(lr, betas); the default is that of B.2.
        cost: as in `target_dot`.
        variant: a key of VARIANTS or a Variant: "paper" as printed, "official" as released, "exact".
        delta: as in `target_dot`, in units of what is compared.
        anchor: as in `target_dot`, latents (B, d).
        compared: what the cost sees: "latents", z and z_y, or "samples", G(z) and G(z_y), which are made once a step.
        snapshots: as in `target_dot`.
        batch_size: as in `target_dot`.

    Returns:
        Latents at the kept steps, of which ``pair.generate`` makes samples, and the objective at every step.

    Raises:
        InputError: names the argument.
    """
    pair.refuse_training_mode()
    check_points("z_y", z_y, width=pair.prior.dim)
    _check_constant("k_eff", k_eff, len(z_y), "estimate it with lipschitz.latent_constant")
    variant = _checked_variant("z_y", z_y, optimizer, variant)
    _check_compared(compared, anchor, variant)
    recorder = _Recorder(steps, snapshots)
    parts = pair.split(len(z_y), batch_size)  # each with the labels of its rows, where some are bound
    with torch.inference_mode(False), torch.enable_grad(), explain_mismatch("z_y", z_y):
        for (z, fixed, k), part in zip(_batches(z_y, anchor, k_eff, batch_size), parts, strict=True):
            origin = z.detach() if variant.anchor == "aliased" else fixed  # detach() alone shares memory
            update = optimizer.on(z)
            for step in range(steps + 1):
                x = part.generate(z)
                if step == 0 and compared == "samples":
                    origin = x.detach() if anchor is None else part.generate(fixed).detach()
                logit, moved = part.logit(x), {"latents": z, "samples": x}[compared]
                objective = transport_cost(moved, origin, cost, variant.norm, delta) - logit / k  # (B,)
                recorder.add(step, z, objective, logit)
                if step < steps:
                    (g,) = torch.autograd.grad(objective.sum(), z)  # row i: the gradient of objective[i] alone
                    z.grad = project(g, z.detach(), variant.projection) if pair.prior.spherical else g
                    update.step()  # in place: an aliased anchor moves along
                    z.data = pair.prior.constrain(z.detach())  # a clip allocates: such an anchor stays behind
    extra = compared == "samples" and anchor is not None  # whose samples are made, too
    return recorder.trajectory(generator_evaluations=steps + 1 + extra)


def transport_cost(x: Tensor, anchor: Tensor, cost: str | Cost, norm: str, delta: float) -> Tensor:
    """Cost c(x, anchor) of each row in eqs. (22) and (23): (B, ...), (B, ...) -> (B,). Raises InputError."""
    check_positive("delta", delta, "the paper's is 0.001")
    if callable(cost):
        value = cost(x, anchor)
        if not isinstance(value, Tensor) or value.shape != (len(x),):
            given = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise InputError(f"cost: gave {given} for {len(x)} rows; return one number a row, ({len(x)},)")
        return value
    check_option("cost", cost, COSTS)
    if cost == "none":
        return x.new_zeros(len(x))
    v = (x - anchor).flatten(1)
    if cost == "sqeuclidean":
        return v.square().sum(1)
    if norm == "smooth":
        return (v.square().sum(1) + delta**2).sqrt()  # at v = 0 its gradient is zero
    return torch.linalg.vector_norm(v + delta, dim=1)  # as printed: at v = 0 it falls along -(1, ..., 1)


def project(g: Tensor, z: Tensor, projection: str) -> Tensor:
    """Gradient g less (g . z) z / `divisor`, (B, d): tangent to the sphere through z where the divisor is z . z."""
    return g - (g * z).sum(1, keepdim=True) * z / divisor(z, projection)


def divisor(z: Tensor, projection: str) -> float | Tensor:
    """What divides (g . z) z in `project`: infinity, sqrt(d), 11.31, or z . z of each row, (B, 1)."""
    if projection == "norm":
        return z.square().sum(1, keepdim=True).clamp(min=torch.finfo(z.dtype).tiny)
    return {"none": math.inf, "sqrt_dim": math.sqrt(z.shape[1]), "constant": OFFICIAL_DIVISOR}[projection]


class _Recorder:
    """The kept points and the objective of each step, put together from batches of rows."""

    def __init__(self, steps: int, snapshots: Iterable[int] | None) -> None:
        check_count("steps", steps, least=0)
        kept = set(snapshots or ()) | {steps}
        for step in kept:
            check_count("snapshots", step, least=0)
            if step > steps:
                raise InputError(f"snapshots: found {step}; the descent has {steps} steps, raise steps")
        self.points: dict[int, list[Tensor]] = {step: [] for step in sorted(kept)}
        self.objective: list[list[Tensor]] = [[] for _ in range(steps + 1)]

    def add(self, step: int, x: Tensor, objective: Tensor, logit: Tensor) -> None:
        """Keep what one batch has before an update. Raises InputError where D diverged, or is not connected to x."""
        if not torch.isfinite(objective).all():
            bad = int((~torch.isfinite(objective)).sum())
            raise InputError(
                f"objective: NaN or infinity at step {step} in {bad} of {len(x)} rows; check the logits of D, lower lr"
            )
        if step == 0:
            check_connected(logit, x)
        self.objective[step].append(objective.detach())
        if step in self.points:
            self.points[step].append(x.detach().clone())

    def trajectory(self, generator_evaluations: int) -> Trajectory:
        return Trajectory(
            steps=tuple(self.points),
            points=torch.stack([torch.cat(parts) for parts in self.points.values()]),
            objective=torch.stack([torch.cat(parts) for parts in self.objective]),
            generator_evaluations=generator_evaluations,
            discriminator_evaluations=len(self.objective),
            backward_passes=len(self.objective) - 1,
        )


def _batches(
    start: Tensor, anchor: Tensor | None, constant: float | Tensor, batch_size: int | None
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Copies of the rows that move together, as leaves of autograd, with their anchors and Lipschitz constants.

    One number becomes a tensor as well: on a GPU torch divides by a number in another way than by a tensor.
    """
    anchor = start if anchor is None else anchor
    if (anchor.shape, anchor.dtype) != (start.shape, start.dtype):
        found = f"found {tuple(anchor.shape)} of {anchor.dtype} beside points {tuple(start.shape)} of {start.dtype}"
        raise InputError(f"anchor: {found}; pass one anchor for each point")
    batch_size = len(start) if batch_size is None else batch_size
    check_count("batch_size", batch_size)
    constants = torch.as_tensor(constant, dtype=start.dtype, device=start.device).expand(len(start)).split(batch_size)
    batches = tqdm(start.split(batch_size), "transport", delay=2, disable=None)
    for rows, origins, K in zip(batches, anchor.split(batch_size), constants, strict=True):
        x, origin = (part.detach().clone(memory_format=torch.contiguous_format) for part in (rows, origins))
        yield x.requires_grad_(True), origin, K


def _check_compared(compared: str, anchor: Tensor | None, variant: Variant) -> None:
    """Refuse an unknown word, and an aliased anchor where there is no array of latents that could be shared."""
    check_option("compared", compared, COMPARED)
    if variant.anchor == "aliased" and (compared != "latents" or anchor is not None):
        raise InputError('variant: an "aliased" anchor is the moving latent itself; take a "fixed" one')


def _check_constant(name: str, K: float | Tensor, rows: int, remedy: str) -> None:
    """Refuse a Lipschitz constant that is neither one number > 0 nor one for each row."""
    if isinstance(K, Tensor) and K.shape != (rows,):
        raise InputError(f"{name}: found shape {tuple(K.shape)} for {rows} rows; pass one number, or ({rows},)")
    for value in K.tolist() if isinstance(K, Tensor) else [K]:
        check_positive(name, value, remedy)


def _checked_variant(name: str, start: Tensor, optimizer: Optimizer, variant: str | Variant) -> Variant:
    """The Variant that a name stands for. Refuses what both spaces refuse."""
    if not callable(getattr(optimizer, "on", None)):
        raise InputError(f"optimizer: found {optimizer!r}; pass SGD(lr) or Adam(lr, betas)")
    if start.dtype not in (torch.float32, torch.float64):
        raise InputError(
            f"{name}: found {start.dtype}, in which small steps vanish; convert points and networks with .float()"
        )
    if isinstance(variant, Variant):
        return variant
    check_option("variant", variant, VARIANTS)
    return VARIANTS[variant]
