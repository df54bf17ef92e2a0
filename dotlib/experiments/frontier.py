"""Quality against cost, an image pair under every sampler."""

from collections.abc import Sequence

from dotlib.evaluation import comparison_tables
from dotlib.evaluation.comparison import Point
from dotlib.results.records import Record

STEPS = (("score", "digits-dcgan-sagan-ns"), ("sample", "digits-dcgan-sagan-ns"))

BUDGETS = (25, 100, 400, 1_100)  # evaluations a sample


def compare_with_dot(record: Record, points: Sequence[Point]) -> str:
    """Put what each method's last setting has over that of DOT into the record, beside those to bare, and show it."""
    last = {point.method: point for point in points}
    dot = last.pop("DOT")
    for method, point in last.items():
        if method != "bare" and not point.refused:
            comparison_tables.put_differences(record, point, dot)
    return comparison_tables.difference_table(list(last.values()), dot, ["fid", "is_mean", "precision", "recall"])
