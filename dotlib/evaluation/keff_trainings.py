"""k = 1 against k_eff over trainings: the printed comparisons of B.2, and the verdicts on their signs.

The trainings are those of the page "When does the transport matter?", whose tables hold DOT with k_eff and with k = 1
after several updates, and whose records hold k_eff. A training that is recorded there appears here by itself.
"""

import itertools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from dotlib.evaluation import over_trainings, recording
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records, tables, tidy
from dotlib.results.paper import Words
from dotlib.training.settings import OBJECTIVES, dataset_of, length_of

QUANTITIES = ("is_mean", "fid")
UPDATES = (0, 10, 20)  # of the tables in B.2

Key = tuple[str, int, str]  # objective, updates, quantity of a printed comparison


class Difference(NamedTuple):
    """Score with k_eff minus that with k = 1, by training seed; and the lower constant minus the higher."""

    k_eff_minus_1: pd.Series
    lower_minus_higher: pd.Series


def printed(kind: str, update: int, quantity: str) -> tuple[paper.Published, paper.Published]:
    """B.2, CIFAR-10, DCGAN: the score with k = 1 and with k_eff after 0, 10 or 20 updates."""
    place, score = f"b2.cifar10.dcgan.{kind}", f"u{update}.{SCORES[quantity].printed}"
    return paper.value(f"{place}.k1.{score}"), paper.value(f"{place}.keff.{score}")


def printed_gap(kind: str, update: int, quantity: str) -> float:
    """The printed score with k_eff minus that with k = 1."""
    k1, keff = printed(kind, update, quantity)
    return keff.value - k1.value


def claims() -> dict[str, Key]:
    """Every printed comparison: its name in records -> objective, update, quantity."""
    places = itertools.product(OBJECTIVES, UPDATES[1:], QUANTITIES)
    return {f"{kind}, {SCORES[q].label}, {update} updates": (kind, update, q) for kind, update, q in places}


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Label of a data set, "digits, laptop", to the tables of its trainings, with columns dataset, seed and k_eff.

    Pairs of a length of their own are none of B.2.
    """
    parts: dict[str, list[pd.DataFrame]] = {}
    for record in records.stored(folder, "transport_matters"):
        pair = record.dataset.removesuffix(f"-{record.parameters.get('judge', '')}")
        if not length_of(pair):
            k_eff = record.get("k_eff", method="own").value
            frame = tidy.of(record, folder).assign(dataset=pair, seed=record.seed, k_eff=k_eff)
            parts.setdefault(over_trainings.label_of(record), []).append(frame)
    return {label: pd.concat(of, ignore_index=True) for label, of in sorted(parts.items())}


def difference(frame: pd.DataFrame, key: Key) -> Difference:
    """One comparison over the trainings of its pair, sets and judges averaged inside each.

    The claim is about the lower of the two constants, so a training whose k_eff exceeds 1 has the other sign there.
    """
    kind, updates, quantity = key
    of_pair = frame[frame["dataset"] == f"{dataset_of(str(frame['dataset'].iloc[0]))}-dcgan-{kind}"]
    first, second = (over_trainings.cells(of_pair, method, quantity, updates) for method in ("DOT", "DOT, k = 1"))
    values = over_trainings.by_training((first - second).dropna()).groupby("seed").mean()
    below = of_pair.groupby("seed")["k_eff"].first().reindex(values.index) < 1
    return Difference(values, values.where(below, -values))


def verdicts(frame: pd.DataFrame) -> dict[str, str]:
    """Claim -> the verdict on its printed sign, Holm over all claims of a data set that have three trainings or more.

    The judges are classifiers, so that no sign is more than replicated.
    """
    judged = {}
    for text, key in claims().items():
        values = difference(frame, key)
        if len(values.k_eff_minus_1) >= over_trainings.LEAST:
            (mean, ends), (_, side) = map(intervals.t_interval, values)
            least = paper.reprint_gap(SCORES[key[2]].printed)
            n, measured = len(values.k_eff_minus_1), tables.change(mean, ends)
            judged[text] = paper.comparison(printed_gap(*key), side, n, own=False, least=least, measured=measured)
    return dict(zip(judged, recording.words_of(judged.values()), strict=True))


def table(frame: pd.DataFrame, here: Mapping[str, str], build: str) -> str:
    """Markdown: for each network and update the printed differences, ours over trainings, the verdicts.

    `here` has the change of one training for each claim; it stands last, under the head `build`.
    """
    words, rows = verdicts(frame), {}
    for text, key in claims().items():
        kind, updates, _ = key
        values = difference(frame, key).k_eff_minus_1
        cells = rows.setdefault(f"{kind}, {updates} updates", [len(values)])
        shown = intervals.changed(values, few="-")
        cells += [f"{printed_gap(*key):+.2f}", shown, words.get(text, "-"), here.get(text, "-")]
    heads = [f"{score}, {part}" for score in ("IS", "FID") for part in ("paper", "over trainings", "verdict", build)]
    return tables.markdown(["k_eff - (k = 1)", "trainings", *heads], [[name, *row] for name, row in rows.items()])


def _largest(frame: pd.DataFrame, quantity: str) -> str:
    """The largest measured change of a score, whatever its verdict; "" where no network has two trainings."""
    values = {key: difference(frame, key).k_eff_minus_1 for key in claims().values() if key[2] == quantity}
    several = {key: each for key, each in values.items() if len(each) > 1}
    if not several:
        return ""
    kind, updates, _ = largest = max(several, key=lambda key: abs(several[key].mean()))
    change, label = intervals.changed(several[largest]), SCORES[quantity].label
    return f"The largest change measured in {label} is {change} ({kind}, {updates} updates)."


def answer(of: Mapping[str, pd.DataFrame]) -> str:
    """What the lower constant does to both scores, a paragraph for each data set: its verdicts, counted."""
    texts = []
    for label, frame in of.items():
        words, parts = verdicts(frame), []
        for quantity, claim in (("is_mean", "raises IS"), ("fid", "lowers FID")):
            of_score = [text for text, (*_, q) in claims().items() if q == quantity and text in words]
            count = Counter(paper.kind(words[text]) for text in of_score)
            counted = ", ".join(f"{word} in {n}" for word, n in count.most_common()) or "not judged"
            parts.append(f"*The lower constant {claim}*: {counted}. {_largest(frame, quantity)}")
        runs = frame[frame["dataset"].str.contains("-dcgan-")].groupby(over_trainings.TRAINING)
        texts.append(
            f"*{label}*, {tables.count(len(runs), 'training')} of the DCGANs, a verdict for each network and number of "
            f"updates. {' '.join(parts)}"
        )
    return "\n\n".join(texts) or "No training is recorded yet; the numbers below are of single pairs."


def words(of: Mapping[str, pd.DataFrame]) -> dict[str, Words]:
    """(Score, verdict) on the printed differences, for each data set."""
    scores = {text: SCORES[quantity].label for text, (*_, quantity) in claims().items()}
    return {label: [(scores[text], word) for text, word in verdicts(frame).items()] for label, frame in of.items()}
