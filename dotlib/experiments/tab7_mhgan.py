"""Table 7 of [DOT19]: MH-GAN beside DOT on the same pairs, as printed and as measured here."""

from collections import Counter
from collections.abc import Mapping, Sequence

from dotlib.evaluation import comparison_tables, recording
from dotlib.evaluation.comparison import Point
from dotlib.evaluation.recording import printed
from dotlib.metrics import scores
from dotlib.results import paper, tables
from dotlib.results.records import Record, Row
from dotlib.training.settings import OBJECTIVES, PairName

STEPS = (("score", "digits-dcgan-*"), ("table7", "digits-dcgan-*"))

METHODS = ("bare", "DOT", "MH-GAN")
SCORES = {name: score for name, score in scores.SCORES.items() if score.printed}
PRINTED_PAIRS = [f"{where}-dcgan-{kind}" for where in ("cifar10", "stl10") for kind in OBJECTIVES]
COLUMNS = (("tab7", "bare"), ("tab7", "mhgan"), ("tab1", "dot"))  # bare, MH-GAN and DOT in print


def in_print(pair: str, quantity: str) -> list[paper.Published | None]:
    """Scores of bare, MH-GAN and DOT in Tables 7 and 1; None where one is not printed."""
    return [printed(table, pair, column, quantity) for table, column in COLUMNS]


def claims(pair: str, quantity: str) -> list[tuple[str, str, float, str, str]]:
    """What is printed of a pair: a word for tables, the claim in records, its sign, method, and what it is against.

    The first is the printed change by MH-GAN, the second the sentence below the table; none without a print.
    """
    bare, chain, _ = in_print(pair, quantity)
    if bare is None or chain is None:
        return []
    change, score = chain.value - bare.value, SCORES[quantity]
    word, better = "raises" if change > 0 else "lowers", -1.0 if score.lower_is_better else 1.0
    return [
        (f"{word}: ", f"MH-GAN {word} {score.label}", change, "MH-GAN", "bare"),
        ("", f"DOT looks better than MH-GAN, {score.label}", better, "DOT", "MH-GAN"),
    ]


def put_differences(record: Record, points: Sequence[Point]) -> None:
    """Put DOT minus MH-GAN into a pair's record, unless MH-GAN has refused."""
    by_method = {point.method: point for point in points}
    if not by_method["MH-GAN"].refused:
        comparison_tables.put_differences(record, by_method["DOT"], by_method["MH-GAN"])


def put_verdicts(rows: Mapping[str, Record]) -> None:
    """Put the verdicts on every pair's row and on the sentence below the table; rows: pair -> record."""
    judged = []
    for pair, record in rows.items():
        own = recording.on_papers_data(record, "cifar10", "stl10")
        for quantity, score in SCORES.items():
            for _, text, printed_change, method, against in claims(pair, quantity):
                claim = paper.without_test(paper.REFUSED)
                if any(record.rows(method="MH-GAN")):
                    here = row_of(record, method, quantity, against)
                    least = paper.reprint_gap(score.printed) if against == "bare" else 0.0
                    claim = paper.comparison(printed_change, here.interval, here.n or 0, own=own, least=least)
                judged.append((record, text, claim))
    recording.put_verdicts(judged)


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
    text = tables.change(change.value, change.interval, digits) if interval else f"{change.value:+.{digits}f}"
    return f"{shown} ({text})"


def score_table(quantity: str, rows: Mapping[str, Record]) -> str:
    """Markdown: a row a pair of one data set, printed scores left and measured ones right, real images last."""
    score, lines = SCORES[quantity], []
    for pair, record in rows.items():
        prints = ("-" if number is None else f"{number.value:.2f}" for number in in_print(pair, quantity))
        here = (cell(record, method, quantity) for method in ("bare", "MH-GAN", "DOT"))
        lines.append([PairName.parse(pair).row, *prints, *here])
    floor = row_of(next(iter(rows.values())), "real", quantity).value
    lines.append(["real images", *["-"] * 3, f"{floor:.{score.digits}f}", *["-"] * 2])
    return tables.markdown([score.label, "paper: bare", "MH-GAN", "DOT", "here: bare", "MH-GAN", "DOT"], lines)


def verdict_table(rows: Mapping[str, Record]) -> str:
    """Markdown: a row a pair, the printed direction of MH-GAN and the verdicts of its record."""
    lines = []
    for pair, record in rows.items():
        lines.append([PairName.parse(pair).row])
        for quantity in SCORES:
            judged = [f"{word}{record.verdicts[claim]}" for word, claim, *_ in claims(pair, quantity)]
            lines[-1] += judged or ["-", "-"]
    heads = ["pair", "MH-GAN and IS", "DOT better by IS", "MH-GAN and FID", "DOT better by FID"]
    return tables.markdown(heads, lines).replace("--:", ":--")


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
