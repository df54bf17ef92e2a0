"""The command line: what each command calls, and one line and status 2 for each known error.

Kinds of test: identities (arguments arrive), failures.
"""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from dotlib import cli, notebooks
from dotlib.errors import FileError, InputError, SettingsDifferError
from dotlib.evaluation import points as toy_pairs
from dotlib.experiments import gp_weight
from dotlib.results import records
from dotlib.training import zoo


def test_train_asks_the_zoo(monkeypatch, capsys):
    asked = []

    def pair(name, *, profile, seed, device):
        asked.append((name, profile, seed, device))
        return SimpleNamespace(path=Path("a/b.safetensors"), sha256="0123456789abcdef")

    monkeypatch.setattr(zoo, "pair", pair)
    assert cli.main(["train", "swissroll-wgan-gp", "--profile", "smoke", "--seed", "3"]) == 0
    assert cli.main(["train", "swissroll-wgan-gp", "--device", "cuda"]) == 0
    assert asked == [("swissroll-wgan-gp", "smoke", 3, "cpu"), ("swissroll-wgan-gp", "laptop", 0, "cuda")]
    assert capsys.readouterr().out.splitlines()[0] == "a/b.safetensors  sha256 0123456789ab"


def test_choose_gp_weight_writes_its_record(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)

    def chosen(dataset, *, profile, seed):
        record = records.start("gp_weight", profile=profile, dataset=dataset, seed=seed, parameters={})
        record.put("chosen", 0.1, unit="")
        return record

    monkeypatch.setattr(gp_weight, "gp_weight", chosen)
    assert cli.main(["choose-gp-weight", "swissroll", "--profile", "smoke"]) == 0
    out = capsys.readouterr().out
    assert out == "_build/records/gp_weight/smoke-swissroll-s0.json  chosen 0.1\n"
    assert records.read(Path(out.split()[0]))["chosen"] == 0.1


def test_move_prepares_the_figure(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        toy_pairs,
        "load",
        lambda dataset, **options: asked.append((dataset, options)) or SimpleNamespace(name="swissroll-authors"),
    )
    monkeypatch.setattr(toy_pairs, "constant", lambda *_: SimpleNamespace(value=1.25))
    monkeypatch.setattr(toy_pairs, "moved", lambda pair, c, K_eff, seed: asked.append((K_eff, seed)))
    assert cli.main(["move", "swissroll", "--weights", "authors", "--profile", "smoke"]) == 0
    assert asked[0] == ("swissroll", {"weights": "authors", "profile": "smoke", "seed": 0})
    assert asked[1] == (1.25, 0)
    assert "moved with K_eff 1.250" in capsys.readouterr().out


def test_run_passes_parameters(monkeypatch):
    asked = []
    monkeypatch.setattr(notebooks, "run_notebook", lambda *arguments: asked.append(arguments))
    assert (
        cli.main(["run", "notebooks/a.md", "executed/a.ipynb", "-p", "profile=smoke", "-p", "text=a=b", "-p", "seed=3"])
        == 0
    )
    assert asked == [(Path("notebooks/a.md"), Path("executed/a.ipynb"), {"profile": "smoke", "text": "a=b", "seed": 3})]


def test_keep_keeps_every_record(monkeypatch, capsys):
    monkeypatch.setattr(records, "keep", lambda path: Path("results") / path.name)
    assert cli.main(["keep", "x/a.json", "x/b.json"]) == 0
    assert capsys.readouterr().out.split() == ["results/a.json", "results/b.json"]


@pytest.mark.parametrize(
    "error", [InputError("name: x; do y"), FileError("p: cut; do z"), SettingsDifferError("p: other; move it")]
)
def test_known_errors_are_one_line_and_status_2(monkeypatch, capsys, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(zoo, "pair", fail)
    assert cli.main(["train", "swissroll-wgan-gp"]) == 2
    captured = capsys.readouterr()
    assert captured.err == f"dotlib: {error}\n" and captured.out == ""


def test_unknown_errors_are_not_hidden(monkeypatch):
    monkeypatch.setattr(zoo, "pair", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cli.main(["train", "swissroll-wgan-gp"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "swisroll-wgan-gp"], "name: unknown 'swisroll-wgan-gp'; .*nearest: swissroll"),
        (["train", "swissroll-wgan-gp", "--profile", "small"], "profile: unknown 'small'"),
        (["choose-gp-weight", "mnist", "--profile", "smoke"], "dataset: unknown 'mnist'"),
        (["run", "absent.md", "out.ipynb"], "absent.md: .*"),
        (["run", "a.md", "out.ipynb", "-p", "profile"], "parameter: 'profile' has no '='; write"),
        (["keep", "absent.json"], "absent.json: no such record"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(f"dotlib: {message}", line)
    assert [path.name for path in tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    "arguments", [[], ["trian"], ["train"], ["train", "x", "--seed", "one"], ["train", "x", "--profil3", "smoke"]]
)
def test_wrong_usage_ends_in_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2 and "usage: dotlib" in capsys.readouterr().err


def test_help_tells_what_each_command_does(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    out = capsys.readouterr().out
    for command in ("train", "choose-gp-weight", "move", "run", "keep"):
        assert command in out
    assert "Train a pair, or say that it is there." in out


def test_as_a_program():
    """python -m dotlib.cli: the exit status arrives at the shell, without a traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "dotlib.cli", "keep", "absent.json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).resolve().parents[1],
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("dotlib: absent.json: no such record")
    assert len(done.stderr.splitlines()) == 1


def test_a_reader_that_leaves_early_gets_no_traceback():
    listing = subprocess.Popen(
        [sys.executable, "-m", "dotlib.cli", "campaign", "--list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.stderr.close()
    assert listing.wait() == 1
