"""The front door: promised names, loaded when they are used, from any folder and from a wheel.

Kinds of test: invariants, a second method (what an installed wheel does).
"""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dotlib as dot

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "ot", "numpy", "scipy", "sklearn", "matplotlib")
REPORT = f"""
import json, sys, time
started = time.perf_counter()
import dotlib as dot
seconds = time.perf_counter() - started
loaded = [name for name in {HEAVY!r} if name in sys.modules]
from dotlib.results import files, paper, records
printed = paper.value("fig3.25gaussians.g.emd").value
try:
    records.find("fig3_toy", profile="laptop", dataset="swissroll")
    message = ""
except Exception as error:
    message = f"{{type(error).__name__}}: {{error}}"
print(json.dumps([seconds, loaded, printed, str(files.artifacts()), message, dot.__file__]))
"""


def report(folder: Path, path: Path | None = None) -> list:
    """What a fresh interpreter says of dotlib, started in `folder`; `path` leads to an installed copy."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)} | ({"PYTHONPATH": str(path)} if path else {})
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", REPORT],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_about_thirty_names_each_with_a_docstring_of_its_own():
    assert 30 <= len(dot.__all__) <= 40
    for name in dot.__all__:
        thing = getattr(dot, name)
        assert thing.__name__ == name and thing.__module__.startswith("dotlib.")
        assert inspect.getdoc(thing)


def test_importing_costs_nothing(tmp_path):
    times = [report(tmp_path, ROOT)[:2] for _ in range(3)]
    assert all(loaded == [] for _, loaded in times)
    assert min(seconds for seconds, _ in times) < 0.3


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="latent_dott"):
        _ = dot.latent_dott


def test_the_stub_and_the_readme_name_what_is_there():
    stub = (ROOT / "dotlib" / "__init__.pyi").read_text(encoding="utf-8")
    assert sorted(re.findall(r"import (\w+) as \1$", stub, re.MULTILINE)) == sorted(dot.__all__)
    block = (ROOT / "README.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    assert len([line for line in block.splitlines() if line]) == 5
    assert set(re.findall(r"dot\.(\w+)", block)) <= set(dot.__all__)


def test_an_installed_wheel_works_from_any_folder(tmp_path):
    """It has the paper's values, keeps its artifacts with the user, and says in one line what needs the repository."""
    target, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    source = tmp_path / "source"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(source)], check=True)
    for path in ("dotlib", "pyproject.toml", "README.md", "LICENSE"):  # as they are now, committed or not
        subprocess.run(["cp", "-r", str(ROOT / path), str(source)], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-compile"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, capture_output=True)
    _, loaded, printed, artifacts, message, file = report(elsewhere, target)
    assert Path(file).is_relative_to(target) and loaded == [] and printed == 0.052
    assert not Path(artifacts).is_relative_to(target) and Path(artifacts).is_absolute()
    assert Path(artifacts).is_relative_to(elsewhere), "in the user's data folder"
    assert "\n" not in message and "repository" in message
