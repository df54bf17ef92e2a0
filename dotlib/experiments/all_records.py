"""The page of all committed records: what was measured, on which training, and the files to download."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from dotlib.results.records import Record

STEPS = (("record", "*"),)

FOLDER = "../results"  # seen from the notebook and from the page alike: the book carries a copy
HEADS = ("page", "data set or pair", "profile", "seed", "values", "measured", "minutes", "device", "commit", "files")
WITHOUT_PAGE = ("gp_weight", "tab3_public")  # what chose a setting, before any page used it; trials of Table 3
FILTERED = ("page", "profile", "seed")  # columns of which a reader picks a value


def answer(stored: Sequence[Record], tables: int) -> str:
    """How much is recorded, in three sentences. Each is counted here."""
    if not stored:
        return "No record is committed."
    values = sum(len(record.content) for record in stored)
    pages = len({record.stem for record in stored})
    profiles = Counter(record.profile for record in stored)
    sizes = " and ".join(f"{n} of the profile *{name}*" for name, n in profiles.most_common())
    return (
        f"{len(stored)} records of {pages} pages hold {values:,} numbers: {sizes}. {tables} of them have a table "
        "beside them with a line for each set and judge, from which any paired difference can be computed. A record "
        "says where its numbers come from; it does not say what they mean, which its page does."
    )


def table(stored: Sequence[Record], beside: dict[str, Sequence[str]]) -> str:
    """HTML: a line a record, with links to its files; `book/_static/filter.js` adds fields that filter it.

    Args:
        stored: records of `results`, in the order to show.
        beside: file endings of each record, by "stem/key": ("json", "csv", "png").

    Returns:
        HTML, escaped.
    """
    heads = "".join(f"<th scope='col'{' data-filter' * (name in FILTERED)}>{name}</th>" for name in HEADS)
    lines = "".join(f"<tr>{_cells(record, beside[f'{record.stem}/{record.key}'])}</tr>" for record in stored)
    return f"<div class='filterable'><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>"


def _cells(record: Record, endings: Sequence[str]) -> str:
    made, path = record.made, f"{record.stem}/{record.key}"
    files = ", ".join(f"<a href='{FOLDER}/{path}.{ending}' download>{ending.upper()}</a>" for ending in endings)
    cells = [
        record.stem if record.stem in WITHOUT_PAGE else f"<a href='{record.stem}.html'>{record.stem}</a>",
        escape(record.dataset),
        record.profile,
        record.seed,
        len(record.content),
        f"{datetime.fromtimestamp(made['started'], UTC):%Y-%m-%d}",
        f"{made['seconds'] / 60:.1f}",
        f"<span class='device'>{escape(made['device'])}</span>",
        f"<code>{escape(made['commit'][:7])}</code>",
        files,
    ]
    return "".join(f"<td>{cell}</td>" for cell in cells)


def endings(folder: Path) -> dict[str, list[str]]:
    """By "stem/key" of each record in a folder: the endings of its files, the record's own first."""
    found = {str(path.relative_to(folder).with_suffix("")): ["json"] for path in sorted(folder.glob("*/*.json"))}
    for name, endings_of in found.items():
        endings_of += [ending for ending in ("csv", "png") if (folder / f"{name}.{ending}").exists()]
    return found
