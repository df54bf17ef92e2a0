"""Every sampler on one pair: what its samples are worth, and what each of them cost.

A point of the frontier is one method at one setting of its dial. All methods draw the same number
of samples in every set, from equal generators, and are scored alike, so differences are paired.
Preparation is done anew in each set: intervals hold its scatter too. Sets are cached one by one,
and a killed measurement continues with the next.
"""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass

import torch
from torch import Tensor
from tqdm import tqdm

from dotlib import samplers, score_files
from dotlib.errors import NothingAccepted, Unusable, check_count
from dotlib.pairs import Pair
from dotlib.samplers import METHODS, Terms
from dotlib.sampling import Cost, Sampler, device_of
from dotlib.seeding import generator

Score = Callable[[Tensor, int], dict[str, float]]  # (samples, number of the set) -> numbers


@dataclass(frozen=True)
class Contest:
    """On what the methods are compared.

    label:    opens the names of the cached files.
    pair:     G, D and prior.
    terms:    what every method is granted.
    score:    (samples, number of the set) -> named numbers; called once for each set.
    decides:  JSON-able; what the scores depend on besides: weights, judges, data, code of `score`.
    n, sets:  samples in a set, and number of sets.
    """

    label: str
    pair: Pair
    terms: Terms
    score: Score
    decides: list
    n: int
    sets: int


@dataclass(frozen=True)
class Point:
    """One method at one setting of its dial; lists have an entry for each set.

    scores:      name -> value in each set.
    cost:        of each sample.
    setup:       spent once for each set.
    acceptance:  kept share of the proposals, or None.
    refused:     why the method ended without samples in some set; then the rest is empty.
    """

    method: str
    dial: float
    scores: dict[str, list[float]]
    cost: list[Cost]
    setup: list[Cost]
    acceptance: list[float | None]
    refused: str = ""

    def evaluations(self) -> float:
        """Rows that networks evaluated for one sample, G and D alike, a backward pass as two."""
        rows = [c.generator + c.discriminator + 2 * c.backward for c in self.cost]
        return sum(rows) / len(rows)


def measure(contest: Contest, seed: int, methods: Iterable[str] | None = None, *, last: bool = False) -> list[Point]:
    """The points of the methods named, or of all in `samplers.METHODS`, in their order.

    last:  only the last setting of each dial, the published one where there is one.
    A method that ends in NothingAccepted or Unusable gives a point that says so. Raises BadInput
    for an unknown method, and whatever else `Sampler.draw` does.
    """
    check_count("n", contest.n)
    check_count("sets", contest.sets)
    points = []
    for method in METHODS if methods is None else methods:
        family = list(samplers.family(method, contest.terms).items())
        for dial, sampler in family[-1:] if last else family:
            bar = tqdm(range(contest.sets), f"{contest.label} {method} {dial:g}", disable=None)
            try:
                sets = [_made(contest, seed, method, dial, sampler, number) for number in bar]
            except (NothingAccepted, Unusable) as error:
                points.append(Point(method, dial, {}, [], [], [], str(error)))
            else:
                points.append(_point(method, dial, sets))
    return points


def _point(method: str, dial: float, sets: list[dict]) -> Point:
    scores = {name: [one["scores"][name] for one in sets] for name in sets[0]["scores"]}
    return Point(
        method,
        dial,
        scores,
        [Cost(**one["cost"]) for one in sets],
        [Cost(**one["setup"]) for one in sets],
        [one["acceptance"] for one in sets],
    )


def described(value: object) -> object:
    """A sampler's settings as JSON: dataclasses by name and fields, tensors by their content."""
    if isinstance(value, Tensor):
        content = value.detach().cpu().contiguous().numpy().tobytes()
        return [list(value.shape), hashlib.sha256(content).hexdigest()]
    if is_dataclass(value) and not isinstance(value, type):
        return [type(value).__name__, {f.name: described(getattr(value, f.name)) for f in fields(value)}]
    return list(value) if isinstance(value, tuple) else value


def _made(contest: Contest, seed: int, method: str, dial: float, sampler: Sampler, number: int) -> dict:
    pair = contest.pair
    label = f"{contest.label}-{method.replace(' ', '-').lower()}-{dial:g}"
    path = score_files.path_of(
        "frontier",
        label,
        [
            contest.decides,
            described(sampler),
            contest.n,
            seed,
            device_of(pair).type,
            torch.__version__,
            score_files.code_of("samplers"),
            score_files.code_of_functions(_draw, type(sampler)),
        ],
        f"set{number}",
    )
    return score_files.made_once(path, lambda: _draw(contest, seed, sampler, number))


def _draw(contest: Contest, seed: int, sampler: Sampler, number: int) -> dict:
    prior = contest.pair.prior
    rng = generator(seed, "frontier", type(prior).__name__, str(prior.dim), str(number))
    drawn = sampler.draw(contest.pair, contest.n, rng)
    return {
        "scores": contest.score(drawn.samples, number),
        "cost": asdict(drawn.cost),
        "setup": asdict(drawn.setup),
        "acceptance": drawn.acceptance,
    }
