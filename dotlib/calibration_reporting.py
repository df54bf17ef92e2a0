"""The record and the tables of the page on calibration."""

import math
from collections.abc import Mapping

import numpy as np

from dotlib import image_reporting, images, paired, records
from dotlib.contests import Match
from dotlib.frontier import Point, described
from dotlib.image_calibration import Draws
from dotlib.ratio_checks import REALS, Checks, Examined, Refused

NAMES = {"none": "as trained", "logistic": "logistic", "isotonic": "isotonic"}  # maps on pages
REFUSED = "refused"  # in tables
SCORES = ("fid", "precision", "recall", "above")
QUANTITIES = image_reporting.QUANTITIES | {"above": ("real above", "", 3)}  # name, unit, digits


def fill_record(
    record: records.Record, found: Mapping[str, Match], examined: Mapping[str, Examined], drawn: Mapping[str, Draws]
) -> None:
    """Put every check, ranking and draw into the record, and what was refused, by row of Table 1.

    Messages of refusals are in `record.made`; their number is a value.
    """
    image_reporting.vouch(record, *(one.trained for one in found.values()))
    record.made["weights"] = {one.trained.path.name: one.trained.sha256 for one in found.values()}
    record.made["images"] = {
        f"{kind}, {one.split}": one.origin
        for kind, one in (
            (one.trained.settings.dataset, images.image_set(one.trained.settings.dataset, split))
            for one in found.values()
            for split in ("train", "test")
        )
    }
    record.parameters["terms"] = {row: described(one.contest.terms)[1] for row, one in found.items()}
    for row, one in examined.items():
        _put_examined(record, row, one)
    for row, one in drawn.items():
        for name in SCORES:
            record.put(
                f"{row}, bare, {name}",
                float(np.mean(one.bare.scores[name])),
                unit=QUANTITIES[name][1],
                n=len(one.bare.scores[name]),
            )
        for (method, how), point in one.points.items():
            if not point.refused:
                _put_point(record, f"{row}, {method}, {how}", point, one.bare)
    record.made["refused"] = refusals(examined, drawn)
    record.put("refused", len(record.made["refused"]), unit="maps and methods")


def refusals(examined: Mapping[str, Examined], drawn: Mapping[str, Draws]) -> dict[str, str]:
    """What could not be fit, checked or drawn: "<row>, <method or check>, <map>" -> the message."""
    found = {}
    for row, one in examined.items():
        parts = one.checks | {"logistic, held out": one.on_held_out}
        found |= {f"{row}, checks, {how}": part.message for how, part in parts.items() if isinstance(part, Refused)}
    for row, one in drawn.items():
        found |= {
            f"{row}, {method}, {how}": point.refused for (method, how), point in one.points.items() if point.refused
        }
    return found


def shown_ratio(log_ratio: float) -> str:
    """E_G[r] as pages print it: "1.02", or as a power of ten where it is far from 1."""
    power = log_ratio / math.log(10)
    return f"{math.exp(log_ratio):.3g}" if abs(power) < 3 else f"$10^{{{power:.0f}}}$"


def point_cells(point: Point, bare: Point) -> list[str]:
    """Accepted share and SCORES of a point for a table: mean, and in brackets the interval of its
    paired difference to bare; REFUSED in every cell where there are no samples.
    """
    if point.refused:
        return [REFUSED] * (1 + len(SCORES))
    cells = ["-" if None in point.acceptance else f"{np.mean(point.acceptance):.3f}"]
    for name in SCORES:
        digits, text = QUANTITIES[name][2], f"{np.mean(point.scores[name]):.{QUANTITIES[name][2]}f}"
        if point is not bare:
            _, (low, high) = change(point, bare, name)
            text += f" [{low:+.{digits}f}, {high:+.{digits}f}]"
        cells.append(text)
    return cells


def change(point: Point, bare: Point, name: str) -> tuple[float, tuple[float, float]]:
    """Mean of a score minus bare's over the sets, and its 95 % interval."""
    return paired.interval(np.asarray(point.scores[name]), np.asarray(bare.scores[name]))


def changes_of(drawn: Mapping[str, Draws], name: str) -> dict[str, dict]:
    """`change` of every point, or REFUSED: row -> method -> name of the map on pages."""
    found = {row: {} for row in drawn}
    for row, one in drawn.items():
        for (method, how), point in one.points.items():
            found[row].setdefault(method, {})[NAMES[how]] = REFUSED if point.refused else change(point, one.bare, name)
    return found


def _put_examined(record: records.Record, row: str, one: Examined) -> None:
    for how, checks in one.checks.items():
        if not isinstance(checks, Checks):
            continue
        for kind in REALS:
            record.put(f"{row}, {how}, ECE {kind}", checks.ece[kind], unit="probability")
            record.put(f"{row}, {how}, ECE {kind} by chance", checks.chance[kind], unit="probability")
        record.put(f"{row}, {how}, Z", checks.z, unit="standard errors")
        record.put(f"{row}, {how}, log E_G[r]", checks.log_ratio, unit="")
    line = one.maps["logistic"]
    if not isinstance(line, Refused):
        record.put(f"{row}, slope", line.slope, unit="log ratio per logit")
        record.put(f"{row}, intercept", line.intercept, unit="log ratio")
    if not isinstance(one.on_held_out, Refused):
        record.put(f"{row}, slope held out", one.on_held_out.slope, unit="log ratio per logit")
    record.put(f"{row}, seen above samples", one.ranking.seen, unit="")
    record.put(f"{row}, held out above samples", one.ranking.held_out, unit="")
    record.put(f"{row}, seen minus held out", one.ranking.gap, unit="", interval=one.ranking.interval)


def _put_point(record: records.Record, key: str, point: Point, bare: Point) -> None:
    record.put(f"{key}, accepted", float(np.mean(point.acceptance)), unit="", n=len(point.acceptance))
    for name in SCORES:
        unit, n = QUANTITIES[name][1], len(point.scores[name])
        mean, interval = change(point, bare, name)
        record.put(f"{key}, {name}", float(np.mean(point.scores[name])), unit=unit, n=n)
        record.put(f"{key}, change of {name}", mean, interval=interval, unit=unit, n=n)
