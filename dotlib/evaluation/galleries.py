"""Samples of shipped image pairs on their way under DOT, chosen by the rise of D alone: no eye picked them."""

from collections.abc import Sequence

import numpy as np
import torch

from dotlib.data.images import to_uint8
from dotlib.evaluation import over_trainings
from dotlib.pairs import Pair
from dotlib.seeding import generator
from dotlib.training import shipped
from dotlib.training.settings import ROWS, SHAPES
from dotlib.transport import latent_constant, latent_dot

SAMPLES, COLUMNS = 96, 12  # latents that are ranked, and images of each row
CHOSEN = ("largest rise of D", "median", "smallest")  # rows
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)  # of the published number of updates


def names() -> list[str]:
    """The shipped pairs of Table 1's rows, larger images first."""
    known = shipped.catalogue("laptop")
    return [name for dataset in (*[*SHAPES][1:], "digits") for row in ROWS if (name := f"{dataset}-{row}") in known]


def along(pair: Pair, updates: Sequence[int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images after these numbers of updates, row after row, and the mean rise of D of each row.

    Latents are ranked by the rise of D after the last of the updates.

    Args:
        pair: of images.
        updates: ascending, the first 0.
        seed: of the latents.

    Returns:
        (updates, rows * COLUMNS, C, H, W) uint8, and (updates, rows) in logits; rows as in CHOSEN.
    """
    rng = generator(seed, "gallery")
    z = pair.prior.sample(SAMPLES, rng)
    k_eff = latent_constant(pair, rng=rng).value
    path = latent_dot(pair, z, k_eff, steps=updates[-1], snapshots=updates)
    with torch.no_grad():
        x = torch.stack([pair.generate(path.at(update)) for update in updates])  # (updates, N, C, H, W)
        rise = torch.stack([pair.logit(each) for each in x]) - pair.logit(x[0])
    order = rise[-1].argsort(descending=True)
    middle = (len(order) - COLUMNS) // 2
    rows = torch.stack([order[:COLUMNS], order[middle : middle + COLUMNS], order[-COLUMNS:]])  # (rows, COLUMNS)
    images = torch.stack([to_uint8(each[rows.flatten()]) for each in x])
    return images.numpy(), rise[:, rows].mean(2).numpy()


def of_shipped(name: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`along` for a shipped pair of seed 0, at SHARES of the published number of updates."""
    updates = [round(share * over_trainings.published(name)) for share in SHARES]
    return along(shipped.load_pair(name, seed=0), updates, seed)
