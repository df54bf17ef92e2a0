"""A generator, a discriminator and a prior p_Z: what every algorithm of this package takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor, nn

from dotlib.errors import InputError


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


@dataclass(frozen=True)
class Pair:
    """G and D of one GAN, ready to be used after training.

    Modules must be in evaluation mode: batch statistics would couple the rows of a batch, and the batch size would
    change the answer.

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

    def generate(self, z: Tensor) -> Tensor:
        """G(z): (B, d) -> (B, ...)."""
        return self.generator(z)

    def logit(self, x: Tensor) -> Tensor:
        """D(x): (B, ...) -> (B,)."""
        return rowwise(self.discriminator(x), x.shape[0])

    def latent_logit(self, z: Tensor) -> Tensor:
        """D(G(z)), the dual variable of latent-space DOT ([DOT19] eq. 23): (B, d) -> (B,)."""
        return self.logit(self.generate(z))


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
