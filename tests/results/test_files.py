"""Atomic writing and the lock: old or new, never a part; one maker at a time.

Kinds of test: failures (a death at each stage), identities, second method (the order of system
calls, which a power cut would show).
"""

import os
import signal
import time
from pathlib import Path

import pytest

from dotlib.results import files

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
