"""Quality against cost, an image pair under every sampler."""

from collections.abc import Sequence

import numpy as np

from dotlib.evaluation import comparison_tables
from dotlib.evaluation.comparison import Point
from dotlib.evaluation.images import Table1Row
from dotlib.results import tables
from dotlib.results.records import Record

STEPS = (("score", "digits-dcgan-sagan-ns"), ("sample", "digits-dcgan-sagan-ns"))

BUDGETS = (25, 100, 400, 1_100)  # evaluations a sample


def compare_with_dot(record: Record, points: Sequence[Point]) -> str:
    """Put what each method has over DOT into the record, both at their best settings by FID, and show it.

    A method is at its best as `comparison_tables.best` has it; one that refused every setting has a line that says so.
    """
    shown = []
    for method in dict.fromkeys(point.method for point in points):
        of_method = [point for point in points if point.method == method]
        shown.append(comparison_tables.best(of_method, "fid") or of_method[-1])
    (dot,) = (point for point in shown if point.method == "DOT")
    others = [point for point in shown if point is not dot]
    for point in others:
        if point.method != "bare" and not point.refused:
            comparison_tables.put_differences(record, point, dot)
    return comparison_tables.difference_table(others, dot, ["fid", "is_mean", "precision", "recall"])


def two_draws(points: Sequence[Point], run: Table1Row) -> str:
    """The FID of bare samples here and on the page of Table 1, whose latents are another draw, with standard errors."""
    (bare,) = (point for point in points if point.method == "bare")
    both = [np.asarray(values) for values in (bare.scores["fid"], run.measured.of("dot", 0, "fid"))]
    errors = [float(values.std(ddof=1)) / len(values) ** 0.5 for values in both]
    here, there = (tables.plus_minus(float(v.mean()), e, 2) for v, e in zip(both, errors, strict=True))
    apart = abs(float(both[0].mean() - both[1].mean())) / float(np.hypot(*errors))
    return f"{here} here and {there} there, {apart:.1f} standard errors of their difference apart"
