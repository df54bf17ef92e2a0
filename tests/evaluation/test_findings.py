"""The numbers of the findings. Kinds of test: closed forms on planted records, refused contradictions."""

import pandas as pd
import pytest
from swap_tables import planted
from swap_tables import table as swap_table
from training_tables import PAIRS, table

from dotlib.evaluation import figure3_audit, findings, point_quality
from dotlib.metrics.scores import SCORES
from dotlib.results import records, tidy


def opened(stem, dataset, profile="laptop", **parameters):
    return records.start(stem, profile=profile, dataset=dataset, seed=0, parameters=parameters)


def figure3_record(folder, emd, name="25gaussians-authors", K=2.0):
    record = opened("fig3_toy", name, "paper")
    for method, value in emd.items():
        record.put("emd", value, method=method, sd=0.02, n=100, unit="")
    record.put("K_eff", K, sd=0.5, n=10, unit="")
    records.write(record, folder)


def test_the_first_finding_has_standard_errors_and_refuses_a_record_that_ranks(tmp_path):
    figure3_record(tmp_path, {"real": 0.066, "g": 0.054, "dot": 0.052})
    found = {key: text.replace("\u00a0", " ") for key, text in findings.figure3(tmp_path).items()}
    assert found == {"real": "0.0660 ± 0.0020", "g": "0.0540 ± 0.0020", "dot": "0.0520 ± 0.0020", "trials": "100"}
    figure3_record(tmp_path, {"real": 0.050, "g": 0.054, "dot": 0.052})
    with pytest.raises(AssertionError):
        findings.figure3(tmp_path)
    with pytest.raises(AssertionError, match="fig3_toy: no record of 25gaussians-authors"):
        findings.figure3(tmp_path / "empty")


def audit_record(dataset, profile, shift, trials=100):
    record = opened("fig3_audit", dataset, profile)
    for quantity, sign in (("emd_sqeuclidean", -1), ("emd_euclidean", 1)):
        for method, before in ((findings.BETWEEN, "real"), (findings.ONTO, "g")):
            value = sign * shift * (1 if before == "real" else -1)
            where = {"method": method, "setting": "random", "against": before}
            record.put(quantity, value, interval=(value - 0.001, value + 0.001), n=trials, unit="", **where)
    return record


def test_the_mechanism_is_that_of_the_authors_weights_where_it_is_recorded(tmp_path):
    kept, built = tmp_path / "kept", tmp_path / "built"
    assert set(findings.mechanism(kept, built).values()) == {"-"}
    records.write(audit_record("25gaussians", "laptop", 0.02, 10), built)
    found = findings.mechanism(kept, built)
    assert found["between"] == "-0.020 [-0.021, -0.019]" and found["onto"] == "+0.020 [+0.019, +0.021]"
    assert found["between_W1"].startswith("+0.020") and found["onto_W1"].startswith("-0.020")
    assert (found["changed"], found["on"]) == ("10", "this build's own pair")
    records.write(audit_record("25gaussians-authors", "paper", 0.03), kept)
    found = findings.mechanism(kept, built)
    assert found["between"].startswith("-0.030") and (found["changed"], found["on"]) == ("100", "the authors' weights")


def test_a_recorded_mechanism_with_another_sign_is_refused(tmp_path):
    records.write(audit_record("25gaussians-authors", "paper", -0.03), tmp_path)
    with pytest.raises(AssertionError):
        findings.mechanism(tmp_path)


def test_the_interventions_are_called_as_the_audit_calls_them():
    assert point_quality.real_between(figure3_audit.SHARES[-1]) == findings.BETWEEN
    assert findings.ONTO == point_quality.ONTO_MODES


def ranked(folder, name, by_w1):
    """Records of three trainings of a set with their tables: DOT - naive of -0.1 squared and `by_w1` in W1."""
    for seed in range(3):
        record = records.start("fig3_audit", profile="laptop", dataset=name, seed=seed, parameters={})
        gaps = {"emd_sqeuclidean": -0.1, "emd_euclidean": by_w1}
        lines = [
            {
                "quantity": quantity,
                "setting": "random",
                "method": method,
                "trial": 0,
                "value": 1 + by * (1 + seed / 100),
            }
            for quantity, gap in gaps.items()
            for method, by in (("dot", gap), ("naive", 0.0), ("g", 0.0))
        ]
        tidy.write(record, lines, folder)


def test_the_first_finding_says_how_each_cost_ranks_dot_and_naive_over_trainings(tmp_path):
    assert set(findings.rankings(tmp_path).values()) == {"-"}
    ranked(tmp_path, "25gaussians", 0.2)
    ranked(tmp_path, "swissroll", -0.2)
    texts = findings.rankings(tmp_path)
    assert texts["squared_25gaussians"] == texts["squared_swissroll"] == "-0.101 [-0.103, -0.099]"
    assert texts["W1_25gaussians"] == "+0.202 [+0.197, +0.207]" and texts["W1_swissroll"].startswith("-0.202")
    assert texts["ranked_25gaussians"] == texts["ranked_swissroll"] == "3"
    assert texts["counted_25gaussians"].count("holds") == texts["counted_25gaussians"].count("fails") > 0


@pytest.mark.parametrize(("name", "by_w1"), [("25gaussians", -0.2), ("swissroll", 0.2)])
def test_a_recorded_ranking_with_another_sign_is_refused(tmp_path, name, by_w1):
    ranked(tmp_path, name, by_w1)
    with pytest.raises(AssertionError, match=name):
        findings.rankings(tmp_path)


def test_the_second_finding_says_where_both_printed_constants_lie(tmp_path):
    for name, K in (("25gaussians-authors", 2.0), ("25gaussians", 2.1), ("swissroll-authors", 1.0), ("swissroll", 0.8)):
        figure3_record(tmp_path, {}, name, K)
    audit = opened("fig3_audit", "25gaussians-authors", "paper")
    audit.put("K_eff_law", 2.0, interval=(1.71, 2.29), n=10_000, unit="")
    for source, tail in (("paper", 0.0321), ("notebook", 0.8904)):
        audit.put("K_eff_tail", tail, method=source, unit="")
    records.write(audit, tmp_path)
    found = findings.constants(tmp_path)
    assert found["law_25gaussians"] == (
        "it gives 1.71 to 2.29 (95 %), the paper has 1.68 (p = 0.032), the notebook has 1.98 (p = 0.89)"
    )
    assert found["law_swissroll"].endswith("the paper has 1.34, the notebook 1.05, the law is not recorded yet")
    assert found["own_K_swissroll"].replace("\u00a0", " ") == "0.80 ± 0.16"


@pytest.mark.parametrize("tails", [{"paper": 0.2, "notebook": 0.9}, {"paper": 0.01, "notebook": 0.03}])
def test_the_second_finding_refuses_a_law_that_holds_the_paper_or_not_the_notebook(tmp_path, tails):
    for name in ("25gaussians-authors", "25gaussians", "swissroll-authors", "swissroll"):
        figure3_record(tmp_path, {}, name)
    audit = opened("fig3_audit", "swissroll-authors", "paper")
    audit.put("K_eff_law", 1.0, interval=(0.8, 1.2), n=10_000, unit="")
    for source, tail in tails.items():
        audit.put("K_eff_tail", tail, method=source, unit="")
    records.write(audit, tmp_path)
    with pytest.raises(AssertionError, match="swissroll"):
        findings.constants(tmp_path)


def test_the_third_finding_refuses_a_fall():
    record = opened("theorems", "both")
    record.put("deviation", 3e-15, method="Theorem 1", unit="")
    for name, share in (("25gaussians", 0.25), ("swissroll", 0.5)):
        record.put("W", 0.1, pair=name, n=400, unit="")
        record.put("share_movable", share, pair=name, n=400, unit="")
    assert findings.exact_dual(record) == {"fall": "3e-15", "points": "400", "movable": "25% and 50%"}
    fallen = opened("theorems", "both")
    fallen.put("deviation", 1e-3, method="Theorem 1", unit="")
    with pytest.raises(AssertionError):
        findings.exact_dual(fallen)


def projected(highest=-7.5, after=0.6, tangent=1e-9):
    """A record of the projection: shares of three trainings, +-0.1 about 0.2 and about `after`."""
    record = opened("projection", "digits")
    record.put("radial drive", 0.103, unit="")
    record.put("radius of the sphere", 11.31, unit="")
    record.put("radial factor", -10.3, method="sqrt_dim", unit="")
    for share, factor in ((0.025, -13.0), (0.975, highest)):
        record.put("radial factor, quantile", factor, method="sqrt_dim", setting=share, unit="")
    for seed, shift in enumerate((-0.1, 0.0, 0.1)):
        for name, share in (("none", 0.2 + shift), ("sqrt_dim", after + shift), ("norm", tangent)):
            record.put("radial share, by training seed", share, method=name, setting=seed, unit="")
    return record


def test_the_fourth_finding_has_the_factor_over_latents_and_shares_over_trainings():
    """0.1 below, at and above a mean have the interval -+ 0.2484."""
    found = findings.radial_part(projected())
    assert found["factor"] == "-10.3, -13.0 to -7.5" and (found["drive"], found["radius"]) == ("0.10", "11.31")
    assert (found["before"], found["after"]) == ("0.20 [-0.05, 0.45]", "0.60 [0.35, 0.85]")
    assert found["radial_trainings"] == "3 trainings"


@pytest.mark.parametrize("fault", [{"highest": -0.9}, {"after": 0.15}, {"tangent": 0.1}])
def test_the_fourth_finding_refuses_a_projection_that_projects(fault):
    with pytest.raises(AssertionError):
        findings.radial_part(projected(**fault))


def test_findings_over_trainings_have_their_intervals():
    """4, 8 and 12 have the logarithms 1.984 +- 0.556, and these the interval 1.984 -+ 1.380."""
    slopes = opened("fig2_training", "digits")
    for kind, scale in (("ns", 4.0), ("hi", 8.0)):
        for seed in range(3):
            where = {"pair": f"dcgan-sngan-{kind}", "setting": seed, "unit": ""}
            slopes.put("product of maps, by training seed", scale * (seed + 1), **where)
            slopes.put("largest gradient norm, by training seed", 0.5 * (seed + 1) * scale / 4, **where)
    found = findings.normalised(slopes)
    assert found["maps_ns"] == "7.3 [1.8, 28.9]" and found["slopes_hi"] == "1.00 to 3.00"
    assert (found["above_ns"], found["above_hi"]) == ("1 of 3 trainings", "2 of 3 trainings")


def test_the_sixth_finding_compares_ratios():
    record = opened("runtimes", "all")
    for name, flops in (("stl10", 2.25), ("cifar10", 1.0)):
        record.put("operations of an update", flops, method=name, unit="")
    for batch, ratio in ((10, 1.5), (1000, 2.2), (100, 2.0)):
        ends = (ratio - 0.1, ratio + 0.1)
        record.put("STL-10 over CIFAR-10", ratio, setting=batch, unit="", n=3, interval=ends)
    found = findings.printed_runtimes(record)
    assert (found["flops"], found["batch"], found["runs"]) == ("2.25", "1000", "3")
    assert found["ratio"] == "2.20 [2.10, 2.30]"


def full(naive=5.0, dot=4.8, noise=0.0):
    """A synthetic table with every score: each is FID, or falls with it where higher is better."""
    frame = table(naive, dot, noise=noise)
    for quantity in findings.MATTERS:
        frame[quantity] = frame["fid"] if SCORES[quantity].lower_is_better else 50 - frame["fid"]
    return frame


def test_all_scores_are_listed_and_all_counts_add_up():
    frame = full()
    worse = full()
    worse.loc[worse["method"] == "DOT", "recall"] -= 30.0
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in findings.all_counts({"digits": frame, "mnist": worse}).splitlines()
    ]
    assert [line[0] for line in lines[2:]] == [SCORES[quantity].label for quantity in findings.MATTERS]
    assert all(sum(map(int, line[1:4])) == sum(map(int, line[5:8])) == len(PAIRS) for line in lines[2:])
    of = {line[0]: line for line in lines[2:]}
    assert of["FID"][1:5] == ["2", "0", "0", "-4.80 [-4.80, -4.80]"] and of["recall"][5:7] == ["0", "2"]
    assert len(lines[0]) == 1 + 2 * 4  # nothing of single trainings stands beside


def test_the_seventh_finding_refuses_scores_that_agree():
    with pytest.raises(AssertionError):
        findings.disagreement({"digits": full()})
    frame = full()
    frame["fid"] = 10.0
    frame.loc[frame["method"] == "DOT", "recall"] -= 30.0
    found = findings.disagreement({"digits": frame})
    assert (found["fid_better"], found["is_mean_better"], found["recall_worse"]) == ("0", "2", "2")
    assert (found["pairs"], found["trainings"]) == ("2", "10")


def test_only_data_sets_whose_pairs_have_several_trainings_are_counted(tmp_path):
    for name, seeds in (("digits-dcgan-sngan-ns", 2), ("mnist-dcgan-sngan-ns", 1)):
        for seed in range(seeds):
            tidy.write(
                records.start("transport_matters", profile="laptop", dataset=name, seed=seed, parameters={}),
                [{"method": "bare", "fid": 1.0}],
                tmp_path,
            )
    assert list(findings.recorded_trainings(tmp_path)) == ["digits"]
    assert findings.recorded_trainings(tmp_path / "empty") == {}


def slope_records(ratio):
    for pair in PAIRS:
        for seed in range(2):
            record = records.start("transport_matters", profile="laptop", dataset=pair, seed=seed, parameters={})
            record.put("k_eff", 0.5, method="own", unit="")
            record.put("gradient norm", 0.5 * (ratio + seed), method="q50", unit="")
            yield record


def test_other_seeds_are_counted_by_score():
    """Fourteen cells, of which FID falls in none: it rises by 1 in two, and all scores say the same of them."""
    frame = swap_table(lambda row, method: max(planted(row, method), 0.0))
    frame["is_mean"] = 50 - (100 - frame["is_mean"]) - 2.0 * (frame["method"] == "bare")
    found = findings.other_seeds({"digits, laptop": frame})
    assert found["cells"] == "14" and found["other_fid"] == "0 and 2" and found["other_is_mean"] == "14 and 0"


def test_the_words_on_other_seeds_are_asserted():
    """The page says that no D of another seed lowers FID, and that most raise IS; a table that says else stops it."""
    with pytest.raises(AssertionError, match="fid"):
        findings.other_seeds({"digits, laptop": swap_table(planted)})  # FID better in six cells


def test_the_eighth_finding_reads_slopes_words_and_gains():
    frame = full(5.0, 4.8, noise=0.01)
    other = frame[frame["method"] == "DOT"].assign(method="DOT, 3 k_eff")
    frame = pd.concat([frame, other])
    found = findings.friction(frame, list(slope_records(6)))
    assert found["against_naive"] == "equivalent in 2" and found["against_bare"] == "lower in 2"
    assert (found["least_slope"], found["largest_slope"]) == ("6", "6")  # 6 and 7: 6.5
    assert found["gain_3"] == found["gain_1"] != found["gain_naive"]
    with pytest.raises(AssertionError):
        findings.friction(frame, list(slope_records(0.5)))


def test_the_three_strongest_findings_are_read_from_the_texts_of_all():
    keys = (
        "pooled",
        "pooled_word",
        "least_slope",
        "largest_slope",
        "trainings",
        "pairs",
        "is_mean_better",
        "recall_worse",
        "fid_better",
    )
    keys += ("squared_25gaussians", "W1_25gaussians")
    lines = findings.strongest({key: f"<{key}>" for key in keys}).splitlines()
    assert [line[:3] for line in lines] == ["1. ", "2. ", "3. "]
    assert all(f"<{key}>" in "".join(lines) for key in keys)


def test_the_seventh_finding_counts_other_data_sets():
    """Of MNIST's eight scores recall stays as it is, on no side and undecided in both pairs of the table."""
    frame, digits = full(), full()
    frame["recall"] = 0.5
    digits["fid"] = 10.0
    digits.loc[digits["method"] == "DOT", "recall"] -= 30.0
    text = findings.disagreement({"digits": digits, "mnist": frame})["elsewhere"]
    assert text == (
        "On MNIST 7 of 8 mean changes are on the better side, and 14 of the 16 words, one a score and pair, are "
        "decided."
    )
    assert findings.disagreement({"digits": digits})["elsewhere"].startswith("No other data set")
