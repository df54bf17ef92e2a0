"""The faults of tests/faults.yml are listed, and their tests exist. That they fail is seen by tests/plant_faults.py."""

import re
from pathlib import Path

import yaml

TESTS = Path(__file__).resolve().parents[1]
FAULTS = yaml.safe_load((TESTS / "faults.yml").read_text(encoding="utf-8"))


def test_the_table_has_every_fault_and_the_test_that_catches_it():
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    rows = [tuple(re.split(r"\s*\|\s*", line.strip("| "))) for line in text.splitlines() if ".py::" in line]
    assert rows == [(fault["kind"], fault["fault"], f"`{fault['test']}`") for fault in FAULTS]
    assert len({fault["fault"] for fault in FAULTS}) == len(FAULTS) >= 14


def test_every_test_that_is_named_exists():
    missing = []
    for fault in FAULTS:
        file, _, name = fault["test"].partition("::")
        path = TESTS / file
        if not (path.exists() and f"\ndef {name}(" in path.read_text(encoding="utf-8")):
            missing.append(fault["test"])
    assert missing == [], "faults without their test: write where it is now into tests/faults.yml and README.md"


def test_every_fault_is_planted_at_one_place_of_a_module():
    modules = {fault["file"]: (TESTS.parent / "dotlib" / fault["file"]).read_text(encoding="utf-8") for fault in FAULTS}
    elsewhere = [f["fault"] for f in FAULTS if modules[f["file"]].count(f["old"]) != 1 or f["old"] == f["new"]]
    assert elsewhere == [], "code has changed: write the text at its present place into tests/faults.yml"
