"""Freed memory is kept: counted in page faults of a fresh process.

Kinds of test: second method (the kernel's own count), failures (another system, another library).
"""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from dotlib import heap

COUNT = """
import resource
from dotlib import heap

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        bytearray(80_000_000)  # more than the library ever keeps unasked
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

print(faults(), heap.keep_freed(), bytearray(80_000_000) and faults())
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts page faults of Linux")
def test_a_block_that_is_freed_serves_the_next_request():
    asis = {name: value for name, value in os.environ.items() if name not in heap.OPTIONS}
    before, kept, after = subprocess.run(
        [sys.executable, "-c", COUNT], check=True, text=True, capture_output=True, env=asis
    ).stdout.split()
    if kept == "False":
        pytest.skip("this C library has no mallopt")
    assert int(before) > 10_000  # every page, every time
    assert int(after) < int(before) / 10


def test_children_are_told_and_a_users_own_choice_stays(monkeypatch):
    monkeypatch.setattr(os, "environ", {"MALLOC_MMAP_MAX_": "7"})
    calls = []
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(
        ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda number, value: calls.append((number, value)) or 1)
    )
    assert heap.keep_freed()
    assert calls == [(-1, 2**31 - 1)]
    assert os.environ == {"MALLOC_TRIM_THRESHOLD_": "2147483647", "MALLOC_MMAP_MAX_": "7"}


@pytest.mark.parametrize(
    ("platform", "library"),
    [("darwin", SimpleNamespace(mallopt=lambda *_: 1)), ("win32", None), ("linux", SimpleNamespace())],
    ids=["macOS", "Windows", "another C library"],
)
def test_elsewhere_nothing_is_touched(monkeypatch, platform, library):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(os, "environ", {})
    assert not heap.keep_freed()
    assert not os.environ
