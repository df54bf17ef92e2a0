"""Synthetic tidy tables of many trainings, with planted effects."""

import numpy as np
import pandas as pd

from dotlib.evaluation import over_trainings

PAIRS = ("digits-dcgan-sngan-ns", "digits-resnet-sagan-ns")
FLOOR, BARE = 2.0, 12.0


def table(naive, dot, *, noise=0.0, seeds=5, judges=3, sets=2, level=1.0, rng=0):
    """Lines of "bare", "real", "naive", "DOT": FID falls by `naive` and `dot`; `level` is how far judges lie apart."""
    draw, lines = np.random.default_rng(rng), []
    for pair in PAIRS:
        step = over_trainings.published(pair)
        for seed in range(seeds):
            shift = {"naive": naive + noise * draw.normal(), "DOT": dot + noise * draw.normal()}
            for number in range(sets):
                for judge in range(judges):
                    base = {"dataset": pair, "seed": seed, "set": number, "judge": str(judge)}
                    offset = level * judge + 0.3 * number
                    lines.append(
                        base | {"method": "bare", "setting": 1.0, "D": 0.0, "moved": 0.0, "fid": BARE + offset}
                    )
                    lines.append(
                        base | {"method": "real", "setting": 1.0, "D": 9.0, "moved": 0.0, "fid": FLOOR + offset}
                    )
                    for method, fall in shift.items():
                        for share in (0.5, 1.0, 2.0):
                            D = share * (4.0 if method == "naive" else 2.0)
                            values = {"D": D, "moved": D / 10, "fid": BARE + offset - share * fall}
                            lines.append(base | {"method": method, "setting": share * step} | values)
    return pd.DataFrame(lines)
