"""What Figure 3's numbers can show: the same transport under other readings and settings."""

from collections.abc import Iterator, Mapping

import numpy as np

from dotlib.evaluation import point_quality
from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.figure3_audit import COSTS, PUBLISHED, RANKED, READINGS, SHARES, printed_constants
from dotlib.results import tables
from dotlib.results.records import KEPT, Record, Row, find
from dotlib.training.settings import toy_datasets

STEPS = (("pair", "25gaussians-wgan-gp"), ("pair", "swissroll-wgan-gp"))

CLAIMED = ("not worse", "worse", "better")  # what Figure 3 says of them

Runs = Mapping[str, Record]  # name of a pair -> its record


def with_kept(runs: Runs, dataset: str) -> dict[str, Record]:
    """Runs of this build, and the committed ones of the authors' weights that it has not made: name -> record."""
    names = (f"{name}-authors" for name in toy_datasets(dataset))
    kept = {name: find("fig3_audit", profile="paper", dataset=name, folder=KEPT) for name in names if name not in runs}
    return {**runs, **{f"{name}, recorded": record for name, record in kept.items() if record}}


def _readings(runs: Runs) -> Iterator[tuple[str, Record, str, Row]]:
    """Name of a pair, its record, the name of a reading, and the row of its floor."""
    for name, record in runs.items():
        for floor in record.rows(method="real", against=""):
            if floor.quantity in COSTS:
                yield name, record, f"{COSTS[floor.quantity][0]}, {floor.setting}", floor


def readings_table(runs: Runs) -> str:
    """Markdown: the EMDs of each reading."""
    rows = []
    for name, record, reading, floor in _readings(runs):
        of_methods = (record.get(floor.quantity, method=method, setting=floor.setting) for method in toy_pairs.METHODS)
        digits = 4 if floor.quantity == "energy_distance" else 3
        texts = (tables.plus_minus(row.value, row.sd, digits) for row in (floor, *of_methods))
        rows.append([f"{name}, {reading}", floor.n, *texts])
    return tables.markdown(["reading", "trials", "real points", "G", "DOT", "naive"], rows)


def differences(runs: Runs) -> dict[str, tuple[float, float, float]]:
    """Low end, mean and high end of each difference of EMD to G's, by its label."""
    ends = {}
    for name, record, reading, floor in _readings(runs):
        for method in ("dot", "naive"):
            row = record.get(floor.quantity, method=method, setting=floor.setting, against="g")
            ends[f"{name}, {toy_pairs.NAMES[method]}: {reading}"] = row.interval[0], row.value, row.interval[1]
    return ends


def verdict_table(runs: Runs) -> str:
    """Markdown: how each reading ranks the methods, below what Figure 3 claims."""
    claims = [f"{toy_pairs.NAMES[first]} against {toy_pairs.NAMES[second]}" for first, second in RANKED]
    rows = [
        [f"{name}, {reading}", floor.n, *(record.verdicts[f"{reading}: {claim}"] for claim in claims)]
        for name, record, reading, floor in _readings(runs)
    ]
    return tables.markdown(["reading", "trials", *claims], [["*Figure 3 claims*", "", *CLAIMED], *rows])


def floor_share(runs: Runs, sampling: str) -> str:
    """Floor over EMD of G on the 25 Gaussians with the squared cost, in words; a dash without that set."""
    for name, record, _, floor in _readings(runs):
        if name.startswith("25gaussians") and (floor.quantity, floor.setting) == ("emd_sqeuclidean", sampling):
            return f"{floor.value / record.get(floor.quantity, method='g', setting=sampling).value:.0%}"
    return "-"


def quality_table(runs: Runs) -> str:
    """Markdown: the measures of the points themselves."""
    digits = {"near": 3, "covered": 1, "spread": 2, "log_density": 1}
    rows = []
    for name, record in runs.items():
        for method in ("real", *toy_pairs.METHODS):
            measured = {row.quantity: row for row in record.rows(method=method, against="") if row.quantity in digits}
            cells = [
                tables.plus_minus(measured[key].value, measured[key].sd, places) if key in measured else "-"
                for key, places in digits.items()
            ]
            rows.append([f"{name}, {toy_pairs.NAMES[method]}", *cells])
    heads = ["points", "share within 4 sigma", "modes covered", "spread, in sigma", "mean log density, nats"]
    return tables.markdown(heads, rows)


def _interventions(record: Record) -> dict[str, list[Row]]:
    """Label of an intervention -> its differences in the order of READINGS."""
    labels = [*map(point_quality.real_between, SHARES), point_quality.ONTO_MODES]
    compared = {label: [row for row in record.rows(method=label) if row.against] for label in labels}
    return {label: rows for label, rows in compared.items() if rows}


def intervention_table(runs: Runs) -> str:
    """Markdown: what each intervention adds to the EMD of every reading."""
    rows = [
        [f"{name}, {label}", *(tables.change(row.value, row.interval, 4) for row in differences)]
        for name, record in runs.items()
        for label, differences in _interventions(record).items()
    ]
    heads = [f"{COSTS[f'emd_{cost}'][0]}, {sampling}" for cost, sampling in READINGS]
    return tables.markdown(["change", *heads], rows)


def mechanism(runs: Runs) -> str:
    """What the interventions show, a sentence for each pair with modes; a dash without one."""
    sentences = []
    for name, record in runs.items():
        for label, rows in _interventions(record).items():
            if label in (point_quality.real_between(SHARES[-1]), point_quality.ONTO_MODES):
                of = {(row.quantity, row.setting): row for row in rows}
                told = (
                    f"{COSTS[key[0]][0]}, {key[1]}: {_moves(of[key])}"
                    for key in (("emd_sqeuclidean", "random"), ("emd_euclidean", "random"))
                )
                sentences.append(f"- {name}, {label}: {'; '.join(told)}.")
    return "\n".join(sentences) or "-"


def _moves(row: Row) -> str:
    low, high = row.interval
    word = "does not move beyond its interval" if low <= 0 <= high else "falls" if high < 0 else "rises"
    return f"{word}, {tables.change(row.value, row.interval, 4)}"


def by_pairs(runs: Runs) -> tuple[dict[str, list[float]], dict[str, np.ndarray]]:
    """K_eff against the number of pairs, (counts,) each: name of a pair -> means, and its standard deviations."""
    curves = {name: list(record.rows(quantity="K_eff_by_pairs")) for name, record in runs.items()}
    means = {name: [row.value for row in curve] for name, curve in curves.items()}
    return means, {name: np.array([row.sd for row in curve]) for name, curve in curves.items()}


def law_table(runs: Runs) -> str:
    """Markdown: the law of K_eff by the recipe, and where the printed constants lie in it."""
    rows = []
    for name, record in runs.items():
        maximum, law = record.get("K_eff_maximum"), record.get("K_eff_law")
        cells = [f"{maximum.n:,}", tables.plus_minus(maximum.value, maximum.sd, 2)]
        cells.append(f"{law.interval[0]:.2f} to {law.interval[1]:.2f}")
        tails = {row.method: f"{row.value:.2g}" for row in record.rows(quantity="K_eff_tail")}
        for source, K in zip(("paper", "notebook"), printed_constants(record), strict=True):
            cells.append(f"{K:.2f}: {tails[source]}" if source in tails else "-")
        rows.append([name, *cells])
    heads = ["set", "repeats", "one maximum", "mean of ten, 95 % of its law", "paper: tail", "released notebook: tail"]
    return tables.markdown(heads, rows)


def constants_table(runs: Runs) -> str:
    """Markdown: the published constants beside ours."""
    rows, most = [], 0
    for name, record in runs.items():
        *_, last = record.rows(quantity="K_eff_by_pairs")
        most = int(last.setting)
        numbers = *printed_constants(record), record.get("K_eff").value, last.value, record.get("gradient_norm").value
        rows.append([name, *(f"{K:.2f}" for K in numbers)])
    ours = ("recipe", f"{most:,} pairs", "gradient norm")
    heads = ["set", "paper", "released notebook", *(f"this pair, {head}" for head in ours)]
    return tables.markdown(heads, rows)


def settings_table(runs: Runs) -> str:
    """Markdown: W1 of each setting, its paired difference to the published one, and its moves."""
    rows = []
    for name, record in runs.items():
        for row in record.rows(quantity="W1", against=""):
            label, change = row.setting, "-"
            if label != PUBLISHED:
                difference = record.get("W1", method="dot", setting=label, against=PUBLISHED)
                low, high = difference.interval
                change = f"{difference.value:+.4f} ({low:+.4f}, {high:+.4f})"
            length, outside = (record.get(key, method="dot", setting=label).value for key in ("length", "outside"))
            cells = [tables.plus_minus(row.value, row.sd), change, f"{length:.3f}", f"{outside:.4f}"]
            rows.append([f"{name}, {label}", *cells])
    heads = ["setting", "W1 to the data", "minus as published (95 %)", "mean move", "share beyond 2"]
    return tables.markdown(heads, rows)
