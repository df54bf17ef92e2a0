"""Text notebooks: reading, running, refusing. Kinds: identities, invariants, failures."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from papermill.iorw import load_notebook_node, papermill_io

from dotlib import notebooks
from dotlib.errors import FileError, InputError

AFTER = "while it was being executed, after"
ROOT = Path(__file__).resolve().parents[1]
TEXT = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
(top)=
# A page with $x^2$ and é

```{code-cell} python3
:tags: [parameters]
profile = "laptop"  # é before the comment
dataset: str = "25gaussians"
seed = 0
```

Between the cells.

```{code-cell} python3
---
tags: [hide-input]
mystnb: {figure: {name: fig-a, caption: "Points."}}
---
print(profile, dataset, seed)
```
"""


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A folder with notebooks/page.md, made the current one; returns a writer of that file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notebooks").mkdir()

    def write(text=TEXT):
        Path("notebooks/page.md").write_text(text, encoding="utf-8")
        return "notebooks/page.md"

    write()
    return write


def run_papermill(*arguments):
    """Plain papermill as a user calls it."""
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=environment)


def outputs(path):
    """Text that the code cells printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(o.get("text", "") for c in cells if c.cell_type == "code" for o in c.outputs)


def test_plain_papermill_runs_a_text_notebook(page):
    run = run_papermill("notebooks/page.md", "out.ipynb", "-p", "profile", "smoke", "-p", "seed", "3")
    assert run.returncode == 0, run.stderr
    assert outputs("out.ipynb") == "smoke 25gaussians 3\n"


def test_plain_papermill_warns_of_nothing(page):
    """Neither of the ending .md, nor of kernels that others might listen to, nor of what a kernel logs as it ends."""
    page(TEXT.replace("print(", 'get_ipython().kernel.log.error("KeyboardInterrupt caught in kernel.")\nprint('))
    run = run_papermill("notebooks/page.md", "out.ipynb", "-p", "seed", "3")
    told = [
        "Input Notebook:  notebooks/page.md",
        "Output Notebook: out.ipynb",
        "Executing notebook with kernel: python3",
    ]
    assert run.stderr.splitlines() == told and run.stdout == ""


def test_where_temporary_folders_have_long_names_kernels_start_all_the_same(page, monkeypatch, tmp_path):
    """A socket there would have a name that the system refuses."""
    folder = tmp_path / ("long" * 20)
    folder.mkdir()
    monkeypatch.setattr(notebooks.tempfile, "tempdir", str(folder))
    notebooks.run_notebook("notebooks/page.md", "a.ipynb")
    assert outputs("a.ipynb") == "laptop 25gaussians 0\n"


def test_papermill_still_warns_of_endings_that_nobody_reads():
    with pytest.warns(UserWarning, match="does not end in one of"), pytest.raises(FileNotFoundError):
        papermill_io.read("page.txt")
    with pytest.raises(FileNotFoundError):
        papermill_io.read("page.yaml", [".yaml"])


def test_a_long_cell_is_told_with_its_place_and_first_line(page, monkeypatch):
    monkeypatch.setattr(notebooks, "LONG", 0.2)
    page(
        TEXT.replace("Between", "## Waiting\n\nBetween").replace("print(", "# slow\nimport time\ntime.sleep(2)\nprint(")
    )
    told = []
    notebooks.run_notebook("notebooks/page.md", "a.ipynb", tell=told.append)
    assert told[-1] == "at work for 0.2 s: code cell 2 of 2, Waiting: import time" and len(told) <= 2


def test_a_quick_cell_is_not_told(page):
    notebooks.run_notebook("notebooks/page.md", "a.ipynb", tell=lambda line: pytest.fail(line))
    assert outputs("a.ipynb") == "laptop 25gaussians 0\n"


def test_plain_papermill_refuses_an_unknown_name(page):
    run = run_papermill("notebooks/page.md", "out.ipynb", "-p", "profle", "smoke")
    assert run.returncode != 0
    assert ("InputError: unknown parameter 'profle'; known: dataset, profile, seed; nearest: profile") in run.stderr


def test_a_misspelt_notebook_names_those_that_are_there(page):
    run = run_papermill("notebooks/pge.md", "out.ipynb")
    last = run.stderr.strip().splitlines()[-1]
    assert run.returncode != 0 and not Path("out.ipynb").exists()
    assert last.endswith("notebook: no file notebooks/pge.md; notebooks has page; nearest: notebooks/page.md")


SWITCH = TEXT.replace("seed = 0", "seed = 0\nanew = True  # or False").replace("print(profile", "print(anew, profile")


@pytest.mark.parametrize(("word", "value"), [("false", False), ("False", False), ("TRUE", True), ("true", True)])
def test_a_switch_takes_the_usual_spellings_and_no_other_text(page, word, value):
    """The text "false" is true in Python."""
    page(SWITCH)
    node = notebooks.read("notebooks/page.md")
    assert notebooks.switches(node) == {"anew"}
    assert notebooks.switched({"anew": word, "seed": "true"}, {"anew", "absent"}) == {"anew": value}
    for other in ("", "no", 1, None):
        with pytest.raises(InputError, match="^anew: expected true or false, found .*; write -p anew true$"):
            notebooks.switched({"anew": other}, {"anew"})


def test_a_switch_is_read_by_papermill_and_by_the_command_line(page):
    page(SWITCH)
    assert run_papermill("notebooks/page.md", "out.ipynb", "-p", "anew", "false").returncode == 0
    assert outputs("out.ipynb") == "False laptop 25gaussians 0\n"
    refused = run_papermill("notebooks/page.md", "out.ipynb", "-p", "anew", "no")
    assert "InputError: anew: expected true or false, found 'no'; write -p anew true" in refused.stderr
    ran = notebooks.run_notebook("notebooks/page.md", "a.ipynb", {"anew": "false"}).metadata.papermill
    assert outputs("a.ipynb") == "False laptop 25gaussians 0\n"
    assert 20 < ran.peak_megabytes < 2_000  # of a kernel that imports little
    with pytest.raises(InputError, match="^anew: expected true or false, found 'no'"):
        notebooks.run_notebook("notebooks/page.md", "a.ipynb", {"anew": "no"})


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        (".", "notebooks/page.md"),
        (".", "./notebooks/page.md"),
        (".", "../{here}/notebooks/page.md"),
        (".", "{full}/notebooks/page.md"),
        ("notebooks", "page.md"),
    ],
)
def test_every_way_to_write_the_path_is_served(page, folder, path, monkeypatch):
    here = Path.cwd()
    monkeypatch.chdir(folder)
    node = load_notebook_node(path.format(here=here.name, full=here))
    assert node.metadata.kernelspec.name == "python3"
    tags = [cell.metadata.tags for cell in node.cells if cell.cell_type == "code"]
    assert tags == [["parameters"], ["remove-cell"], ["hide-input"]]


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.md")), ids=lambda p: p.stem)
def test_notebooks_of_the_book_are_whole(path):
    assert "profile" in notebooks.parameters(notebooks.read(path))
    assert notebooks.parameters(notebooks.guarded(notebooks.read(path)))


def test_papermill_works_where_jupytext_is_not_installed():
    code = "import sys; sys.modules['jupytext'] = None; import papermill"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("address", ["s3://bucket/page.md", "https://host/page.md", "gs://b/p.md", "-"])
def test_other_places_keep_their_handlers(address):
    assert papermill_io.get_handler(address) is not papermill_io.get_handler("local")


def test_an_ipynb_passes_untouched(page):
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("a = 1")])
    text = nbformat.writes(node)
    papermill_io.write(text, "plain.ipynb")
    assert Path("plain.ipynb").read_text(encoding="utf-8") == papermill_io.read("./plain.ipynb") == text
    assert "./notebooks/page.md" in papermill_io.listdir("./notebooks")


def test_output_may_not_replace_a_text_notebook(page):
    with (
        pytest.warns(UserWarning, match="does not end in one of"),
        pytest.raises(InputError, match=r"output: \./page\.md is a text notebook"),
    ):
        papermill_io.write("{}", "./page.md")


def test_the_module_has_nothing_else_that_it_makes_when_asked():
    with pytest.raises(AttributeError, match="local_file"):
        _ = notebooks.local_file


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t[: t.rindex("```")], "block opened in line 17 is never closed"),
        (lambda t: t[: t.index("---\n(top)")], "no kernelspec"),
        (lambda t: "", "no kernelspec"),
        (lambda t: t.replace(":tags: [parameters]\n", ""), "not the parameters cell"),
        (lambda t: t.replace("# A page", "```{code-cell} python3\na = 1\n```\n# A page"), "not the parameters cell"),
        (lambda t: t.replace("seed = 0", "seed = = 0"), "cannot be read as a text notebook .invalid syntax"),
        (lambda t: t.replace("tags: [hide-input]", "tags: [hide-input"), "cannot be read"),
    ],
)
def test_a_damaged_text_notebook_is_refused(page, change, message):
    with pytest.raises(FileError, match=message) as caught:
        notebooks.read(page(change(TEXT)))
    assert "notebooks/page.md" in str(caught.value)


def test_a_missing_text_notebook_is_refused(page):
    with pytest.raises(FileError, match=r"no file notebooks/none\.md; notebooks has page"):
        notebooks.read("notebooks/none.md")


def test_run_shows_the_values_used_and_hides_the_machinery(page):
    node = notebooks.run_notebook("notebooks/page.md", "executed/a.ipynb", {"profile": "smoke", "dataset": "swissroll"})
    assert outputs("executed/a.ipynb") == "smoke swissroll 0\n"
    code = [c for c in node.cells if c.cell_type == "code"]
    assert code[0].source == ("profile = 'smoke'  # é before the comment\ndataset: str = 'swissroll'\nseed = 0")
    assert [c.metadata.tags for c in code] == [["parameters"], ["hide-input"]]
    assert code[1].metadata.mystnb.figure.name == "fig-a"
    assert node.metadata.papermill.parameters == {"profile": "smoke", "dataset": "swissroll"}
    assert str(Path.cwd()) not in Path("executed/a.ipynb").read_text(encoding="utf-8")
    assert os.listdir("executed") == ["a.ipynb"]


@pytest.mark.parametrize(
    ("line", "limit", "message"),
    [
        ("1 / 0", None, "ZeroDivisionError: division by zero"),
        (
            "import time; time.sleep(60)",
            6,
            "CellTimeoutError: A cell timed out while it was being executed, after 6 seconds.",
        ),
        ("import os; os._exit(1)", 30, "DeadKernelError: Kernel died"),
    ],
)
def test_a_broken_notebook_names_its_cell_and_leaves_no_page(page, line, limit, message, monkeypatch):
    monkeypatch.setitem(notebooks.CELL_SECONDS, "smoke", limit)
    page(TEXT.replace("print(profile, dataset, seed)", line + "\n# second\n# third\n# fourth"))
    Path("executed").mkdir()
    Path("executed/a.ipynb").write_text("an older page", encoding="utf-8")
    with pytest.raises(notebooks.NotebookError) as caught:
        notebooks.run_notebook("notebooks/page.md", "executed/a.ipynb", {"profile": "smoke"})
    assert str(caught.value) == (
        f"notebooks/page.md: code cell 2 of 2 failed\n    {line}\n    # second\n    # third\n{message}"
    )
    assert os.listdir("executed") == []


LINGER = """import time
handlers = get_ipython().kernel.shell_handlers
reply = handlers["kernel_info_request"]
async def reply_and_linger(*message):
    await reply(*message)
    time.sleep(5)
handlers["kernel_info_request"] = reply_and_linger"""


def test_a_kernel_stopped_in_its_last_reply_says_nothing(page, capfd):
    page(TEXT.replace("print(profile, dataset, seed)", LINGER))
    notebooks.run_notebook("notebooks/page.md", "a.ipynb")
    assert capfd.readouterr().err == ""


def test_an_unknown_value_fails_before_a_kernel_starts(page):
    with pytest.raises(InputError, match="unknown parameter 'sed'; known: .*; nearest: seed"):
        notebooks.run_notebook("notebooks/page.md", "a.ipynb", {"sed": 1})
    assert not Path("a.ipynb").exists()


def test_a_value_without_a_place_of_its_own_comes_last(page):
    page(TEXT.replace("seed = 0", "seed, rows = 0, (\n    1,\n    2,\n)\na = 1; b = 2\nbatch = (\n    3,\n)"))
    node = notebooks.run_notebook("notebooks/page.md", "a.ipynb", {"seed": 5, "a": 10, "batch": [4], "b": 20})
    cells = [cell for cell in node.cells if cell.cell_type == "code"]
    assert "a = 10; b = 20" in cells[0].source and cells[0].source.endswith("seed = 5\nbatch = [4]")
    assert outputs("a.ipynb") == "laptop 25gaussians 5\n"


def test_an_output_that_cannot_be_written_is_said_before_a_kernel_starts(page, monkeypatch):
    monkeypatch.setattr(papermill, "execute_notebook", lambda *_, **__: pytest.fail("a cell was run"))
    Path("folder").mkdir()
    Path("file").touch()
    for output in ("folder", "file/out.ipynb"):
        with pytest.raises(FileError, match=f"^{output}: cannot be written .*; name another file$"):
            notebooks.run_notebook("notebooks/page.md", output)


def test_a_kernel_that_cannot_start_is_reported(page):
    with pytest.raises(notebooks.NotebookError, match=r"^notebooks/page\.md: .*no_such_kernel"):
        notebooks.run_notebook(page(TEXT.replace("name: python3", "name: no_such_kernel")), "a.ipynb")


def test_parameters_cell_may_import_and_unpack():
    cell = "import os.path\nfrom math import pi as half\na, b = 1, 2\nc: int = 3\nprint(a)"
    node = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]})])
    assert set(notebooks.parameters(node)) == {"os", "half", "a", "b", "c"}
    namespace = {"a": 1, "_hidden": 2, "os": os}
    assert notebooks.refuse_unknown(namespace, ("a", "os")) is None
    with pytest.raises(InputError, match="unknown parameter 'd'; known: a$"):
        notebooks.refuse_unknown({"d": 1}, ("a",))
    assert json.loads(nbformat.writes(notebooks.guarded(node)))["nbformat_minor"] == 5
