"""Text notebooks: read by papermill as they are, run to a finished file, refused when a parameter makes no sense.

Once this package is installed, `papermill notebooks/fig3_toy.md out.ipynb -p profile smoke` works as plain papermill.
"""

import ast
import contextlib
import functools
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from dotlib.errors import FileError, InputError, nearest, one_line
from dotlib.results import files

CELL_SECONDS = {"smoke": 600, "laptop": 4 * 3600}  # profile -> limit of a cell; the published sizes have none
LONG = 10.0  # seconds after which a cell is told of
SOCKET_FOLDER = 80  # letters of a folder in which a socket can lie; the system allows it about 104 with its own name
QUIET_KERNEL = ["--log-level=50"]  # a signal that meets an idle kernel, most often at its end, is no error
EXTENSIONS = (".ipynb", ".json", ".md")  # of the files that papermill takes without a warning


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
    files_of: Any = papermill_io
    files_of.read = functools.partial(_read_known, papermill_io.read)
    return local


def _read_known(
    read_any: Callable[[str, Iterable[str]], str], path: str, extensions: Iterable[str] = EXTENSIONS
) -> str:
    return read_any(path, extensions)


def _read(read_other: Callable[[str], str], path: str) -> str:
    if not path.endswith(".md"):
        return read_other(path)
    _take_private_kernels()
    return nbformat.writes(guarded(read(path)))


def _take_private_kernels() -> None:
    """Let papermill, unless an engine is named, talk to kernels through sockets of this user's; TCP is open to others.

    ipykernel warns of TCP, and two kernels that start at once may want the same port.
    """
    from papermill.engines import NBClientEngine, papermill_engines
    from traitlets.config import Config

    engine: Any = NBClientEngine

    class PrivateEngine(engine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> NotebookNode:
            with tempfile.TemporaryDirectory() as folder:
                kernel = {"transport": "ipc", "connection_file": str(Path(folder, "kernel.json"))}
                if len(folder) <= SOCKET_FOLDER:
                    options["config"] = Config(KernelManager=kernel)
                options.setdefault("extra_arguments", QUIET_KERNEL)
                return super().execute_managed_notebook(nb_man, kernel_name, **options)

    papermill_engines.register(None, PrivateEngine)


def _write(write_other: Callable[[str, str], None], text: str, path: str) -> None:
    if path.endswith(".md"):
        raise InputError(f"output: {path} is a text notebook; name a file ending in .ipynb")
    write_other(text, path)


def read(path: str | Path) -> NotebookNode:
    """The text notebook at `path`. Raises FileError where it is missing, unreadable, cut, or without parameters."""
    _refuse_missing(Path(path))
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


def _refuse_missing(path: Path) -> None:
    """Raise FileError where there is no such file, naming those that are there."""
    if not path.is_file():
        folder = Path("notebooks") if Path("notebooks").is_dir() else path.parent
        known = {other.stem: str(other) for other in sorted(folder.glob("*.md"))}
        there = f"{folder} has {', '.join(known)}" if known else f"{folder} has none; go to the root of a checkout"
        raise FileError(f"notebook: no file {path}; {there}{nearest(folder / path.name, known.values())}")


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


def run_notebook(
    source: str | Path,
    destination: str | Path,
    values: dict | None = None,
    *,
    tell: Callable[[str], object] = lambda line: None,
) -> NotebookNode:
    """Run a text notebook with parameter values, by name, in the current folder; what ran is written as an .ipynb.

    A line for each cell that takes long is told. The destination is removed first and appears when it is whole, so that
    a failure leaves none. Raises InputError for
    an unknown parameter or a switch that is neither true nor false, FileError for a source that is no whole text
    notebook, and NotebookError where a cell failed or took too long.
    """
    values, destination, notebook = dict(values or {}), Path(destination), read(source)
    refuse_unknown(values, parameters(notebook))
    values |= switched(values, switches(notebook))
    import papermill  # behind the checks, since it takes a second

    _take_private_kernels()
    try:
        destination.unlink(missing_ok=True)
        destination.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=destination.parent).close()  # what cannot be written is said before all is run
    except OSError as error:
        raise FileError(f"{destination}: cannot be written ({one_line(error)}); name another file") from error
    _insert(values, notebook)
    with tempfile.TemporaryDirectory() as folder, _long_cells_told(notebook, tell) as hooks:
        unfinished = Path(folder, "unfinished.ipynb")
        try:
            papermill.execute_notebook(
                notebook,
                unfinished,
                progress_bar=False,
                start_timeout=120,
                execution_timeout=CELL_SECONDS.get(values.get("profile", "")),
                **hooks,
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


@contextlib.contextmanager
def _long_cells_told(notebook: NotebookNode, tell: Callable[[str], object]) -> Iterator[dict[str, Any]]:
    """Hooks for nbclient, by which a cell that is at work for LONG seconds is told: its number, section and first line.

    nbclient's indices are those of the notebook, whose cells stay where they are.
    """
    sections, numbers, section = {}, {}, ""
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "markdown":
            heads = [line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")]
            section = heads[-1] if heads else section
        else:
            sections[index], numbers[index] = section, len(numbers) + 1
    waiting: dict[int, threading.Timer] = {}

    def begin(cell: NotebookNode, cell_index: int) -> None:
        first = next((line for line in cell.source.splitlines() if line and not line.startswith("#")), "")
        where = f"cell {numbers.get(cell_index)} of {len(numbers)}, {sections.get(cell_index)}"
        waiting[cell_index] = threading.Timer(LONG, tell, [f"at work for {LONG:g} s: code {where}: {first}"])
        waiting[cell_index].daemon = True
        if cell.cell_type == "code":
            waiting[cell_index].start()

    def end(cell_index: int, **_: object) -> None:
        waiting.pop(cell_index).cancel()

    try:
        yield {"on_cell_start": begin, "on_cell_executed": end}
    finally:
        for timer in waiting.values():
            timer.cancel()


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
