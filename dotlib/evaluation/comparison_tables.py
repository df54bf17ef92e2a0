"""What pages show of a comparison of samplers: its record, and its tables."""

from collections.abc import Sequence

import numpy as np

from dotlib.errors import InputError
from dotlib.evaluation.comparison import Comparison, Point
from dotlib.metrics import intervals
from dotlib.metrics.scores import QUANTITIES as IMAGE_QUANTITIES
from dotlib.results import files, records, tables
from dotlib.samplers.base import Cost
from dotlib.training.zoo import add_training_provenance

QUANTITIES = IMAGE_QUANTITIES | {  # name of a score -> (name, unit, digits)
    "emd_sqeuclidean": ("EMD, squared cost", "squared data units", 4),
    "emd_euclidean": ("W1", "data units", 4),
}
HIGHER = ("is_mean", "precision", "recall", "density", "coverage")  # is better


def fill_record(record: records.Record, comparison: Comparison, points: Sequence[Point]) -> None:
    """Put a comparison into its record: points, floor, settings, and where the pair came from."""
    add_training_provenance(record, comparison.origin)
    record.made["weights"] = {comparison.origin.path.name: comparison.origin.sha256}
    record.parameters |= {
        "n": comparison.n,
        "sets": comparison.sets,
        "label": comparison.label,
        "settings": files.described(comparison.settings)[1],
    }
    for name in (name for name in QUANTITIES if name in comparison.floor):
        record.put(f"floor_{name}", comparison.floor[name], unit=QUANTITIES[name][1])
    put_points(record, points)


def put_points(record: records.Record, points: Sequence[Point]) -> None:
    """Put every point into a record: scores, paired differences to bare, cost, acceptance.

    points:  of one comparison, with "bare" among them. A refused one leaves its message only.
    """
    bare = _bare(points)
    record.parameters["refused"] = {key_of(p): p.refused for p in points if p.refused}
    for point in (p for p in points if not p.refused):
        key = key_of(point)
        for name in (name for name in QUANTITIES if name in point.scores):
            values, unit = np.asarray(point.scores[name]), QUANTITIES[name][1]
            record.put(f"{key}_{name}", float(values.mean()), unit=unit, n=len(values), sd=float(values.std(ddof=1)))
        if point is not bare:
            put_differences(record, point, bare)
        record.put(f"{key}_evaluations", point.evaluations(), unit="network evaluations a sample")
        record.put(f"{key}_seconds", mean_cost(point.cost).seconds, unit="seconds a sample")
        if None not in point.acceptance:
            record.put(f"{key}_acceptance", float(np.mean(point.acceptance)), unit="", n=len(point.acceptance))


def put_differences(record: records.Record, a: Point, b: Point) -> None:
    """Put the mean of a - b over the sets, which share their latents, and its 95 % interval."""
    for name in (name for name in QUANTITIES if name in a.scores):
        mean, interval = intervals.interval(np.asarray(a.scores[name]), np.asarray(b.scores[name]))
        record.put(
            f"{key_of(a)}_minus_{key_of(b)}_{name}",
            mean,
            interval=interval,
            n=len(a.scores[name]),
            unit=QUANTITIES[name][1],
        )


def frontier_table(points: Sequence[Point], names: Sequence[str]) -> str:
    """Markdown: a row a point, its evaluations, milliseconds, acceptance, and scores."""
    rows = []
    for point in points:
        if point.refused:
            rows.append([label_of(point), *["-"] * 3, *["refused"] * len(names)])
            continue
        cost, shares = mean_cost(point.cost), point.acceptance
        rows.append(
            [
                label_of(point),
                f"{point.evaluations():.1f}",
                f"{1e3 * cost.seconds:.2f}",
                "-" if None in shares else f"{np.mean(shares):.3f}",
                *(_change(point, _bare(points), name) for name in names),
            ]
        )
    return tables.markdown(["method", "evaluations", "ms", "accepted", *(QUANTITIES[name][0] for name in names)], rows)


def difference_table(points: Sequence[Point], base: Point, names: Sequence[str]) -> str:
    """Markdown: a row a point, its evaluations, and its paired differences to `base`."""
    rows = [
        [
            label_of(point),
            *(
                ["-", *["refused"] * len(names)]
                if point.refused
                else [f"{point.evaluations():.1f}", *(_difference(point, base, name) for name in names)]
            ),
        ]
        for point in points
    ]
    return tables.markdown([f"minus {label_of(base)}", "evaluations", *(QUANTITIES[name][0] for name in names)], rows)


def budget_table(points: Sequence[Point], name: str, budgets: Sequence[float]) -> str:
    """Markdown: a row a method, its score at the largest setting that each budget allows.

    name:     of the score.
    budgets:  network evaluations a sample, ascending. A dash where no setting is as cheap.
    """
    digits, rows = QUANTITIES[name][2], []
    for method in dict.fromkeys(point.method for point in points):
        cells = []
        for budget in budgets:
            found = within([p for p in points if p.method == method], budget)
            cells.append("-" if found is None else f"{np.mean(found.scores[name]):.{digits}f} ({found.setting:g})")
        rows.append([method, *cells])
    return tables.markdown([f"{QUANTITIES[name][0]} (setting)", *(f"at most {budget:,g}" for budget in budgets)], rows)


def within(points: Sequence[Point], budget: float) -> Point | None:
    """The most expensive of these points that costs at most so many evaluations a sample."""
    return max((p for p in points if not p.refused and p.evaluations() <= budget), key=Point.evaluations, default=None)


def cost_table(points: Sequence[Point]) -> str:
    """Markdown: what each sample evaluated, and what was spent once, a row a point with samples."""
    rows = []
    for point in (p for p in points if not p.refused):
        each, once = mean_cost(point.cost), mean_cost(point.setup)
        rows.append(
            [
                label_of(point),
                *(f"{value:,.1f}" for value in (each.generator, each.discriminator, each.backward)),
                f"{1e3 * each.seconds:.2f}",
                f"{once.generator + once.discriminator + 2 * once.backward:,.0f}",
                f"{once.seconds:.2f}",
            ]
        )
    return tables.markdown(["a sample", "G", "D", "backward", "ms", "once: evaluations", "once: s"], rows)


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """Mean over sets."""
    return Cost(
        *(
            float(np.mean([getattr(cost, name) for cost in costs]))
            for name in ("generator", "discriminator", "backward", "seconds")
        )
    )


def key_of(point: Point) -> str:
    """A point as record keys call it: "mh-gan500"."""
    if point.method == "bare":
        return "bare"
    return f"{point.method.replace(' ', '-').lower()}{point.setting:g}"


def label_of(point: Point) -> str:
    """A point as pages call it: "MH-GAN, 500"."""
    return "bare" if point.method == "bare" else f"{point.method}, {point.setting:g}"


def _bare(points: Sequence[Point]) -> Point:
    found = [point for point in points if point.method == "bare"]
    if not found:
        raise InputError('points: no "bare" among them; measure it, since differences are to it')
    return found[0]


def _change(point: Point, bare: Point, name: str) -> str:
    """The mean score, and in brackets its difference to bare."""
    shown = f"{np.mean(point.scores[name]):.{QUANTITIES[name][2]}f}"
    return shown if point is bare else f"{shown} ({_difference(point, bare, name)})"


def _difference(point: Point, base: Point, name: str) -> str:
    """The mean paired difference and its 95 % interval."""
    digits = QUANTITIES[name][2]
    mean, (low, high) = intervals.interval(np.asarray(point.scores[name]), np.asarray(base.scores[name]))
    return f"{mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"
