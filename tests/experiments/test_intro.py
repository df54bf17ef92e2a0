"""The map of the paper. Kinds of test: identities (what records say is counted), invariants of the list of items."""

from pathlib import Path

import pytest
import yaml

from dotlib.data import downloads
from dotlib.experiments import intro
from dotlib.results import paper, records

ROOT = Path(__file__).resolve().parents[2]


def stored(folder, dataset, verdicts, *, profile="laptop", seed=0, images=None):
    record = records.start("tab1_scores", profile=profile, dataset=dataset, seed=seed, parameters={})
    record.verdicts |= verdicts
    record.made["images"] = images or {}
    records.write(record, folder)


def test_verdicts_are_counted_for_each_label(tmp_path):
    measured = {"FID": f"{paper.NOT_RESOLVED} (measured: 1)", "IS": f"{paper.NOT_RESOLVED} (measured: 2)"}
    stored(tmp_path, "mnist-dcgan-sngan-hi", {"IS": paper.REPRODUCED, "FID": paper.REPRODUCED})
    stored(tmp_path, "mnist-dcgan-sngan-ns", {"IS": paper.REPLICATED}, profile="paper")
    stored(tmp_path, "cifar10-dcgan-sagan-hi", measured, images={"test": "a copy", "floor": "a copy"})
    stored(tmp_path, "stl10-dcgan-wgan-gp", {"FID": paper.REPRODUCED}, seed=1, images={"test": downloads.OFFICIAL})
    line = intro.verdicts("tab1_scores", intro.ROWS, ("laptop", "paper"), tmp_path)
    assert line.split("; ") == [
        "MNIST: sign replicated (other data) (1), reproduced (2)",
        "CIFAR-10: print does not resolve it (2) [a copy]",
    ]
    assert intro.verdicts("tab1_scores", intro.ROWS, ["laptop"], tmp_path, 1) == "STL-10: reproduced (1)"
    assert intro.verdicts("tab1_scores", intro.ROWS, ["smoke"], tmp_path) == "-"


def test_networks_of_table_4_in_each_profile():
    assert intro.networks("smoke") == "D 128 units wide instead of 512"
    assert intro.networks("paper") == "used as published"


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an empty build
    return intro.map_rows("smoke", 0)


def test_each_item_has_one_row_that_says_something(rows):
    assert len({row[0] for row in rows}) == len(rows) == len(intro.DONE) + len(intro.USED) + 1 + len(intro.MISSING)
    assert all(len(row) == 4 and all(row) for row in rows)
    by_item = {row[0]: row[1:] for row in rows}
    assert by_item["Figure 3, swissroll"][2] == "-" and "reproduced" in by_item["Figure 3, swissroll"][1]
    assert by_item["Table 3, ImageNet"] == ["-", "-", "not attempted (no conditional pair in the book yet)"]


def test_verdicts_over_trainings_stand_before_those_of_single_pairs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    over = {"tab1_scores": "digits: undecided (1)", "tab2_swap": "digits: contradicted (2)"}
    kept = {row[0]: row[2] for row in intro.map_rows("smoke", 0, over)}
    assert kept["Table 1, inception score and FID"].startswith("over trainings: digits: undecided (1); single pairs: ")
    assert kept["Table 2, one G with each D"] == "over trainings: digits: contradicted (2)"


def test_the_pages_of_the_map_are_pages_of_the_book(rows):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    pages = {chapter["file"] for part in toc["parts"] for chapter in part["chapters"]}
    assert {row[1].strip("`").removeprefix("{doc}`/") for row in rows} <= pages | {"-"}
