import numpy as np
import pytest

from imgkit.train.calibrate import fit_temperature, softmax
from imgkit.train.intervals import macro_f1, macro_f1_interval, wilson
from imgkit.train.metrics import Answers, calibration_error, score


def answers(rows, targets, groups=None):
    targets = np.array(targets)
    groups = np.arange(len(targets)) if groups is None else np.array(groups)
    return Answers(probabilities=np.array(rows, dtype=float), targets=targets, groups=groups)


@pytest.mark.parametrize(
    ("share", "trials", "low", "high"),
    [
        pytest.param(0.953, 85, 0.885, 0.982, id="81 of 85 right: more than five points either way"),
        pytest.param(1.0, 7, 0.646, 1.0, id="7 of 7 right says little"),
        pytest.param(0.0, 20, 0.0, 0.161, id="0 of 20"),
        pytest.param(0.5, 0, 0.0, 1.0, id="nothing seen: anything is possible"),
    ],
)
def test_wilson_interval_of_a_share(share, trials, low, high):
    interval = wilson(share, trials)

    assert (interval.low, interval.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))


def test_macro_f1_weighs_every_label_alike():
    targets, predicted = np.array([0] * 8 + [1, 1]), np.zeros(10, dtype=np.int64)

    assert macro_f1(targets, predicted, 2) == pytest.approx(0.5 * 16 / 18)


def test_a_label_that_does_not_occur_does_not_lower_macro_f1():
    assert macro_f1(np.array([0, 1]), np.array([0, 1]), 5) == 1.0


def test_copies_widen_the_interval_of_macro_f1():
    rng = np.random.default_rng(1)
    targets = np.repeat(rng.integers(0, 2, 30), 10)
    predicted = np.where(np.repeat(rng.random(30) < 0.8, 10), targets, 1 - targets)

    alone = macro_f1_interval(targets, predicted, np.arange(300), 2)
    copies = macro_f1_interval(targets, predicted, np.repeat(np.arange(30), 10), 2)

    assert copies.half_width > 2 * alone.half_width


def test_a_test_set_without_a_mistake_still_has_a_lower_bound_below_one():
    interval = macro_f1_interval(np.array([0, 1] * 10), np.array([0, 1] * 10), np.arange(20), 2)

    assert (interval.value, interval.high) == (1.0, 1.0)
    assert interval.low == pytest.approx(0.839, abs=1e-3)


def test_scores_of_a_small_set_written_out():
    rows = [[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]]

    scores = score(answers(rows, [0, 0, 0, 1]), ["coral", "king"])

    assert scores.accuracy.value == 0.75
    assert scores.confusion == ((2, 1), (0, 1))
    assert scores.top_k is None
    assert [(each.support, each.precision.value, each.recall.value) for each in scores.per_label] == [
        (3, 1.0, pytest.approx(2 / 3)),
        (1, 0.5, 1.0),
    ]
    assert scores.macro_f1.value == pytest.approx((0.8 + 2 / 3) / 2)


def test_top_three_counts_a_label_among_the_three_most_probable():
    rows = [[0.4, 0.3, 0.2, 0.06, 0.04], [0.4, 0.3, 0.2, 0.06, 0.04]]

    scores = score(answers(rows, [2, 3]), list("abcde"))

    assert scores.top_k is not None
    assert scores.top_k.value == 0.5


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    rows = [[0.9, 0.1]] * 20

    assert calibration_error(answers(rows, [0] * 10 + [1] * 10)) == pytest.approx(0.4)


def test_temperature_cools_an_overconfident_model_and_leaves_the_answers():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 500)
    logits = 8.0 * (np.eye(3)[np.where(rng.random(500) < 0.8, targets, (targets + 1) % 3)])

    calibration = fit_temperature(logits, targets, np.arange(500))

    assert calibration.temperature > 2
    assert calibration.ece_after < 0.03 < calibration.ece_before
    assert (softmax(logits / calibration.temperature).argmax(1) == logits.argmax(1)).all()


def test_a_temperature_never_raises_the_loss():
    logits = np.log(np.array([[0.7, 0.3]] * 7 + [[0.3, 0.7]] * 3))
    targets = np.array([0] * 7 + [0] * 3)

    calibration = fit_temperature(logits, targets, np.arange(10))

    assert calibration.nll_after <= calibration.nll_before
