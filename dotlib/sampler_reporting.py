"""What pages show of a contest of samplers: its record, and its tables."""

from collections.abc import Sequence

import numpy as np

from dotlib import paired, published, records, tables
from dotlib.contests import Match
from dotlib.errors import BadInput
from dotlib.frontier import Point, described
from dotlib.image_reporting import QUANTITIES as IMAGE_QUANTITIES
from dotlib.image_reporting import printed, vouch
from dotlib.sampling import Cost

QUANTITIES = IMAGE_QUANTITIES | {  # name of a score -> (name, unit, digits)
    "emd_sqeuclidean": ("EMD, squared cost", "squared data units", 4),
    "emd_euclidean": ("W1", "data units", 4),
}
HIGHER = ("is_mean", "precision", "recall", "density", "coverage")  # is better


def fill_record(record: records.Record, match: Match, points: Sequence[Point]) -> None:
    """Put a contest into its record: points, floor, terms, and where the pair came from."""
    contest = match.contest
    vouch(record, match.trained)
    record.made["weights"] = {match.trained.path.name: match.trained.sha256}
    record.parameters |= {"n": contest.n, "sets": contest.sets, "label": contest.label,
                          "terms": described(contest.terms)[1]}
    for name in (name for name in QUANTITIES if name in match.floor):
        record.put(f"floor_{name}", match.floor[name], unit=QUANTITIES[name][1])
    put_points(record, points)


def put_points(record: records.Record, points: Sequence[Point]) -> None:
    """Put every point into a record: scores, paired differences to bare, cost, acceptance.

    points:  of one contest, with "bare" among them.
    """
    bare = _bare(points)
    for point in points:
        key = key_of(point)
        for name in (name for name in QUANTITIES if name in point.scores):
            values, unit = np.asarray(point.scores[name]), QUANTITIES[name][1]
            record.put(f"{key}_{name}", float(values.mean()), unit=unit, n=len(values),
                       sd=float(values.std(ddof=1)))
            if point is not bare:
                put_difference(record, point, bare, name)
        record.put(f"{key}_evaluations", point.evaluations(), unit="network evaluations a sample")
        record.put(f"{key}_seconds", mean_cost(point.cost).seconds, unit="seconds a sample")
        if None not in point.acceptance:
            record.put(f"{key}_acceptance", float(np.mean(point.acceptance)), unit="",
                       n=len(point.acceptance))


def put_difference(record: records.Record, a: Point, b: Point, name: str) -> None:
    """Put the mean of a - b over the sets, which share their latents, and its interval."""
    mean, interval = paired.interval(np.asarray(a.scores[name]), np.asarray(b.scores[name]))
    record.put(f"{key_of(a)}_minus_{key_of(b)}_{name}", mean, interval=interval,
               n=len(a.scores[name]), unit=QUANTITIES[name][1])


def judge_table7(record: records.Record, points: Sequence[Point], pair: str) -> None:
    """Put the verdicts on one row of [DOT19] Table 7, and on the sentence below it.

    points:  "bare", "DOT" and "MH-GAN", each at one setting of its dial.
    pair:    name of the pair, "<dataset>-<row>"; a row without published numbers gets no verdict.
    """
    by_method = {point.method: point for point in points}
    bare, dot, mh = (by_method[method] for method in ("bare", "DOT", "MH-GAN"))
    for name in ("is_mean", "fid"):
        put_difference(record, dot, mh, name)
        title = QUANTITIES[name][0]
        before, after = (table7(pair, column, name) for column in ("bare", "mhgan"))
        ours = printed(pair, "dot", name)
        if before and after and after.value != before.value:
            way = "raises" if after.value > before.value else "lowers"
            record.verdicts[f"MH-GAN {way} {title}"] = published.judge_sign(
                after.value - before.value,
                record.interval(f"{key_of(mh)}_minus_{key_of(bare)}_{name}"),
                profile=record.profile)
        if ours:
            record.verdicts[f"DOT looks better than MH-GAN, {title}"] = published.judge_sign(
                1.0 if name in HIGHER else -1.0,
                record.interval(f"{key_of(dot)}_minus_{key_of(mh)}_{name}"),
                profile=record.profile)


def table7(pair: str, column: str, name: str) -> published.Published | None:
    """A number of Table 7: CIFAR-10's, or STL-10's for that set; None where none is printed.

    column:  "bare" or "mhgan"; name: "is_mean" or "fid".
    """
    dataset, architecture, kind = pair.split("-", 2)
    where = dataset if dataset == "stl10" else "cifar10"
    quantity = {"is_mean": "is", "fid": "fid"}[name]
    try:
        return published.value(f"tab7.{where}.{kind}.{column}.{quantity}"
                               ) if architecture == "dcgan" else None
    except BadInput:
        return None


def frontier_table(points: Sequence[Point], names: Sequence[str]) -> str:
    """Markdown: a row a point, its evaluations, milliseconds, acceptance, and scores."""
    rows = []
    for point in points:
        cost, shares = mean_cost(point.cost), point.acceptance
        rows.append([label_of(point), f"{point.evaluations():.1f}", f"{1e3 * cost.seconds:.2f}",
                     "-" if None in shares else f"{np.mean(shares):.3f}",
                     *(_change(point, _bare(points), name) for name in names)])
    return tables.markdown(["method", "evaluations", "ms", "accepted",
                            *(QUANTITIES[name][0] for name in names)], rows)


def cost_table(points: Sequence[Point]) -> str:
    """Markdown: what each sample evaluated, and what was spent once, a row a point."""
    rows = []
    for point in points:
        each, once = mean_cost(point.cost), mean_cost(point.setup)
        rows.append([label_of(point), *(f"{value:,.1f}" for value in (
            each.generator, each.discriminator, each.backward)), f"{1e3 * each.seconds:.2f}",
            f"{once.generator + once.discriminator + 2 * once.backward:,.0f}",
            f"{once.seconds:.2f}"])
    return tables.markdown(["a sample", "G", "D", "backward", "ms", "once: evaluations",
                            "once: s"], rows)


def mean_cost(costs: Sequence[Cost]) -> Cost:
    """Mean over sets."""
    return Cost(*(float(np.mean([getattr(cost, name) for cost in costs]))
                  for name in ("generator", "discriminator", "backward", "seconds")))


def key_of(point: Point) -> str:
    """A point as record keys call it: "mh-gan500"."""
    if point.method == "bare":
        return "bare"
    return f"{point.method.replace(' ', '-').lower()}{point.dial:g}"


def label_of(point: Point) -> str:
    """A point as pages call it: "MH-GAN, 500"."""
    return "bare" if point.method == "bare" else f"{point.method}, {point.dial:g}"


def _bare(points: Sequence[Point]) -> Point:
    found = [point for point in points if point.method == "bare"]
    if not found:
        raise BadInput('points: no "bare" among them; measure it, since differences are to it')
    return found[0]


def _change(point: Point, bare: Point, name: str) -> str:
    """The mean score, and in brackets the interval of its difference to bare."""
    digits, values = QUANTITIES[name][2], np.asarray(point.scores[name])
    shown = f"{values.mean():.{digits}f}"
    if point is bare:
        return shown
    mean, (low, high) = paired.interval(values, np.asarray(bare.scores[name]))
    return f"{shown} ({mean:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}])"
