"""Prior distributions p_Z of the latents: how to draw one, and how to stay in its support."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor


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

    Its mass lies close to the sphere of radius sqrt(dim), so a transport projects the gradient
    (`spherical`) and needs no clipping.
    """

    dim: int
    spherical: ClassVar[bool] = True

    def sample(self, n: int, rng: torch.Generator) -> Tensor:
        """Draw n latents, (n, dim) float32."""
        return torch.randn(n, self.dim, generator=rng)

    def constrain(self, z: Tensor) -> Tensor:
        """The support is the whole space: z itself."""
        return z
