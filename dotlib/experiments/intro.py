"""The first page: every item of the paper, and what the records say of it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from dotlib.evaluation import recording
from dotlib.results import paper, records
from dotlib.training.settings import changed_from_published, pair_names, toy_training

STEPS = (("page", "*"), ("record", "*"))

DATASETS = {"digits: ": "digits", "MNIST: ": "mnist", "CIFAR-10: ": "cifar10", "STL-10: ": "stl10"}
IMAGES = {label: [dataset] for label, dataset in DATASETS.items()}
ROWS = {label: pair_names(dataset) for label, dataset in DATASETS.items()}
DONE = (  # item, its page and experiment, label of a run -> data sets of its records
    ("Theorems 1 and 2", "theorems", {"": ["both"]}),
    ("Figure 3, 25 Gaussians", "fig3_toy", {"": ["25gaussians"], "authors' weights: ": ["25gaussians-authors"]}),
    ("Figure 3, swissroll", "fig3_toy", {"": ["swissroll"], "authors' weights: ": ["swissroll-authors"]}),
    ("Table 1, inception score and FID", "tab1_scores", ROWS),
    ("Table 2, one G with each D", "tab2_swap", IMAGES),
    ("Tables of B.2, k = 1 against k_eff", "keff", IMAGES),
    ("Figure 2, constants along training", "fig2_training", IMAGES),
    ("Histories of B.2, Figures 9 to 11", "fig9_histories", IMAGES),
    ("Figure 4, data space against latent space", "fig4_spaces", IMAGES),
    ("Algorithm 2, anchor and projection", "projection", IMAGES),
    ("Table 7, MH-GAN", "tab7_mhgan", ROWS),
    ("Runtimes of B.3", "runtimes", {"": ["all"]}),
)
USED = (  # item, page, how the book uses it
    ("Algorithm 1, data space", "executed/fig3_toy", "used as published"),
    ("Algorithm 3, conditional", "book/differences", "in the package, no page yet"),
    ("Tables 5 and 6, Figures 6 to 8, image networks", "executed/tab1_scores", "reduced width, see page"),
)
MISSING = dict.fromkeys(
    ("Figure 1, ImageNet samples", "Figure 5, conditional samples", "Table 3, ImageNet"),
    "no conditional pair in the book yet",
)


def verdicts(stem: str, runs: Mapping[str, Iterable[str]], profiles: Iterable[str], folder: Path, seed: int = 0) -> str:
    """Verdicts of an experiment's records, counted, by label of `runs`; images that are copies in brackets."""
    texts = []
    for label, datasets in runs.items():
        keys = [(dataset, profile) for dataset in datasets for profile in profiles]
        candidates = (records.find(stem, dataset=d, profile=p, seed=seed, folder=folder) for d, p in keys)
        stored = [record for record in candidates if record]
        words = paper.counted(word for record in stored for word in record.verdicts.values())
        copies = sorted({copy for record in stored for copy in recording.copies(record)})
        if words:
            texts.append(label + words + "".join(f" [{copy}]" for copy in copies))
    return "; ".join(texts) or "-"


def networks(profile: str) -> str:
    """How the networks of Table 4 are used in a profile."""
    changed = changed_from_published(toy_training("25gaussians", profile))
    widths = {name[-1]: changed[name] for name in ("width_G", "width_D") if name in changed}
    texts = [f"{name} {here} units wide instead of {published}" for name, (published, here) in widths.items()]
    return "; ".join(texts) or "used as published"


def map_rows(profile: str, seed: int, trainings: Mapping[str, str] | None = None) -> list[list[str]]:
    """Item, page, verdicts of the committed records, verdicts of this build: a row for each item of the paper.

    `trainings` has what is said over trainings, by experiment; it stands before the verdicts of single pairs.
    """
    rows = []
    for item, stem, runs in DONE:
        kept = verdicts(stem, runs, ("paper", "laptop"), records.KEPT)
        if over := (trainings or {}).get(stem):
            kept = f"over trainings: {over}" + (f"; single pairs: {kept}" if kept != "-" else "")
        rows.append([item, f"{{doc}}`/executed/{stem}`", kept, verdicts(stem, runs, [profile], records.BUILT, seed)])
    used = (("Table 4, 2-D networks", "executed/fig3_toy", networks(profile)), *USED)
    rows += [[item, f"{{doc}}`/{page}`", "-", note] for item, page, note in used]
    return rows + [[item, "-", "-", f"not attempted ({reason})"] for item, reason in MISSING.items()]
