"""The statements on OT-GAN over trainings. Kinds of test: planted effects, closed forms, failures."""

import zlib

import numpy as np
import pandas as pd
import pytest

from dotlib.evaluation import minibatch_bias, otgan_statements, recording
from dotlib.evaluation.minibatch_bias import WITH, WITHOUT, Bias
from dotlib.evaluation.otgan_statements import CNN, FEW, MLP, OFTEN, SHARP, SMALL
from dotlib.metrics import intervals
from dotlib.results import paper, records, tidy

RUNS = (CNN, MLP, SMALL, SHARP, OFTEN)
STEPS, ENDS = range(0, 121, 10), range(2, 121, 2)  # milestones with the start, windows of the loss
BIAS = Bias(4, {}, {}, {WITHOUT: 0.7 + np.linspace(-0.01, 0.01, 9), WITH: np.linspace(-0.01, 0.01, 9)})
FIRST = "classifier 0"


def as_stated(run, quantity, update):
    """A story in which all that the report says is true."""
    t = update / 120
    if quantity == "L":
        start = {SHARP: 0.5}.get(run, 1.0)
        return 0.1 + start * (1 - t) ** 3
    if quantity == "sd of L":
        return {SMALL: 0.4, SHARP: 0.3}.get(run, 0.1)
    of_run = {
        "fid": 100 * (1 - t) ** 2 + {SHARP: 4}.get(run, 1),
        "recall": {SMALL: 0.2}.get(run, 0.5),
        "high frequencies": {MLP: 0.3}.get(run, 0.1),
        "directions": {OFTEN: 1.5}.get(run, 6.0),
        "entropy": 0.9,
        "kid": 0.01,
        "precision": 0.6,
    }
    return of_run[quantity]


def against(run, quantity, update):
    """Everything has the other sign, and FID of all runs but that at 0.01 falls late, while the loss rises."""
    if quantity == "fid" and run != SHARP:
        return 100 * (1 - (update / 120) ** 3) + 5
    return -as_stated(run, quantity, update)


def frame(value, seeds=3, runs=RUNS, noise=0.01):
    lines = []
    for seed in range(seeds):
        shift = 1 + noise * (seed - (seeds - 1) / 2)
        for run in runs:
            for quantity in ("L", "sd of L"):
                lines += [(run, end, "-", quantity, shift * value(run, quantity, end), seed) for end in ENDS]
            for quantity in ("high frequencies", "directions", "entropy"):
                lines += [(run, step, "-", quantity, shift * value(run, quantity, step), seed) for step in STEPS]
            for quantity in ("fid", "recall", "kid", "precision"):
                judged = [(step, FIRST) for step in STEPS] + [(120, "classifier 1")]
                lines += [(run, at, judge, quantity, shift * value(run, quantity, at), seed) for at, judge in judged]
    return pd.DataFrame(lines, columns=["run", "update", "judge", "quantity", "value", "seed"])


def words(value, **options):
    of = {"own": options.pop("own", True), "bias": options.pop("bias", BIAS)}
    return {name: each.word for name, each in otgan_statements.verdicts(frame(value, **options), **of).items()}


def judged(value, **options):
    """The words of all statements but the one that names no scale, which has its word whatever two trainings give."""
    of = words(value, **options)
    assert of.pop("s3.loss.varies") == (FEW if options.get("seeds") == 1 else paper.NOT_RESOLVED)
    return of


def test_every_statement_of_the_report_has_a_verdict():
    stated = [statement.id for statement in paper.statements("s3")]
    assert list(words(as_stated)) == stated
    assert {*otgan_statements.DIFFERENCES, "s3.unbiased", "s3.loss.varies"} == {*stated}


def test_a_variation_without_a_scale_is_shown_and_not_judged():
    """L falls from 1.1 to 0.1 as a cube; its windows have the standard deviation 0.1 in each."""
    found = otgan_statements.verdicts(frame(as_stated, noise=0.0), BIAS, own=True)["s3.loss.varies"]
    late, early = (np.mean([as_stated(CNN, "L", update) for update in windows]) for windows in (ENDS[45:], ENDS[:15]))
    fall = f"{early - late:.3f} [{early - late:.3f}, {early - late:.3f}]"
    assert found.measured == f"sd of L within a window 0.100 [0.100, 0.100], beside a fall of L by {fall}"
    single = otgan_statements.verdicts(frame(as_stated, seeds=1), BIAS, own=True)["s3.loss.varies"]
    assert single == otgan_statements.Verdict("-", otgan_statements.FEW)


def test_all_holds_in_the_reports_story_and_what_the_eye_saw_is_replicated_only():
    seen = {name for name, of in otgan_statements.DIFFERENCES.items() if any(each.seen for each in of)}
    assert judged(as_stated) == {
        name: paper.REPLICATED if name in seen else paper.REPRODUCED for name in judged(as_stated)
    }
    assert seen == {"s3.rhythm", "s3.images.early", "s3.loss.coherent", "s3.mlp.noisier", "s3.batch.variety",
                    "s3.epsilon.quality"}  # fmt: skip
    elsewhere = judged(as_stated, own=False)
    assert elsewhere.pop("s3.unbiased") == paper.REPRODUCED and set(elsewhere.values()) == {paper.REPLICATED}


def test_nothing_holds_in_the_reverse_story():
    biased = Bias(4, {}, {}, {WITHOUT: BIAS.slope[WITHOUT], WITH: BIAS.slope[WITHOUT]})
    assert set(judged(against, bias=biased).values()) == {paper.CONTRADICTED}


def test_wide_trainings_are_undecided_and_missing_ones_not_attempted():
    loud = judged(as_stated, noise=3.0)
    assert loud["s3.batch.variety"] == loud["s3.loss.falls"] == paper.UNDECIDED
    few = judged(as_stated, runs=(CNN, MLP))
    assert few["s3.batch.variety"] == few["s3.rhythm"] == few["s3.epsilon.start"] == FEW
    assert few["s3.mlp.noisier"] == paper.REPLICATED
    single = judged(as_stated, seeds=1)
    assert single.pop("s3.unbiased") == paper.REPRODUCED and set(single.values()) == {FEW}


def test_a_statement_of_two_parts_needs_both():
    """Smaller at the start, and then further apart than before."""

    def apart(run, quantity, update):
        far = 5 * (update / 120) if run == SHARP and quantity == "L" else 0
        return as_stated(run, quantity, update) + far

    assert words(apart)["s3.epsilon.start"] == paper.CONTRADICTED


def mark(run, quantity, update):
    """A number that no other run, quantity or update has."""
    return zlib.crc32(f"{run} {quantity} {update}".encode()) / 2**32


def test_every_endpoint_is_that_of_the_protocol():
    """Numbers that are all different: another run, quantity or update, or another sign of a difference, is seen."""

    def end(quantity, first, second):
        return mark(first, quantity, 120) - mark(second, quantity, 120)

    def mean(run, quantity, windows):
        return float(np.mean([mark(run, quantity, update) for update in windows]))

    first, last, later = ENDS[:15], ENDS[45:], ENDS[15:]
    start = mark(SHARP, "L", 2) - mark(CNN, "L", 2)
    closer = abs(start) - abs(mean(SHARP, "L", last) - mean(CNN, "L", last))
    fid = {step: mark(CNN, "fid", step) for step in (0, 60, 120)}
    expected = {
        "s3.rhythm": [end("directions", CNN, OFTEN)],
        "s3.loss.falls": [mean(CNN, "L", last) - mean(CNN, "L", first)],
        "s3.images.early": [(fid[0] - fid[60]) - (fid[60] - fid[120])],
        "s3.loss.coherent": [None],  # has a test of its own
        "s3.mlp.noisier": [mark(MLP, "high frequencies", 30) - mark(CNN, "high frequencies", 30)],
        "s3.batch.variance": [mean(SMALL, "sd of L", later) - mean(CNN, "sd of L", later)],
        "s3.batch.variety": [end("recall", SMALL, CNN)],
        "s3.epsilon.start": [start, closer],
        "s3.epsilon.variance": [mean(SHARP, "sd of L", later) - mean(CNN, "sd of L", later)],
        "s3.epsilon.quality": [end("fid", SHARP, CNN)],
    }
    whole = frame(mark, noise=0.0)
    assert expected.keys() == otgan_statements.DIFFERENCES.keys()
    for id, values in expected.items():
        for difference, value in zip(otgan_statements.DIFFERENCES[id], values, strict=True):
            if value is not None:
                assert difference.of(whole).to_numpy() == pytest.approx([value] * 3), difference.words


def test_the_words_are_corrected_for_all_statements_together(monkeypatch):
    seen = []
    whole = recording.words_of
    monkeypatch.setattr(recording, "words_of", lambda claims: seen.append(list(claims)) or whole(seen[-1]))
    words(as_stated)
    assert [sum(claim.p is not None for claim in claims) for claims in seen] == [11]


def test_parts_and_spreads_have_their_closed_forms():
    """L = update: the mean over windows 1 to 15 of 60, which end at 2, 4, ..., 30, is 16."""
    rising = frame(lambda run, quantity, update: float(update), noise=0.0)
    assert otgan_statements.part(rising, CNN, "L", 0).tolist() == [16.0] * 3
    assert otgan_statements.part(rising, CNN, "L", 3).tolist() == [106.0] * 3
    assert otgan_statements.spread(rising, CNN).tolist() == [(32 + 120) / 2] * 3
    assert otgan_statements.last(rising, CNN, "fid").tolist() == [120.0] * 3


def test_the_loss_of_a_milestone_is_that_since_the_one_before():
    """FID follows the windows after the milestone before exactly, and the whole past not at all."""
    kinks = np.random.default_rng(0).permutation(12)

    def story(run, quantity, update):
        number = max(-(-update // 10) - 1, 0)  # 1 to 10 -> 0
        return float(kinks[number]) if quantity in ("L", "fid") else 1.0

    assert otgan_statements.coherence(frame(story, noise=0.0)).tolist() == pytest.approx([1.0] * 3)
    falling = frame(lambda run, quantity, update: story(run, quantity, update) * (-1) ** (quantity == "L"), noise=0.0)
    assert otgan_statements.coherence(falling).tolist() == pytest.approx([-1.0] * 3)


def test_across_runs_the_last_loss_is_ranked_with_the_last_fid():
    order = {run: rank for rank, run in enumerate(RUNS)}
    same = frame(lambda run, quantity, update: order[run] + 1.0, noise=0.0)
    assert otgan_statements.across(same).tolist() == pytest.approx([1.0] * 3)
    some = same[(same["seed"] < 2) | (same["run"] == CNN)]  # of the third seed one run, which has no rank
    assert otgan_statements.across(some).tolist() == pytest.approx([1.0] * 2)
    other = frame(lambda run, quantity, update: order[run] * (-1.0 if quantity == "L" else 1.0), noise=0.0)
    assert otgan_statements.across(other).tolist() == pytest.approx([-1.0] * 3)


def test_the_correlation_over_runs_can_leave_one_out():
    """Ranks agree but for one run, whose loss is the lowest and whose images are the worst."""
    order = {run: rank + 1.0 for rank, run in enumerate(RUNS)}

    def story(run, quantity, update):
        return -9.0 if (run, quantity) == (OFTEN, "L") else order[run]

    found = frame(story, noise=0.0)
    assert otgan_statements.across(found).mean() < 0.1
    assert otgan_statements.without({"x, laptop": found}, OFTEN) == "x +1.00 [+1.00, +1.00] (excludes 0)"


def test_the_uniform_plan_is_compared_where_both_runs_are():
    """FID 3 against 1; a single run, or a single training, has no interval."""

    def higher(run, quantity, update):
        return 3.0 if run == "uniform plan" and quantity == "fid" else 1.0

    both = frame(higher, runs=(CNN, "uniform plan"), noise=0.0)
    assert otgan_statements.change_of_fid(both, otgan_statements.UNIFORM, CNN) == "+2.0 [+2.0, +2.0]"
    assert otgan_statements.change_of_fid(both[both["run"] == CNN], otgan_statements.UNIFORM, CNN) == "-"
    assert otgan_statements.change_of_fid(both[both["seed"] == 0], otgan_statements.UNIFORM, CNN) == "-"


def test_a_correlation_has_no_interval_beyond_1():
    assert otgan_statements._interval(pd.Series([0.8, 0.99])) == "+0.90 [-0.31, +1.00]"
    assert otgan_statements._interval(pd.Series([-0.8, -0.99, None])).startswith("-0.90 [-1.00, ")
    assert otgan_statements._interval(pd.Series([0.5])) == "+0.50"


def test_a_change_of_fid_is_told_for_every_data_set():
    both = frame(as_stated, noise=0.0)
    line = otgan_statements.changes_of_fid({"mnist8, laptop": both, "fashion_mnist8, laptop": both}, SHARP, CNN)
    assert line == "mnist8 +3.0 [+3.0, +3.0]; fashion_mnist8 +3.0 [+3.0, +3.0]"
    assert otgan_statements.changes_of_fid({}, SHARP, CNN) == "not measured yet"


def test_records_of_one_data_set_are_one_frame(tmp_path):
    for dataset, seed in (("mnist8", 0), ("mnist8", 1), ("digits", 0)):
        record = records.start("otgan", profile="laptop", dataset=dataset, seed=seed, parameters={})
        lines = frame(as_stated, seeds=1, noise=0.0).drop(columns="seed").to_dict("records")
        tidy.write(record, lines, tmp_path)
    found = otgan_statements.frames(tmp_path)
    assert list(found) == ["mnist8, laptop", "digits, laptop"] and set(found["mnist8, laptop"]["seed"]) == {0, 1}
    assert otgan_statements.frames(tmp_path / "none") == {}
    of = otgan_statements.verdicts(found["mnist8, laptop"], BIAS, own=True)
    assert of["s3.mlp.noisier"].word == paper.REPLICATED and "+0.200" in of["s3.mlp.noisier"].measured


def test_the_toy_of_the_page_is_judged_by_its_slopes():
    found = minibatch_bias.bias(4, blocks=20, draws=1_000, seed=0)
    of = otgan_statements.verdicts(frame(as_stated), found, own=True)["s3.unbiased"]
    assert of.word == paper.REPRODUCED and WITHOUT in of.measured and WITH in of.measured


# --- what the page says ---------------------------------------------------------------------------


def test_the_answer_counts_the_words_and_names_what_is_against_the_report():
    found = frame(as_stated)
    verdicts = otgan_statements.verdicts(found, BIAS, own=True)
    text = otgan_statements.answer({"mnist8, laptop": found}, {"mnist8, laptop": verdicts})
    assert text.startswith("*mnist8, laptop, 3 trainings a run*: reproduced (5), sign replicated (other data) (6), ")
    assert "Contradicted" not in text and "correlation of +1.00 [+1.00, +1.00] along the training" in text
    assert "the worst images are those of *epsilon 0.01*, FID 4.0" in text
    contrary = otgan_statements.verdicts(frame(against), BIAS, own=True)
    text = otgan_statements.answer({"mnist8, laptop": frame(against)}, {"mnist8, laptop": contrary})
    says = {statement.id: statement.says for statement in paper.statements("s3")}
    assert f"Contradicted: {says['s3.rhythm']}; {says['s3.loss.falls']}; " in text
    assert "No training is recorded" in otgan_statements.answer({}, {})


def test_a_claim_has_the_p_value_of_its_trainings():
    found = frame(as_stated, noise=0.4)
    (difference,) = otgan_statements.DIFFERENCES["s3.batch.variance"]
    p = intervals.p_value(difference.of(found).dropna())
    assert otgan_statements._judged(found, (difference,), True)[1].p == pytest.approx(p)


def test_a_change_of_fid_is_a_mean_over_judges():
    """The second judge, at the end alone, sees 9 where the first sees 3."""

    def higher(run, quantity, update):
        return 3.0 if run == "uniform plan" and quantity == "fid" else 1.0

    both = frame(higher, runs=(CNN, "uniform plan"), noise=0.0)
    second = both["judge"].eq("classifier 1") & both["run"].eq("uniform plan") & both["quantity"].eq("fid")
    both.loc[second, "value"] = 9.0
    assert otgan_statements.change_of_fid(both, otgan_statements.UNIFORM, CNN) == "+5.0 [+5.0, +5.0]"


@pytest.mark.parametrize(
    ("losses", "rank"),
    [
        ((5, 1, 2, 3, 4), "below that of 3 other runs"),
        ((5, 1, 0.5, 3, 4), "the lowest of all"),
        ((3, 3, 1, 2, 0.5), "below that of 3 other runs"),
        ((1, 1, 4, 2, 3), "the highest of all"),
    ],
)
def test_the_answer_ranks_the_loss_of_the_worst_images(losses, rank):
    """The images of "batch 8" are planted to be the worst, FID 9 beside 1; its loss stands where it is planted."""

    def story(run, quantity, update):
        if quantity == "L":
            return losses[RUNS.index(run)] + (120 - update) / 1e6
        return (9.0 if run == SMALL else 1.0) - update / 1_000

    found = frame(story, noise=0.0)
    text = otgan_statements.answer({"x": found}, {"x": otgan_statements.verdicts(found, BIAS, own=True)})
    expected = sum(loss > losses[RUNS.index(SMALL)] for loss in losses)
    assert text.endswith(f"*batch 8*, FID 8.9, whose loss is {rank}.") and (rank == "the lowest of all") == (
        expected == 4
    )


def test_tables_have_a_line_for_each_statement_and_run():
    found = frame(as_stated, noise=0.0)
    lines = otgan_statements.verdict_table(otgan_statements.verdicts(found, BIAS, own=True)).splitlines()[2:]
    assert len(lines) == len(paper.statements("s3")) == 12
    assert "| 3.4, Figure 3 | sd of L, batch 8 minus 32: +0.300 [+0.300, +0.300] | reproduced |" in "\n".join(lines)
    rows = {row.split("|")[1].strip(): row for row in otgan_statements.run_table(found).splitlines()[2:]}
    assert list(rows) == list(RUNS)
    assert "| 0.100 | 1.0 [1.0, 1.0] | 0.0100 | 0.600 | 0.500 | 0.300 | 0.900 | 6.0 |" in rows[MLP]
