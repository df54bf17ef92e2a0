"""Files that are written whole or not at all, by one maker at a time; what was measured is kept and found again.

`cached` has one rule of staleness. The name of a file hashes the settings, the digests of the inputs, and the code: the
module of the function that makes it, with all modules of dotlib that this one imports. A module counts as its syntax
tree without docstrings, so that a comment voids nothing and a changed formula anywhere below voids every number made
with it. Imports under TYPE_CHECKING are not followed: nothing of them runs.
"""

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import filelock
import platformdirs

from dotlib.errors import FileError, InputError
from dotlib.results import provenance

T = TypeVar("T")


def home() -> Path:
    """Folder of all that is made: `_build` here in a checkout, the user's data folder for an installed copy."""
    return Path("_build") if provenance.checkout() else platformdirs.user_data_path("dotlib")


def artifacts() -> Path:
    """Folder of trained pairs and measured sets: $DOTLIB_ARTIFACTS, else one in `home`."""
    return Path(os.environ.get("DOTLIB_ARTIFACTS") or home() / "artifacts")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace the file at `path`: a reader sees the old one or the new one, never a part, also after a power cut."""
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` for UTF-8 text."""
    write_bytes(path, text.encode())


@contextlib.contextmanager
def only_maker(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold the lock of `path`; others wait for it, or for so many seconds. The system frees it when its holder dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(path.name + ".lock"), timeout):
        yield


def made(path: Path, make: Callable[[Path], object]) -> Path:
    """`path`, after `make(path)` has written it if no process had before."""
    if not path.exists():
        with only_maker(path):
            if not path.exists():
                make(path)
    return path


class Store(NamedTuple):
    """How a kind of content is kept: the ending of its files, `write(path, content)`, and `read(path)`."""

    suffix: str
    write: Callable[[Path, Any], object]
    read: Callable[[Path], Any]


def _write_values(path: Path, values: object) -> None:
    write_text(path, json.dumps({"values": values, "made": provenance.here()}, allow_nan=False) + "\n")


def _read_values(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["values"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{path}: cannot be read ({error}); delete it and run again") from error


VALUES = Store(".json", _write_values, _read_values)  # JSON-able, finite; tensors: see `training.checkpoints`


def cached(
    folder: str, name: str, make: Callable[[], T], *, decides: object, code: Iterable[Any] = (), store: Store = VALUES
) -> T:
    """What `make` returns, now or when the file `name` was written. Raises FileError for one that cannot be read.

    The file lies in a folder of `artifacts`, to whose name the digest of what decides its content is appended:
    settings and digests of inputs (whatever `described` takes), the module of `make`, and that of other code,
    functions and classes that `make` calls and that its module does not import. Nothing is kept where some code has no
    file, such as a class typed into a notebook.
    """
    modules = {getattr(part, "func", part).__module__ for part in (make, *code)}  # func: of a partial
    if not all(_source(module).is_file() for module in modules):
        return make()
    key = _digest([json.dumps(described(decides)), importlib.metadata.version("torch"), code_of(*modules)])
    path = artifacts() / f"{folder}-{key[:12]}" / f"{name}{store.suffix}"
    return store.read(made(path, lambda path: store.write(path, make())))


def described(value: object) -> Any:
    """Settings as JSON with sorted keys: dataclasses by name and fields, tensors by shape and content."""
    return json.loads(json.dumps(value, sort_keys=True, default=_plain))


def _plain(value: Any) -> list:
    if hasattr(value, "detach"):  # a tensor; torch is slow to import
        content = value.detach().cpu().contiguous().numpy().tobytes()
        return [list(value.shape), hashlib.sha256(content).hexdigest()]
    return [type(value).__name__, {field.name: getattr(value, field.name) for field in fields(value)}]


def code_of(*modules: str) -> str:
    """Digest of modules ("dotlib.pairs"), notebooks ("notebooks/keff.md"), and what they import. Raises InputError."""
    if missing := [name for name in modules if not _source(name).is_file()]:
        raise InputError(f"modules: found no file of {missing[0]!r}; name a module as an import does")
    known, waiting = set(), set(modules)
    while waiting:
        known |= waiting
        waiting = {name for module in waiting for name in _module(module)[1]} - known
    return _digest(f"{name} {_module(name)[0]}" for name in sorted(known))


def variables(notebook: str) -> str:
    """The values of the environment variables of this package that a notebook's text names: "DOTLIB_X=value"."""
    names = sorted(set(re.findall(r"DOTLIB_[A-Z]+", _source(notebook).read_text(encoding="utf-8"))))
    return " ".join(f"{name}={os.environ.get(name, '')}" for name in names)


def imported(tree: ast.AST) -> set[str]:
    """Modules of dotlib that a syntax tree imports; "dotlib" where it takes something from the package itself."""
    names, types_only = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            types_only |= set(node.body)
        elif isinstance(node, ast.Import) and node not in types_only:
            names |= {alias.name for alias in node.names if alias.name.split(".")[0] == "dotlib"}
        elif isinstance(node, ast.ImportFrom) and node not in types_only:
            module = ".".join(filter(None, ["dotlib" if node.level else "", node.module]))  # relative in __init__.pyi
            if module.split(".")[0] == "dotlib":
                below = {f"{module}.{alias.name}" for alias in node.names}
                modules = {name for name in below if _source(name).is_file()}
                names |= modules if module == "dotlib" and below == modules else modules | {module}
    return {name for name in names if _source(name).is_file()}


@functools.cache
def _module(name: str) -> tuple[str, set[str]]:
    """A module's bare syntax tree as text, with the data beside it that it names, and what it imports of dotlib."""
    source = _source(name)
    code = source.read_text(encoding="utf-8")
    if source.suffix == ".md":  # of a notebook only its imports: the workflow itself sees when it changes
        code = "\n".join(re.findall(r"^(?:from dotlib\S* import (?:\([^)]*\)|.*)|import dotlib.*)", code, re.MULTILINE))
    beside = (file for file in sorted(source.parent.iterdir()) if file.suffix in (".yml", ".mplstyle"))
    data = [file.read_text(encoding="utf-8") for file in beside if file.name in code]
    names = imported(tree := ast.parse(code))
    return "\n".join([ast.dump(_WithoutDocstrings().visit(tree)), *data]), names


def _source(name: str) -> Path:
    """The file of a module or notebook, no file for another name; a stub tells what a package imports lazily."""
    if name.endswith(".md"):
        return Path(name)
    package, *parts = name.split(".")
    if package != "dotlib":
        return Path(getattr(sys.modules.get(name), "__file__", None) or "")
    base = Path(__file__).parents[1].joinpath(*parts)
    files = (base.with_suffix(".py"), base / "__init__.pyi", base / "__init__.py")
    return next((file for file in files if file.exists()), base)


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()
