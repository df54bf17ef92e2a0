"""Ways to change latents that compete at equal budgets: DOT at several k, the naive ascent, and controls without it.

A way is a `Move`: it takes latents and gives them changed, at each of its settings, so that every way starts from the
same latents and is judged in the same images. Evaluations count the rows that G and D see, a backward pass as two.
"""

import copy
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from dotlib import transport
from dotlib.errors import InputError
from dotlib.pairs import Pair, Prior
from dotlib.seeding import generator
from dotlib.transport import lipschitz
from dotlib.transport.dot import project

STEPS = (5, 10, 20, 40)  # updates: 20 (DCGAN) and 10 (ResNet) are published
AMONG = (2, 4, 8, 16, 31, 61)  # candidates; 31 and 61 cost what 10 and 20 updates do
SHARES = (0.95, 0.9, 0.8, 0.7, 0.5)  # of p_Z in each coordinate that truncation keeps
TIMES = (1, 3, 10, 30)  # k_eff


@dataclass(frozen=True)
class Move:
    """One way to change latents."""

    name: str
    kind: str  # "descent", "random": as far as a descent, "best": of several, or "truncation" of p_Z
    settings: tuple[float, ...]  # updates, candidates, or shares: ascending in cost
    k: float | tuple[float, ...] = 1.0  # what D is divided by, in logits per latent distance; or one for each label
    cost: str = "l2"  # of `transport.latent_dot`
    critic: str = "own"  # whose logits are climbed: "own", "shuffled" or "early"
    variant: str = "paper"  # of `transport.latent_dot`
    adam: bool = False  # in place of SGD, as for the conditional pair of Table 3


def moves(k: Mapping[str, float]) -> tuple[Move, ...]:
    """All ways for one pair.

    k has "own", "shuffled" and, where the pair has milestones, "early": k_eff of each critic; "q50", "q90" and "max":
    quantiles of ``||grad D(G(z))||``.
    """
    descents = [
        Move("DOT" if times == 1 else f"DOT, {times} k_eff", "descent", STEPS, times * k["own"]) for times in TIMES
    ]
    descents += [Move(f"DOT, k = {name}", "descent", STEPS, k[name]) for name in ("q50", "q90", "max")]
    naive = Move("naive", "descent", STEPS, k["own"], cost="none")
    return (
        *descents,
        Move("DOT, k = 1", "descent", STEPS, 1.0),
        naive,
        replace(naive, name="random direction", kind="random"),
        *(
            Move(f"DOT, {critic} D", "descent", STEPS, k[critic], critic=critic)
            for critic in ("shuffled", "early")
            if critic in k
        ),
        Move("best of m", "best", AMONG),
        Move("truncation", "truncation", SHARES[::-1]),
    )


def path(
    move: Move, pair: Pair, critic: Pair, z: Tensor, lr: float, rng: torch.Generator
) -> Iterator[tuple[float, Tensor]]:
    """(setting, latents (B, d)) of every setting of a move, for latents z (B, d) on the pair's device.

    The critic's D is the one whose logits rise; lr is that of SGD, or of Adam where the move has it.
    """
    if move.kind == "truncation":
        yield from ((share, truncated(pair.prior, z, share)) for share in move.settings)
    elif move.kind == "best":
        yield from _best(critic, z, move.settings, rng)
    else:
        steps = [int(step) for step in move.settings]
        options = {"snapshots": steps, "cost": move.cost, "variant": move.variant}
        options["optimizer"] = transport.Adam(lr) if move.adam else transport.SGD(lr)
        descent = transport.latent_dot(critic, z, _constants(move.k, critic, len(z)), steps=max(steps), **options)
        direction = _direction(pair.prior, z, rng) if move.kind == "random" else None
        for step in steps:
            moved = descent.at(step)
            if direction is not None:
                length = torch.linalg.vector_norm(moved - z, dim=1, keepdim=True)
                moved = pair.prior.constrain(z + length * direction)
            yield step, moved


def evaluations(move: Move, setting: float) -> float:
    """Rows that G, or D, sees for one sample; the sample itself is one."""
    return {"descent": 3 * setting + 1, "best": setting}.get(move.kind, 1)


def _constants(k: float | tuple[float, ...], pair: Pair, rows: int) -> float | Tensor:
    """k of a move, or that of each row's label, (rows,). Raises InputError where no labels are bound."""
    if not isinstance(k, tuple):
        return k
    if pair.labels is None:
        raise InputError(f"k: found one for each of {len(k)} labels, and a pair without; pass one number")
    return torch.tensor(k, dtype=torch.float64)[pair.labels.cpu()].expand(rows)


def _direction(prior: Prior, z: Tensor, rng: torch.Generator) -> Tensor:
    """A random unit vector for each latent, (B, d), tangent to its sphere under a spherical prior."""
    direction = torch.randn(z.shape, generator=rng).to(z)
    return functional.normalize(project(direction, z, "norm") if prior.spherical else direction, dim=1)


@torch.no_grad()
def _best(critic: Pair, z: Tensor, counts: Collection[float], rng: torch.Generator) -> Iterator[tuple[float, Tensor]]:
    """Of m latents, the first of which is z, that with the largest D(G(z))."""
    best, logit = z, critic.latent_logit(z)
    for m in range(2, int(max(counts)) + 1):
        other = critic.prior.sample(len(z), rng).to(z)
        other_logit = critic.latent_logit(other)
        best = torch.where((other_logit > logit)[:, None], other, best)
        logit = torch.maximum(logit, other_logit)
        if m in counts:
            yield m, best


def truncated(prior: Prior, z: Tensor, share: float) -> Tensor:
    """z, (B, d), as a draw of p_Z confined to the middle `share` of each coordinate. Raises InputError."""
    if not 0 < share <= 1:
        raise InputError(f"share: expected a number in (0, 1], found {share!r}; 1 keeps all of p_Z")
    if not prior.spherical:
        return share * z  # uniform
    below = (1 - share) / 2 + share * torch.special.ndtr(z.double())
    return torch.special.ndtri(below).to(z)


def shuffled(pair: Pair, seed: int) -> Pair:
    """The pair with a D whose weights are permuted within each tensor: as large as D's, without what D learned.

    Raises InputError where D is no module.
    """
    if not isinstance(pair.discriminator, nn.Module):
        raise InputError(f"pair: D is a {type(pair.discriminator).__name__}; only weights of a module can be shuffled")
    D, rng = copy.deepcopy(pair.discriminator), generator(seed, "shuffled weights")
    with torch.no_grad():
        for tensor in D.state_dict().values():
            if tensor.is_floating_point() and tensor.ndim > 1:
                order = torch.randperm(tensor.numel(), generator=rng).to(tensor.device)
                tensor.copy_(tensor.flatten()[order].view_as(tensor))
    return Pair(pair.generator, D, pair.prior)


def slopes(pair: Pair, n: int, rng: torch.Generator) -> Tensor:
    """``||grad D(G(z))||`` at n latents, (n,) float64, in logits per latent distance."""
    return lipschitz.gradient_norms(pair.latent_logit, pair.prior.sample(n, rng).to(pair.device))
