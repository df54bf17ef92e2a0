"""Imports that need torchvision: they work beside a CPU build, in silence, and only when asked.

Kinds of test: failures, invariants.
"""

import importlib
import os
import subprocess
import sys

import pytest

from dotlib.errors import InputError
from dotlib.metrics import backends

FRESH = """
import sys, warnings
from dotlib.metrics import backends, neighbours, scores
heavy = {"torchvision", "torch_fidelity", "pytorch_fid", "PIL"}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
try:
    import torchvision  # somebody else's attempt, before ours
except RuntimeError:
    pass
before = list(warnings.filters)
names = ["torch_fidelity.metric_kid", "pytorch_fid.inception"]
modules = [backends.module(name) for name in names]
assert warnings.filters == before
assert backends.torchvision().models.inception_v3
assert all(backends.module(name) is module for name, module in zip(names, modules))
print(*[module.__name__ for module in modules])
"""


def test_imports_are_silent_lazy_and_leave_the_warning_filters():
    run = subprocess.run(
        [sys.executable, "-c", FRESH],
        text=True,
        capture_output=True,
        env=os.environ | {"PYTHONWARNINGS": "default"},
        check=False,
    )
    assert run.returncode == 0 and run.stderr == "", run.stderr
    assert run.stdout.split() == ["torch_fidelity.metric_kid", "pytorch_fid.inception"]


def test_operators_that_exist_are_not_declared_again():
    backends.torchvision()
    with pytest.raises(RuntimeError, match="nms"):  # what a second declaration would do
        backends.torch.library.Library("torchvision", "FRAGMENT").define(backends.SCHEMAS["nms"])
    backends._declare_operators()


@pytest.mark.parametrize("error", [RuntimeError("CUDA says\nno"), ImportError("CUDA says no")])
def test_other_failures_are_one_line_with_a_remedy(monkeypatch, error):
    def fail(name):
        raise error

    monkeypatch.setattr(importlib, "import_module", fail)
    with pytest.raises(InputError) as caught:
        backends.torchvision.__wrapped__()
    assert str(caught.value) == ("torchvision: cannot be imported (CUDA says no); pip install torchvision")


def test_an_absent_metric_library_is_named_as_pip_calls_it(monkeypatch):
    backends.torchvision()
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    monkeypatch.setitem(sys.modules, "torch_fidelity.metric_kid", None)
    with pytest.raises(InputError, match="^torch-fidelity: cannot .*; pip install torch-fidelity$"):
        backends.module("torch_fidelity.metric_kid")
