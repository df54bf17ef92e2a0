"""Planted trainings of WGANs: what their records and tables hold, for the tests of statements and page."""

import pandas as pd

from dotlib.evaluation import wgan
from dotlib.evaluation.wgan_statements import FREE, GP, SN, Runs
from dotlib.metrics.scores import IMAGE_SCORES

JITTER = (-0.01, 0.0, 0.01, 0.005, -0.005)  # of a training; small beside every planted effect
# (method, setting) -> what it changes in precision, recall, FID; all other ways change nothing
EFFECTS = {
    ("printed, squared", 0.005): (0.05, 0.0, -0.2),
    ("printed, squared", 0.05): (0.10, -0.05, -0.5),
    ("printed, squared", 0.5): (0.25, -0.40, 9.0),
    ("best", 1.0): (0.10, -0.05, -0.5),
    ("target, program", 0.08): (0.0, 0.0, -0.3),
    ("target, program", 0.13): (0.0, 0.0, 4.0),
    ("bare, saved in [-1, 1]", 1.0): (-0.2, -0.3, 17.0),
    ("coupled", 64): (0.01, 0.0, -0.1),
}


def lines(seed, pair=GP, effects=None):
    """The tidy lines of one training, two sets and one judge."""
    effects, e, rows = EFFECTS if effects is None else effects, JITTER[seed], []
    ways = [(way.name, way.setting) for way in wgan.ways(whole=True)] + [("real", 1.0)]
    for method, setting in ways:
        precision, recall, fid = effects.get((method, setting), (0.0, 0.0, 0.0))
        for number in (0, 1):
            line = dict.fromkeys((*IMAGE_SCORES, *wgan.EXTRA), 0.5) | {"method": method, "setting": setting}
            line |= {"set": number, "judge": "classifier 0", "evaluations": 1, "D": 2.0, "moved": 0.1}
            line |= {"precision": 0.6 + precision + e, "recall": 0.8 + recall * (1 + e), "fid": 6 + fid * (1 + e) + e}
            rows.append(line | {"labels": 9.8 + e, "dataset": f"digits-{pair}", "seed": seed})
    return rows


def constants(seed, pair=GP, K=0.3, slope=1.05):
    """What the record of one training holds beside its table."""
    e = 1 + JITTER[seed]
    rows = [("K_eff", n, K * e * (1 + 0.2 * at)) for at, n in enumerate(wgan.PAIRS)]
    rows += [("k_eff", n, K * e / 2 * (1 + 0.1 * at)) for at, n in enumerate(wgan.PAIRS)]
    for update, share in ((1_000, 0.5), (3_000, 1.0)):
        rows += [("norm K_eff", update, K * e * share), ("norm slope", update, slope * e * share)]
        rows += [("norm largest slope", update, 1.2 * slope * e * share)]
    rows += [("product of norms", "", 1.0 if pair == SN else 40.0)]
    return [{"pair": pair, "seed": seed, "quantity": q, "setting": s, "value": v} for q, s, v in rows]


def planted(seeds=5, effects=None, slope=1.05):
    """Trainings with each constraint: a penalty with this slope, a normalisation with slopes below 1, and none."""
    pairs = (GP, SN, FREE)
    table = [line for pair in pairs for seed in range(seeds) for line in lines(seed, pair, effects)]
    of = [(GP, 0.3, slope), (SN, 0.1, 0.5), (FREE, 3.0, 20.0)]
    rows = [row for pair, K, s in of for seed in range(seeds) for row in constants(seed, pair, K, s)]
    return Runs(pd.DataFrame(table), pd.DataFrame(rows))
