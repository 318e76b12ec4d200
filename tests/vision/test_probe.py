import numpy as np
import pytest

from imgkit.vision.probe import fit_probe, knn_probabilities, out_of_fold, softmax, temperature


def clouds(count=60, dimension=20, distance=1.2, seed=0):
    """Three overlapping clouds of points, one per label."""
    chance = np.random.default_rng(seed)
    labels = [label for label in ("coral", "king", "milk") for _ in range(count)]
    centres = {label: chance.normal(0, distance, dimension) for label in ("coral", "king", "milk")}
    features = np.stack([centres[label] + chance.normal(0, 1, dimension) for label in labels])
    return features.astype(np.float32), labels


def accuracy(probabilities, labels):
    classes = sorted(set(labels))
    return np.mean([classes[column] == label for column, label in zip(probabilities.argmax(1), labels, strict=True)])


def test_a_probe_tells_labels_apart_from_raw_features():
    features, labels = clouds()
    shifted = features * 100 + 5000  # raw features: no scale is expected

    probe = fit_probe(shifted, labels)

    assert probe.classes == ("coral", "king", "milk")
    assert (probe.weights.shape, probe.bias.shape) == ((3, 20), (3,))
    assert accuracy(probe.probabilities(shifted), labels) > 0.95


def test_probabilities_of_a_probe_are_about_right_on_new_pictures():
    features, labels = clouds(count=300, distance=0.5)
    half = np.arange(len(labels)) % 2 == 0

    probe = fit_probe(features[half], [label for label, own in zip(labels, half, strict=True) if own])

    fresh = [label for label, own in zip(labels, half, strict=True) if not own]
    probabilities = probe.probabilities(features[~half])
    assert abs(probabilities.max(axis=1).mean() - accuracy(probabilities, fresh)) < 0.05


def test_a_wrong_label_gets_a_small_probability_out_of_fold():
    features, labels = clouds()
    labels[0], labels[70] = "king", "milk"

    probabilities = out_of_fold(features, labels, [""] * len(labels))

    assert probabilities.shape == (180, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert probabilities[0, 1] < 0.2
    assert probabilities[70, 2] < 0.2
    assert np.median(probabilities[np.arange(1, 60), 0]) > 0.8


def test_copies_do_not_vouch_for_each_other():
    chance = np.random.default_rng(0)
    features = chance.normal(0, 1, (120, 40)).astype(np.float32)  # nothing to learn but the copies
    features[60:] = features[:60]
    labels = [str(label) for label in chance.integers(0, 2, 60)] * 2
    groups = [f"copy {n}" for n in range(60)] * 2

    together = out_of_fold(features, labels, groups)
    apart = out_of_fold(features, labels, [""] * 120)

    assert accuracy(apart, labels) > 0.8
    assert accuracy(together, labels) < 0.7


def test_the_same_pictures_give_the_same_probabilities():
    features, labels = clouds()

    first, second = (out_of_fold(features, labels, [""] * 180, seed=3) for _ in range(2))

    assert np.array_equal(first, second)


def test_many_pictures_are_all_judged_out_of_fold():
    features, labels = clouds(count=1700, dimension=4, distance=1.0)

    probabilities = out_of_fold(features, labels, [""] * 5100)

    assert np.allclose(probabilities.sum(axis=1), 1)
    for label in range(3):
        own = slice(1700 * label, 1700 * (label + 1))
        assert (probabilities[own].argmax(axis=1) == label).mean() > 0.5


def test_a_small_label_is_not_drowned_by_a_large_one():
    features, labels = clouds(count=200, distance=0.4, seed=0)
    kept = [*range(200), *range(200, 220)]  # 200 of coral, 20 of king

    probabilities = out_of_fold(features[kept], [labels[index] for index in kept], [""] * 220)

    assert (probabilities[200:].argmax(axis=1) == 1).mean() > 0.6  # 0.4 where all pictures weigh alike


@pytest.mark.parametrize("labels", [["coral"] * 10, ["coral", "king"] * 4])
def test_one_label_or_too_few_labels_are_refused(labels):
    with pytest.raises(ValueError, match="10 feature vectors"):
        fit_probe(np.zeros((10, 3), np.float32), labels)


def test_neighbours_vote_and_the_own_group_does_not():
    features = np.array([[1, 0], [1, 0.01], [1, 0.02], [-1, 0], [-1, 0.01], [-1, 0.02]], np.float32)
    labels = ["king", "king", "coral", "coral", "coral", "coral"]

    alone = knn_probabilities(features, labels, [""] * 6, k=2)
    grouped = knn_probabilities(features, labels, ["a", "a", "", "", "", ""], k=1)

    assert alone[0].tolist() == pytest.approx([0.5, 0.5], abs=0.01)  # columns: coral, king
    assert grouped[0].tolist() == pytest.approx([1, 0])
    assert np.allclose(alone.sum(axis=1), 1)


def test_a_picture_with_nobody_outside_its_group_gets_an_even_vote():
    features = np.eye(3, dtype=np.float32)

    votes = knn_probabilities(features, ["coral", "king", "king"], ["a", "a", "a"])

    assert np.allclose(votes, 0.5)


def test_temperature_makes_too_bold_logits_as_sure_as_they_are_right():
    chance = np.random.default_rng(0)
    true = softmax(chance.normal(0, 1, (4000, 3)))
    codes = np.array([chance.choice(3, p=row) for row in true])

    found = temperature(np.log(true) * 4, codes)

    assert found == pytest.approx(4, rel=0.1)
