"""The command line: what each command calls, and one line and status 2 for each known error.

Kinds of test: identities (arguments arrive), failures.
"""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from dotlib import notebooks, steps
from dotlib.cli import main
from dotlib.errors import FileError, InputError, NothingAcceptedError, SettingsDifferError
from dotlib.evaluation import points as toy_pairs
from dotlib.experiments import fig3_toy, gp_weight
from dotlib.results import provenance, records
from dotlib.training import shipped, zoo


def call(*arguments, status=0):
    """What a command printed: (stdout, stderr)."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == status, result.output
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout, result.stderr


@pytest.fixture
def asked(monkeypatch):
    """Calls that were made in place of work."""
    calls = []
    monkeypatch.chdir(Path(__file__).resolve().parents[1])
    monkeypatch.setattr(notebooks, "run_notebook", lambda *arguments: calls.append(arguments))
    return calls


def test_train_asks_the_zoo(monkeypatch):
    asked = []

    def pair(name, *, profile, seed, device):
        asked.append((name, profile, seed, device))
        made = {"commit": "fedcba9876543210"}
        return SimpleNamespace(path=Path("a/b.safetensors"), sha256="0123456789abcdef", origin="shipped", made=made)

    monkeypatch.setattr(zoo, "pair", pair)
    out, _ = call("train", "swissroll-wgan-gp", "--profile", "smoke", "--seed", "3")
    assert out == "a/b.safetensors  sha256 0123456789ab  shipped, commit fedcba9\n"
    call("train", "swissroll-wgan-gp", "--device", "cuda")
    assert asked == [("swissroll-wgan-gp", "smoke", 3, "cpu"), ("swissroll-wgan-gp", "laptop", 0, "cuda")]


def test_ship_copies_a_pair_of_a_seed(monkeypatch):
    monkeypatch.setattr(shipped, "ship", lambda name, *, seed, profile: Path("pairs", name, f"{profile}-s{seed}"))
    assert call("ship", "swissroll-wgan-gp", "--seed", "3")[0] == "pairs/swissroll-wgan-gp/laptop-s3\n"
    assert call("ship", "swissroll-wgan-gp", "--profile", "paper")[0] == "pairs/swissroll-wgan-gp/paper-s0\n"


def test_step_runs_its_kind_with_the_settings_that_it_has(monkeypatch):
    asked = []
    pair = SimpleNamespace(name="swissroll-trained")
    monkeypatch.setattr(toy_pairs, "load", lambda *arguments, **options: asked.append((arguments, options)) or pair)
    monkeypatch.setattr(toy_pairs, "constant", lambda *_: SimpleNamespace(value=1.25))
    monkeypatch.setattr(toy_pairs, "moved", lambda pair, settings, K_eff, seed: asked.append((K_eff, seed)))
    out, _ = call("step", "move", "swissroll", "--profile", "smoke", "--judge", "inception")
    assert asked == [(("swissroll",), {"weights": "trained", "profile": "smoke", "seed": 0}), (1.25, 0)]
    assert re.fullmatch(r"swissroll-trained: \d+ trials of \d+ points moved with K_eff 1.250\n", out)


def test_choose_gp_weight_writes_its_record(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def chosen(dataset, *, profile, seed):
        record = records.start("gp_weight", profile=profile, dataset=dataset, seed=seed, parameters={})
        record.put("chosen", 0.1, unit="")
        return record

    monkeypatch.setattr(gp_weight, "gp_weight", chosen)
    out, _ = call("choose-gp-weight", "swissroll", "--profile", "smoke")
    assert out == "_build/records/gp_weight/smoke-swissroll-s0.json  chosen 0.1\n"
    assert records.read(Path(out.split()[0])).get("chosen").value == 0.1


def test_run_passes_parameters_and_the_device_where_there_is_one(asked):
    parameters = ["profile=smoke", "rows=a=b", "seed=3", "x=1e-3", "y=[1", "z=[1]"]
    call("run", "notebooks/keff.md", "a.ipynb", *(word for text in parameters for word in ("-p", text)))
    call("run", "notebooks/keff.md", "a.ipynb", "--device", "cuda")
    call("run", "notebooks/status.md", "a.ipynb", "--device", "cuda")
    assert asked[0][:2] == (Path("notebooks/keff.md"), Path("a.ipynb"))
    assert [values for *_, values in asked] == [
        {"device": "cpu", "profile": "smoke", "rows": "a=b", "seed": 3, "x": 0.001, "y": "[1", "z": [1]},
        {"device": "cuda"},
        {},
    ]


def test_record_runs_its_page_and_keeps_what_it_wrote(asked, monkeypatch):
    monkeypatch.setattr(records, "keep", lambda path: Path("results", *path.parts[-2:]))
    monkeypatch.setattr(provenance, "source_state", lambda: ("abc", False))
    listed, other = (f"tab2_swap/paper-cifar10-dcgan-sagan-hi-s{seed}" for seed in (0, 1))
    out, _ = call("record", listed, "-p", "seed=0", "--device", "cuda")
    assert out == f"results/{listed}.json\n"
    values = {"device": "cuda", "profile": "paper", "dataset": "cifar10", "row": "dcgan-sagan-hi", "seed": 0}
    assert asked == [(Path("notebooks/tab2_swap.md"), Path(f"_build/campaign/{listed}.ipynb"), values)]
    call("record", other, "-p", "seed=1")
    assert asked[1][1:] == (Path(f"_build/campaign/{other}.ipynb"), {"device": "cpu", "seed": 1})


@pytest.mark.parametrize(
    ("name", "match"),
    [
        (
            "tab2_swap/paper-cifar10-dcgan-sagan-hii-s0",
            "key: unknown 'paper-cifar10-dcgan-sagan-hii-s0'.*nearest: paper",
        ),
        ("tab2_swp/paper-cifar10-dcgan-sagan-hi-s0", "stem: unknown 'tab2_swp'.*nearest: tab2_swap"),
        ("bogus", "stem: unknown 'bogus'; known: "),
    ],
)
def test_a_record_that_is_not_listed_is_refused_before_its_page_runs(asked, monkeypatch, name, match):
    monkeypatch.setattr(provenance, "source_state", lambda: ("abc", False))
    _, err = call("record", name, status=2)
    assert re.search(match, err) and err.count("\n") == 1 and asked == []


def test_a_record_is_made_in_the_root_of_a_checkout(asked, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    _, err = call("record", "tab2_swap/paper-cifar10-dcgan-sagan-hi-s0", status=2)
    assert err.startswith(f"dotlib: record: {tmp_path} is not the repository of this package") and asked == []


def test_a_run_without_the_book_extra_says_what_to_install(monkeypatch):
    monkeypatch.delattr("dotlib.notebooks", raising=False)
    monkeypatch.setitem(sys.modules, "dotlib.notebooks", None)
    _, err = call("run", "notebooks/keff.md", "a.ipynb", status=2)
    assert err.startswith("dotlib: run: needs what is not installed") and 'pip install "dotlib[book]"' in err


def test_a_folder_that_cannot_be_used_is_told_in_one_line(monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied", "/closed/judges")

    monkeypatch.setattr(steps, "run", refused)
    _, err = call("step", "judge", "digits", status=2)
    assert err == "dotlib: /closed/judges: Permission denied; name another file or folder\n"


def test_no_record_is_begun_from_changed_source(asked, monkeypatch):
    monkeypatch.setattr(provenance, "source_state", lambda: ("abc", True))
    _, err = call("record", "tab2_swap/paper-cifar10-dcgan-sagan-hi-s0", status=2)
    assert "tracked files are changed; commit them" in err and asked == []


def test_keep_keeps_every_record(monkeypatch):
    monkeypatch.setattr(records, "keep", lambda path: Path("results") / path.name)
    assert call("keep", "x/a.json", "x/b.json")[0].split() == ["results/a.json", "results/b.json"]


def test_picture_is_drawn(monkeypatch):
    saved = []
    monkeypatch.setattr(
        fig3_toy, "picture", lambda *sizes: SimpleNamespace(savefig=lambda path: saved.append((path, sizes)))
    )
    assert call("picture", "fig3.png", "--profile", "paper", "--seed", "1")[0] == "fig3.png\n"
    assert saved == [(Path("fig3.png"), ("paper", 1))]


@pytest.mark.parametrize(
    "error",
    [
        InputError("name: x; do y"),
        FileError("p: cut; do z"),
        SettingsDifferError("p: other; move it"),
        NothingAcceptedError("n: 3 of 10; raise it"),
    ],
)
def test_known_errors_are_one_line_and_status_2(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(zoo, "pair", fail)
    assert call("train", "swissroll-wgan-gp", status=2) == ("", f"dotlib: {error}\n")


def test_unknown_errors_are_not_hidden(monkeypatch):
    monkeypatch.setattr(zoo, "pair", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        call("train", "swissroll-wgan-gp", status=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "swisroll-wgan-gp"], "name: unknown 'swisroll-wgan-gp'; .*nearest: swissroll"),
        (["train", "swissroll-wgan-gp", "--profile", "small"], "profile: unknown 'small'"),
        (["step", "scores", "digits-dcgan-wgan-gp"], "kind: unknown 'scores'; known: judge, .*; nearest: score"),
        (["step", "judge", "digit"], "dataset: unknown 'digit'; .*nearest: digits"),
        (["choose-gp-weight", "mnist", "--profile", "smoke"], "dataset: unknown 'mnist'"),
        (["run", "absent.md", "out.ipynb"], "absent.md: .*"),
        (["keep", "absent.json"], "absent.json: no such record"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(arguments, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (line,) = call(*arguments, status=2)[1].splitlines()
    assert re.match(f"dotlib: {message}", line)
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_parameter_without_a_value_is_told_in_one_line(asked):
    _, err = call("run", "notebooks/status.md", "out.ipynb", "-p", "profile", status=2)
    assert err == "dotlib: parameter: 'profile' has no '='; write NAME=VALUE\n" and asked == []


@pytest.mark.parametrize(
    "arguments",
    [[], ["trian"], ["train"], ["train", "x", "--seed", "one"], ["train", "x", "--profil3", "smoke"], ["keep"]],
)
def test_wrong_usage_ends_in_status_2(arguments):
    _, err = call(*arguments, status=2)
    assert err.startswith("Usage: ")


def test_help_tells_what_each_command_and_step_does():
    out, _ = call("--help")
    for command in ("train", "step", "run", "keep", "record", "choose-gp-weight", "picture"):
        assert command in out
    out, _ = call("step", "--help")
    assert "move     Move the points of Figure 3." in out


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
        [sys.executable, "-m", "dotlib.cli", "step", "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    listing.stdout.close()
    assert listing.stderr.read() == b""
    listing.stderr.close()
    assert listing.wait() == 1
