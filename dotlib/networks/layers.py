"""What image networks are made of: a design, layers with their first weights, attention, spectral norm."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from dotlib.errors import InputError, check_count

Linear = nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.Embedding
Rng = torch.Generator | None  # draws first weights, layer by layer; None leaves torch's own, unseeded start

BATCH_NORM_EPS = 2e-5  # Chainer's; torch has 1e-5
WEIGHT_STD = 0.02  # released code, all convolutions and the dense layers of the DCGAN
FIRST_ITERATIONS = 15  # power iterations on fresh weights, as torch does


class SelfAttention(nn.Module):
    """x + gamma attention(x): (B, c, h, w) -> (B, c, h, w), with c // 8 key and query channels.

    ::

        attention(x)_i = sum_j a_ij value_j,   a_i. = softmax over the keys j of query_i . key_j

    i and j run over the h w places. The three 1 x 1 convolutions are spectrally normalised in every network that has
    this layer, and nothing follows the values. gamma starts at 0, so the layer starts as the identity. First weights as
    in the released code: N(0, 1 / c), biases 0.
    """

    def __init__(self, channels: int, *, rng: Rng = None) -> None:
        super().__init__()
        check_count("channels", channels)
        narrow = max(1, channels // 8)
        self.query, self.key, self.value = (
            layer(nn.Conv2d(channels, width, 1), normalise=True, std=channels**-0.5, rng=rng)
            for width in (narrow, narrow, channels)
        )
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c, h, w) -> (B, c, h, w)."""
        query, key = self.query(x).flatten(2), self.key(x).flatten(2)  # (B, c // 8, h w)
        weights = torch.bmm(query.transpose(1, 2), key).softmax(2)  # (B, h w queries, h w keys)
        # The weights come first: in the other order their gradient is copied to be transposed.
        mixed = torch.bmm(weights, self.value(x).flatten(2).transpose(1, 2))  # (B, h w, c)
        return x + self.gamma * mixed.transpose(1, 2).reshape(x.shape)


@dataclass(frozen=True)
class Design:
    """What a network of [DOT19] Table 5 or 6 is built from. Raises InputError."""

    width: int  # channels of the widest map, a multiple of 8
    bottom: int = 4  # side of G's first map: 4 for CIFAR-10, 6 for STL-10, 1 for the 8 x 8 digits
    channels: int = 3  # of the images
    spectral: bool = False  # spectral norm in every layer
    attention: bool = False
    rng: Rng = None

    def __post_init__(self) -> None:
        check_count("bottom", self.bottom)
        check_count("channels", self.channels)
        check_count("width", self.width, 8)
        if self.width % 8:
            raise InputError(
                f"width: found {self.width}; the other widths are halves, quarters and eighths "
                f"of it, pass a multiple of 8 such as {self.width - self.width % 8}"
            )

    def layer(self, module: Linear, std: float = WEIGHT_STD) -> nn.Module:
        """`layer`, normalised and drawn as designed."""
        return layer(module, normalise=self.spectral, std=std, rng=self.rng)

    def attention_on(self, channels: int) -> list[nn.Module]:
        """`SelfAttention`, or no layer."""
        return [SelfAttention(channels, rng=self.rng)] if self.attention else []


class ImageNetwork(nn.Sequential):
    """Layers one after the other, on images (B, channels, 8 bottom, 8 bottom). Raises InputError for others."""

    def __init__(self, design: Design, *layers: nn.Module) -> None:
        super().__init__(*layers)
        self.image_shape = (design.channels, 8 * design.bottom, 8 * design.bottom)

    def forward(self, input: Tensor) -> Tensor:
        """(B, channels, 8 bottom, 8 bottom) -> what the last layer gives."""
        check_image(input, self.image_shape)
        return super().forward(input)


def check_image(x: Tensor, shape: tuple[int, int, int]) -> None:
    """Refuse images that are not ``(B, *shape)``. Raises InputError."""
    if x.ndim != 4 or x.shape[1:] != shape:
        raise InputError(
            f"x: expected images (B, {', '.join(map(str, shape))}), found shape {tuple(x.shape)}; "
            "resize them, or build the network with their bottom and channels"
        )


def spectral(module: nn.Module) -> nn.Module:
    """The same layer with its weight divided by its spectral norm, [DOT19] eq. (9).

    One power iteration for each forward pass in training mode, none in evaluation mode. The matrix has the weight's
    axis 0 as rows, for transposed convolutions too: Chainer's axis, where torch would take axis 1. Both singular
    vectors are in the state dict.
    """
    return spectral_norm(module, n_power_iterations=1, eps=1e-12, dim=0)


def layer(
    module: Linear, *, normalise: bool, std: float = WEIGHT_STD, reach: float | None = None, rng: Rng = None
) -> nn.Module:
    """The module with first weights N(0, std^2), or U(-reach, reach), biases 0, and with `spectral` norm or without.

    `rng` draws the weight, then both singular vectors, which 15 power iterations refine.
    """
    if rng is not None:
        with torch.no_grad():
            if reach is None:
                module.weight.normal_(0, std, generator=rng)
            else:
                module.weight.uniform_(-reach, reach, generator=rng)
            if isinstance(bias := getattr(module, "bias", None), Tensor):
                bias.zero_()
    if normalise:
        spectral(module)
    if normalise and rng is not None:
        for norm, weight in _spectral_norms(module):
            for vector in norm.buffers():
                vector.normal_(0, 1, generator=rng)
                vector.div_(vector.norm())
            _iterate(norm, weight, FIRST_ITERATIONS)
    return module


@torch.no_grad()
def thermalise(network: nn.Module, iterations: int = 100) -> None:
    """Bring every spectral norm of a network to its limit, in place, whatever its mode.

    Where [DOT19] B.2 runs forward passes "a few times", the released code 100, this needs no data: it starts at the
    leading singular vectors, since a hundred power iterations leave errors up to 1 % on weights whose singular values
    lie close together. `iterations` follow, to the fixed point of the update. Raises InputError.
    """
    check_count("iterations", iterations, 0)
    for norm, weight in _spectral_norms(network):
        u, v = _leading_vectors(weight.flatten(1))
        norm.get_buffer("_u").copy_(u)
        norm.get_buffer("_v").copy_(v)
        _iterate(norm, weight, iterations)


def _spectral_norms(network: nn.Module) -> Iterator[tuple[nn.Module, Tensor]]:
    """(the parametrisation, the weight before it) of each normalised layer."""
    for module in network.modules():
        if not parametrize.is_parametrized(module, "weight"):
            continue
        parametrisations: Any = module.parametrizations
        for norm in parametrisations.weight:
            if {name for name, _ in norm.named_buffers()} == {"_u", "_v"}:
                yield norm, parametrisations.weight.original


@torch.no_grad()
def _iterate(norm: nn.Module, weight: Tensor, iterations: int) -> None:
    """Power iterations: each use of the weight in training mode is one."""
    mode = norm.training
    norm.train()
    for _ in range(iterations):
        norm(weight)
    norm.train(mode)


def _leading_vectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """u (m,) and v (n,) with the largest u . matrix v, by the Gram matrix of the short side."""
    if matrix.shape[0] > matrix.shape[1]:
        v, u = _leading_vectors(matrix.T)
        return u, v
    u = torch.linalg.eigh(matrix @ matrix.T).eigenvectors[:, -1]  # (m,), ascending eigenvalues
    v = matrix.T @ u  # (n,)
    return u, v / v.norm()
