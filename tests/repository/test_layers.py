"""The package's layers: a module imports only from lower ones. Kinds: invariants, failures."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "dotlib"

# A module that is not here needs a reason first; the number says what it may import.
LAYERS = {
    "__init__": 0,
    "errors": 0,
    "atomic": 0,
    "config": 0,
    "seeding": 0,
    "provenance": 0,
    "tables": 0,
    "paired": 0,
    "sources": 0,
    "heap": 0,
    "priors": 1,
    "data": 1,
    "networks": 1,
    "objectives": 1,
    "published": 1,
    "duality": 1,
    "image_config": 1,
    "formats": 1,
    "downloads": 1,
    "vision": 1,
    "pairs": 2,
    "catalog": 2,
    "freezing": 2,
    "image_files": 2,
    "descent": 3,
    "images": 3,
    "sampling": 3,
    "calibration": 4,
    "ratio_checks": 5,
    "lipschitz": 4,
    "layer_norms": 4,
    "transport": 4,
    "frechet": 4,
    "manifold": 4,
    "metrics": 5,
    "scores": 5,
    "oracle": 5,
    "rejection": 5,
    "langevin": 5,
    "transported": 5,
    "workloads": 5,
    "checkpoints": 6,
    "official": 6,
    "samplers": 6,
    "training": 7,
    "records": 7,
    "plots": 7,
    "inception_weights": 7,
    "judges": 8,
    "runtimes": 8,
    "image_plots": 8,
    "toy_gan": 8,
    "image_gan": 8,
    "jury": 9,
    "score_files": 9,
    "zoo": 9,
    "frontier": 10,
    "selection": 10,
    "figure3": 10,
    "notebook": 10,
    "image_scores": 10,
    "audit": 11,
    "reporting": 11,
    "image_reporting": 11,
    "image_swap": 11,
    "image_histories": 11,
    "image_trainings": 11,
    "image_views": 11,
    "campaign": 12,
    "image_tables": 12,
    "image_keff": 12,
    "contests": 11,
    "sampler_reporting": 12,
    "image_calibration": 12,
    "sampler_plots": 13,
    "calibration_reporting": 13,
    "table7": 13,
    "cli": 13,
}
# Layer 0 is flat but for this: everything may raise the house's errors and write files whole.
GROUND = {"errors", "atomic"}


def imports(source: str) -> set[str]:
    """Modules of dotlib that a source text imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise AssertionError("relative import: write 'from dotlib import ...'")
        elif isinstance(node, ast.ImportFrom) and node.module == "dotlib":
            names = [f"dotlib.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("dotlib.")}
    return found


def uphill(module: str, source: str) -> list[str]:
    """One line for each import that does not lead to a lower layer."""
    faults = []
    for other in sorted(imports(source) - {module}):
        allowed = LAYERS[other] < LAYERS[module] or (other in GROUND and module not in GROUND)
        if not allowed:
            faults.append(f"dotlib.{module} (layer {LAYERS[module]}) imports dotlib.{other} (layer {LAYERS[other]})")
    return faults


def sources():
    """(layer name, path) of every module."""
    return [(path.relative_to(PACKAGE).with_suffix("").parts[0], path) for path in sorted(PACKAGE.rglob("*.py"))]


def test_every_module_has_a_layer():
    assert {name for name, _ in sources()} == set(LAYERS)


@pytest.mark.parametrize(("module", "path"), sources(), ids=lambda value: str(value)[-24:])
def test_imports_lead_downhill(module, path):
    assert uphill(module, path.read_text(encoding="utf-8")) == []


def test_an_uphill_import_is_named_with_both_modules():
    assert uphill("metrics", "def f():\n    from dotlib import zoo, errors\n") == [
        "dotlib.metrics (layer 5) imports dotlib.zoo (layer 9)"
    ]
    assert uphill("zoo", "from dotlib.cli import main") == ["dotlib.zoo (layer 9) imports dotlib.cli (layer 13)"]
