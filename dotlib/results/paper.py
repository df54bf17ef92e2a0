"""The paper's numbers, and the words in which a page compares its own with them."""

import functools
import importlib.resources
import math
from dataclasses import dataclass

import yaml

from dotlib.errors import FileError, InputError, nearest

# Constants that the released demo_2d.ipynb prints; the paper's text has others.
NOTEBOOK_K = {"25gaussians": 1.97769, "swissroll": 1.05324}

FILE = importlib.resources.files("dotlib.results") / "paper_values.yml"
WITHIN = 2.0  # published standard deviations; fixed before any run
REPRODUCED, SAME_SIGN, NOT_REPRODUCED = "reproduced", "same sign", "not reproduced"
NOT_RESOLVED = "not attempted (the print does not resolve it)"
REFUSED = "not attempted (the method refused this discriminator)"
SMOKE = "smoke: not comparable"
TRIALS = 100  # behind every published mean and sd of an EMD, caption of Figure 3
SPLITS = 10  # behind every published mean and sd of an inception score, released code


@dataclass(frozen=True)
class Published:
    """One published number; its place is the figure or table, row and column."""

    id: str
    value: float
    sd: float | None
    unit: str
    place: str


def value(name: str) -> Published:
    """The published number with this id. Raises InputError, naming the nearest id."""
    entries = _entries()
    if name not in entries:
        raise InputError(f"name: the paper's values have no {name!r}{nearest(name, entries)}; see {FILE.name}")
    return entries[name]


def ratio(first: str, second: str) -> tuple[float, float]:
    """First over second published number, and the standard deviation that follows from theirs. Raises InputError."""
    a, b = value(first), value(second)
    if a.sd is None or b.sd is None:
        raise InputError(f"first, second: no standard deviation is published of {first}, {second}; divide the values")
    return a.value / b.value, a.value / b.value * math.hypot(a.sd / a.value, b.sd / b.value)


def verdict(here: float, published: Published, *, profile: str) -> str:
    """Verdict on a number: reproduced when within two published standard deviations."""
    _check_finite("here", here)
    if profile == "smoke":
        return SMOKE
    if published.sd is None:
        raise InputError(f"published: {published.id} has no standard deviation; ask verdict_on_sign")
    return REPRODUCED if abs(here - published.value) <= WITHIN * published.sd else NOT_REPRODUCED


def verdict_on_sign(published_difference: float, interval: tuple[float, float], *, profile: str) -> str:
    """Verdict on a comparison from the 95 % interval of our paired difference.

    Reproduced: the interval excludes 0 on the published side. Same sign: its middle is on that side, but it holds 0.
    Not reproduced: otherwise. Raises InputError for a published difference of 0, which has no side.
    """
    _check_finite("interval", *interval)
    if published_difference == 0:
        raise InputError("published_difference: found 0, which has no sign to compare; ask verdict_on_order")
    if profile == "smoke":
        return SMOKE
    low, high = sorted(math.copysign(1, published_difference) * end for end in interval)
    if low > 0:
        return REPRODUCED
    return SAME_SIGN if low + high > 0 else NOT_REPRODUCED


def verdict_on_order(
    first: Published, second: Published, interval: tuple[float, float], *, profile: str, trials: int = TRIALS
) -> str:
    """Verdict on "first is below second" from the 95 % interval of our first - second.

    Where the printed means are closer than WITHIN standard errors of their difference (over so many trials, taken as
    unpaired), the print resolves nothing to reproduce. Raises InputError where a standard deviation is not published.
    """
    if first.sd is None or second.sd is None:
        raise InputError(f"published: {first.id}, {second.id}: no standard deviation is published; ask verdict_on_sign")
    error = math.hypot(first.sd, second.sd) / math.sqrt(trials)
    gap = first.value - second.value
    if abs(gap) <= WITHIN * error:
        _check_finite("interval", *interval)
        return SMOKE if profile == "smoke" else NOT_RESOLVED
    return verdict_on_sign(gap, interval, profile=profile)


def unless_smoke(verdict: str, *, profile: str) -> str:
    """The verdict, or SMOKE in a smoke run, which compares nothing."""
    return SMOKE if profile == "smoke" else verdict


def _check_finite(name: str, *numbers: float) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{name}: expected finite numbers, found {numbers}; find the run that diverged")


@functools.cache
def _entries() -> dict[str, Published]:
    try:
        rows = yaml.safe_load(FILE.read_text(encoding="utf-8"))["values"]
    except OSError as error:
        raise FileError(f"{FILE}: cannot be read ({error.strerror}); install dotlib again") from error
    return {row["id"]: Published(row["id"], row["value"], row.get("sd"), row["unit"], row["place"]) for row in rows}
