"""Files found by what decides them: settings, weights, code.

Kinds of test: identities (comments void nothing), invariances (what must change the name, does),
failures (kills, damage).
"""

import ast
import json
from pathlib import Path

import pytest

from dotlib import seeding
from dotlib.errors import FileError
from dotlib.results import files


def trees(text: str) -> str:
    return files._bare(ast.parse(text))


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


def test_modules_count_with_what_they_import(monkeypatch):
    """A changed formula two imports below changes the digest; an unrelated module does not."""
    files._module.cache_clear()
    before = files.code_of("metrics.scores")
    read = Path.read_text

    def with_more(name):
        def changed(self, *arguments, **options):
            text = read(self, *arguments, **options)
            return text + "\nEXTRA = 1\n" if self.name == name else text

        return changed

    found = {}
    for name in ("frechet.py", "backends.py", "zoo.py"):
        monkeypatch.setattr(Path, "read_text", with_more(name))
        files._module.cache_clear()
        found[name] = files.code_of("metrics.scores")
    monkeypatch.setattr(Path, "read_text", read)
    files._module.cache_clear()
    assert found["zoo.py"] == before == files.code_of("metrics.scores")
    assert len({before, found["frechet.py"], found["backends.py"]}) == 3


def test_single_functions_count_alone():
    digest = files.code_of_functions
    assert digest(seeding.generator) == digest(seeding.generator)
    assert digest(seeding.generator) != digest(seeding.numpy_rng)
    assert digest(files._bare, FileError) != digest(files._bare)


def test_a_path_follows_everything_that_decides(artifacts):
    def path(decides=("a", 1), kind="scores", label="x", name="set0"):
        return files.path_of(kind, label, list(decides), name)

    others = [path(("a", 2)), path(("a",)), path(label="y"), path(name="set1"), path(kind="z")]
    assert len({path(), *others}) == 6 and path() == path()
    assert path().is_relative_to(artifacts / "scores")


def test_made_once_and_whole(tmp_path):
    calls = []

    def make():
        calls.append(1)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return {"fid": 1.25, "rows": [1, 2]}

    path = tmp_path / "a" / "set0.json"
    with pytest.raises(KeyboardInterrupt):
        files.made_once(path, make)
    assert not path.exists()
    first = files.made_once(path, make)
    assert first == files.made_once(path, make) == {"fid": 1.25, "rows": [1, 2]}
    assert len(calls) == 2
    assert {"commit", "dirty", "device"} <= json.loads(path.read_text())["made"].keys()


def test_what_is_not_finite_is_not_written(tmp_path):
    path = tmp_path / "set0.json"
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.made_once(path, lambda: {"fid": float("nan")})
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"made": 1}', "\x00"])
def test_damage_is_named(tmp_path, content):
    path = tmp_path / "set0.json"
    path.write_text(content)
    with pytest.raises(FileError, match="set0.json: cannot be read .*; delete it and run again"):
        files.made_once(path, dict)
    assert path.read_text() == content


def test_the_closure_follows_imports_and_nothing_else():
    reached = files.reached("dotlib.metrics.scores", "numpy", "dotlib.metrics.none")
    assert {"dotlib.metrics.scores", "dotlib.metrics.frechet", "dotlib.errors"} <= reached
    assert not {"dotlib", "numpy", "dotlib.metrics.none", "dotlib.training.zoo"} & reached


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("import numpy, dotlib.seeding", {"dotlib.seeding"}),
        ("def f():\n    from dotlib import seeding", {"dotlib.seeding"}),
        ("from dotlib import seeding, no_module", {"dotlib", "dotlib.seeding"}),
        ("from dotlib.metrics import scores", {"dotlib.metrics", "dotlib.metrics.scores"}),
        ("from dotlib.metrics.scores import Scores", {"dotlib.metrics.scores"}),
        ("from .metrics.scores import Scores\nfrom . import seeding", {"dotlib.metrics.scores", "dotlib.seeding"}),
    ],
)
def test_modules_that_a_tree_imports(code, names):
    assert files.imported(ast.parse(code)) == names
