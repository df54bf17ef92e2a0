"""Text notebooks: read for papermill, run to a finished file, refused when a name is unknown.

The package's entry points in the group `papermill.io` name `TextNotebooks`, so that
`papermill notebooks/fig3_toy.md out.ipynb -p profile smoke` works as plain papermill. papermill
imports this module while it is itself half imported, so it is imported here inside functions.
"""

import ast
import contextlib
import os
import time
import warnings
from pathlib import Path

import jupytext
import nbformat
from markdown_it import MarkdownIt
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode

from dotlib.errors import FileError, InputError, nearest
from dotlib.results import files

GUARD = "parameter-guard"  # tag of the cell that the reader inserts
INJECTED = "injected-parameters"  # tag that papermill gives to the cell with the values
STALE_AFTER = 24 * 3600.0  # seconds; a temporary file older than this belongs to no living run


class NotebookError(FileError):
    """A notebook stopped. The message names the notebook, the cell, its beginning, the cause."""


class TextNotebooks:
    """A papermill handler: MyST text notebooks become notebooks, other files stay as they are."""

    @classmethod
    def read(cls, path: str) -> str:
        """The notebook at `path` as JSON. Raises FileError for a text notebook that is not whole."""
        if not path.endswith(".md"):
            return _local().read(path)
        return nbformat.writes(guarded(read(path)))

    @classmethod
    def write(cls, buf: str, path: str) -> None:
        """Write the executed notebook. Raises InputError where that would replace a text notebook."""
        if path.endswith(".md"):
            raise InputError(f"output: {path} is a text notebook; name a file ending in .ipynb")
        _local().write(buf, path)

    @classmethod
    def listdir(cls, path: str) -> list[str]:
        """The files of a folder, as papermill lists them."""
        return _local().listdir(path)

    @classmethod
    def pretty_path(cls, path: str) -> str:
        """The path, as papermill prints it."""
        return path


def _local():
    from papermill.iorw import papermill_io

    return papermill_io.get_handler("local")


def read(path: str | Path) -> NotebookNode:
    """The text notebook at `path`, without outputs.

    Raises FileError where the file cannot be read, was cut, or has no leading parameters cell.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        notebook = jupytext.reads(text, fmt="md:myst")
    except Exception as error:  # of the disk, the encoding, or the parser and its YAML
        reason = str(error).splitlines()[0]
        raise FileError(f"{path}: cannot be read as a text notebook ({reason}); restore it from git") from error
    if "kernelspec" not in notebook.metadata:
        raise FileError(
            f"{path}: no kernelspec between the '---' lines at the top; copy those lines from another notebook"
        )
    _refuse_open_fence(path, text)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if not code or "parameters" not in code[0].metadata.get("tags", []):
        raise FileError(
            f"{path}: the first code cell is not the parameters cell; give it "
            "':tags: [parameters]' and put it before all other code"
        )
    try:
        ast.parse(code[0].source)
    except SyntaxError as error:
        raise FileError(
            f"{path}: the parameters cell is not Python ({error.msg}, line "
            f"{error.lineno}); write one 'name = value' on each line"
        ) from error
    return notebook


def _refuse_open_fence(path: str | Path, text: str) -> None:
    lines = text.splitlines()
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence" and token.level == 0:
            start, end = token.map
            if not lines[end - 1].strip().startswith(token.markup) or end - start < 2:
                raise FileError(
                    f"{path}: the block opened in line {start + 1} is never closed, the "
                    "file may be cut; restore it from git"
                )


def parameters(notebook: NotebookNode) -> dict[str, ast.expr | None]:
    """Names that the parameters cell assigns, each with its value's syntax tree."""
    names: dict[str, ast.expr | None] = {}
    for node in ast.walk(ast.parse(_parameters_cell(notebook).source)):
        if isinstance(node, ast.Assign):
            targets = [t for target in node.targets for t in ast.walk(target)]
            names |= {t.id: node.value for t in targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names[node.target.id] = node.value
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(a.asname or a.name).split(".")[0]: None for a in node.names}
    return names


def _parameters_cell(notebook: NotebookNode) -> NotebookNode:
    return next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))


def guarded(notebook: NotebookNode) -> NotebookNode:
    """The notebook with a hidden cell behind its parameters that refuses unknown names.

    papermill puts its own cell between the two, so the guard sees what was passed.
    """
    known = tuple(sorted(parameters(notebook)))
    guard = nbformat.v4.new_code_cell(
        f"__import__('dotlib.notebooks').notebooks.refuse_unknown(globals(), {known!r})",
        metadata={"tags": ["remove-cell", GUARD]},
    )
    at = notebook.cells.index(_parameters_cell(notebook)) + 1
    notebook.cells.insert(at, guard)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def refuse_unknown(namespace: dict, known: tuple[str, ...]) -> None:
    """Raise InputError for a public name that is neither IPython's own nor among `known`."""
    from IPython import get_ipython

    shell = get_ipython()
    own = set(shell.user_ns_hidden) if shell is not None else set()
    refuse_names({name for name in namespace if not name.startswith("_")} - own, known)


def refuse_names(names: set[str], known: tuple[str, ...] | list[str]) -> None:
    """Raise InputError for the first of `names` that is not among `known`."""
    for name in sorted(names - set(known)):
        raise InputError(f"unknown parameter {name!r}; known: {', '.join(sorted(known))}{nearest(name, known)}")


def parse_values(pairs: list[str]) -> dict:
    """{"seed": 3} from ["seed=3"], values read as Python literals, else as text. Raises InputError without '='."""
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise InputError(f"parameter: {pair!r} has no '='; write NAME=VALUE")
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[name] = text
    return values


def run_notebook(
    source: str | Path,
    destination: str | Path,
    values: dict | None = None,
    *,
    start_timeout: int = 120,
    cell_timeout: int | None = None,
) -> NotebookNode:
    """Run a text notebook with the current folder as its own; the result appears when it is whole.

    source:        text notebook (.md).
    destination:   notebook (.ipynb) to write. It is removed first, so a failure leaves none.
    values:        parameter values, by name.
    start_timeout: seconds that the kernel may take to start.
    cell_timeout:  seconds that one cell may take; None: no limit.
    Raises InputError (unknown parameter), FileError (source), NotebookError.
    """
    import papermill

    values, destination = dict(values or {}), Path(destination)
    destination.unlink(missing_ok=True)
    refuse_names(set(values), list(parameters(read(source))))
    destination.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(destination)
    temporary = destination.with_name(f".{destination.stem}.{os.getpid()}.part.ipynb")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The specified file .* does not end in")
            papermill.execute_notebook(
                os.path.join(".", source),
                os.path.join(".", temporary),
                values,
                progress_bar=False,
                start_timeout=start_timeout,
                execution_timeout=cell_timeout,
                extra_arguments=["--log-level=50"],
            )  # else its end may be told as an error
        finished = _finished(nbformat.read(temporary, as_version=4), source, destination, values)
        files.write_text(destination, nbformat.writes(finished) + "\n")
        return finished
    except Exception as error:  # of a cell, or of the kernel that runs them
        raise NotebookError(_failure(source, temporary, error)) from None
    finally:
        temporary.unlink(missing_ok=True)


def _remove_stale(destination: Path) -> None:
    for path in destination.parent.glob(f".{destination.stem}.*.part.ipynb"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > STALE_AFTER:
                path.unlink()


def _finished(notebook: NotebookNode, source: str | Path, destination: Path, values: dict) -> NotebookNode:
    """Show the values used in the parameters cell itself, and drop what only papermill needs."""
    cell = _parameters_cell(notebook)
    lines = cell.source.encode().splitlines()
    trees = [(name, tree) for name, tree in parameters(notebook).items() if name in values and tree]
    for name, tree in sorted(trees, key=lambda item: -item[1].col_offset):
        if tree.lineno == tree.end_lineno:
            row = lines[tree.lineno - 1]
            lines[tree.lineno - 1] = row[: tree.col_offset] + repr(values[name]).encode() + row[tree.end_col_offset :]
    cell.source = b"\n".join(lines).decode()
    notebook.cells = [c for c in notebook.cells if not {GUARD, INJECTED} & set(c.metadata.get("tags", []))]
    for c in notebook.cells:
        c.metadata.pop("papermill", None)
        c.metadata.pop("execution", None)
    notebook.metadata.papermill |= {"input_path": str(source), "output_path": str(destination)}
    return notebook


def _failure(source: str | Path, temporary: Path, error: Exception) -> str:
    cause = f"{type(error).__name__}: {str(error).strip()}"
    if hasattr(error, "ename"):  # papermill's report of an exception in a cell
        cause = f"{error.ename}: {error.evalue.strip()}"
    elif isinstance(error, CellTimeoutError):
        cause = "it took longer than the time allowed for one cell"
    try:
        notebook = nbformat.read(temporary, as_version=4)
    except (OSError, ValueError):
        return f"{source}: no cell was run; {cause}"
    code = [c for c in notebook.cells if c.cell_type == "code"]
    begun = [c for c in code if c.metadata.papermill.get("start_time")]
    own = [c for c in code if not {GUARD, INJECTED} & set(c.metadata.get("tags", []))]
    if not begun or begun[-1] not in own:
        return f"{source}: {cause}"
    head = "\n".join(f"    {line}" for line in begun[-1].source.splitlines()[:3])
    return f"{source}: code cell {own.index(begun[-1]) + 1} of {len(own)} failed\n{head}\n{cause}"
