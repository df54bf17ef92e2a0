"""Embedded DOT: the cost is a distance of features, and what such a cost does not see.

Algorithms 3 and 4 of the report "Discriminator Optimal Transport" are Algorithms 1 and 2 of [DOT19] with the features
of an extractor E in the norm::

    T(y)   in argmin over x of  ||E(x) - E(y)||_2          - D(x) / K_eff       target space, Algorithm 3
    T(z_y) in argmin over z of  ||E(G(z)) - E(G(z_y))||_2  - D(G(z)) / k_eff    latent space, Algorithm 4

`embedded` makes the cost, and the descents are those of `dot`::

    target_dot(D, y, K_eff, cost=embedded(E))
    latent_dot(pair, z_y, k_eff, cost=embedded(E), compared="samples")

This cost is a pseudo-metric: where E has fewer features than the data has numbers, different points have the same
features, and a move along the null space of the Jacobian of E costs nothing. So D has no Lipschitz constant in it, and
no theorem of the paper applies. `null_share` says how much of a move goes that way.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from dotlib.errors import InputError, check_option, check_points
from dotlib.pairs import check_connected, explain_mismatch, refuse_training_mode
from dotlib.transport.dot import COSTS, DELTA, NORMS, Cost, transport_cost

Extractor = Callable[[Tensor], Tensor]  # (B, ...) -> features (B, m), rows independent

BLOCK = 50  # points whose Jacobians are held at once


def embedded(E: Extractor, *, cost: str = "l2", norm: str = "shifted", delta: float = DELTA) -> Cost:
    """The cost ``||E(x) - E(y) + delta||_2`` of the report, for `target_dot` and `latent_dot`.

    Args:
        E: data (B, ...) -> features (B, m); rows independent, modules in eval mode. With the identity the descent is
            that of the plain cost, to the bit.
        cost: "l2" or "sqeuclidean", in features.
        norm: as in `Variant`: "shifted", as printed, or "smooth".
        delta: as in `target_dot`, in units of the features.

    Returns:
        (moved, anchor) -> (B,). E sees the anchor anew at every step, without a gradient.

    Raises:
        InputError: names the argument, here or where the features are no batch of finite rows.
    """
    refuse_training_mode("E", E)
    check_option("cost", cost, [name for name in COSTS if name != "none"])
    check_option("norm", norm, NORMS)

    def of_features(moved: Tensor, anchor: Tensor) -> Tensor:
        with torch.no_grad():
            origin = features(E, anchor)
        return transport_cost(features(E, moved), origin, cost, norm, delta)

    return of_features


def features(E: Extractor, x: Tensor) -> Tensor:
    """E(x) as (B, m). Raises InputError for what is no batch of finite rows."""
    found = E(x)
    if not isinstance(found, Tensor) or found.ndim < 2 or len(found) != len(x):
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise InputError(f"E: gave {given} for {len(x)} rows; return one row of features for each")
    found = found.flatten(1)
    check_points("E", found)
    return found


class NullShare(NamedTuple):
    """How much of a move an extractor does not see, for each row."""

    share: Tensor  # (B,) float64, of the squared length of the move, in the null space of the Jacobian; 0 to 1
    rank: Tensor  # (B,) int64, of the Jacobian


class RowSpace(NamedTuple):
    """The directions that an extractor sees at some points: the row space of its Jacobian at each."""

    directions: Tensor  # (B, min(m, n), n) float64, orthonormal
    seen: Tensor  # (B, min(m, n)) bool, which of them are in the row space

    @classmethod
    def of(cls, E: Extractor, x: Tensor, tolerance: float | None = None) -> "RowSpace":
        """Those at points x, (B, ...); the arguments are those of `null_share`."""
        parts = []
        for points in x.split(BLOCK):
            J = jacobian(E, points).double()  # (b, m, n)
            _, s, rows = torch.linalg.svd(J, full_matrices=False)  # (b, min(m, n)), (b, min(m, n), n)
            least = torch.finfo(x.dtype).eps * max(J.shape[1:]) if tolerance is None else tolerance
            parts.append((rows, s > least * s[:, :1]))
        return cls(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def null_share(self, d: Tensor) -> NullShare:
        """Share of the squared length of moves d, (B, ...), across these directions. Raises InputError."""
        check_points("d", d, rank=None)
        moves = d.flatten(1).double()
        if moves.shape != (len(self.seen), self.directions.shape[2]):
            wanted = len(self.seen), self.directions.shape[2]
            raise InputError(f"d: found shape {tuple(d.shape)} for {wanted} numbers; pass one move for each point")
        length = moves.square().sum(1)
        if bad := int((length == 0).sum()):
            raise InputError(f"d: found {bad} moves of length 0, which have no direction; leave them out")
        along = (self.directions @ moves[:, :, None])[..., 0].square() * self.seen
        return NullShare((1 - along.sum(1) / length).clamp(0, 1), self.seen.sum(1))


def null_share(E: Extractor, x: Tensor, d: Tensor, *, tolerance: float | None = None) -> NullShare:
    """Share of ``||d||^2`` in the null space of the Jacobian of E at x; `RowSpace` for many moves from one x.

    A move of random direction has (n - rank) / n of it there, n numbers in a point.

    Args:
        E: as in `embedded`.
        x: (B, ...) points; read, never written.
        d: (B, ...) moves from there; none may be 0.
        tolerance: singular values up to this share of the largest count as 0; None: machine precision times the larger
            side of the Jacobian, as NumPy's rank has it.

    Returns:
        Shares and ranks.

    Raises:
        InputError: names the argument.
    """
    return RowSpace.of(E, x, tolerance).null_share(d)


def jacobian(E: Extractor, x: Tensor) -> Tensor:
    """Derivatives of the features of each row by its own numbers, (B, m, n). Raises InputError."""
    refuse_training_mode("E", E)
    check_points("x", x, rank=None)
    with torch.inference_mode(False), torch.enable_grad(), explain_mismatch("x", x):
        x = x.detach().clone().requires_grad_(True)
        found = features(E, x)  # (B, m)
        check_connected(found, x)
        rows = (torch.autograd.grad(column.sum(), x, retain_graph=True)[0] for column in found.unbind(1))
        return torch.stack([row.flatten(1) for row in rows], 1)
