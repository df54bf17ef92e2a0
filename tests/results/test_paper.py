"""The words with which a page compares its numbers to the paper's.

Kinds of test: truth tables, failures. The numbers themselves: test_paper_values.
"""

import math

import pytest

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


def test_a_number_without_deviation_cannot_be_judged():
    with pytest.raises(InputError, match="published: x has no standard deviation; judge a compar"):
        paper.verdict(10.0, Published("x", 10.0, None, "", "Table 0"), profile="laptop")


def test_values_are_found_by_their_id():
    found = paper.value("fig3.25gaussians.dot.emd")
    assert (found.value, found.sd, found.unit) == (0.052, 0.010, "squared data units")
    assert found.place.startswith("Figure 3")
    with pytest.raises(InputError, match=r"no 'fig3.25gaussian.dot.emd'; nearest: fig3.25gaussians"):
        paper.value("fig3.25gaussian.dot.emd")


def test_without_the_file_the_message_says_where_to_run(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "FILE", tmp_path / "paper_values.yml")
    paper._entries.cache_clear()
    with pytest.raises(FileError, match="cannot be read .*run from a checkout"):
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
