"""Class agreement and intra-class FID.

Kinds of test: identities (all directions give the mean of the plain distances), closed forms (a shifted class, a copied
class), invariances (batches, order, rotations), failures.
"""

import pytest
import torch
from draws import normal, rotation

from dotlib.errors import InputError
from dotlib.metrics.classes import ClassReference
from dotlib.metrics.frechet import Moments, fid

DIM, CLASSES = 6, 3
FEATURES = normal(0, 300, DIM) @ torch.diag(torch.tensor([5.0, 4.0, 3.0, 0.3, 0.2, 0.1], dtype=torch.float64))
LABELS = torch.arange(300) % CLASSES


def scores(reference: ClassReference, features, labels, logits=None, size: int = 1_000) -> dict[str, float]:
    logits = torch.eye(CLASSES)[labels] if logits is None else logits
    collector = reference.collector()
    for rows in torch.arange(len(features)).split(size):
        collector.add(features[rows], logits[rows], labels[rows])
    return collector.scores()


def test_in_all_directions_it_is_the_mean_of_the_distances_of_the_classes():
    reference = ClassReference(FEATURES, LABELS, directions=DIM)
    fake, y = normal(1, 90, DIM), torch.arange(90) % CLASSES
    apart = [fid(real=Moments.of(FEATURES[k == LABELS]), fake=Moments.of(fake[y == k])) for k in range(CLASSES)]
    assert scores(reference, fake, y)["intra_fid"] == pytest.approx(sum(apart) / CLASSES, rel=1e-9)


def test_a_shift_of_one_class_in_a_kept_direction_costs_its_square_over_the_classes():
    reference = ClassReference(FEATURES, LABELS, directions=2)
    assert scores(reference, FEATURES, LABELS)["intra_fid"] == pytest.approx(0, abs=1e-9)
    for direction, cost in ((0, 49 / CLASSES), (1, 49 / CLASSES)):
        moved = torch.where((LABELS == 1)[:, None], FEATURES + 7 * reference.directions[:, direction], FEATURES)
        assert scores(reference, moved, LABELS)["intra_fid"] == pytest.approx(cost, rel=1e-9)
    across = torch.eye(DIM, dtype=torch.float64)[5] - reference.directions @ reference.directions[5]
    assert scores(reference, FEATURES + 7 * across, LABELS)["intra_fid"] == pytest.approx(0, abs=1e-9)


def test_classes_that_are_exchanged_are_seen_by_this_distance_alone():
    """The features as a whole stay what they are, and so does their FID."""
    apart = FEATURES + 20 * LABELS[:, None]
    reference = ClassReference(apart, LABELS, directions=4)
    exchanged = scores(reference, apart, (LABELS + 1) % CLASSES)
    assert exchanged["intra_fid"] > 100 > scores(reference, apart, LABELS)["intra_fid"] + 99


def test_a_judge_of_other_classes_gives_no_agreement_and_the_same_distance():
    reference = ClassReference(FEATURES, LABELS, directions=4)
    both, unnamed = reference.collector(), reference.collector()
    fake, y = normal(1, 90, DIM), torch.arange(90) % CLASSES
    both.add(fake, torch.eye(CLASSES)[y], y)
    unnamed.add(fake, None, y)
    assert unnamed.scores() == {"intra_fid": both.scores()["intra_fid"]} and both.scores()["agreement"] == 1


def test_the_kept_directions_are_the_widest_and_turn_with_the_features():
    reference = ClassReference(FEATURES, LABELS, directions=3)
    assert reference.directions[:3].square().sum() == pytest.approx(3, abs=0.02)
    Q = rotation(2, DIM)
    fake, y = normal(1, 90, DIM), torch.arange(90) % CLASSES
    turned = ClassReference(FEATURES @ Q, LABELS, directions=3)
    expected = scores(reference, fake, y)["intra_fid"]
    assert scores(turned, fake @ Q, y)["intra_fid"] == pytest.approx(expected, rel=1e-9)


def test_batches_do_not_matter_and_agreement_is_the_share_of_right_answers():
    reference = ClassReference(FEATURES, LABELS, directions=3)
    logits = torch.eye(CLASSES)[LABELS]
    logits[:30] = torch.eye(CLASSES)[(LABELS[:30] + 1) % CLASSES]
    whole, parts = (scores(reference, FEATURES, LABELS, logits, size) for size in (1_000, 7))
    assert whole["agreement"] == parts["agreement"] == 0.9
    assert whole["intra_fid"] == pytest.approx(parts["intra_fid"], abs=1e-9)


def test_what_does_not_fit_is_refused():
    reference = ClassReference(FEATURES, LABELS, directions=3)
    fake, logits = normal(1, 4, DIM), torch.zeros(4, CLASSES)
    for labels, match in (
        (torch.zeros(3, dtype=torch.int64), r"^labels: found shape \(3,\) of torch.int64 for 4 rows"),
        (torch.zeros(4), r"^labels: found shape \(4,\) of torch.float32 for 4 rows"),
        (torch.tensor([0, 1, 2, 3]), "^labels: found 3; the reference has classes 0 to 2"),
        (torch.tensor([0, 1, 2, -1]), "^labels: found shape"),
    ):
        with pytest.raises(InputError, match=match):
            reference.collector().add(fake, logits, labels)
    with pytest.raises(InputError, match="^directions: found 7 of 6 features; lower it"):
        ClassReference(FEATURES, LABELS, directions=7)
    with pytest.raises(InputError, match="^fake: found 3 rows for 3 features"):  # a class with too few samples
        scores(reference, normal(1, 9, DIM), torch.arange(9) % CLASSES)
