"""What pages share around their records: what is put, and how it is shown."""

import json
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Protocol, TypeVar, Unpack

import pandas as pd
from numpy.typing import ArrayLike

from dotlib.data import downloads
from dotlib.errors import InputError, check_option
from dotlib.evaluation.images import ImagePair, Measurement, Table1Row
from dotlib.evaluation.one_training import Line
from dotlib.evaluation.points import Figure3, ToyPair
from dotlib.metrics.intervals import holm, put_difference
from dotlib.metrics.scores import IMAGE_SCORES, SCORES
from dotlib.results import paper, records, tables, tidy
from dotlib.results.records import Record, Where
from dotlib.training import zoo
from dotlib.training.settings import PairName, dataset_of, measures_all

Key = tuple[str, str | float]  # (method, setting)
MEASURED = "measured by this build"  # where a record comes from; see `recorded_at`
MEAN = "mean"  # in the place of a judge: the mean over all of them, set by set
Values = Mapping[Key, Mapping[str, ArrayLike]]  # key -> quantity -> (sets,)


def open_toy_record(stem: str, pair: ToyPair, settings: Figure3, profile: str, seed: int) -> Record:
    """Start the record of one 2-D pair on one page; to be called before the work, which it times."""
    parameters = asdict(settings) | {"origin": pair.origin}
    record = records.start(
        stem, profile=profile, dataset=pair.name, seed=seed, parameters=parameters, weights=pair.digests
    )
    if pair.trained:
        zoo.add_training_provenance(record, pair.trained)
    return record


def describe(record: Record, runs: Collection[Table1Row]) -> None:
    """Put into a record where rows of Table 1 come from: weights, images, settings, trainings."""
    record.made |= {"weights": {}, "images": {}}
    record.parameters["settings"] = {}
    for run in runs:
        record.made["weights"] |= run.pair.digests | run.panel.digests
        record.made["images"] |= run.panel.origins
        settings = {"training": run.trained.settings.key(), "scoring": asdict(run.settings)}
        record.parameters["settings"][run.trained.name] = settings
    zoo.add_training_provenance(record, *(run.trained for run in runs))


class OfOnePair(Protocol):
    """What a page measures: a pair, with whatever else that takes."""

    @property
    @abstractmethod
    def pair(self) -> ImagePair:
        """G, D, the prior, and the digests of their file."""


Run = TypeVar("Run", bound=OfOnePair)


def lines_of(
    record: Record,
    run: Run,
    measure: Callable[[Run], list[Line]],
    fill: Callable[[Record, Run, list[Line]], None],
    *,
    anew: bool,
) -> tuple[Record, list[Line], str]:
    """A record of one pair with the lines of its table, and where they come from: committed, else measured now.

    When the committed record stands in is said at `committed`. `fill` puts what was measured into the record.
    """
    kept = committed(record, run.pair.digests, anew=anew)
    if kept:
        return kept, lines_beside(kept), recorded_at(kept)
    lines = measure(run)
    fill(record, run, lines)
    return record, lines, MEASURED


def committed(record: Record, weights: Mapping[str, str], *, anew: bool) -> Record | None:
    """The committed record that stands in for one that was opened: of these very weights, and of its parameters.

    None where there is no such record; with `anew`, and in a build that measures all, always.
    """
    if anew or measures_all():
        return None
    where = {"profile": record.profile, "dataset": record.dataset, "seed": record.seed}
    kept, opened = records.find(record.stem, folder=records.KEPT, **where), json.loads(json.dumps(record.parameters))
    same = kept and opened.items() <= kept.parameters.items() and weights.items() <= kept.made["weights"].items()
    return kept if same else None


def lines_beside(kept: Record) -> list[Line]:
    """The lines of the table beside a committed record; a field that was left empty is "" again."""
    table = tidy.of(kept, records.KEPT).to_dict("records")
    return [{str(name): "" if pd.isna(value) else value for name, value in line.items()} for line in table]


def recorded_at(kept: Record) -> str:
    """In words, where a committed record comes from."""
    return f"recorded at commit {kept.made['commit'][:12]}"


def put_scores(record: Record, values: Values, *, pair: str = "", judge: str = "") -> None:
    """Put the scores of every method over its sets, and their paired differences to ("bare", "")."""
    for (method, setting), scores in values.items():
        for quantity, of_sets in scores.items():
            where: Where = {"method": method, "setting": setting, "pair": pair, "judge": judge}
            record.put_trials(quantity, of_sets, unit=SCORES[quantity].unit, **where)
            if method != "bare":
                put_change(record, quantity, values, (method, setting), ("bare", ""), pair=pair, judge=judge)


def values_of(measured: Measurement, quantities: Iterable[str], judge: str = "") -> Values:
    """The scores of every method after each of its updates; those of the samples before any are "bare".

    The judge is the first, or MEAN.
    """
    of = measured.mean if judge == MEAN else measured.of
    return {
        (method, step) if step else ("bare", ""): {q: of(method, step, q) for q in quantities}
        for method, step in measured.rows
    }


def put_change(
    record: Record, quantity: str, values: Values, first: Key, second: Key, *, pair: str = "", judge: str = ""
) -> tuple[float, float]:
    """Put how far a score of the first lies above that of the second, with its interval, which is returned."""
    where: Where = {"method": first[0], "setting": first[1], "against": second[0], "pair": pair, "judge": judge}
    a, b = values[first][quantity], values[second][quantity]
    return put_difference(record, quantity, a, b, unit=SCORES[quantity].unit, **where)


def judge_of(record: Record) -> str:
    """The judge that speaks for a record: MEAN where it has the mean over its judges, else its first, ""."""
    return MEAN if next(record.rows(judge=MEAN), None) else ""


def outdated(record: Record) -> bool:
    """Whether a record of Table 1 is of before judges were averaged: its references were the first rows of a file."""
    return record.stem == "tab1_scores" and judge_of(record) != MEAN


def score(record: Record, quantity: str, **where: Unpack[Where]) -> str:
    """A score of a record with its digits; where: the key of its row."""
    return f"{record.get(quantity, **where).value:.{SCORES[quantity].digits}f}"


def change(record: Record, quantity: str, **where: Unpack[Where]) -> str:
    """A difference of a score with its interval, as pages print it."""
    row = record.get(quantity, **where)
    return tables.change(row.value, row.interval, SCORES[quantity].digits)


def printed(table: str, pair: str, column: str, quantity: str) -> paper.Published | None:
    """A score of a pair's row as Table 1 or 7 prints it, "tab1" or "tab7"; None where none is printed.

    STL-10 stands beside the paper's STL-10, every other data set beside its CIFAR-10.
    """
    name = PairName.parse(pair)
    where = "stl10" if name.dataset == "stl10" else "cifar10"
    row = {"tab1": f"{name.architecture}.{name.objective}", "tab7": name.row.removeprefix("dcgan-")}[table]
    try:
        return paper.value(f"{table}.{where}.{row}.{column}.{SCORES[quantity].printed}")
    except InputError:
        return None


def printed_difference(pair: str, quantity: str) -> float:
    """DOT minus bare as Table 1 prints it; where a row is not printed, the claim's direction, 1 or -1."""
    bare, dot = (printed("tab1", pair, column, quantity) for column in ("bare", "dot"))
    if bare is None or dot is None:
        return 1.0 if quantity == "is_mean" else -1.0
    return dot.value - bare.value


def printed_cell(pair: str, quantity: str) -> str:
    """Bare → DOT as Table 1 prints it, or a dash."""
    bare, dot = (printed("tab1", pair, column, quantity) for column in ("bare", "dot"))
    return f"{bare.value:.2f} → {dot.value:.2f}" if bare and dot else "-"


def copies(record: Record) -> set[str]:
    """Origins of a record's images that are copies, and no official content."""
    origins = set(record.made.get("images", {}).values())
    return origins - {downloads.OFFICIAL, downloads.OFFICIAL_MD5, "built into scikit-learn"}


def on_papers_data(record: Record, *datasets: str) -> bool:
    """Whether images and judge are the paper's: official files of one of these data sets, under Inception."""
    images = set(record.made.get("images", {}).values())
    papers = dataset_of(record.dataset) in datasets and record.parameters.get("judge") == "inception"
    return papers and bool(images) and not copies(record)


def put_verdicts(claims: Iterable[tuple[Record, str, paper.Claim]]) -> None:
    """Put the verdicts on the claims of one table into their records; a smoke run compares nothing.

    Their p-values are adjusted together (Holm), so a table has one false word in it with at most 5 % chance.
    """
    claims = list(claims)
    for (record, text, _), word in zip(claims, words_of([claim for *_, claim in claims]), strict=True):
        record.verdicts[text] = paper.unless_smoke(word, profile=record.profile)


def words_of(claims: Iterable[paper.Claim]) -> list[str]:
    """The verdicts on the claims of one table, by Holm's correction for all of them that were tested."""
    claims = list(claims)
    adjusted = iter(holm([claim.p for claim in claims if claim.p is not None]))
    return [claim.word(None if claim.p is None else next(adjusted)) for claim in claims]


def direction_of_change(record: Record, quantity: str) -> str:
    """Whether DOT at its last update makes a row of Table 1 "better" or "worse" by one score.

    "undecided" where the 95 % interval of the paired difference to bare holds 0. Raises InputError for a quantity that
    is none of IMAGE_SCORES.
    """
    check_option("quantity", quantity, IMAGE_SCORES)
    where: Where = {"method": "dot", "setting": record.parameters["updates"], "against": "bare"}
    low, high = record.get(quantity, **where | {"judge": judge_of(record)}).interval
    if low <= 0 <= high:
        return "undecided"
    return "better" if (high < 0) == SCORES[quantity].lower_is_better else "worse"


def answer(record: Record, claims: Collection[str], over: str) -> str:
    """In words: how many claims of a page have the published sign in a record of one training, and how sure that is.

    `over` says what the intervals behind the verdicts are over, in the plural: "sets of samples".
    """
    kinds = [paper.kind(record.verdicts[claim]) for claim in claims]
    agree = sum(kind in (paper.REPRODUCED, paper.REPLICATED) for kind in kinds)
    against = kinds.count(paper.CONTRADICTED)
    text = (
        f"Of {tables.count(len(kinds), 'claim')}, one a line of the table below, {agree} hold here in sign, "
        f"{against} are contradicted, and {len(kinds) - agree - against} cannot be told."
    )
    told = [f"*{claim}*" for claim, kind in zip(claims, kinds, strict=True) if kind == paper.CONTRADICTED]
    text += f" Contradicted: {'; '.join(told)}." if told else ""
    return (
        f"{text} This is *one training* of {record.dataset}, profile {record.profile}: the intervals are over {over}, "
        "and another training may differ."
    )


def verdict_table(record: Record, head: str, claims: Iterable[str]) -> str:
    """Markdown: the verdict on each claim in this build, and in the committed records of its page."""
    kept = records.stored(records.KEPT, record.stem)
    heads = [f"this build, {record.dataset}", *(f"recorded, {other.dataset}, {other.profile}" for other in kept)]
    rows = [[claim, *(other.verdicts.get(claim, "-") for other in (record, *kept))] for claim in claims]
    return tables.markdown([head, *heads], rows)
