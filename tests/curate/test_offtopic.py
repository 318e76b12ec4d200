import numpy as np
import pytest

from imgkit.curate.checks.offtopic import THRESHOLD
from imgkit.curate.ranking.label_distances import distances_from_every_label


def clusters(sizes, *, outsiders=0, seed=0):
    """Features of labels that each lie round a direction of their own, and outsiders anywhere."""
    chance = np.random.default_rng(seed)
    centres = np.eye(64)[: len(sizes)] * 6
    parts = [centres[n] + chance.normal(0, 0.45, (size, 64)) for n, size in enumerate(sizes)]
    parts.append(chance.normal(0, 0.9, (outsiders, 64)))
    labels = [f"label {n}" for n, size in enumerate(sizes) for _ in range(size)] + ["label 0"] * outsiders
    return np.concatenate(parts).astype(np.float32), np.array(labels)


@pytest.mark.parametrize("outsiders", [1, 5, 20])
def test_outsiders_are_far_from_every_label_and_members_are_not(outsiders):
    features, labels = clusters([80, 80, 80], outsiders=outsiders)

    scores, _ = distances_from_every_label(features, labels, np.arange(len(labels)), neighbours=10)

    assert (scores[240:] >= THRESHOLD).all()
    assert (scores[:240] >= THRESHOLD).mean() < 0.02


def test_a_wrong_label_alone_makes_no_outsider():
    features, labels = clusters([60, 60])
    labels[:5] = "label 1"

    scores, nearest = distances_from_every_label(features, labels, np.arange(len(labels)), neighbours=10)

    assert (scores[:5] < THRESHOLD).all()
    assert set(nearest[:5]) == {"label 0"}


def test_copies_of_an_outsider_do_not_vouch_for_each_other():
    features, labels = clusters([60, 60], outsiders=1)
    features, labels = np.concatenate([features, features[-1:], features[-1:]]), np.append(labels, ["label 0"] * 2)
    groups = np.append(np.arange(121), [120, 120])

    scores, _ = distances_from_every_label(features, labels, groups, neighbours=10)

    assert (scores[120:] >= THRESHOLD).all()


def test_a_few_pictures_are_not_outsiders_of_each_other():
    features, labels = clusters([6, 6])

    scores, _ = distances_from_every_label(features, labels, np.arange(12), neighbours=10)

    assert (scores < THRESHOLD).all()
