"""Table 7 of [DOT19]: MH-GAN beside DOT on the same pairs, as printed and as measured here."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dotlib.errors import InputError
from dotlib.evaluation import comparison_tables
from dotlib.evaluation.comparison import Point
from dotlib.experiments.tab1_scores import printed as printed_table1
from dotlib.metrics import scores
from dotlib.results import paper, tables
from dotlib.results.records import Record, Row
from dotlib.training.settings import OBJECTIVES

STEPS = (("score", "digits-dcgan-*"), ("table7", "digits-dcgan-*"))

METHODS = ("bare", "DOT", "MH-GAN")
SCORES = {name: score for name, score in scores.SCORES.items() if score.printed}
BETTER = "DOT looks better than MH-GAN"
PRINTED_PAIRS = [f"{where}-dcgan-{kind}" for where in ("cifar10", "stl10") for kind in OBJECTIVES]


def printed(pair: str, column: str, quantity: str) -> paper.Published | None:
    """A number of Table 7: CIFAR-10's, or STL-10's for that set; None where none is printed.

    pair:      "<dataset>-<row of Table 1>".
    column:    "bare" or "mhgan".
    quantity:  "is_mean" or "fid".
    """
    dataset, architecture, kind = pair.split("-", 2)
    where = dataset if dataset == "stl10" else "cifar10"
    try:
        return (
            paper.value(f"tab7.{where}.{kind}.{column}.{SCORES[quantity].printed}") if architecture == "dcgan" else None
        )
    except InputError:
        return None


def put_verdicts(record: Record, points: Sequence[Point], pair: str) -> None:
    """Put the verdicts on one row, and on the sentence below the table, into its record.

    Args:
        record: Holds the points already.
        points: "bare", "DOT" and "MH-GAN", one setting each. MH-GAN may have refused; then nothing is compared.
        pair: "<dataset>-<row of Table 1>"; a row that is not printed gets no verdict.
    """
    by_method = {point.method: point for point in points}
    refused = bool(by_method["MH-GAN"].refused)
    if not refused:
        comparison_tables.put_differences(record, by_method["DOT"], by_method["MH-GAN"])
    for quantity, score in SCORES.items():
        before, after = (printed(pair, column, quantity) for column in ("bare", "mhgan"))
        if before is None or after is None:
            continue
        change = after.value - before.value
        for claim, sign, method, base in (
            (f"MH-GAN {_way(change)}", change, "MH-GAN", "bare"),
            (f"{BETTER},", -1.0 if score.lower_is_better else 1.0, "DOT", "MH-GAN"),
        ):
            record.verdicts[f"{claim} {score.label}"] = (
                paper.refused(record.profile)
                if refused
                else paper.verdict_on_sign(
                    sign, row_of(record, method, quantity, base).interval, profile=record.profile
                )
            )


def row_of(record: Record, method: str, quantity: str, against: str = "") -> Row:
    """The row of a method's one setting: its score, or its paired difference to another method."""
    (row,) = record.rows(quantity=quantity, method=method, against=against)
    return row


def cell(record: Record, method: str, quantity: str, *, interval: bool = True) -> str:
    """A mean score, and in brackets its change to bare, with or without its interval."""
    if not any(record.rows(method=method)):
        return "refused"
    digits = scores.SCORES[quantity].digits
    shown = f"{row_of(record, method, quantity).value:.{digits}f}"
    if method == "bare":
        return shown
    change = row_of(record, method, quantity, "bare")
    if not interval:
        return f"{shown} ({change.value:+.{digits}f})"
    return f"{shown} ({tables.change(change.value, change.interval, digits)})"


def score_table(quantity: str, rows: Mapping[str, Record]) -> str:
    """Markdown: a row a pair, printed scores left and measured ones right, real images last.

    The rows are pair -> its record with verdicts, all of one data set.
    """
    score, lines = SCORES[quantity], []
    for pair, record in rows.items():
        prints = [
            printed(pair, "bare", quantity),
            printed(pair, "mhgan", quantity),
            printed_table1(pair, "dot", quantity),
        ]
        here = [cell(record, method, quantity) for method in ("bare", "MH-GAN", "DOT")]
        lines.append([_row(pair), *("-" if p is None else f"{p.value:.2f}" for p in prints), *here])
    floor = row_of(next(iter(rows.values())), "real", quantity).value
    lines.append(["real images", *["-"] * 3, f"{floor:.{score.digits}f}", *["-"] * 2])
    return tables.markdown([score.label, "paper: bare", "MH-GAN", "DOT", "here: bare", "MH-GAN", "DOT"], lines)


def verdict_table(rows: Mapping[str, Record]) -> str:
    """Markdown: a row a pair, the printed direction of MH-GAN and the verdicts of its record."""
    lines = []
    for pair, record in rows.items():
        cells = []
        for score in SCORES.values():
            claim = next((c for c in record.verdicts if c.startswith("MH-GAN") and c.endswith(f" {score.label}")), None)
            cells += [
                "-" if claim is None else f"{claim.split()[1]}: {record.verdicts[claim]}",
                record.verdicts.get(f"{BETTER}, {score.label}", "-"),
            ]
        lines.append([_row(pair), *cells])
    return tables.markdown(
        ["pair", "MH-GAN and IS", "DOT better by IS", "MH-GAN and FID", "DOT better by FID"], lines
    ).replace("--:", ":--")


def claims_in_print() -> tuple[str, dict[str, int]]:
    """Markdown of what Tables 1 and 7 print of DOT and MH-GAN, and counts of rows.

    The counts: "rows"; for each quantity "better fid", DOT ahead of MH-GAN, and "worse fid",
    MH-GAN behind bare.
    """
    lines, counts = [], Counter()
    for pair in PRINTED_PAIRS:
        cells = []
        for quantity, score in SCORES.items():
            bare, mh, dot = (
                printed(pair, "bare", quantity),
                printed(pair, "mhgan", quantity),
                printed_table1(pair, "dot", quantity),
            )
            sign = -1 if score.lower_is_better else 1
            better = sign * (dot.value - mh.value) > 0
            worse = sign * (mh.value - bare.value) < 0
            counts.update({f"better {quantity}": better, f"worse {quantity}": worse})
            cells += [
                f"{mh.value:.2f}{' (worse than bare)' if worse else ''}",
                f"{dot.value:.2f}",
                "yes" if better else "**no**",
            ]
        lines.append([pair.replace("-dcgan-", ", "), *cells])
    head = ["printed", *(cell for name in ("IS", "FID") for cell in (f"{name}: MH-GAN", "DOT", "DOT better"))]
    return tables.markdown(head, lines), dict(counts) | {"rows": len(lines)}


def scored_twice() -> dict[str, float]:
    """Largest difference between Table 7's bare scores and Table 1's, of the same generators."""
    return {
        quantity: max(
            abs(printed(pair, "bare", quantity).value - printed_table1(pair, "bare", quantity).value)
            for pair in PRINTED_PAIRS
        )
        for quantity in SCORES
    }


def _way(change: float) -> str:
    return "raises" if change > 0 else "lowers"


def _row(pair: str) -> str:
    return pair.partition("-")[2]
