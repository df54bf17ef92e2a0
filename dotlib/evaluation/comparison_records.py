"""The record of a comparison of samplers, the table beside it, and the points that both give back."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import pandas as pd

from dotlib.evaluation import comparison as comparisons
from dotlib.evaluation import recording
from dotlib.evaluation.comparison import Comparison, Point
from dotlib.evaluation.comparison_tables import bare_of, label_of, mean_cost
from dotlib.evaluation.one_training import Line
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import files, tidy
from dotlib.results.records import Record, Where
from dotlib.samplers.base import Cost
from dotlib.training.zoo import add_training_provenance

COSTS = [part.name for part in fields(Cost)]  # of a sample; behind "once " that of a set


def record_of(
    record: Record,
    comparison: Comparison,
    methods: Iterable[str] | None = None,
    *,
    anew: bool,
    last: bool = False,
    put: Callable[[Record, Sequence[Point]], None] | None = None,
) -> tuple[Record, list[Point], str]:
    """The record of a comparison, written with its table.

    Committed where `recording.committed` finds one whose table has every point with its costs, else measured now. Its
    judges are of the same settings and seeds; another processor fits other weights, so they need not be the same.

    Args:
        record: Opened, before the work.
        comparison: On what the methods are compared.
        methods: As `comparison.measure` has them, and so `last`.
        anew: Measure even where there is a committed record.
        last: Only the last setting of each method.
        put: Puts more of what was measured into the record.

    Returns:
        The record, its points, and in words where they come from.
    """
    keys = [(method, setting) for method, setting, _ in comparisons.samplers(comparison, methods, last=last)]
    record.parameters |= _parameters(comparison)
    kept = recording.committed(record, _weights(comparison), anew=anew)
    table = recording.lines_beside(kept) if kept else []
    if kept and _is_complete(table, keys, kept.parameters["refused"]):
        tidy.write(kept, table)
        return kept, points_of(table, keys, kept.parameters["refused"]), recording.recorded_at(kept)
    points = comparisons.measure(comparison, record.seed, methods, last=last)
    fill_record(record, comparison, points)
    if put:
        put(record, points)
    tidy.write(record, lines(comparison, points, record.parameters["judge"]))
    return record, points, recording.MEASURED


def _is_complete(table: Sequence[Line], keys: Iterable[tuple[str, float]], refused: Iterable[str]) -> bool:
    """Whether every key has lines with their costs, or has refused."""
    there = {(line["method"], line["setting"]) for line in table if f"once {COSTS[0]}" in line}
    return all(key in there or label_of(Point(*key, {}, [], [], [])) in refused for key in keys)


def _parameters(comparison: Comparison) -> dict[str, Any]:
    about = {name: getattr(comparison, name) for name in ("n", "sets", "label", "scoring")}
    return about | {"settings": files.described(comparison.settings)[1]}


def _weights(comparison: Comparison) -> dict[str, str]:
    return {comparison.origin.path.name: comparison.origin.sha256}


def fill_record(record: Record, comparison: Comparison, points: Sequence[Point]) -> None:
    """Put a comparison into its record: points, floor, settings, and where the pair came from."""
    add_training_provenance(record, comparison.origin)
    record.made["weights"] = _weights(comparison) | comparison.digests
    record.parameters |= _parameters(comparison)
    for name in (name for name in SCORES if name in comparison.floor):
        record.put(name, comparison.floor[name], unit=SCORES[name].unit, method="real")
    put_points(record, points)


def put_points(record: Record, points: Sequence[Point]) -> None:
    """Put every point of one comparison into a record: scores, paired differences to bare, cost, acceptance.

    A refused point leaves its message only. Raises InputError without "bare".
    """
    bare = bare_of(points)
    record.parameters["refused"] = {label_of(point): point.refused for point in points if point.refused}
    for point in (point for point in points if not point.refused):
        where = _where(point)
        for name in (name for name in SCORES if name in point.scores):
            record.put_trials(name, point.scores[name], unit=SCORES[name].unit, **where)
        if point is not bare:
            put_differences(record, point, bare)
        record.put("evaluations", point.evaluations(), unit="network evaluations a sample", **where)
        record.put("seconds", mean_cost(point.cost).seconds, unit="seconds a sample", **where)
        if point.acceptance:
            record.put_trials("acceptance", point.acceptance, unit="", **where)


def put_differences(record: Record, a: Point, b: Point) -> None:
    """Put the mean of a - b over the sets, which share their latents, and its 95 % interval, for every score."""
    for name in (name for name in SCORES if name in a.scores):
        where: Where = {**_where(a), "against": b.method}
        intervals.put_difference(record, name, a.scores[name], b.scores[name], unit=SCORES[name].unit, **where)


def lines(comparison: Comparison, points: Sequence[Point], judge: str) -> list[Line]:
    """The tidy table of a comparison: a line for each method, setting, set and judge, and one for real images.

    The judge is called so where only one has scored. A refused point has no line.
    """
    names = [name for name in SCORES if name in comparison.floor]
    several = sorted(key.partition("@")[2] for key in comparison.floor if key.startswith(f"{names[0]}@"))
    whole = [({"method": "real", "setting": 1.0, "set": 0} | _priced(Cost(), Cost(), None), comparison.floor)]
    for point in (point for point in points if not point.refused):
        accepted = point.acceptance or [None] * len(point.cost)
        for number, spent in enumerate(zip(point.cost, point.setup, accepted, strict=True)):
            where = {"method": point.method, "setting": point.setting, "set": number} | _priced(*spent)
            whole.append((where, {name: values[number] for name, values in point.scores.items()}))
    return [
        where | {"judge": each or judge} | {name: scores[f"{name}@{each}" if each else name] for name in names}
        for where, scores in whole
        for each in several or [""]
    ]


def _priced(cost: Cost, once: Cost, accepted: float | None) -> Line:
    price = {"evaluations": cost.evaluations()} | asdict(cost)
    price |= {f"once {part}": spent for part, spent in asdict(once).items()}
    return price | {"accepted": "" if accepted is None else accepted}


def points_of(table: Iterable[Line], keys: Iterable[tuple[str, float]], refused: dict[str, str]) -> list[Point]:
    """The points behind a table of `lines`, in the order of the keys, (method, setting).

    A key that has no line is a refused point, whose message is that of its label.
    """
    frame, points = pd.DataFrame(list(table)), []
    names = [name for name in SCORES if name in frame]
    for method, setting in keys:
        of = frame[(frame["method"] == method) & (frame["setting"] == setting)].sort_values("set", kind="stable")
        point = Point(method, setting, {}, [], [], [])
        if of.empty:
            points.append(Point(method, setting, {}, [], [], [], refused[label_of(point)]))
            continue
        by_judge = {str(judge): lines for judge, lines in of.groupby("judge", sort=False)}
        first = next(iter(by_judge.values()))
        scores = {name: np.mean([lines[name] for lines in by_judge.values()], axis=0).tolist() for name in names}
        if len(by_judge) > 1:
            scores |= {f"{name}@{judge}": lines[name].tolist() for judge, lines in by_judge.items() for name in names}
        once = first[[f"once {part}" for part in COSTS]]
        points.append(
            Point(
                method,
                setting,
                scores,
                cost=[Cost(*spent) for spent in first[COSTS].to_numpy(float).tolist()],
                setup=[Cost(*spent) for spent in once.to_numpy(float).tolist()],
                acceptance=[float(accepted) for accepted in first["accepted"] if accepted != ""],
            )
        )
    return points


def _where(point: Point) -> Where:
    """A point as records call it; bare has no setting."""
    return {"method": "bare"} if point.method == "bare" else {"method": point.method, "setting": point.setting}
