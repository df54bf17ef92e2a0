"""The workflow: pages, what each depends on, what is remade. Kinds: invariants, failures."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import dependencies
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def pages():
    """The table of executed pages."""
    return yaml.safe_load((ROOT / "workflow" / "pages.yml").read_text(encoding="utf-8"))


def test_pages_contents_and_notebooks_agree():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    executed = {f.removeprefix("executed/") for f in files if f.startswith("executed/")}
    assert executed == set(pages())
    assert {page["notebook"] for page in pages().values()} == {path.stem for path in (ROOT / "notebooks").glob("*.md")}
    assert all((ROOT / f"{f}.md").exists() for f in files if f.startswith("book"))


def test_dependencies_follow_imports(tmp_path):
    for name, text in {
        "__init__": "",
        "a": "from dotlib import b\n",
        "b": "import dotlib.c\n",
        "c": "",
        "d": "STEM = 'page'\n",
        "cli": "from dotlib import a\n",
    }.items():
        path = tmp_path / "dotlib" / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for file in ("results/page/x.json", "results/other/x.json"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).write_text("{}", encoding="utf-8")
    notebook = tmp_path / "page.md"
    cell = "```{code-cell} python3\n:tags: [x]\n\nfrom dotlib import a, d\n```\n"

    def found(text):
        notebook.write_text(text, encoding="utf-8")
        return {str(Path(f).relative_to(tmp_path)) for f in dependencies.of_notebook(notebook, tmp_path)}

    assert found(cell) == {
        "dotlib/__init__.py",
        "dotlib/a.py",
        "dotlib/b.py",
        "dotlib/c.py",
        "dotlib/d.py",
        "results/page/x.json",
    }
    assert found(cell.replace("a, d", "c")) == {"dotlib/__init__.py", "dotlib/c.py"}
    assert "dotlib/cli.py" in found(cell + "```{code-cell} python3\n%magic\n```\n")


STAND_IN = '''"""A stand-in, so that the rules can be tried in seconds."""
import sys
from pathlib import Path


def artifact_path(name, *, profile, seed=0):
    key = Path("settings.txt").read_text().strip()
    return Path(f"_build/artifacts/{name}/{profile}-{key}.bin")
'''
TRAINER = """import sys
from pathlib import Path
from dotlib import catalog

with open("log.txt", "a") as log:
    print("train", sys.argv[2], file=log)
path = catalog.artifact_path(sys.argv[2], profile=sys.argv[4])
path.parent.mkdir(parents=True, exist_ok=True)
path.write_text("weights")
"""
RUNNER = """import sys
from pathlib import Path

source, output, failure, *values = sys.argv[1:]
with open("log.txt", "a") as log:
    print("run", Path(output).stem, *values, file=log)
if "broken" in Path(source).read_text():
    Path(failure).parent.mkdir(parents=True, exist_ok=True)
    Path(failure).write_text(source + ": code cell 2 of 2 failed")
    sys.exit(1)
Path(output).write_text("{}")
"""
BUILDER = """from pathlib import Path

with open("log.txt", "a") as log:
    print("html", file=log)
Path("_build/html").mkdir(exist_ok=True)
Path("_build/html/index.html").write_text("book")
"""
PAGES = """one: {notebook: first, pairs: [p-a]}
two: {notebook: second, parameters: {dataset: swissroll}, pairs: [p-b]}
sum: {notebook: third, last: true}
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A small project under the real Snakefile; training, running and building only write a log."""
    if shutil.which("bash") is None:
        pytest.skip("snakemake's shell commands need bash")
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "workflow", root / "workflow")
    files = {
        "dotlib/__init__.py": "",
        "dotlib/catalog.py": STAND_IN,
        "dotlib/cli.py": TRAINER,
        "dotlib/used.py": "",
        "settings.txt": "k1",
        "workflow/run_page.py": RUNNER,
        "workflow/build_book.py": BUILDER,
        "workflow/pages.yml": PAGES,
        "_config.yml": "",
        "_toc.yml": "",
        "constraints.txt": "",
        "book/prose.md": "text",
        "notebooks/second.md": "second",
        "notebooks/third.md": "third",
        "notebooks/first.md": "```{code-cell} python3\nfrom dotlib import used\n```\n",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def make(root, *arguments, status=0):
    """What one `make book` did, in no particular order of equals; and its messages."""
    (root / "log.txt").write_text("", encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "workflow/make_book.py", "--cores", "2", *arguments],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert run.returncode == status, run.stdout + run.stderr
    return (root / "log.txt").read_text(encoding="utf-8").splitlines(), run.stdout + run.stderr


def test_only_what_changed_is_remade(tree):
    done, _ = make(tree)
    assert sorted(done) == [
        "html",
        "run one profile=laptop",
        "run sum profile=laptop",
        "run two dataset=swissroll profile=laptop",
        "train p-a",
        "train p-b",
    ]
    assert done[-2:] == ["run sum profile=laptop", "html"]
    assert make(tree)[0] == []

    (tree / "book/prose.md").write_text("other text", encoding="utf-8")
    assert make(tree)[0] == ["html"]

    (tree / "notebooks/first.md").touch()  # as a checkout does: newer, but the same
    assert make(tree)[0] == []

    with open(tree / "notebooks/second.md", "a", encoding="utf-8") as file:
        file.write(" edited")
    assert make(tree)[0] == ["run two dataset=swissroll profile=laptop", "run sum profile=laptop", "html"]

    (tree / "dotlib/used.py").write_text("x = 1\n", encoding="utf-8")
    assert make(tree)[0] == ["run one profile=laptop", "run sum profile=laptop", "html"]

    (tree / "dotlib/cli.py").write_text(TRAINER + "# changed\n", encoding="utf-8")
    assert make(tree)[0] == ["html"]  # its docstrings are in the reference; nothing runs again


def test_a_broken_notebook_stops_its_page_and_is_named(tree):
    make(tree)
    page = tree / "_build/executed/laptop/two.ipynb"
    (tree / "notebooks/second.md").write_text("broken", encoding="utf-8")
    done, messages = make(tree, status=1)
    assert done == ["run two dataset=swissroll profile=laptop"]
    assert not page.exists()
    assert "no page executed/two.ipynb:\nnotebooks/second.md: code cell 2 of 2 failed" in messages
    (tree / "notebooks/second.md").write_text("mended", encoding="utf-8")
    assert make(tree)[0][-1] == "html"


def test_a_changed_training_setting_retrains(tree):
    make(tree)
    (tree / "settings.txt").write_text("k2", encoding="utf-8")
    done, _ = make(tree)
    assert {"train p-a", "train p-b", "html"} <= set(done)
    (tree / "settings.txt").write_text("k1", encoding="utf-8")
    done, _ = make(tree)  # the earlier pairs are still there
    assert not any(line.startswith("train") for line in done)


def test_profiles_keep_apart_and_return_cheaply(tree):
    make(tree)
    done, _ = make(tree, "--profile", "smoke")
    assert "train p-a" in done and "run one profile=smoke" in done and done[-1] == "html"
    assert make(tree)[0] == ["html"]  # back to the default: only the HTML is of the other profile


def test_an_unknown_profile_is_refused(tree):
    _, messages = make(tree, "--profile", "latop", status=2)
    assert "invalid choice: 'latop'" in messages
