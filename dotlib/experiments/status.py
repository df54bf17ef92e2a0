"""The last page: which notebooks ran, which records there are, where and when."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import nbformat

from dotlib.results import tables
from dotlib.results.records import Record

STEPS = (("page", "*"), ("record", "*"))

LAST = ("intro", "status")  # pages that read all others


def pages(toc: Path) -> list[str]:
    """Stems of the executed pages in the order of the book, without the last ones."""
    return [stem for stem in re.findall(r"executed/(\w+)", toc.read_text(encoding="utf-8")) if stem not in LAST]


def page_row(path: Path) -> list[str | int]:
    """Page, notebook, parameters, start, seconds and number of code cells that ran, of an executed notebook."""
    notebook = nbformat.read(path, as_version=4)
    run = notebook.metadata.papermill
    parameters = ", ".join(f"{name}={value}" for name, value in run.parameters.items())
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.execution_count]
    started, seconds = run.start_time[:16].replace("T", " "), f"{run.duration:.0f}"
    return [path.stem, run.input_path, parameters, started, seconds, len(cells)]


def record_table(stored: Iterable[Record]) -> str:
    """Markdown: key, number of values, origin of the pairs, commit, device, start and minutes of each record."""
    rows = []
    for record in stored:
        made, key = record.made, f"{record.stem}/{record.key}"
        when = f"{datetime.fromtimestamp(made['started'], UTC):%Y-%m-%d %H:%M}", f"{made['seconds'] / 60:.1f}"
        origins = sorted({pair["origin"] for pair in made.get("pairs", {}).values() if "origin" in pair})
        rows.append([key, len(record.content), ", ".join(origins), made["commit"][:12], made["device"], *when])
    return tables.markdown(["record", "values", "pairs", "commit", "device", "started", "minutes"], rows)


def pair_table(stored: Iterable[Record]) -> str:
    """Markdown: the trained pairs behind these records: origin, commit, device, minutes of training, digest."""
    pairs = {
        (name, pair["sha256"]): pair
        for record in stored
        for name, pair in record.made.get("pairs", {}).items()
        if "origin" in pair
    }
    rows = [
        [
            name,
            pair["origin"],
            pair["commit"][:12],
            pair["device"],
            f"{pair['seconds_since_resume'] / 60:.1f}",
            sha[:12],
        ]
        for (name, sha), pair in sorted(pairs.items())
    ]
    return tables.markdown(["pair", "origin", "trained at", "device", "minutes", "sha256"], rows)
