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
print(json.dumps([seconds, loaded, printed, str(files.artifacts()), message, dot.__file__, str(records.BUILT)]))
"""


def report(folder: Path, path: Path | None = None, **variables: str) -> list:
    """What a fresh interpreter says of dotlib, started in `folder`; `path` leads to an installed copy."""
    environment = (
        {"PATH": "/usr/bin:/bin", "HOME": str(folder)} | ({"PYTHONPATH": str(path)} if path else {}) | variables
    )
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", REPORT],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


PROMISED = """
Adam Bare Calibrated DDLS DGflow DRS FileError InceptionScore InputError LatentDOT MHGAN Moments Normal OBRS Pair SGD
TargetDOT Trajectory Uniform Variant class_constants classifier density_coverage emd fid frozen generator image_set
kid latent_constant latent_dot load_pair precision_recall target_constant target_dot to_float to_uint8
"""


def test_the_promised_names_are_these():
    """A name that goes breaks the code of everybody who lifted a page's."""
    assert sorted(dot.__all__) == PROMISED.split()


def test_about_thirty_names_each_with_a_docstring_of_its_own():
    assert 30 <= len(dot.__all__) <= 40
    for name in dot.__all__:
        thing = getattr(dot, name)
        assert thing.__name__ == name and thing.__module__.startswith("dotlib.")
        assert inspect.getdoc(thing)


LIPSCHITZ = {"n_pairs": 100, "repeats": 10}  # [DOT19] B.1
TRANSPORT = {"anchor": None, "cost": "l2", "variant": "paper", "delta": 1e-3, "snapshots": None, "batch_size": None}
DEFAULTS = {  # name -> what a caller gets without a word, and where it comes from
    "Adam": {"betas": (0.0, 0.9)},  # [DOT19] B.1
    "Calibrated": {"calibration": "logistic", "fakes": 1_000},  # [DOT19] B.2
    "DDLS": {"steps": 1_000, "step": 0.01, "block": None},  # the step is that in common use, the number ours
    "DGflow": {"f": "KL", "eta": 0.1, "gamma": 0.01, "steps": 25, "block": None},  # released configurations
    "DRS": {"percentile": 60.0, "budget": None, "burn_in": 10_000, "eps": 1e-8, "limit": 1_000},  # reference program
    "InceptionScore": {"splits": 10},  # as published
    "LatentDOT": {"steps": 20, "optimizer": dot.SGD(0.01), "cost": "l2", "variant": "paper", "k_eff": None}
    | {"pairs": 100, "repeats": 10},  # [DOT19] B.2, B.1
    "MHGAN": {"steps": 500, "start": None, "restart": "generator", "attempts": 10},  # [DOT19] Table 7, the article
    "OBRS": {"budget": 0.5, "burn_in": 10_000, "limit": 1_000},  # reference program; the budget is ours
    "TargetDOT": {"steps": 100, "optimizer": dot.Adam(0.01, (0.0, 0.9)), "cost": "l2", "variant": "paper"}
    | {"clip": None, "K_eff": None, "pairs": 100, "repeats": 10},  # [DOT19] B.1
    "class_constants": {"n_pairs": 50, "repeats": 1, "unconditional": False},  # [DOT19] 4.2, released program
    "classifier": {"seed": 0},
    "density_coverage": {"k": 5},  # arXiv 2002.09797
    "emd": {"cost": "sqeuclidean"},  # as published
    "frozen": {"iterations": 100},  # released code
    "image_set": {"split": "train"},
    "kid": {"subsets": 100, "subset_size": None},
    "latent_constant": LIPSCHITZ,
    "latent_dot": {"steps": 20, "optimizer": dot.SGD(0.01), "compared": "latents"} | TRANSPORT,  # [DOT19] B.2
    "load_pair": {"seed": 0, "profile": "laptop"},  # the seed and size of the pages
    "precision_recall": {"k": 3},  # arXiv 1904.06991
    "target_constant": {"embed": None} | LIPSCHITZ,
    "target_dot": {"steps": 100, "optimizer": dot.Adam(0.01, (0.0, 0.9)), "clip": None} | TRANSPORT,  # [DOT19] B.1
}


@pytest.mark.parametrize("name", dot.__all__)
def test_every_default_is_the_one_of_its_source(name):
    """A default is a promise: another one changes the numbers of everybody who said nothing."""
    thing = getattr(dot, name)
    error = inspect.isclass(thing) and issubclass(thing, Exception)
    parameters = () if error else inspect.signature(thing).parameters.values()
    found = {each.name: each.default for each in parameters if each.default is not each.empty}
    assert found == DEFAULTS.get(name, {}), f"{name}: write the new default here, with its source"


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
    _, loaded, printed, artifacts, message, file, built = report(elsewhere, target)
    assert Path(file).is_relative_to(target) and loaded == [] and printed == 0.052
    assert not Path(artifacts).is_relative_to(target) and Path(artifacts).is_absolute()
    assert Path(artifacts).is_relative_to(elsewhere), "in the user's data folder"
    assert Path(built) == Path(artifacts).with_name("records")
    data = {"XDG_DATA_HOME": str(tmp_path / "data")}
    assert report(elsewhere, target, **data)[3] == str(tmp_path / "data" / "dotlib" / "artifacts")
    assert report(target, target, **data)[3] == str(tmp_path / "data" / "dotlib" / "artifacts"), "also from beside it"
    assert report(elsewhere, target, **data, DOTLIB_ARTIFACTS="mine")[3] == "mine"
    assert "\n" not in message and "repository" in message
