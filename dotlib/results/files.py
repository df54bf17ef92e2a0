"""Files that are written whole or not at all, and one maker at a time.

Files of measured numbers: made once, found again by everything that decides them.

A file's name hashes settings, weights and code. The code of a module counts with that of all it
imports, as its syntax tree without docstrings, so that a comment voids nothing and a changed
formula anywhere below voids every number made with it.
"""

import ast
import contextlib
import functools
import hashlib
import inspect
import json
import os
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType

import filelock

from dotlib.errors import FileError
from dotlib.results import provenance


def artifacts() -> Path:
    """Folder of trained pairs: $DOTLIB_ARTIFACTS, else _build/artifacts here."""
    return Path(os.environ.get("DOTLIB_ARTIFACTS", "_build/artifacts"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to a temporary file beside `path`, sync it, then rename.

    A reader sees the old file or the new one, never a part, also after a power cut.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def only_maker(path: Path) -> Iterator[None]:
    """Hold the lock of `path`: a second process waits here until the first has made the file.

    The operating system frees the lock when its holder dies, so a kill leaves nothing to clean.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + ".lock")):
        yield


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def path_of(kind: str, label: str, decides: list, name: str) -> Path:
    """The file `name` in the folder of a label.

    decides:  JSON-able; everything that decides the numbers in it.
    """
    key = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:12]
    return artifacts() / kind / f"{label}-{key}" / f"{name}.json"


def made_once(path: Path, make: Callable[[], object]) -> object:
    """What `make` gave when the file was written, JSON-able; it is called if there is no file.

    A second process waits for the first. Raises FileError for a file that cannot be read.
    """
    if not path.exists():
        with only_maker(path):
            if not path.exists():
                content = {"values": make(), "made": provenance.here()}
                write_text(path, json.dumps(content, allow_nan=False) + "\n")
    try:
        return json.loads(path.read_text(encoding="utf-8"))["values"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path}: cannot be read ({error}); delete it and run again") from error


def code_of(*names: str) -> str:
    """Digest of modules of dotlib and of all modules of dotlib that they import."""
    return _digest([f"{name} {_module(name)[0]}" for name in sorted(reached(*(f"dotlib.{name}" for name in names)))])


def reached(*names: str) -> set[str]:
    """Modules of dotlib, with all modules of dotlib that they import; other names are left out."""
    found, waiting = set(), set(names)
    while waiting:
        found |= (new := {name for name in waiting if _source(name).is_file()})
        waiting = {name for module in new for name in _module(module)[1]} - found
    return found


def code_of_functions(*functions: FunctionType | type) -> str:
    """Digest of single functions or classes, without what they call."""
    return _digest([_bare(ast.parse(textwrap.dedent(inspect.getsource(one)))) for one in functions])


def _bare(tree: ast.AST) -> str:
    """A syntax tree as text, without docstrings and positions."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            node.body = body[1:]
    return ast.dump(tree)


def imported(tree: ast.AST) -> set[str]:
    """Modules of dotlib that a syntax tree imports; "dotlib" where it takes something from the package itself."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.split(".")[0] == "dotlib"}
        elif isinstance(node, ast.ImportFrom):
            module = ".".join(filter(None, ["dotlib" if node.level else "", node.module]))  # relative in __init__.pyi
            if module.split(".")[0] == "dotlib":
                below = {f"{module}.{alias.name}" for alias in node.names}
                modules = {name for name in below if _source(name).is_file()}
                names |= modules if module == "dotlib" and below == modules else modules | {module}
    return names


@functools.cache
def _module(name: str) -> tuple[str, set[str]]:
    """A module's bare syntax tree as text, and the modules of dotlib that it imports."""
    tree = ast.parse(_source(name).read_text(encoding="utf-8"))
    names = imported(tree)
    return _bare(tree), names


def _source(name: str) -> Path:
    """The file of a module of dotlib, no file for another name; a stub tells what a package imports lazily."""
    package, *parts = name.split(".")
    base = Path(__file__).parents[1].joinpath(*parts)
    files = (base.with_suffix(".py"), base / "__init__.pyi", base / "__init__.py")
    return next((file for file in files if package == "dotlib" and file.exists()), base)


def _digest(texts: list[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
