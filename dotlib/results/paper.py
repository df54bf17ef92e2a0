"""The paper's numbers, and the words in which a page compares its own with them.

A page makes a `Claim` of each comparison, and `evaluation.recording.put_verdicts` turns the claims of one table into
words together, since it corrects their p-values for their number. The rules are those of book/protocol, "Verdicts".
"""

import functools
import importlib.resources
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import yaml
from scipy import stats

from dotlib.errors import FileError, InputError, check_count, check_option, nearest
from dotlib.results import tables

# Constants that the released demo_2d.ipynb prints; the paper's text has others.
NOTEBOOK_K = {"25gaussians": 1.97769, "swissroll": 1.05324}

FILE = importlib.resources.files("dotlib.results") / "paper_values.yml"
LEVEL = 0.05  # of every test; intervals have 95 %
WIDEST = 2.0  # published sds of one trial: the interval of a difference that may say "reproduced"
TRIALS = 100  # behind every published mean and sd of an EMD, caption of Figure 3
OBJECTIVES = ("wgan-gp", "sngan-ns", "sngan-hi", "sagan-ns", "sagan-hi")  # of the rows that are printed twice

REPRODUCED, CONTRADICTED, UNDECIDED = "reproduced", "contradicted", "undecided"
REPLICATED = "sign replicated (other data)"
NOT_RESOLVED = "print does not resolve it"
REFUSED = "not attempted (the method refused this discriminator)"
SMOKE = "smoke: not comparable"

Words = list[tuple[str, str]]  # claims, each with its verdict


@dataclass(frozen=True)
class Published:
    """One published number; its place is the figure or table, row and column."""

    id: str
    value: float
    sd: float | None
    unit: str
    place: str
    sd_over: str | None = None  # "trials", "runs", or "splits" of one sample set: that one is no error of the mean


@dataclass(frozen=True)
class Statement:
    """What a report states without a number, in our words; its place is the title, section and figure."""

    id: str
    says: str
    place: str


@dataclass(frozen=True)
class Claim:
    """A statement of the paper beside our measurement of it, before the verdict.

    A table has many claims, and some p-value of many is always small. So the word waits for the p-value that Holm's
    correction makes of `p`: `apart` where it stays below LEVEL, `otherwise` where it does not.
    """

    p: float | None  # of the two-sided test; None where nothing was measured
    apart: str
    otherwise: str

    def word(self, adjusted: float | None) -> str:
        """The verdict, from the adjusted p-value; None as for `p`."""
        return self.apart if adjusted is not None and adjusted < LEVEL else self.otherwise


def value(name: str) -> Published:
    """The published number with this id. Raises InputError, naming the nearest id."""
    entries = _entries()
    if name not in entries:
        raise InputError(f"name: the paper's values have no {name!r}{nearest(name, entries)}; see {FILE.name}")
    return entries[name]


def statements(work: str) -> tuple[Statement, ...]:
    """What one report, "s3", states, in order; the page of that report has a verdict on each. Raises InputError."""
    of_work = [Statement(**row) for row in _rows("statements")]
    works = sorted({statement.id.partition(".")[0] for statement in of_work})
    check_option("work", work, works)
    return tuple(statement for statement in of_work if statement.id.startswith(f"{work}."))


def ratio(first: str, second: str) -> tuple[float, float]:
    """First over second published number, and the standard deviation that follows from theirs. Raises InputError."""
    a, b = value(first), value(second)
    if a.sd is None or b.sd is None:
        raise InputError(f"first, second: no standard deviation is published of {first}, {second}; divide the values")
    return a.value / b.value, a.value / b.value * math.hypot(a.sd / a.value, b.sd / b.value)


def number(mean: float, sd: float | None, n: int, published: Published) -> Claim:
    """Claim that our mean over n trials is the published one: Welch's test of two samples, theirs of TRIALS.

    Contradicted: the 95 % interval of the difference excludes 0. Reproduced: it holds 0, and is at most WIDEST
    published standard deviations of one trial wide, so that no mean in it is further from the print than that. Few
    trials have a wider one, and leave it undecided. Raises InputError for a published sd that is not over trials.
    """
    check_count("n", n, least=2)
    _check_finite("mean, sd", mean, sd or 0.0)
    theirs = _trial_sd(published)
    low, high, p = _welch(mean - published.value, (sd or 0.0, n), (theirs, TRIALS))
    if low <= 0 <= high:
        word = REPRODUCED if high - low <= WIDEST * theirs else UNDECIDED
        return Claim(p, word, word)
    return Claim(p, CONTRADICTED, UNDECIDED)


def comparison(
    printed: float, interval: tuple[float, float], n: int, *, own: bool, least: float = 0.0, measured: str = ""
) -> Claim:
    """Claim that our paired difference over n trials, by its 95 % t-interval, has the side of the printed one.

    Apart from 0 on the printed side it is reproduced on the paper's own data and judge, and elsewhere its sign is
    replicated; on the other side it is contradicted. Where it holds 0, nothing is decided.

    Args:
        printed: first minus second in print, or any number of its sign where the paper only says which is larger.
        interval: of our first minus second.
        n: of the trials, sets or trainings behind the interval.
        own: whether the data and the judge are the paper's.
        least: the print resolves no difference up to this one; the verdict then tells what was measured.
        measured: ours in words, for that verdict; the interval by default.

    Returns:
        The claim; a number that is not finite, and a printed 0 without `least`, are refused.
    """
    _check_finite("interval", *interval)
    if printed == 0 and least == 0:
        raise InputError("printed: found 0, which has no side to compare; pass what the print resolves as `least`")
    p = p_of_interval(interval, n)
    if abs(printed) <= least:
        word = f"{NOT_RESOLVED} (measured: {measured or _shown(interval)})"
        return Claim(p, word, word)
    low, high = sorted(math.copysign(1, printed) * end for end in interval)
    if low <= 0 <= high:
        return Claim(p, UNDECIDED, UNDECIDED)
    return Claim(p, CONTRADICTED if high < 0 else REPRODUCED if own else REPLICATED, UNDECIDED)


def order(first: Published, second: Published, interval: tuple[float, float], n: int, *, own: bool) -> Claim:
    """Claim that our first - second has the side of the printed means; see `comparison`.

    The print resolves no difference that holds 0 in its own 95 % interval, over TRIALS each, taken as unpaired. Raises
    InputError for a published sd that is not over trials.
    """
    gap = first.value - second.value
    low, high, _ = _welch(gap, (_trial_sd(first), TRIALS), (_trial_sd(second), TRIALS))
    return comparison(gap, interval, n, own=own, least=(high - low) / 2)


def gap_of_trials(first: Sequence[Published], second: Sequence[Published]) -> tuple[float, float]:
    """Mean of some printed trials minus that of others, and the half width of Welch's 95 % interval.

    It is what the print resolves, for `comparison`, where each trial is printed and no sd over them. Raises InputError
    for fewer than two trials.
    """
    means, errors = [], []
    for trials in (first, second):
        check_count("trials", len(trials), least=2)
        values = [trial.value for trial in trials]
        means.append(statistics.fmean(values))
        errors.append((statistics.stdev(values), len(values)))
    gap = means[0] - means[1]
    low, high, _ = _welch(gap, *errors)
    return gap, (high - low) / 2


def all_of(claims: Sequence[Claim]) -> Claim:
    """The claim that several tested claims hold: as weak as the weakest of them, and contradicted with any.

    Of several tests one is sooner contradicted by chance, so that p-value is multiplied by their number.
    """
    against = [claim.p or 0.0 for claim in claims if claim.apart == CONTRADICTED]
    if against:
        return Claim(min(1.0, len(claims) * min(against)), CONTRADICTED, UNDECIDED)
    return max(claims, key=lambda claim: (claim.apart == UNDECIDED, claim.p or 0.0))


def without_test(word: str) -> Claim:
    """A claim whose verdict needs no test, such as REFUSED."""
    return Claim(None, word, word)


def p_of_interval(interval: tuple[float, float], n: int) -> float:
    """The two-sided p-value of the mean of n values against 0, from its 95 % t-interval."""
    check_count("n", n, least=2)
    low, high = sorted(interval)
    middle, half = (low + high) / 2, (high - low) / 2
    if half == 0:
        return float(middle == 0)
    return float(2 * stats.t.sf(abs(middle) / half * stats.t.ppf(1 - LEVEL / 2, n - 1), n - 1))


@functools.cache
def reprint_gap(score: str) -> float:
    """The largest difference between two printed scores, "is" or "fid", of one bare generator.

    Such scores have no standard error in print: the sd of an inception score is over splits of one set, and FID has
    none. But B.2 scores each generator in two trials at 0 updates, and Table 7 scores those of Table 1 again.
    """
    trials = [[f"b2.cifar10.dcgan.{kind}.{arm}.u0" for arm in ("k1", "keff")] for kind in OBJECTIVES]
    for data in ("cifar10", "stl10"):
        trials += [[f"tab1.{data}.dcgan.{kind}.bare", f"tab7.{data}.{kind}.bare"] for kind in OBJECTIVES]
    return max(abs(value(f"{first}.{score}").value - value(f"{second}.{score}").value) for first, second in trials)


def kind(verdict: str) -> str:
    """A verdict without what was measured, as tables count it."""
    return verdict.partition(" (measured")[0]


def counted_by_label(of: Mapping[str, Words]) -> str:
    """The verdicts of each data set, counted; labels without a verdict are left out, and a dash says that all are."""
    return "; ".join(f"{label}: {counted(words)}" for label, words in of.items() if words) or "-"


def counted(verdicts: Iterable[tuple[str, str]]) -> str:
    """How often each word occurs among claims and their words: "FID: undecided (3) / IS: undecided (1)".

    The scores are apart, since one is easier to win than the other; claims on neither stand first, without a name.
    """
    of_scores: dict[str, Counter[str]] = {"": Counter(), "FID": Counter(), "IS": Counter()}
    for claim, word in verdicts:
        score = re.search(r"\bFID\b|\bIS\b|inception score", claim)
        of_scores[score[0].replace("inception score", "IS") if score else ""][kind(word)] += 1
    texts = {name: ", ".join(f"{word} ({n})" for word, n in count.items()) for name, count in of_scores.items()}
    return " / ".join(f"{name}: {text}" if name else text for name, text in texts.items() if text)


def unless_smoke(verdict: str, *, profile: str) -> str:
    """The verdict, or SMOKE in a smoke run, which compares nothing."""
    return SMOKE if profile == "smoke" else verdict


def _trial_sd(published: Published) -> float:
    if published.sd is None or published.sd_over != "trials":
        over = f"is over {published.sd_over}" if published.sd_over else "is not published"
        remedy = "it is no error of the mean; ask comparison"
        raise InputError(f"published: the standard deviation of {published.id} {over}, not over trials: {remedy}")
    return published.sd


def _welch(difference: float, first: tuple[float, int], second: tuple[float, int]) -> tuple[float, float, float]:
    """Ends of the 95 % interval of a difference of two means, and its p-value; of each sample the sd and n."""
    shares = [sd**2 / n for sd, n in (first, second)]
    error = math.sqrt(sum(shares))
    freedom = error**4 / sum(share**2 / (n - 1) for share, (_, n) in zip(shares, (first, second), strict=True))
    half = float(stats.t.ppf(1 - LEVEL / 2, freedom)) * error
    return difference - half, difference + half, float(2 * stats.t.sf(abs(difference) / error, freedom))


def _shown(interval: tuple[float, float]) -> str:
    """Middle and ends, to two digits of half the width."""
    low, high = sorted(interval)
    half = (high - low) / 2
    digits = max(2, 1 - math.floor(math.log10(half))) if half else 3
    return tables.change((low + high) / 2, (low, high), digits)


def _check_finite(name: str, *numbers: float) -> None:
    if not all(math.isfinite(number) for number in numbers):
        raise InputError(f"{name}: expected finite numbers, found {numbers}; find the run that diverged")


@functools.cache
def _entries() -> dict[str, Published]:
    names = ("id", "value", "sd", "unit", "place", "sd_over")
    return {row["id"]: Published(*(row[name] for name in names)) for row in _rows("values")}


def _rows(part: str) -> list[dict]:
    """The rows below "values" or "statements"."""
    try:
        return yaml.safe_load(FILE.read_text(encoding="utf-8"))[part]
    except OSError as error:
        raise FileError(f"{FILE}: cannot be read ({error.strerror}); install dotlib again") from error
