"""What the report "Optimal Transport GAN" states, over trainings. The rules are those of book/protocol, "OT-GAN".

A statement is the sign of a difference that is computed for each training seed; the interval is over the seeds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pandas as pd

from dotlib.evaluation import minibatch_bias, recording
from dotlib.evaluation.minibatch_bias import WITH, WITHOUT, Bias
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.results import paper, records, tables, tidy
from dotlib.results.paper import Claim

CNN, MLP, SMALL, SHARP, OFTEN = "cnn", "mlp", "batch 8", "epsilon 0.01", "n_gen 1"
UNIFORM, RELEASED, UNROLLED = "uniform plan", "epsilon 0.01, released", "unrolled"
PARTS = 4  # of a training; of MNIST in batches of 32 each is an epoch
FIRST_SEEDS = (0, 1, 2)  # planned at first; the others were added when two of them had been scored
OWN = ("mnist8",)  # the report's data, from official files
JUDGED_SETS = ("mnist8", "fashion_mnist8")
FEW = "not attempted (fewer than two trainings of its runs)"


@dataclass(frozen=True)
class Difference:
    """A statement as a difference, (trainings,): its words, its side in the report, and how it is computed."""

    words: str
    sign: int
    of: Callable[[pd.DataFrame], pd.Series]
    seen: bool = False  # by eye in the report, and by a judge or a measure of ours here
    digits: int = 2


def curve(frame: pd.DataFrame, run: str, quantity: str) -> pd.DataFrame:
    """Updates x training seeds, means over judges; of the updates at which the quantity was measured."""
    of = frame[(frame["run"] == run) & (frame["quantity"] == quantity)]
    return of.groupby(["update", "seed"])["value"].mean().unstack("seed")


def last(frame: pd.DataFrame, run: str, quantity: str) -> pd.Series:
    """By seed, after the last update, mean over all judges."""
    return curve(frame, run, quantity).iloc[-1]


def part(frame: pd.DataFrame, run: str, quantity: str, number: int) -> pd.Series:
    """By seed, the mean over the windows of the first to the fourth part of a training, number 0 to 3."""
    of = curve(frame, run, quantity)
    first, end = (len(of) * edge // PARTS for edge in (number, number + 1))
    return of.iloc[first:end].mean()


def spread(frame: pd.DataFrame, run: str) -> pd.Series:
    """By seed, the standard deviation of L within a window, mean over the windows after the first part."""
    of = curve(frame, run, "sd of L")
    return of.iloc[len(of) // PARTS :].mean()


def along(frame: pd.DataFrame, run: str = CNN) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Milestones x seeds: the mean of L since the milestone before, and FID by the first judge."""
    fid, L = _first_judge(frame, run, "fid").iloc[1:], curve(frame, run, "L")
    means = [L[(L.index > low) & (L.index <= high)].mean() for low, high in pairwise([0, *fid.index])]
    return pd.DataFrame(means, index=fid.index), fid


def coherence(frame: pd.DataFrame, run: str = CNN) -> pd.Series:
    """By seed, the rank correlation of both along a training."""
    L, fid = along(frame, run)
    return L.corrwith(fid, method="spearman")


def across(frame: pd.DataFrame) -> pd.Series:
    """By seed, the rank correlation of FID with the mean of L in the last part, over the runs; seeds that have all."""
    runs = list(dict.fromkeys(frame["run"]))
    L = pd.DataFrame({run: part(frame, run, "L", PARTS - 1) for run in runs}).dropna().T
    return L.corrwith(pd.DataFrame({run: last(frame, run, "fid") for run in runs}).T[L.columns], method="spearman")


def change_of_fid(frame: pd.DataFrame, first: str, second: str) -> str:
    """FID of the first run minus that of the second at the end, and its interval; a dash for too few."""
    if not {first, second} <= set(frame["run"]):
        return "-"
    change = (last(frame, first, "fid") - last(frame, second, "fid")).dropna()
    return intervals.changed(change, 1, few="-")


def _first_judge(frame: pd.DataFrame, run: str, quantity: str) -> pd.DataFrame:
    """As `curve`, by the first judge alone, who looks at every milestone."""
    judge = frame.loc[frame["quantity"] == quantity, "judge"].iloc[0]
    return curve(frame[frame["judge"] == judge], run, quantity)


def _falls(frame: pd.DataFrame) -> pd.Series:
    return part(frame, CNN, "L", PARTS - 1) - part(frame, CNN, "L", 0)


def _early(frame: pd.DataFrame) -> pd.Series:
    fid = _first_judge(frame, CNN, "fid")
    start, half, end = (fid.iloc[at] for at in (0, len(fid) // 2, -1))
    return (start - half) - (half - end)


def _noisier(frame: pd.DataFrame) -> pd.Series:
    """After the first part, an epoch."""
    of = {run: curve(frame, run, "high frequencies") for run in (MLP, CNN)}
    at = (len(of[CNN]) - 1) // PARTS
    return of[MLP].iloc[at] - of[CNN].iloc[at]


def _start(frame: pd.DataFrame) -> pd.Series:
    """In the first window."""
    return curve(frame, SHARP, "L").iloc[0] - curve(frame, CNN, "L").iloc[0]


def _nearer(frame: pd.DataFrame) -> pd.Series:
    """How much nearer the two losses are in the last part than in the first window."""
    end = part(frame, SHARP, "L", PARTS - 1) - part(frame, CNN, "L", PARTS - 1)
    return _start(frame).abs() - end.abs()


def _at_the_end(quantity: str, first: str, second: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: last(frame, first, quantity) - last(frame, second, quantity)


def _in_spread(first: str, second: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda frame: spread(frame, first) - spread(frame, second)


DIFFERENCES: dict[str, tuple[Difference, ...]] = {  # statement -> all of these have to be on their side
    "s3.rhythm": (
        Difference(
            "directions of the critic's features, n_gen 5 minus 1", 1, _at_the_end("directions", CNN, OFTEN), True
        ),
    ),
    "s3.loss.falls": (Difference("L, last quarter minus first", -1, _falls, digits=3),),
    "s3.images.early": (Difference("fall of FID, first half minus second", 1, _early, True),),
    "s3.loss.coherent": (Difference("rank correlation of L and FID along the training", 1, coherence, True),),
    "s3.mlp.noisier": (Difference("high frequencies after a quarter, MLP minus CNN", 1, _noisier, True, 3),),
    "s3.batch.variance": (Difference("sd of L, batch 8 minus 32", 1, _in_spread(SMALL, CNN), digits=3),),
    "s3.batch.variety": (Difference("recall, batch 8 minus 32", -1, _at_the_end("recall", SMALL, CNN), True, 3),),
    "s3.epsilon.start": (
        Difference("L in the first updates, epsilon 0.01 minus 1", -1, _start, digits=3),
        Difference("how much nearer both losses are at the end", 1, _nearer, digits=3),
    ),
    "s3.epsilon.variance": (Difference("sd of L, epsilon 0.01 minus 1", 1, _in_spread(SHARP, CNN), digits=3),),
    "s3.epsilon.quality": (Difference("FID, epsilon 0.01 minus 1", 1, _at_the_end("fid", SHARP, CNN), True),),
}


@dataclass(frozen=True)
class Verdict:
    """What is said of one statement."""

    measured: str  # "-" where nothing was
    word: str


def frames(folder: Path = records.KEPT, *, gradient: bool = False) -> dict[str, pd.DataFrame]:
    """Label of a data set, "mnist8, laptop", to the lines of all its recorded trainings; the report's data first.

    With `gradient` those of the seeds on which both gradients are compared, which are in no statement, else the others.
    """
    whole = tidy.stored(folder, "otgan")
    if whole.empty:
        return {}
    compares = whole.assign(compares=whole["run"] == UNROLLED).groupby(["dataset", "profile", "seed"])["compares"]
    whole = whole[compares.transform("any") == gradient]
    of = {f"{dataset}, {profile}": lines for (dataset, profile), lines in whole.groupby(["dataset", "profile"])}
    return dict(sorted(of.items(), key=lambda each: each[0].partition(",")[0] not in OWN))


def repeated(recorded: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The data sets of the protocol, where some run has two trainings or more: on others no statement is judged."""
    of = {label: frame for label, frame in recorded.items() if label.partition(",")[0] in JUDGED_SETS}
    return {label: frame for label, frame in of.items() if frame.groupby("run")["seed"].nunique().max() > 1}


def verdicts(frame: pd.DataFrame, bias: Bias, *, own: bool) -> dict[str, Verdict]:
    """Every statement of the report, by its id, with what was measured and the word, by Holm's correction for all.

    `own`: whether the images are the report's.
    """
    measured, claims = {}, {}
    for statement in paper.statements("s3"):
        if statement.id == "s3.unbiased":
            measured[statement.id], claims[statement.id] = _slopes(bias), minibatch_bias.claim(bias)
        elif statement.id == "s3.loss.varies":  # a size that the report gives no scale, so nothing can be tested
            text = measured[statement.id] = _varies(frame)
            claims[statement.id] = paper.without_test(FEW if text == "-" else paper.NOT_RESOLVED)
        else:
            measured[statement.id], claims[statement.id] = _judged(frame, DIFFERENCES[statement.id], own)
    words = recording.words_of(claims.values())
    return {id: Verdict(measured[id], word) for id, word in zip(claims, words, strict=True)}


def judged(label: str, frame: pd.DataFrame, bias: Bias, folder: Path = records.KEPT) -> dict[str, Verdict]:
    """`verdicts` of a data set of `frames`, by whether its images are official ones of the report's set."""
    dataset = label.partition(",")[0]
    of = [record for record in records.stored(folder, "otgan") if record.dataset == dataset]
    return verdicts(frame, bias, own=dataset in OWN and not any(recording.copies(record) for record in of))


def counted(folder: Path = records.KEPT) -> str:
    """How often each word occurs among the statements, for each recorded data set; a dash where there is none."""
    bias = minibatch_bias.bias(minibatch_bias.JUDGED, blocks=minibatch_bias.BLOCKS, draws=1_000, seed=0)
    texts = []
    for label, frame in repeated(frames(folder)).items():
        words = paper.counted((id, verdict.word) for id, verdict in judged(label, frame, bias, folder).items())
        texts.append(f"{label}: {words}")
    return "; ".join(texts) or "-"


def _slopes(bias: Bias) -> str:
    each = (f"{name}: {intervals.changed(bias.slope[name], 3)}" for name in (WITHOUT, WITH))
    return f"slope of the loss where the model is the data, {'; '.join(each)}"


def _varies(frame: pd.DataFrame) -> str:
    sd, falls = spread(frame, CNN).dropna(), -_falls(frame).dropna()
    if len(sd) < 2:
        return "-"
    shown = (intervals.shown(values, 3) for values in (sd, falls))
    return "sd of L within a window {}, beside a fall of L by {}".format(*shown)


def _judged(frame: pd.DataFrame, differences: tuple[Difference, ...], own: bool) -> tuple[str, Claim]:
    texts, claims = [], []
    for difference in differences:
        try:
            values = difference.of(frame).dropna()
        except (IndexError, KeyError):  # a run that is not among the recorded ones
            values = pd.Series(dtype=float)
        if len(values) < 2:
            return "-", paper.without_test(FEW)
        mean, ends = intervals.t_interval(values)
        texts.append(f"{difference.words}: {tables.change(mean, ends, difference.digits)}")
        claims.append(paper.comparison(difference.sign, ends, len(values), own=own and not difference.seen))
    return "; ".join(texts), paper.all_of(claims)


# --- tables --------------------------------------------------------------------------------------


def answer(recorded: Mapping[str, pd.DataFrame], verdicts: Mapping[str, Mapping[str, Verdict]]) -> str:
    """The verdicts counted, those against the report, and what the loss says of quality, for each data set."""
    if not recorded:
        return "No training is recorded yet, so only what this build computes has an answer."
    says, texts = {statement.id: statement.says for statement in paper.statements("s3")}, []
    for label, of in verdicts.items():
        frame = recorded[label]
        against = "; ".join(says[id] for id, verdict in of.items() if verdict.word == paper.CONTRADICTED)
        counted = paper.counted((id, verdict.word) for id, verdict in of.items())
        trainings = sorted(set(frame.groupby("run")["seed"].nunique()))
        text = f"*{label}, {' or '.join(map(str, trainings))} trainings a run*: {counted}."
        texts.append(text + f" Contradicted: {against}." * bool(against) + f" {_ranked(frame)}")
    return "\n\n".join(texts)


def _ranked(frame: pd.DataFrame) -> str:
    """What loss and FID have to do with one another, along a training and over the runs."""
    runs = list(dict.fromkeys(frame["run"]))
    L = {run: float(part(frame, run, "L", PARTS - 1).mean()) for run in runs}
    fid = {run: float(last(frame, run, "fid").mean()) for run in runs}
    worst = max(runs, key=fid.__getitem__)
    above = sum(loss > L[worst] for loss in L.values())
    ends = {len(L) - 1: "the lowest of all", 0: "the highest of all"}
    rank = ends.get(above, f"below that of {tables.count(above, 'other run')}")
    along_, over = (_interval(values) for values in (coherence(frame), across(frame)))
    return (
        f"Loss and FID have a rank correlation of {along_} along the training, and of {over} over the {len(runs)} runs "
        "at their ends, by the seeds that have all of them: the worst images are those of "
        f"*{worst}*, FID {fid[worst]:.1f}, whose loss is {rank}."
    )


def _interval(values: pd.Series) -> str:
    """A correlation with its interval over trainings, cut off at -1 and 1, or alone where there is one."""
    values = values.dropna()
    if len(values) < 2:
        return f"{values.mean():+.2f}"
    mean, (low, high) = intervals.t_interval(values)
    return tables.change(mean, (max(low, -1.0), min(high, 1.0)), 2)


def without(recorded: Mapping[str, pd.DataFrame], run: str) -> str:
    """The rank correlation of loss and FID over all runs but one, of every data set, and which intervals hold 0."""
    texts = []
    for label, frame in recorded.items():
        values = across(frame[frame["run"] != run]).dropna()
        low, high = intervals.t_interval(values)[1] if len(values) > 1 else (-1.0, 1.0)
        texts.append(f"{label.partition(',')[0]} {_interval(values)} ({'holds' if low <= 0 <= high else 'excludes'} 0)")
    return "; ".join(texts) or "not measured yet"


def added(frame: pd.DataFrame) -> str:
    """FID, epsilon 0.01 minus 1, over the seeds alone that were added when two of the first had been scored."""
    change = (last(frame, SHARP, "fid") - last(frame, CNN, "fid")).dropna() if SHARP in set(frame["run"]) else None
    return intervals.changed(change[change.index > FIRST_SEEDS[-1]], 2, few="-") if change is not None else "-"


def changes_of_fid(recorded: Mapping[str, pd.DataFrame], first: str, second: str) -> str:
    """`change_of_fid` of every data set that has it, in one line."""
    of = {label.partition(",")[0]: change_of_fid(frame, first, second) for label, frame in recorded.items()}
    return "; ".join(f"{dataset} {change}" for dataset, change in of.items() if change != "-") or "not measured yet"


def verdict_table(verdicts: Mapping[str, Verdict]) -> str:
    """Markdown: each statement of the report with its place, what was measured, and the verdict."""
    rows = []
    for statement in paper.statements("s3"):
        verdict = verdicts[statement.id]
        rows.append([statement.says, statement.place.partition(", ")[2], verdict.measured, verdict.word])
    return tables.markdown(["the report states", "section", "measured", "verdict"], rows)


def run_table(frame: pd.DataFrame) -> str:
    """Markdown: loss and quality at the end of every run, means over trainings; FID with its interval."""
    rows = []
    for run in dict.fromkeys(frame["run"]):
        fid = last(frame, run, "fid")
        start = curve(frame, run, "L").iloc[0].mean()
        cells = [f"{start:.2f}", f"{part(frame, run, 'L', PARTS - 1).mean():.3f}", f"{spread(frame, run).mean():.3f}"]
        cells += [intervals.shown(fid, 1)]
        cells += [f"{last(frame, run, q).mean():.{SCORES[q].digits}f}" for q in ("kid", "precision", "recall")]
        cells += [f"{last(frame, run, q).mean():.3f}" for q in ("high frequencies", "entropy")]
        rows.append([run, len(fid), *cells, f"{last(frame, run, 'directions').mean():.1f}"])
    heads = ["run", "trainings", "L, first window", "L, last quarter", "sd of L", "FID", "KID", "precision", "recall"]
    return tables.markdown([*heads, "high frequencies", "entropy of the plan", "directions"], rows)
