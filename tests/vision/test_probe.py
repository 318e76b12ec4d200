import numpy as np
import pytest

from imgkit.vision.features.probe import (
    STRENGTHS,
    balances,
    fit_probe,
    knn_probabilities,
    out_of_fold,
    softmax,
    temperature,
)


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
    assert accuracy(probe.logits(shifted), labels) > 0.95


def test_a_probe_of_the_chosen_strength_is_the_probe_of_that_strength_and_calibrated_by_nobody():
    features, labels = clouds(distance=0.5)

    chosen = fit_probe(features, labels)
    given = fit_probe(features, labels, strength=chosen.strength)

    assert chosen.strength in STRENGTHS
    assert np.array_equal(chosen.weights, given.weights)
    assert np.array_equal(chosen.bias, given.bias)


def test_a_feature_that_hardly_varies_does_not_decide_where_it_varies():
    features, labels = clouds(count=100, distance=0.5)
    quiet = np.full(len(labels), 0.3, np.float32)
    quiet[:100] += np.linspace(0, 1e-4, 100, dtype=np.float32)  # of the first label only, and next to nothing
    taught = np.column_stack([features, quiet])
    loud = np.column_stack([features, np.full(len(labels), 0.9, np.float32)])

    probe = fit_probe(taught, labels, strength=0.1)

    assert np.abs(probe.logits(loud) - probe.logits(taught)).max() < 1


def test_leaving_a_fold_out_does_not_change_how_labels_weigh():
    labels = ["coral"] * 6 + ["king"] * 2

    assert not balances(labels)  # three times is not more than three times
    assert balances(labels[:7])
    features, labels = clouds(count=40, distance=0.3)
    kept = [*range(40), *range(40, 50)]
    names = [labels[index] for index in kept]

    alike, free = (fit_probe(features[kept], names, strength=0.01, balanced=each) for each in (True, False))

    assert np.array_equal(fit_probe(features[kept], names, strength=0.01).weights, alike.weights)
    assert (alike.logits(features[kept]).argmax(axis=1) == 1).sum() > (
        free.logits(features[kept]).argmax(axis=1) == 1
    ).sum()


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
