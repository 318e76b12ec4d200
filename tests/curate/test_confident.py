import numpy as np
import pytest

from imgkit.curate import confident


def planted(*, noise, count=900, classes=3, seed=0):
    """Labels of which a share is wrong, with the probabilities of a model that learnt from them."""
    chance = np.random.default_rng(seed)
    true = chance.integers(0, classes, count)
    given = true.copy()
    wrong = chance.choice(count, round(noise * count), replace=False)
    given[wrong] = (given[wrong] + 1) % classes
    logits = chance.normal(0, 0.6, (count, classes))
    logits[np.arange(count), true] += 4
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return true, given, probabilities


def test_the_joint_of_a_clean_set_is_diagonal_and_sums_to_one():
    true, _, probabilities = planted(noise=0.0)

    joint = confident.calibrated_joint(true, probabilities)

    assert joint.sum() == pytest.approx(1.0)
    assert np.trace(joint) == pytest.approx(1.0, abs=0.01)


def test_the_joint_tells_how_many_labels_are_wrong_and_which_way():
    _, given, probabilities = planted(noise=0.2)

    joint = confident.calibrated_joint(given, probabilities)

    assert 1 - np.trace(joint) == pytest.approx(0.2, abs=0.03)
    assert joint[1, 0] > 0.05  # given 1, truly 0
    assert joint[0, 1] < 0.01


@pytest.mark.parametrize("noise", [0.03, 0.2])
def test_wrong_labels_are_flagged_with_the_right_one_suggested(noise):
    true, given, probabilities = planted(noise=noise)

    errors = confident.find_label_errors(given, probabilities)

    wrong = given != true
    hits = (errors.flagged & wrong).sum()
    assert hits / errors.flagged.sum() > 0.95
    assert hits / wrong.sum() > 0.9
    assert (errors.suggested[errors.flagged & wrong] == true[errors.flagged & wrong]).mean() > 0.99


def test_flagged_labels_rank_above_all_others_and_scores_stay_between_0_and_1():
    _, given, probabilities = planted(noise=0.1)

    errors = confident.find_label_errors(given, probabilities)

    assert errors.score[errors.flagged].min() >= 0.5 > errors.score[~errors.flagged].max()
    assert 0 <= errors.score.min() <= errors.score.max() <= 1


def test_an_overconfident_model_flags_what_a_calm_one_does():
    _, given, calm = planted(noise=0.1)
    sure = calm**3 / (calm**3).sum(axis=1, keepdims=True)

    flagged = [confident.find_label_errors(given, each).flagged for each in (calm, sure)]

    assert flagged[0].sum() > 80
    assert (flagged[0] == flagged[1]).all()


def test_where_a_fifth_is_wrong_milder_contradictions_are_flagged_as_far_as_that_fifth_goes():
    true = np.arange(400) % 10
    given, wrong = true.copy(), np.arange(400) < 80
    given[wrong] = (true[wrong] + 1 + np.arange(80) % 9) % 10
    probabilities = np.full((400, 10), 0.01)
    probabilities[np.arange(400), given] = np.where(wrong, 0.2, 0.5)
    probabilities[np.arange(400), true] = np.where(wrong, 0.7, 0.5)

    errors = confident.find_label_errors(given, probabilities / probabilities.sum(axis=1, keepdims=True))

    assert errors.noise == pytest.approx(0.2)
    assert (errors.flagged == wrong).all()


def test_pruning_never_takes_the_last_picture_of_a_label():
    labels = np.array([0, 1, 1, 1, 1, 1])
    probabilities = np.array([[0.1, 0.9]] * 6)

    flagged = confident.prune_by_noise_rate(labels, probabilities, np.array([[0.0, 1 / 6], [0.0, 5 / 6]]))

    assert not flagged[0]


def test_margins_go_from_surely_wrong_to_surely_right():
    labels = np.array([0, 0, 0])
    probabilities = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])

    assert confident.margins(labels, probabilities).tolist() == [-1.0, 0.0, 1.0]
