"""Looking at moved images: Figure 4 (two spaces), and the projection under the normal prior."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from dotlib.data import images
from dotlib.errors import InputError, check_count, check_option, check_points
from dotlib.evaluation import images as image_pairs
from dotlib.evaluation.images import ImagePair, Method, Table1Row
from dotlib.evaluation.judges import Panel, Scoring
from dotlib.metrics import intervals
from dotlib.pairs import rowwise_gradient
from dotlib.profiles import PROFILES
from dotlib.results import paper, records
from dotlib.transport import SGD, TARGET_ADAM, VARIANTS, Trajectory, latent_dot
from dotlib.transport.dot import PROJECTIONS, divisor, project

STEPS = (("score", "digits-*"),)


@dataclass(frozen=True)
class Views:
    """How much work the two pages do. Nothing here was chosen by a score.

    rows:          pairs of Figure 4, which the paper does not name; the last one is drawn.
    resnet:        the pair with the normal prior.
    target_steps:  kept updates in target space; B.1 has 100 of Adam (0.01, 0, 0.9).
    looked:        images of each set whose changes are measured one by one.
    shown:         columns of the grids.
    samples, longer:  of the projection page: images of a set, or twice the judge's features, and
                   multiple of the published updates.
    """

    rows: tuple[str, ...] = ("dcgan-wgan-gp", "dcgan-sngan-ns")
    resnet: str = "resnet-sagan-hi"
    target_steps: tuple[int, ...] = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 100)
    looked: int = 100
    shown: int = 8
    samples: int = 160
    longer: int = 5


VIEWS = {
    "smoke": Views(target_steps=(1, 2, 4), looked=20, shown=5, samples=100),
    "laptop": Views(),
    "paper": Views(looked=500, samples=10_000),
}


def view_settings(profile: str) -> Views:
    """Settings of both pages. Raises InputError for an unknown profile."""
    check_option("profile", profile, PROFILES)
    return VIEWS[profile]


def high_share(change: Tensor) -> Tensor:
    """Share of each image's spectral energy at high frequencies, (B, C, H, W) -> (B,) in [0, 1].

    High: along rows or along columns, more than half of the highest frequency, that is more than
    1/4 cycle a pixel. A constant has 0, a checkerboard 1, an image of zeros 0, white noise
    `white_share` on average. Channels are added. Raises InputError for other shapes.
    """
    check_points("change", change, rank=4)
    energy = torch.fft.fft2(change.detach().double()).abs().square().sum(1)  # (B, H, W)
    high = (energy * _high(*change.shape[2:]).to(energy)).sum((1, 2))
    return high / energy.sum((1, 2)).clamp(min=torch.finfo(energy.dtype).tiny)


def white_share(height: int, width: int) -> float:
    """What `high_share` is on average for independent pixels: the share of high frequencies."""
    return float(_high(height, width).double().mean())


def nearest(x: Tensor, bank: Tensor, *, block: int = 5_000) -> tuple[Tensor, Tensor]:
    """The nearest of many images, and its Euclidean distance in data units.

    x:      (B, C, H, W) floats in [-1, 1].
    bank:   (N, C, H, W) uint8, of which `block` are held as floats at a time.
    Returns distances (B,) float64, 0 for copies, and rows of the bank (B,) int64. Raises InputError.
    """
    check_points("x", x, rank=4)
    check_count("block", block)
    if bank.dtype != torch.uint8 or bank.shape[1:] != x.shape[1:] or len(bank) == 0:
        raise InputError(
            f"bank: found {bank.dtype} of shape {tuple(bank.shape)} for x of shape "
            f"{tuple(x.shape)}; give uint8 images of one shape with x"
        )
    flat = x.detach().cpu().double().flatten(1)
    best = flat.new_full((len(flat),), math.inf)
    where = torch.zeros(len(flat), dtype=torch.int64)
    for start in range(0, len(bank), block):
        rows = images.to_float(bank[start : start + block]).double().flatten(1)
        squared = rows.square().sum(1) - 2 * flat @ rows.T  # (B, block), |x|^2 left out
        found = squared.min(1)
        closer = found.values < best
        best = torch.where(closer, found.values, best)
        where = torch.where(closer, found.indices + start, where)
    gap = flat - images.to_float(bank[where]).double().flatten(1)
    return gap.norm(dim=1), where


def _high(height: int, width: int) -> Tensor:
    """(H, W): whether `high_share` counts a frequency."""
    y, x = (4 * torch.minimum(torch.arange(n), n - torch.arange(n)) > n for n in (height, width))
    return y[:, None] | x


Looked = Mapping[tuple[str, int], tuple[Tensor, Tensor]]  # (method, step) -> images, logits


def space_methods(c: Scoring, steps: tuple[int, ...]) -> tuple[Method, Method]:
    """Latent DOT as in Table 1 (B.2: SGD), and target DOT (B.1: Adam) with these steps."""
    return (image_pairs.table1_methods(c)[0], Method("target", steps, TARGET_ADAM.lr, space="target", adam=True))


def look(run: Table1Row, v: Views, seed: int, number: int) -> Looked:
    """First images of a set under both methods: images (n, C, H, W), logits (n,), on the CPU."""
    z, found = image_pairs.latents(run.pair, run.settings, seed, number)[: v.looked], {}
    K = run.measured.k_eff.value, run.measured.K_eff.value
    for method, constant in zip(space_methods(run.settings, v.target_steps), K, strict=True):
        for step, x in image_pairs.moved(run.pair, method, z, constant):
            with torch.no_grad():
                found[method.name, step] = x.cpu(), run.pair.logit(x).cpu()
    return found


def columns(looked: Sequence[Looked], c: Scoring) -> dict[str, tuple[str, int]]:
    """What the page compares: name -> (method, step), chosen from `look` at every set.

    "target, same rise" is the step of target space at which the mean of D is nearest to that of
    latent space at its last step. No judge is asked.
    """
    level = {key: float(np.mean([float(one[key][1].mean()) for one in looked])) for key in looked[0]}
    steps = sorted(step for method, step in level if method == "target")
    same = min(steps, key=lambda step: abs(level["target", step] - level["dot", c.updates]))
    return {
        "bare": ("dot", 0),
        "latent": ("dot", c.updates),
        "target, same rise": ("target", same),
        "target": ("target", steps[-1]),
    }


def features(looked: Looked, where: Mapping[str, tuple[str, int]], bank: Tensor) -> dict[str, dict]:
    """Column -> {"D", "moved", "share", "nearest"}: (n,) each, one value an image.

    moved: distance from bare; share: `high_share` of the change; nearest: distance to `bank`.
    """
    shown = {name: looked[key] for name, key in where.items()}
    bare = shown["bare"][0]
    return {
        name: {
            "D": logit.double(),
            "moved": (x - bare).double().flatten(1).norm(dim=1),
            "share": high_share(x - bare),
            "nearest": nearest(x, bank)[0],
        }
        for name, (x, logit) in shown.items()
    }


ALONE = {  # the printed algorithm with one ingredient changed
    "unprojected": replace(VARIANTS["paper"], projection="none"),
    "tangent": replace(VARIANTS["paper"], projection="norm"),
    "constant": replace(VARIANTS["paper"], projection="constant"),
    "aliased": replace(VARIANTS["paper"], anchor="aliased"),
    "smooth": replace(VARIANTS["paper"], norm="smooth"),
}


def variant_methods(c: Scoring, v: Views) -> tuple[Method, ...]:
    """The three variants and the naive ascent, then the printed algorithm with each ingredient changed alone.

    The first four have the published updates and `longer` times as many, the others the published ones only.
    """
    steps = (c.updates, v.longer * c.updates)
    return (
        *(
            Method(name, ((0,) if name == "paper" else ()) + steps, c.lr, variant=variant)
            for name, variant in VARIANTS.items()
        ),
        Method("naive", steps, c.lr, cost="none"),
        *(Method(name, steps[:1], c.lr, variant=variant) for name, variant in ALONE.items()),
    )


def variant_jury(run: Table1Row, v: Views) -> tuple[Panel, Scoring]:
    """The first judge alone, and smaller sets with an IS in parts of 100 (projection page)."""
    panel = run.panel.only_first()
    samples = min(run.settings.samples, max(v.samples, 2 * panel.judges[panel.first].dim))
    return (panel, replace(run.settings, samples=samples, splits=min(run.settings.splits, max(1, samples // 100))))


def radial_factors(pair: ImagePair, z: Tensor, K: float) -> dict[str, tuple[Tensor, Tensor]]:
    """What each projection makes of the radial part of the first gradient, for latents z (B, d).

    Returns projection -> (measured, predicted), (B,) float64 each: the quotient of g . z after and
    before, nan where g is 0, and 1 - z . z / divisor (book/theory).
    """
    z = z.to(pair.device)
    _, g = rowwise_gradient(lambda z: -pair.latent_logit(z) / K, z)  # the smooth norm has no slope at the anchor
    length = z.double().square().sum(1, keepdim=True)
    radial = {name: (project(g, z, name) * z).double().sum(1) for name in PROJECTIONS}
    return {
        name: ((part / radial["none"]).cpu(), (1 - length / divisor(z, name)).flatten().cpu())
        for name, part in radial.items()
    }


def descent(pair: ImagePair, method: Method, z: Tensor, K: float) -> Trajectory:
    """Every update of a latent method from latents z (B, d), on the pair's device."""
    steps = method.steps[-1]
    return latent_dot(
        pair,
        z.to(pair.device),
        K,
        steps=steps,
        optimizer=SGD(method.lr),
        cost=method.cost,
        variant=method.variant,
        snapshots=range(steps + 1),
    )


@torch.no_grad()
def along(pair: ImagePair, path: Trajectory) -> dict[str, np.ndarray]:
    """{"radius", "moved", "D"} at every update of a `descent`, each (steps + 1, B).

    radius: |z| / sqrt(d); moved: |z - z_y| in latent units; D in logits.
    """
    z = path.points
    logits = torch.stack([pair.latent_logit(point) for point in z])
    return {
        "radius": (z.norm(dim=2) / math.sqrt(z.shape[2])).cpu().numpy(),
        "moved": (z - z[0]).norm(dim=2).cpu().numpy(),
        "D": logits.cpu().numpy(),
    }


def separated(interval: tuple[float, float], *, profile: str) -> str:
    """Whether two variants differ: "differ" where the interval excludes 0, else "not separated"."""
    word = "differ" if interval[0] > 0 or interval[1] < 0 else "not separated"
    return paper.SMOKE if profile == "smoke" else word


def put(
    record: records.Record,
    name: str,
    values: Sequence[float],
    unit: str,
    base: tuple[str, Sequence[float]] | None = None,
) -> None:
    """Put the mean over sets as `name`; with a base also "<name> minus <base>" with its interval.

    values: (sets,); base: name and (sets,), set by set from the same latents.
    """
    record.put(name, float(np.mean(values)), sd=float(np.std(values, ddof=1)), n=len(values), unit=unit)
    if base is not None:
        mean, interval = intervals.interval(values, np.asarray(base[1]))
        record.put(f"{name} minus {base[0]}", mean, interval=interval, n=len(values), unit=unit)
