"""The published numbers, and the words with which a page compares its own to them.

Kinds of test: truth tables with their mirror images, second methods, failures; identities and golden numbers (the
paper's own, which must agree with each other).
"""

import math
import re

import numpy as np
import pytest
import yaml
from scipy import stats

from dotlib.errors import FileError, InputError
from dotlib.results import paper
from dotlib.results.paper import (
    CONTRADICTED,
    NOT_RESOLVED,
    REPLICATED,
    REPRODUCED,
    SMOKE,
    UNDECIDED,
    Claim,
    Published,
)

TEN = Published("x", 10.0, 0.5, "", "Figure 0", "trials")


def alone(claim: Claim) -> str:
    """The verdict in a table that makes no other claim."""
    return claim.word(claim.p)


def mirrored(interval):
    return tuple(-end for end in interval)


@pytest.mark.parametrize(
    ("here", "n", "verdict"),
    [
        (10.0, 100, REPRODUCED),
        (10.1, 100, REPRODUCED),  # the interval is 0.1 +- 0.139
        (10.2, 100, CONTRADICTED),  # the old rule, two sds of one trial, let 11 pass
        (11.0, 100, CONTRADICTED),
        (10.0, 3, UNDECIDED),  # 0 +- 1.2: three trials are too vague to reproduce 10
        (10.4, 3, UNDECIDED),
        (15.0, 3, CONTRADICTED),
    ],
)
def test_a_number_and_its_mirror_image(here, n, verdict):
    """An sd of 0.5 on both sides; by hand sqrt(0.5^2/100 + 0.5^2/100) = 0.0707, times t(198) = 1.972: 0.139."""
    assert alone(paper.number(here, 0.5, n, TEN)) == verdict
    assert alone(paper.number(20.0 - here, 0.5, n, TEN)) == verdict


@pytest.mark.parametrize(("here", "sd", "n"), [(10.2, 0.5, 100), (9.7, 1.5, 12), (10.05, 0.01, 7)])
def test_the_test_of_a_number_is_that_of_welch(here, sd, n):
    """SciPy's test from statistics is a second method."""
    second = stats.ttest_ind_from_stats(here, sd, n, 10.0, 0.5, 100, equal_var=False)
    assert paper.number(here, sd, n, TEN).p == pytest.approx(second.pvalue, rel=1e-9)


def test_the_widest_interval_that_reproduces_has_two_published_deviations():
    """Widths with equal sds: 2 t sqrt(1/100 + 1/n), which is 2.09 for six trials and 1.87 for seven, in sds."""
    words = {n: alone(paper.number(10.0, 0.5, n, TEN)) for n in (2, 6, 7, 30)}
    assert words == {2: UNDECIDED, 6: UNDECIDED, 7: REPRODUCED, 30: REPRODUCED}


def test_more_trials_can_change_the_verdict_on_a_number():
    assert [alone(paper.number(10.15, 0.5, n, TEN)) for n in (5, 30, 1_000)] == [UNDECIDED, REPRODUCED, CONTRADICTED]


@pytest.mark.parametrize("over", ["splits", "runs", None])
def test_a_deviation_that_is_not_over_trials_is_no_error_of_a_mean(over):
    """An inception score has its sd over splits of one sample set."""
    other = Published("x", 10.0, None if over is None else 0.5, "", "Table 0", over)
    with pytest.raises(InputError, match="^published: the standard deviation of x is .*not over trials"):
        paper.number(10.0, 0.5, 100, other)
    with pytest.raises(InputError, match="^published: the standard deviation of x is .*not over trials"):
        paper.order(TEN, other, (1.0, 2.0), 5, own=True)
    assert paper.value("tab1.cifar10.dcgan.wgan-gp.bare.is").sd_over == "splits"
    assert paper.value("fig3.swissroll.g.emd").sd_over == "trials"


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize(
    ("printed", "interval", "verdict"),
    [
        (-0.1, (-0.3, -0.1), REPRODUCED),
        (-0.1, (-0.3, 0.1), UNDECIDED),  # no support: the old words were "same sign" ...
        (-0.1, (-0.1, 0.3), UNDECIDED),  # ... and "not reproduced"
        (-0.1, (0.1, 0.3), CONTRADICTED),
        (0.1, (0.1, 0.3), REPRODUCED),
        (0.1, (-0.3, -0.1), CONTRADICTED),
        (0.1, (-0.2, 0.2), UNDECIDED),
        (0.1, (0.0, 0.2), UNDECIDED),  # it holds 0
        (0.1, (-0.2, 0.0), UNDECIDED),
        (0.1, (0.3, 0.1), REPRODUCED),  # the order of the ends does not matter
        (0.1, (0.2, 0.2), REPRODUCED),  # no width
        (0.1, (0.0, 0.0), UNDECIDED),
    ],
)
def test_a_comparison_and_its_mirror_image(printed, interval, verdict, own):
    """On other data, or under another judge, only the sign can be replicated."""
    expected = REPLICATED if verdict == REPRODUCED and not own else verdict
    assert alone(paper.comparison(printed, interval, 5, own=own)) == expected
    assert alone(paper.comparison(-printed, mirrored(interval), 5, own=own)) == expected


def test_what_the_print_does_not_resolve_is_measured():
    claim = paper.comparison(0.08, (11.25, 11.75), 5, own=True, least=0.4)
    assert alone(claim) == "print does not resolve it (measured: +11.50 [+11.25, +11.75])"
    assert paper.kind(alone(claim)) == NOT_RESOLVED and paper.kind(REPLICATED) == REPLICATED
    assert "(measured: 3 apples)" in alone(paper.comparison(-0.4, (1, 2), 5, own=True, least=0.4, measured="3 apples"))
    assert alone(paper.comparison(0.41, (11.25, 11.75), 5, own=True, least=0.4)) == REPRODUCED
    assert alone(paper.comparison(-0.41, (11.25, 11.75), 5, own=True, least=0.4)) == CONTRADICTED


def test_the_order_of_two_printed_means():
    """The standard error of the difference is 0.05, its 95 % interval +- 0.0988 (t(181) = 1.973)."""

    def number(value, sd):
        return Published("x", value, sd, "", "Figure 0", "trials")

    below = (-0.2, -0.1)  # ours, clearly negative
    far, near = number(1.0, 0.3), number(1.095, 0.4)
    assert paper.kind(alone(paper.order(far, near, below, 9, own=True))) == NOT_RESOLVED
    assert paper.kind(alone(paper.order(near, far, below, 9, own=True))) == NOT_RESOLVED
    apart = number(1.105, 0.4)
    assert alone(paper.order(far, apart, below, 9, own=True)) == REPRODUCED
    assert alone(paper.order(far, apart, below, 9, own=False)) == REPLICATED
    assert alone(paper.order(apart, far, below, 9, own=True)) == CONTRADICTED
    assert alone(paper.order(far, apart, (-0.2, 0.1), 9, own=True)) == UNDECIDED


def test_the_gap_of_printed_trials_is_welchs():
    """Second method: scipy, on the trials of Table 3, whose columns are independent samples."""
    after, before = ([paper.value(f"tab3.trial{t}.u{u}.fid") for t in (1, 2, 3, 4)] for u in (32, 0))
    gap, half = paper.gap_of_trials(after, before)
    test = stats.ttest_ind(*([each.value for each in side] for side in (after, before)), equal_var=False)
    low, high = test.confidence_interval(0.95)
    assert (gap - half, gap + half) == pytest.approx((low, high), rel=1e-9) and gap == pytest.approx(-1.0275)
    with pytest.raises(InputError, match="trials: expected an integer >= 2"):
        paper.gap_of_trials(after[:1], before)


def test_the_p_value_of_an_interval_is_that_of_its_values():
    """The t-test of the values themselves is a second method."""
    values = np.random.default_rng(0).normal(0.4, 1.0, size=12)
    half = stats.t.ppf(0.975, 11) * values.std(ddof=1) / math.sqrt(12)
    ends = values.mean() - half, values.mean() + half
    assert paper.p_of_interval(ends, 12) == pytest.approx(stats.ttest_1samp(values, 0).pvalue, rel=1e-9)
    assert paper.p_of_interval(mirrored(ends), 12) == pytest.approx(paper.p_of_interval(ends, 12))
    assert paper.p_of_interval((0.0, 1.0), 12) == pytest.approx(0.05)
    assert (paper.p_of_interval((1.0, 1.0), 2), paper.p_of_interval((0.0, 0.0), 2)) == (0, 1)
    with pytest.raises(InputError, match="^n: .*found 1"):
        paper.p_of_interval((0.0, 1.0), 1)


@pytest.mark.parametrize(
    ("claim", "kept"),
    [
        (paper.comparison(1.0, (0.1, 0.3), 5, own=True), UNDECIDED),
        (paper.comparison(1.0, (0.1, 0.3), 5, own=False), UNDECIDED),
        (paper.comparison(-1.0, (0.1, 0.3), 5, own=True), UNDECIDED),
        (paper.number(11.0, 0.5, 100, TEN), UNDECIDED),
        (paper.number(10.0, 0.5, 100, TEN), REPRODUCED),  # no word that rests on a small p-value
        (paper.without_test(paper.REFUSED), paper.REFUSED),
    ],
)
def test_a_word_that_says_apart_falls_with_its_adjusted_p_value(claim, kept):
    assert claim.word(0.051) == claim.word(1.0) == kept
    assert claim.word(None) == kept


def test_reprints_of_one_score_are_this_far_apart():
    """Typed from print, SAGAN(ns) on CIFAR-10: FID in Tables 1 and 7, inception score in both trials of B.2."""
    assert paper.reprint_gap("fid") == pytest.approx(25.37 - 24.97)
    assert paper.reprint_gap("is") == pytest.approx(7.75 - 7.66)


def test_the_words_are_seven_and_different():
    words = {REPRODUCED, CONTRADICTED, UNDECIDED, REPLICATED, NOT_RESOLVED, paper.REFUSED, SMOKE}
    assert len(words) == 7 and not words & {"same sign", "not reproduced"}


def test_numbers_that_are_not_finite_get_no_verdict():
    for bad in (math.nan, math.inf):
        with pytest.raises(InputError, match="^mean, sd: expected finite numbers, found"):
            paper.number(bad, 0.5, 5, TEN)
        with pytest.raises(InputError, match="^interval: expected finite numbers"):
            paper.comparison(1.0, (0.1, bad), 5, own=True)
    with pytest.raises(InputError, match="^printed: found 0, which has no side"):
        paper.comparison(0.0, (0.1, 0.2), 5, own=True)
    with pytest.raises(InputError, match="^n: .*found 1"):
        paper.number(10.0, None, 1, TEN)


def test_values_are_found_by_their_id():
    found = paper.value("fig3.25gaussians.dot.emd")
    assert (found.value, found.sd, found.unit) == (0.052, 0.010, "squared data units")
    assert found.place.startswith("Figure 3")
    with pytest.raises(InputError, match=r"no 'fig3.25gaussian.dot.emd'; nearest: fig3.25gaussians"):
        paper.value("fig3.25gaussian.dot.emd")


@pytest.mark.parametrize(
    ("work", "title", "first", "number"),
    [
        ("s1", "Discriminator Optimal Transport", ["s1.bound", "s1.K.one"], 17),
        ("s3", "Optimal Transport GAN", ["s3.unbiased", "s3.rhythm"], 12),
        ("s4", "DOT Applied to WGAN", ["s4.w.nearest", "s4.js.diverges"], 20),
    ],
)
def test_the_statements_of_a_report_are_in_order_and_each_has_its_place(work, title, first, number):
    found = paper.statements(work)
    assert [statement.id for statement in found[:2]] == first and len(found) == number
    assert len({statement.id for statement in found}) == len({statement.says for statement in found}) == number
    for statement in found:
        assert re.fullmatch(rf"{title}, [1-4]\.\d(\.\d)?(, (Figure|Table|Theorem) [\d.]+)?", statement.place), (
            statement.id
        )
        assert re.fullmatch(r"[a-z0-9_.K-]+", statement.id) and statement.says[-1] != "."


def test_statements_of_an_unknown_report_are_refused():
    with pytest.raises(InputError, match="^work: unknown 's33'; known: s1, s3.*; nearest: s3"):
        paper.statements("s33")


def test_a_batch_of_32_took_the_report_as_long_as_its_epoch_says():
    """60,000 images, 64 real ones an update: 937 updates of 3.5 to 4 seconds are about one hour."""
    least, most = (paper.value(f"s3.cnn.b32.batch.{end}").value for end in ("least", "most"))
    hours = [60_000 / 64 * seconds / 3_600 for seconds in (least, most)]
    assert hours[0] < paper.value("s3.cnn.b32.epoch").value < hours[1]
    small = 60_000 / 16 * paper.value("s3.cnn.b8.batch").value / 3_600
    assert small == pytest.approx(paper.value("s3.cnn.b8.epoch").value, rel=0.3)  # "roughly" half an hour


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
    "seconds an update",
    "hours an epoch",
    "share",
    "share of samples",
    "share of real images",
    "pairs a maximum",
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
    "s1": 37,
    "s3": 5,
    "s4": 5,
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
        assert re.match(r"(Table|Figure|B\.|Report, .*, [0-9.]+, )", entry["place"]), entry["id"]
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
        figure, digits = re.fullmatch(r"(\d+(?:\.\d+)?)(?:\((\d\d)\))?", entry["printed"]).groups()
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


def test_a_statement_of_several_claims_is_as_weak_as_the_weakest():
    good, weak = Claim(0.01, paper.REPLICATED, paper.UNDECIDED), Claim(0.04, paper.REPLICATED, paper.UNDECIDED)
    open_, wide = (Claim(p, paper.UNDECIDED, paper.UNDECIDED) for p in (0.02, 0.5))
    for order in (list, reversed):
        assert paper.all_of(list(order([good, weak]))) == weak
        assert paper.all_of(list(order([weak, open_, wide, good]))) == wide
        assert paper.all_of(list(order([weak, open_]))) == open_, "a test that decides nothing is weaker than any"


def test_one_contradiction_of_several_is_corrected_for_their_number():
    good, bad = Claim(0.001, paper.REPLICATED, paper.UNDECIDED), Claim(0.02, paper.CONTRADICTED, paper.UNDECIDED)
    assert paper.all_of([bad]) == bad
    both = paper.all_of([good, bad])
    assert both == Claim(0.04, paper.CONTRADICTED, paper.UNDECIDED) and both.word(both.p) == paper.CONTRADICTED
    assert paper.all_of([good, bad, good]).word(0.06) == paper.UNDECIDED
    assert paper.all_of([bad] * 80).p == 1.0
