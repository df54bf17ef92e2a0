"""Two slips in a plane: the nearest point is not the transport, and the printed divisor makes no projection."""

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from dotlib.plots.interactive import Control, Interactive, Mark, Number, Panel, Table
from dotlib.plots.style import BLUE, GREEN, GREY, PURPLE, VERMILION

N = 40  # samples, and training points
FAR = np.arange(0, N + 1, 4)  # training points in the far cluster: positions of the slider
SPREAD, NEAR_CENTRE, FAR_CENTRE = 0.25, (1.5, 0.0), (3.0, 1.2)

DIMENSIONS = (2, 4, 16, 64, 128, 512)
ANGLES = (30, 60, 90, 120, 150)  # degrees between z and the direction that D rises in
UPDATES, RATE = 20, 0.03  # RATE in units of the root of d
LOST = 4  # radius, in the same units, at which a path ends
RULES = {"none": GREY, "tangent": GREEN, "printed": VERMILION}


def clusters() -> tuple[np.ndarray, np.ndarray]:
    """Samples (N, 2), and the training points of each position of the slider, (positions, N, 2)."""
    rng = np.random.default_rng(7)
    samples, near, far = (rng.normal(centre, SPREAD, (N, 2)) for centre in ((0, 0), NEAR_CENTRE, FAR_CENTRE))
    return samples, np.stack([np.r_[far[:m], near[m:]] for m in FAR])


def nearest() -> Interactive:
    """Each sample to its nearest training point, and each by the optimal plan, as the far cluster grows."""
    samples, training = clusters()
    costs = np.stack([cdist(samples, points) for points in training])  # (positions, N, N)
    to = {
        "nearest point": costs.argmin(2),
        "optimal transport": np.stack([linear_sum_assignment(cost)[1] for cost in costs]),
    }
    panels, rows = [], {}
    shares = np.zeros((3, len(FAR), 2))
    for at, (name, image) in enumerate(to.items()):
        ends = np.take_along_axis(training, image[..., None], 1)
        cut = np.full_like(ends, np.nan)
        ways = np.stack([np.broadcast_to(samples, ends.shape), ends, cut], 2).reshape(len(FAR), -1, 2)
        marks = (
            Mark("line", ways, ("far",), "", GREY, 1),
            Mark("points", samples, (), "samples", BLUE, 5),
            Mark("points", training, ("far",), "training points", PURPLE, 5),
        )
        panels.append(Panel(name, marks, (-1.0, 4.2), (-1.6, 2.6), "data units", "data units"))
        shares[0, :, at] = (image < FAR[:, None]).mean(1)
        shares[1, :, at] = [1 - len(set(each)) / N for each in image]
        shares[2, :, at] = np.take_along_axis(costs, image[..., None], 2).mean((1, 2))
    labels = ("share of samples in the far cluster", "share of training points without a sample", "mean distance")
    for label, values in zip(labels, shares, strict=True):
        rows[label] = tuple(Number(values[:, at], ("far",), 2) for at in range(2))
    return Interactive(
        "nearest-points",
        "Forty samples and two clusters of training points. Left: a line from each sample to the nearest training "
        "point. Right: lines of the optimal transport. The slider moves training points to the far cluster.",
        (Control("far", "share of the data in the far cluster", tuple(f"{m / N:.1f}" for m in FAR), 5, slider=True),),
        tuple(panels),
        Table(("", *to), rows),
    )


def path(rule: str, d: int, degrees: float) -> np.ndarray:
    """z / sqrt(d) along the updates of an ascent in a fixed direction, (UPDATES + 1, 2), from the sphere's top.

    Everything happens in the plane of z and that direction. With g the gradient, the update is
    ``z - rate (g - (g . z) z / s)``: s is ``|z|^2`` for the tangent part, sqrt(d) as [DOT19] Algorithm 2 prints it, and
    infinite for no projection. A path that is lost stays where it is.
    """
    angle, root = np.radians(degrees), np.sqrt(d)
    g = -np.array([np.sin(angle), np.cos(angle)])
    z = root * np.array([0.0, 1.0])
    places = [z]
    for _ in range(UPDATES):
        divisor = {"none": np.inf, "tangent": z @ z, "printed": root}[rule]
        if np.linalg.norm(z) < LOST * root:  # with the printed divisor the next ones would grow without end
            z = z - RATE * root * (g - (g @ z) * z / divisor)
        places.append(z)
    return np.stack(places) / root


def projection() -> Interactive:
    """Three ascents from one latent on the sphere: without a projection, with the tangent part, and as printed."""
    paths = {rule: np.array([[path(rule, d, angle) for angle in ANGLES] for d in DIMENSIONS]) for rule in RULES}
    turn = np.linspace(0, 2 * np.pi, 181)
    both = ("d", "angle")
    marks = [Mark("line", np.stack([np.sin(turn), np.cos(turn)], 1), (), "sphere of the prior", BLUE, 1, dashes="4 3")]
    for rule, colour in RULES.items():
        name = {"none": "no projection", "tangent": "tangent part", "printed": "as printed"}[rule]
        marks.append(Mark("line", paths[rule], both, name, colour, 2))
        marks.append(Mark("points", paths[rule][:, :, -1:], both, "", colour, 9))
    radius = {rule: np.linalg.norm(places[:, :, -1], axis=-1) for rule, places in paths.items()}
    rows = {
        f"radius after {UPDATES} updates, or where a path was lost": tuple(
            Number(radius[rule], both, 2) for rule in RULES
        )
    }
    return Interactive(
        "printed-projection",
        "A circle, the sphere of the prior in the plane of the latent and its gradient, and three paths that begin at "
        "its top. The path of the tangent part stays near the circle; the one with the printed divisor leaves it.",
        (
            Control("d", "dimension d of the latent", tuple(map(str, DIMENSIONS)), 4, slider=True),
            Control("angle", "angle between latent and ascent, degrees", tuple(map(str, ANGLES)), 1, slider=True),
        ),
        (
            Panel(
                "latents on their way",
                tuple(marks),
                (-1.6, 1.6),
                (-1.6, 1.6),
                *2 * ("over the root of d",),
                size=(440, 440),
            ),
        ),
        Table(("", "no projection", "tangent part", "as printed"), rows),
    )
