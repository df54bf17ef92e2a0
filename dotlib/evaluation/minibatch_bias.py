"""Why the minibatch energy distance has its self terms: one parameter, fitted by an earth mover's distance of batches.

Data are N(0, 1), the model is N(0, s^2), a batch has B points, and the cost is ``|x - y|``. On a line the optimal plan
of two batches pairs their sorted points, so W is exact and nothing here is iterated. Every s sees the same noise.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dotlib.errors import check_count
from dotlib.metrics import intervals
from dotlib.results import paper
from dotlib.results.paper import Claim
from dotlib.seeding import generator

SCALES = tuple(round(0.01 * i, 2) for i in range(141))  # s from 0 to 1.4
WITHOUT, WITH = "2 W(X, Y)", "with self terms"
BLOCKS = 20  # of draws
JUDGED = 4  # the batch whose slopes are judged
MARGIN = 0.05  # of the slope without self terms: a smaller one, with them, is none


@dataclass(frozen=True)
class Bias:
    """Both losses over s, and where they end."""

    batch: int
    loss: dict[str, np.ndarray]  # WITHOUT or WITH -> mean over all draws, (SCALES,)
    best: dict[str, np.ndarray]  # the s with the smallest mean in each block of draws, (blocks,)
    slope: dict[str, np.ndarray]  # mean d loss / ds at s = 1, where the model is the data, (blocks,)


def bias(batch: int, *, blocks: int, draws: int, seed: int) -> Bias:
    """Both losses from blocks of independent draws of four batches. Raises InputError."""
    for name, value, least in (("batch", batch, 1), ("blocks", blocks, 2), ("draws", draws, 1)):
        check_count(name, value, least)
    rng = generator(seed, "minibatch bias", str(batch))
    means = {WITHOUT: [], WITH: []}
    slopes = {WITHOUT: [], WITH: []}
    for _ in range(blocks):
        x, x2, u, u2 = torch.randn(4, draws, batch, generator=rng, dtype=torch.float64).sort(2).values
        s = torch.tensor(SCALES, dtype=torch.float64)
        between = sum(
            torch.stack([W(real, scale * noise).mean() for scale in s]) for real in (x, x2) for noise in (u, u2)
        )
        own = W(x, x2).mean() + s * W(u, u2).mean()  # W(s u, s u') = s W(u, u')
        means[WITHOUT].append(between / 2)
        means[WITH].append(between / 2 - own)
        pull = sum(((noise - real).sign() * noise).mean() for real in (x, x2) for noise in (u, u2))
        slopes[WITHOUT].append(float(pull / 2))
        slopes[WITH].append(float(pull / 2 - W(u, u2).mean()))
    loss = {name: torch.stack(values) for name, values in means.items()}  # (blocks, SCALES)
    best = {name: np.array(SCALES)[values.argmin(1).numpy()] for name, values in loss.items()}
    averages = {name: values.mean(0).numpy() for name, values in loss.items()}
    return Bias(batch, averages, best, {name: np.array(values) for name, values in slopes.items()})


def W(x: Tensor, y: Tensor) -> Tensor:
    """Earth mover's distance of sorted batches on a line, (n, B) and (n, B) -> (n,)."""
    return (x - y).abs().mean(1)


def claim(found: Bias) -> Claim:
    """Claim that the self terms take the bias out of the gradient, where the model is the data.

    There the gradient of any distance of laws is 0. Reproduced: without self terms the slope is apart from 0, and with
    them it is within MARGIN of that, by two one-sided tests. Contradicted: with them it is apart from 0.
    """
    without, with_terms = found.slope[WITHOUT], found.slope[WITH]
    low, high = intervals.t_interval(with_terms)[1]
    if not low <= 0 <= high:
        return Claim(intervals.p_value(with_terms), paper.CONTRADICTED, paper.UNDECIDED)
    equivalent = intervals.equivalence_p(with_terms, MARGIN * abs(float(without.mean())))
    return Claim(max(intervals.p_value(without), equivalent), paper.REPRODUCED, paper.UNDECIDED)
