"""Samples of shipped image pairs on their way under DOT, chosen by the rise of D alone: no eye picked them."""

from collections.abc import Sequence

import numpy as np
import torch

from dotlib.data.images import to_uint8
from dotlib.evaluation import over_trainings
from dotlib.pairs import Pair
from dotlib.plots import images as image_plots
from dotlib.plots.interactive import Control, Interactive, Number, Pictures, Table
from dotlib.seeding import generator
from dotlib.training import shipped
from dotlib.training.settings import ROWS, SHAPES
from dotlib.transport import latent_constant, latent_dot

SAMPLES, COLUMNS = 96, 12  # latents that are ranked, and images of each row
CHOSEN = ("largest rise of D", "median", "smallest")  # rows of a sheet, from above
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0)  # of the published number of updates: positions of the slider


def names() -> list[str]:
    """The shipped pairs of Table 1's rows, larger images first."""
    known = shipped.catalogue("laptop")
    return [name for dataset in (*[*SHAPES][1:], "digits") for row in ROWS if (name := f"{dataset}-{row}") in known]


def along(pair: Pair, updates: Sequence[int], seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sheets after these numbers of updates, and the mean rise of D of each of its rows, (updates, rows).

    Latents are ranked by the rise of D after the last of them.
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
    sheets = [image_plots.sheet(to_uint8(each[rows.flatten()]).numpy(), COLUMNS) for each in x]
    return sheets, rise[:, rows].mean(2).numpy()


def gallery(pairs: Sequence[str], seed: int = 0) -> Interactive:
    """Samples of these shipped pairs under latent-space DOT at the estimated constant, a slider over the updates."""
    found = {name: over_trainings.published(name) for name in pairs}
    steps = {name: [round(share * usual) for share in SHARES] for name, usual in found.items()}
    of = {name: along(shipped.load_pair(name, seed=0), steps[name], seed) for name in pairs}
    rises = np.stack([of[name][1] for name in pairs])  # (pairs, updates, rows)
    both = ("pair", "updates")
    rows = {f"rise of D, {row}": (Number(rises[:, :, at], both),) for at, row in enumerate(CHOSEN)}
    sheets = tuple(sheet for name in pairs for sheet in of[name][0])
    options = tuple(f"{share:g} x published" if share else "bare" for share in SHARES)
    return Interactive(
        "gallery",
        f"Three rows of {COLUMNS} samples of a shipped pair under latent-space DOT: those with the largest rise of D, "
        "those in the middle, and those with the smallest. The slider moves along the updates, a list chooses a pair.",
        (
            Control("updates", "updates", options, SHARES.index(1.0), slider=True),
            Control("pair", "pair", tuple(pairs), 0),
        ),
        (Pictures("samples: largest rise of D, median, smallest", sheets, both, size=(700, 190)),),
        Table(("", "logits"), rows),
    )
