"""How steep D is at the samples, beside the constant that DOT divides by: arrays in, a figure with a slider out."""

from collections.abc import Mapping, Sequence

import numpy as np

from dotlib.plots.interactive import Control, Interactive, Mark, Number, Panel, Pictures, Table
from dotlib.plots.style import BLUE, VERMILION

BINS = 40


def against_k(
    norms: np.ndarray,
    k: Mapping[str, float],
    numbers: Mapping[str, tuple[Sequence[float], float, float]],
    sheets: Sequence[np.ndarray],
    start: str,
) -> Interactive:
    """A histogram of slopes with a line at k, samples that were moved with this k, and what was measured of them.

    Args:
        norms: ``||grad D(G(z))||`` of each latent, in logits per latent distance.
        k: name -> constant in the same unit, a position of the slider each.
        numbers: row of the table -> what DOT has at every k, what the naive ascent has, and the unmoved samples.
        sheets: for every k, (height, width, 3) uint8.
        start: the name at which the slider stands first.

    Returns:
        The figure.
    """
    values = np.array(list(k.values()))
    low, high = 0.8 * min(values.min(), np.quantile(norms, 0.001)), 1.25 * max(values.max(), norms.max())
    counts, edges = np.histogram(np.clip(norms, low, None), np.geomspace(low, high, BINS + 1))
    outline = np.stack([edges.repeat(2), np.r_[0, counts.repeat(2), 0]], axis=1)
    top = 1.1 * counts.max()
    at = np.stack([np.stack([values, values], 1), np.broadcast_to([0.0, top], (len(values), 2))], 2)
    marks = (
        Mark("line", outline, label="latents", colour=BLUE, size=2),
        Mark("line", at, ("k",), "k", VERMILION, 2, dashes="5 3"),
    )
    xlabel = "slope of D(G(z)), logits per latent distance"
    histogram = Panel("slopes and k", marks, (low, high), (0, top), xlabel, "latents", xscale="log")
    rows = {"k": (Number(values, ("k",)), Number(np.nan), Number(np.nan))}
    above = (norms[None] > values[:, None]).mean(1)
    rows["share of latents with a slope above k"] = (Number(above, ("k",)), Number(np.nan), Number(np.nan))
    for label, (moved, naive, bare) in numbers.items():
        rows[label] = (Number(np.asarray(moved), ("k",)), Number(naive), Number(bare))
    return Interactive(
        "slopes-and-k",
        f"Slopes of D at {len(norms)} latents as a histogram with a line at k, and samples moved by DOT with "
        "this k. A table has k, how many slopes lie above it, and the scores.",
        (Control("k", "k", tuple(k), list(k).index(start), slider=True),),
        (histogram, Pictures("samples after DOT", tuple(sheets), ("k",))),
        Table(("", "DOT", "naive", "bare"), rows),
    )
