"""The statements of the report on embedded DOT, over planted trainings; the audit; Theorem 1.2.

Kinds of test: planted effects in both directions, closed forms, identities, failures.
"""

import zlib

import numpy as np
import pytest
from embedded_tables import NAME, as_reported, changed, table

from dotlib.evaluation import embedded_statements, recording
from dotlib.metrics import intervals
from dotlib.results import paper, records, tidy


def words(frame):
    return {id: verdict.word for id, verdict in embedded_statements.verdicts(frame).items()}


def test_every_statement_of_the_report_has_a_verdict_and_no_other():
    assert list(words(table())) == [statement.id for statement in paper.statements("s1")]
    assert {*embedded_statements.DIFFERENCES} | {"s1.bound"} == set(words(table()))


def test_what_the_report_says_is_found_where_it_is_planted():
    found = words(table())
    assert found.pop("s1.bound") == paper.REPRODUCED
    assert set(found.values()) == {paper.REPLICATED}, found


def test_the_reverse_contradicts_every_statement():
    found = words(table(lambda *cell: -as_reported(*cell), better=-1.0))
    found.pop("s1.bound")
    assert found.pop("s1.embedded.labels") == paper.CONTRADICTED
    assert set(found.values()) == {paper.CONTRADICTED}, found


def test_noise_decides_nothing():
    found = words(table(lambda method, setting, quantity: 0.5 * (quantity == "changed"), noise=1.0, better=0.0))
    found.pop("s1.bound")
    assert set(found.values()) == {paper.UNDECIDED}, found


def test_one_training_is_no_verdict():
    found = embedded_statements.verdicts(table(seeds=1))
    found.pop("s1.bound")
    assert {(verdict.measured, verdict.word) for verdict in found.values()} == {("-", embedded_statements.FEW)}


def mark(method, setting, quantity):
    """A number that no other way, setting or quantity has."""
    return zlib.crc32(f"{method} {setting:g} {quantity}".encode()) / 2**32


def test_every_endpoint_is_that_of_the_protocol():
    """Numbers that are all different: another way, setting or quantity, or another sign of a difference, is seen."""
    printed, bare = "latent, as printed", ("bare", 1)

    def change(quantity, *cells):
        first, second = (mark(*cell, quantity) for cell in (*cells, bare)[:2])
        return first - second

    E, pixels = (
        {"precision": 0.8, "recall": 0.7, "separation": 0.5},
        {"precision": 0.6, "recall": 0.3, "separation": 0.1},
    )
    in_E = {quantity: E[quantity] - pixels[quantity] for quantity in E}
    expected = {
        "s1.K.one": [change("fid", ("latent, k = 1", 5), ("latent, k_eff", 5))],
        "s1.latent.clearer": [change("confidence", (printed, 20))],
        "s1.latent.labels": [mark(printed, 20, "changed") - 0.01],
        "s1.latent.fid": [change("fid", (printed, 5)), change("fid", (printed, 20), (printed, 5))],
        "s1.latent.precision": [change("precision", (printed, 5)), change("precision", (printed, 20), (printed, 5))],
        "s1.latent.recall": [change("recall", (printed, 1)), change("recall", (printed, 20), (printed, 1))],
        "s1.target.replaced": [mark("target, as printed", 50, "changed") - 0.5],
        "s1.target.curve": [change("fid", ("target, as printed", step)) for step in (20, 50)],
        "s1.table.every": [change(quantity, (printed, 5)) for quantity in ("fid", "precision", "recall")],
        "s1.extractor.varies": [in_E["precision"], in_E["recall"]],
        "s1.extractor.optimistic": [(in_E["precision"] + in_E["recall"]) / 2],
        "s1.clusters": [in_E["separation"]],
        "s1.embedded.labels": [change("changed", ("embedded", 100), ("plain", 100)), None],  # has its own test
        "s1.embedded.quality": [
            change(quantity, ("embedded", 100), *other)
            for quantity in ("fid", "precision") for other in ([("plain", 100)], [])
        ],
        "s1.embedded.recall": [change("recall", (way, 20)) for way in ("embedded", "latent, embedded")],
        "s1.embedded.sensitive": [change("changed", ("embedded, untrained E", 100), ("embedded", 100))],
    }  # fmt: skip
    frame = table(mark, noise=0.0, seeds=2)
    assert expected.keys() == embedded_statements.DIFFERENCES.keys()
    for id, values in expected.items():
        found = embedded_statements.DIFFERENCES[id]
        assert len(found) == len(values), id
        for difference, value in zip(found, values, strict=True):
            if value is not None:
                assert difference.of(frame).to_numpy() == pytest.approx([value] * 2), difference.words


def test_the_words_are_corrected_for_all_statements_together(monkeypatch):
    seen = []
    whole = recording.words_of
    monkeypatch.setattr(recording, "words_of", lambda claims: seen.append(list(claims)) or whole(seen[-1]))
    embedded_statements.verdicts(table())
    assert [sum(claim.p is not None for claim in claims) for claims in seen] == [16] and len(seen[0]) == 17


def test_the_anchor_of_the_program_stands_in_the_cell_of_the_own_one_and_is_not_tested():
    """Numbers that are all different, two trainings: which way and update each has is seen."""
    found = embedded_statements.verdicts(table(mark, noise=0.0, seeds=2))
    share = mark(embedded_statements.ON, 50, "changed")
    replaced, curve = (found[id].measured for id in ("s1.target.replaced", "s1.target.curve"))
    shown = f"{share:+.3f} [{share:+.3f}, {share:+.3f}]"
    assert replaced.endswith(f"other anchor, as in the report's program: share in another class: {shown}")
    assert replaced.count("(own anchor)") == 1 and curve.count("(own anchor)") == 2
    at_20, at_50 = (mark(embedded_statements.ON, step, "fid") - mark("bare", 1, "fid") for step in (20, 50))
    assert f"program: after 20: {at_20:+.2f} [" in curve and f"; after 50: {at_50:+.2f} [" in curve
    other = table(changed("changed", embedded_statements.ON, lambda setting: 0.0))
    assert words(other)["s1.target.replaced"] == paper.REPLICATED, "the other anchor decides nothing"


def test_sentences_on_the_other_anchor_tell_each_score_and_whether_all_fall():
    """Planted: after 20 updates FID 71 beside 18; after 50 it is 14, with precision and recall as planted."""
    of = {"x": table()}
    story = "On *x*, 20 updates: FID above, precision and recall not resolved; 50 updates: FID below, "
    assert embedded_statements.below_bare(of).startswith(story) and "Not all three fall below." in (
        embedded_statements.below_bare(of)
    )

    def falling(method, setting, quantity):
        if method == embedded_statements.ON and quantity in ("precision", "recall"):
            return 0.1
        return as_reported(method, setting, quantity)

    text = embedded_statements.below_bare({"x": table(falling)})
    assert text.endswith("50 updates: FID and precision and recall below. All three fall below.")
    assert "20 updates: FID above, precision and recall below;" in text
    for words_of in (embedded_statements.below_bare, embedded_statements.first_update):
        assert words_of({"x": table(seeds=1)}) == embedded_statements.NOTHING
    early = embedded_statements.first_update({"x": table(noise=0.0)})
    assert early == (
        "On *x* its first update changes FID by -3.0 [-3.0, -3.0] (resolved), "
        "five updates by -7.0 [-7.0, -7.0] (resolved)."
    )


def test_what_the_page_says_of_the_first_update_and_of_figure_4_holds_of_the_records():
    recorded = embedded_statements.frames()
    mnist = recorded["mnist-dcgan-sngan-ns, laptop"]
    (low, _), (_, high) = (
        intervals.t_interval(embedded_statements.change(mnist, "fid", (embedded_statements.PRINTED, updates)))[1]
        for updates in (1, 5)
    )
    assert low > 0 < high, "FID is higher after one update, and not resolved after five"
    assert embedded_statements.below_bare(recorded).count("Not all three fall below.") == len(recorded)


def test_one_half_of_a_statement_is_not_enough():
    """FID falls and does not rise again: the minimum after 5 to 6 updates is contradicted."""
    falls = changed("fid", "latent", lambda setting: 18.0 - 0.3 * setting)
    assert words(table(falls))["s1.latent.fid"] == paper.CONTRADICTED
    still = changed("fid", "latent", lambda setting: 11.0)
    assert words(table(still))["s1.latent.fid"] == paper.UNDECIDED


def test_labels_at_an_equal_rise_are_read_off_the_curve():
    """Plain raises D by 2 in 100 updates and changes 0.2; embedded gets there in 50 of its own, at 0.05."""
    fast = changed("D", "embedded", lambda setting: 0.04 * setting)
    values = embedded_statements.at_equal_rise(table(fast, noise=0.0))
    assert values.to_numpy() == pytest.approx([0.05 - 0.2] * 5) and list(values.index) == [(NAME, s) for s in range(5)]
    short = changed("D", "embedded", lambda setting: 0.01 * setting)
    values = embedded_statements.at_equal_rise(table(short, noise=0.0))  # embedded ends at 1; plain was there after 50
    assert values.to_numpy() == pytest.approx([0.1 - 0.1] * 5)


def test_the_loss_of_d_is_a_lower_bound_with_a_slack_of_1():
    """(a - b) - log a - log(1 - b) is least where a is 1 and b is 0, and 1 there."""
    assert 1 < embedded_statements.bound_slack(points=2_001) < 1.002
    a, b = np.random.default_rng(0).uniform(0.001, 0.999, (2, 10_000))
    assert ((a - b) - np.log(a) - np.log1p(-b)).min() > embedded_statements.bound_slack(points=2_001) - 0.01


def test_the_audit_compares_the_curve_without_a_discriminator_to_the_printed_one():
    found = embedded_statements.audit(table(noise=0.0))
    assert found.correlation.to_numpy() == pytest.approx([1.0] * 5, abs=0.05)  # planted; two printed points are equal
    assert found.share.to_numpy() == pytest.approx(np.ones(5))
    assert (found.own == 71.0).all() and found.changed.iloc[0] == pytest.approx(0.9)
    half = changed("fid", embedded_statements.OFF, lambda setting: 44.5)
    assert embedded_statements.audit(table(half, noise=0.0)).share.to_numpy() == pytest.approx([0.5] * 5)


def test_curves_begin_at_the_bare_samples_and_have_bands_of_the_change():
    (curve,) = embedded_statements.curves(table(noise=0.0), "fid", {"x": "plain"}).values()
    steps, mean, half = curve
    assert steps == [0.0, 10.0, 20.0, 50.0, 100.0] and mean[0] == 18.0 and (half == 0).all()
    frame = table(noise=0.5)
    (curve,) = embedded_statements.curves(frame, "fid", {"x": "plain"}).values()
    assert curve[2][0] == 0 and (curve[2][1:] > 0.05).all()
    change = embedded_statements.at(frame, "fid", ("plain", 20)) - embedded_statements.at(frame, "fid", ("bare", 1.0))
    low, high = intervals.t_interval(change)[1]
    assert curve[2][2] == pytest.approx((high - low) / 2), "the band is of the change, not of the value"


def test_a_claim_has_the_p_value_of_its_trainings():
    frame = table(noise=0.3)
    (difference,) = embedded_statements.DIFFERENCES["s1.clusters"]
    p = intervals.p_value(difference.of(frame))
    assert 1e-4 < p < 0.5
    assert embedded_statements._judged(frame, (difference,))[1].p == pytest.approx(p)


def test_no_band_without_a_second_training():
    (curve,) = embedded_statements.curves(table(seeds=1), "fid", {"x": "plain"}).values()
    assert (curve[2] == 0).all()


def test_recorded_trainings_of_one_pair_are_one_frame(tmp_path):
    for seed in (0, 1):
        record = records.start("embedded", profile="laptop", dataset=NAME, seed=seed, parameters={})
        for number, space in enumerate(embedded_statements.SPACES):
            for quantity in ("precision", "recall", "separation"):
                record.put(quantity, 0.1 * number, method=f"in {space}", unit="")
        whole = table(seeds=1)
        own = whole[whole["judge"] != "-"].drop(columns=["dataset", "seed", "separation"])
        tidy.write(record, own.to_dict("records"), tmp_path)
    (label, frame), *rest = embedded_statements.frames(tmp_path).items()
    assert label == f"{NAME}, laptop" and not rest and set(frame["seed"]) == {0, 1}
    inside = frame[frame["method"] == "in E"]
    assert len(inside) == 2 and (inside["separation"] == 0.1).all()
    for number, space in enumerate(embedded_statements.SPACES):
        own = frame[frame["method"] == f"in {space}"]
        assert len(own) == 2 and (own[["precision", "recall", "separation"]] == 0.1 * number).all().all()
    assert embedded_statements.counted(tmp_path).startswith(f"{label}: {paper.REPRODUCED} (1), ")
    assert embedded_statements.frames(tmp_path / "none") == {} and embedded_statements.counted(tmp_path / "none") == "-"
