"""The record of a row of Table 1, and what its page shows besides: samples, limits of FID."""

from dataclasses import asdict

import numpy as np
import torch

from dotlib import image_scores, images, paired, published, records
from dotlib.errors import BadInput
from dotlib.frechet import FidInfinity, fid_infinity
from dotlib.image_config import changed_from_published, run_name, scoring
from dotlib.image_scores import Measured, Run
from dotlib.seeding import generator
from dotlib.zoo import TrainedPair

QUANTITIES = {  # field of Scores -> (name, unit, digits)
    "is_mean": ("IS", "inception score", 2),
    "fid": ("FID", "squared feature units", 2),
    "kid": ("KID", "squared kernel distance", 4),
    "precision": ("precision", "", 3),
    "recall": ("recall", "", 3),
    "density": ("density", "", 3),
    "coverage": ("coverage", "", 3),
}
CLAIMS = {"is_mean": "DOT raises the inception score", "fid": "DOT lowers FID"}
PRINTED = {"is_mean": "is", "fid": "fid"}  # quantity -> its name among the published values
PUBLISHED_SETS = {"stl10": "stl10"}  # other data sets stand beside the paper's CIFAR-10 numbers


def open_record(name: str, profile: str, seed: int, judge: str = "classifier", device: str = "cpu") -> records.Record:
    """Start the record of one row of Table 1; to be called before the work, which it times."""
    dataset, architecture = name.split("-")[:2]
    c = scoring(dataset, architecture, profile)
    return records.start(
        "tab1_scores",
        profile=profile,
        dataset=run_name(name, judge),
        seed=seed,
        parameters=asdict(c) | {"judge": judge, "row": name.partition("-")[2]},
        device=device,
    )


def vouch(record: records.Record, *trained: TrainedPair) -> None:
    """Put the origin of trained pairs into a record; one from changed source makes it unkeepable.

    Scores need no such line: their files are found by the code that made them (`score_files`).
    """
    record.made["pairs"] = {
        one.name: {key: one.made[key] for key in ("commit", "dirty", "device", "seconds_since_resume")}
        | {"sha256": one.sha256}
        for one in trained
    }
    record.made["dirty"] = record.made["dirty"] or any(one.made["dirty"] for one in trained)


def fill_record(record: records.Record, run: Run) -> None:
    """Put one row into its record: constants, floor, every method, differences, verdicts."""
    m, jury = run.measured, run.jury
    vouch(record, run.trained)
    record.made["weights"] = run.what.digests | jury.digests
    record.made["images"] = jury.origins
    record.parameters |= {
        "training": run.trained.settings.key(),
        "changed": {key: list(values) for key, values in changed_from_published(run.trained.settings).items()},
    }
    for name, estimate, unit in (
        ("k_eff", m.k_eff, "logits per latent distance"),
        ("K_eff", m.K_eff, "logits per data distance"),
    ):
        record.put(name, estimate.value, sd=estimate.std, n=len(estimate.maxima), unit=unit)
    for name, judge in jury.judges.items():
        if judge.accuracy is not None:
            record.put(f"accuracy of {name}", judge.accuracy, unit="")
    record.put("floor_n", jury.floor[jury.first].n, unit="images")
    for quantity, (_, unit, _) in QUANTITIES.items():
        record.put(f"floor_{quantity}", getattr(jury.floor[jury.first], quantity), unit=unit)
        for method, step in m.rows:
            _put_row(record, m, method, step, quantity, unit)
    for judge in list(jury.judges)[1:]:
        for quantity in CLAIMS:
            _put_difference(record, m, "dot", run.c.updates, quantity, judge)
    last = f"dot{run.c.updates}"
    for quantity, claim in CLAIMS.items():
        record.verdicts[claim] = published.judge_sign(
            printed_difference(run.what.label, quantity),
            record.interval(f"{last}_minus_bare_{quantity}"),
            profile=record.profile,
        )


def printed(name: str, column: str, quantity: str) -> published.Published | None:
    """The paper's number for a row: CIFAR-10's, or STL-10's for that set; None if none is printed.

    name:    of the pair, "<dataset>-<row>"; column: "bare" or "dot".
    """
    dataset, architecture, kind = name.split("-", 2)
    where = PUBLISHED_SETS.get(dataset, "cifar10")
    try:
        return published.value(f"tab1.{where}.{architecture}.{kind}.{column}.{PRINTED[quantity]}")
    except BadInput:
        return None


def printed_difference(name: str, quantity: str) -> float:
    """DOT minus bare as printed; where a row is not printed, the claim's direction, 1 or -1."""
    bare, dot = (printed(name, column, quantity) for column in ("bare", "dot"))
    if bare is None or dot is None:
        return 1.0 if quantity == "is_mean" else -1.0
    return dot.value - bare.value


def grid(run: Run, n: int, seed: int) -> tuple[dict[str, np.ndarray], dict[str, list[str]]]:
    """n latents before and after the published updates: images, and D as captions.

    Returns row -> (n, C, H, W) uint8, and row -> n texts, the second with the change of D.
    """
    method = image_scores.Method("dot", (0, run.c.updates), run.c.lr)
    z = image_scores.latents(run.what, run.c, seed, 0)[:n]
    shown, logits = {}, []
    for row, (_, x) in zip(
        ("bare", "DOT"), image_scores.moved(run.what, method, z, run.measured.k_eff.value), strict=True
    ):
        shown[row] = images.to_uint8(x.cpu()).numpy()
        with torch.no_grad():
            logits.append(run.what.pair.logit(x).cpu())
    change = logits[1] - logits[0]
    return shown, {"bare": [f"{v:.2f}" for v in logits[0]], "DOT": [f"{v:+.2f}" for v in change]}


def extrapolated(run: Run, seed: int) -> dict[str, FidInfinity]:
    """FID of the first set at several numbers of samples, and its limit, before and after DOT."""
    judge = run.jury.judges[run.jury.first]
    method = image_scores.Method("dot", (0, run.c.updates), run.c.lr)
    features: dict[int, list[torch.Tensor]] = {0: [], run.c.updates: []}
    for z in image_scores.latents(run.what, run.c, seed, 0).split(run.c.batch):
        for step, x in image_scores.moved(run.what, method, z, run.measured.k_eff.value):
            features[step].append(judge(images.to_uint8(x.cpu()))[0])
    n, least = run.c.samples, judge.dim + 1
    counts = [int(least + (n - least) * share) for share in (0.25, 0.4, 0.55, 0.7, 0.85, 1)]
    return {
        label: fid_infinity(
            real=run.jury.references[run.jury.first].moments,
            fake=torch.cat(rows),
            counts=counts,
            rng=generator(seed, "counts"),
        )  # the same parts of both
        for label, rows in zip(("bare", "DOT"), features.values(), strict=True)
    }


def _put_row(record: records.Record, m: Measured, method: str, step: int, quantity: str, unit: str) -> None:
    values = np.asarray(m.of(method, step, quantity))
    record.put(
        f"{_row(method, step)}_{quantity}", float(values.mean()), unit=unit, n=len(values), sd=float(values.std(ddof=1))
    )
    if step:
        _put_difference(record, m, method, step, quantity)


def _put_difference(
    record: records.Record, m: Measured, method: str, step: int, quantity: str, judge: str | None = None
) -> None:
    """Mean of the paired differences to bare over the sets, with its interval."""
    mean, interval = paired.interval(m.of(method, step, quantity, judge), m.of("dot", 0, quantity, judge))
    name = f"{_row(method, step)}_minus_bare_{quantity}" + (f"_{judge}" if judge else "")
    record.put(name, mean, interval=interval, unit=QUANTITIES[quantity][1], n=len(m.of(method, step, quantity, judge)))


def _row(method: str, step: int) -> str:
    return f"{method}{step}" if step else "bare"
