"""The statements of the report over planted trainings.

Kinds of test: planted effects (each word follows from its own number), invariances (signs), second method (intervals),
failures (too few trainings).
"""

import math
import zlib

import numpy as np
import pandas as pd
import pytest
from wgan_tables import EFFECTS, constants, lines, planted

from dotlib.evaluation import recording, wgan
from dotlib.evaluation import wgan_statements as statements
from dotlib.metrics import intervals
from dotlib.results import paper, records, tidy

REPLICATED, CONTRADICTED = paper.REPLICATED, paper.CONTRADICTED
WORDS = {
    "s4.sn.small": REPLICATED, "s4.gp.slope": REPLICATED, "s4.gp.keff": CONTRADICTED, "s4.diverse": REPLICATED,
    "s4.pairs": CONTRADICTED, "s4.target.improves": REPLICATED, "s4.target.noise": REPLICATED,
    "s4.latent.precision": REPLICATED, "s4.lr.precision": REPLICATED, "s4.lr.diversity": REPLICATED,
    "s4.lr.balance": REPLICATED, "s4.best": REPLICATED, "s4.sn.bound": paper.REPRODUCED,
    "s4.target.dimension": statements.SIZES,
}  # fmt: skip


def words(of):
    return {id: verdict.word for id, verdict in statements.verdicts(of).items()}


def test_every_statement_of_the_report_has_a_verdict_of_the_vocabulary():
    judged = words(planted())
    assert list(judged) == [statement.id for statement in paper.statements("s4")] and len(judged) == 20
    assert {id: judged[id] for id in WORDS} == WORDS
    known = {paper.REPRODUCED, REPLICATED, CONTRADICTED, paper.UNDECIDED}
    assert all(word in known or word.startswith("not attempted (") for word in judged.values())


REVERSED = {
    "s4.target.improves": (("target, program", 0.08), (0, 0, 0.3)),
    "s4.target.noise": (("target, program", 0.13), (0, 0, -4.0)),
    "s4.latent.precision": (("printed, squared", 0.05), (-0.1, 0, 0)),
    "s4.lr.precision": (("printed, squared", 0.5), (-0.3, -0.4, 0)),
    "s4.lr.diversity": (("printed, squared", 0.5), (0.2, 0.4, 0)),
    "s4.lr.balance": (("printed, squared", 0.005), (-0.05, 0, 0)),
    "s4.best": (("best", 1.0), (-0.1, 0, 0)),
}


@pytest.mark.parametrize("id", REVERSED)
def test_a_statement_is_contradicted_by_its_own_number_alone(id):
    way, effect = REVERSED[id]
    judged = words(planted(effects=EFFECTS | {way: effect}))
    changed = {other for other in WORDS if judged[other] != WORDS[other]}
    assert judged[id] == CONTRADICTED
    assert changed <= {id} | ({"s4.target.noise"} if id == "s4.target.improves" else set())


def mark(method, setting):
    """Effects on precision, recall and FID that no other way or setting has."""
    return [zlib.crc32(f"{method} {setting:g} {quantity}".encode()) / 2**32 for quantity in "prf"]


def test_every_endpoint_is_that_of_the_protocol():
    """Effects that are all different: another way, step size or quantity, or another sign of a difference, is seen."""
    effects = {(way.name, way.setting): mark(way.name, way.setting) for way in wgan.ways(whole=True)}
    effects["bare", 1.0] = (0.0, 0.0, 0.0)
    small, middle, large = (mark("printed, squared", lr) for lr in (0.005, 0.05, 0.5))
    gentle, rough = (mark("target, program", lr) for lr in (0.08, 0.13))
    expected = {
        "s4.sn.small": math.log(0.1 / 0.3), "s4.diverse": 9.8 - 9, "s4.pairs": math.log(1.6),
        "s4.target.improves": gentle[2], "s4.target.noise": rough[2] - gentle[2],
        "s4.latent.precision": middle[0], "s4.lr.precision": large[0] - small[0],
        "s4.lr.diversity": large[1] - small[1], "s4.best": mark("best", 1.0)[0],
    }  # fmt: skip
    of = planted(effects=effects)
    found = {id: float(difference.of(of).mean()) for id, difference in statements.DIFFERENCES.items()}
    assert found == pytest.approx(expected)
    precision, recall = statements._values("s4.lr.balance", of)
    assert (precision.mean(), recall.mean()) == pytest.approx(small[:2])


def test_the_numbers_of_the_protocol():
    assert (statements.NEAR, statements.KEPT, statements.KINDS) == (0.1, 0.02, 9)
    assert wgan.PAIRS == (100, 500, 5_000, 50_000) and wgan.REPEATS == 10 and wgan.SLOPE_PAIRS == 500


def test_the_balance_needs_precision_and_recall():
    rises, stays = pd.Series([0.05, 0.06, 0.04]), pd.Series([0.001, -0.001, 0.0])
    claim = statements.balance(rises, stays)
    weaker = max(intervals.p_value(rises), intervals.equivalence_p(stays, statements.KEPT))
    assert claim.word(claim.p) == REPLICATED and claim.p == pytest.approx(weaker)
    lost = statements.balance(rises, pd.Series([-0.2, -0.21, -0.19]))
    assert lost.word(lost.p) == CONTRADICTED
    vague = statements.balance(rises, pd.Series([-0.05, 0.04, 0.02]))
    assert vague.word(vague.p) == paper.UNDECIDED
    fallen = statements.balance(-rises, stays)
    assert fallen.word(fallen.p) == CONTRADICTED


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ([0.99, 1.01, 1.0], REPLICATED),
        ([1.2, 1.21, 1.19], CONTRADICTED),
        ([0.5, 0.51, 0.49], CONTRADICTED),
        ([0.9, 1.3, 1.1], paper.UNDECIDED),
        ([1.09, 1.1, 1.105], paper.UNDECIDED),
    ],
)
def test_a_norm_is_1_within_a_tenth(values, word):
    claim = statements.within(pd.Series(values), 0.9, 1.1)
    assert claim.word(claim.p) == word


def test_a_slope_above_1_refutes_the_bound_of_spectral_norm():
    of = planted()
    steep = of.constants.copy()
    rows = (steep["pair"] == statements.SN) & (steep["quantity"] == "norm largest slope") & (steep["seed"] == 3)
    steep.loc[rows, "value"] = 1.001
    assert words(statements.Runs(of.table, steep))["s4.sn.bound"] == CONTRADICTED


def test_two_trainings_are_too_few_and_none_leaves_the_theory():
    few = words(planted(seeds=2))
    assert {few[id] for id in WORDS} == {statements.FEW, statements.SIZES}
    nothing = words(None)
    assert nothing == few and nothing["s4.w.nearest"] == CONTRADICTED


def test_the_words_are_corrected_for_their_number(monkeypatch):
    seen = []
    whole = recording.words_of
    monkeypatch.setattr(recording, "words_of", lambda claims: seen.append(list(claims)) or whole(seen[-1]))
    statements.verdicts(planted())
    assert len(seen) == 1 and len(seen[0]) == 20 and sum(claim.p is not None for claim in seen[0]) == 12


def test_a_claim_has_the_p_value_of_its_trainings():
    """Five trainings that scatter: with another n the same interval has another p."""
    of = planted(effects={("best", 1.0): (0.01, 0.0, -0.1)})
    wide = of.table["method"].eq("best") & of.table["seed"].isin((1, 3))
    scattered = statements.Runs(of.table.assign(precision=of.table["precision"] + 0.05 * wide), of.constants)
    values = scattered.change("precision", ("best", 1.0))
    p = intervals.p_value(values)
    assert 0.01 < p < 0.5 and statements._judged("s4.best", scattered)[1].p == pytest.approx(p)


def test_a_number_is_of_its_own_pair():
    """The rows of spectral normalisation and of the program's network are planted with other effects."""
    of = planted()
    other = [
        line for pair in (statements.SN, statements.CODE) for line in lines(0, pair, {("best", 1.0): (0.3, 0, -9)})
    ]
    rows = of.table[~of.table["dataset"].str.endswith(statements.SN)]
    mixed = statements.Runs(pd.concat([rows, pd.DataFrame(other)]), of.constants)
    assert mixed.seeds() == 5 and mixed.seeds(statements.CODE) == mixed.seeds(statements.SN) == 1
    assert mixed.score("fid", "best", 1.0).equals(of.score("fid", "best", 1.0))
    assert mixed.change("precision", ("best", 1.0), pair=statements.CODE).tolist() == pytest.approx([0.3])
    assert statements.sweep_table(mixed, "printed") == statements.sweep_table(of, "printed")
    assert statements.verdicts(mixed)["s4.best"] == statements.verdicts(of)["s4.best"]


def test_a_change_is_taken_training_by_training_over_sets_and_judges():
    change = planted().change("precision", ("best", 1.0))
    assert change.tolist() == pytest.approx([0.1] * 5) and list(change.index) == [0, 1, 2, 3, 4]


def test_tables_show_each_statement_and_each_step_of_the_sweep():
    rows = statements.table({"digits, laptop": planted()}).splitlines()
    assert len(rows) == 22 and "measured, digits, laptop" in rows[0]
    precision = next(row for row in rows if "transport in latent space raises precision" in row)
    assert "step size 0.05 minus bare: +0.100 [+0.100, +0.100]" in precision and REPLICATED in precision
    swept = statements.sweep_table(planted(), "printed").splitlines()
    assert len(swept) == 11 and swept[4].startswith("| squared | 0.5 | +0.250")
    assert "FID" not in statements.counted({"digits, laptop": planted()})
    assert (
        statements.counted({"digits, laptop": planted()}).startswith("digits, laptop: ")
        and statements.counted({}) == "-"
    )


def test_each_row_of_the_sweep_has_the_changes_of_its_own_cost():
    """Planted: a change of precision for each cost and step size, no two alike, so that exchanged labels are seen."""
    ways = [(cost, lr) for cost in ("squared", "l2", "none") for lr in wgan.LRS]
    gains = {way: 0.01 * (at + 1) for at, way in enumerate(ways)}
    for family, sign in (("printed", 1), ("program", -1)):
        effects = {(f"{family}, {cost}", lr): (sign * gain, 0.0, 0.0) for (cost, lr), gain in gains.items()}
        rows = statements.sweep_table(planted(effects=effects), family).splitlines()[2:]
        begins = [f"| {cost} | {lr:g} | {sign * gain:+.3f} [" for (cost, lr), gain in gains.items()]
        assert [row.startswith(begin) for row, begin in zip(rows, begins, strict=True)] == [True] * len(ways)


def test_runs_are_read_from_records_with_their_tables(tmp_path):
    for seed in (0, 1):
        record = records.start("wgan_mnist", profile="laptop", dataset="digits-mlp-wgan-gp", seed=seed, parameters={})
        for row in constants(seed):
            record.put(row["quantity"], row["value"], setting=row["setting"], unit="")
        dropped = ("dataset", "seed")
        tidy.write(record, [{k: v for k, v in line.items() if k not in dropped} for line in lines(seed)], tmp_path)
    (label,) = statements.runs(tmp_path)
    assert label == "digits, laptop"
    of = statements.runs(tmp_path)[label]
    assert of.score("fid", "bare", 1.0).tolist() == pytest.approx([6 - 0.01, 6.0])
    assert of.constant("norm slope").tolist() == pytest.approx([1.05 * 0.99, 1.05])
    assert of.constant("norm slope", setting=1_000).tolist() == pytest.approx([1.05 * 0.99 / 2, 1.05 / 2])
    assert np.isnan(of.constant("norm slope", "mlp-wgan-sn").mean())
