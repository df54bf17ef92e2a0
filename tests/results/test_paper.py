"""The published numbers, and the words with which a page compares its own to them.

Kinds of test: truth tables, failures; identities and golden numbers (the paper's own, which must agree with each
other).
"""

import math
import re

import pytest
import yaml

from dotlib.errors import FileError, InputError
from dotlib.results import paper
from dotlib.results.paper import NOT_REPRODUCED, NOT_RESOLVED, REPRODUCED, SAME_SIGN, SMOKE, Published

TEN = Published("x", 10.0, 0.5, "", "Table 0")


@pytest.mark.parametrize(
    ("here", "verdict"),
    [
        (10.0, REPRODUCED),
        (11.0, REPRODUCED),
        (9.0, REPRODUCED),  # two deviations, inclusive
        (11.001, NOT_REPRODUCED),
        (8.999, NOT_REPRODUCED),
        (-10.0, NOT_REPRODUCED),
        (0.0, NOT_REPRODUCED),
    ],
)
def test_a_number(here, verdict):
    assert paper.verdict(here, TEN, profile="laptop") == verdict
    assert paper.verdict(here, TEN, profile="paper") == verdict
    assert paper.verdict(here, TEN, profile="smoke") == SMOKE


@pytest.mark.parametrize(
    ("difference", "interval", "verdict"),
    [
        (-0.1, (-0.3, -0.1), REPRODUCED),
        (-0.1, (-0.3, 0.1), SAME_SIGN),
        (-0.1, (-0.1, 0.3), NOT_REPRODUCED),
        (-0.1, (0.1, 0.3), NOT_REPRODUCED),
        (0.1, (0.1, 0.3), REPRODUCED),
        (0.1, (-0.1, 0.3), SAME_SIGN),
        (0.1, (-0.3, 0.1), NOT_REPRODUCED),
        (0.1, (-0.3, -0.1), NOT_REPRODUCED),
        (0.1, (-0.2, 0.2), NOT_REPRODUCED),  # the middle is on neither side
        (0.1, (0.0, 0.2), SAME_SIGN),  # it holds 0
        (0.1, (0.3, 0.1), REPRODUCED),  # the order of the ends does not matter
    ],
)
def test_a_comparison(difference, interval, verdict):
    assert paper.verdict_on_sign(difference, interval, profile="laptop") == verdict
    assert paper.verdict_on_sign(difference, interval, profile="smoke") == SMOKE
    mirrored = paper.verdict_on_sign(-difference, tuple(-end for end in interval), profile="paper")
    assert mirrored == verdict


def test_a_difference_that_the_print_does_not_resolve_has_no_verdict():
    def number(value, sd):
        return Published("x", value, sd, "", "Figure 0")

    below = (-0.2, -0.1)  # ours, clearly negative
    far, near = number(1.0, 0.3), number(1.08, 0.4)  # standard error of the difference 0.05
    assert paper.verdict_on_order(far, near, below, profile="paper") == NOT_RESOLVED
    assert paper.verdict_on_order(far, number(1.12, 0.4), below, profile="paper") == REPRODUCED
    assert paper.verdict_on_order(number(1.12, 0.4), far, below, profile="paper") == NOT_REPRODUCED
    assert paper.verdict_on_order(far, near, below, profile="smoke") == SMOKE
    with pytest.raises(InputError, match="no standard deviation is published"):
        paper.verdict_on_order(far, number(1.0, None), below, profile="paper")
    with pytest.raises(InputError, match="found 0, which has no sign"):
        paper.verdict_on_sign(0.0, below, profile="paper")


def test_the_words_are_four_and_different():
    assert len({REPRODUCED, SAME_SIGN, NOT_REPRODUCED, SMOKE}) == 4


@pytest.mark.parametrize("profile", ["smoke", "laptop"])
def test_numbers_that_are_not_finite_get_no_verdict(profile):
    for bad in (math.nan, math.inf):
        with pytest.raises(InputError, match="^here: expected finite numbers, found"):
            paper.verdict(bad, TEN, profile=profile)
        with pytest.raises(InputError, match="^interval: expected finite numbers"):
            paper.verdict_on_sign(1.0, (0.1, bad), profile=profile)


def test_a_number_without_deviation_has_no_verdict_of_its_own():
    with pytest.raises(InputError, match="published: x has no standard deviation; ask verdict_on_sign"):
        paper.verdict(10.0, Published("x", 10.0, None, "", "Table 0"), profile="laptop")


def test_values_are_found_by_their_id():
    found = paper.value("fig3.25gaussians.dot.emd")
    assert (found.value, found.sd, found.unit) == (0.052, 0.010, "squared data units")
    assert found.place.startswith("Figure 3")
    with pytest.raises(InputError, match=r"no 'fig3.25gaussian.dot.emd'; nearest: fig3.25gaussians"):
        paper.value("fig3.25gaussian.dot.emd")


def test_without_the_file_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "FILE", tmp_path / "paper_values.yml")
    paper._entries.cache_clear()
    with pytest.raises(FileError, match="cannot be read .*install dotlib again"):
        paper.value("fig3.swissroll.g.emd")
    paper._entries.cache_clear()


def test_the_printed_ratio_and_its_error():
    """1.05(01) over 1.04(01): the error of a quotient by finite differences of each number."""
    value, sd = paper.ratio("b3.stl10.seconds", "b3.cifar10.seconds")
    assert value == pytest.approx(1.05 / 1.04)
    parts = [(1.0501 / 1.04 - value) / 1e-4 * 0.01, (1.05 / 1.0401 - value) / 1e-4 * 0.01]
    assert sd == pytest.approx(math.hypot(*parts), rel=1e-3)
    with pytest.raises(InputError, match=r"no standard deviation is published of fig2.sngan.K_eff, b3.stl10"):
        paper.ratio("fig2.sngan.K_eff", "b3.stl10.seconds")


# --- the numbers ----------------------------------------------------------------------------------

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
    return yaml.safe_load(paper.FILE.read_text(encoding="utf-8"))["values"]


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
