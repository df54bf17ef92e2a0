"""The first page: the map of the paper, the scorecard of its claims, the reports, a picture, and the ways to read."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation import scorecard
from dotlib.evaluation.scorecard import COLUMNS, ITEMS, UNTRAINED, Cell, Item, Line, OverTrainings
from dotlib.plots import points as toy_plots
from dotlib.results import paper, records, tables
from dotlib.training.settings import changed_from_published, toy_training

STEPS = (("page", "*"), ("record", "*"))

PUBLIC = "on the book's own pairs; on the paper's where DOTLIB_SNGAN has its public weights, see page"
USED = (  # item, page, how the book uses it
    ("Algorithm 1, data space", "fig3_toy", "used as published"),
    ("Algorithm 3, conditional", "tab3_conditional", "used as published"),
    ("Figure 1, ImageNet samples", "tab3_conditional", PUBLIC),
    ("Figure 5, conditional samples along the updates", "tab3_conditional", PUBLIC),
    ("Tables 5 and 6, Figures 6 to 8, image networks", "tab1_scores", "reduced width, see page"),
)
REPORTS = (  # report, page, what the book does
    (
        "Discriminator Optimal Transport",
        "embedded",
        "both algorithms, the audit of its curves, embedded DOT, each statement judged",
    ),
    ("Optimal Transport GAN", "otgan", "trained and measured over seeds, each statement judged"),
    ("DOT Applied to WGAN", "wgan_mnist", "trained and moved over seeds, each statement judged, three traps audited"),
)
DOORS = (  # what a reader wants, the pages for it in their order, each with a short name
    ("Learn the method", {"book/theory": "theory", "executed/fig3_toy": "Figure 3"}),
    (
        "Judge the evidence",
        {
            "executed/transport_matters": "the transport",
            "executed/tab1_scores": "Table 1",
            "executed/fig3_audit": "audit",
        },
    ),
    ("Use it on your GAN", {"executed/use_your_own_gan": "your own GAN"}),
    ("Learn to run it", {"book/run-in-batch": "in batch"}),
)
WORDS_A_MINUTE = 230  # read by an adult, silently; code and tables are skimmed
MOVING = "Animation: samples of 25 Gaussians under DOT on the left, and climbing D alone on the right"
SHOWN, FRAMES = 400, 25  # points of the moving picture, and its frames after the first


# --- the scorecard and the map ------------------------------------------------------------------------


def badge(word: str, stem: str, over: str = "trainings") -> str:
    """A verdict as a coloured word that leads to its page; with a dashed frame where it is about one training."""
    single = " .single" if over == "one training" else ""
    return f"[{word}]({stem}.ipynb){{.verdict .{word}{single}}}"


def scorecard_table(lines: Iterable[Line]) -> str:
    """Markdown: a word for each claim of the paper, and how many verdicts stand behind it on either side."""
    rows = [[badge(of.tally.word, of.stem), of.claim, of.on, " / ".join(map(str, of.tally))] for of in lines]
    heads = ["", "claim of the paper", "judged on", "for / against / open"]
    return tables.markdown(heads, rows).replace("--:", ":--")


def grid(over: OverTrainings, folder: Path = records.KEPT, built: Path = records.BUILT) -> str:
    """Markdown: a row for each item with numbers, a badge for each kind of data; columns without any are left out."""
    of = {item.title: scorecard.cells(item, over, folder, built) for item in ITEMS}
    columns = [column for column in COLUMNS if any(column in cells for cells in of.values())]
    rows = [[f"[{item.title}]({item.stem}.ipynb)", *_badges(item, of[item.title], columns)] for item in ITEMS]
    return tables.markdown(["item of the paper", *columns], rows).replace("--:", ":--")


def _badges(item: Item, cells: Mapping[str, Cell], columns: Iterable[str]) -> Iterable[str]:
    for column in columns:
        cell = cells.get(column)
        yield badge(scorecard.Tally.of(word for _, word in cell.words).word, item.stem, cell.over) if cell else ""


def map_rows(over: OverTrainings, profile: str, seed: int, folder: Path = records.KEPT) -> list[list[str]]:
    """Item, page, verdicts of the committed records, verdicts of this build: a row for each item of the paper.

    What is said over trainings stands before the words on one training each.
    """
    rows = []
    for item in ITEMS:
        told, single = paper.counted_by_label(over.get(item.title, {})), one_training(item, ("paper", "laptop"), folder)
        kept = "; ".join([f"over trainings: {told}"] * (told != "-") + [single] * (single != "-"))
        rows.append([item.title, _page(item.stem), kept or "-", one_training(item, [profile], records.BUILT, seed)])
    used = (("Table 4, 2-D networks", "fig3_toy", networks(profile)), *USED)
    return rows + [[title, _page(stem), "-", note] for title, stem, note in used]


def one_training(item: Item, profiles: Iterable[str], folder: Path, seed: int = 0) -> str:
    """The verdicts of an item's records in a folder, counted for each kind of data, or a dash.

    Each record is of one training, and the text begins so; images that are copies stand in brackets.
    """
    texts, profiles = [], list(profiles)
    for column, datasets in item.runs.items():
        words, copies = scorecard.recorded(item.stem, datasets, profiles, folder, seed)
        if words:
            texts.append(f"{column}: {paper.counted(words)}" + "".join(f" [{copy}]" for copy in copies))
    return ("" if item.stem in UNTRAINED else "one training: ") + "; ".join(texts) if texts else "-"


def networks(profile: str) -> str:
    """How the networks of Table 4 are used in a profile."""
    changed = changed_from_published(toy_training("25gaussians", profile))
    widths = {name[-1]: changed[name] for name in ("width_G", "width_D") if name in changed}
    texts = [f"{name} {here} units wide instead of {published}" for name, (published, here) in widths.items()]
    return "; ".join(texts) or "used as published"


def report_rows(recorded: Mapping[str, str]) -> list[list[str]]:
    """Report, page, what the book does with it, verdicts over the recorded trainings by experiment, or a dash."""
    return [[f"*{title}*", _page(stem), note, recorded.get(stem, "-")] for title, stem, note in REPORTS]


def _page(stem: str) -> str:
    return f"{{doc}}`/executed/{stem}`"


# --- the picture and the doors ----------------------------------------------------------------------------


def moving(profile: str, seed: int = 0, name: str = "25gaussians") -> bytes:
    """An animated GIF: samples of the pair of this build under DOT and under the naive ascent, over training points."""
    settings = toy_pairs.figure3_settings(profile)
    pair = toy_pairs.load_all(name, weights="trained", profile=profile, seed=seed)[name]
    K_eff = toy_pairs.constant(pair, settings, seed).value
    start = toy_pairs.moved(pair, toy_pairs.few(settings), K_eff, seed)["g"][0][:SHOWN]
    kept = tuple(range(0, settings.steps + 1, max(1, settings.steps // FRAMES)))
    paths = {
        method: toy_pairs.move(pair, start, K_eff, settings, method, snapshots=kept) for method in ("dot", "naive")
    }
    real = toy_pairs.target(pair, settings, seed, trial=0, sampling="random")
    points = {method: path.points.numpy() for method, path in paths.items()}
    return toy_plots.particles(points, paths["dot"].steps, real.numpy(), limits=toy_pairs.LIMITS[name])


def doors(root: Path = Path()) -> str:
    """Markdown: what a reader may want, the pages for it, and how many minutes it takes to read them."""
    texts = []
    for purpose, pages in DOORS:
        minutes = math.ceil(sum(words(root, page) for page in pages) / WORDS_A_MINUTE)
        links = ", ".join(f"{{doc}}`{name} </{page}>`" for page, name in pages.items())
        texts.append(f"- **{purpose}** ({minutes} min): {links}")
    return "\n".join(texts)


def words(root: Path, page: str) -> int:
    """How many words of prose the source of a page has, code and mathematics between fences left out."""
    folder, _, stem = page.partition("/")
    text = (root / {"executed": "notebooks"}.get(folder, folder) / f"{stem}.md").read_text(encoding="utf-8")
    prose = [part for at, part in enumerate(text.split("```")) if at % 2 == 0]
    return sum(len(part.split()) for part in prose)
