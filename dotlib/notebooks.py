"""Text notebooks: read by papermill as they are, run to a finished file, refused when a parameter makes no sense.

Once this package is installed, `papermill notebooks/fig3_toy.md out.ipynb -p profile smoke` works as plain papermill.
"""

import ast
import functools
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dotlib.errors import FileError, InputError, nearest, one_line
from dotlib.results import files

CELL_SECONDS = {"smoke": 600, "laptop": 3600}  # profile -> limit of a cell; the published sizes have none


class NotebookError(FileError):
    """A notebook stopped. The message names the notebook, the cell, its beginning, the cause."""


def __getattr__(name: str) -> object:
    """papermill's reader of local files, which from now on also reads text notebooks.

    papermill asks for it by the entry point `local` of the group `papermill.io`, each time it is imported. It is then
    itself half imported, so that this module cannot import it any earlier.
    """
    if name not in ("local_files", "TextNotebooks"):
        raise AttributeError(name)
    from papermill.iorw import papermill_io

    local: Any = papermill_io.get_handler("local")
    local.read, local.write = functools.partial(_read, local.read), functools.partial(_write, local.write)
    return local


def _read(read_other: Callable[[str], str], path: str) -> str:
    return nbformat.writes(guarded(read(path))) if path.endswith(".md") else read_other(path)


def _write(write_other: Callable[[str, str], None], text: str, path: str) -> None:
    if path.endswith(".md"):
        raise InputError(f"output: {path} is a text notebook; name a file ending in .ipynb")
    write_other(text, path)


def read(path: str | Path) -> NotebookNode:
    """The text notebook at `path`. Raises FileError where it cannot be read, was cut, or begins without parameters."""
    import jupytext  # here, so that papermill works where it is not installed
    from markdown_it import MarkdownIt

    try:
        text = Path(path).read_text(encoding="utf-8")
        notebook = jupytext.reads(text, fmt="md:myst")
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        ast.parse(code[0].source if code else "")
    except Exception as error:  # of the disk, the encoding, the parser and its YAML, or the parameters
        reason = str(error).splitlines()[0]
        raise FileError(f"{path}: cannot be read as a text notebook ({reason}); restore it from git") from error
    if "kernelspec" not in notebook.metadata:
        raise FileError(f"{path}: no kernelspec between the '---' lines at the top; copy them from another notebook")
    lines = text.splitlines()
    for block in MarkdownIt("commonmark").parse(text):
        if block.type == "fence" and block.level == 0 and block.map:
            first, end = block.map
            if end - first < 2 or not lines[end - 1].strip().startswith(block.markup):
                raise FileError(f"{path}: the block opened in line {first + 1} is never closed; restore it from git")
    if not code or "parameters" not in code[0].metadata.get("tags", []):
        raise FileError(f"{path}: the first code cell is not the parameters cell; give it ':tags: [parameters]'")
    return notebook


def parameters(notebook: NotebookNode) -> set[str]:
    """Names that the parameters cell assigns or imports."""
    nodes = list(ast.walk(ast.parse(_parameters_cell(notebook).source)))
    imported = {(node.asname or node.name).split(".")[0] for node in nodes if isinstance(node, ast.alias)}
    return imported | {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def switches(notebook: NotebookNode) -> set[str]:
    """Names whose default in the parameters cell is True or False."""
    defaults = _defaults(_parameters_cell(notebook)).items()
    return {name for name, node in defaults if isinstance(node, ast.Constant) and isinstance(node.value, bool)}


def switched(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, bool]:
    """Those of the values that switches of these names have, as True or False. Raises InputError for another.

    A command line gives "true" as text, and any text would be true.
    """
    found = {}
    for name in sorted(set(names) & set(values)):
        found[name] = {"true": True, "false": False}.get(str(values[name]).lower())
        if found[name] is None:
            raise InputError(f"{name}: expected true or false, found {values[name]!r}; write -p {name} true")
    return found


def _defaults(cell: NotebookNode) -> dict[str, ast.expr | None]:
    """What the parameters cell assigns, by target."""
    body = [node for node in ast.parse(cell.source).body if isinstance(node, ast.Assign | ast.AnnAssign)]
    return {ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target): node.value for node in body}


def _parameters_cell(notebook: NotebookNode) -> NotebookNode:
    return next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))


def guarded(notebook: NotebookNode) -> NotebookNode:
    """The notebook with a hidden cell behind its parameters, and papermill's: unknown names refused, switches read."""
    module = "__import__('dotlib.notebooks').notebooks"
    known, names = sorted(parameters(notebook)), sorted(switches(notebook))
    calls = [f"{module}.refuse_unknown(globals(), {known})", f"globals().update({module}.switched(globals(), {names}))"]
    guard = nbformat.v4.new_code_cell("\n".join(calls), metadata={"tags": ["remove-cell"]})
    notebook.cells.insert(notebook.cells.index(_parameters_cell(notebook)) + 1, guard)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def refuse_unknown(namespace: Iterable[str], known: Iterable[str]) -> None:
    """Raise InputError for a public name that is neither IPython's own nor among `known`."""
    from IPython import get_ipython

    shell = get_ipython()
    own = set(shell.user_ns_hidden) if shell is not None else set()
    for name in sorted({name for name in namespace if not name.startswith("_")} - own - set(known)):
        raise InputError(f"unknown parameter {name!r}; known: {', '.join(sorted(known))}{nearest(name, known)}")


def run_notebook(source: str | Path, destination: str | Path, values: dict | None = None) -> NotebookNode:
    """Run a text notebook with parameter values, by name, in the current folder; what ran is written as an .ipynb.

    The destination is removed first and appears when it is whole, so that a failure leaves none. Raises InputError for
    an unknown parameter or a switch that is neither true nor false, FileError for a source that is no whole text
    notebook, and NotebookError where a cell failed or took too long.
    """
    import papermill

    values, destination, notebook = dict(values or {}), Path(destination), read(source)
    refuse_unknown(values, parameters(notebook))
    values |= switched(values, switches(notebook))
    try:
        destination.unlink(missing_ok=True)
        destination.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=destination.parent).close()  # what cannot be written is said before all is run
    except OSError as error:
        raise FileError(f"{destination}: cannot be written ({one_line(error)}); name another file") from error
    _insert(values, notebook)
    with tempfile.TemporaryDirectory() as folder:
        unfinished = Path(folder, "unfinished.ipynb")
        try:
            papermill.execute_notebook(
                notebook,
                unfinished,
                progress_bar=False,
                start_timeout=120,
                execution_timeout=CELL_SECONDS.get(values.get("profile", "")),
                extra_arguments=["--log-level=50"],  # else a kernel's end may be told as an error
            )
        except Exception as error:  # of a cell, or of the kernel that runs them
            raise NotebookError(_failure(source, unfinished, error)) from None
        finished = nbformat.read(unfinished, as_version=4)
    for cell in finished.cells:
        cell.metadata = {name: value for name, value in cell.metadata.items() if name not in ("papermill", "execution")}
    finished.metadata.papermill |= {"input_path": str(source), "output_path": str(destination), "parameters": values}
    finished.metadata.papermill["peak_megabytes"] = _peak_megabytes()
    files.write_text(destination, nbformat.writes(finished) + "\n")
    return finished


def _peak_megabytes() -> int:
    """Memory of the largest of this process's children that ended: the kernel's, where only one ran."""
    import resource
    import sys

    unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in bytes there and in kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // unit


def _insert(values: dict, notebook: NotebookNode) -> None:
    """Write the values into the parameters cell, each in the place of its default, else at the end."""
    cell = _parameters_cell(notebook)
    lines = cell.source.encode().splitlines()  # a syntax tree counts columns in bytes
    places = {name: node for name, node in _defaults(cell).items() if node and node.lineno == node.end_lineno}
    for name in sorted(values, key=lambda name: -places[name].col_offset if name in places else 0):  # right to left
        if name in places:
            default = places[name]
            row = lines[default.lineno - 1]
            before, after = row[: default.col_offset], row[default.end_col_offset :]
            lines[default.lineno - 1] = before + repr(values[name]).encode() + after
        else:
            lines.append(f"{name} = {values[name]!r}".encode())
    cell.source = b"\n".join(lines).decode()


def _failure(source: str | Path, unfinished: Path, error: Exception) -> str:
    """What a NotebookError says; papermill's report of an exception in a cell has `ename` and `evalue`."""
    message = getattr(error, "evalue", str(error).strip().partition("\n")[0])
    cause = f"{getattr(error, 'ename', type(error).__name__)}: {message.strip()}"
    cells = nbformat.read(unfinished, as_version=4).cells if unfinished.exists() else []
    code = [cell for cell in cells if cell.cell_type == "code"]
    begun = [number for number, cell in enumerate(code, 1) if cell.metadata.papermill.get("start_time")]
    if not begun:
        return f"{source}: no cell was run; {cause}"
    head = "\n".join(f"    {line}" for line in code[begun[-1] - 1].source.splitlines()[:3])
    return f"{source}: code cell {begun[-1]} of {len(code)} failed\n{head}\n{cause}"
