"""The walk of CONTRIBUTING: a page from nothing, as it is written there. Kind of test: an invariant."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALK = TEXT.split("## A newcomer's walk")[1].split("\n## ")[0]


def copy_of_the_repository(folder: Path) -> Path:
    """The tracked files as they are now, under git."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    for arguments in (["init", "-q"], ["add", "-A"], [*who, "commit", "-q", "-m", "as it is"]):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


def build(folder: Path, *arguments: str) -> str:
    """What a build prints in that folder, with its own package."""
    run = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments, "--cores", "1", "--config", "profile=smoke"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def test_a_page_from_nothing_is_built_and_nothing_else_is_touched(tmp_path):
    tree = copy_of_the_repository(tmp_path / "tree")
    (module,) = re.findall(r"^```python\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE)
    (notebook,) = re.findall(r"^````markdown\n(.*?)^````$", WALK, re.DOTALL | re.MULTILINE)
    (line,) = re.findall(r"^```yaml\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE)
    (tree / "dotlib/experiments/radius.py").write_text(module, encoding="utf-8")
    (tree / "notebooks/radius.md").write_text(notebook, encoding="utf-8")
    toc = tree / "_toc.yml"
    before = toc.read_text(encoding="utf-8")
    toc.write_text(
        before.replace("      - file: executed/theorems\n", "      - file: executed/theorems\n" + line), "utf-8"
    )
    assert len(yaml.safe_load(toc.read_text(encoding="utf-8"))["parts"]) == len(yaml.safe_load(before)["parts"])
    build(tree, "_build/executed/smoke/radius.ipynb")
    touched = subprocess.run(
        ["git", "status", "--porcelain"], cwd=tree, capture_output=True, text=True, check=True
    ).stdout
    assert {row[3:] for row in touched.splitlines()} == {
        "_toc.yml",
        "dotlib/experiments/radius.py",
        "notebooks/radius.md",
    }

    toc.write_text(
        "format: jb-book\nroot: executed/radius\n", encoding="utf-8"
    )  # the other pages need not run for this
    build(tree)
    page = (tree / "_build/html/executed/radius.html").read_text(encoding="utf-8")
    assert "How far latents lie from the origin" in page
    assert re.search(r"mean distance 11\.\d\d, root of the dimension 11\.31", page)
