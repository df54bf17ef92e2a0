"""Planted tables of conditional trainings."""

import numpy as np
import pandas as pd

from dotlib.evaluation import conditional
from dotlib.metrics.scores import SCORES

PAIR = "digits-cond-hi"
BARE = dict.fromkeys((*conditional.QUANTITIES, "D", "moved"), 10.0)
REAL = {quantity: 5.0 if SCORES[quantity].lower_is_better else 20.0 for quantity in BARE}


def table(change: float, *, noise: float = 0.0, k: float = 0.0, seeds: int = 3, pair: str = PAIR) -> pd.DataFrame:
    """Trainings whose scores change by `change` (IS and all that rises: minus that), DOT with k_eff(y) by k more."""
    draw, lines = np.random.default_rng(0), []
    for seed in range(seeds):
        of_training = change + noise * draw.normal()
        for number in range(4):
            for judge in range(2):
                base = {"dataset": pair, "seed": seed, "set": number, "judge": str(judge)}
                shift = {q: v + judge + 0.1 * number for q, v in BARE.items()}
                lines += [base | {"method": "bare", "setting": 1.0} | shift]
                lines += [base | {"method": "real", "setting": 1.0} | REAL]
                for way in conditional.ways({"D(x|y)": (1.0,), "D(x)": (1.0,)})[1:]:
                    for setting in way.settings:
                        fall = of_training + k * (way.name == "DOT")
                        moved = {q: v + (fall if SCORES[q].lower_is_better else -fall) for q, v in shift.items()}
                        lines += [base | {"method": way.name, "setting": float(setting)} | moved]
    return pd.DataFrame(lines)
