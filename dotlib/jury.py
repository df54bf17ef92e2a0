"""The judges of a data set, and the real images that they compare samples with."""

import functools
import os
from dataclasses import dataclass, replace

from dotlib import images, judges
from dotlib.errors import check_device, check_option
from dotlib.image_config import Scoring
from dotlib.scores import Collector, Reference, Scores
from dotlib.seeding import generator

SEEDS = (0, 1, 2)  # of the classifiers; pages show the first and the spread over all
SPLITS = {  # kind of judge -> (reference, floor): what samples, and real images, are compared with
    "classifier": ("test", "floor"),  # the classifiers are fit on the rest of "train"
    "inception": ("train", "test"),
}
PLACES = ("DOTLIB_ARTIFACTS", "DOTLIB_DATA", "DOTLIB_CACHE", "DOTLIB_INCEPTION")
KEPT_BY_OTHERS = 200  # rows that the second and third judge keep; pages use their IS and FID only


@dataclass(frozen=True)
class Jury:
    """Judges with their references; the first judge speaks on pages.

    floor:    judge -> scores of real images that are not in the reference: a perfect sampler's.
    digests:  what the scores depend on besides the samples: weights and images.
    origins:  split -> where its images come from.
    """

    judges: dict[str, judges.Judge]
    references: dict[str, Reference]
    floor: dict[str, Scores]
    digests: dict[str, str]
    origins: dict[str, str]
    kept: dict[str, int]
    kid_subsets: int = 100

    @property
    def first(self) -> str:
        """Name of the judge that speaks on pages."""
        return next(iter(self.judges))

    def collectors(self, total: int, splits: int) -> dict[str, Collector]:
        """An empty collector of `total` images for each judge."""
        return {
            name: Collector(
                dim=judge.dim,
                classes=judge.classes,
                total=total,
                splits=splits,
                kept=self.kept[name],
                kid_subsets=self.kid_subsets,
            )
            for name, judge in self.judges.items()
        }


def solo(jury: Jury) -> Jury:
    """The first judge alone, for pages that ask no second opinion at every step."""
    parts = ("judges", "references", "floor", "kept")
    others = set(jury.judges) - {jury.first}
    return replace(
        jury,
        **{part: {jury.first: getattr(jury, part)[jury.first]} for part in parts},
        digests={name: d for name, d in jury.digests.items() if name not in others},
    )


def summon(dataset: str, c: Scoring, *, profile: str, judge: str = "classifier", device: str = "cpu") -> Jury:
    """The three classifiers of a data set, fit first if need be, or Inception, on a device.

    The floor has as many images as a set of samples has, or all of its split if that has fewer.
    Kept in memory, since the real images are judged too. Raises BadInput for another word, and what
    `judges` and `images` raise.
    """
    check_option("judge", judge, SPLITS)
    check_device(device)
    places = tuple(os.environ.get(name, "") for name in PLACES)
    c = Scoring(samples=c.samples, splits=c.splits, batch=c.batch, kept=c.kept, kid_subsets=c.kid_subsets)
    return _summon(dataset, c, profile, judge, device, places)


@functools.lru_cache(maxsize=4)
def _summon(dataset: str, c: Scoring, profile: str, judge: str, device: str, places: tuple[str, ...]) -> Jury:
    """places: what the environment names; other folders are other judges and images."""
    if judge == "inception":
        found = {"inception": judges.inception()}
    else:
        found = {f"classifier {seed}": judges.classifier(dataset, profile=profile, seed=seed) for seed in SEEDS}
    for one in found.values():
        one.network.to(device)
    reference, floor = (images.image_set(dataset, split) for split in SPLITS[judge])
    kept = {name: c.kept if i == 0 else min(c.kept, KEPT_BY_OTHERS) for i, name in enumerate(found)}
    references = {name: _reference(one, reference, kept[name], c) for name, one in found.items()}
    floors = {name: _floor(one, floor, references[name], kept[name], c) for name, one in found.items()}
    digests = {name: one.sha256 for name, one in found.items()}
    digests |= {split.split: split.fingerprint for split in (reference, floor)}
    return Jury(
        found,
        references,
        floors,
        digests,
        {split.split: split.origin for split in (reference, floor)},
        kept,
        c.kid_subsets,
    )


def _reference(judge: judges.Judge, real: images.ImageSet, kept: int, c: Scoring) -> Reference:
    result = Reference(dim=judge.dim, total=len(real), kept=kept, rng=generator(0, "reference", real.name, real.split))
    for rows in real.images.split(c.batch):
        result.add(judge(rows)[0])
    return result


def _floor(judge: judges.Judge, real: images.ImageSet, reference: Reference, kept: int, c: Scoring) -> Scores:
    n = min(c.samples, len(real))
    drawn = real.take(n, generator(0, "floor rows", real.name, real.split)).images
    collector = Collector(
        dim=judge.dim, classes=judge.classes, total=n, splits=c.splits, kept=kept, kid_subsets=c.kid_subsets
    )
    for rows in drawn.split(c.batch):
        collector.add(*judge(rows))
    return collector.scores(real=reference, rng=generator(0, "floor", real.name, judge.name))
