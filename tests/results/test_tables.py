"""Kinds of test: closed forms, failures."""

import pytest

from dotlib.errors import InputError
from dotlib.results import tables


def test_a_change_has_signs_and_its_interval():
    assert tables.change(-0.3, (-0.516, 0.04)) == "-0.30 [-0.52, +0.04]"
    assert tables.change(1.0, (0.5, 1.5), 3) == "+1.000 [+0.500, +1.500]"


def test_a_row_of_another_length_is_refused():
    assert tables.markdown(["a", "b"], [[1, 2]]) == "| a | b |\n| :-- | --: |\n| 1 | 2 |"
    with pytest.raises(InputError, match=r"rows: \[1\] has 1 cells, the header 2; add or drop"):
        tables.markdown(["a", "b"], [[1]])


def test_a_spread_is_shown_where_there_is_one():
    assert tables.plus_minus(0.0516, 0.0081) == "0.052\u00a0±\u00a00.008"
    assert tables.plus_minus(0.0516, None, 2) == "0.05"
