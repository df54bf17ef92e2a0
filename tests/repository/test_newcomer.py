"""The walk of CONTRIBUTING: a page from nothing, as it is written there. Kind of test: an invariant."""

import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WALK = TEXT.split("## A newcomer's walk")[1].split("\n## Add a sampler")[0]


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


def the_walk(tree: Path) -> set[str]:
    """Do what the walk says; the names of the files that it touches."""
    module, test = re.findall(r"^```python\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE)
    (notebook,) = re.findall(r"^````markdown\n(.*?)^````$", WALK, re.DOTALL | re.MULTILINE)
    (line,) = re.findall(r"^```yaml\n(.*?)^```$", WALK, re.DOTALL | re.MULTILINE)
    parts = {
        "dotlib/experiments/radius.py": module,
        "tests/experiments/test_radius.py": test,
        "notebooks/radius.md": notebook,
    }
    for name, text in parts.items():
        (tree / name).write_text(text, encoding="utf-8")
    toc = tree / "_toc.yml"
    last = "      - file: executed/theorems\n"
    toc.write_text(toc.read_text(encoding="utf-8").replace(last, last + line), encoding="utf-8")
    assert "executed/radius" in [
        c["file"] for part in yaml.safe_load(toc.read_text())["parts"] for c in part["chapters"]
    ]
    return {*parts, "_toc.yml"}


def run(tree: Path, *command: str) -> str:
    done = subprocess.run(
        command, cwd=tree, env=os.environ | {"PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_page_from_nothing_is_built_and_nothing_else_is_touched(tmp_path):
    tree = copy_of_the_repository(tmp_path / "tree")
    touched = the_walk(tree)
    build(tree, "_build/executed/smoke/radius.ipynb")
    status = run(tree, "git", "status", "--porcelain")
    assert {row[3:] for row in status.splitlines()} == touched

    (tree / "_toc.yml").write_text("format: jb-book\nroot: executed/radius\n", "utf-8")  # the other pages need not run
    build(tree)
    page = (tree / "_build/html/executed/radius.html").read_text(encoding="utf-8")
    assert "How far latents lie from the origin" in page
    assert re.search(r"Dimension 128: the mean distance is (0\.99|1\.00)\d of the root of the dimension", page)


def test_the_new_page_passes_the_rules_for_all_pages_and_runs_alone(tmp_path):
    tree = copy_of_the_repository(tmp_path / "tree")
    the_walk(tree)
    rules = [f"tests/repository/test_{name}.py" for name in ("orphans", "pages", "hygiene", "language")]
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider"]
    report = run(
        tree, *pytest_here, "-rA", *rules, "tests/experiments/test_radius.py", "-k", "radius or orphans or labels"
    )
    assert "test_pages.py::test_of_what_a_page_shows_at_most_a_third_is_code_and_no_function[radius]" in report
    assert "test_language.py::test_a_page_is_said_as_one_says_it_aloud[radius]" in report
    assert "test_hygiene.py::test_module_is_small_documented_and_seeded[dotlib/experiments/radius.py]" in report
    run(tree, *pytest_here, "-m", "book", "tests/book/test_smoke_book.py", "-k", "owes")
    (command,) = re.findall(r"^```sh\n(.*?)\n```$", WALK, re.DOTALL | re.MULTILINE)
    run(tree, sys.executable, "-m", *command.split())
