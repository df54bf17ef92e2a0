"""The last page. Kinds of test: identities (what a notebook and a record hold is shown)."""

from pathlib import Path

import nbformat

from dotlib.experiments import status
from dotlib.results import records

ROOT = Path(__file__).resolve().parents[2]


def test_pages_are_those_of_the_book_that_are_executed_before():
    pages = status.pages(ROOT / "_toc.yml")
    assert {"theorems", "tab1_scores", "runtimes"} < set(pages) and not {"intro", "status"} & set(pages)
    assert set(pages) == {path.stem for path in (ROOT / "notebooks").glob("*.md")} - set(status.LAST)


def test_a_row_counts_the_cells_that_ran(tmp_path):
    cells = [nbformat.v4.new_code_cell("1", execution_count=number) for number in (1, 2, None)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("text"), *cells])
    run = {"input_path": "notebooks/keff.md", "parameters": {"profile": "smoke", "seed": 0}, "duration": 61.6}
    notebook.metadata.papermill = run | {"start_time": "2026-11-24T21:30:12.123"}
    nbformat.write(notebook, tmp_path / "keff.ipynb")
    row = status.page_row(tmp_path / "keff.ipynb")
    assert row == ["keff", "notebooks/keff.md", "profile=smoke, seed=0", "2026-11-24 21:30", "62", 2]


def test_a_record_is_listed_with_its_origin():
    record = records.start("keff", profile="laptop", dataset="digits", seed=3, parameters={})
    record.put("k_eff", 1.0, unit="")
    record.made["pairs"] = {"a": {"origin": "trained here"}, "b": {"origin": "shipped"}, "c": {}}
    record.made |= {"commit": "0123456789abcdef", "device": "a machine", "started": 86_400.0, "seconds": 90.0}
    assert status.record_table([record]).splitlines()[-1] == (
        "| keff/laptop-digits-s3 | 1 | shipped, trained here | 0123456789ab | a machine | 1970-01-02 00:00 | 1.5 |"
    )


def test_every_trained_pair_is_listed_once_with_its_minutes():
    made = {"commit": "0123456789abcdef", "dirty": False, "device": "a machine", "seconds_since_resume": 90.0}
    one, two = (records.start(stem, profile="laptop", dataset="x", seed=0, parameters={}) for stem in ("a", "b"))
    one.made["pairs"] = {"b-pair": made | {"sha256": "5a" * 32, "origin": "shipped"}, "old": made | {"sha256": "5b"}}
    two.made["pairs"] = one.made["pairs"] | {"a-pair": made | {"sha256": "5c" * 32, "origin": "trained here"}}
    assert status.pair_table([one, two]).splitlines()[2:] == [
        f"| a-pair | trained here | 0123456789ab | a machine | 1.5 | {'5c' * 6} |",
        f"| b-pair | shipped | 0123456789ab | a machine | 1.5 | {'5a' * 6} |",
    ]
    assert status.pair_table([]).splitlines()[2:] == []
