"""Table 7 of [DOT19]: MH-GAN beside DOT on the same pairs, as printed and as measured in this build."""

from collections import Counter
from collections.abc import Sequence

from dotlib.evaluation import comparison_records
from dotlib.evaluation.comparison import Point
from dotlib.evaluation.table7_trainings import SCORES, in_print
from dotlib.metrics import scores
from dotlib.results import paper, tables
from dotlib.results.records import Record, Row
from dotlib.training.settings import OBJECTIVES, PairName

STEPS = (("pair", "digits-dcgan-sagan-ns"), ("judge", "digits"))

METHODS = ("bare", "DOT", "MH-GAN")
PRINTED_PAIRS = [f"{where}-dcgan-{kind}" for where in ("cifar10", "stl10") for kind in OBJECTIVES]


def put_differences(record: Record, points: Sequence[Point]) -> None:
    """Put DOT minus MH-GAN into a pair's record, unless MH-GAN has refused."""
    by_method = {point.method: point for point in points}
    if not by_method["MH-GAN"].refused:
        comparison_records.put_differences(record, by_method["DOT"], by_method["MH-GAN"])


def row(record: Record, method: str, quantity: str, against: str = "") -> Row:
    """The row of a method's one setting: its score, or its paired difference to another method."""
    (row,) = record.rows(quantity=quantity, method=method, against=against)
    return row


def cell(record: Record, method: str, quantity: str, *, interval: bool = True) -> str:
    """A mean score, and in brackets its change to bare, with or without its interval."""
    if not any(record.rows(method=method)):
        return "refused"
    digits = scores.SCORES[quantity].digits
    shown = f"{row(record, method, quantity).value:.{digits}f}"
    if method == "bare":
        return shown
    change = row(record, method, quantity, "bare")
    text = tables.change(change.value, change.interval, digits) if interval else f"{change.value:+.{digits}f}"
    return f"{shown} ({text})"


def change(record: Record) -> dict[str, str]:
    """MH-GAN minus bare by each printed score, with its interval over sets; "refused" where it has no samples."""
    if not any(record.rows(method="MH-GAN")):
        return dict.fromkeys(SCORES, "refused")
    of = ((score, quantity, row(record, "MH-GAN", quantity, "bare")) for quantity, score in SCORES.items())
    return {quantity: tables.change(each.value, each.interval, score.digits) for score, quantity, each in of}


def claims_in_print() -> tuple[str, dict[str, int]]:
    """Markdown of what Tables 1 and 7 print of DOT and MH-GAN, and counts of rows.

    The counts are "printed", all rows; "fid_better", DOT ahead of MH-GAN; "fid_worse", MH-GAN behind bare;
    "fid_beyond", so far behind that the print resolves it, see `paper.reprint_gap`; so for IS.
    """
    lines, counts = [], Counter({"printed": len(PRINTED_PAIRS)})
    for pair in PRINTED_PAIRS:
        name = PairName.parse(pair)
        lines.append([f"{name.dataset}, {name.objective}"])
        for quantity, score in SCORES.items():
            sign = -1 if score.lower_is_better else 1
            bare, chain, dot = (number.value for number in in_print(pair, quantity) if number)
            better, loss = sign * (dot - chain) > 0, sign * (bare - chain)
            worse, beyond = loss > 0, loss > paper.reprint_gap(score.printed)
            named = {"better": better, "worse": worse, "beyond": beyond}
            counts.update({f"{score.printed}_{name}": found for name, found in named.items()})
            lines[-1] += [f"{chain:.2f}{' (worse than bare)' if worse else ''}", f"{dot:.2f}"]
            lines[-1].append("yes" if better else "**no**")
    head = ["printed", *(cell for name in ("IS", "FID") for cell in (f"{name}: MH-GAN", "DOT", "DOT better"))]
    return tables.markdown(head, lines), dict(counts)


def unmoved(point: Point) -> list[float]:
    """Share of MH-GAN's chains that ran twice, in each set: those that had never left their real image."""
    return [(1 / share - point.setting) / (point.setting + 1) for share in point.acceptance]
