"""What a descent is made of: update rules that keep rows independent, its guards, its path."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dotlib.errors import InputError, check_count, check_not_negative


@dataclass(frozen=True)
class SGD:
    """Plain gradient descent; lr >= 0 in units of the moved points ([DOT19] B.2: 0.01)."""

    lr: float

    def __post_init__(self) -> None:
        check_not_negative("lr", self.lr, "0.01 is the paper's")

    def on(self, z: Tensor) -> torch.optim.Optimizer:
        """The update rule bound to the tensor it will move, in place."""
        return torch.optim.SGD([z], lr=self.lr)


@dataclass(frozen=True)
class Adam:
    """Adam; lr >= 0 is about the first step of each coordinate ([DOT19] B.1: 0.01, 0, 0.9).

    Its state is kept for each coordinate, so rows stay independent. It rescales coordinates, so a
    tangent gradient does not make a tangent step.
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
        """The update rule bound to the tensor it will move, in place."""
        first, second = map(float, self.betas)  # torch refuses an integer 0
        return torch.optim.Adam([z], lr=self.lr, betas=(first, second))


class Optimizer(Protocol):
    """What a descent needs: SGD, Adam, or any object that binds a torch optimiser to a tensor."""

    def on(self, z: Tensor) -> torch.optim.Optimizer:
        """An optimiser whose step() moves z in place along z.grad."""


@dataclass(frozen=True)
class Trajectory:
    """What one descent gives; nothing here shares memory with the input.

    steps:      the kept step numbers, ascending; the last is the end of the descent.
    points:     (len(steps), B, ...) points after each of these steps, detached, dtype of the input.
    objective:  (steps in all + 1, B) objective before the first step, after it, ..., at the end.
    generator_evaluations, discriminator_evaluations, backward_passes: spent on each row.

    The objective is in the units of the points, and measured from the anchor of its own step.
    """

    steps: tuple[int, ...]
    points: Tensor
    objective: Tensor
    generator_evaluations: int
    discriminator_evaluations: int
    backward_passes: int

    @property
    def final(self) -> Tensor:
        """Points after the last step, (B, ...)."""
        return self.points[-1]

    def at(self, step: int) -> Tensor:
        """Points after a kept step, (B, ...). Raises InputError, listing the kept ones."""
        if step not in self.steps:
            raise InputError(f"step: {step!r} was not kept; kept: {self.steps}; name it in snapshots")
        return self.points[self.steps.index(step)]


def kept_steps(snapshots: Iterable[int] | None, steps: int) -> tuple[int, ...]:
    """The steps to keep, ascending: those named and the last. Raises InputError beyond the last."""
    wanted = set(snapshots or ()) | {steps}
    for step in wanted:
        check_count("snapshots", step, least=0)
        if step > steps:
            raise InputError(f"snapshots: found {step}; the descent has {steps} steps, raise steps")
    return tuple(sorted(wanted))


def check_cost(cost: Tensor, rows: int) -> Tensor:
    """Refuse a transport cost that is not one number a row, such as a mean over the batch."""
    if not isinstance(cost, Tensor) or cost.shape != (rows,):
        found = tuple(cost.shape) if isinstance(cost, Tensor) else type(cost).__name__
        raise InputError(f"cost: gave {found} for {rows} rows; return one number a row, ({rows},)")
    return cost


def check_objective(value: Tensor, step: int) -> None:
    """Refuse an objective, (B,), that is not finite."""
    if not torch.isfinite(value).all():
        bad = int((~torch.isfinite(value)).sum())
        raise InputError(
            f"objective: NaN or infinity at step {step} in {bad} of {len(value)} rows; check the logits of D, lower lr"
        )


def check_connected(logit: Tensor, x: Tensor) -> None:
    """Refuse logits that autograd does not connect to the leaf x."""
    todo, seen = [logit.grad_fn], set()
    while todo:
        node = todo.pop()
        if node is None or node in seen:
            continue
        if getattr(node, "variable", None) is x:
            return
        seen.add(node)
        todo += [following for following, _ in node.next_functions]
    raise InputError(
        "discriminator: autograd does not connect its logits to the points; remove "
        ".detach(), .numpy() or torch.no_grad() from D and G"
    )


@contextmanager
def explain_mismatch(name: str, x: Tensor) -> Iterator[None]:
    """Turn torch's complaint about shapes, dtypes or devices into a InputError that names x."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as fault:
        first_line = str(fault).strip().splitlines()[0]
        raise InputError(
            f"{name}: the networks refused shape {tuple(x.shape)}, {x.dtype}, "
            f"{x.device} ({first_line}); match width, dtype and device"
        ) from fault
