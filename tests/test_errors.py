"""The checks at public boundaries.

Kinds of test: failures (argument, value found, remedy, in one line), identities (what is right
passes).
"""

import math

import numpy as np
import pytest
import torch

from dotlib import errors
from dotlib.errors import FileError, InputError, SettingsDifferError

GOOD = [
    torch.zeros(1, 2),
    torch.zeros(5, 2).double(),
    torch.zeros(2, 3).half(),
    torch.zeros(4, 4)[:, ::2],
    torch.zeros(3, 2, requires_grad=True),
]


@pytest.mark.parametrize("x", GOOD)
def test_good_points_pass(x):
    assert errors.check_points("x", x) is None


def test_rank_and_width():
    errors.check_points("x", torch.zeros(2, 3, 8, 8), rank=None)
    errors.check_points("x", torch.zeros(2, 3, 8, 8), rank=4, width=8)
    errors.check_points("x", torch.zeros(2), rank=1)
    errors.check_points("x", torch.zeros(2, 3), width=3)


@pytest.mark.parametrize(
    ("x", "options", "message"),
    [
        ([[0.0]], {}, "x: expected a torch tensor, found list; convert it with torch.as_tensor"),
        (np.zeros((2, 2)), {}, "found ndarray"),
        (None, {}, "found NoneType"),
        (torch.zeros(2, 2, dtype=torch.int64), {}, "found torch.int64; call .float"),
        (torch.zeros(2, 2, dtype=torch.uint8), {}, "found torch.uint8"),
        (torch.zeros(2, 2, dtype=torch.complex64), {}, "found torch.complex64"),
        (torch.zeros(2), {}, r"expected 2 axes, found shape \(2,\); put one point in each row"),
        (torch.zeros(2, 2, 2), {}, r"expected 2 axes, found shape \(2, 2, 2\)"),
        (torch.zeros(2), {"rank": None}, r"expected two or more axes, found shape \(2,\)"),
        (torch.tensor(1.0), {}, r"found shape \(\)"),
        (torch.zeros(0, 2), {}, r"found an empty batch, shape \(0, 2\); pass at least 1 row"),
        (torch.zeros(2, 3), {"width": 2}, r"expected width 2, found shape \(2, 3\)"),
        (torch.tensor([[0, math.nan], [math.inf, math.nan], [0, 0]]), {}, "infinity in 2 of 3 rows"),
        (torch.tensor([[-math.inf, 0]]), {}, "infinity in 1 of 1 rows"),
    ],
)
def test_bad_points_are_refused(x, options, message):
    with pytest.raises(InputError, match=message) as caught:
        errors.check_points("x", x, **options)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("x: ")


@pytest.mark.parametrize("value", [-1, -0.5, math.nan, math.inf, -math.inf, "1", None, True, torch.tensor(1.0), 1j])
def test_numbers_that_are_neither_positive_nor_zero(value):
    for check in (errors.check_positive, errors.check_not_negative):
        with pytest.raises(InputError, match=r"^lr: expected a finite number >=? ?0?.*; lower it$"):
            check("lr", value, "lower it")


def test_zero_is_the_difference():
    errors.check_not_negative("delta", 0, "")
    errors.check_not_negative("delta", -0.0, "")
    errors.check_not_negative("delta", 1e-300, "")
    errors.check_positive("K_eff", np.float64(1e-300), "")
    errors.check_positive("K_eff", 3, "")
    for zero in (0, 0.0, -0.0):
        with pytest.raises(InputError, match="K_eff: expected a finite number > 0, found -?0"):
            errors.check_positive("K_eff", zero, "estimate it")


@pytest.mark.parametrize("value", [0, -1, 1.0, "1", None, True, math.inf])
def test_counts(value):
    with pytest.raises(InputError, match="^steps: expected an integer >= 1, found .*number from 1"):
        errors.check_count("steps", value)


def test_least_counts():
    errors.check_count("steps", 1)
    errors.check_count("steps", 0, 0)
    with pytest.raises(InputError, match="integer >= 5, found 4"):
        errors.check_count("steps", 4, 5)


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ("exat", "; nearest: exact"),
        ("Paper", "; nearest: paper"),
        ("qqq", "exact, paper"),
        (3, "paper"),
        (None, "paper"),
    ],
)
def test_options(value, end):
    with pytest.raises(InputError) as caught:
        errors.check_option("variant", value, {"paper", "exact"})
    text = str(caught.value)
    assert text.startswith(f"variant: unknown {value!r}; known: exact, paper")
    assert text.endswith(end)
    errors.check_option("variant", "exact", {"paper", "exact"})


def test_nearest():
    assert errors.nearest("laptpo", ["laptop", "smoke"]) == "; nearest: laptop"
    assert errors.nearest("zzz", ["laptop"]) == "" and errors.nearest("x", []) == ""


def test_the_errors_can_be_caught_as_the_usual_ones():
    assert issubclass(InputError, ValueError)
    assert issubclass(FileError, RuntimeError) and issubclass(SettingsDifferError, RuntimeError)
