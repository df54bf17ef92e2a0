"""What the workflow asks before anything runs: pages, the steps before each, the code that decides them."""

import ast
import fnmatch
import functools
import hashlib
import re
from pathlib import Path

import yaml

from dotlib.errors import InputError
from dotlib.results import files
from dotlib.training.settings import SHAPES, pair_names

IMAGE_PAIRS = [name for dataset in SHAPES for name in pair_names(dataset)]
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(?:---\n.*?^---\n|(?::[^\n]*\n)*)(.*?)^```\s*$", re.MULTILINE | re.DOTALL)


def pages():
    """Stems of the executed notebooks that _toc.yml lists."""
    return re.findall(r"^[\s-]*(?:root|file): executed/(\w+)$", _text("_toc.yml"), re.MULTILINE)


def steps(page):
    """(kind, item) of all that a page needs: STEPS of its module; "*" stands for image pairs, pages or records."""
    first = [other for other in pages() if "page" not in dict(_declared(other))]
    names = {"page": first, "record": [folder.name for folder in Path("results").iterdir()]}
    declared = [(kind, fnmatch.filter(names.get(kind, IMAGE_PAIRS), item) or [item]) for kind, item in _declared(page)]
    return [(kind, item) for kind, items in declared for item in items]


@functools.cache
def _declared(page):
    body = ast.parse(_text(f"dotlib/experiments/{page}.py")).body
    values = [node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "STEPS"]
    return ast.literal_eval(values[0]) if values else ()


def imported(page):
    """Modules of dotlib that a notebook imports."""
    cells = "\n".join(CELL.findall(_text(f"notebooks/{page}.md")))
    return files.imported(ast.parse(re.sub("^[%!].*", "", cells, flags=re.MULTILINE)))


def code(page):
    """Digest of the modules that a page reaches; comments and docstrings do not count."""
    try:
        return files.code_of(*imported(page))
    except (SyntaxError, InputError):
        return ""  # the run of the page says where


def docstrings():
    """Digest of all that the API reference shows: the package without its comments."""
    paths = sorted([*Path("dotlib").rglob("*.py"), *Path("dotlib").rglob("*.pyi")])
    return hashlib.sha256("".join(ast.dump(ast.parse(_text(path))) for path in paths).encode()).hexdigest()


def missing_records(device):
    """{record: parameters of its notebook} of the campaign; the published sizes are left to accelerators."""
    campaign = yaml.safe_load(_text("results/campaign.yml"))
    left = {record: values for record, values in campaign.items() if not Path("results", f"{record}.json").exists()}
    return {record: values for record, values in left.items() if values["profile"] != "paper" or device != "cpu"}


def _text(name):
    """What stands in a file; nothing where there is none."""
    return Path(name).read_text("utf-8") if Path(name).exists() else ""
