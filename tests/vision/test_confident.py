import numpy as np
import pytest

from imgkit.vision.features import confident_learning


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

    joint = confident_learning.calibrated_joint(true, probabilities)

    assert joint.sum() == pytest.approx(1.0)
    assert np.trace(joint) == pytest.approx(1.0, abs=0.01)


def test_the_joint_tells_how_many_labels_are_wrong_and_which_way():
    _, given, probabilities = planted(noise=0.2)

    joint = confident_learning.calibrated_joint(given, probabilities)

    assert 1 - np.trace(joint) == pytest.approx(0.2, abs=0.03)
    assert joint[1, 0] > 0.05  # given 1, truly 0
    assert joint[0, 1] < 0.01


@pytest.mark.parametrize("noise", [0.03, 0.2])
def test_wrong_labels_are_flagged_with_the_right_one_suggested(noise):
    true, given, probabilities = planted(noise=noise)

    errors = confident_learning.find_label_errors(given, probabilities)

    wrong = given != true
    hits = (errors.flagged & wrong).sum()
    assert hits / errors.flagged.sum() > 0.95
    assert hits / wrong.sum() > 0.9
    assert (errors.suggested[errors.flagged & wrong] == true[errors.flagged & wrong]).mean() > 0.99


def test_flagged_labels_rank_above_all_others_and_scores_stay_between_0_and_1():
    _, given, probabilities = planted(noise=0.1)

    errors = confident_learning.find_label_errors(given, probabilities)

    assert errors.score[errors.flagged].min() >= 0.5 > errors.score[~errors.flagged].max()
    assert 0 <= errors.score.min() <= errors.score.max() <= 1


def test_an_overconfident_model_flags_what_a_calm_one_does():
    _, given, calm = planted(noise=0.1)
    sure = calm**3 / (calm**3).sum(axis=1, keepdims=True)

    flagged = [confident_learning.find_label_errors(given, each).flagged for each in (calm, sure)]

    assert flagged[0].sum() > 80
    assert (flagged[0] == flagged[1]).all()


def test_where_a_fifth_is_wrong_milder_contradictions_are_flagged_as_far_as_that_fifth_goes():
    true = np.arange(400) % 10
    given, wrong = true.copy(), np.arange(400) < 80
    given[wrong] = (true[wrong] + 1 + np.arange(80) % 9) % 10
    probabilities = np.full((400, 10), 0.01)
    probabilities[np.arange(400), given] = np.where(wrong, 0.2, 0.5)
    probabilities[np.arange(400), true] = np.where(wrong, 0.7, 0.5)

    errors = confident_learning.find_label_errors(given, probabilities / probabilities.sum(axis=1, keepdims=True))

    assert errors.noise == pytest.approx(0.2)
    assert (errors.flagged == wrong).all()


def test_pruning_never_takes_the_last_picture_of_a_label():
    labels = np.array([0, 1, 1, 1, 1, 1])
    probabilities = np.array([[0.1, 0.9]] * 6)

    flagged = confident_learning.prune_by_noise_rate(labels, probabilities, np.array([[0.0, 1 / 6], [0.0, 5 / 6]]))

    assert not flagged[0]


def test_margins_go_from_surely_wrong_to_surely_right():
    labels = np.array([0, 0, 0])
    probabilities = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])

    assert confident_learning.margins(labels, probabilities).tolist() == [-1.0, 0.0, 1.0]


def hard_pictures(count, seed=0):
    """Probabilities of three labels, and labels drawn from them: hard, but none is wrong."""
    chance = np.random.default_rng(seed)
    probabilities = confident_learning.softmax(chance.normal(0, 1.5, (count, 3)))
    return probabilities, np.array([chance.choice(3, p=row) for row in probabilities])


def test_hard_pictures_are_not_taken_for_wrong_labels():
    probabilities, labels = hard_pictures(600)

    found = confident_learning.estimate_wrong_labels(labels, probabilities, np.ones(600))

    assert (probabilities.argmax(axis=1) != labels).sum() > 150
    assert found.low == 0
    assert found.count < 10
    assert found.high < 30


@pytest.mark.parametrize("seed", range(3))
def test_the_number_of_wrong_labels_is_estimated_with_an_interval_that_holds_it(seed):
    chance = np.random.default_rng(seed)
    true = np.arange(600) % 3
    probabilities = confident_learning.softmax(4.0 * np.eye(3)[true] + chance.normal(0, 1, (600, 3)))
    wrong = chance.permutation(600)[:42]
    labels = true.copy()
    labels[wrong] = (labels[wrong] + 1) % 3

    found = confident_learning.estimate_wrong_labels(labels, probabilities, np.ones(600))

    assert found.low <= 42 <= found.high
    assert found.count == pytest.approx(42, abs=12)
    assert set(np.argsort(-found.chances)[:30]) <= set(wrong.tolist())
    assert found.chances[wrong].mean() > 0.8


def test_copies_are_one_piece_of_evidence():
    probabilities, labels = hard_pictures(100)
    labels[:7] = (probabilities[:7].argmax(axis=1) + 1) % 3
    rows = np.repeat(np.arange(100), 4)

    alone = confident_learning.estimate_wrong_labels(labels, probabilities, np.ones(100))
    copied = confident_learning.estimate_wrong_labels(labels[rows], probabilities[rows], np.full(400, 0.25))

    assert copied.high / 400 == pytest.approx(alone.high / 100, rel=0.2)


GIVEN = np.array([0, 0, 0, 1, 1])
LIKELY = np.array([[0.9, 0.1, 0.0], [0.5, 0.5, 0.0], [0.6, 0.4, 0.0], [0.2, 0.8, 0.0], [0.8, 0.2, 0.0]])
"""Means of the own label: 2/3 and 1/2. The second picture reaches the mean of label 1, the third none, the last 0's."""


def test_counts_written_out():
    counts = confident_learning.confident_counts(GIVEN, LIKELY)

    assert counts.tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]


def test_the_joint_written_out():
    joint = confident_learning.calibrated_joint(GIVEN, LIKELY)

    assert joint.tolist() == [[0.3, 0.3, 0.0], [0.2, 0.2, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("likely", "number", "keep", "flagged"),
    [
        pytest.param([0.9, 0.3, 0.1, 0.2], 1, 1, [2], id="the most contradicted one"),
        pytest.param([0.9, 0.3, 0.1, 0.2], 2, 1, [2, 3], id="two of them"),
        pytest.param([0.9, 0.3, 0.1, 0.2], 4, 1, [1, 2, 3], id="not one whose likeliest label is the given one"),
        pytest.param([0.4, 0.3, 0.1, 0.2], 4, 1, [1, 2, 3], id="the least contradicted one is kept"),
        pytest.param([0.4, 0.3, 0.1, 0.2], 4, 2, [2, 3], id="the two least contradicted ones are kept"),
        pytest.param([0.4, 0.3, 0.1, 0.2], 4, 4, [], id="all are kept"),
        pytest.param([0.4, 0.3, 0.1, 0.2], 0, 1, [], id="the joint says none"),
    ],
)
def test_pruning_written_out(likely, number, keep, flagged):
    own = np.array([*likely, 0.9, 0.8])
    labels = np.array([0, 0, 0, 0, 1, 1])
    probabilities = np.where(labels[:, None] == [[0, 1]], own[:, None], 1 - own[:, None])
    joint = np.array([[4 - number, number], [0, 2]]) / 6

    found = confident_learning.prune_by_noise_rate(labels, probabilities, joint, keep_per_label=keep)

    assert np.flatnonzero(found).tolist() == flagged


JOINT = np.array([[0.5, 0.2], [0.05, 0.25]])


def test_a_model_that_knows_no_more_than_the_prior_leaves_the_posterior_to_the_given_label():
    found = confident_learning.channel_posterior(np.array([0, 1]), np.array([[0.7, 0.3]] * 2), JOINT)

    assert found == pytest.approx(np.array([[5 / 7, 2 / 7], [1 / 6, 5 / 6]]), abs=1e-7)


def test_the_posterior_after_twenty_steps_of_expectation_maximisation():
    channel, true = JOINT / JOINT.sum(axis=0), [0.55, 0.45]
    for _ in range(20):
        seen = [channel[given][0] * true[0] + channel[given][1] * true[1] for given in (0, 1)]
        true = [
            true[label] * (0.8 / seen[0] * channel[0][label] + 0.2 / seen[1] * channel[1][label]) for label in (0, 1)
        ]
        true = [each / sum(true) for each in true]
    likely = [true[label] * channel[0][label] for label in (0, 1)]

    found = confident_learning.channel_posterior(np.array([0]), np.array([[0.8, 0.2]]), JOINT)

    assert found[0] == pytest.approx([each / sum(likely) for each in likely], abs=1e-7)


def test_what_the_channel_takes_for_wrong_is_flagged_whatever_the_margins():
    true, given, probabilities = planted(noise=0.2)

    errors = confident_learning.find_label_errors(given, probabilities, contradicts=2.0, expected=2.0)

    wrong = given != true
    assert (errors.flagged & wrong).sum() / wrong.sum() > 0.9
    assert (errors.flagged & ~wrong).sum() < 10
