"""When does the transport matter? DOT beside the naive ascent and controls, on every trained pair, over trainings.

The rules are those of book/protocol, "When the transport matters"; they were fixed before the runs.
"""

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from dotlib.data import images
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation import judges, moves, one_training, over_trainings
from dotlib.evaluation.images import ImagePair
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.evaluation.moves import Move
from dotlib.evaluation.one_training import QUANTITIES, Line
from dotlib.evaluation.over_trainings import MARGIN, Comparison, Pooled
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.pairs import Pair
from dotlib.plots import curves as curve_plots
from dotlib.plots import gradients
from dotlib.plots import images as image_plots
from dotlib.plots.interactive import Interactive
from dotlib.results import files, records, tables
from dotlib.results.records import Record
from dotlib.seeding import generator
from dotlib.training import zoo
from dotlib.training.settings import PairName, row_of
from dotlib.transport import lipschitz

STEPS = (("pair", "digits-dcgan-sngan-ns"), ("judge", "digits"))

SHOWN_SETTINGS = (20.0, 61.0, 0.9)  # of descents, best of m at their cost, truncation
CURVES = (
    "naive",
    "DOT",
    "DOT, 3 k_eff",
    "DOT, early D",
    "DOT, shuffled D",
    "random direction",
    "best of m",
    "truncation",
)
WORDS = {
    over_trainings.EQUIVALENT: "equivalent",
    over_trainings.FIRST: "DOT lower",
    over_trainings.SECOND: "naive lower",
    over_trainings.UNDECIDED: "undecided",
}
ONE = "one training a pair is no answer"
ALL = "all pairs"
GAINS = ("DOT", "DOT, 3 k_eff", "naive")
MATCHED = ("fid", "kid", "precision", "recall", "coverage")
LATENTS = 1_000  # at which the slope of D(G(.)) is taken
SAMPLES, COLUMNS = 48, 8  # of a sheet
POSITIONS = {"DOT": "k_eff"} | {f"DOT, {times} k_eff": f"{times} k_eff" for times in moves.TIMES[1:]}
POSITIONS |= {"DOT, k = q50": "median slope", "DOT, k = q90": "90 % of slopes below", "DOT, k = max": "largest slope"}
QUANTILES = {"q50": 0.5, "q90": 0.9, "max": 1.0}  # of that slope, in the place of k_eff


@dataclass(frozen=True)
class Run:
    """One trained pair with all that its measurement needs."""

    trained: zoo.TrainedPair
    pair: ImagePair
    panel: Panel
    settings: Scoring
    seed: int
    critics: dict[str, Pair]  # "own", "shuffled", and "early" where the pair has milestones
    slopes: dict[str, float]  # k_eff of each critic, and quantiles of ||grad D(G(z))||


def load(name: str, *, profile: str, seed: int = 0, device: str = "cpu") -> Run:
    """A pair, trained first if need be, with its critics and constants. Raises InputError for a 2-D pair."""
    parts = one_training.image_pair_name(name)
    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    pair = ImagePair.of(trained, device)
    settings = one_training.scoring(parts, profile)
    panel = judges.load_panel(parts.dataset, settings, profile=profile, device=device)
    critics = {"own": pair, "shuffled": moves.shuffled(pair, seed)}
    first = next(iter(zoo.milestones(trained)), None)
    if first is not None:
        critics["early"] = Pair(pair.generator, first[1].discriminator, pair.prior)
    return Run(trained, pair, panel, settings, seed, critics, _slopes(pair, critics, settings, seed))


def _slopes(pair: ImagePair, critics: Mapping[str, Pair], settings: Scoring, seed: int) -> dict[str, float]:
    def measured() -> dict[str, float]:
        slopes = moves.slopes(pair, LATENTS, generator(seed, "slopes"))
        constants = {name: float(slopes.quantile(q)) for name, q in QUANTILES.items()}
        for name, critic in critics.items():
            rng = generator(seed, "k_eff", type(pair.prior).__name__, str(pair.prior.dim))  # as in Table 1
            constants[name] = lipschitz.latent_constant(
                critic, n_pairs=settings.pairs, repeats=settings.repeats, rng=rng
            ).value
        return constants

    about = [seed, pair.device.type, sorted(critics), QUANTILES, LATENTS]
    decides = [pair.digests, settings.pairs, settings.repeats, *about]
    return files.cached(f"matters/{pair.name}", "slopes", measured, decides=decides)


def measure(run: Run) -> list[Line]:
    """The tidy table: a line for each method, setting, set and judge. Each method and set is measured once."""
    ways = [one_training.BARE, *moves.moves(run.slopes)]
    work = [(move, number) for number in range(run.settings.sets) for move in ways]
    shared = [replace(run.settings, sets=1), run.seed, run.pair.digests, run.panel.digests, run.pair.device.type]
    lines = one_training.floor(run.pair, run.panel)
    for move, number in tqdm(work, run.pair.name, disable=None):
        lines += files.cached(
            f"matters/{run.pair.name}",
            f"{move.name.replace(' ', '_')}-set{number}",
            functools.partial(_measure_set, run, move, number),
            decides=[move, number, *shared],
        )
    return lines


def _measure_set(run: Run, move: Move, number: int) -> list[Line]:
    options = {"panel": run.panel, "settings": run.settings, "seed": run.seed}
    return one_training.measured_set(run.pair, run.critics[move.critic], move, number, **options)


def open_record(name: str, profile: str, seed: int, device: str = "cpu") -> Record:
    """Start the record of one pair; to be called before the work, which it times."""
    parameters = asdict(one_training.scoring(PairName.parse(name), profile)) | {"margin": MARGIN, "latents": LATENTS}
    return records.start(
        "transport_matters", profile=profile, dataset=name, seed=seed, parameters=parameters, device=device
    )


def fill_record(record: Record, run: Run, rows: list[Line]) -> None:
    """Put constants, judges and origins into a record; scores are in its table."""
    zoo.add_training_provenance(record, run.trained)
    record.made |= {"weights": run.pair.digests | run.panel.digests, "images": run.panel.origins}
    record.parameters |= {"training": run.trained.settings.key()}
    for name, value in run.slopes.items():
        kind = ("gradient norm", name) if name in QUANTILES else ("k_eff", name)
        record.put(kind[0], value, method=kind[1], unit="logits per latent distance")
    for name, judge in run.panel.judges.items():
        record.put("accuracy", judge.accuracy or 0.0, judge=name, unit="")
    record.put("lines", len(rows), unit="lines of the table")


def along_k(run: Run, rows: list[Line]) -> Interactive:
    """Slopes of D beside every k with which DOT was measured, smallest first; scores are means over judges."""
    ways = [way for way in moves.moves(run.slopes) if way.name in POSITIONS]
    ways = sorted(ways, key=lambda way: way.k)
    step = over_trainings.published(run.pair.name)
    mean = pd.DataFrame(rows).groupby(["method", "setting"]).mean(numeric_only=True)
    z = image_pairs.latents(run.pair, run.settings, run.seed, 0)[:SAMPLES].to(run.pair.device)
    sheets = []
    for way in ways:
        rng = generator(run.seed, "moves", way.name, "0")
        path = dict(moves.path(replace(way, settings=(step,)), run.pair, run.pair, z, run.settings.lr, rng))
        with torch.no_grad():
            sheets.append(image_plots.sheet(images.to_uint8(run.pair.generate(path[step]).cpu()).numpy(), COLUMNS))
    numbers = {}
    for label, column in {"FID": "fid", "mean D": "D", "mean distance moved": "moved"}.items():
        at = dict(zip(mean.index, mean[column].to_numpy(float), strict=True))
        numbers[label] = [at[way.name, step] for way in ways], at["naive", step], at["bare", 1]
    norms = moves.slopes(run.pair, LATENTS, generator(run.seed, "slopes")).cpu().numpy()
    k = {POSITIONS[way.name]: float(np.asarray(way.k)) for way in ways}
    return gradients.against_k(norms, k, numbers, sheets, start="k_eff")


# --- over the committed trainings ---------------------------------------------------------------


def frames(folder: Path = records.KEPT) -> dict[str, pd.DataFrame]:
    """Label of a data set, "digits, laptop", to the tables of all its trainings in a folder."""
    return over_trainings.frames("transport_matters", folder)


def answer(of: Mapping[str, pd.DataFrame]) -> str:
    """The primary endpoint in a sentence for each data set."""
    if not of:
        return "No training is recorded yet, so this page has no answer."
    sentences = []
    for label, frame in of.items():
        comparisons = over_trainings.compare(frame, "fid", "DOT", "naive", MARGIN)
        if not comparisons:
            sentences.append(f"*{label}*: {ONE}.")
            continue
        by_rule, of_means = readings(comparisons)
        word = over_trainings.agreed(by_rule.word, of_means.word)
        told = f" ({WORDS[by_rule.word]} by one reading of the rule, {WORDS[of_means.word]} by the other)"
        told = "" if by_rule.word == of_means.word else told
        pairs, seeds = tables.count(len(comparisons), "pair"), _seeds(len(by_rule.ratios), len(comparisons))
        sentences.append(
            f"*{label}*, {pairs}, {seeds}: "
            f"**{WORDS[word]}**{told}. FID of DOT minus FID of the naive ascent is "
            f"{tables.change(*by_rule.interval, 2)} of what the naive ascent changes, or "
            f"{tables.change(*of_means.interval, 2)} by the other reading. The margin is {MARGIN} of the same."
            f"{_hangs_on(comparisons)}"
        )
    return "\n\n".join(sentences)


def _seeds(n: int, pairs: int) -> str:
    """How many training seeds stand behind a mean over pairs: those that all of them have."""
    return tables.count(n, "training seed") + " that all of them have" * (pairs > 1)


def readings(comparisons: list[Comparison]) -> tuple[Pooled, Pooled]:
    """The primary endpoint of a whole data set by both readings of its rule: divided seed by seed, or by means."""
    return over_trainings.pooled(comparisons, MARGIN), over_trainings.pooled(comparisons, MARGIN, of_means=True)


def _hangs_on(comparisons: list[Comparison]) -> str:
    """Without which pairs the word would be another one; "" where there is none."""
    words = {label: over_trainings.agreed(*(pool.word for pool in both)) for label, both in pools(comparisons).items()}
    others = [f"{WORDS[word]} {label}" for label, word in words.items() if word != words[ALL]]
    return f" The word depends on single pairs: {'; '.join(others)}." if others else ""


def pools(comparisons: list[Comparison]) -> dict[str, tuple[Pooled, Pooled]]:
    """`readings` of all pairs, and without each pair in turn."""
    found = {ALL: readings(comparisons)}
    for left_out in comparisons if len(comparisons) > 1 else ():
        found[f"without {row_of(left_out.pair)}"] = readings([each for each in comparisons if each is not left_out])
    return found


def primary_table(frame: pd.DataFrame) -> str:
    """Markdown: FID bare, naive minus bare, and DOT minus naive over trainings, a line for each pair.

    A pair with one training has numbers without intervals, and no verdict.
    """
    bare, naive, moved = (
        over_trainings.by_training(over_trainings.cells(frame, name, "fid")) for name in ("bare", "naive", "DOT")
    )
    rows = []
    by_rule = over_trainings.compare(frame, "fid", "DOT", "naive", MARGIN)
    of_means = over_trainings.compare(frame, "fid", "DOT", "naive", MARGIN, of_means=True)
    for each, strict in zip(by_rule, of_means, strict=True):
        reference = intervals.changed(each.reference)
        margins = (f"{each.margin:.2f}", f"{strict.margin:.2f}")
        cells = (f"{bare[each.pair].mean():.2f}", reference, tables.change(*each.interval, 2), *margins)
        words = (WORDS[each.word], WORDS[strict.word])
        rows.append([row_of(each.pair), len(each.difference), *cells, *words])
    for pair in (pair for pair, of in bare.groupby("dataset") if len(of) == 1):
        changes = naive[pair].item() - bare[pair].item(), moved[pair].item() - naive[pair].item()
        cells = (f"{bare[pair].item():.2f}", *(f"{change:+.2f}" for change in changes))
        rows.append([row_of(str(pair)), 1, *cells, *[f"{MARGIN * abs(changes[0]):.2f}"] * 2, *["one training"] * 2])
    head = ["pair", "trainings", "FID bare", "naive - bare", "DOT - naive", "margin", "its other reading"]
    head += ["verdict", "by the other"]
    return tables.markdown(head, rows)


def pooled_table(frame: pd.DataFrame) -> str:
    """Markdown: the ratio of a whole data set by both readings, and without each of its pairs in turn."""
    comparisons = over_trainings.compare(frame, "fid", "DOT", "naive", MARGIN)
    if not comparisons:
        return f"{ONE.capitalize()}."
    rows = [
        [label, len(rule.ratios), _ratio(rule), WORDS[rule.word], _ratio(of_means), WORDS[of_means.word]]
        for label, (rule, of_means) in pools(comparisons).items()
    ]
    head = ["pairs", "seeds of all these pairs", "ratio, seed by seed", "verdict", "ratio, by means", "verdict"]
    return tables.markdown(head, rows)


def _ratio(pool: Pooled) -> str:
    return tables.change(*pool.interval, 2)


def count_table(frame: pd.DataFrame) -> str:
    """Markdown: in how many pairs each score is better, worse or undecided, DOT against bare and against naive."""
    against = [over_trainings.counts(frame, "DOT", other, QUANTITIES) for other in ("bare", "naive")]
    if not against[0].to_numpy().any():
        return f"{ONE.capitalize()}."
    head = ["score", *(f"{word} than {other}" for other in ("bare", "naive") for word in ("better", "worse")), "pairs"]
    both = zip(*(table.to_dict("index").items() for table in against), strict=True)
    rows = [
        [label, *(of[word] for of in (bare, naive) for word in ("better", "worse")), sum(bare.values())]
        for (label, bare), (_, naive) in both
    ]
    return tables.markdown(head, rows)


def matched_table(frame: pd.DataFrame) -> str:
    """Markdown: FID and coverage, DOT minus naive at equal rise of D and at equal displacement, over trainings."""
    rows = []
    for quantity in ("fid", "coverage"):
        for by, words in (("D", "rise of D"), ("moved", "displacement")):
            values = over_trainings.matched(frame, quantity, "DOT", "naive", by)
            for pair, of in values.groupby("dataset"):
                rows.append([SCORES[quantity].label, words, row_of(str(pair)), len(of), _change(of, quantity)])
    return tables.markdown(["score", "at equal", "pair", "trainings", "DOT - naive"], rows)


def matched_share_table(frame: pd.DataFrame) -> str:
    """Markdown: the same as a share of the way to real images, mean over the pairs, over training seeds."""
    if len(frame.groupby(over_trainings.TRAINING)) == frame["dataset"].nunique():
        return f"{ONE.capitalize()}."
    rows = []
    for quantity in MATCHED:
        shares = [over_trainings.matched_share(frame, quantity, "DOT", "naive", by) for by in ("D", "moved")]
        rows.append([SCORES[quantity].label, *(intervals.changed(of, 3) for of in shares)])
    return tables.markdown(["DOT - naive, share of the way", "at equal rise of D", "at equal displacement"], rows)


def gain_table(frame: pd.DataFrame) -> str:
    """Markdown: the gain in FID at the published settings by pair, over all pairs, and without each pair in turn."""
    if len(frame.groupby(over_trainings.TRAINING)) == frame["dataset"].nunique():
        return f"{ONE.capitalize()}."
    of, pairs, rest = gains(frame), [], []
    for pair in of[GAINS[0]].index.unique("dataset"):
        is_own = {method: values.index.get_level_values("dataset") == pair for method, values in of.items()}
        pairs.append([row_of(pair), *(_interval(values[is_own[method]]) for method, values in of.items())])
        others = (values[~is_own[method]] for method, values in of.items())
        rest.append([f"all but {row_of(pair)}", *map(_common, others)])
    whole = [ALL, *map(_common, of.values())]
    return tables.markdown(["gain, FID", *of], [whole, *pairs, *rest])


def gains(frame: pd.DataFrame) -> dict[str, pd.Series]:
    """Gain in FID of each of GAINS at the published settings, and the last minus the first, by pair and seed."""
    shares = over_trainings.shares(frame, "fid")
    of = {method: over_trainings.at_published(shares, method)["gain"] for method in GAINS}
    return of | {"DOT - naive": (of["DOT"] - of["naive"]).dropna()}


def _interval(values: pd.Series) -> str:
    return intervals.changed(values, few="-")


def _common(values: pd.Series) -> str:
    """Mean over pairs with its interval over the seeds that all have, of which two would tell nothing."""
    seeds = over_trainings.over_pairs(values)
    return _interval(seeds) if len(seeds) >= over_trainings.LEAST else "too few common seeds"


def _change(of: pd.Series, quantity: str) -> str:
    """Mean over trainings with its interval; of one training, the number."""
    return intervals.changed(of, SCORES[quantity].digits)


def control_table(frame: pd.DataFrame) -> str:
    """Markdown: gain of FID and of coverage of every way at its published setting, or the nearest in cost."""
    gains = {
        quantity: over_trainings.curves(over_trainings.shares(frame, quantity)) for quantity in ("fid", "coverage")
    }
    rows = []
    for (method, setting), line in gains["fid"].groupby(["method", "setting"]):
        if method in over_trainings.UNMOVED or setting not in SHOWN_SETTINGS:
            continue
        other = gains["coverage"].query("method == @method and setting == @setting")
        cells = [_gain(table) for table in (line, other)]
        rows.append([str(method), f"{setting:g}", f"{line['rise'].item():.2f}", *cells])
    return tables.markdown(["way", "updates, m or share", "rise of D", "gain, FID", "gain, coverage"], rows)


def _gain(line: pd.DataFrame) -> str:
    """Gain with its interval over training seeds; of one seed, the number."""
    mean, ends = line["gain"].item(), (line["low"].item(), line["high"].item())
    return tables.change(mean, ends, 2) if line["trainings"].item() > 1 else f"{mean:+.2f}"


def slope_table(folder: Path = records.KEPT) -> str:
    """Markdown: k_eff beside the slope of D(G(.)) where the samples are, mean over trainings."""
    of: dict[str, list[Record]] = {}
    for record in records.stored(folder, "transport_matters"):
        of.setdefault(record.dataset, []).append(record)
    rows = []
    for pair, runs in of.items():
        k = np.array([run.get("k_eff", method="own").value for run in runs])
        norms = np.array([[run.get("gradient norm", method=name).value for name in QUANTILES] for run in runs])
        rows.append([pair, len(runs), f"{k.mean():.3g}", *(_short(ratio) for ratio in (norms / k[:, None]).mean(0))])
    heads = ["pair", "trainings", "k_eff", *(f"{name} / k_eff" for name in ("median", "90 %", "largest"))]
    return tables.markdown(heads, rows)


def _short(value: float) -> str:
    """Two significant digits, without an exponent for large numbers: "0.85", "5.8", "110"."""
    return f"{float(f'{value:.2g}'):g}"


def figure(of: Mapping[str, pd.DataFrame]) -> Figure:
    """FID and coverage against the rise of D, a curve for each way, bands over training seeds."""
    panels = {}
    for label, frame in of.items():
        for quantity in ("fid", "coverage"):
            curves = over_trainings.curves(over_trainings.shares(frame, quantity))
            lines = {name: curves[curves["method"] == name].sort_values("rise") for name in CURVES}
            panels[f"{SCORES[quantity].label}, {label}"] = {name: of for name, of in lines.items() if len(of)}
    return curve_plots.rises(
        panels, whole=CURVES[:3], xlabel="rise of D, naive ascent as published = 1", ylabel="gain, real images = 1"
    )
