"""The findings of the first page: a function from records to named texts for each.

What the words on the page say of the numbers is asserted here, so that a record which contradicts the page stops its
build.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from dotlib.evaluation import over_trainings, points_over_trainings, table2_trainings
from dotlib.evaluation.scorecard import SETS
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records, tables, tidy
from dotlib.results.records import Record
from dotlib.training.settings import dataset_of, toy_datasets

Texts = dict[str, str]  # name of a number on the page -> its text
BETWEEN, ONTO = "real points, 20% put between modes", "G, far points put at their nearest mode"  # as the audit has them
MATTERS = ("fid", "is_mean", "mind", "kid", "precision", "recall", "density", "coverage")  # all scores, in this order
ALL_WORDS = ("better", "worse", "undecided")
SEVERAL = 2  # trainings of a pair, without which there is no interval


def figure3(folder: Path = records.KEPT) -> Texts:
    """The first finding: G, DOT and real points on the 25 Gaussians, authors' weights, means with standard errors."""
    run = _paper("fig3_toy", "25gaussians-authors", folder)
    emd = {key: run.get("emd", method=key) for key in ("real", "g", "dot")}
    assert max(emd["g"].value, emd["dot"].value) < emd["real"].value
    return {key: _with_error(row) for key, row in emd.items()} | {"trials": str(emd["real"].n)}


def mechanism(folder: Path = records.KEPT, otherwise: Path = records.BUILT, profile: str = "laptop") -> Texts:
    """What points between modes do to the EMD: recorded on the authors' weights, else on the pair of this build."""
    record = records.find("fig3_audit", profile="paper", dataset="25gaussians-authors", folder=folder)
    where = "the authors' weights"
    if record is None:
        record = records.find("fig3_audit", profile=profile, dataset="25gaussians", folder=otherwise)
        where = "this build's own pair"
    if record is None:
        return dict.fromkeys(("between", "between_W1", "onto", "onto_W1", "changed", "on"), "-")
    rows = {
        key: record.get(f"emd_{cost}", method=method, setting="random", against=before)
        for key, cost, method, before in (
            ("between", "sqeuclidean", BETWEEN, "real"),
            ("between_W1", "euclidean", BETWEEN, "real"),
            ("onto", "sqeuclidean", ONTO, "g"),
            ("onto_W1", "euclidean", ONTO, "g"),
        )
    }
    if record.profile == "paper":  # what the finding says; a build is too small to stop for it
        assert rows["between"].interval[1] < 0 < rows["between_W1"].interval[0]
        assert rows["onto_W1"].interval[1] < 0 < rows["onto"].interval[0]
    texts = {key: tables.change(row.value, row.interval, 3) for key, row in rows.items()}
    return texts | {"changed": str(rows["between"].n), "on": where}


def rankings(folder: Path = records.KEPT) -> Texts:
    """The first finding over trainings: DOT minus naive in the squared EMD and in W1, on both sets; a dash for none.

    That the two costs rank the methods in opposite orders on the 25 Gaussians, and alike on the swissroll, is asserted.
    Beside them "counted" has all claims under all readings.
    """
    texts = {f"{key}_{name}": "-" for name in toy_datasets("both") for key in ("ranked", "squared", "W1", "counted")}
    for name, frame in points_over_trainings.frames(points_over_trainings.stored(folder), folder).items():
        ends = {}
        for key, quantity in (("squared", "emd_sqeuclidean"), ("W1", "emd_euclidean")):
            values = points_over_trainings.differences(frame, quantity, "random", "dot", "naive")
            mean, ends[key] = intervals.t_interval(values)
            texts[f"{key}_{name}"] = tables.change(mean, ends[key], 3)
            texts[f"ranked_{name}"] = str(len(values))
        texts[f"counted_{name}"] = points_over_trainings.counted(frame)
        assert ends["squared"][1] < 0, f"{name}: {ends}"
        assert ends["W1"][1] < 0 if name == "swissroll" else ends["W1"][0] > 0, f"{name}: {ends}"
    return texts


def constants(folder: Path = records.KEPT) -> Texts:
    """The second finding: both printed constants of both sets in the law of the recipe, and our own trainings."""
    texts = {}
    for dataset in toy_datasets("both"):
        recipe, own = (_paper("fig3_toy", name, folder).get("K_eff") for name in (f"{dataset}-authors", dataset))
        texts |= {f"K_{dataset}": _with_error(recipe, 2), f"own_K_{dataset}": _with_error(own, 2)}
        audit = records.find("fig3_audit", profile="paper", dataset=f"{dataset}-authors", folder=folder)
        texts[f"law_{dataset}"] = _law(dataset, audit)
    return texts


def _law(dataset: str, audit: Record | None) -> str:
    """Where the constants of the paper and of the notebook lie in the law of the mean of ten maxima, in words."""
    printed = {"paper": paper.value(f"fig3.{dataset}.K_eff").value, "notebook": paper.NOTEBOOK_K[dataset]}
    if audit is None:
        return (
            f"the paper has {printed['paper']:.2f}, the notebook {printed['notebook']:.2f}, the law is not recorded yet"
        )
    law = audit.get("K_eff_law")
    tails = {source: audit.get("K_eff_tail", method=source).value for source in printed}
    assert tails["paper"] < paper.LEVEL < tails["notebook"], f"{dataset}: {tails}"
    told = (f"the {source} has {K:.2f} (p = {_p(tails[source])})" for source, K in printed.items())
    return f"it gives {law.interval[0]:.2f} to {law.interval[1]:.2f} (95 %), {', '.join(told)}"


def exact_dual(record: Record) -> Texts:
    """The third finding, from a record of the theorems: how far the objective falls, and for how many it would."""
    fall = record.get("deviation", method="Theorem 1").value
    assert fall < 1e-8
    movable = {row.pair: f"{row.value:.0%}" for row in record.rows(quantity="share_movable")}
    points = next(record.rows(quantity="W")).n
    return {"fall": f"{fall:.0e}", "points": str(points), "movable": " and ".join(movable.values())}


def radial_part(record: Record) -> Texts:
    """The fourth finding, from a record of the projection: the factor over latents, the shares over trainings."""
    factor = record.get("radial factor", method="sqrt_dim").value
    low, high = (record.get("radial factor, quantile", method="sqrt_dim", setting=q).value for q in (0.025, 0.975))
    before, after, tangent = (
        [row.value for row in record.rows(quantity="radial share, by training seed", method=name)]
        for name in ("none", "sqrt_dim", "norm")
    )
    assert high < -1 and all(a > b for a, b in zip(after, before, strict=True)) and max(tangent) < 1e-3
    sizes = {"drive": "radial drive", "radius": "radius of the sphere"}
    texts = {key: f"{record.get(quantity).value:.2f}" for key, quantity in sizes.items()}
    texts |= {
        "factor": f"{factor:.1f}, {low:.1f} to {high:.1f}",
        "radial_trainings": tables.count(len(after), "training"),
    }
    return texts | {"before": intervals.shown(before), "after": intervals.shown(after)}


def normalised(record: Record) -> Texts:
    """The fifth finding, from a record of Figure 2, over trainings of both SNGANs."""
    texts = {}
    for kind in ("ns", "hi"):
        maps, slopes = (
            [row.value for row in record.rows(quantity=f"{quantity}, by training seed", pair=f"dcgan-sngan-{kind}")]
            for quantity in ("product of maps", "largest gradient norm")
        )
        assert min(maps) > 1
        texts |= {
            f"maps_{kind}": intervals.shown(maps, 1, positive=True),
            f"slopes_{kind}": f"{min(slopes):.2f} to {max(slopes):.2f}",
            f"above_{kind}": f"{sum(slope > 1 for slope in slopes)} of {tables.count(len(slopes), 'training')}",
        }
    return texts


def printed_runtimes(record: Record) -> Texts:
    """The sixth finding: ratios of STL-10 to CIFAR-10 of operations, of the print, and of this machine."""
    ratios = {float(row.setting): row for row in record.rows(quantity="STL-10 over CIFAR-10")}
    flops = [record.get("operations of an update", method=name).value for name in ("stl10", "cifar10")]
    printed, error = paper.ratio("b3.stl10.seconds", "b3.cifar10.seconds")
    batch = max(ratios)
    assert printed + 2 * error < flops[0] / flops[1]
    return {
        "flops": f"{flops[0] / flops[1]:.2f}",
        "print": tables.plus_minus(printed, error, 2),
        "batch": f"{batch:.0f}",
        "ratio": f"{ratios[batch].value:.2f} [{ratios[batch].interval[0]:.2f}, {ratios[batch].interval[1]:.2f}]",
        "runs": str(ratios[batch].n),
    }


def counts(frame: pd.DataFrame, first: str = "DOT", second: str = "bare") -> dict[str, dict[str, int]]:
    """In how many pairs each score calls first better, worse or neither, over trainings, by Holm over the pairs."""
    return {quantity: dict(over_trainings.counts(frame, first, second, [quantity]).iloc[0]) for quantity in MATTERS}


def changes(frame: pd.DataFrame, quantity: str) -> pd.Series:
    """DOT minus bare, mean over pairs, by training seed: of the seeds that all pairs have."""
    difference = over_trainings.cells(frame, "DOT", quantity) - over_trainings.cells(frame, "bare", quantity)
    return over_trainings.over_pairs(over_trainings.by_training(difference))


def recorded_trainings(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Data set to the tables of its recorded trainings, where every pair has SEVERAL."""
    whole = tidy.stored(folder, "transport_matters")
    if whole.empty:
        return {}
    parts = whole.groupby(whole["dataset"].map(dataset_of))
    return {str(name): frame for name, frame in parts if frame.groupby("dataset")["seed"].nunique().min() >= SEVERAL}


def all_counts(recorded: Mapping[str, pd.DataFrame]) -> str:
    """Markdown, the seventh finding: a line a score; better and worse pairs over trainings, and the mean change."""
    of = {name: counts(frame) for name, frame in recorded.items()}
    heads = [f"{name}: {part}" for name in recorded for part in (*ALL_WORDS, "DOT - bare, all pairs")]
    rows = []
    for quantity in MATTERS:
        cells = []
        for name, frame in recorded.items():
            change = intervals.changed(changes(frame, quantity), SCORES[quantity].digits)
            cells += [*(of[name][quantity][word] for word in ALL_WORDS), change]
        rows.append([SCORES[quantity].label, *cells])
    return tables.markdown(["score", *heads], rows)


def disagreement(recorded: Mapping[str, pd.DataFrame]) -> Texts:
    """The seventh finding in numbers, on the digits: in how many pairs each score calls DOT better, and worse."""
    of = counts(recorded["digits"])
    assert of["is_mean"]["better"] > of["fid"]["better"] + of["fid"]["worse"] and of["recall"]["worse"] > 0
    texts = {f"{quantity}_{word}": str(of[quantity][word]) for quantity in MATTERS for word in ("better", "worse")}
    seeds = recorded["digits"].groupby("dataset")["seed"].nunique()
    return texts | {"pairs": str(len(seeds)), "trainings": str(seeds.sum()), "elsewhere": _elsewhere(recorded)}


def _elsewhere(recorded: Mapping[str, pd.DataFrame]) -> str:
    """On which side the mean changes of other data sets are, and how many of their words are decided."""
    texts = []
    for name, frame in recorded.items():
        if name == "digits":
            continue
        means = {quantity: changes(frame, quantity).mean() for quantity in MATTERS}
        good = sum(mean < 0 if SCORES[quantity].lower_is_better else mean > 0 for quantity, mean in means.items())
        of = [*counts(frame).values()]
        decided, whole = (sum(words[key] for words in of for key in keys) for keys in (("better", "worse"), ALL_WORDS))
        texts.append(
            f"On {SETS[name]} {good} of {len(MATTERS)} mean changes are on the better side, and {decided} of the "
            f"{whole} words, one a score and pair, are decided."
        )
    return " ".join(texts) or "No other data set has several trainings of each pair."


def other_seeds(of: Mapping[str, pd.DataFrame], label: str = "digits, laptop") -> Texts:
    """The seventh finding once more: in how many cells a D of another seed is better, and worse, by score."""
    texts = {}
    for quantity in ("fid", "is_mean", "recall"):
        words = table2_trainings.counts(table2_trainings.matrix(of[label], quantity))
        said = {"fid": words["better"] == 0, "is_mean": words["better"] > sum(words.values()) / 2}
        assert said.get(quantity, True), f"{quantity}: {words}"
        texts |= {f"other_{quantity}": f"{words['better']} and {words['worse']}", "cells": str(sum(words.values()))}
    return texts


def friction(frame: pd.DataFrame, runs: Sequence[Record]) -> Texts:
    """The eighth finding, over the trainings of one data set: tables and records of the page on the transport."""
    margin = over_trainings.MARGIN
    by_pair, strict = (
        over_trainings.compare(frame, "fid", "DOT", "naive", margin, of_means=of) for of in (False, True)
    )
    by_bare = over_trainings.compare(frame, "fid", "DOT", "bare")
    agreed = [
        each._replace(word=over_trainings.agreed(each.word, o.word)) for each, o in zip(by_pair, strict, strict=True)
    ]
    texts = {f"against_{name}": _counted(of) for name, of in (("naive", agreed), ("bare", by_bare))}
    slopes: dict[str, list[float]] = {each.pair: [] for each in by_pair}
    for run in runs:
        if run.dataset in slopes:
            k_eff = run.get("k_eff", method="own").value
            slopes[run.dataset].append(run.get("gradient norm", method="q50").value / k_eff)
    means = [sum(ratios) / len(ratios) for ratios in slopes.values()]
    assert min(means) > 2  # weak
    pools = [over_trainings.pooled(by_pair, margin, of_means=of) for of in (False, True)]
    shares = over_trainings.shares(frame, "fid")
    at = {name: over_trainings.at_published(shares, name) for name in GAINS.values()}
    rise = over_trainings.over_pairs(at["DOT"]["rise"] / at["naive"]["rise"])
    return (
        texts
        | {f"gain_{key}": _over_pairs(at[name]["gain"]) for key, name in GAINS.items()}
        | {
            "pooled": " or ".join(tables.change(*pool.interval, 2) for pool in pools),
            "pooled_word": over_trainings.agreed(*(pool.word for pool in pools)),
            "paired": _over_pairs((at["DOT"]["gain"] - at["naive"]["gain"]).dropna()),
            "matched": intervals.changed(over_trainings.matched_share(frame, "fid", "DOT", "naive", "D"), 3),
            "without_gp": _over_pairs(at["DOT"]["gain"].drop("digits-dcgan-wgan-gp", level="dataset", errors="ignore")),
            "rise": f"{rise.mean():.0%}",
            "least_slope": f"{min(means):.0f}",
            "largest_slope": f"{max(means):.0f}",
        }
    )


GAINS = {"1": "DOT", "3": "DOT, 3 k_eff", "naive": "naive"}


def _over_pairs(values: pd.Series, digits: int = 2) -> str:
    """Mean over the pairs of each training seed, and its interval over seeds."""
    return intervals.changed(over_trainings.over_pairs(values), digits)


def _counted(comparisons: Iterable[over_trainings.Comparison]) -> str:
    words = Counter(each.word for each in comparisons)
    return ", ".join(f"{word} in {words[word]}" for word in over_trainings.WORDS if words[word])


def _paper(stem: str, dataset: str, folder: Path) -> Record:
    """The committed record of the profile `paper`."""
    record = records.find(stem, profile="paper", dataset=dataset, folder=folder)
    assert record is not None, f"{stem}: no record of {dataset}"
    return record


def _with_error(row: records.Row, digits: int = 4) -> str:
    """A mean with its standard error."""
    return tables.plus_minus(row.value, (row.sd or 0.0) / (row.n or 1) ** 0.5, digits)


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else "below 0.0001"


def strongest(found: Texts) -> str:
    """Markdown: the eighth, the seventh and the first finding in a sentence each, from the texts of all."""
    of = {
        "The distance pulls less than $D$ does": (
            f"At the median digits sample $D/k_\\text{{eff}}$ is {found['least_slope']} to {found['largest_slope']} "
            f"times as steep as the distance. FID of DOT minus that of the naive ascent is {found['pooled']} of what "
            f"the latter changes, by two readings of one rule: {found['pooled_word']} ({found['trainings']} trainings, "
            "{ref}`page <transport_matters>`)."
        ),
        "The scores do not agree about DOT": (
            f"Of {found['pairs']} digits pairs, each score tested by itself, it raises the inception score in "
            f"{found['is_mean_better']}, lowers recall in {found['recall_worse']}, and lowers FID in "
            f"{found['fid_better']}."
        ),
        "Figure 3's cost pays for points between modes": (
            f"On the 25 Gaussians DOT minus naive is {found['squared_25gaussians']} in the squared EMD of the paper, "
            f"and {found['W1_25gaussians']} in $W_1$ ({{ref}}`page <fig3_audit>`)."
        ),
    }
    return "\n".join(f"{at}. **{head}.** {text}" for at, (head, text) in enumerate(of.items(), 1))
