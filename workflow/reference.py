"""Sphinx extension: fills book/api and its pages, one for each room, from the package: the front door first.

What only makes the pages of this book, the program and its workflow is left out: it may be read, but is not for use.
"""

import importlib
import inspect
import pkgutil
import tomllib
from pathlib import Path

from sphinx.application import Sphinx

import dotlib

ROOT = Path(__file__).resolve().parents[1]
FRONT_DOOR, ROOMS, ROOM = "<!-- front door -->", "<!-- rooms -->", "<!-- room -->"
INTERNAL = ("cli", "notebooks", "steps", "experiments")  # rooms
EVALUATION = (  # what measures any pair or sampler; the other modules of this room make statements of single pages
    "classifiers",
    "comparison",
    "conditional",
    "efficientnet",
    "extractors",
    "images",
    "inception",
    "judges",
    "moves",
    "point_quality",
    "points",
)


def setup(app: Sphinx) -> dict:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the names of the package in the place of the marks."""
    if docname == "book/api":
        source[0] = source[0].replace(FRONT_DOOR, front_door()).replace(ROOMS, table())
    elif docname.startswith("book/api-"):
        source[0] = source[0].replace(ROOM, room(docname.removeprefix("book/api-")))


def front_door() -> str:
    """A table of the promised names, each with the first line of its docstring and a link to the whole."""
    lines = ["| name | what it is |", "|:--|:--|"]
    for name in dotlib.__all__:
        thing = getattr(dotlib, name)
        summary = inspect.getdoc(thing).splitlines()[0].replace("|", "\\|")
        lines.append(f"| {{py:obj}}`dot.{name} <{thing.__module__}.{thing.__qualname__}>` | {summary} |")
    return "\n".join(lines)


def rooms() -> list[str]:
    """The rooms for use, from the ground up, as the import contract orders them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    names = [name.strip() for layer in reversed(layers) for name in layer.split("|")]
    return [name for name in names if name not in INTERNAL]


def table() -> str:
    """A table of the rooms, each with a link to its page."""
    lines = ["| room | holds |", "|:--|:--|"]
    for name in rooms():
        summary = (inspect.getdoc(importlib.import_module(f"dotlib.{name}")) or "").splitlines()[0]
        lines.append(f"| {{doc}}`dotlib.{name} <api-{name}>` | {summary} |")
    return "\n".join(lines)


def room(name: str) -> str:
    """The room's own docstring, then each of its modules with all public names."""
    package = importlib.import_module(f"dotlib.{name}")
    if not hasattr(package, "__path__"):
        return members(package.__name__)
    modules = [module.name for module in pkgutil.iter_modules(package.__path__)]
    shown = [module for module in modules if name != "evaluation" or module in EVALUATION]
    sections = [f"## `dotlib.{name}.{module}`\n\n{members(f'dotlib.{name}.{module}')}" for module in shown]
    return "\n".join([inspect.getdoc(package) or "", "", *sections])


def members(module: str) -> str:
    """The directive that documents a module."""
    return f"```{{eval-rst}}\n.. automodule:: {module}\n   :members:\n```\n"
