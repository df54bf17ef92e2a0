"""The command line: what each command calls, and one line and status 2 for each known error.

Kinds of test: identities (arguments arrive), failures.
"""

import contextlib
import os
import re
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

from dotlib import cli, notebooks, steps
from dotlib.cli import main
from dotlib.errors import FileError, InputError, NothingAcceptedError, SettingsDifferError
from dotlib.evaluation import judges
from dotlib.evaluation import points as toy_pairs
from dotlib.experiments import fig3_toy, gp_weight
from dotlib.results import provenance, records
from dotlib.training import plan, shipped, zoo

ROOT = Path(__file__).resolve().parents[1]


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
    monkeypatch.setattr(notebooks, "run_notebook", lambda *arguments, tell: calls.append(arguments))
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
    call("record", "embedded/laptop-digits-resnet-sagan-hi-s0", "-p", "seed=0")
    assert asked[2][2]["anew"] is True, "a committed record would be shown and kept as new"


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


def test_keep_keeps_every_record(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    Path("x").mkdir()
    for name in "ab":
        Path("x", f"{name}.json").touch()
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
    assert call("step", "pair", "swissroll-wgan-gp", status=2) == ("", f"dotlib: {error}\n")


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
        (["step", "table3", "5"], "trial: unknown '5'; known: 1, 1-uniform, "),
        (["step", "score", "digits-cond-hi"], "name: this step has no 'digits-cond-hi'; name a pair like digits-dcgan"),
        (
            ["step", "oracle", "digits-dcgan-sngan-ns"],
            "name: this step has no .*; name a pair like 25gaussians-wgan-gp",
        ),
        (["run", "absent.md", "out.ipynb"], "notebook: no file absent.md; . has none; go to the root of a checkout"),
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
    ("arguments", "line"),
    [
        (["trian", "x"], "command: unknown 'trian'; known: choose-gp-weight, .*, train; nearest: train"),
        (["-x"], "option: unknown '-x'; known: --help"),
        (["train", "x", "--profil3", "smoke"], "option: unknown '--profil3'; known: .*; nearest: --profile"),
        (["train"], "NAME: missing; write dotlib train digits-dcgan-sngan-ns --seed 7"),
        (["keep"], "PATH: missing; write dotlib keep _build/records/keff/laptop-digits-s0.json"),
        (["train", "x", "--seed", "one"], "--seed: 'one' is not a valid integer; write dotlib train .*"),
        (["train", "x", "--seed"], "--seed: found no value; .*"),
        (["train", "x", "y"], r"train: got unexpected extra argument \(y\); write dotlib train .*"),
    ],
)
def test_a_slip_is_told_in_one_line_with_the_nearest_or_an_example(arguments, line):
    out, err = call(*arguments, status=2)
    assert out == "" and re.fullmatch(f"dotlib: {line}\n", err)


def test_no_word_at_all_shows_the_help():
    out, err = call(status=2)
    assert (out + err).startswith("Usage: ") and "Commands, in the order of use" in out + err


def test_help_stands_in_the_order_of_use_with_an_example_of_each_command():
    out, _ = call("--help")
    readers, maintainers = out.split("For maintainers:")[0], out.split("For maintainers:")[1].split("\n\n")[0]
    assert re.findall(r"^  ([a-z-]+) {2,}\S", readers.split("in the order of use:")[1], re.M) == [
        "train",
        "step",
        "run",
    ]
    named = re.findall(r"^  ([a-z-]+) {2,}\S", maintainers, re.MULTILINE)
    assert named == ["record", "keep", "ship", "choose-gp-weight", "picture"]
    assert set(main.commands) == {"train", "step", "run", *named}
    for name, command in main.commands.items():
        assert command.epilog.startswith(f"Example: dotlib {name} ")
        assert f"dotlib {name} " in readers + maintainers and command.epilog in call(name, "--help")[0]


@pytest.mark.parametrize("command", main.commands.values(), ids=list(main.commands))
def test_every_example_is_taken_as_it_stands(command, monkeypatch):
    """Its words are read and its names are known; nothing is made."""
    monkeypatch.chdir(ROOT)
    _, _, *words = command.epilog.removeprefix("Example: ").split()
    values = command.make_context(command.name, words).params
    if command.name in ("train", "ship"):
        assert plan.recorded(values["name"], cli.settings_of(values["name"], "laptop", 0), "laptop")
    elif command.name == "step":
        assert steps.KINDS[values["kind"]].check(values["item"]) is None
    elif command.name == "run":
        assert values["notebook"].is_file() and values["values"].keys() <= notebooks.parameters(
            notebooks.read(values["notebook"])
        )


def test_help_tells_choices_defaults_durations_places_and_what_to_do_after_a_stop(monkeypatch, tmp_path):
    monkeypatch.setenv("DOTLIB_ARTIFACTS", "here/artifacts")
    out, _ = call("--help")
    for words in ("smoke, laptop, paper; laptop where nothing is said", "0 where nothing is said", "cpu, or cuda"):
        assert words in out
    assert re.search(r"laptop +half of the \d+ shipped pairs took at most \d+ min", out)
    assert "here/artifacts" in out and "_build/records" in out and "Give the same command again" in out
    monkeypatch.setattr(plan, "shipped_folder", lambda: None)  # as in an installed copy
    assert re.search(r"laptop +minutes to hours of one core\n", call("--help")[0])
    out, _ = call("train", "--help")
    assert "[smoke|laptop|paper]" in out and "[default: laptop]" in out
    assert "  <digits|mnist|fashion_mnist>-mlp-<wgan-gp|wgan-sn|wgan-free|wgan-gp-code>\n" in out
    out, _ = call("step", "--help")
    assert "move     Move the points of Figure 3.\n" in out and "[classifier|inception|efficientnet]" in out


def test_light_names_are_those_of_the_modules_that_load_torch():
    assert set(cli.JUDGES) == {"classifier", *judges.NETWORKS}
    for device in cli.DEVICES:
        assert torch.device(device).type == torch.device(f"{device}:0").type == device


SLIPS = [
    (["train", "swisroll-wgan-gp"], "name: unknown 'swisroll-wgan-gp'; .*; nearest: swissroll-wgan-gp"),
    (["train", "swissroll-wgan-gp", "--profile", "smok"], "profile: unknown 'smok'; .*; nearest: smoke"),
    (["train", "swissroll-wgan-gp", "--device", "cdua:1"], "device: unknown 'cdua'; .*; nearest: cuda"),
    (["step", "scor", "digits-dcgan-sngan-ns"], "kind: unknown 'scor'; .*; nearest: score"),
    (["step", "score", "digits-dcgan-sngan-sn"], "name: unknown .*; nearest: digits-dcgan-sngan-ns"),
    (["step", "move", "swisroll"], "dataset: unknown 'swisroll'; .*; nearest: swissroll"),
    (["step", "score", "digits-dcgan-sngan-ns", "--judge", "clasifier"], "judge: .*; nearest: classifier"),
    (["run", "notebooks/kef.md", "o.ipynb"], "notebook: no file notebooks/kef.md; .*; nearest: notebooks/keff.md"),
    (["run", "kef.md", "o.ipynb"], "notebook: no file kef.md; .*; nearest: notebooks/keff.md"),
    (["run", "notebooks/keff.md", "o.ipynb", "-p", "profile=smok"], "profile: unknown 'smok'; .*; nearest: smoke"),
    (["run", "notebooks/keff.md", "o.ipynb", "-p", "sed=3"], "unknown parameter 'sed'; .*; nearest: seed"),
    (["record", "tab1_score/laptop-digits-s0"], "stem: unknown 'tab1_score'; .*; nearest: tab1_scores"),
    (["record", "real_images/laptop-digit-s0"], "key: unknown 'laptop-digit-s0'; .*; nearest: laptop-digits-s0"),
    (["keep", "absent.json"], "absent.json: no such record; .*"),
    (["ship", "swisroll-wgan-gp"], "name: unknown 'swisroll-wgan-gp'; .*; nearest: swissroll-wgan-gp"),
    (["choose-gp-weight", "swisroll"], "dataset: unknown 'swisroll'; .*; nearest: swissroll"),
]
REFUSED = """
import sys
from dotlib.cli import main
try:
    main(sys.argv[1:], prog_name="dotlib")
except SystemExit as end:
    print("torch" in sys.modules, end.code)
"""


def seconds_of(*arguments, status):
    """Seconds of processor time of a command in an interpreter of its own, and its stderr; torch stays away."""
    before = os.times()
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, *arguments], capture_output=True, text=True, check=False, cwd=ROOT
    )
    after = os.times()
    assert done.stdout.splitlines()[-1] == f"False {status}", done.stderr
    return after.children_user + after.children_system - before.children_user - before.children_system, done.stderr


@pytest.mark.parametrize(("arguments", "message"), SLIPS, ids=[" ".join(arguments) for arguments, _ in SLIPS])
def test_a_slip_in_a_name_is_told_in_one_line_before_torch_is_loaded(arguments, message):
    """With a name that is right but for a letter; pages and records are those of the repository."""
    _, err = seconds_of(*arguments, status=2)
    assert re.fullmatch(f"dotlib: {message}\n", err)


def test_help_and_a_slip_take_well_under_a_second():
    """Of the processor's time, so that a busy machine fails nothing; torch alone takes longer."""
    assert min(seconds_of("--help", status=0)[0] for _ in range(3)) < 0.7
    assert min(seconds_of("train", "swisroll-wgan-gp", status=2)[0] for _ in range(3)) < 0.7


def test_a_slip_in_a_notebook_lists_the_notebooks(monkeypatch):
    monkeypatch.chdir(ROOT)
    _, err = call("run", "notebooks/tabl_scores.md", "o.ipynb", status=2)
    assert all(path.stem in err for path in (ROOT / "notebooks").glob("*.md")) and err.count("\n") == 1


def test_a_slip_in_a_record_names_one_of_this_build(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    made = Path("_build/records/keff/laptop-digits-s0.json")
    made.parent.mkdir(parents=True)
    made.touch()
    _, err = call("keep", "_build/records/kef/laptop-digits-s0.json", status=2)
    assert err.endswith(f"; nearest: {made}\n")


# --- what train says ---------------------------------------------------------------------------


def test_train_says_what_it_will_do_before_it_does_it(monkeypatch, artifacts):
    told = []

    def pair(name, **_):
        told.append("trained")
        return SimpleNamespace(path=Path("a"), sha256="0", origin="trained here", made={"commit": "0"})

    monkeypatch.setattr(zoo, "pair", pair)
    monkeypatch.setattr(cli, "_tell", told.append)
    call("train", "swissroll-wgan-gp", "--profile", "smoke")
    assert told[0] == "swissroll-wgan-gp, profile smoke, seed 0: 4 updates of G, 3 of D before each, on cpu"
    assert told[1].startswith(f"the state is saved in {artifacts}/swissroll-wgan-gp/smoke-s0-")
    assert told[2:] == ["how long it takes is recorded nowhere; an estimate comes after the first updates", "trained"]
    told.clear()
    call("train", "swissroll-wgan-gp")
    assert told == [
        "swissroll-wgan-gp, profile laptop, seed 0: nothing to train, it is shipped; DOTLIB_TRAIN=1 trains it here",
        "trained",
    ]


def test_a_terminal_has_the_bar_and_a_pipe_the_lines(monkeypatch):
    followed = []
    monkeypatch.setattr(steps, "run", lambda *_, **__: "made")
    monkeypatch.setattr(plan, "progress", lambda *_: followed.append("lines") or contextlib.nullcontext())
    call("train", "swissroll-wgan-gp", "--profile", "smoke")
    assert followed == ["lines"]
    monkeypatch.setattr(cli, "sys", SimpleNamespace(stderr=SimpleNamespace(isatty=lambda: True)))
    call("train", "swissroll-wgan-gp", "--profile", "smoke")
    assert followed == ["lines"]


def test_in_a_terminal_the_plan_comes_first_and_then_the_bar():
    """A real training of the smallest size, in a terminal of 100 columns."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    command = [sys.executable, "-m", "dotlib.cli", "train", "swissroll-wgan-gp", "--profile", "smoke"]
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=ROOT) as training:
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # the end, on Linux
            while part := os.read(ours, 4_096):
                shown += part
        os.close(ours)
    lines = shown.decode().split("\r\n")
    assert training.returncode == 0 and lines[0].startswith("swissroll-wgan-gp, profile smoke, seed 0: 4 updates of G")
    assert "\rtrain swissroll: 100%" in lines[3] and "trained here" in lines[4] and " left" not in shown.decode()


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
