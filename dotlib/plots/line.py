"""Theorem 1 on a line, in closed form: a dual function, the cone over a sample, the segment of minimisers."""

import numpy as np

from dotlib.plots.interactive import Control, Interactive, Mark, Number, Panel, Table
from dotlib.plots.style import BLUE, PURPLE, VERMILION

SAMPLES, TRAINING = np.array([0.0, -2.0]), np.array([2.0, -3.0])  # the plan sends each sample to its training point
HEIGHTS = np.array([0.0, -1.0])  # of the dual function over the training points
K = {"too small, 1/2": 0.5, "right, 1": 1.0, "too large, 2": 2.0}  # the Lipschitz constant is 1
ENDS = (-4.5, 3.5)
POSITIONS = np.linspace(0, 1, 21)  # of the slider


def dual(x: np.ndarray) -> np.ndarray:
    """``D*(x) = max_i (u_i - |x - x_i|)``: 1-Lipschitz, and optimal in [DOT19] eq. (14) for these points."""
    return (HEIGHTS - np.abs(np.asarray(x)[..., None] - TRAINING)).max(-1)


def segment() -> Interactive:
    """For the sample y = 0: ``D*/K`` against the cone ``|x - y|``, and the objective of eq. (16), under t and K."""
    y, image, constants = SAMPLES[0], TRAINING[0], np.array(list(K.values()))
    x = np.sort(np.r_[np.linspace(*ENDS, 161), y, image])
    rise = (dual(x) - dual(y)) / constants[:, None]  # (K, x)
    at = (1 - POSITIONS) * y + POSITIONS * image  # (t,)
    rise_at = (dual(at) - dual(y)) / constants[:, None]  # (K, t)
    objective, objective_at = np.abs(x - y) - rise, np.abs(at - y) - rise_at
    curve = np.stack([np.broadcast_to(x, rise.shape), rise], 2)
    above = np.stack([np.broadcast_to(x, rise.shape), objective], 2)
    places = np.broadcast_to(at, rise_at.shape)
    point, value = (np.stack([places, each], 2)[:, :, None] for each in (rise_at, objective_at))  # (K, t, 1, 2)
    both = ("K", "t")
    cone = (
        Mark("line", np.stack([x, np.abs(x - y)], 1), (), "the cone |x - y|", BLUE, 2),
        Mark("line", curve, ("K",), "(D*(x) - D*(y)) / K", PURPLE, 2),
        Mark("points", point, both, "x", VERMILION, 10),
    )
    minimum = (Mark("line", above, ("K",), "", PURPLE, 2), Mark("points", value, both, "", VERMILION, 10))
    rows = {
        "x": (Number(at, ("t",), 2),),
        "distance |x - y|": (Number(np.abs(at - y), ("t",), 2),),
        "(D*(x) - D*(y)) / K": (Number(rise_at, both, 2),),
        "objective minus its value at y": (Number(objective_at, both, 2),),
    }
    return Interactive(
        "one-dimension",
        "Left: the cone |x - y| over the sample y = 0, and the rise of the dual function divided by K. Right: their "
        "difference, the objective. A point x moves from y to T(y) = 2.",
        (
            Control("t", "x from y to T(y)", tuple(f"{t:.2f}" for t in POSITIONS), 10, slider=True, plays=True),
            Control("K", "K", tuple(K), 1),
        ),
        (
            Panel("D*/K under the cone", cone, ENDS, (-2.5, 4.5), "x, data units", "data units"),
            Panel("objective minus its value at y", minimum, ENDS, (-2.5, 4.5), "x, data units", "data units"),
        ),
        Table(("", "here"), rows),
    )
