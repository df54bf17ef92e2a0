"""An edited text with the outputs of the last run. Kinds of test: identity, refusals."""

import live
import nbformat
import pytest

from dotlib.errors import FileError, InputError


def notebook(*cells, ran=False):
    made = nbformat.v4.new_notebook()
    for kind, source in cells:
        cell = {"text": nbformat.v4.new_markdown_cell, "code": nbformat.v4.new_code_cell}[kind](source)
        if ran and kind == "code":
            cell.outputs, cell.execution_count = [nbformat.v4.new_output("stream", text=f"ran {source}")], 1
        made.cells.append(cell)
    if ran:
        made.metadata.papermill = {"duration": 1.0}
    return made


RAN = notebook(("text", "old"), ("code", "seed = 3"), ("code", "print(seed)"), ran=True)


def test_a_changed_text_keeps_outputs_and_the_parameters_of_the_run():
    edited = notebook(("text", "new"), ("text", "more"), ("code", "seed = 0"), ("code", "print(seed)"))
    merged = live.with_outputs(edited, RAN)
    assert [cell.source for cell in merged.cells] == ["new", "more", "seed = 3", "print(seed)"]
    assert merged.cells[3].outputs[0].text == "ran print(seed)" and merged.metadata.papermill == {"duration": 1.0}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([("code", "seed = 0"), ("code", "print(seed + 1)")], "code cell 2 has changed"),
        ([("code", "seed = 0")], "1 code cells, 2 when the page ran"),
        ([("code", "seed = 0"), ("code", "print(seed)"), ("code", "1")], "3 code cells, 2 when"),
    ],
)
def test_changed_code_is_never_shown_with_old_outputs(cells, message):
    with pytest.raises(InputError, match=f"{message}.*make book"):
        live.with_outputs(notebook(*cells), RAN)


def test_an_unknown_page_and_one_that_has_not_run_are_refused(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks/keff.md").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="unknown 'kef'; known: keff; nearest: keff"):
        live.main("kef", "laptop")
    with pytest.raises(FileError, match="the page has not run yet; run it first: make book PROFILE=laptop"):
        live.main("keff", "laptop")
