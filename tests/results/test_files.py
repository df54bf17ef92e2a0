"""Files: old or new, never a part; one maker at a time; found again by what decides them: settings, inputs, code.

Kinds of test: failures (a death at each stage, kills, damage), identities (comments void nothing), invariances (what
must change a name, does), second method (the order of system calls, which a power cut would show).
"""

import ast
import importlib
import importlib.util
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from dotlib.errors import FileError, InputError
from dotlib.results import files
from dotlib.training import checkpoints

OLD, NEW = b"old content", b"new content, longer than the old one"
STAGES = ("mkstemp", "fdopen", "write", "fsync", "chmod", "replace", "sync_folder")


def dying_at(stage: str, end) -> None:
    """Make the named stage of `write_bytes` call `end`; `write` ends after half the bytes."""
    if stage == "mkstemp":
        files.tempfile.mkstemp = end
    elif stage == "sync_folder":
        files._sync_folder = end
    elif stage == "write":
        opened = os.fdopen

        class Half:
            def __init__(self, file):
                self.file = file

            def __enter__(self):
                return self

            def __exit__(self, *error):
                self.file.close()

            def write(self, content):
                self.file.write(content[: len(content) // 2])
                self.file.flush()
                end()

        files.os.fdopen = lambda *arguments: Half(opened(*arguments))
    else:
        setattr(files.os, stage, end)


def forked(work) -> int:
    """Run `work` in a child. It touches only files, so a fork of the test process is safe."""
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)  # never back into the test runner
    return child


@pytest.mark.parametrize("present", [True, False])
@pytest.mark.parametrize("stage", STAGES)
def test_a_process_that_dies_leaves_the_old_file_or_the_new_one(tmp_path, stage, present):
    path = tmp_path / "file"
    if present:
        path.write_bytes(OLD)

    def die(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def die_writing() -> None:
        dying_at(stage, die)
        files.write_bytes(path, NEW)

    child = forked(die_writing)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    if stage == "sync_folder":
        assert path.read_bytes() == NEW
    elif present:
        assert path.read_bytes() == OLD
    else:
        assert not path.exists()
    files.write_bytes(path, NEW)  # what the dead left does not hinder the next
    assert path.read_bytes() == NEW


@pytest.mark.parametrize("stage", ["write", "fsync", "chmod", "replace"])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, stage):
    path = tmp_path / "file"
    path.write_bytes(OLD)

    def full(*_):
        raise OSError(28, "No space left on device")

    # only to have monkeypatch restore what `dying_at` replaces
    monkeypatch.setattr(files.os, "fdopen", os.fdopen)
    monkeypatch.setattr(files.os, "fsync", os.fsync)
    monkeypatch.setattr(files.os, "chmod", os.chmod)
    monkeypatch.setattr(files.os, "replace", os.replace)
    dying_at(stage, full)
    with pytest.raises(OSError, match="No space left"):
        files.write_bytes(path, NEW)
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["file"] and path.read_bytes() == OLD


def test_interrupt_removes_the_temporary_file(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write_text(tmp_path / "file", "x")
    assert list(tmp_path.iterdir()) == []


def test_content_is_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    """The order that keeps a file whole through a power cut."""
    calls = []
    fsync, rename = os.fsync, os.replace

    def recording_fsync(handle):
        calls.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")
        fsync(handle)

    monkeypatch.setattr(files.os, "fsync", recording_fsync)
    monkeypatch.setattr(files.os, "replace", lambda *a: (calls.append("rename"), rename(*a)))
    files.write_bytes(tmp_path / "file", NEW)
    if Path("/proc/self/fd").exists():
        assert calls == ["file", "rename", "folder"]
    assert len(calls) == 3 and calls[1] == "rename"


def test_text_is_utf8_folders_are_made_and_others_may_read(tmp_path):
    path = tmp_path / "a" / "b" / "file.txt"
    files.write_text(path, "λ = 0.1\n")
    assert path.read_bytes() == b"\xce\xbb = 0.1\n"
    assert path.stat().st_mode & 0o777 == 0o644
    files.write_bytes(path, b"")
    assert path.read_bytes() == b""


def locked_child(path: Path, log: Path, hold: float) -> int:
    """A process that takes the lock, notes its entry, waits `hold` seconds, notes its exit."""

    def work() -> None:
        with files.only_maker(path), log.open("a") as file:
            file.write("in ")
            file.flush()
            time.sleep(hold)
            file.write("out ")

    return forked(work)


def test_makers_take_turns(tmp_path):
    path, log = tmp_path / "deep" / "pair", tmp_path / "log"
    children = [locked_child(path, log, 0.05) for _ in range(3)]
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert log.read_text() == "in out " * 3
    assert not path.exists()  # the lock is another file


def test_a_killed_maker_frees_the_lock(tmp_path):
    path, log = tmp_path / "pair", tmp_path / "log"
    child = locked_child(path, log, 60)
    while not log.exists() or "in" not in log.read_text():
        time.sleep(0.005)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    start = time.monotonic()
    with files.only_maker(path):
        assert time.monotonic() - start < 10  # of the 60 that the dead maker wanted


def test_an_error_inside_frees_the_lock(tmp_path):
    with pytest.raises(RuntimeError, match="inside"), files.only_maker(tmp_path / "pair"):
        raise RuntimeError("inside")
    with files.only_maker(tmp_path / "pair"):
        pass


# --- folders --------------------------------------------------------------------------------------


def test_a_checkout_builds_here_and_an_installed_copy_in_the_users_folder(tmp_path, monkeypatch, artifact_folder):
    assert files.artifacts() == artifact_folder
    monkeypatch.delenv("DOTLIB_ARTIFACTS")
    assert files.artifacts() == Path("_build/artifacts")
    monkeypatch.setattr(files.provenance, "checkout", lambda: None)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert files.artifacts() == tmp_path / "data" / "dotlib" / "artifacts"
    monkeypatch.setenv("DOTLIB_ARTIFACTS", str(artifact_folder))
    assert files.artifacts() == artifact_folder


# --- what decides a file --------------------------------------------------------------------------


def trees(text: str) -> str:
    return ast.dump(files._WithoutDocstrings().visit(ast.parse(text)))


SOURCE = 'def f(x):\n    """Doubles."""\n    return 2 * x\n'


@pytest.mark.parametrize(
    "same",
    [
        "def f(x):\n    return 2 * x\n",
        'def f(x):  # a comment\n    """Other words."""\n\n    return 2 * x',
    ],
)
def test_words_and_layout_void_nothing(same):
    assert trees(same) == trees(SOURCE)


@pytest.mark.parametrize(
    "other",
    [
        'def f(x):\n    """Doubles."""\n    return 3 * x\n',
        "def g(x):\n    return 2 * x\n",
        "def f(x):\n    return x * 2\n",
        "def f(x, y=1):\n    return 2 * x\n",
    ],
)
def test_a_change_of_code_does(other):
    assert trees(other) != trees(SOURCE)


def test_a_style_sheet_counts_with_the_module_that_names_it(monkeypatch):
    """A page is drawn again when the house style changes; a module that names no sheet is not touched by one."""
    read = Path.read_text

    def digests() -> list[str]:
        files._module.cache_clear()
        return [files.code_of(name) for name in ("dotlib.plots.images", "dotlib.metrics.scores")]

    before = digests()

    def larger(path, *args, **options):
        return read(path, *args, **options) + "font.size: 30\n" * (path.suffix == ".mplstyle")

    monkeypatch.setattr(Path, "read_text", larger)
    after = digests()
    files._module.cache_clear()
    assert before[0] != after[0] and before[1] == after[1]


def test_modules_count_with_what_they_import(monkeypatch):
    """A changed formula two imports below changes the digest; an unrelated module does not."""
    read = Path.read_text

    def digest_where_something_is_added_to(name: str, module: str = "dotlib.metrics.scores") -> str:
        def changed(self, *arguments, **options):
            return read(self, *arguments, **options) + "\nEXTRA = 1\n" * (self.name == name)

        monkeypatch.setattr(Path, "read_text", changed)
        files._module.cache_clear()
        return files.code_of(module)

    digests = [digest_where_something_is_added_to(name) for name in ("none", "zoo.py", "frechet.py", "neighbours.py")]
    names = ("none", "records.py", "tables.py", "comparison_tables.py", "trainer.py")
    measured = [digest_where_something_is_added_to(name, "dotlib.evaluation.comparison") for name in names]
    files._module.cache_clear()
    assert digests[0] == digests[1] and len(set(digests)) == 3
    assert len(set(measured[:-1])) == 1 and measured[0] != measured[-1]  # how numbers are recorded and shown is no part
    with pytest.raises(InputError, match="modules: found no file of 'dotlib.metrics.none'; name a module as an"):
        files.code_of("dotlib.metrics.none")


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import numpy, dotlib.seeding", {"dotlib.seeding"}),
        ("def f():\n    from dotlib import seeding", {"dotlib.seeding"}),
        ("from dotlib import seeding, no_module", {"dotlib", "dotlib.seeding"}),
        ("from dotlib.metrics import scores", {"dotlib.metrics", "dotlib.metrics.scores"}),
        ("from dotlib.metrics.scores import Scores", {"dotlib.metrics.scores"}),
        ("from .metrics.scores import Scores\nfrom . import seeding", {"dotlib.metrics.scores", "dotlib.seeding"}),
        ("if TYPE_CHECKING:\n    from dotlib import seeding\n    import dotlib.pairs", set()),
    ],
)
def test_modules_that_a_tree_imports(code, names):
    assert files.imported(ast.parse(code)) == names


@dataclass(frozen=True)
class Settings:
    steps: int
    start: object = None


@dataclass(frozen=True)
class Others:
    steps: int
    start: object = None


def test_settings_are_described_by_name_and_content():
    zeros, ones = torch.zeros(3), torch.ones(3)
    start = files.described(Settings(1, (Settings(2), 0.5)))[1]["start"]
    assert start == [["Settings", {"start": None, "steps": 2}], 0.5]
    starts = [None, zeros, ones, zeros[None], [zeros], Settings(1), Others(1)]
    different = [*(Settings(1, start) for start in starts), Others(1)]
    assert len({json.dumps(files.described(one)) for one in different}) == len(different)
    assert files.described(Settings(1, zeros)) == files.described(Settings(1, zeros.clone()))
    assert files.described({"b": 1, "a": 2}) == files.described({"a": 2, "b": 1})


# --- made once ------------------------------------------------------------------------------------


def kept_files(artifacts: Path) -> list[Path]:
    return sorted(path for path in artifacts.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_name_follows_everything_that_decides(artifacts):
    def path_of(folder="scores/x", name="set0", decides=("a", 1), **options) -> Path:
        before = kept_files(artifacts)
        files.cached(folder, name, lambda: 1, decides=decides, **options)
        (path,) = set(kept_files(artifacts)) - set(before) or {None}
        return path

    first = path_of()
    assert path_of() is None  # found again
    others = [
        path_of(decides=("a", 2)),
        path_of(decides=("a",)),
        path_of("scores/y"),
        path_of(name="set1"),
        path_of(code=[importlib.import_module("dotlib.samplers.base").Cost]),  # not imported by this file
    ]
    assert None not in others and len({first, *others}) == 6
    assert first.relative_to(artifacts).match("scores/x-*/set0.json")


def test_made_once_and_whole(artifacts):
    calls = []

    def make():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return {"fid": 1.25, "rows": [1, 2]}

    with pytest.raises(KeyboardInterrupt):
        files.cached("a", "set0", make, decides=[])
    assert not kept_files(artifacts)
    first = files.cached("a", "set0", make, decides=[])
    assert first == files.cached("a", "set0", make, decides=[]) == {"fid": 1.25, "rows": [1, 2]}
    assert len(calls) == 2
    (path,) = kept_files(artifacts)
    assert {"commit", "dirty", "device"} <= json.loads(path.read_text())["made"].keys()


def test_tensors_are_kept_alike(artifacts):
    calls, x = [], torch.randn(3, 2)
    for _ in range(2):
        kept = files.cached("a", "x", lambda: calls.append(1) or {"x": x}, decides=[x], store=checkpoints.TENSORS)
        assert torch.equal(kept["x"], x)
    assert len(calls) == 1 and [path.suffix for path in kept_files(artifacts)] == [".safetensors"]


def module_from(path: Path, code: str):
    path.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_code_of_a_reader_decides_and_code_without_a_file_keeps_nothing(artifacts, tmp_path, monkeypatch):
    """A sampler in a file of its own, then the same typed into a notebook, whose module has no file."""
    calls = []

    def measure(sampler: type) -> None:
        files._module.cache_clear()
        files.cached("a", "x", lambda: calls.append(1), decides=[], code=[sampler])

    for code in ("class Sampler:\n    n = 1", "class Sampler:\n    n = 1  # a comment", "class Sampler:\n    n = 2"):
        module = module_from(tmp_path / "sampler_of_a_reader.py", code)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        measure(module.Sampler)
    assert len(calls) == len(kept_files(artifacts)) == 2
    monkeypatch.delattr(module, "__file__")
    measure(module.Sampler)
    measure(module.Sampler)
    assert len(calls) == 4 and len(kept_files(artifacts)) == 2


def test_what_is_not_finite_is_not_kept(artifacts):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.cached("a", "set0", lambda: {"fid": float("nan")}, decides=[])
    assert not kept_files(artifacts)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"made": 1}', "\x00"])
def test_damage_is_named(artifacts, content):
    def kept() -> dict:
        return files.cached("a", "set0", lambda: {}, decides=[])

    kept()
    (path,) = kept_files(artifacts)
    path.write_text(content)
    with pytest.raises(FileError, match="set0.json: cannot be read .*; delete it and run again"):
        kept()
    assert path.read_text() == content
