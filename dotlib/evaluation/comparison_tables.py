"""What pages show of a comparison of samplers: its tables."""

from collections.abc import Sequence
from dataclasses import astuple, replace

import numpy as np

from dotlib.errors import InputError
from dotlib.evaluation.comparison import Point
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import tables
from dotlib.samplers.base import Cost

SLACK = 1.05  # a budget may be exceeded by this factor, so that 401 evaluations are among those of 400


def frontier_table(points: Sequence[Point], names: Sequence[str]) -> str:
    """Markdown: a row a point, its evaluations, milliseconds, acceptance, and scores with their differences to bare."""
    bare, rows = bare_of(points), []
    for point in points:
        cells = ["-"] * 3 + ["refused"] * len(names)
        if not point.refused:
            accepted = f"{np.mean(point.acceptance):.3f}" if point.acceptance else "-"
            cells = [f"{point.evaluations():.1f}", f"{1e3 * mean_cost(point.cost).seconds:.2f}", accepted]
            cells += [_score(point, bare, name) for name in names]
        rows.append([label_of(point), *cells])
    return tables.markdown(
        ["method", "evaluations", "ms a sample", "accepted", *(SCORES[name].label for name in names)], rows
    )


def ranked_table(points: Sequence[Point], names: Sequence[str], budget: float) -> str:
    """Markdown: every point with its price, scores, and the change of the first to bare; methods by their rank.

    The rank of a method is that of the first score at its best setting (`best`) within a budget, in network evaluations
    a sample. A method that has none within it comes last, and has no rank.
    """
    bare, order = bare_of(points), ranks(points, names[0], budget)
    rows = []
    for point in sorted(points, key=lambda each: order.get(each.method, len(points))):
        cells = ["-"] * 3 + ["refused"] * (1 + len(names))
        if not point.refused:
            cost, once = mean_cost(point.cost), mean_cost(point.setup)
            parts = ", ".join(f"{value:,.0f}" for value in (cost.generator, cost.discriminator, cost.backward))
            accepted = f"{np.mean(point.acceptance):.3f}" if point.acceptance else "-"
            cells = [f"{point.evaluations():,.1f} ({parts})", f"{once.evaluations():,.0f}", accepted]
            change = "-" if point is bare else _difference(point, bare, names[0])
            cells += [_mean_score(point, names[0]), change, *(_mean_score(point, name) for name in names[1:])]
        rows.append([f"{order.get(point.method, '-')}: {label_of(point)}", *cells])
    first, *others = (SCORES[name].label for name in names)
    heads = ["rank: method", "evaluations (G, D, backward)", "once", "accepted", first, f"{first} - bare", *others]
    return tables.markdown(heads, rows)


def ranks(points: Sequence[Point], name: str, budget: float) -> dict[str, int]:
    """Method -> its rank by a score at its best setting within a budget, 1 the best; without methods that have none."""
    methods = dict.fromkeys(point.method for point in points)
    at_best = {m: best(within([p for p in points if p.method == m], budget), name) for m in methods}
    sign = 1 if SCORES[name].lower_is_better else -1
    values = {method: sign * float(np.mean(point.scores[name])) for method, point in at_best.items() if point}
    return {method: place for place, method in enumerate(sorted(values, key=values.__getitem__), start=1)}


def difference_table(points: Sequence[Point], base: Point, names: Sequence[str]) -> str:
    """Markdown: a row a point, its evaluations, and its paired differences to `base`."""
    rows = []
    for point in points:
        cells = ["-", *["refused"] * len(names)]
        if not point.refused:
            cells = [f"{point.evaluations():.1f}", *(_difference(point, base, name) for name in names)]
        rows.append([label_of(point), *cells])
    return tables.markdown([f"minus {label_of(base)}", "evaluations", *(SCORES[name].label for name in names)], rows)


def budget_table(points: Sequence[Point], name: str, budgets: Sequence[float]) -> str:
    """Markdown: a row a method, a score of it at its best setting (`best`) that each budget allows.

    Budgets are network evaluations a sample, ascending. A dash stands where no setting is as cheap.
    """
    rows = []
    for method in dict.fromkeys(point.method for point in points):
        cells = []
        for budget in budgets:
            point = best(within([p for p in points if p.method == method], budget), name)
            cells.append("-" if point is None else f"{_mean_score(point, name)} ({point.setting:g})")
        rows.append([method, *cells])
    heads = [f"{SCORES[name].label} (setting)", *(f"about {budget:,g}" for budget in budgets)]
    return tables.markdown(heads, rows)


def within(points: Sequence[Point], budget: float) -> list[Point]:
    """Those of the points that cost at most so many evaluations a sample, up to SLACK."""
    return [point for point in points if not point.refused and point.evaluations() <= SLACK * budget]


def best(points: Sequence[Point], name: str) -> Point | None:
    """One method at its best setting by a score, as a point: in each set at the setting that is best on the others.

    So no set is scored at a setting that it helped to choose. The point is called after the setting that is best on all
    sets. None where every point is refused.
    """
    able = [point for point in points if not point.refused]
    if not able:
        return None
    values = np.array([point.scores[name] for point in able])
    chosen = list(enumerate(able[row] for row in best_on_others(values, name)))
    whole = able[int((values if SCORES[name].lower_is_better else -values).sum(1).argmin())]
    return replace(
        whole,
        scores={key: [point.scores[key][number] for number, point in chosen] for key in whole.scores},
        cost=[point.cost[number] for number, point in chosen],
        setup=[point.setup[number] for number, point in chosen],
        acceptance=[point.acceptance[number] for number, point in chosen if point.acceptance],
    )


def best_on_others(values: np.ndarray, name: str) -> np.ndarray:
    """For each set the row of values (settings, sets) that is best by a score on the *other* sets, (sets,)."""
    losses = values if SCORES[name].lower_is_better else -values
    return (losses.sum(1, keepdims=True) - losses).argmin(0)


def cost_table(points: Sequence[Point]) -> str:
    """Markdown: what each sample evaluated, and what was spent once, a row a point with samples."""
    rows = []
    for point in (point for point in points if not point.refused):
        each, once = mean_cost(point.cost), mean_cost(point.setup)
        counts = (f"{value:,.1f}" for value in (each.generator, each.discriminator, each.backward))
        spent = (f"{1e3 * each.seconds:.2f}", f"{once.evaluations():,.0f}", f"{once.seconds:.2f}")
        rows.append([label_of(point), *counts, *spent])
    return tables.markdown(["a sample", "G", "D", "backward", "ms", "once: evaluations", "once: s"], rows)


def label_of(point: Point) -> str:
    """A point as pages call it: "MH-GAN, 500"."""
    return "bare" if point.method == "bare" else f"{point.method}, {point.setting:g}"


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """The mean cost over sets."""
    return Cost(*np.mean([astuple(cost) for cost in costs], axis=0).tolist())


def bare_of(points: Sequence[Point]) -> Point:
    """The unmoved samples among the points. Raises InputError without."""
    for point in points:
        if point.method == "bare":
            return point
    raise InputError('points: no "bare" among them; measure it, since differences are to it')


def _mean_score(point: Point, name: str) -> str:
    return f"{np.mean(point.scores[name]):.{SCORES[name].digits}f}"


def _score(point: Point, bare: Point, name: str) -> str:
    """The mean score, and in brackets its difference to bare."""
    shown = _mean_score(point, name)
    return shown if point is bare else f"{shown} ({_difference(point, bare, name)})"


def _difference(point: Point, base: Point, name: str) -> str:
    """The mean paired difference and its 95 % interval."""
    return tables.change(*intervals.interval(point.scores[name], base.scores[name]), SCORES[name].digits)
