"""Tables of the rows of Table 1, from their records: those of this build and the committed ones."""

from collections import Counter
from collections.abc import Mapping

from dotlib import downloads, records, tables
from dotlib.errors import check_option
from dotlib.image_config import ROWS
from dotlib.image_reporting import CLAIMS, QUANTITIES, printed

LOWER = ("fid", "kid")  # of these the lower one is better


def kept_runs() -> dict[str, dict[str, records.Record]]:
    """The committed rows of Table 1: label of a column -> row -> record."""
    found: dict[str, dict[str, records.Record]] = {}
    for path in sorted((records.KEPT / "tab1_scores").glob("*.json")):
        record = records.read(path)
        found.setdefault(label_of(record, "recorded"), {})[record.parameters["row"]] = record
    return found


def label_of(record: records.Record, kind: str) -> str:
    """Head of a column: what its runs share, so that no column mixes data, judges or N."""
    parts = [
        kind,
        dataset_of(record),
        *filter(None, [copy_of(record)]),
        record.profile,
        f"N = {record.parameters['samples']:,}",
    ]
    if record.parameters["judge"] != "classifier":
        parts.append(record.parameters["judge"])
    return ", ".join([*parts, *([f"seed {record.seed}"] if record.seed else [])])


def dataset_of(record: records.Record) -> str:
    """The data set of a row's record."""
    return record.dataset.partition("-")[0]


def copy_of(record: records.Record) -> str:
    """What is said of a record's images where they are no official content, else nothing."""
    if dataset_of(record) == "digits":  # built into scikit-learn
        return ""
    origins = set(record.made.get("images", {}).values())
    return "; ".join(sorted(origins - {downloads.OFFICIAL, downloads.OFFICIAL_MD5}))


def kept_table(kept: Mapping[str, Mapping[str, records.Record]]) -> str:
    """Markdown: provenance of each committed row."""
    if not kept:
        return "No run is recorded yet."
    rows = [
        [
            f"{record.dataset}, {record.profile}",
            str(record.seed),
            origin_of(record),
            record.made["device"],
            record.made["commit"][:12],
        ]
        for found in kept.values()
        for record in found.values()
    ]
    return tables.markdown(["run", "seed", "images", "device", "commit"], rows)


def origin_of(record: records.Record) -> str:
    """Where the images of a record came from."""
    return "; ".join(sorted(set(record.made["images"].values())))


def score_table(quantity: str, runs: Mapping[str, Mapping[str, records.Record]]) -> str:
    """Markdown: one row a pair, "bare -> DOT" in the paper and in each run, with the difference.

    runs:  label of a column -> row of Table 1 -> its record.
    The paper's STL-10 numbers have a column where a run has that data set.
    """
    shown = {dataset_of(record) for found in runs.values() for record in found.values()}
    papers = ["cifar10", *(["stl10"] if "stl10" in shown else [])]
    rows = [
        [
            row,
            *(_printed_cell(f"{one}-{row}", quantity) for one in papers),
            *(_cell(found.get(row), quantity) for found in runs.values()),
        ]
        for row in ROWS
    ]
    rows.append(["real images", *("-" for _ in papers), *(_floor(found, quantity) for found in runs.values())])
    heads = [{"cifar10": "paper, CIFAR-10", "stl10": "paper, STL-10"}[one] for one in papers]
    return tables.markdown([f"{QUANTITIES[quantity][0]}, bare → DOT", *heads, *runs], rows)


def verdict_table(runs: Mapping[str, Mapping[str, records.Record]]) -> str:
    """Markdown: how many rows of each run bear each claim out."""
    rows = []
    for claim in CLAIMS.values():
        counts = [Counter(record.verdicts[claim] for record in found.values()) for found in runs.values()]
        rows.append(
            [
                claim,
                *(
                    "; ".join(f"{word} ({n} of {count.total()})" for word, n in count.items()) or "-"
                    for count in counts
                ),
            ]
        )
    return tables.markdown(["claim, by rows", *runs], rows)


def said(record: records.Record, quantity: str) -> str:
    """What one score says of DOT: "better" or "worse" where the 95 % interval of its paired
    difference to bare excludes 0, else "undecided".

    quantity:  a key of QUANTITIES. Raises BadInput for another.
    """
    check_option("quantity", quantity, QUANTITIES)
    low, high = record.interval(f"dot{record.parameters['updates']}_minus_bare_{quantity}")
    if low <= 0 <= high:
        return "undecided"
    return "better" if (high < 0) == (quantity in LOWER) else "worse"


def said_table(runs: Mapping[str, records.Record]) -> str:
    """Markdown: what every score says of DOT, a row for each run; a dash where undecided."""
    rows = [
        [name, *(said(record, quantity).replace("undecided", "-") for quantity in QUANTITIES)]
        for name, record in runs.items()
    ]
    return tables.markdown(["DOT is", *(shown for shown, _, _ in QUANTITIES.values())], rows)


def _printed_cell(name: str, quantity: str) -> str:
    shown = [printed(name, column, quantity) for column in ("bare", "dot")]
    return " → ".join(f"{one.value:.2f}" for one in shown) if all(shown) else "-"


def _cell(record: records.Record | None, quantity: str) -> str:
    if record is None:
        return "-"
    last, digits = f"dot{record.parameters['updates']}", QUANTITIES[quantity][2]
    low, high = record.interval(f"{last}_minus_bare_{quantity}")
    return (
        f"{record[f'bare_{quantity}']:.{digits}f} → {record[f'{last}_{quantity}']:.{digits}f} "
        f"({record[f'{last}_minus_bare_{quantity}']:+.{digits}f} "
        f"[{low:+.{digits}f}, {high:+.{digits}f}])"
    )


def _floor(found: Mapping[str, records.Record], quantity: str) -> str:
    """The floor of a column's judge, with its N where that is not the samples'."""
    digits = QUANTITIES[quantity][2]
    floors = {
        f"{r[f'floor_{quantity}']:.{digits}f}"
        + ("" if r["floor_n"] == r.parameters["samples"] else f" (N = {r['floor_n']:,})")
        for r in found.values()
    }
    return "; ".join(sorted(floors)) or "-"
