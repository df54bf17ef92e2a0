"""Synthetic tidy tables of generators moved by many discriminators, with planted effects."""

import numpy as np
import pandas as pd

from dotlib.evaluation import over_trainings, table2_trainings
from dotlib.training.settings import ROWS

A, B = "dcgan-sagan-hi", "dcgan-wgan-gp"
OTHERS = [f"D of {row}" for row in ROWS]
NOISE = 0.05 * np.array([2.0, -1.0, 0.5, -0.5, -1.0])  # of five trainings, mean 0


def table(change, *, generators=(A, B), noise=NOISE, sets=2, judges=3):
    """Lines of trainings in which FID changes by change(G, method) + noise; other scores rise as it falls."""
    lines = []
    for row in generators:
        step = over_trainings.published(f"digits-{row}")
        for seed, shift in enumerate(noise):
            for number in range(sets):
                for judge in range(judges):
                    base = {"dataset": f"digits-{row}", "seed": seed, "set": number, "judge": str(judge)}
                    level = 12.0 + judge + 0.1 * number
                    values = {"bare": (1.0, level), "real": (1.0, level - 10.0)}
                    values |= {m: (step, level + change(row, m) + shift) for m in ["own D", *OTHERS]}
                    for method, (setting, fid) in values.items():
                        scores = {q: fid if q == "fid" else 50 - fid for q in table2_trainings.QUANTITIES}
                        lines.append(base | {"method": method, "setting": setting} | scores)
    return pd.DataFrame(lines)


def planted(row, method):
    """The G of A gets better under all but one; that of B worse under two."""
    if row == A:
        return 0.0 if method == f"D of {B}" else -2.0
    return 1.0 if method in OTHERS[:2] else 0.0
