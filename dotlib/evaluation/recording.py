"""What pages of image pairs share around their records: where numbers come from, and tables of verdicts."""

from collections.abc import Iterable
from dataclasses import asdict

from dotlib.data import downloads
from dotlib.errors import check_option
from dotlib.evaluation.images import Table1Row
from dotlib.metrics.scores import IMAGE_SCORES, SCORES
from dotlib.results import records, tables


def describe(record: records.Record, runs: Iterable[Table1Row]) -> None:
    """Put weights, images and settings of rows of Table 1 into a record."""
    weights, origins = {}, {}
    record.parameters["settings"] = {}
    for run in runs:
        weights |= run.pair.digests | run.panel.digests
        origins |= run.panel.origins
        settings = {"training": run.trained.settings.key(), "scoring": asdict(run.settings)}
        record.parameters["settings"][run.trained.name] = settings
    record.made |= {"weights": weights, "images": origins}


def copies(record: records.Record) -> set[str]:
    """Origins of a record's images that are copies, and no official content."""
    origins = set(record.made.get("images", {}).values())
    return origins - {downloads.OFFICIAL, downloads.OFFICIAL_MD5, "built into scikit-learn"}


def direction_of_change(record: records.Record, quantity: str) -> str:
    """Whether DOT at its last update makes a row of Table 1 "better" or "worse" by one score.

    "undecided" where the 95 % interval of the paired difference to bare holds 0. Raises InputError for a quantity that
    is none of IMAGE_SCORES.
    """
    check_option("quantity", quantity, IMAGE_SCORES)
    updates = record.parameters["updates"]
    low, high = record.get(quantity, method="dot", setting=updates, against="bare").interval
    if low <= 0 <= high:
        return "undecided"
    return "better" if (high < 0) == SCORES[quantity].lower_is_better else "worse"


def verdict_table(record: records.Record, head: str, claims: Iterable[str]) -> str:
    """Markdown: the verdict on each claim in this build, and in the committed records of its page."""
    kept = records.stored(records.KEPT, record.stem)
    heads = [f"this build, {record.dataset}", *(f"recorded, {other.dataset}, {other.profile}" for other in kept)]
    rows = [[claim, *(other.verdicts.get(claim, "-") for other in (record, *kept))] for claim in claims]
    return tables.markdown([head, *heads], rows)
