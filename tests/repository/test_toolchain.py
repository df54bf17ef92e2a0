"""The toolchain: versions from one source, commands, hooks. Kinds: invariants, failures."""

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pin
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]


def project():
    """The table [project] of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def constraints():
    """{name: version} of constraints.txt."""
    return {pin.canonical(name): version for name, version in (line.split("==") for line in pin.pins())}


def test_conda_users_get_the_same_pins_from_the_same_file():
    parts = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    assert parts == ["python=3.11", "pip", {"pip": ["-c constraints.txt", "-e .[book,judges,test]"]}]


def test_every_direct_dependency_is_pinned_in_its_range_and_torch_has_no_local_version():
    for line in pin.requirements():
        name, lowest = re.match(r"([\w.-]+)>=([\w.]+)", line).groups()
        pinned = constraints()[pin.canonical(name)]
        assert [int(n) for n in re.findall(r"\d+", pinned)] >= [int(n) for n in re.findall(r"\d+", lowest)], line
    assert re.fullmatch(r"[\d.]+", constraints()["torch"])


def test_lowest_versions_are_the_bounds():
    lines = ["torch>=2.6", "jupyter-book>=1.0.4.post1,<2"]
    assert pin.lowest(lines) == ["torch==2.6", "jupyter-book==1.0.4.post1"]


def test_installed_versions_are_the_pinned_ones():
    pinned = constraints()
    here = {pin.canonical(d.metadata["Name"]): d.version.split("+")[0] for d in metadata.distributions()}
    differing = {
        name: (version, here[name]) for name, version in pinned.items() if name in here and here[name] != version
    }
    if differing and Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        pytest.skip(f"another environment than .venv: {differing}")
    assert differing == {}


def test_the_version_is_the_same_wherever_it_stands():
    version = project()["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    for name in ("codemeta.json", ".zenodo.json"):
        assert json.loads((ROOT / name).read_text(encoding="utf-8"))["version"] == version, name


def test_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["preferred-citation"]["title"] == "Discriminator optimal transport"


def test_entry_points_lead_to_code():
    scripts = project()["scripts"] | project()["entry-points"]["papermill.io"]
    for target in scripts.values():
        module, name = target.split(":")
        assert hasattr(importlib.import_module(module), name)


def test_ci_runs_the_two_commands_and_the_check():
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    steps = re.findall(r"^step (.+)$", text, re.MULTILINE)
    assert steps == ["make coverage", "make book PROFILE=smoke", "make test-book"]
    for step in ("test-browser", "test-cluster"):
        assert re.search(rf"^    step make {step}( \|\||$)", text, re.MULTILINE)
        assert f"make {step} is left out: it needs" in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_hooks_fetch_nothing_and_make_test_runs_them():
    repositories = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repository["repo"] for repository in repositories] == ["local"]
    assert {hook["language"] for hook in repositories[0]["hooks"]} == {"system", "fail"}
    run = subprocess.run(
        ["make", "-C", str(ROOT), "-n", "-o", ".venv/ready", "test"], capture_output=True, text=True, check=True
    )
    assert "pre-commit run --all-files" in run.stdout


def test_make_help_lists_every_command():
    run = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory"], capture_output=True, text=True, check=True)
    for command in (
        "book",
        "test",
        "coverage",
        "test-book",
        "test-browser",
        "pdf",
        "test-cluster",
        "lab",
        "bench",
        "clean",
    ):
        assert re.search(rf"^  make {command}\s", run.stdout, re.MULTILINE)
