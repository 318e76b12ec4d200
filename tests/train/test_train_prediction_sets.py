"""Prediction sets hold the label nine times in ten, and never more labels than that takes."""

import numpy as np
import pytest

from imgkit.models.metrics import LabelledPredictions
from imgkit.models.prediction_sets import PredictionSets, fit_sets, score_sets


def drawn(count, labels, seed, *, copies=1):
    """Predictions that mean what they say: the label is drawn from the probabilities."""
    chance = np.random.default_rng(seed)
    probabilities = chance.dirichlet(np.full(labels, 0.4), count)
    targets = np.array([chance.choice(labels, p=row) for row in probabilities])
    groups = np.arange(count)
    return LabelledPredictions(
        probabilities=np.repeat(probabilities, copies, axis=0),
        targets=np.repeat(targets, copies),
        groups=np.repeat(groups, copies),
    )


def test_the_rule_is_the_largest_that_covers_nine_of_ten_and_one_picture_more():
    given = np.linspace(0.99, 0.5, 19)  # the probabilities of the labels
    predictions = LabelledPredictions(
        probabilities=np.stack([given, 1 - given], axis=1), targets=np.zeros(19, np.int64), groups=np.arange(19)
    )

    sets = fit_sets(predictions)

    assert sets == PredictionSets(coverage=0.9, least=pytest.approx(given[17]), pictures=19)  # 18 of 19: 0.9 of 20


def test_with_too_few_pictures_every_label_is_likely():
    sets = fit_sets(drawn(8, 4, 0))

    assert sets.least == 0
    assert sets.places(np.array([0.1, 0.6, 0.0, 0.3])) == [1, 3, 0, 2]


def test_the_most_probable_label_is_always_in_the_set():
    sets = PredictionSets(coverage=0.9, least=0.5, pictures=100)

    assert sets.places(np.array([0.3, 0.3, 0.4])) == [2]
    assert sets.places(np.array([0.5, 0.5, 0.0])) == [0, 1]


def test_coverage_over_many_samples_is_nine_in_ten_and_the_sets_differ_in_size():
    covered, sizes = [], []
    for seed in range(40):
        sets = fit_sets(drawn(200, 6, seed))
        scores = score_sets(sets, drawn(500, 6, 1000 + seed))
        covered.append(scores.covered.value)
        sizes.append(scores.sizes)

    assert np.mean(covered) == pytest.approx(0.9, abs=0.01)
    assert all(sum(shares) == pytest.approx(1) for shares in sizes)
    assert all(len(shares) > 2 and 0 < shares[0] < 0.9 for shares in sizes)


def test_copies_count_as_one_picture():
    once, twice = fit_sets(drawn(150, 5, 3)), fit_sets(drawn(150, 5, 3, copies=4))

    assert twice == once
    assert score_sets(once, drawn(60, 5, 4)).covered == score_sets(once, drawn(60, 5, 4, copies=3)).covered


def test_a_rule_is_stored_and_a_strange_one_is_refused():
    sets = PredictionSets(coverage=0.9, least=0.25, pictures=77)

    assert PredictionSets.from_json(sets.as_json()) == sets
    for strange in ({"coverage": 0.9}, {**sets.as_json(), "least": "nan"}, {**sets.as_json(), "coverage": 1}):
        with pytest.raises((KeyError, ValueError)):
            PredictionSets.from_json(strange)


def test_the_sentence_says_what_was_asked_for_and_what_came_out():
    sets = PredictionSets(coverage=0.9, least=0.0, pictures=77)

    assert score_sets(sets, drawn(50, 3, 0)).sentence() == (
        "100.0 % of the labels (92.9 to 100.0 %) are among those named as likely, where 90 % were asked for; that is "
        "3.0 labels on average, one alone for 0 % of the pictures"
    )
