"""The self-attention layer of [DOT19] Figure 6.

Layers with their first weights, and spectral normalisation as in the released code.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from dotlib.errors import check_count


class SelfAttention(nn.Module):
    """x + gamma attention(x): (B, c, h, w) -> (B, c, h, w), with c // 8 key and query channels.

    ::

        attention(x)_i = sum_j a_ij value_j,   a_i. = softmax over the keys j of query_i . key_j

    i and j run over the h w places. The three 1 x 1 convolutions are spectrally normalised in every network that has
    this layer, and nothing follows the values. gamma starts at 0, so the layer starts as the identity. First weights as
    in the released code: N(0, 1 / c), biases 0.
    """

    def __init__(self, channels: int, *, rng: torch.Generator | None = None) -> None:
        super().__init__()
        check_count("channels", channels)
        std, narrow = lecun_std(channels), max(1, channels // 8)
        self.query, self.key, self.value = (
            layer(nn.Conv2d(channels, width, 1), normalise=True, std=std, rng=rng)
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


Linear = nn.Linear | nn.Conv2d | nn.ConvTranspose2d  # layers with a weight and a bias

BATCH_NORM_EPS = 2e-5  # Chainer's; torch has 1e-5
LEAKY_SLOPE = 0.2  # Chainer's; torch has 0.01
WEIGHT_STD = 0.02  # released code, all convolutions and the dense layers of the DCGAN
FIRST_ITERATIONS = 15  # power iterations on fresh weights, as torch does


def spectral(module: nn.Module) -> nn.Module:
    """The same layer with its weight divided by its spectral norm, [DOT19] eq. (9).

    One power iteration for each forward pass in training mode, none in evaluation mode. The matrix has the weight's
    axis 0 as rows, for transposed convolutions too: Chainer's axis, where torch would take axis 1. Both singular
    vectors are in the state dict.
    """
    return spectral_norm(module, n_power_iterations=1, eps=1e-12, dim=0)


def layer(module: Linear, *, normalise: bool, std: float = WEIGHT_STD, rng: torch.Generator | None = None) -> nn.Module:
    """A dense or convolution layer with first weights N(0, std^2), biases 0, normalised or not.

    Args:
        module: A convolution, transposed convolution or dense layer.
        normalise: Spectrally.
        std: Of the first weights.
        rng: Draws the weight, then both singular vectors; None leaves torch's own, unseeded start.

    Returns:
        The layer, changed in place.
    """
    if rng is not None:
        with torch.no_grad():
            module.weight.normal_(0, std, generator=rng)
            if module.bias is not None:
                module.bias.zero_()
    return start_spectral(module, rng) if normalise else module


def start_spectral(module: nn.Module, rng: torch.Generator | None) -> nn.Module:
    """`spectral`, from singular vectors that rng draws and 15 power iterations refine; None for torch's own start."""
    module = spectral(module)
    if rng is not None:
        for norm, weight in _spectral_norms(module):
            for vector in norm.buffers():
                vector.normal_(0, 1, generator=rng)
                vector.div_(vector.norm())
            _iterate(norm, weight, FIRST_ITERATIONS)
    return module


def lecun_std(fan_in: int) -> float:
    """Standard deviation of Chainer's default first weights, 1 / sqrt(fan_in)."""
    return fan_in**-0.5


@torch.no_grad()
def thermalise(network: nn.Module, iterations: int = 100) -> None:
    """Bring every spectral norm of a network to its limit, in place, whatever its mode.

    `iterations`: power iterations after that start, which end at the fixed point of the update. Where [DOT19] B.2 runs
    forward passes "a few times", the released code 100, this needs no data: it starts at the leading singular vectors,
    since a hundred power iterations leave errors up to 1 % on weights whose singular values lie close together.

    Raises InputError.
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
