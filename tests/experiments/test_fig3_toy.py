"""The record and the tables of Figure 3.

Kinds of test: identities (what was measured is put and shown), invariants (verdicts, smoke), truth tables.
"""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from dotlib import seeding
from dotlib.data import toy as toy_data
from dotlib.evaluation import point_quality, recording
from dotlib.evaluation import points as toy_pairs
from dotlib.experiments import fig3_toy
from dotlib.pairs import Pair, Uniform
from dotlib.results import paper, records
from dotlib.transport import LipschitzEstimate

SETTINGS = replace(toy_pairs.FIGURE3["smoke"], trials=7, points=50, steps=3, pairs=20, repeats=4)
K_EFF = LipschitzEstimate(torch.tensor([1.0, 3.0], dtype=torch.float64), 100)


@pytest.fixture
def pair():
    """G stretches latents, D prefers the origin."""
    networks = Pair(lambda z: 1.5 * z, lambda x: -x.square().sum(1), Uniform(2))
    points = toy_data.toy("25gaussians", seeding.numpy_rng(0, "d"), size=500)
    return toy_pairs.ToyPair(
        **vars(networks), name="25gaussians", dataset="25gaussians", data=points, origin="by hand", digests={"G": "00"}
    )


@pytest.fixture(autouse=True)
def _no_committed_records(tmp_path, monkeypatch):
    monkeypatch.setattr(fig3_toy, "KEPT", tmp_path)


def filled(pair, profile="laptop"):
    record = recording.open_toy_record("fig3_toy", pair, SETTINGS, profile, 0)
    emd = {method: np.linspace(1, 2, 7) + shift for shift, method in enumerate(("real", "g", "dot", "naive"))}
    fig3_toy.fill_record(record, K_EFF, emd)
    return record


def test_the_record_holds_every_value_and_a_verdict_for_each_claim(pair):
    record = filled(pair)
    assert record.parameters["origin"] == "by hand" and record.parameters["trials"] == 7
    assert record.get("K_eff").value == 2 and record.get("K_eff").sd == pytest.approx(2**0.5)
    assert record.get("emd", method="dot").value == pytest.approx(3.5)
    change = record.get("emd", method="dot", against="naive")
    assert change.value == -1 and change.interval == pytest.approx((-1, -1))
    assert record.get("emd", method="naive", against="g").value == 2
    orders = {claim for *_, claim in toy_pairs.CLAIMS}
    authors = filled(replace(pair, name="25gaussians-authors"))
    assert set(authors.verdicts) == {f"EMD of {name}" for name in ("G", "DOT", "naive")} | orders
    assert set(record.verdicts) == orders  # another training can contradict no mean of the authors' pair
    assert set(filled(pair, "smoke").verdicts.values()) == {"smoke: not comparable"}


PRINTED = {"g": 1.0, "dot": 2.0, "naive": 3.0}  # far apart, so that each permutation has words of its own


def emds(means):
    """Trials with these means; what a trial's target adds is shared by all methods, and a hundred times their noise."""
    rng = np.random.default_rng(0)
    shared = rng.normal(scale=1.0, size=100)
    alone = {method: rng.normal(scale=0.01, size=100) for method in means}
    return {
        method: mean + shared - shared.mean() + alone[method] - alone[method].mean() for method, mean in means.items()
    }


@pytest.mark.parametrize("order", [*itertools.permutations(PRINTED)], ids=" ".join)
def test_each_claim_has_the_verdict_of_its_own_methods(pair, monkeypatch, order):
    """Method i gets the printed EMD of method order[i]: reproduced where that leaves a number or an order as it is."""

    def value(name):
        number = PRINTED[name.removeprefix("fig3.25gaussians.").removesuffix(".emd")]
        return paper.Published(name, number, 1.0, "", "", "trials")

    monkeypatch.setattr(paper, "value", value)
    here = {method: PRINTED[other] for method, other in zip(PRINTED, order, strict=True)}
    record = recording.open_toy_record("fig3_toy", replace(pair, name="25gaussians-authors"), SETTINGS, "laptop", 0)
    fig3_toy.fill_record(record, K_EFF, emds(here | {"real": 0.0}))
    words = {True: paper.REPRODUCED, False: paper.CONTRADICTED}
    expected = {
        f"EMD of {name}": words[here[method] == PRINTED[method]]
        for method, name in (("g", "G"), ("dot", "DOT"), ("naive", "naive"))
    }
    for claim, first, second in (
        ("DOT against G", "dot", "g"),
        ("DOT against naive", "dot", "naive"),
        ("naive against G", "naive", "g"),
    ):
        expected[claim] = words[(here[first] < here[second]) == (PRINTED[first] < PRINTED[second])]
    assert record.verdicts.keys() == expected.keys()
    wrong = {claim: word for claim, word in record.verdicts.items() if word != expected[claim]}
    assert not wrong, f"these verdicts are not those of their own methods: {wrong}"


@pytest.mark.parametrize(
    ("dataset", "printed"), [("25gaussians", (0.052, 0.052, 0.065)), ("swissroll", (0.021, 0.020, 0.160))]
)
def test_the_printed_numbers_bear_out_their_own_claims_and_mirrored_they_do_not(pair, dataset, printed):
    """Typed from Figure 3, whose trials do not tell G and DOT apart: 0.001 is below two standard errors, 0.0016."""
    words, named = {}, replace(pair, name=dataset)
    for name, sign in (("printed", 1), ("mirrored", -1)):
        record = recording.open_toy_record("fig3_toy", named, SETTINGS, "laptop", 0)
        means = {
            method: sign * mean for method, mean in zip(("g", "dot", "naive", "real"), (*printed, 0.0), strict=True)
        }
        fig3_toy.fill_record(record, K_EFF, emds(means))
        words[name] = [paper.kind(record.verdicts[claim]) for *_, claim in toy_pairs.CLAIMS]
    assert words["printed"] == [paper.NOT_RESOLVED, paper.REPRODUCED, paper.REPRODUCED]
    assert words["mirrored"] == [paper.NOT_RESOLVED, paper.CONTRADICTED, paper.CONTRADICTED]


def test_three_trials_reproduce_no_number(pair):
    """They have the printed means, and leave more than two printed standard deviations open."""
    record = recording.open_toy_record("fig3_toy", replace(pair, name="25gaussians-authors"), SETTINGS, "laptop", 0)
    printed = {method: paper.value(f"fig3.25gaussians.{method}.emd") for method in toy_pairs.METHODS}
    trials = {method: np.array([-1.0, 0.0, 1.0]) * number.sd + number.value for method, number in printed.items()}
    fig3_toy.fill_record(record, K_EFF, trials | {"real": np.zeros(3)})
    assert {record.verdicts[f"EMD of {name}"] for name in ("G", "DOT", "naive")} == {paper.UNDECIDED}


def test_every_number_has_the_unit_of_the_print(pair):
    """The paper's values are typed with their units, apart from the code."""
    record = filled(pair)
    for quantity, name in (("emd", "fig3.25gaussians.dot.emd"), ("K_eff", "fig3.25gaussians.K_eff")):
        assert {row.unit for row in record.rows(quantity=quantity)} == {paper.value(name).unit}, quantity


def test_a_table_has_a_column_for_each_run_and_dashes_where_there_is_none(pair):
    built = {"25gaussians": filled(pair)}
    header, _, *rows = fig3_toy.table(built, "25gaussians").splitlines()
    assert header == "| EMD | paper | authors' weights | paper schedule | pair of this build |"
    assert rows[0] == "| 25gaussians, real points | - | - | - | 1.500\u00a0±\u00a00.360 |"
    assert rows[1].startswith("| 25gaussians, G | 0.0") and rows[1].endswith("| - | - | 2.500\u00a0±\u00a00.360 |")
    text = fig3_toy.verdict_table(built, "25gaussians")
    assert text.splitlines()[0] == "| claim | authors' weights | paper schedule | pair of this build |"
    assert "| 25gaussians, naive against G | - | - | reproduced |" in text


def test_a_committed_record_has_its_column(pair, tmp_path):
    records.write(filled(replace(pair, name="25gaussians-authors"), "paper"), tmp_path)
    runs = fig3_toy.runs_of("25gaussians", {})
    assert runs["authors' weights"].dataset == "25gaussians-authors"
    assert runs["paper schedule"] is runs["pair of this build"] is None
    lines = fig3_toy.verdict_table({"25gaussians": filled(pair)}, "25gaussians").splitlines()
    assert lines[0] == "| claim | authors' weights | paper schedule | pair of this build |"
    assert all(line.endswith("| - |") == ("EMD of" in line) for line in lines[2:]) and len(lines) == 2 + 6
    both = fig3_toy.verdict_table({"25gaussians": filled(pair)}, "both").splitlines()
    assert both[0] == lines[0] and len(both) == len(lines)  # a set without a run adds no row, and no set a column


def test_the_answer_follows_the_records(pair, tmp_path):
    """DOT is a third lower and naive higher than G; the recorded pair of the authors has them the other way round."""
    built = {"25gaussians": filled(pair)}
    text = fig3_toy.answer(built, "25gaussians")
    assert text.startswith("On the pairs of this build the EMD of DOT minus that of G is +1.0000 [+1.0000, +1.0000] (")
    assert "and minus that of naive is -1.0000 [-1.0000, -1.0000] (25gaussians), with" in text
    assert "intervals over trials: less is better." in text and "on the authors' weights: not at hand" in text
    assert (
        "over 1 pair at hand: *DOT against G*: print does not resolve it (1); *DOT against naive*: reproduced (1)"
        in text
    )
    assert text.count(". ") == 2 and "*one training*" in text  # three sentences
    worse = recording.open_toy_record("fig3_toy", replace(pair, name="25gaussians-authors"), SETTINGS, "paper", 0)
    fig3_toy.fill_record(worse, K_EFF, emds({"real": 0.0, "g": 3.0, "dot": 2.0, "naive": 1.0}))
    records.write(worse, tmp_path)
    both = fig3_toy.answer(built, "25gaussians")
    assert "*DOT against naive*: contradicted (1), reproduced (1); *naive against G*" in both
    assert "on the authors' weights: contradicted (3)" in both
    higher = filled(pair)
    higher.content.update({row.key: replace(row, value=7.0) for row in higher.rows(method="dot", against="g")})
    assert "that of G is +7.0000" in fig3_toy.answer({"25gaussians": higher}, "25gaussians")


def test_the_first_trial_begins_with_training_points(pair):
    moved = {"g": torch.arange(12.0).reshape(3, 2, 2)}
    shown = fig3_toy.first_trial(pair, moved, SETTINGS, 0)
    assert list(shown) == ["real", "g"] and torch.equal(shown["g"], moved["g"][0])
    assert torch.equal(shown["real"], toy_pairs.target(pair, SETTINGS, 0, 0, "random"))


def test_points_between_modes_are_counted_in_each_trial():
    """Ten points on a mode, of which so many stand half the way to the next: 1.414 = 28 standard deviations apart."""

    def cloud(*left):
        trials = torch.zeros(len(left), 10, 2)
        for trial, points in zip(trials, left, strict=True):
            trial[:points, 0] = 1 / 2.828
        return trials

    moved = {"g": cloud(4, 4, 4), "dot": cloud(3, 3, 3), "naive": cloud(0, 1, 2)}
    near = {method: point_quality.near(trials) for method, trials in moved.items()}
    text = fig3_toy.left_between({"25gaussians-authors": near, "swissroll": {}})
    shares, changes = text.split("; in percentage points, ")
    assert shares == "25gaussians-authors: 40.0 % of G, 30.0 % of DOT, 10.0 % of naive"
    assert changes == "DOT minus G is -10.0 [-10.0, -10.0] and naive minus DOT is -20.0 [-44.8, +4.8]"
    assert fig3_toy.left_between({"swissroll": {}}) == "-"


def test_the_scatter_of_pairs_is_that_of_what_trials_do_not_share():
    """Standard deviations: 5 shared, and 1 or 5 alone, without correlation; sqrt(25 + 26) for separate draws."""
    shared, alone = np.array([0.0, 10.0, 0.0, 10.0]), np.array([1.0, 1.0, -1.0, -1.0])
    emds = {"a": {"dot": shared, "naive": shared + alone}, "b": {"dot": shared, "naive": 5 * alone}}
    assert fig3_toy.paired_scatter(emds) == "14% (a), 100% (b)"


@pytest.mark.parametrize(("steps", "last"), [(10, [8, 10]), (100, [96, 100]), (4, [0, 4])])
def test_the_slider_ends_at_the_last_update_whether_or_not_its_step_divides_them(steps, last):
    positions = fig3_toy._positions(toy_pairs.Figure3(steps=steps))
    assert positions[0] == 0 and positions[-2:] == last
