"""Scores of samples with labels: whether the judge sees the wanted class, and a Fréchet distance class by class.

A class has few images, and a covariance needs more rows than features. So the distance of a class is taken in the
leading directions of all real features, which are the same for every class and every method.
"""

import torch
from torch import Tensor

from dotlib.errors import InputError, check_count, check_points
from dotlib.metrics.frechet import Moments, fid

DIRECTIONS = 16  # leading ones


class ClassReference:
    """The real side: moments of the features of each class in the leading directions.

    Args:
        features: (N, d) of real images.
        labels: (N,) integers, every class from 0 on.
        directions: Principal directions that are kept; fewer than the images of any class, of reals and of samples.
    """

    def __init__(self, features: Tensor, labels: Tensor, *, directions: int = DIRECTIONS) -> None:
        check_points("features", features)
        check_count("directions", directions)
        _check_labels(labels, len(features))
        if directions > features.shape[1]:
            raise InputError(f"directions: found {directions} of {features.shape[1]} features; lower it")
        rows = features.detach().cpu().double()
        self.directions = torch.linalg.eigh(torch.cov(rows.T))[1].flip(1)[:, :directions]  # (d, directions)
        self.classes = int(labels.max()) + 1
        self.moments = self.empty()
        self.add_to(self.moments, rows, labels)

    def collector(self) -> "ClassCollector":
        """An empty collector of samples, to be compared with this."""
        return ClassCollector(self)

    def empty(self) -> list[Moments]:
        """Moments of each class before any row has come."""
        return [Moments(self.directions.shape[1]) for _ in range(self.classes)]

    def add_to(self, moments: list[Moments], features: Tensor, labels: Tensor) -> None:
        """Take features (B, d) of these labels, (B,), into moments, in the leading directions."""
        within = features.detach().cpu().double() @ self.directions
        for y in labels.unique().tolist():
            moments[y].add(within[labels == y])


class ClassCollector:
    """Both scores of one sample set, batch by batch."""

    def __init__(self, reference: ClassReference) -> None:
        self.reference, self.seen, self.right, self.named = reference, 0, 0, True
        self.moments = reference.empty()

    def add(self, features: Tensor, logits: Tensor | None, labels: Tensor) -> None:
        """Take in a judge's answer, (B, d) and (B, classes), to samples of these labels, (B,). Raises InputError.

        The logits are None for a judge that names other classes than these.
        """
        labels, classes = labels.cpu(), self.reference.classes
        check_points("features", features, width=len(self.reference.directions))
        _check_labels(labels, len(features), classes)
        self.seen += len(labels)
        if logits is None:
            self.named = False
        else:
            check_points("logits", logits, width=classes)
            self.right += int((logits.detach().cpu().argmax(1) == labels).sum())
        self.reference.add_to(self.moments, features, labels)

    def scores(self) -> dict[str, float]:
        """Share of samples that the judge gives their label, and the mean over classes of the Fréchet distance.

        The share is left out for a judge without logits of these classes. Raises InputError where a class has no more
        samples than directions.
        """
        both = zip(self.reference.moments, self.moments, strict=True)
        distances = [fid(real=real, fake=fake) for real, fake in both]
        agreement = {"agreement": self.right / self.seen} if self.named else {}
        return agreement | {"intra_fid": sum(distances) / len(distances)}


def _check_labels(labels: Tensor, rows: int, classes: int | None = None) -> None:
    if labels.dtype != torch.int64 or labels.shape != (rows,) or int(labels.min()) < 0:
        passed = f"found shape {tuple(labels.shape)} of {labels.dtype}"
        raise InputError(f"labels: {passed} for {rows} rows; pass one integer from 0 on for each")
    if classes is not None and int(labels.max()) >= classes:
        raise InputError(f"labels: found {int(labels.max())}; the reference has classes 0 to {classes - 1}")
