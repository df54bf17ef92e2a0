"""The workflow on Slurm: two trainings and a page, a job that fails, a job that is killed. `make test-cluster`."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from cluster import loopback_slurm
from safetensors.torch import load_file, save

pytestmark = pytest.mark.cluster
ROOT = Path(__file__).resolve().parents[2]

# All that these tests know of the book: a page that needs two pairs, one of them, and a page that needs none.
PAGE, PAIR, BROKEN_PAGE = "theorems", "swissroll-wgan-gp", "runtimes"
EXECUTED, ARTIFACTS, LOGS = "_build/executed/smoke", "_build/artifacts", "_build/logs"

LIMIT = 600  # seconds for one call of snakemake; it looks at its jobs after 5, 20, 45, 80, ... seconds


@dataclass(frozen=True)
class Run:
    """A call of snakemake: exit status, messages, and (state, partition, account) of its Slurm jobs."""

    status: int
    messages: str
    jobs: list[tuple[str, ...]]


@pytest.fixture(scope="module")
def slurm():
    with loopback_slurm.running() as folder:
        yield folder


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the working tree in which one page is broken and trainings save their state every second."""
    tree = tmp_path_factory.mktemp("cluster") / "tree"
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split("\0"):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, tree / name)
    cell = '```{code-cell} python3\nraise RuntimeError("broken on purpose")\n```\n'
    edit(tree / f"notebooks/{BROKEN_PAGE}.md", r"(?s)```\{code-cell\}.*?\n```\n", lambda first: f"{first[0]}\n{cell}")
    interval = "checkpoint_seconds: float = "
    [trainer] = [file for file in (tree / "dotlib").rglob("*.py") if interval + "20.0" in file.read_text("utf-8")]
    edit(trainer, interval + "20.0", interval + "1.0")
    return tree


def edit(file, pattern, replacement):
    text, changes = re.subn(pattern, replacement, file.read_text("utf-8"), count=1)
    assert changes == 1
    file.write_text(text, "utf-8")


@contextmanager
def snakemake(tree, *arguments, **variables):
    """Snakemake runs in the tree with the profile for Slurm, at the longest until the end of the block."""
    foreign = ("SLURM", "SBATCH", "SRUN", "DOTLIB", "SNAKEMAKE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    path = f"{tree.parent}:{Path(sys.executable).parent}:{environment['PATH']}"
    environment |= {"PYTHONPATH": str(tree), "PATH": path, "OMP_NUM_THREADS": "1"} | variables
    profile = ("--snakefile", "workflow/Snakefile", "--workflow-profile", "workflow/profiles/slurm")
    command = ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "snakemake", *arguments, *profile]
    command += ["--config", "profile=smoke"]
    messages = tree / "messages.txt"
    with messages.open("w") as file:
        process = subprocess.Popen(command, cwd=tree, env=environment, stdout=file, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        print(messages.read_text("utf-8"))  # pytest shows it where a test fails


def finish(tree, process):
    """Wait until snakemake ends by itself, not above LIMIT."""
    status, messages = process.wait(LIMIT), (tree / "messages.txt").read_text("utf-8")
    name = re.search(r"SLURM run ID: (\S+)", messages)[1]
    jobs = subprocess.run(
        ["squeue", "--noheader", "--states=all", "--name", name, "--format=%T %P %a"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Run(status, messages, sorted(tuple(line.split()) for line in jobs.stdout.splitlines()))


@pytest.fixture(scope="module")
def book(slurm, tree):
    """Two trainings and their page, and beside them the broken page, for an account in a partition."""
    accounts = tree.parent / "sacctmgr"  # names the user's accounts, where Slurm itself would need a database
    accounts.write_text("#!/bin/sh\necho lab\n", "utf-8")
    accounts.chmod(0o755)
    pages = [f"{EXECUTED}/{page}.ipynb" for page in (PAGE, BROKEN_PAGE)]
    with snakemake(tree, *pages, SBATCH_ACCOUNT="lab", SBATCH_PARTITION="second") as process:
        return finish(tree, process)


def working_in(folder):
    """Ids of the processes that work in a folder."""
    ids = []
    for file in Path("/proc").glob("[0-9]*/cwd"):
        with suppress(OSError):  # ended meanwhile
            ids += [file.parent.name] if os.readlink(file) == str(folder) else []
    return ids


def digest(path):
    """sha256 of a pair's tensors, without the seconds and the date in its file."""
    return hashlib.sha256(save(load_file(path))).hexdigest()


def test_two_trainings_and_a_page_are_jobs(book, tree):
    assert [state for state, *_ in book.jobs] == ["COMPLETED"] * 3 + ["FAILED"]
    assert (tree / EXECUTED / f"{PAGE}.ipynb").exists()


def test_account_and_partition_come_from_the_environment(book):
    assert {tuple(where) for _, *where in book.jobs} == {("second", "lab")}


def test_a_failed_job_is_reported_with_its_log(book, tree):
    assert book.status == 1
    [log] = (tree / LOGS / "slurm").rglob("*.log")  # those of successful jobs are removed
    assert re.search(rf"log: .*{re.escape(str(log))}.* \(check log file", book.messages)
    assert "broken on purpose" in book.messages
    assert any("broken on purpose" in file.read_text("utf-8") for file in (tree / LOGS).rglob("*.log"))
    assert not (tree / EXECUTED / f"{BROKEN_PAGE}.ipynb").exists()


def test_a_killed_job_continues_to_equal_bits(book, tree):
    [undisturbed] = (tree / ARTIFACTS / PAIR).glob("*.safetensors")
    killed = tree / "_build/killed" / PAIR / undisturbed.name
    state = killed.with_suffix(".run") / "state.safetensors"
    target, place = str(killed.relative_to(tree)), {"DOTLIB_ARTIFACTS": str(tree / "_build/killed")}
    flags = ("--default-resources", "slurm_partition=first", "mem_mb=2000", "runtime=60")

    with snakemake(tree, target, *flags, **place) as process:
        end = time.monotonic() + LIMIT
        while not state.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.1)
        subprocess.run(["scancel", "--user=root"], check=True)
        run = finish(tree, process)
    assert (run.status, run.jobs) == (1, [("CANCELLED", "first", "(null)")])
    assert state.exists() and not killed.exists() and not working_in(tree)

    with snakemake(tree, target, *flags, **place) as process:
        run = finish(tree, process)
    assert (run.status, run.jobs) == (0, [("COMPLETED", "first", "(null)")])
    assert not state.exists()
    assert digest(killed) == digest(undisturbed)
