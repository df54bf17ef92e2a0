"""Words of the scorecard and of the map. Kinds of test: identities (what records say is counted), planted records."""

import itertools

import pytest

from dotlib.data import downloads
from dotlib.evaluation import recording, scorecard, table1_trainings
from dotlib.evaluation.scorecard import FAILS, HOLDS, ITEMS, NO_IMAGES, PARTLY, UNDECIDED, Tally
from dotlib.experiments import projection
from dotlib.results import paper, records
from dotlib.training.settings import SHAPES

PROVED = {"Theorem 1": paper.REPRODUCED, "Theorem 2": paper.REPRODUCED}
BY_STEM = {item.stem: item for item in ITEMS}


def stored(folder, dataset, verdicts, *, stem="tab1_scores", profile="laptop", seed=0, images=None, averaged=True):
    record = records.start(stem, profile=profile, dataset=dataset, seed=seed, parameters={})
    record.verdicts |= verdicts
    record.made["images"] = images or {}
    if averaged:
        record.put("fid", 1.0, method="dot", setting=20, judge=recording.MEAN, unit="")
    records.write(record, folder)


@pytest.mark.parametrize(
    ("counts", "word"),
    [
        ((2, 0, 2), HOLDS),
        ((1, 0, 2), UNDECIDED),
        ((5, 1, 0), PARTLY),
        ((1, 1, 2), PARTLY),
        ((0, 2, 2), FAILS),
        ((0, 1, 6), UNDECIDED),
        ((0, 0, 3), UNDECIDED),
        ((0, 0, 0), UNDECIDED),
    ],
)
def test_the_word_of_a_tally(counts, word):
    assert Tally(*counts).word == word


def test_a_claim_and_its_opposite_have_opposite_words():
    """So no verdict weighs more than another, and one that turns round never makes a word better."""
    opposite = {HOLDS: FAILS, FAILS: HOLDS, PARTLY: PARTLY, UNDECIDED: UNDECIDED}
    order = [FAILS, PARTLY, HOLDS]
    for good, bad, rest in itertools.product(range(5), repeat=3):
        word = Tally(good, bad, rest).word
        assert Tally(bad, good, rest).word == opposite[word]
        if word != UNDECIDED and bad:
            assert order.index(Tally(good + 1, bad - 1, rest).word) >= order.index(word)


def test_a_tally_counts_verdicts_of_records_and_of_figure_3():
    words = [paper.REPRODUCED, paper.REPLICATED, "holds", paper.CONTRADICTED, "fails", paper.UNDECIDED]
    words += [f"{paper.NOT_RESOLVED} (measured: +0.1)", paper.REFUSED, paper.SMOKE]
    assert Tally.of(words) == (3, 2, 4)


def test_words_of_records_on_one_training_and_their_copies(tmp_path):
    stored(tmp_path, "mnist-dcgan-sngan-hi", {"IS": paper.REPRODUCED, "FID": paper.REPRODUCED})
    stored(tmp_path, "mnist-dcgan-sngan-ns", {"IS": paper.REPLICATED}, profile="paper")
    stored(tmp_path, "cifar10-dcgan-sagan-hi", {"FID": paper.UNDECIDED}, images={"test": "a copy", "floor": "a copy"})
    stored(tmp_path, "stl10-dcgan-wgan-gp", {"FID": paper.REPRODUCED}, seed=1, images={"test": downloads.OFFICIAL})
    runs = BY_STEM["tab1_scores"].runs
    told = {column: scorecard.recorded("tab1_scores", of, ("laptop", "paper"), tmp_path) for column, of in runs.items()}
    assert sorted(told["MNIST"][0]) == [("FID", "reproduced"), ("IS", "reproduced"), ("IS", paper.REPLICATED)]
    assert told["CIFAR-10"] == ([("FID", paper.UNDECIDED)], ["a copy"]) and told["STL-10"] == ([], [])
    assert scorecard.recorded("tab1_scores", runs["STL-10"], ["laptop"], tmp_path, 1)[0] == [("FID", "reproduced")]


def test_records_of_before_judges_were_averaged_are_not_counted(tmp_path):
    """Their references were the first rows of a sorted file; the map had counted four signs of MNIST from them."""
    stored(tmp_path, "mnist-dcgan-sngan-hi", {"FID": paper.REPLICATED}, averaged=False)
    assert scorecard.recorded("tab1_scores", ["mnist-dcgan-sngan-hi"], ["laptop"], tmp_path)[0] == []
    assert "MNIST" not in scorecard.cells(BY_STEM["tab1_scores"], {})  # without words over trainings


def test_only_claims_of_the_paper_are_counted(tmp_path):
    verdicts = {"exact and paper, FID, 10 updates": "undecided", "exact and naive, FID, 10 updates": "differ"}
    stored(tmp_path, "digits", verdicts | dict.fromkeys(projection.CLAIMS, paper.UNDECIDED), stem="projection")
    words, _ = scorecard.recorded("projection", ["digits"], ["laptop"], tmp_path)
    assert sorted(claim for claim, _ in words) == sorted(projection.CLAIMS)


def test_a_cell_has_words_over_trainings_else_of_the_committed_training_else_of_the_build(tmp_path):
    kept, built, item = tmp_path / "kept", tmp_path / "built", BY_STEM["tab2_swap"]
    assert scorecard.cells(item, {}, kept, built) == {}
    stored(built, "digits", {"IS": paper.UNDECIDED}, stem="tab2_swap", profile="smoke")
    assert scorecard.cells(item, {}, kept, built)["digits"] == ([("IS", paper.UNDECIDED)], "one training")
    stored(kept, "digits", {"IS": paper.REPLICATED}, stem="tab2_swap")
    assert scorecard.cells(item, {}, kept, built)["digits"] == ([("IS", paper.REPLICATED)], "one training")
    over = {item.title: {"digits, laptop": [("IS", paper.CONTRADICTED)], "mnist, laptop": []}}
    assert scorecard.cells(item, over, kept, built) == {"digits": ([("IS", paper.CONTRADICTED)], "trainings")}
    over[item.title]["digits, paper"] = [("FID", paper.REPLICATED)]  # no profile hides another
    both = [("IS", paper.CONTRADICTED), ("FID", paper.REPLICATED)]
    assert scorecard.cells(item, over, kept, built) == {"digits": (both, "trainings")}


def test_items_without_a_training_say_so_and_other_pages_of_one_training_are_known():
    for item in ITEMS:
        for column in item.runs:
            assert column in scorecard.COLUMNS
    assert {item.stem for item in ITEMS} >= {*scorecard.UNTRAINED, *scorecard.CLAIMED}
    assert [*scorecard.SETS] == [*SHAPES]
    assert scorecard.column_of("mnist, laptop") == "MNIST" and scorecard.column_of("25gaussians") == NO_IMAGES


def test_pairs_with_one_update_of_d_are_no_verdict_on_table_3():
    of = {"digits, laptop, cond-hi": [("a", paper.UNDECIDED)], "digits, laptop, cond-hi-1": [("a", paper.CONTRADICTED)]}
    over = {BY_STEM["tab3_conditional"].title: of}
    assert scorecard.cells(BY_STEM["tab3_conditional"], over)["digits"].words == [("a", paper.UNDECIDED)]
    line = next(line for line in scorecard.lines(over, PROVED) if line.stem == "tab3_conditional")
    assert line.tally == (0, 0, 1)


def test_each_line_counts_the_verdicts_on_its_score_alone():
    title = BY_STEM["tab1_scores"].title
    words = [("IS", paper.REPLICATED), ("FID", paper.CONTRADICTED), ("FID", paper.UNDECIDED)]
    by_claim = {line.claim: line for line in scorecard.lines({title: {"mnist, laptop": words}}, PROVED)}
    raises, lowers = by_claim["DOT raises the inception score (Table 1)"], by_claim["DOT lowers FID (Table 1)"]
    assert (raises.tally, lowers.tally, raises.on) == ((1, 0, 0), (0, 1, 1), "MNIST")
    assert (raises.tally.word, lowers.tally.word) == (HOLDS, FAILS), "one of two is half"
    assert by_claim[scorecard.FIGURE_3].tally == (0, 0, 0)
    assert next(iter(by_claim.values())).tally.word == HOLDS


def test_the_committed_trainings_reach_the_scorecard():
    """A record that changes its words changes the line: here all of Table 1's trainings, through its own module."""
    over = scorecard.over_trainings()
    assert over[BY_STEM["tab1_scores"].title] == table1_trainings.words(table1_trainings.frames())
    digits = over[BY_STEM["tab1_scores"].title]["digits, laptop"]
    assert len(digits) == 14
    assert {line.stem for line in scorecard.lines(over, PROVED)} <= {item.stem for item in ITEMS} | {"fig3_audit"}
    assert all(sum(line.tally) for line in scorecard.lines(over, PROVED))


def test_each_theorem_has_a_line_of_its_own_verdict():
    """Both verdicts once stood behind the claim of the first."""
    of = scorecard.lines({}, {"Theorem 1": paper.REPRODUCED, "Theorem 2": paper.CONTRADICTED})
    assert [line.tally for line in of[:2]] == [(1, 0, 0), (0, 1, 0)]
    assert [line.tally.word for line in of[:2]] == [HOLDS, FAILS]
