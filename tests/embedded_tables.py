"""Synthetic tidy tables of trainings for the page on embedded DOT, with planted effects."""

import numpy as np
import pandas as pd

from dotlib.evaluation import embedded_moves

NAME = "digits-resnet-sagan-hi"
ZERO = dict.fromkeys(("D", "moved", "features", "unseen", "changed", "confidence", "fid", "precision", "recall"), 0.0)


def as_reported(method, setting, quantity):
    """A story in which every statement of the report is true."""
    latent, embedded = method.startswith("latent"), method.startswith("embedded")
    target = method.startswith("target")
    value = {"fid": 18.0, "precision": 0.5, "recall": 0.4, "confidence": 0.8}.get(quantity, 0.0)
    if quantity == "fid" and latent:
        value = {1: 15.0, 5: 11.0, 10: 11.5, 20: 12.0}.get(setting, 18.0) - 2.0 * (method == "latent, k = 1")
    elif quantity == "fid" and target:
        value = {1: 14.0, 10: 41.0, 20: 71.0, 30: 27.0, 40: 15.0, 50: 14.0}[setting]
    elif quantity == "fid" and embedded:
        value += 0.2 * setting
    elif quantity == "precision":
        value += 0.01 * setting * latent - 0.001 * setting * embedded
    elif quantity == "recall":
        rise = {1: 0.2, 5: 0.15, 10: 0.12, 20: 0.1}
        value += rise.get(setting, 0) * latent + 0.05 * (embedded and setting == 20)
    elif quantity == "confidence":
        value += 0.005 * setting * latent
    elif quantity == "changed" and method != "bare":
        slow = method in ("embedded", "embedded, K_E")
        value = min(0.95, setting * (0.018 if target else 0.001 if slow else 0.002))
    elif quantity == "D" and method != "bare":
        value = 0.02 * setting
    return value


def changed(quantity, ways, value):
    """`as_reported`, with another value of one quantity, by setting, in the ways whose names begin so."""

    def story(method, setting, of):
        if of == quantity and method.startswith(ways):
            return value(setting)
        return as_reported(method, setting, of)

    return story


def table(story=as_reported, seeds=5, noise=0.001, better=1.0):
    draw, lines = np.random.default_rng(0), []
    for seed in range(seeds):
        for way in embedded_moves.ways():
            for setting in way.settings:
                values = {q: story(way.name, setting, q) + noise * draw.normal() for q in ZERO}
                base = {"dataset": NAME, "seed": seed, "set": 0, "method": way.name, "setting": float(setting)}
                lines += [base | ZERO | values | {"judge": judge} for judge in ("a", "b")]
        spaces = {"in pixels": (0.6, 0.3, 0.1), "in E": (0.6 + 0.2 * better, 0.3 + 0.4 * better, 0.1 + 0.4 * better)}
        for method, values in spaces.items():
            scores = dict(zip(("precision", "recall", "separation"), values, strict=True))
            lines.append({"dataset": NAME, "seed": seed, "set": 0, "method": method, "setting": 1.0, "judge": "-"}
                         | {q: v + noise * draw.normal() for q, v in scores.items()})  # fmt: skip
    return pd.DataFrame(lines)
