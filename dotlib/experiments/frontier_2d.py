"""Quality against cost, the 2-D pairs under every sampler, with the trained D and with the oracle."""

from collections.abc import Mapping, Sequence

import numpy as np

from dotlib.evaluation import recording
from dotlib.evaluation.comparison import Comparison, Point
from dotlib.metrics import intervals
from dotlib.plots.samplers import Change
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
    last = _last_sets(points)
    return _against(last.pop("bare"), last)


def nearer_than_real(points: Points, comparisons: Mapping[Key, Comparison]) -> str:
    """In words: the methods that end nearer to the targets than other real points do, by the test of `words`."""
    texts = []
    for key, of_key in points.items():
        found = _against(comparisons[key].floor_sets["emd_euclidean"], _last_sets(of_key))
        methods = [method for method, word in found.items() if word == "nearer"]
        texts.append(f"{', '.join(key)}: {', '.join(methods) or 'none'}")
    return "; ".join(texts)


def _last_sets(points: Sequence[Point]) -> dict[str, list[float]]:
    return {p.method: p.scores["emd_euclidean"] for p in points if not p.refused}


def _against(other: Sequence[float], of: Mapping[str, Sequence[float]]) -> dict[str, str]:
    return _apart({method: (distances, other) for method, distances in of.items()})


def _apart(of: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> dict[str, str]:
    """Whether the first distances of each method are "nearer" or "farther" than the second, paired, by Holm."""
    claims = {}
    for method, (first, second) in of.items():
        mean, ends = intervals.interval(first, second)
        apart = "nearer" if mean < 0 else "farther"
        claims[method] = paper.Claim(paper.p_of_interval(ends, len(first)), apart, paper.UNDECIDED)
    return dict(zip(claims, recording.words_of(claims.values()), strict=True))


def answer(points: Points) -> str:
    """Which methods come nearer to the data with the exact ratio than with the trained D, a sentence for each set."""
    texts = []
    for name in dict.fromkeys(name for name, _ in points):
        with_d, exact = (_last_sets(points[name, landscape]) for landscape in LANDSCAPES)
        both = [method for method in exact if method in with_d and method != "bare"]
        found = _apart({method: (exact[method], with_d[method]) for method in both})
        lists = {word: [method for method in both if found[method] == word] for word in WORDS}
        told = "; ".join(f"{word}: {', '.join(methods) or 'none'}" for word, methods in lists.items())
        texts.append(f"On {name} the exact log ratio in the place of the trained $D$ puts these methods {told}.")
    return (
        f"{' '.join(texts)} The words are by $W_1$ to training points over sets of points, of *one training* for each "
        "set of data: what comes nearer was held back by its $D$, and *undecided* does not say that it was not."
    )


def changes(points: Points) -> dict[str, dict[str, dict[str, Change | str]]]:
    """For `plots.samplers.changes`: data set -> method -> landscape -> last W1 minus that of bare, or "refused"."""
    panels: dict[str, dict[str, dict[str, Change | str]]] = {}
    for (name, landscape), of_key in points.items():
        last = _last_sets(of_key)
        for method in dict.fromkeys(point.method for point in of_key if point.method != "bare"):
            change = intervals.interval(last[method], last["bare"]) if method in last else "refused"
            panels.setdefault(name, {}).setdefault(method, {})[landscape] = change
    return panels


def nearer_table(points: Points) -> str:
    """Markdown: which methods end nearer to the data than bare, which farther, and of which the sets do not tell."""
    rows = []
    for key, of_key in points.items():
        found, bare = words(of_key), last_distances(of_key)["bare"]
        named = {word: [method for method in found if found[method] == word] for word in WORDS}
        rows.append([", ".join(key), f"{bare:.4f}", *(", ".join(methods) or "-" for methods in named.values())])
    return tables.markdown(["data, discriminator", "W1 of bare", *WORDS], rows)


def summary(points: Points, comparisons: Mapping[Key, Comparison]) -> str:
    """Markdown: W1 of each method at its last setting with its interval, a column a landscape, and of real points."""
    columns = [{p.method: p for p in of_key} for of_key in points.values()]
    rows = [[method, *(_shown(column[method]) for column in columns)] for method in columns[0]]
    floors = (comparison.floor_sets["emd_euclidean"] for comparison in comparisons.values())
    rows.append(["real", *(intervals.shown(of_sets, 4) for of_sets in floors)])
    return tables.markdown(["W1", *map(", ".join, points)], rows)


def _shown(point: Point) -> str:
    return "refused" if point.refused else intervals.shown(point.scores["emd_euclidean"], 4)
