"""The frontier over trainings: every sampler against DOT on several trainings of one pair.

The rule is that of book/protocol, "Samplers on other trainings". The page of the frontier makes the records.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from dotlib.evaluation import over_trainings
from dotlib.evaluation.comparison_tables import best_on_others
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import records, tables
from dotlib.samplers.methods import METHODS

DOT, CHOSEN_BY = "DOT", "fid"
SHOWN = ("is_mean", "precision", "recall")  # without words
AHEAD, BEHIND = "ahead", "behind"
WORDS = {over_trainings.FIRST: AHEAD, over_trainings.SECOND: BEHIND}  # of DOT, by FID


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Pair and profile to the tables of all trainings of the pair in a folder."""
    found = {}
    for label, whole in over_trainings.frames("frontier", folder).items():
        for pair, frame in whole.groupby("dataset"):
            found[f"{pair}, {label.split(', ', 1)[1]}"] = frame
    return found


def at_best(frame: pd.DataFrame) -> pd.DataFrame:
    """Every method at its best settings by FID, a line for each training and method, scores averaged over the sets.

    In each set a method stands at the setting that is best on the other sets of the training. Indexed by method and
    seed; columns are the scores and `evaluations`.
    """
    names = [name for name in (CHOSEN_BY, *SHOWN, "evaluations") if name in frame]
    lines = {}
    for (method, seed), of in frame[frame["method"] != "real"].groupby(["method", "seed"]):
        by_name = {name: of.pivot_table(index="setting", columns="set", values=name) for name in names}
        rows = best_on_others(by_name[CHOSEN_BY].to_numpy(), CHOSEN_BY)
        lines[method, seed] = {n: v.to_numpy()[rows, range(v.shape[1])].mean() for n, v in by_name.items()}
    return pd.DataFrame(lines).T.rename_axis(["method", "seed"])


def differences(frame: pd.DataFrame, quantity: str) -> dict[str, pd.Series]:
    """DOT minus each other method, by training seed; trainings in which the other has no samples are left out."""
    of_methods = at_best(frame)[quantity].unstack("method").reindex(columns=list(METHODS))
    return {method: (of_methods[DOT] - of_methods[method]).dropna() for method in METHODS if method != DOT}


def words(frame: pd.DataFrame) -> dict[str, str]:
    """Whether DOT is ahead of each other method by FID, behind it, or undecided, Holm over all with LEAST trainings."""
    of = {m: d for m, d in differences(frame, CHOSEN_BY).items() if len(d) >= over_trainings.LEAST}
    judged = over_trainings.directions(list(of.values()))
    return {method: WORDS.get(word, over_trainings.UNDECIDED) for method, word in zip(of, judged, strict=True)}


def table(frame: pd.DataFrame) -> str:
    """Markdown: a row a method, its evaluations a sample, DOT minus it in FID and other scores, and the word by FID."""
    prices, judged = at_best(frame)["evaluations"].groupby("method").mean(), words(frame)
    of_scores = {quantity: differences(frame, quantity) for quantity in (CHOSEN_BY, *SHOWN)}
    rows = []
    for method, values in of_scores[CHOSEN_BY].items():
        cells = (_change(of[method], SCORES[quantity].digits) for quantity, of in of_scores.items())
        price = f"{prices[method]:.0f}" if len(values) else "-"
        rows.append([method, len(values), price, *cells, judged.get(method, "too few trainings")])
    heads = [
        "DOT minus",
        "trainings",
        "evaluations a sample, the other",
        *(SCORES[q].label for q in of_scores),
        "DOT by FID is",
    ]
    return tables.markdown(heads, rows)


def answer(of: Mapping[str, pd.DataFrame]) -> str:
    """Of which methods DOT is ahead, and behind which, a paragraph for each pair."""
    texts = []
    for label, frame in of.items():
        judged = words(frame)
        lists = ((word, [method for method, said in judged.items() if said == word]) for word in WORDS.values())
        found = "; ".join(f"**{word}** of {', '.join(names) or 'none'}" for word, names in lists)
        open_ = [method for method, said in judged.items() if said == over_trainings.UNDECIDED]
        counted = tables.count(frame["seed"].nunique(), "training")
        texts.append(
            f"*{label}*, {counted}: by FID, each method at its best setting, DOT is "
            f"{found.replace('behind** of', 'behind**')}; {over_trainings.UNDECIDED}: {', '.join(open_) or 'none'}. "
            f"With {counted} of one pair *{over_trainings.UNDECIDED}* is no finding that methods are equal."
        )
    return "\n\n".join(texts) or "No training is recorded yet; what follows is of a single pair."


def _change(values: pd.Series, digits: int) -> str:
    return intervals.changed(values, digits) if len(values) else "refused"
