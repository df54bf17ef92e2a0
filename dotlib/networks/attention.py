"""The self-attention layer of [DOT19] Figure 6."""

import torch
from torch import Tensor, nn

from dotlib.errors import check_count
from dotlib.networks.normalisation import layer, lecun_std


class SelfAttention(nn.Module):
    """x + gamma attention(x): (B, c, h, w) -> (B, c, h, w), with c // 8 key and query channels.

    ::

        attention(x)_i = sum_j a_ij value_j,   a_i. = softmax over the keys j of query_i . key_j

    i and j run over the h w places. The three 1 x 1 convolutions are spectrally normalised in every
    network that has this layer, and nothing follows the values. gamma starts at 0, so the layer
    starts as the identity. First weights as in the released code: N(0, 1 / c), biases 0.
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
