"""Quality against cost, the 2-D pairs under every sampler, with the trained D and with the oracle."""

from collections.abc import Mapping, Sequence

import numpy as np

from dotlib.evaluation import recording
from dotlib.evaluation.comparison import Comparison, Point
from dotlib.metrics import intervals
from dotlib.results import paper, tables

STEPS = (
    ("sample", "25gaussians-wgan-gp"),
    ("oracle", "25gaussians-wgan-gp"),
    ("sample", "swissroll-wgan-gp"),
    ("oracle", "swissroll-wgan-gp"),
)

LANDSCAPES = {"D": False, "oracle": True}  # name -> whether the exact log ratio stands in D's place
WORDS = ("nearer", "farther", paper.UNDECIDED)
FRESH = 10_000  # samples of G that no oracle was made of

Key = tuple[str, str]  # data set and landscape
Points = Mapping[Key, Sequence[Point]]


def last_distances(points: Sequence[Point]) -> dict[str, float | None]:
    """W1 of each method at its last setting, mean over sets; None where it refused."""
    return {p.method: None if p.refused else float(np.mean(p.scores["emd_euclidean"])) for p in points}


def words(points: Sequence[Point]) -> dict[str, str]:
    """Whether each method's last W1 is "nearer" or "farther" than that of bare, or "undecided", paired over the sets.

    By Holm's correction for the methods of one landscape; a method that refused is left out.
    """
    last = {p.method: p.scores["emd_euclidean"] for p in points if not p.refused}
    claims = {}
    for method, distances in last.items():
        if method != "bare":
            mean, ends = intervals.interval(distances, last["bare"])
            apart = "nearer" if mean < 0 else "farther"
            claims[method] = paper.Claim(paper.p_of_interval(ends, len(distances)), apart, paper.UNDECIDED)
    return dict(zip(claims, recording.words_of(claims.values()), strict=True))


def nearer_table(points: Points) -> str:
    """Markdown: which methods end nearer to the data than bare, which farther, and of which the sets do not tell."""
    rows = []
    for key, of_key in points.items():
        found, bare = words(of_key), last_distances(of_key)["bare"]
        named = {word: [method for method in found if found[method] == word] for word in WORDS}
        rows.append([", ".join(key), f"{bare:.4f}", *(", ".join(methods) or "-" for methods in named.values())])
    return tables.markdown(["data, discriminator", "W1 of bare", *WORDS], rows)


def summary(points: Points, comparisons: Mapping[Key, Comparison]) -> str:
    """Markdown: W1 of each method at its last setting, a column for each landscape, and of real points."""
    columns = [last_distances(of_key) for of_key in points.values()]
    rows = [
        [method, *("refused" if W[method] is None else f"{W[method]:.4f}" for W in columns)] for method in columns[0]
    ]
    rows.append(["real", *(f"{comparison.floor['emd_euclidean']:.4f}" for comparison in comparisons.values())])
    return tables.markdown(["W1", *map(", ".join, points)], rows)
