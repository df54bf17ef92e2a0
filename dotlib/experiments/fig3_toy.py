"""What pages show of Figure 3: its records, its tables, its picture."""

from dataclasses import asdict

import numpy as np
from matplotlib.figure import Figure

from dotlib.evaluation import points as toy_pairs
from dotlib.evaluation.points import Figure3, figure3_settings
from dotlib.metrics import intervals
from dotlib.plots import points as toy_plots
from dotlib.results import paper, records, tables
from dotlib.training.settings import toy_datasets
from dotlib.transport import lipschitz

STEPS = (("move", "25gaussians"), ("move", "swissroll"))


def open_record(stem: str, pair: toy_pairs.ToyPair, c: Figure3, profile: str, seed: int) -> records.Record:
    """Start the record of one subject on one page; to be called before the work, which it times."""
    return records.start(
        stem,
        profile=profile,
        dataset=pair.name,
        seed=seed,
        parameters=asdict(c) | {"origin": pair.origin},
        weights=pair.digests,
    )


def fill_record(
    run: records.Record, pair: toy_pairs.ToyPair, K_eff: lipschitz.LipschitzEstimate, emd: dict[str, np.ndarray]
) -> None:
    """Put one row of Figure 3 into its record: K_eff, EMDs, paired differences, verdicts.

    emd:  method or "real" -> (trials,), squared data units.
    """
    run.put("K_eff", K_eff.value, sd=K_eff.std, n=len(K_eff.maxima), unit=toy_pairs.SLOPE)
    for method, values in emd.items():
        run.put_trials("emd", values, method=method, unit=toy_pairs.SQUARED)
    shown = {method: paper.value(f"fig3.{pair.dataset}.{method}.emd") for method in toy_pairs.METHODS}
    for method, number in shown.items():
        run.verdicts[f"EMD of {toy_pairs.NAMES[method]}"] = paper.verdict(
            run.get("emd", method=method).value, number, profile=run.profile
        )
    for better, worse, claim in toy_pairs.CLAIMS:
        interval = intervals.put_difference(
            run, "emd", emd[better], emd[worse], method=better, against=worse, unit=toy_pairs.SQUARED
        )
        run.verdicts[claim] = paper.verdict_on_order(shown[better], shown[worse], interval, profile=run.profile)


def picture(profile: str, seed: int = 0) -> Figure:
    """Both rows of Figure 3 from our own pairs, as the README shows them."""
    c = figure3_settings(profile)
    shown = {}
    for dataset in toy_datasets("both"):
        pair = toy_pairs.load(dataset, weights="trained", profile=profile, seed=seed)
        sets = toy_pairs.moved(pair, c, toy_pairs.constant(pair, c, seed).value, seed)
        shown[dataset] = {"real": toy_pairs.target(pair, c, seed, 0, "random")}
        shown[dataset] |= {method: points[0] for method, points in sets.items()}
    return toy_plots.rows(shown, toy_pairs.LIMITS)


def table(runs: dict[str, dict[str, records.Record | None]]) -> str:
    """Markdown: one row a set and method; the paper's number, then one column for each run.

    runs:  dataset -> label of a run -> its record, or None for a dash.
    """
    labels = list(next(iter(runs.values())))
    rows = []
    for dataset, columns in runs.items():
        for method in ("real", *toy_pairs.METHODS):
            shown = "-"
            if method != "real":
                number = paper.value(f"fig3.{dataset}.{method}.emd")
                shown = tables.plus_minus(number.value, number.sd)
            cells = [
                tables.plus_minus(row.value, row.sd) if (row := run and run.get("emd", method=method)) else "-"
                for run in columns.values()
            ]
            rows.append([f"{dataset}, {toy_pairs.NAMES[method]}", shown, *cells])
    return tables.markdown(["EMD", "paper", *labels], rows)


def verdict_table(runs: dict[str, records.Record]) -> str:
    """Markdown: one row a claim, one column a run."""
    claims = list(next(iter(runs.values())).verdicts)
    return tables.markdown(
        ["claim", *runs], [[claim, *(run.verdicts[claim] for run in runs.values())] for claim in claims]
    )
