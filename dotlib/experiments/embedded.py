"""The report "Discriminator Optimal Transport": DOT and embedded DOT, and which of its curves need no discriminator.

The rules are those of book/protocol, "Embedded transport"; they were fixed before its records.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from dotlib.data import images
from dotlib.evaluation import embedded_moves, embedded_statements, extractors
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.embedded_moves import Run
from dotlib.evaluation.embedded_statements import NOTHING, OFF, ON, PRINTED, TARGET
from dotlib.evaluation.one_training import Line
from dotlib.metrics import intervals
from dotlib.metrics.scores import SCORES
from dotlib.plots import curves as curve_plots
from dotlib.plots import points as toy_plots
from dotlib.results import paper, records, tables
from dotlib.results.records import Record
from dotlib.seeding import generator
from dotlib.training import zoo

STEPS = (("pair", "digits-resnet-sagan-hi"), ("judge", "digits"))

FOLLOWED = 5  # samples in strips and films
PLANE = 400  # images of t-SNE
JUDGED = ("fid", "precision", "recall", "changed")
DIGITS = {"changed": 3, "moved": 2, "features": 2, "unseen": 2, "D": 2}
HEADS = {"changed": "another class", "moved": "pixels moved", "features": "features moved", "unseen": "share unseen"}
AUDITED = {  # name in the first figure -> way
    "other anchor, with D": ON,
    "other anchor, no D": OFF,
    "own anchor, with D": TARGET,
}
SHRINKING = {
    "other anchor, with D": "latent, unrelated anchor",
    "other anchor, no D": "latent, unrelated anchor, no D",
    "own anchor, with D": PRINTED,
}
ALGORITHMS = (  # way, its setting in the table of both algorithms
    ("bare", 1.0),
    (PRINTED, 20),
    ("latent, k_eff", 20),
    ("latent, k = 1", 20),
    ("latent, distance of latents", 20),
    (TARGET, 50),
    ("target, K_eff", 50),
)
EMBEDDED = ("plain", "embedded", "embedded, K_E", "embedded, untrained E", "naive")
SAVED = "saved without (x + 1) / 2"
SCORED = (("fid", 1), ("recall", 2), ("precision", 2))  # and digits
PRINTED_ROWS = (  # where, ids of the printed scores in the order of SCORED, and our way, then or at the next update
    *(
        (f"Table 1, {name}", [f"tab1.{name}.{q}" for q in ("fid", "accuracy", "precision")], row)
        for name, row in (("vanilla", ("bare", 1.0)), ("latent", (PRINTED, 5)))
    ),
    *(
        (f"Figure 2, {update} updates", [f"fig2.u{update}.{q}" if q in known else "" for q, _ in SCORED], row)
        for update, row, known in (
            (0, ("bare", 1.0), ("fid", "precision", "recall")),
            (1, (PRINTED, 1), ("fid", "precision", "recall")),
            (5, (PRINTED, 5), ("fid",)),
            (19, (PRINTED, 20), ("fid", "precision", "recall")),
        )
    ),
    ("Figure 6, embedded, 20 updates", ["", "fig6.u20.recall", ""], ("embedded", 20)),
    ("Figure 6, embedded, 70 updates", [f"fig6.u70.{q}" for q, _ in SCORED], ("embedded", 100)),
    ("Figure 7, its samples", [f"fig7.u0.{q}" for q, _ in SCORED], ("bare", 1.0)),
    ("Figure 7, embedded, 20 updates", ["", "fig7.u20.recall", ""], ("latent, embedded", 20)),
    ("Figure 7, embedded, at its end", ["fig7.end.fid", "", "fig7.end.precision"], ("latent, embedded", 20)),
)
QUALIFIED = {  # what stands behind the word of a verdict
    "s1.target.replaced": "own anchor",
    "s1.target.curve": "own anchor",
    "s1.embedded.sensitive": "a cost beside next to none",
}
UNMOVED = ("bare", SAVED)  # ways without updates


# --- one training -------------------------------------------------------------------------------


def open_record(name: str, profile: str, seed: int, device: str = "cpu") -> Record:
    """Start the record of one pair; to be called before the work, which it times."""
    parameters = asdict(embedded_moves.scoring(name, profile))
    return records.start("embedded", profile=profile, dataset=name, seed=seed, parameters=parameters, device=device)


def fill_record(record: Record, run: Run, lines: list[Line]) -> None:
    """Put constants, the extractor, scores by representation and origins into a record; the rest is in its table."""
    zoo.add_training_provenance(record, run.trained)
    weights = {"extractor": run.extractor.sha256}
    record.made |= {"weights": run.pair.digests | run.panel.digests | weights, "images": run.panel.origins}
    settings = extractors.described(run.extractor, run.extractor_settings)
    record.parameters |= {"training": run.trained.settings.key(), "extractor": settings}
    units = {"k_eff": "latent", "K_eff": "data", "K_E": "feature"}
    for name, unit in units.items():
        record.put(name, run.constants[name], unit=f"logits per {unit} distance")
    for name, space in embedded_moves.by_extractor(run).items():
        scores = space.scores()
        for quantity, value in (("precision", scores.precision), ("recall", scores.recall)):
            record.put(quantity, value, method=f"in {name}", n=len(space.fake), unit="")
        record.put("separation", space.separation(), method=f"in {name}", n=len(space.real), unit="")
    for name, judge in {"E": run.extractor, **run.panel.judges}.items():
        record.put("accuracy", judge.accuracy or 0.0, judge=name, unit="")
    record.put("lines", len(lines), unit="lines of the table")


# --- tables over trainings ----------------------------------------------------------------------


def answer(of: Mapping[str, pd.DataFrame]) -> str:
    """What the recorded trainings say, in sentences for each pair."""
    texts = []
    for label, frame in of.items():
        trainings = frame["seed"].nunique()
        if trainings < 2:
            continue
        found, audit = embedded_statements.verdicts(frame), embedded_statements.audit(frame)
        counts = paper.counted((id, verdict.word) for id, verdict in found.items())
        bare, on, off, own = (intervals.shown(values, 1) for values in (audit.bare, audit.on, audit.off, audit.own))
        last = embedded_moves.LATENT[-1]
        precision = [_cell(frame, (way, last), "precision") for way in SHRINKING.values()]
        texts.append(
            f"*{label}*, {trainings} trainings. With another sample as anchor, FID after {embedded_statements.PEAK} "
            f"updates in target space goes from {bare} to {on} with $D$, and to {off} with no discriminator at all; "
            f"with its own anchor, Algorithm 1 as printed has {own} there. In latent space precision changes by "
            f"{precision[0]} after {last} updates with another anchor, by {precision[1]} with that and no $D$, and by "
            f"{precision[2]} with its own. {_of_embedded(frame)} The {len(found)} statements of the report: {counts}."
        )
    return "\n\n".join(texts) or "Fewer than two trainings are recorded, so this page has no answer yet."


def _of_embedded(frame: pd.DataFrame) -> str:
    """What the cost of features does, in one sentence: changes of class at one K and at an equal rise, and FID."""
    last = frame.loc[frame["method"] == "plain", "setting"].max()
    classes = _minus(frame, "changed", "embedded", "plain", last)
    rise, fid = embedded_statements.at_equal_rise(frame), _minus(frame, "fid", "embedded", "plain", last)
    shown = [intervals.changed(v, digits) for v, digits in ((classes, 3), (rise, 3), (fid, 2))]
    return (
        f"Beside the cost of pixels, that of features changes the share in another class by {shown[0]} at one $K$, by "
        f"{shown[1]} at an equal rise of $D$, and FID by {shown[2]}."
    )


def _minus(frame: pd.DataFrame, quantity: str, first: str, second: str, setting: float) -> pd.Series:
    ends = (embedded_statements.at(frame, quantity, (way, setting)) for way in (first, second))
    return next(ends) - next(ends)


def moves(of: Mapping[str, pd.DataFrame]) -> str:
    """Sentences, one a pair: how far the printed and the estimated constant move samples in target space, and FID."""
    texts, last = [], embedded_statements.CURVE[-1]
    for label, frame in of.items():
        if frame["seed"].nunique() > 1:
            ways = (embedded_statements.at(frame, "moved", (way, last)) for way in (TARGET, "target, K_eff", OFF))
            values = printed, logit, other = tuple(ways)
            printed, logit, other = (intervals.shown(each, 2) for each in values)
            farther = values[1] - values[2]
            change = _cell(frame, ("target, K_eff", last), "fid")
            texts.append(
                f"On *{label}* samples in target space move by {printed} pixel units with the right anchor and a "
                f"sigmoid, and by {logit} with the logit and $K_\\text{{eff}}$, which changes FID by {change}; another "
                f"sample is {other} away. The difference of both distances is {intervals.changed(farther, 2)}, "
                f"{embedded_statements.resolved(farther)}; samples run farther in {(farther > 0).sum()} of "
                f"{len(farther)} trainings."
            )
    return " ".join(texts) or NOTHING


def saving(of: Mapping[str, pd.DataFrame]) -> str:
    """Sentences, one a pair: what the saving alone changes in FID, and if that is resolved."""
    texts = []
    for label, frame in of.items():
        if frame["seed"].nunique() > 1:
            ends = (embedded_statements.at(frame, "fid", (way, 1.0)) for way in (SAVED, "bare"))
            change = next(ends) - next(ends)
            word = embedded_statements.resolved(change)
            texts.append(f"On *{label}* it changes FID by {intervals.changed(change, 2)}, {word}.")
    return " ".join(texts) or NOTHING


def unseen(of: Mapping[str, pd.DataFrame]) -> str:
    """Sentences, one a pair: the share of the move that E does not see, embedded minus plain and minus naive."""
    texts = []
    for label, frame in of.items():
        if frame["seed"].nunique() > 1:
            last = frame.loc[frame["method"] == "plain", "setting"].max()
            gaps = (_minus(frame, "unseen", "embedded", other, last) for other in ("plain", "naive"))
            plain, naive = (f"{intervals.changed(gap, 3)} ({_side(gap)})" for gap in gaps)
            texts.append(f"On *{label}* it is {plain} beside the cost of pixels, and {naive} beside the naive ascent.")
    return " ".join(texts) or NOTHING


def _side(values: pd.Series) -> str:
    """Larger, smaller or not resolved, by the interval of a difference."""
    word = embedded_statements.resolved(values)
    return word if word != "resolved" else "larger" if values.mean() > 0 else "smaller"


def printed_table(of: Mapping[str, pd.DataFrame]) -> str:
    """Markdown: the report's Table 1 and Figures 2, 6 and 7 beside ours; a dash where no number can be read there."""
    rows = []
    for place, keys, row in PRINTED_ROWS:
        print_ = (f"{paper.value(f's1.{key}').value:g}" if key else "-" for key in keys)
        ours = (
            " / ".join(f"{embedded_statements.at(frame, q, row).mean():.{digits}f}" for q, digits in SCORED)
            for frame in of.values()
        )
        rows.append([place, " / ".join(print_), *ours])
    return tables.markdown(["FID / recall / precision", "report", *of], rows)


def statement_table(frame: pd.DataFrame) -> str:
    """Markdown: every statement of the report, what was measured over trainings, and the verdict."""
    found = embedded_statements.verdicts(frame)
    rows = []
    for each in paper.statements("s1"):
        verdict, note = found[each.id], QUALIFIED.get(each.id)
        word = f"{verdict.word}; {note}" if note and verdict.measured != "-" else verdict.word
        rows.append([each.says, each.place.partition(", ")[2], verdict.measured, word])
    return tables.markdown(["the report says", "in", "measured", "verdict"], rows)


def way_table(frame: pd.DataFrame, ways: Iterable[tuple[str, float]], columns: Iterable[str] = JUDGED) -> str:
    """Markdown: ways at their settings, values of the samples that were not moved and changes of all others."""
    columns = tuple(columns)
    rows = [
        [way, "-" if way in UNMOVED else f"{setting:g}", *(_cell(frame, (way, setting), column) for column in columns)]
        for way, setting in ways
    ]
    heads = [HEADS.get(column) or SCORES[column].label for column in columns]
    return tables.markdown(["way", "updates", *heads], rows)


def _cell(frame: pd.DataFrame, cell: tuple[str, float], column: str) -> str:
    """A value with its interval; of a score of moved samples, its change from bare."""
    values = embedded_statements.at(frame, column, cell)
    digits = DIGITS[column] if column in DIGITS else SCORES[column].digits
    if column in HEADS or cell[0] == "bare":
        return intervals.shown(values, digits)
    return intervals.changed(embedded_statements.change(frame, column, cell), digits)


def embedded_table(frame: pd.DataFrame) -> str:
    """Markdown: the five costs in target space after the last update, with what moved."""
    last = frame.loc[frame["method"] == "plain", "setting"].max()
    columns = ("fid", "precision", "recall", "changed", "D", "moved", "features", "unseen")
    return way_table(frame, [("bare", 1.0), *((way, last) for way in EMBEDDED)], columns)


def audit_table(frame: pd.DataFrame) -> str:
    """Markdown: FID of Figure 4 as read off the print, and ours by anchor and D; precision and recall with ON."""
    shown = [("fid", way, 1) for way in AUDITED.values()] + [(q, ON, 3) for q in ("precision", "recall")]
    rows = []
    for step in (0, *embedded_statements.CURVE):
        cells = [(q, (way, step) if step else embedded_statements.BARE, digits) for q, way, digits in shown]
        ours = (intervals.shown(embedded_statements.at(frame, q, cell), digits) for q, cell, digits in cells)
        rows.append([step, f"{paper.value(f's1.fig4.u{step}.fid').value:.0f}", *ours])
    heads = [f"FID, {name}" for name in AUDITED] + [f"{q}, {next(iter(AUDITED))}" for q in ("precision", "recall")]
    return tables.markdown(["updates", "report, FID of Figure 4", *heads], rows)


def shrink_table(frame: pd.DataFrame) -> str:
    """Markdown: precision and recall of latents that were only scaled, beside those drawn to another latent."""
    ways = [("latents shrunk", scale) for scale in embedded_moves.SCALES]
    other = [(way, embedded_moves.LATENT[-1]) for way in SHRINKING.values()]
    return way_table(frame, [("bare", 1.0), *ways, *other]).replace("| updates |", "| scale or updates |")


def space_table(frame: pd.DataFrame) -> str:
    """Markdown: precision, recall and silhouette of the same images by representation, beside the print."""
    printed = {"pixels": "s1.pixels", "E": "s1.vgg5"}
    rows = []
    for space in embedded_statements.SPACES:
        of = [embedded_statements.at(frame, q, (f"in {space}", 1.0)) for q in ("precision", "recall", "separation")]
        key = printed.get(space)
        print_ = " / ".join(f"{paper.value(f'{key}.{q}').value:.2f}" for q in ("precision", "recall")) if key else "-"
        rows.append([space, print_, *(intervals.shown(values, 3) for values in of)])
    return tables.markdown(["space", "report, precision / recall", "precision", "recall", "silhouette"], rows)


def audit_texts(frame: pd.DataFrame) -> dict[str, str]:
    """What the text says: correlation with the printed curve, shares of the rise and of samples."""
    audit = embedded_statements.audit(frame)
    shown = {"replaced": audit.changed, "share": audit.share, "correlation": audit.correlation}
    return {key: intervals.shown(values, 2) for key, values in shown.items()}


# --- pictures -----------------------------------------------------------------------------------


def audit_figure(frame: pd.DataFrame) -> Figure:
    """FID in target space and in latent space along the updates, by anchor and discriminator."""
    panels = {}
    for title, ways in (("target space", AUDITED), ("latent space", SHRINKING)):
        panels[title] = ("FID", embedded_statements.curves(frame, "fid", ways))
    panels["latent space, precision"] = ("share", embedded_statements.curves(frame, "precision", SHRINKING))
    return curve_plots.histories(panels, xlabel="updates")


def embedded_figure(frame: pd.DataFrame) -> Figure:
    """FID, precision, recall and label changes along the updates of the costs in target space."""
    ways = {way: way for way in EMBEDDED}
    shown = {
        "FID": ("squared feature units", "fid"),
        "precision": ("share", "precision"),
        "recall": ("share", "recall"),
        "another class": ("share", "changed"),
    }
    return curve_plots.histories(
        {title: (unit, embedded_statements.curves(frame, q, ways)) for title, (unit, q) in shown.items()},
        xlabel="updates",
    )


def strip(run: Run, name: str, rows: int = FOLLOWED) -> tuple[np.ndarray, list[int]]:
    """Images of a way, (settings + 1, rows, C, H, W) uint8, from the bare samples on, and its settings from 0 on."""
    (way,) = (each for each in embedded_moves.ways(run.profile) if each.name == name)
    z = image_pairs.latents(run.pair, run.settings, run.seed, 0)[:rows].to(run.pair.device)
    with torch.no_grad():
        frames = [run.pair.generate(z), *(x for _, x in embedded_moves.path(run, way, z))]
    pixels = np.stack([images.to_uint8(x.cpu()).numpy() for x in frames])
    return pixels, [0, *(int(setting) for setting in way.settings)]


def lengths(run: Run, rows: int = 100) -> dict[str, np.ndarray]:
    """Plain and embedded: of each sample how far its pixels and its features of E have moved, (rows, 2)."""
    z = image_pairs.latents(run.pair, run.settings, run.seed, 0)[:rows].to(run.pair.device)
    found = {}
    for way in embedded_moves.ways(run.profile):
        if way.name in ("plain", "embedded"):
            *_, (_, x) = embedded_moves.path(run, way, z)
            with torch.no_grad():
                y = run.pair.generate(z)
                both = [(x - y).flatten(1), run.E(x) - run.E(y)]
            found[way.name] = np.stack([part.norm(dim=1).cpu().numpy() for part in both], 1)
    return found


def lengths_figure(run: Run) -> Figure:
    """`lengths` as two panels: pixels across, features up."""
    found = lengths(run)
    reach = 1.05 * max(float(points.max()) for points in found.values())
    return toy_plots.panels({f"{name}: pixels, features": points for name, points in found.items()}, limits=(0, reach))


def planes_figure(run: Run) -> Figure:
    """t-SNE of real images in each representation, coloured by label; the same images in every panel."""
    spaces, count = embedded_moves.by_extractor(run), 60 if run.profile == "smoke" else PLANE
    rows = torch.randperm(len(next(iter(spaces.values())).real), generator=generator(run.seed, "plane"))[:count]
    planes = {name: extractors.tsne(space.real[rows], run.seed) for name, space in spaces.items()}
    return toy_plots.labelled(planes, next(iter(spaces.values())).labels[rows].numpy())
