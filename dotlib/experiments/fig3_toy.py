"""Figure 3: points of 25 Gaussians and of the swissroll, moved by DOT and by the naive ascent."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation import recording
from dotlib.evaluation.points import Figure3, ToyPair
from dotlib.metrics import intervals, optimal_transport
from dotlib.plots import points as toy_plots
from dotlib.plots.interactive import Control, Interactive, Mark, Number, Panel, Table
from dotlib.plots.style import GREEN, VERMILION
from dotlib.results import paper, tables
from dotlib.results.records import KEPT, Record, Where, find
from dotlib.training.settings import dataset_of, toy_datasets
from dotlib.transport import LipschitzEstimate

STEPS = (("pair", "25gaussians-wgan-gp"), ("pair", "swissroll-wgan-gp"), ("record", "fig3_audit"))
SHOWN = 240  # points of the figure with a slider; with its positions they make most of the page's bytes
FACTORS = {"half the estimate": 0.5, "the estimate": 1.0, "twice the estimate": 2.0}  # K_eff in that figure
EVERY = 4  # updates between two positions of its slider


def first_trial(pair: ToyPair, moved: Mapping[str, Tensor], settings: Figure3, seed: int) -> dict[str, Tensor]:
    """One row of Figure 3, panel -> (points, 2): training points, then those of each method."""
    real = toy_pairs.target(pair, settings, seed, trial=0, sampling="random")
    return {"real": real} | {method: points[0] for method, points in moved.items()}


def picture(profile: str, seed: int = 0) -> Figure:
    """Both rows of Figure 3 from our own pairs, as the README shows them."""
    settings, shown = toy_pairs.figure3_settings(profile), {}
    for name, pair in toy_pairs.load_all("both", weights="trained", profile=profile, seed=seed).items():
        moved = toy_pairs.moved(pair, toy_pairs.few(settings), toy_pairs.constant(pair, settings, seed).value, seed)
        shown[name] = first_trial(pair, moved, settings, seed)
    return toy_plots.rows(shown, toy_pairs.LIMITS)


def on_their_way(
    pairs: Mapping[str, ToyPair],
    sets: Mapping[str, Mapping[str, Tensor]],
    K_eff: Mapping[str, float],
    settings: Figure3,
) -> Interactive:
    """The figure with a slider over the updates: points of the first trial under DOT and under the naive ascent.

    Args:
        pairs: name -> pair; of several pairs of a data set the first is shown.
        sets: name -> the moved points of all trials, of which the latents' images are taken.
        K_eff: name -> estimate; DOT is also shown with half and with twice of it.
        settings: those of the page.

    Returns:
        The figure, everything in it computed.
    """
    shown = {pair.dataset: name for name, pair in reversed(list(pairs.items()))}
    ways = {
        set_: _ways(pairs[name], sets[name]["g"][0][:SHOWN], K_eff[name], settings)
        for set_, name in sorted(shown.items())
    }
    updates = tuple(map(str, _positions(settings)))
    controls = (
        Control("updates", "updates", updates, start=len(updates) - 1, slider=True, plays=True),
        Control("set", "data set", tuple(ways)),
        Control("K", "K_eff of DOT", tuple(FACTORS), start=1),
    )
    stacked = {key: np.stack([way[key] for way in ways.values()]) for key in next(iter(ways.values()))}
    real = Mark("points", stacked["real"], ("set",), "training samples", "currentColor", opacity=0.25)
    dot = Mark("points", stacked["dot"], ("set", "K", "updates"), "DOT", VERMILION)
    naive = Mark("points", stacked["naive"], ("set", "updates"), "naive", GREEN)
    wide = max((toy_pairs.LIMITS[set_] for set_ in shown), key=max)
    axes = {"xlim": wide, "ylim": wide, "xlabel": "data units"}
    return Interactive(
        "fig3-updates",
        f"{len(stacked['real'][0])} generated points of each set moving over the training samples, DOT on the left and "
        "the naive ascent on the right, with their distances to the training samples in a table.",
        controls,
        (Panel("DOT", (real, dot), **axes), Panel("naive ascent", (real, naive), **axes)),
        _distances_table(stacked),
    )


def _positions(settings: Figure3) -> list[int]:
    """Updates at which the slider stops; the last update is always one."""
    return sorted({*range(0, settings.steps + 1, EVERY), settings.steps})


def _ways(pair: ToyPair, y: Tensor, K_eff: float, settings: Figure3) -> dict[str, np.ndarray]:
    """Points of both methods, (factors of K_eff, updates, n, 2) and (updates, n, 2), and the table's numbers."""
    move = partial(toy_pairs.move, pair, y, settings=settings, snapshots=_positions(settings))
    dot = np.stack([move(K_eff * factor, method="dot").points.numpy() for factor in FACTORS.values()])
    naive = move(K_eff, method="naive").points.numpy()
    real, other = (
        toy_pairs.target(pair, settings, 0, trial=0, sampling="random", part=part)[: len(y)].numpy()
        for part in ("target", "floor")
    )
    way = {"dot": dot, "naive": naive, "real": real, "K_eff": K_eff * np.array(list(FACTORS.values()))}
    for cost in optimal_transport.COSTS:
        way[f"dot {cost}"] = np.array([[optimal_transport.emd(real, at, cost=cost) for at in path] for path in dot])
        way[f"naive {cost}"] = np.array([optimal_transport.emd(real, at, cost=cost) for at in naive])
        way[f"floor {cost}"] = np.array(optimal_transport.emd(real, other, cost=cost))
    for method, path in (("dot", dot), ("naive", naive)):
        way[f"{method} moved"] = np.linalg.norm(path - y.numpy(), axis=-1).mean(-1)
    return way


def _distances_table(of: Mapping[str, np.ndarray]) -> Table:
    """Distances of the points of `_ways`, the data sets stacked."""
    none = np.array(np.nan)
    rows = {}
    for cost, label in zip(optimal_transport.COSTS, ("EMD (squared)", "W1"), strict=True):
        before = Number(of[f"naive {cost}"][:, 0], ("set",))
        floor = Number(of[f"floor {cost}"], ("set",))
        dot, naive = Number(of[f"dot {cost}"], ("set", "K", "updates")), Number(of[f"naive {cost}"], ("set", "updates"))
        rows[label] = (before, dot, naive, floor)
    ways = Number(of["dot moved"], ("set", "K", "updates")), Number(of["naive moved"], ("set", "updates"))
    rows["mean distance moved"] = (Number(none), *ways, Number(none))
    rows["K_eff"] = (Number(none), Number(of["K_eff"], ("set", "K")), Number(none), Number(none))
    return Table(("", "G", "DOT", "naive", "real points"), rows)


def left_between(near: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """In words: how many points of the 25 Gaussians lie between modes; by pair, its `figure3_audit.Published.near`.

    Between is beyond four standard deviations of every mode. The differences are paired by trials.
    """
    texts = []
    for name, shares_near in near.items():
        if not shares_near:
            continue
        between = {method: 100 * (1 - trials) for method, trials in shares_near.items()}
        shares = [f"{values.mean():.1f} % of {toy_pairs.NAMES[method]}" for method, values in between.items()]
        changes = [
            f"{toy_pairs.NAMES[a]} minus {toy_pairs.NAMES[b]} is "
            f"{tables.change(*intervals.interval(between[a], between[b]), 1)}"
            for a, b in (("dot", "g"), ("naive", "dot"))
        ]
        texts.append(f"{name}: {', '.join(shares)}; in percentage points, {' and '.join(changes)}")
    return "; ".join(texts) or "-"


def paired_scatter(emds: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    """In words, of each pair: the standard deviation of DOT - naive over trials, as a share of separate trials'."""
    texts = []
    for name, emd in emds.items():
        share = (emd["dot"] - emd["naive"]).std() / np.hypot(emd["dot"].std(), emd["naive"].std())
        texts.append(f"{share:.0%} ({name})")
    return ", ".join(texts)


def fill_record(record: Record, K_eff: LipschitzEstimate, emd: Mapping[str, np.ndarray]) -> None:
    """Put one row of Figure 3 into its record: K_eff, squared EMDs and their floor, paired differences, verdicts."""
    record.put("K_eff", K_eff.value, sd=K_eff.std, n=len(K_eff.maxima), unit=toy_pairs.SLOPE)
    for method, trials in emd.items():
        record.put_trials("emd", trials, method=method, unit=toy_pairs.SQUARED)
    for first, second, _ in toy_pairs.CLAIMS:
        where: Where = {"method": first, "against": second}
        intervals.put_difference(record, "emd", emd[first], emd[second], unit=toy_pairs.SQUARED, **where)
    put_verdicts(record)


def put_verdicts(record: Record) -> None:
    """Put the verdicts on the three differences of EMDs into the record; of the authors' pair also on the three EMDs.

    Each three are one table. The printed EMDs are those of one pair, and that of another training contradicts nothing.
    """
    dataset, numbers, orders = dataset_of(record.dataset), [], []
    printed = {method: paper.value(f"fig3.{dataset}.{method}.emd") for method in toy_pairs.METHODS}
    for method, number in printed.items() if record.dataset.endswith("-authors") else ():
        here = record.get("emd", method=method)
        claim = paper.number(here.value, here.sd, here.n or 0, number)
        numbers.append((record, f"EMD of {toy_pairs.NAMES[method]}", claim))
    for first, second, text in toy_pairs.CLAIMS:
        here, both = record.get("emd", method=first, against=second), (printed[first], printed[second])
        orders.append((record, text, paper.order(*both, here.interval, here.n or 0, own=True)))
    recording.put_verdicts(numbers)
    recording.put_verdicts(orders)


def runs_of(dataset: str, built: Mapping[str, Record]) -> dict[str, Record | None]:
    """Label -> record of every run of one data set, None where it is not at hand."""
    name, kept = f"{dataset}-authors", {"profile": "paper", "folder": KEPT}
    return {
        "authors' weights": built.get(name) or find("fig3_toy", dataset=name, **kept),
        "paper schedule": find("fig3_toy", dataset=dataset, **kept),
        "pair of this build": built.get(dataset),
    }


def table(built: Mapping[str, Record], dataset: str) -> str:
    """Markdown: a row for each set and method; the paper's number, then one column for each run."""
    rows, labels = [], []
    for name in toy_datasets(dataset):
        runs = runs_of(name, built)
        labels = list(runs)
        for method in ("real", *toy_pairs.METHODS):
            printed = None if method == "real" else paper.value(f"fig3.{name}.{method}.emd")
            cells = [printed, *(record and record.get("emd", method=method) for record in runs.values())]
            texts = [tables.plus_minus(cell.value, cell.sd) if cell else "-" for cell in cells]
            rows.append([f"{name}, {toy_pairs.NAMES[method]}", *texts])
    return tables.markdown(["EMD", "paper", *labels], rows)


def verdict_table(built: Mapping[str, Record], dataset: str) -> str:
    """Markdown: one row a set and claim, one column a run."""
    rows, labels = [], []
    for name in toy_datasets(dataset):
        runs = runs_of(name, built)
        labels = list(runs)
        words = [record.verdicts if record else {} for record in runs.values()]
        for claim in dict.fromkeys(claim for of in words for claim in of):
            rows.append([f"{name}, {claim}", *(of.get(claim, "-") for of in words)])
    return tables.markdown(["claim", *labels], rows)


def _listed(count: Counter[str]) -> str:
    return ", ".join(f"{word} ({n})" for word, n in count.most_common()) or "not at hand"


def answer(built: Mapping[str, Record], dataset: str) -> str:
    """What holds of the pairs of this build, how the paper's orders fare in every run; each is one training."""
    changes = []
    for other in ("g", "naive"):
        rows = ((name, record.get("emd", method="dot", against=other)) for name, record in built.items())
        shown = (f"{tables.change(row.value, row.interval, 4)} ({name})" for name, row in rows)
        changes.append(f"minus that of {toy_pairs.NAMES[other]} is {' and '.join(shown)}")
    runs = [record for name in toy_datasets(dataset) for record in runs_of(name, built).values() if record]
    told, orders = [], [claim for *_, claim in toy_pairs.CLAIMS]
    numbers = Counter(paper.kind(word) for run in runs for claim, word in run.verdicts.items() if claim not in orders)
    for claim in orders:
        count = Counter(paper.kind(record.verdicts[claim]) for record in runs)
        told.append(f"*{claim}*: {_listed(count)}")
    return (
        f"On the pairs of this build the EMD of DOT {', and '.join(changes)}, with 95 % intervals over trials: less is "
        f"better. Of the orders that the paper prints, over {tables.count(len(runs), 'pair')} at hand: "
        f"{'; '.join(told)}; of its EMDs themselves, on the authors' weights: {_listed(numbers)}. Every pair is "
        "*one training*, and these words say nothing of another one; "
        "{ref}`the audit of Figure 3 <fig3_audit>` has the words over trainings."
    )
