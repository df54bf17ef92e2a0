"""A generator, a discriminator and a prior p_Z: what every algorithm of this package takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

import torch
from torch import Tensor, nn

from dotlib.errors import InputError, check_count


class Prior(Protocol):
    """What a prior must offer; `Uniform` and `Normal` are the two of the paper."""

    @property
    def dim(self) -> int:
        """Width d of a latent."""
        ...

    spherical: ClassVar[bool]  # whether a transport projects its gradient, because p_Z lies close to a sphere

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw n latents, (n, dim)."""
        ...

    def constrain(self, z: Tensor) -> Tensor:
        """Move z, (B, dim), into the support."""
        ...


@dataclass(frozen=True)
class Uniform:
    """Uniform on [-1, 1]^dim, the prior of the 2-D and the DCGAN pairs ([DOT19] Tables 4, 5)."""

    dim: int
    spherical: ClassVar[bool] = False

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw n latents, (n, dim) float32."""
        return 2 * torch.rand(n, self.dim, generator=rng) - 1

    def constrain(self, z: Tensor) -> Tensor:
        """Clip to the cube, as Algorithm 2 does after each step. A new tensor, (B, dim)."""
        return z.clamp(-1, 1)


@dataclass(frozen=True)
class Normal:
    """Standard normal, the prior of the ResNet pairs ([DOT19] Table 6).

    Its mass lies close to the sphere of radius sqrt(dim), so a transport projects the gradient and needs no clipping.
    """

    dim: int
    spherical: ClassVar[bool] = True

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw n latents, (n, dim) float32."""
        return torch.randn(n, self.dim, generator=rng)

    def constrain(self, z: Tensor) -> Tensor:
        """Return z itself: the support is the whole space."""
        return z


class Conditioned(nn.Module):
    """A conditional network, (rows, labels) -> rows, whose labels are bound: a network of one argument."""

    labels: Tensor  # () for every row, or (B,) for the B rows of one batch

    def __init__(self, network: Callable[..., Tensor], labels: Tensor) -> None:
        super().__init__()
        self.network = network
        self.training = getattr(network, "training", False)
        self.register_buffer("labels", labels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> what the network makes of it at these labels. Raises InputError."""
        self.check_rows(len(x))
        return self.network(x, self.labels.expand(len(x)))

    def check_rows(self, rows: int) -> None:
        """Raise InputError where the labels belong to another number of rows."""
        if self.labels.ndim and len(self.labels) != rows:
            raise InputError(
                f"labels: {len(self.labels)} are bound, found {rows} rows; bind one label, "
                "or pass the rows that these belong to, all in one batch"
            )


@dataclass(frozen=True)
class Pair:
    """G and D of one GAN, ready to be used after training.

    Modules must be in evaluation mode: batch statistics would couple the rows of a batch, and the batch size would
    change the answer. A conditional pair, whose G and D take (rows, labels), becomes a pair like any other by
    `conditioned_on`.

    Attributes:
        generator: latents (B, d) -> data (B, ...), in the units of the training data.
        discriminator: data (B, ...) -> logits (B,) or (B, 1): the value before any sigmoid.
        prior: p_Z, for example ``Uniform(2)``.

    Raises:
        InputError: a module is in training mode.
    """

    generator: Callable[[Tensor], Tensor]
    discriminator: Callable[[Tensor], Tensor]
    prior: Prior

    def __post_init__(self) -> None:
        self.refuse_training_mode()

    def refuse_training_mode(self) -> None:
        """Raise InputError when G or D is in training mode, which a caller may have set since the pair was made."""
        refuse_training_mode("generator", self.generator)
        refuse_training_mode("discriminator", self.discriminator)

    @property
    def device(self) -> torch.device:
        """Where the generator's weights are; the CPU for a function without weights."""
        parameters = self.generator.parameters() if isinstance(self.generator, nn.Module) else iter(())
        return next((parameter.device for parameter in parameters), torch.device("cpu"))

    @property
    def labels(self) -> Tensor | None:
        """The bound labels, () or (B,); None where none are bound."""
        return self.generator.labels if isinstance(self.generator, Conditioned) else None

    def conditioned_on(self, labels: int | Tensor) -> Self:
        """G(. | y) and D(. | y): the pair with its labels bound, on which latent-space DOT is Algorithm 3.

        Args:
            labels: one for all rows, or (B,) integers, one for each row of the batches of B that it is given.

        Returns:
            A pair that shares the networks. `split` cuts its labels to batches.

        Raises:
            InputError: labels are neither, or are bound already.
        """
        bound = torch.as_tensor(labels)
        if bound.dtype not in (torch.int32, torch.int64) or bound.ndim > 1 or not bound.numel():
            passed = f"found shape {tuple(bound.shape)} of {bound.dtype}"
            raise InputError(f"labels: {passed}; pass one integer, or one for each row, (B,)")
        if isinstance(self.generator, Conditioned):
            raise InputError("labels: this pair has its labels; bind those of the pair that it was made from")
        bound = bound.to(self.device) if isinstance(self.generator, nn.Module) else bound
        G, D = (Conditioned(network, bound) for network in (self.generator, self.discriminator))
        return replace(self, generator=G, discriminator=D)

    def split(self, rows: int, size: int | None) -> Iterator[Self]:
        """A pair for each batch of `size` of so many rows, None for all, with the labels of these rows where bound.

        ``zip(z.split(size), pair.split(len(z), size))`` has each batch with its pair. Raises InputError.
        """
        size = rows if size is None else size
        check_count("size", size)
        networks = self.generator, self.discriminator
        for network in networks:
            if isinstance(network, Conditioned):
                network.check_rows(rows)
        for first in range(0, rows, size):
            G, D = (_part(network, first, size) for network in networks)
            yield replace(self, generator=G, discriminator=D)

    def generate(self, z: Tensor) -> Tensor:
        """G(z): (B, d) -> (B, ...)."""
        return self.generator(z)

    def logit(self, x: Tensor) -> Tensor:
        """D(x): (B, ...) -> (B,)."""
        return rowwise(self.discriminator(x), x.shape[0])

    def latent_logit(self, z: Tensor) -> Tensor:
        """D(G(z)), the dual variable of latent-space DOT ([DOT19] eq. 23): (B, d) -> (B,)."""
        return self.logit(self.generate(z))


def _part(network: Callable[..., Tensor], first: int, size: int) -> Callable[..., Tensor]:
    """The network, with the labels of some of its rows where each row has one."""
    if isinstance(network, Conditioned) and network.labels.ndim:
        return Conditioned(network.network, network.labels[first : first + size])
    return network


def rowwise(logits: Tensor, rows: int) -> Tensor:
    """Bring a discriminator's output, (B,) or (B, 1), to (B,). Raises InputError for other shapes."""
    if not isinstance(logits, Tensor):
        raise InputError(f"discriminator: returned a {type(logits).__name__}; return only the logits")
    if logits.shape == (rows, 1):
        return logits[:, 0]
    if logits.shape == (rows,):
        return logits
    raise InputError(
        f"discriminator: returned shape {tuple(logits.shape)} for {rows} rows; "
        f"return one logit a row, ({rows},) or ({rows}, 1)"
    )


def rowwise_gradient(f: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """f(x), (B,), and the gradient of each row's own value, (B, ...), for an f that keeps rows independent.

    Raises InputError where autograd does not connect f(x) to x.
    """
    with torch.inference_mode(False), torch.enable_grad():
        x = x.detach().clone().requires_grad_(True)
        values = rowwise(f(x), len(x))
        check_connected(values, x)
        (gradient,) = torch.autograd.grad(values.sum(), x)
    return values.detach(), gradient


def refuse_training_mode(role: str, network: object) -> None:
    """Raise InputError when a module, or a part of it, is in training mode."""
    if isinstance(network, nn.Module) and any(part.training for part in network.modules()):
        raise InputError(f"{role}: {type(network).__name__} is in training mode; call .eval() first")


def check_connected(logit: Tensor, x: Tensor) -> None:
    """Raise InputError when autograd does not connect logits to the leaf x."""
    nodes, waiting = set(), [logit.grad_fn]  # every operation and leaf that autograd remembers behind the logits
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes.add(node)
            waiting += [before for before, _ in node.next_functions]
    if not any(getattr(node, "variable", None) is x for node in nodes):
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
    except RuntimeError as error:
        first_line = str(error).strip().splitlines()[0]
        raise InputError(
            f"{name}: the networks refused shape {tuple(x.shape)}, {x.dtype}, "
            f"{x.device} ({first_line}); match width, dtype and device"
        ) from error
