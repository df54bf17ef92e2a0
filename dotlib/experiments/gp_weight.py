"""Choosing what the paper leaves open, by G's own score and before any transport.

The gradient-penalty weight of the 2-D experiment is stated nowhere. Each candidate is trained on the `laptop` schedule,
and the one whose G ends with the lowest EMD is taken. The same logs show how long G keeps improving, which sets the
length of the `laptop` training.
"""

from dataclasses import asdict, replace

import numpy as np

from dotlib.evaluation.points import SQUARED
from dotlib.results import records
from dotlib.training import zoo
from dotlib.training.settings import toy_training

CANDIDATES = (0.1, 1.0, 10.0)  # 0.1: gan_toy; 10: official image code; 1 between
LAST_SCORES = 4  # the end of a training is the mean of its last scores, as G fluctuates


def gp_weight(dataset: str, *, profile: str = "laptop", seed: int = 0) -> records.Record:
    """Record the EMD of G along each candidate's training; "chosen" has the lowest mean of its last scores."""
    trainings = {weight: replace(toy_training(dataset, profile, seed), gp_weight=weight) for weight in CANDIDATES}
    parameters = asdict(trainings[CANDIDATES[0]]) | {"gp_weight": list(CANDIDATES), "last_scores": LAST_SCORES}
    record = records.start("gp_weight", profile=profile, dataset=dataset, seed=seed, parameters=parameters)
    ends = {}
    for weight, training in trainings.items():
        trained = zoo.candidate(f"{dataset}-wgan-gp", training, profile)
        record.made["weights"][f"{weight:g}"] = trained.sha256
        scored, pair = [row for row in trained.log if "emd_g" in row], f"gp_weight {weight:g}"
        for row in scored:
            record.put("emd", row["emd_g"], method="g", setting=row["update"], pair=pair, unit=SQUARED)
        last = [row["emd_g"] for row in scored[-LAST_SCORES:]]
        record.put_trials("emd_last", last, method="g", pair=pair, unit=SQUARED)
        ends[weight] = float(np.mean(last))
    best, second = sorted(ends, key=ends.__getitem__)[:2]
    record.put("chosen", best, unit="")
    record.put("margin", ends[second] - ends[best], unit=SQUARED)
    return record
