"""The steps before a page, made once by `dotlib step KIND ITEM`. Free of torch until a step runs, for the workflow."""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from dotlib.errors import InputError, check_option
from dotlib.training.settings import ARCHITECTURES, GP_WEIGHT, SHAPES, PairName, pair_names

JUDGED = (*SHAPES, "mnist8", "fashion_mnist8")  # the sets of images that have judges
TRIALS = (*"1234", *(f"{trial}-uniform" for trial in "1234"))  # of Table 3


@dataclass(frozen=True)
class Step:
    """A kind of step."""

    run: Callable[..., str]  # takes the item and settings by name, returns what was made, in a line
    module: str  # its code, with all that it imports, decides what the step makes
    check: Callable[[str], object]  # raises InputError for an item that this kind has not
    needs: Callable[[str], Iterable[tuple[str, str]]]  # from the item to the steps, (kind, item), that come first


KINDS: dict[str, Step] = {}  # by the names of the functions below


def step(
    module: str, check: Callable[[str], object], needs: Callable[[str], Iterable[tuple[str, str]]] = lambda item: ()
) -> Callable:
    """Register the decorated function as a kind of step."""

    def register(function: Callable[..., str]) -> Callable[..., str]:
        KINDS[function.__name__] = Step(function, module, check, needs)
        return function

    return register


def run(kind: str, item: str, **settings: str | int | None) -> str:
    """Run a step with those of the given settings that its kind has. Raises InputError for an unknown kind or item."""
    check_option("kind", kind, KINDS)
    KINDS[kind].check(item)
    given = {name: value for name, value in settings.items() if value is not None}
    accepted = inspect.signature(KINDS[kind].run).parameters
    return KINDS[kind].run(item, **{name: value for name, value in given.items() if name in accepted})


def _one_of(name: str, known: Iterable[str]) -> Callable[[str], object]:
    return lambda item: check_option(name, item, known)


def _pair_with(*architectures: str) -> Callable[[str], object]:
    """A check that a pair is one of these; "" stands for those of the 2-D sets."""

    def check(name: str) -> None:
        if PairName.parse(name).architecture not in architectures:
            examples = {"": "25gaussians-wgan-gp", "dcgan": "digits-dcgan-sngan-ns"}
            known = " or ".join(example for key, example in examples.items() if key in architectures)
            raise InputError(f"name: this step has no {name!r}; name a pair like {known}")

    return check


def _pair_and_judges(name: str) -> list[tuple[str, str]]:
    dataset, architecture, _ = PairName.parse(name)
    return [("pair", name), *([("judge", dataset)] if architecture else [])]


def _pairs_and_judges(name: str) -> list[tuple[str, str]]:
    dataset = PairName.parse(name).dataset
    return [*(("pair", other) for other in pair_names(dataset)), ("judge", dataset)]


@step("dotlib.training.zoo", PairName.parse)
def pair(name: str, *, profile: str, seed: int, device: str) -> str:
    """Train a pair, or say that it is there: shipped with the repository, or trained here before."""
    from dotlib.training import zoo

    trained = zoo.pair(name, profile=profile, seed=seed, device=device)
    return f"{trained.path}  sha256 {trained.sha256[:12]}  {trained.origin}, commit {trained.made['commit'][:7]}"


@step("dotlib.evaluation.points", _one_of("dataset", GP_WEIGHT), lambda dataset: [("pair", f"{dataset}-wgan-gp")])
def move(dataset: str, *, profile: str, seed: int) -> str:
    """Move the points of Figure 3."""
    from dotlib.evaluation import points as toy_pairs

    settings = toy_pairs.figure3_settings(profile)
    pair = toy_pairs.load(dataset, weights="trained", profile=profile, seed=seed)
    K_eff = toy_pairs.constant(pair, settings, seed).value
    toy_pairs.moved(pair, settings, K_eff, seed)
    return f"{pair.name}: {settings.trials} trials of {settings.points} points moved with K_eff {K_eff:.3f}"


@step("dotlib.evaluation.judges", _one_of("dataset", JUDGED))
def judge(dataset: str, *, profile: str) -> str:
    """Fit the five judges of a set of images."""
    from dotlib.evaluation import judges

    fitted = (judges.classifier(dataset, profile=profile, seed=seed) for seed in judges.SEEDS)
    return "\n".join(f"{judge.name}  sha256 {judge.sha256[:12]}  accuracy {judge.accuracy:.4f}" for judge in fitted)


@step("dotlib.evaluation.images", _pair_with(*ARCHITECTURES), _pair_and_judges)
def score(name: str, *, profile: str, seed: int, judge: str = "classifier", device: str) -> str:
    """Move and score the samples of an image pair, set by set."""
    from dotlib.evaluation import images as image_pairs

    row = image_pairs.table1_row(name, profile=profile, seed=seed, judge=judge, device=device)
    return f"{name}: {len(row.measured.rows)} rows of {row.settings.sets} sets, k_eff {row.measured.k_eff.value:.3f}"


@step("dotlib.evaluation.one_training", _pair_with(*ARCHITECTURES), _pairs_and_judges)
def swap(name: str, *, profile: str, seed: int, judge: str = "classifier", device: str) -> str:
    """Move and score the samples of an image pair by every discriminator of its data set and seed."""
    from dotlib.experiments import tab2_swap

    run = tab2_swap.load(name, profile=profile, seed=seed, shift=0, judge=judge, device=device)
    return f"{name}: {len(tab2_swap.measure(run))} lines of {len(run.critics)} discriminators"


@step("dotlib.evaluation.comparison", _pair_with("", *ARCHITECTURES), _pair_and_judges)
def sample(name: str, *, profile: str, seed: int, judge: str = "classifier", device: str) -> str:
    """Draw from a pair by every sampler at every setting, set by set."""
    return _sampled(name, profile=profile, seed=seed, judge=judge, device=device)


@step("dotlib.evaluation.comparison", _pair_with(""), _pair_and_judges)
def oracle(name: str, *, profile: str, seed: int) -> str:
    """The same from a 2-D pair whose D is the exact logarithm of the density ratio."""
    return _sampled(name, profile=profile, seed=seed, exact=True)


@step("dotlib.evaluation.public_pair", _one_of("trial", TRIALS))
def table3(trial: str, *, profile: str, seed: int, judge: str = "inception", device: str) -> str:
    """Make a trial of Table 3, 1 to 4 or 1-uniform to 4-uniform, from the public weights for ImageNet."""
    from dotlib.evaluation import judges, public_pair
    from dotlib.results import records
    from dotlib.training import imagenet

    number, _, labels = trial.partition("-")
    sizes = {"paper": {}, "laptop": {"samples": 2_500}, "smoke": {"samples": 20, "shard": 10, "splits": 2}}[profile]
    options = {"trial": int(number), "labels": labels or "balanced", "seed": seed}
    job = public_pair.Job(**options, **sizes)
    public, network = imagenet.load_conditional().on(device), judges.public(judge)
    network.network.to(device)
    folder, enough = public_pair.imagenet_folder(), job.samples > network.dim
    record = public_pair.open_record(public, network, job, profile)
    moments = public_pair.reference(folder, network) if folder and enough else None
    row = public_pair.row(public, network, job, moments)
    public_pair.fill_record(record, public, network, row, moments)
    why = f"{job.samples} samples are too few" if folder else f"{public_pair.VARIABLE} names no folder"
    columns = (
        f"{update} updates: IS {row.is_mean[update]:.2f}({row.is_sd[update]:.2f}), FID "
        + (f"{row.fid[update]:.2f}" if row.fid else f"not measured, {why}")
        for update in row.is_mean
    )
    cost = f"{row.seconds:.3f} s a sample for {max(row.is_mean)} updates"
    return "\n".join([*columns, cost, str(records.write(record))])


def _sampled(name: str, *, seed: int, **options) -> str:
    from dotlib.evaluation import comparison

    compared = comparison.load(name, seed=seed, **options)
    points = comparison.measure(compared, seed)
    refused = sum(bool(point.refused) for point in points)
    return f"{compared.label}: {len(points)} points of {compared.sets} sets, {refused} refused"
