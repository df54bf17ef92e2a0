"""The published numbers: schema, and facts that follow from the numbers alone.

Kinds of test: identities, golden numbers (the paper's own, which must agree with each other).
"""

import re
from pathlib import Path

import pytest
import yaml

PATH = Path(__file__).resolve().parents[2] / "book" / "paper_values.yml"
KEYS = {"id", "printed", "value", "sd", "sd_over", "unit", "place"}
UNITS = {
    "squared data units",
    "logits per data distance",
    "logits per latent distance",
    "inception score",
    "squared feature units",
    "seconds per 30 updates",
}
COUNTS = {
    "fig2": 1,
    "fig3": 8,
    "tab1": 52,
    "tab2": 12,
    "tab3": 32,
    "b2": 77,
    "fig9": 7,
    "fig10": 1,
    "fig11": 1,
    "tab7": 40,
    "b3": 4,
}
NETWORKS = ("wgan-gp", "sngan-ns", "sngan-hi", "sagan-ns", "sagan-hi")


@pytest.fixture(scope="module")
def entries() -> list[dict]:
    return yaml.safe_load(PATH.read_text(encoding="utf-8"))["values"]


@pytest.fixture(scope="module")
def value(entries) -> dict[str, float]:
    return {entry["id"]: entry["value"] for entry in entries}


def score(value: dict, stem: str) -> tuple[float, float]:
    return value[f"{stem}.is"], value[f"{stem}.fid"]


def test_every_entry_has_the_same_fields(entries):
    for entry in entries:
        assert set(entry) == KEYS, entry["id"]
        assert isinstance(entry["value"], float) and entry["value"] > 0, entry["id"]
        assert entry["unit"] in UNITS, entry["id"]
        assert re.match(r"(Table|Figure|B\.)", entry["place"]), entry["id"]
        assert (entry["sd"] is None) == (entry["sd_over"] is None), entry["id"]
        assert entry["sd_over"] in (None, "trials", "splits", "runs"), entry["id"]
        assert re.fullmatch(r"[a-z0-9_.K-]+", entry["id"])


def test_ids_and_places_are_unique(entries):
    assert len({entry["id"] for entry in entries}) == len(entries)
    cells = {(entry["place"], entry["unit"]) for entry in entries}
    assert len(cells) == len(entries)


def test_nothing_is_missing(entries):
    found = {stem: sum(entry["id"].split(".")[0] == stem for entry in entries) for stem in COUNTS}
    assert found == COUNTS
    assert sum(COUNTS.values()) == len(entries)


def test_value_and_sd_are_what_is_printed(entries):
    """0.052(08) is 0.052 with sd 0.008; 8.2(08) is 8.20 with sd 0.08, as its neighbours."""
    for entry in entries:
        figure, digits = re.fullmatch(r"(\d+\.\d+)(?:\((\d\d)\))?", entry["printed"]).groups()
        assert entry["value"] == float(figure), entry["id"]
        if digits is None:
            assert entry["sd"] is None, entry["id"]
            continue
        decimals = max(len(figure.partition(".")[2]), 2)
        assert entry["sd"] == pytest.approx(float(digits) * 10**-decimals, rel=1e-12), entry["id"]


def test_scores_with_a_lost_zero(entries):
    """(01) often, (10) never: stated in the file's header."""
    printed = [entry["printed"] for entry in entries if entry["unit"] == "inception score"]
    assert sum(text.endswith("(01)") for text in printed) == 12
    assert not any(text.endswith("(10)") for text in printed)


def test_table_2_starts_from_the_hinge_generator(value):
    """Its caption says SAGAN(ns); its ends are Table 1's row SAGAN(hi)."""
    assert score(value, "tab2.none") == score(value, "tab1.cifar10.dcgan.sagan-hi.bare")
    assert score(value, "tab2.sagan-hi") == score(value, "tab1.cifar10.dcgan.sagan-hi.dot")
    assert score(value, "tab2.none") != score(value, "tab1.cifar10.dcgan.sagan-ns.bare")
    assert score(value, "tab2.sagan-ns") != score(value, "tab1.cifar10.dcgan.sagan-ns.dot")


def test_table_1_on_stl10_follows_b2_not_its_caption(value):
    """The caption says 10 updates for STL-10; B.2 says 20 for DCGAN and 10 for ResNet."""
    resnet = score(value, "tab1.stl10.resnet.sagan-ns.dot")
    assert resnet == score(value, "b2.stl10.resnet.sagan-ns.u10")
    assert resnet != score(value, "b2.stl10.resnet.sagan-ns.u20")
    bare = score(value, "tab1.stl10.resnet.sagan-ns.bare")
    assert bare == score(value, "b2.stl10.resnet.sagan-ns.u0")
    dcgan = score(value, "tab1.stl10.dcgan.sagan-hi.dot")
    # 10.30 against 10.29, and 45.79 against 45.78 for bare: one unit of the last digit
    assert dcgan == pytest.approx(score(value, "b2.stl10.dcgan.sagan-hi.u20"), abs=0.0101)
    assert abs(dcgan[0] - value["b2.stl10.dcgan.sagan-hi.u10.is"]) > 0.1
    bare = score(value, "tab1.stl10.dcgan.sagan-hi.bare")
    assert bare == pytest.approx(score(value, "b2.stl10.dcgan.sagan-hi.u0"), abs=0.0101)


@pytest.mark.parametrize("network", NETWORKS)
def test_table_1_on_cifar10_is_the_second_trial_of_b2(value, network):
    table, history = f"tab1.cifar10.dcgan.{network}", f"b2.cifar10.dcgan.{network}.keff"
    assert score(value, f"{table}.bare") == score(value, f"{history}.u0")
    assert score(value, f"{table}.dot") == score(value, f"{history}.u20")


def test_dot_improves_every_row_of_table_1(value):
    """Section 4.1: "In each case, inception score and FID are improved"."""
    rows = {key.rpartition(".bare.")[0] for key in value if ".bare.is" in key and "tab1" in key}
    assert len(rows) == 13
    for row in rows:
        bare, dot = score(value, f"{row}.bare"), score(value, f"{row}.dot")
        assert dot[0] > bare[0] and dot[1] < bare[1], row


def test_dot_against_mh_gan_in_all_cases(value):
    """Supplement B.2, on Tables 1 and 7: true of FID, not of the inception score."""
    cells = [(data, network) for data in ("cifar10", "stl10") for network in NETWORKS]
    worse = {"is": set(), "fid": set()}
    for data, network in cells:
        dot = score(value, f"tab1.{data}.dcgan.{network}.dot")
        mh = score(value, f"tab7.{data}.{network}.mhgan")
        if dot[0] < mh[0]:
            worse["is"].add((data, network))
        if dot[1] > mh[1]:
            worse["fid"].add((data, network))
    assert worse["fid"] == set()
    assert worse["is"] == {("cifar10", "sngan-hi"), ("stl10", "sngan-hi")}


def test_figure_3_cannot_separate_G_from_DOT(entries):
    """On both sets the published means of G and DOT differ by less than either published sd."""
    found = {entry["id"]: entry for entry in entries}
    for data in ("25gaussians", "swissroll"):
        g, dot = found[f"fig3.{data}.g.emd"], found[f"fig3.{data}.dot.emd"]
        assert abs(g["value"] - dot["value"]) < min(g["sd"], dot["sd"])
