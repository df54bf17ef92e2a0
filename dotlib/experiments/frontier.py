"""Quality against cost, an image pair under every sampler."""

from collections.abc import Sequence

import numpy as np

from dotlib.evaluation import comparison, comparison_records, comparison_tables
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.comparison import Comparison, Point
from dotlib.metrics.scores import SCORES
from dotlib.results import records, tables
from dotlib.results.records import Record

STEPS = (("pair", "digits-dcgan-sagan-ns"), ("judge", "digits"))

OTHER_DRAW = "bare, Table 1"  # the bare samples of the page of Table 1, as the record calls them
BUDGETS = (25, 100, 400, 1_100)  # evaluations a sample


def record_of(
    name: str, *, profile: str, seed: int, judge: str, device: str, anew: bool
) -> tuple[Comparison, Record, list[Point], str]:
    """The comparison on an image pair, its record and points, and where they come from (`comparison_records`)."""
    where = {"profile": profile, "seed": seed, "judge": judge, "device": device}
    record = records.start("frontier", dataset=name, parameters={}, **where)
    compared = comparison.load(name, **where)

    def put(record: Record, points: Sequence[Point]) -> None:
        put_differences(record, points)
        row = image_pairs.table1_row(name, **where)
        fid = row.measured.of("dot", 0, "fid")
        record.put_trials("fid", fid, method=OTHER_DRAW, unit=SCORES["fid"].unit)

    return compared, *comparison_records.record_of(record, compared, anew=anew, put=put)


def put_differences(record: Record, points: Sequence[Point]) -> None:
    """Put what each method has over DOT into the record, both at their best settings by FID."""
    dot, others = _at_best(points)
    for point in others:
        if point.method != "bare" and not point.refused:
            comparison_records.put_differences(record, point, dot)


def difference_table(points: Sequence[Point]) -> str:
    """Markdown: what each method has over DOT, both at their best settings by FID.

    One that refused every setting has a line that says so.
    """
    dot, others = _at_best(points)
    return comparison_tables.difference_table(others, dot, ["fid", "is_mean", "precision", "recall"])


def _at_best(points: Sequence[Point]) -> tuple[Point, list[Point]]:
    """DOT, and the other methods, each at its best as `comparison_tables.best` has it."""
    shown = []
    for method in dict.fromkeys(point.method for point in points):
        of_method = [point for point in points if point.method == method]
        shown.append(comparison_tables.best(of_method, "fid") or of_method[-1])
    (dot,) = (point for point in shown if point.method == "DOT")
    return dot, [point for point in shown if point is not dot]


def two_draws(record: Record) -> str:
    """The FID of bare samples here and on the page of Table 1, whose latents are another draw, with standard errors."""
    both = [record.get("fid", method=method) for method in ("bare", OTHER_DRAW)]
    errors = [(row.sd or 0.0) / (row.n or 1) ** 0.5 for row in both]
    here, there = (tables.plus_minus(row.value, e, 2) for row, e in zip(both, errors, strict=True))
    apart = abs(both[0].value - both[1].value) / float(np.hypot(*errors))
    return f"{here} here and {there} there, {apart:.1f} standard errors of their difference apart"
