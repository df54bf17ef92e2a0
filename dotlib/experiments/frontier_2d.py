"""Quality against cost, the 2-D pairs under every sampler, with the trained D and with the oracle."""

from collections.abc import Mapping, Sequence

import numpy as np

from dotlib.evaluation.comparison import Comparison, Point
from dotlib.results import tables

STEPS = (
    ("sample", "25gaussians-wgan-gp"),
    ("oracle", "25gaussians-wgan-gp"),
    ("sample", "swissroll-wgan-gp"),
    ("oracle", "swissroll-wgan-gp"),
)

LANDSCAPES = {"D": False, "oracle": True}  # name -> whether the exact log ratio stands in D's place
FRESH = 10_000  # samples of G that no oracle was made of

Key = tuple[str, str]  # data set and landscape
Points = Mapping[Key, Sequence[Point]]


def last_distances(points: Sequence[Point]) -> dict[str, float | None]:
    """W1 of each method at its last setting, mean over sets; None where it refused."""
    return {p.method: None if p.refused else float(np.mean(p.scores["emd_euclidean"])) for p in points}


def nearer_table(points: Points) -> str:
    """Markdown: which methods come nearer to the data than bare."""
    rows = []
    for key, of_key in points.items():
        W = {method: distance for method, distance in last_distances(of_key).items() if distance is not None}
        nearer = [method for method in W if W[method] < W["bare"]]
        rows.append([", ".join(key), f"{W['bare']:.4f}", f"{len(nearer)} of {len(W) - 1}", ", ".join(nearer) or "-"])
    return tables.markdown(["data, discriminator", "W1 of bare", "below it", "which"], rows)


def summary(points: Points, comparisons: Mapping[Key, Comparison]) -> str:
    """Markdown: W1 of each method at its last setting, a column for each landscape, and of real points."""
    columns = [last_distances(of_key) for of_key in points.values()]
    rows = [
        [method, *("refused" if W[method] is None else f"{W[method]:.4f}" for W in columns)] for method in columns[0]
    ]
    rows.append(["real", *(f"{comparison.floor['emd_euclidean']:.4f}" for comparison in comparisons.values())])
    return tables.markdown(["W1", *map(", ".join, points)], rows)
