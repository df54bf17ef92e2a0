"""Pairs that are committed in `pairs/`, so that nobody has to train them: taking one, adding one, listing all.

A shipped file has the weights of the training, to the bit, and says what a reader needs to use them. It keeps the
digest of the file that the training wrote, by which records name the pair.
"""

import hashlib
from dataclasses import asdict
from pathlib import Path

import torch

from dotlib.errors import InputError, nearest
from dotlib.pairs import Pair
from dotlib.results import files
from dotlib.training import checkpoints, zoo
from dotlib.training.recipes import ImageRecipe
from dotlib.training.settings import (
    ConditionalTraining,
    ImageTraining,
    Training,
    pair_name,
    pair_path,
    settings_of,
    shipped_folder,
)

LOG_ROWS = 20  # about so many are kept of a training log, the last included, and all that have a score
COORDINATE = 0.5  # of the latent at which a file's D(G(z)) is compared
LABEL = 0  # at which that of a conditional pair is compared
LICENCE = "MIT"
LOGITS = {  # what D returns under an objective
    "wgan": "critic value, defined up to a constant; zero means nothing",
    "ns": "logit of being real, before any sigmoid; at zero real and fake are equally likely",
    "hinge": "value before any sigmoid; zero is the middle between the margins, 1 for real and -1 for fake",
}
ORIGINS = {  # training images, and their licence
    "digits": "UCI Optical Recognition of Handwritten Digits, test set (Alpaydin and Kaynak 1998), CC BY 4.0",
    "mnist": "MNIST (LeCun, Cortes and Burges 1998), CC BY-SA 3.0 as Keras states it",
    "fashion_mnist": "Fashion-MNIST (Xiao, Rasul and Vollgraf 2017), MIT",
    "cifar10": "CIFAR-10 (Krizhevsky 2009), no licence stated",
    "stl10": "STL-10, unlabelled part (Coates, Ng and Lee 2011), from ImageNet, no licence stated",
}
HEAD = "| pair | seed | D(G(z)) | bytes | sha256 | in records | trained at | trained on |"


def load_pair(name: str, *, seed: int = 0, profile: str = "laptop") -> Pair:
    """A trained G and D that come with the repository, in evaluation mode, on the CPU; nothing is trained.

    Raises InputError, listing what is shipped, for another name, seed or profile; FileError for a damaged file.
    """
    seeds = catalogue(profile)
    if seed not in seeds.get(name, ()):
        known = ", ".join(f"{name} (seed {', '.join(map(str, of_name))})" for name, of_name in seeds.items()) or "none"
        raise InputError(
            f"name: {name!r}, seed {seed!r}, profile {profile!r} is not shipped; shipped in this profile: "
            f"{known}{nearest(name, seeds)}; train others with dotlib train"
        )
    settings = settings_of(name, profile, seed)
    return zoo.read(settings, _folder() / pair_name(name, settings, profile))[0]


def catalogue(profile: str) -> dict[str, list[int]]:
    """Names of the shipped pairs with their seeds."""
    seeds: dict[str, list[int]] = {}
    for path in _files():
        of_profile, seed, _ = path.stem.split("-")
        if of_profile == profile:
            seeds.setdefault(path.parent.name, []).append(int(seed.removeprefix("s")))
    return {name: sorted(numbers) for name, numbers in seeds.items()}


def trainings(own: zoo.TrainedPair, profile: str) -> dict[int, Pair]:
    """A pair and the shipped ones of its name and profile, by training seed; nothing is trained."""
    seeds = catalogue(profile).get(own.name, []) if shipped_folder() else []
    others = {seed: load_pair(own.name, seed=seed, profile=profile) for seed in seeds if seed != own.settings.seed}
    return dict(sorted(({own.settings.seed: own.pair} | others).items()))


def ship(name: str, *, seed: int = 0, profile: str = "laptop") -> Path:
    """Copy a trained pair among the committed ones, and list it in `pairs/README.md`. Gives its path there.

    Raises InputError for the smoke profile, a training from changed source, and an installed copy; FileError for a pair
    that is not trained.
    """
    settings = settings_of(name, profile, seed)
    if profile == "smoke":
        raise InputError(f"profile: {profile!r} compares nothing and is never shipped; ship laptop or paper")
    source = pair_path(name, settings, profile)
    target, readme = _folder() / pair_name(name, settings, profile), _folder() / "README.md"
    pair, (log, made) = zoo.read(settings, source, "log", "made")
    if made["dirty"]:
        raise InputError(f"name: {source} was trained from changed source; commit, delete it and train again")
    tensors, _ = checkpoints.load(source)
    label = LABEL if isinstance(settings, ConditionalTraining) else None
    meta = {
        "name": name,
        "settings": asdict(settings),
        "prior": repr(pair.prior),
        "origin": _origin(settings),
        "logits": LOGITS[settings.objective],
        "licence": LICENCE,
        "check": {"coordinate": COORDINATE, "label": label, "logit": fixed_logit(pair, label)},
        "log": [row for i, row in enumerate(log[::-1]) if "emd_g" in row or i % -(-len(log) // LOG_ROWS) == 0][::-1],
        "made": made | {"sha256": checkpoints.digest(source)},
    }
    for other in target.parent.glob(f"{profile}-s{seed}-*.safetensors"):  # of earlier settings
        other.unlink()
    checkpoints.save(target, tensors, meta)
    files.write_text(readme, f"{readme.read_text(encoding='utf-8').partition(HEAD)[0]}{table()}\n")
    return target


def fixed_logit(pair: Pair, label: int | None = None) -> float:
    """D(G(z)) at the latent whose coordinates are all COORDINATE, which needs no random numbers; at this label."""
    pair = pair if label is None else pair.conditioned_on(label)
    with torch.no_grad():
        return float(pair.latent_logit(torch.full((1, pair.prior.dim), COORDINATE)))


def table() -> str:
    """Markdown: all shipped pairs, as `pairs/README.md` lists them."""
    return "\n".join([HEAD, "|:--|--:|--:|--:|:--|:--|:--|:--|", *map(_row, _files())])


def _origin(settings: Training) -> str:
    if not isinstance(settings, ImageTraining):
        return "drawn by dotlib.data.toy"
    images = ImageRecipe(settings).training_set()
    return f"{ORIGINS[settings.dataset]}; {images.origin}; fingerprint {images.fingerprint[:12]}"


def _row(path: Path) -> str:
    _, meta = checkpoints.load(path)
    made, content = meta["made"], path.read_bytes()
    cells = (
        f"[{meta['name']}]({path.relative_to(_folder())})",
        meta["settings"]["seed"],
        f"{meta['check']['logit']:.5f}",
        len(content),
        f"`{hashlib.sha256(content).hexdigest()}`",
        f"`{made['sha256'][:12]}`",
        f"`{made['commit'][:12]}`",
        meta["origin"],
    )
    return f"| {' | '.join(map(str, cells))} |"


def _files() -> list[Path]:
    return sorted(_folder().glob("*/*.safetensors"))


def _folder() -> Path:
    folder = shipped_folder()
    if folder is None:
        raise InputError("pairs: an installed copy has none; use dotlib from a checkout of its repository")
    return folder
