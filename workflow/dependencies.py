"""What a notebook depends on: modules of dotlib that it reaches, recorded results, book values."""

import ast
import re
from pathlib import Path

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```\s*$", re.MULTILINE | re.DOTALL)
OPTIONS = re.compile(r"\A(?:---\n.*?^---\n|(?::[^\n]*\n)+)", re.MULTILINE | re.DOTALL)


def of_notebook(notebook, root="."):
    """Files, besides the notebook itself, whose change means that its page is out of date."""
    root, notebook = Path(root), Path(notebook)
    text = notebook.read_text(encoding="utf-8")
    code = "\n".join(OPTIONS.sub("", cell) for cell in CELL.findall(text))
    names = _imported(code) if _is_python(code) else _all_modules(root)
    files = _closure(names, root)
    read = text + "".join(file.read_text(encoding="utf-8") for file in files)
    files |= {file for file in root.glob("results/*/*.json") if file.parent.name in read}
    files |= {root / "book" / name for name in re.findall(r"book/([\w.-]+\.ya?ml)", text)}
    if root / "dotlib" / "published.py" in files:
        files.add(root / "dotlib" / "results" / "paper_values.yml")
    return sorted(str(file) for file in files if file.exists())


def of_module(name, root="."):
    """Files of a module of dotlib and of all that it imports."""
    return sorted(str(file) for file in _closure({name}, Path(root)))


def _is_python(code):
    try:
        ast.parse(code)
    except SyntaxError:
        return False  # a magic, or a mistake that the run will report
    return True


def _all_modules(root):
    paths = (root / "dotlib").rglob("*.py")
    return {".".join(path.relative_to(root).with_suffix("").parts) for path in paths}


def _imported(code):
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in names if name.split(".")[0] == "dotlib"}


def _closure(names, root):
    files, waiting = set(), set(names)
    while waiting:
        base = root.joinpath(*waiting.pop().split("."))
        for file in (base.with_suffix(".py"), base / "__init__.py"):
            if file.exists() and file not in files:
                files.add(file)
                waiting |= _imported(file.read_text(encoding="utf-8"))
    return files
