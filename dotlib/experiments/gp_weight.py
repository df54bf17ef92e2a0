"""Choosing what the paper leaves open, by G's own score and before any transport.

The gradient-penalty weight of the 2-D experiment is stated nowhere. Each candidate is trained on
the `laptop` schedule, and the one whose G ends with the lowest EMD is taken. The same logs show how
long G keeps improving, which sets the length of the `laptop` training.
"""

from dataclasses import asdict, replace

import numpy as np

from dotlib.results import records
from dotlib.training import zoo
from dotlib.training.settings import toy_training

CANDIDATES = (0.1, 1.0, 10.0)  # 0.1: gan_toy; 10: official image code; 1 between
LAST_SCORES = 4  # the end of a training is the mean of its last scores, as G fluctuates


def gp_weight(dataset: str, *, profile: str = "laptop", seed: int = 0) -> records.Record:
    """Train every candidate on one 2-D set and record G's scores.

    Returns the record with `chosen`, the weight whose last scores have the lowest mean, and for
    each candidate the curve of G's EMD (squared data units) over the updates of G.
    """
    settings = {weight: replace(toy_training(dataset, profile, seed), gp_weight=weight) for weight in CANDIDATES}
    parameters = asdict(settings[CANDIDATES[0]]) | {"gp_weight": list(CANDIDATES), "last_scores": LAST_SCORES}
    record = records.start("gp_weight", profile=profile, dataset=dataset, seed=seed, parameters=parameters)
    ends = {}
    for weight, one in settings.items():
        trained = zoo.candidate(f"{dataset}-wgan-gp", one, profile)
        record.made["weights"][f"{weight:g}"] = trained.sha256
        scored = [row for row in trained.log if "emd_g" in row]
        last = [row["emd_g"] for row in scored[-LAST_SCORES:]]
        ends[weight] = float(np.mean(last))
        where: records.Where = {"method": "g", "pair": f"gp_weight {weight:g}"}
        for row in scored:
            record.put("emd", row["emd_g"], setting=row["update"], unit="squared data units", **where)
        record.put_trials("emd_last", last, unit="squared data units", **where)
    best, second = sorted(ends, key=lambda weight: ends[weight])[:2]
    record.put("chosen", best, unit="")
    record.put("margin", ends[second] - ends[best], unit="squared data units")
    return record
