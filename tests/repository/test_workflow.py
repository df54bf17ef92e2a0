"""The workflow: pages, what each needs, what is made again, one build at a time. Kinds: invariants, failures."""

import fnmatch
import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import snakemake_runs
import yaml
from filelock import FileLock

from dotlib import notebooks, steps
from dotlib.experiments.status import LAST
from dotlib.results import files
from dotlib.results.records import Record
from dotlib.training.settings import SHAPES, PairName, pair_names

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(path.stem for path in (ROOT / "notebooks").glob("*.md"))


@pytest.fixture
def _root(monkeypatch):
    monkeypatch.chdir(ROOT)


# --- the repository ------------------------------------------------------------------------------


@pytest.mark.usefixtures("_root")
def test_the_workflow_stays_readable_at_one_sitting():
    assert len(Path("workflow/Snakefile").read_text(encoding="utf-8").splitlines()) < 120


@pytest.mark.usefixtures("_root")
def test_contents_notebooks_and_pages_agree():
    toc = yaml.safe_load(Path("_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(c["file"] for part in toc["parts"] for c in part["chapters"])]
    assert sorted(file for file in files if file.startswith("executed/")) == [f"executed/{page}" for page in PAGES]
    assert set(re.findall(r"executed/\w+", Path("_toc.yml").read_text(encoding="utf-8"))) <= {*files}
    assert all(Path(f"{file}.md").exists() for file in files if file.startswith("book"))


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize("page", PAGES)
def test_steps_of_a_page_exist_and_name_what_it_reads(page):
    images = [name for dataset in SHAPES for name in pair_names(dataset)]
    needed = importlib.import_module(f"dotlib.experiments.{page}").STEPS
    assert dict(needed).get("page", "*") == "*" and ("page" in dict(needed)) == (page in LAST)
    for kind, item in needed:
        assert kind in {*steps.KINDS, "page", "record"}
        if kind in steps.KINDS:
            for name in fnmatch.filter(images, item) or [item]:
                assert all(other in steps.KINDS for other, _ in steps.KINDS[kind].needs(name))
    text = Path(f"notebooks/{page}.md").read_text(encoding="utf-8")
    module = Path(f"dotlib/experiments/{page}.py")
    text += module.read_text(encoding="utf-8") if module.exists() else ""
    read = {folder.name for folder in Path("results").iterdir() if folder.is_dir() and f'"{folder.name}"' in text}
    named = [page, *(item for kind, item in needed if kind == "record")]
    assert all(any(fnmatch.fnmatch(folder, name) for name in named) for folder in read)


@pytest.mark.usefixtures("_root")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_reaches_its_own_module_and_that_of_no_other_page(page):
    reached, waiting = set(), {f"notebooks/{page}.md"}
    while waiting:
        reached |= waiting
        waiting = {name for module in waiting for name in files._module(module)[1]} - reached
    assert {name for name in reached if name.startswith("dotlib.experiments.")} == {f"dotlib.experiments.{page}"}


@pytest.mark.usefixtures("_root")
def test_a_page_depends_on_the_variables_that_its_text_names(monkeypatch):
    """Else a folder of weights that is named after a first build would change nothing."""
    monkeypatch.delenv("DOTLIB_SNGAN", raising=False)
    before = files.variables("notebooks/tab3_conditional.md")
    monkeypatch.setenv("DOTLIB_SNGAN", "weights")
    after = files.variables("notebooks/tab3_conditional.md")
    assert "DOTLIB_SNGAN=" in before.split() and "DOTLIB_SNGAN=weights" in after.split()
    assert files.variables("notebooks/keff.md") == ""


@pytest.mark.usefixtures("_root")
def test_the_campaign_names_the_records_that_its_parameters_make():
    campaign = yaml.safe_load(Path("results/campaign.yml").read_text(encoding="utf-8"))
    assert len(campaign) > 20
    for record, values in campaign.items():
        page, key = record.split("/")
        parts = (values.get(part) for part in ("dataset", "name", "rows", "row", "judge", "weights"))
        name = "-".join(filter(None, parts))
        assert key == Record(page, values["profile"], name, values.get("seed", 0), {}).key
        assert values.keys() <= notebooks.parameters(notebooks.read(f"notebooks/{page}.md"))
        if "rows" in values:
            assert str(PairName.parse(f"{values['dataset']}-{values['rows']}"))


def test_nothing_heavy_is_loaded_to_read_the_workflow():
    imports = re.findall("^(?:import|from) .*", (ROOT / "workflow/Snakefile").read_text("utf-8"), re.MULTILINE)
    code = "\n".join(
        [*imports, "import dotlib.cli", "print(*{'torch', 'numpy', 'ot', 'sklearn'} & sys.modules.keys())"]
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.strip() == ""


# --- a small project under the real Snakefile ----------------------------------------------------

COMMANDS = """import sys
import time
from pathlib import Path

from dotlib.training import settings

command, first, second, *options = sys.argv[1:]
with open("log.txt", "a") as log:
    print(command, *((first, second) if command == "step" else (Path(first).stem,)), file=log)
if command == "train":
    path = settings.artifact_path(first, profile=options[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("weights")
elif command == "step":
    print("made", second)
elif command == "record":
    for path in (Path("results", first).with_suffix(".json"), Path("_build/campaign", first).with_suffix(".ipynb")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
else:
    text = Path(first).read_text()
    if "slow" in text:
        time.sleep(5)
    if "broken" in text:
        sys.exit(f"{first}: code cell 2 of 2 failed")
    Path(second).write_text("{}")
"""
BUILDER = """from pathlib import Path

with open("log.txt", "a") as log:
    print("html", file=log)
Path("_build/html").mkdir(exist_ok=True)
Path("_build/html/index.html").write_text("book")
"""
CELL = "```{code-cell} python3\nfrom dotlib.experiments import one\n```\n"
TOC = "root: executed/last\nparts:\n- chapters:\n  - file: executed/one\n  - file: executed/two\n"
ONE = """\"\"\"Page one.\"\"\"

from dotlib import pairs
from dotlib.results import paper

STEPS = (("move", "swissroll"), ("record", "two"))
"""
KEPT = ("settings", "schedules", "steps", "profiles", "provenance", "errors", "files", "paper", "paper_values")
PAIRS = ["train 25gaussians-wgan-gp", "train swissroll-wgan-gp"]
ALL = ["html", "run last", "run one", "run two", "step move swissroll", *PAIRS]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A project of three pages, made; its commands only write a log. Every test leaves it made."""
    if shutil.which("bash") is None:
        pytest.skip("snakemake's shell commands need bash")
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "workflow", root / "workflow")
    for path in ROOT.glob("dotlib/**/*.*"):
        if path.stem in (*KEPT, "__init__", "interactive"):  # of the package, what the Snakefile reaches
            (root / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, root / path.relative_to(ROOT))
    campaign = {f"{page}/{profile}-x-s0": {"profile": profile} for page in "ab" for profile in ("laptop", "paper")}
    files = {
        "dotlib/cli.py": COMMANDS,
        "dotlib/pairs.py": "",
        "dotlib/plots/points.py": "",
        "dotlib/evaluation/points.py": "from dotlib import pairs\n",
        "dotlib/experiments/__init__.py": "",
        "dotlib/experiments/one.py": ONE,
        "dotlib/experiments/two.py": 'STEPS = (("pair", "25gaussians-wgan-gp"),)\n',
        "dotlib/experiments/last.py": 'STEPS = (("page", "*"), ("record", "*"))\n',
        "workflow/build_book.py": BUILDER,
        "results/campaign.yml": yaml.safe_dump(campaign),
        "results/one/laptop.json": "{}",
        "results/two/laptop.json": "{}",
        "_config.yml": "",
        "_toc.yml": TOC,
        "constraints.txt": "",
        "book/prose.md": "text",
        "pyproject.toml": '[project]\nname = "dotlib"\n',  # marks a checkout
        "notebooks/one.md": CELL,
        "notebooks/two.md": CELL.replace("one", "two"),
        "notebooks/last.md": CELL.replace("one", "last"),
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    done, messages = make(root)
    assert sorted(done) == ALL and done[-2:] == ["run last", "html"]
    assert done.index("train swissroll-wgan-gp") < done.index("step move swissroll") < done.index("run one")
    assert re.search(r"^ +0:\d\d  0/7  start  pair swissroll-wgan-gp$", messages, re.MULTILINE)
    assert re.search(r"^ +\d:\d\d  6/7  done   page last, \d+ s; about \d+ s left$", messages, re.MULTILINE)
    assert "the book is at file://" in messages
    assert len(messages.splitlines()) == 2 + 2 * len(ALL)
    return root


def start(root, *arguments, **variables):
    """Start what `make book` starts; its messages come in a file."""
    (root / "log.txt").write_text("", encoding="utf-8")
    variables = {"DOTLIB_ARTIFACTS": "_build/artifacts", "PYTHONPATH": f"{root}:workflow/plugins"} | variables
    return snakemake_runs.start(root, [*arguments, "--cores", "2", "--logger", "progress"], variables)


def make(root, *arguments, status=0, **variables):
    """What one build did, and its messages."""
    run = start(root, *arguments, **variables)
    messages = run.end(status)
    return (root / "log.txt").read_text(encoding="utf-8").splitlines(), messages


def edit(root, name, change):
    path = root / name
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")


def test_only_what_changed_is_made_again(tree):
    for path in (*tree.glob("notebooks/*"), *tree.glob("dotlib/*.py"), tree / "constraints.txt"):
        path.touch()  # as a checkout does: newer, but the same
    for name in ("cli", "experiments/one", "evaluation/points"):
        edit(tree, f"dotlib/{name}.py", lambda text: text + "# a comment\n")
    assert make(tree)[0] == []

    add = "{}\nX = 1\n".format
    for name, change, made in (
        ("dotlib/experiments/one.py", lambda text: text.replace("Page one.", "Page 1."), ["html"]),
        ("dotlib/experiments/one.py", add, ["html", "run last", "run one"]),
        ("dotlib/pairs.py", add, ["html", "run last", "run one", "step move swissroll"]),
        ("dotlib/plots/points.py", add, ["html"]),
        ("book/prose.md", add, ["html"]),
        ("notebooks/one.md", add, ["html", "run last", "run one"]),
        ("results/one/laptop.json", add, ["html", "run last", "run one"]),
        ("results/two/laptop.json", add, ["html", "run last", "run one", "run two"]),
        ("dotlib/results/paper_values.yml", add, ["html", "run last", "run one"]),
        ("constraints.txt", add, ["html", "run last", "run one", "run two"]),
        ("notebooks/two.md", lambda text: text + "DOTLIB_PLACE names it.\n", ["html", "run last", "run two"]),
    ):
        edit(tree, name, change)
        assert sorted(make(tree)[0]) == made, name
    assert sorted(make(tree, DOTLIB_PLACE="elsewhere")[0]) == ["html", "run last", "run two"]
    assert sorted(make(tree)[0]) == ["html", "run last", "run two"]


def test_a_changed_training_setting_trains_again(tree):
    usual, other = '"generator_updates": 8_000', '"generator_updates": 9'
    edit(tree, "dotlib/training/settings.py", lambda text: text.replace(usual, other))
    assert {*PAIRS, "html"} <= {*make(tree)[0]}
    edit(tree, "dotlib/training/settings.py", lambda text: text.replace(other, usual))
    assert not {*PAIRS} & {*make(tree)[0]}  # the earlier pairs are still there


def test_a_committed_pair_is_taken_unless_all_are_to_be_trained(tree):
    """Which of the two files a step reads decides whether it is made again."""
    trained = next((tree / "_build/artifacts/swissroll-wgan-gp").glob("laptop-*"))
    shipped = tree / "pairs/swissroll-wgan-gp" / trained.name
    shipped.parent.mkdir(parents=True)
    trained.rename(shipped)
    made = ["html", "run last", "run one", "step move swissroll"]
    assert sorted(make(tree)[0]) == made
    assert sorted(make(tree, DOTLIB_TRAIN="1")[0]) == [*made, "train swissroll-wgan-gp"] and trained.exists()
    assert make(tree, DOTLIB_TRAIN="1")[0] == []
    assert sorted(make(tree)[0]) == made
    shutil.rmtree(shipped.parent)
    assert sorted(make(tree)[0]) == made  # the one that was trained is still there


def test_pages_alone_are_made_again_when_all_is_to_be_measured(tree):
    pages = ["html", "run last", "run one", "run two"]
    assert sorted(make(tree, DOTLIB_MEASURE="1")[0]) == pages
    assert make(tree, DOTLIB_MEASURE="1")[0] == []
    assert sorted(make(tree)[0]) == pages


def test_profiles_keep_apart_and_return_cheaply(tree):
    assert sorted(make(tree, "--config", "profile=smoke")[0]) == ALL
    assert make(tree)[0] == ["html"]  # back to the default: only the HTML is of the other profile


def test_an_unknown_profile_is_refused(tree):
    done, messages = make(tree, "--config", "profile=latop", status=1)
    assert done == [] and "profile: unknown 'latop'; known: laptop, paper, smoke; nearest: laptop" in messages


def test_a_broken_notebook_stops_its_page_and_is_named(tree):
    edit(tree, "notebooks/two.md", lambda text: text + "broken")
    edit(tree, "notebooks/one.md", lambda text: text + "once more")
    done, messages = make(tree, status=1)
    assert sorted(done) == ["run one", "run two"]  # the other pages still run
    assert not (tree / "_build/executed/laptop/two.ipynb").exists()
    log = "_build/logs/laptop/page-two.log"
    assert f"FAILED page two; the end of {log}:\n    notebooks/two.md: code cell 2 of 2 failed\n" in messages
    assert messages.splitlines()[-1] == f"failed: page two; its log is {log}"
    assert (tree / log).read_text(encoding="utf-8") == "notebooks/two.md: code cell 2 of 2 failed\n"
    cell = "```{code-cell} python3\n%magic\nx = = 1\n```\n"  # its run would say that this is no Python
    edit(tree, "notebooks/two.md", lambda text: text.replace("broken", cell))
    assert make(tree)[0] == ["run two", "run last", "html"]


def test_a_second_build_waits(tree):
    locks = tree / ".snakemake/locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("_build/html/.profile\n", encoding="utf-8")
    with FileLock(tree / "_build/book.lock"):
        run = start(tree)
        run.wait_for("waiting: another build is running in this folder\n")
        assert make(tree, "--dry-run")[0] == []  # which changes nothing, and does not wait
        assert run.process.is_alive() and list(locks.iterdir())
    assert "nothing has changed" in run.end() and not locks.exists()


def test_the_locks_of_a_killed_build_are_removed(tree):
    edit(tree, "notebooks/one.md", lambda text: text + "slow")
    run = start(tree)
    run.wait_for("start  page one")
    run.process.kill()
    run.end(-signal.SIGKILL)
    assert list((tree / ".snakemake/locks").iterdir())
    edit(tree, "notebooks/one.md", lambda text: text.replace("slow", "fast"))
    assert "run one" in make(tree)[0]


def test_the_campaign_makes_the_next_record_that_nobody_makes(tree):
    artifacts = tree / "_build/artifacts/campaign"
    campaign = ("campaign", "--nolock", "--forcerun", "record")  # as the Makefile
    assert make(tree, *campaign)[0] == ["record laptop-x-s0"]
    assert (tree / "results/a/laptop-x-s0.json").exists()
    with FileLock(artifacts / "b/laptop-x-s0.lock"), FileLock(tree / "_build/book.lock"):  # here or on another machine
        done, messages = make(tree, *campaign)
        assert done == [] and "nothing to do here: other records are made by other processes" in messages
    assert make(tree, *campaign)[0] == ["record laptop-x-s0"]
    assert (tree / "results/b/laptop-x-s0.json").exists()
    done, messages = make(tree, *campaign, "--config", "device=cuda")
    assert done == ["record paper-x-s0"] and (tree / "results/a/paper-x-s0.json").exists()
    assert "0/1  start  record a/paper-x-s0\n" in messages and "left" not in messages  # nothing but the record
    make(tree)  # its first page lists what is recorded
