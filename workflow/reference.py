"""Sphinx extension: fills book/api from the package: the front door first, then the rooms from the ground up."""

import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

import dotlib

ROOT = Path(__file__).resolve().parents[1]
FRONT_DOOR, ROOMS = "<!-- front door -->", "<!-- rooms -->"


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the names of the package in the place of the two marks."""
    if docname == "book/api":
        source[0] = source[0].replace(FRONT_DOOR, front_door()).replace(ROOMS, "\n".join(map(room, rooms())))


def front_door() -> str:
    """A table of the promised names, each with the first line of its docstring and a link to the whole."""
    lines = ["| name | what it is |", "|:--|:--|"]
    for name in dotlib.__all__:
        thing = getattr(dotlib, name)
        summary = inspect.getdoc(thing).splitlines()[0].replace("|", "\\|")
        lines.append(f"| {{py:obj}}`dot.{name} <{thing.__module__}.{thing.__qualname__}>` | {summary} |")
    return "\n".join(lines)


def rooms() -> list[str]:
    """The rooms from the ground up, as the import contract orders them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [name.strip() for layer in reversed(layers) for name in layer.split("|")]


def room(name: str) -> str:
    """A section: the room's own docstring, then each of its modules with all public names."""
    package = importlib.import_module(f"dotlib.{name}")
    if not hasattr(package, "__path__"):
        return f"## `dotlib.{name}`\n\n{members(package.__name__)}"
    modules = [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    sections = [f"### `{module}`\n\n{members(module)}" for module in modules]
    return "\n".join([f"## `dotlib.{name}`", "", inspect.getdoc(package) or "", "", *sections])


def members(module: str) -> str:
    """The directive that documents a module."""
    return f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n"
