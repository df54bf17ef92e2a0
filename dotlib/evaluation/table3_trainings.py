"""Table 3 over trainings: what conditional DOT changes in FID and inception score, and the verdicts on its claims.

The rules are those of book/protocol, "Conditional pairs"; they were fixed before the runs.
"""

import math
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from scipy import stats

from dotlib.evaluation import over_trainings, recording
from dotlib.evaluation.conditional import UPDATES
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records, tables
from dotlib.results.paper import Published, Words
from dotlib.training.settings import row_of, settings_of

TRIALS = (1, 2, 3, 4)
K_TRIALS = {"DOT, k = 1": (1, 2), "DOT": (3, 4)}  # method -> trials of Table 3 with its constant
ALL = tuple(K_TRIALS)


class Claim(NamedTuple):
    """A claim of Table 3 on one score: what the first methods have minus what the second have."""

    text: str
    quantity: str
    first: tuple[str, ...]  # of which the mean is taken
    second: tuple[str, ...]
    updates: int

    @property
    def printed(self) -> tuple[list[Published], list[Published]]:
        """Its trials in print, first and second; a change is that of all four trials since 0 updates."""
        change = self.second == ("bare",)
        trials = (TRIALS, TRIALS) if change else (K_TRIALS[self.first[0]], K_TRIALS[self.second[0]])
        first, second = (
            [printed(trial, updates, self.quantity) for trial in of]
            for of, updates in zip(trials, (self.updates, 0 if change else self.updates), strict=True)
        )
        return first, second


CLAIMS = (
    *(Claim(f"FID falls, {u} updates", "fid", ALL, ("bare",), u) for u in UPDATES),
    *(Claim(f"IS rises, {u} updates", "is_mean", ALL, ("bare",), u) for u in UPDATES),
    *(
        Claim(f"{SCORES[q].label} with k_eff(y) minus k = 1", q, ("DOT",), ("DOT, k = 1",), UPDATES[-1])
        for q in ("fid", "is_mean")
    ),
)


def printed(trial: int, updates: int, quantity: str) -> Published:
    """A score of Table 3, "is_mean" or "fid"."""
    return paper.value(f"tab3.trial{trial}.u{updates}.{SCORES[quantity].printed}")


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Label of a data set, "digits, laptop", to the tables of all its conditional trainings in a folder."""
    return over_trainings.frames("tab3_conditional", folder)


def differences(frame: pd.DataFrame, claim: Claim) -> pd.Series:
    """First minus second of a claim in each training, indexed by pair and seed; sets and judges averaged."""
    first, second = (_mean(frame, methods, claim) for methods in (claim.first, claim.second))
    return over_trainings.by_training((first - second).dropna())


def _mean(frame: pd.DataFrame, methods: tuple[str, ...], claim: Claim) -> pd.Series:
    parts = [
        over_trainings.cells(frame, method, claim.quantity, None if method == "bare" else claim.updates)
        for method in methods
    ]
    return sum(parts[1:], parts[0]) / len(parts)


def _judged(claim: Claim, values: pd.Series) -> paper.Claim:
    gap, least = paper.gap_of_trials(*claim.printed)
    return paper.comparison(gap, intervals.t_interval(values)[1], len(values), own=False, least=least)


def verdicts(frame: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Pair -> claim -> the verdict over its trainings, Holm over the claims of a pair; for pairs of three or more."""
    of_pairs = {}
    for pair, lines in frame.groupby("dataset"):
        values = [differences(lines, claim) for claim in CLAIMS]
        if len(values[0]) >= over_trainings.LEAST:
            words = recording.words_of(_judged(*both) for both in zip(CLAIMS, values, strict=True))
            of_pairs[str(pair)] = {claim.text: word for claim, word in zip(CLAIMS, words, strict=True)}
    return of_pairs


def words(of: Mapping[str, pd.DataFrame]) -> dict[str, Words]:
    """(Claim, verdict) of every data set and row, "digits, laptop, cond-hi"; pairs with one update of D are apart."""
    return {
        f"{label}, {row_of(pair)}": list(told.items())
        for label, frame in of.items()
        for pair, told in verdicts(frame).items()
    }


def hinge_losses(folder: Path = records.KEPT) -> dict[str, float]:
    """Pair -> hinge loss of D at the end of training, mean over the recorded trainings of a folder."""
    of: dict[str, dict[int, float]] = {}
    for record in records.stored(folder, "tab3_conditional"):
        of.setdefault(over_trainings.pair_of(record), {})[record.seed] = record.get("hinge loss").value
    return {pair: statistics.fmean(losses.values()) for pair, losses in of.items()}


def answer(of: Mapping[str, pd.DataFrame], folder: Path = records.KEPT) -> str:
    """What conditional DOT changes in FID and inception score, a paragraph for each pair that is recorded."""
    texts, losses = [], hinge_losses(folder)
    for label, frame in of.items():
        words = verdicts(frame)
        for pair, lines in frame.groupby("dataset"):
            parts = [_sentence(lines, quantity, words.get(str(pair), {})) for quantity in ("fid", "is_mean")]
            runs = lines["seed"].nunique()
            texts.append(
                f"*{label}, {_critic_updates(str(pair))} of D for one of G*, {tables.count(runs, 'training')}, hinge "
                f"loss {losses[str(pair)]:.2f}: {'; '.join(parts)}. {_others(lines, words.get(str(pair), {}))}"
            )
    return "\n\n".join(texts) or "No training is recorded yet, so this page answers for the pair of its build alone."


def _critic_updates(pair: str) -> str:
    n = settings_of(pair, "laptop").critic_updates
    return tables.count(n, "update")


def _sentence(lines: pd.DataFrame, quantity: str, words: Mapping[str, str]) -> str:
    claim = next(claim for claim in CLAIMS if claim.quantity == quantity and claim.updates == UPDATES[-1])
    values = differences(lines, claim)
    bare, real = (over_trainings.cells(lines, method, quantity).mean() for method in ("bare", "real"))
    change = intervals.changed(values, SCORES[quantity].digits)
    word = f", **{words[claim.text]}**" if claim.text in words else ""
    begins = f"{SCORES[quantity].label} of bare samples is {bare:.2f} (real images {real:.2f})"
    return f"{begins}, and {UPDATES[-1]} updates of DOT change it by {change}{word}"


def _others(lines: pd.DataFrame, words: Mapping[str, str]) -> str:
    """What the constant changes, and what the naive ascent does to FID."""
    parts = []
    for claim in CLAIMS[-2:]:
        word = f" (**{paper.kind(words[claim.text])}**)" if claim.text in words else ""
        change = intervals.changed(differences(lines, claim), SCORES[claim.quantity].digits)
        parts.append(f"{SCORES[claim.quantity].label} by {change}{word}")
    cells = (over_trainings.cells(lines, method, "fid") for method in ("naive", "bare"))
    naive = intervals.changed(over_trainings.by_training(next(cells) - next(cells)), SCORES["fid"].digits)
    constant = "$k_\\text{eff}(y)$ in place of $k = 1$"
    return f"{constant} changes {' and '.join(parts)}; the naive ascent changes FID by {naive}."


def resolution(of: Mapping[str, pd.DataFrame]) -> str:
    """Sentences, one a judged pair: how large a change of FID has to be for a word, beside the way to real images.

    The smallest p-value is multiplied by the number of claims, so its t has to pass the quantile for that share.
    """
    claim = next(claim for claim in CLAIMS if claim.quantity == "fid" and claim.updates == UPDATES[-1])
    texts = []
    for label, frame in of.items():
        for pair, lines in frame.groupby("dataset"):
            values = differences(lines, claim)
            if (n := len(values)) >= over_trainings.LEAST:
                t = float(stats.t.isf(over_trainings.LEVEL / 2 / len(CLAIMS), n - 1))
                least = t * values.std() / math.sqrt(n)
                real, bare = (over_trainings.cells(lines, method, "fid").mean() for method in ("real", "bare"))
                texts.append(
                    f"For *{label}, {row_of(str(pair))}*, with {n} trainings and their spread, the mean change of FID "
                    f"would have to be {least:.1f}; all the way to real images it is {abs(real - bare):.1f}."
                )
    return " ".join(texts)


def claim_table(frame: pd.DataFrame, folder: Path = records.KEPT) -> str:
    """Markdown: each claim in print and for each pair of a data set, over its trainings, with the hinge loss."""
    pairs, words, losses = sorted(frame["dataset"].unique()), verdicts(frame), hinge_losses(folder)
    heads = [part for pair in pairs for part in (row_of(pair), f"verdict, {row_of(pair)}")]
    rows = []
    for claim in CLAIMS:
        gap, half = paper.gap_of_trials(*claim.printed)
        cells = [tables.change(gap, (gap - half, gap + half), 2)]
        for pair in pairs:
            values = differences(frame[frame["dataset"] == pair], claim)
            cells += [
                intervals.changed(values, SCORES[claim.quantity].digits),
                words.get(pair, {}).get(claim.text, "-"),
            ]
        rows.append([claim.text, *cells])
    loss = [part for pair in pairs for part in (f"{losses[pair]:.2f}" if pair in losses else "-", "-")]
    return tables.markdown(["claim", "paper, four trials", *heads], [*rows, ["hinge loss of D", "-", *loss]])
