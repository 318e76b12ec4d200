import numpy as np
import pytest

from imgkit.models.calibration import fit_temperature
from imgkit.models.intervals import Interval, macro_f1, macro_f1_interval, wilson
from imgkit.models.metrics import LabelledPredictions, calibration_error, calibration_error_by_chance, score
from imgkit.vision.features.probe import softmax


def predictions(rows, targets, groups=None):
    targets = np.array(targets)
    groups = np.arange(len(targets)) if groups is None else np.array(groups)
    return LabelledPredictions(probabilities=np.array(rows, dtype=float), targets=targets, groups=groups)


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

    scores = score(predictions(rows, [0, 0, 0, 1]), ["coral", "king"])

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

    scores = score(predictions(rows, [2, 3]), list("abcde"))

    assert scores.top_k is not None
    assert scores.top_k.value == 0.5


def test_calibration_error_is_the_gap_of_confidence_and_accuracy():
    rows = [[0.9, 0.1]] * 20

    assert calibration_error(predictions(rows, [0] * 10 + [1] * 10)) == pytest.approx(0.4)


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


def test_a_temperature_is_1_where_no_other_has_a_lower_loss_and_has_six_digits():
    nothing_said = fit_temperature(np.zeros((6, 3)), np.array([0, 1, 2] * 2), np.arange(6))
    rng = np.random.default_rng(1)
    targets = rng.integers(0, 3, 50)
    other = fit_temperature(rng.normal(0, 1, (50, 3)) + np.eye(3)[targets], targets, np.arange(50)).temperature

    assert nothing_said.temperature == 1.0
    assert nothing_said.nll_after == nothing_said.nll_before == pytest.approx(np.log(3))
    assert (other == round(other, 6), other == round(other, 5)) == (True, False)


def sure_and_right(count, confidence, accuracy, copies=1):
    """Answers of one confidence, of which a share is right; each picture ``copies`` times."""
    targets = np.repeat(np.where(np.arange(count) < round(accuracy * count), 0, 1), copies)
    return predictions([[confidence, 1 - confidence]] * len(targets), targets, np.repeat(np.arange(count), copies))


def test_chance_alone_gives_the_calibration_error_of_a_coin():
    # the share of 100 throws with p = 0.8 is off by more than 1.96 * 0.04 in 5 % of samples
    assert calibration_error_by_chance(sure_and_right(100, 0.8, 0.8), bins=1) == pytest.approx(0.08, abs=0.011)


def test_copies_give_chance_more_room():
    alone, copied = sure_and_right(100, 0.8, 0.8), sure_and_right(25, 0.8, 0.8, copies=4)

    assert len(alone) == len(copied)
    assert calibration_error_by_chance(copied, bins=1) == pytest.approx(
        2 * calibration_error_by_chance(alone, bins=1), rel=0.15
    )


@pytest.mark.parametrize(("accuracy", "off"), [(0.84, False), (0.8, False), (0.68, True)])
def test_scores_say_when_confidence_and_accuracy_part_by_more_than_chance(accuracy, off):
    scores = score(sure_and_right(300, 0.84, accuracy), ["coral", "king"])

    assert scores.confidence == pytest.approx(0.84)
    assert scores.ece == pytest.approx(0.84 - accuracy)
    assert scores.miscalibrated is off


def test_a_small_label_among_many_pictures_has_the_interval_of_its_own_few():
    targets = [0] * 500 + [1] * 5
    rows = [[0.9, 0.1]] * 500 + [[0.2, 0.8]] * 4 + [[0.7, 0.3]]

    coral, king = score(predictions(rows, targets), ["coral", "king"]).per_label

    assert king.recall == wilson(0.8, 5)
    assert king.precision == wilson(1.0, 4)
    assert coral.recall == wilson(1.0, 500)
    assert (king.recall.low, king.recall.high) == (pytest.approx(0.376, abs=1e-3), pytest.approx(0.964, abs=1e-3))


def test_copies_of_a_label_are_one_trial():
    rows, groups = [[0.2, 0.8]] * 8, [0, 0, 0, 0, 1, 1, 1, 1]

    (_, king) = score(predictions(rows, [1] * 8, groups), ["coral", "king"]).per_label

    assert king.recall == wilson(1.0, 2)


@pytest.mark.parametrize(("pictures", "bins"), [(10, 1), (19, 1), (20, 2), (149, 14), (150, 15), (300, 15)])
def test_bins_hold_equally_many_ten_at_least_and_there_are_fifteen_at_most(pictures, bins):
    confidence = np.linspace(0.5, 0.99, pictures)
    right = np.arange(pictures) % 3 > 0
    rows = np.stack([confidence, 1 - confidence], axis=1)

    expected = sum(abs(part.sum()) for part in equal_parts(right - confidence, bins)) / pictures
    assert calibration_error(predictions(rows, np.where(right, 0, 1))) == pytest.approx(expected, abs=1e-12)


def equal_parts(values, count):
    """Part values at the quantiles: number i of N goes into part i * count // (N - 1), the last into the last."""
    places = np.minimum(np.arange(len(values)) * count // (len(values) - 1), count - 1)
    return [values[places == part] for part in range(count)]


def test_the_error_by_chance_is_the_95th_percentile_of_a_thousand_samples():
    draws = np.random.default_rng(3)
    errors = [abs((draws.random(50) < 0.8).mean() - 0.8) for _ in range(1000)]

    found = calibration_error_by_chance(sure_and_right(50, 0.8, 0.8), bins=1, seed=3)

    assert found == pytest.approx(np.quantile(errors, 0.95), abs=1e-12)


def test_a_label_that_was_never_called_and_one_that_nothing_has_say_nothing():
    coral, king, milk = score(predictions([[0.9, 0.1, 0.0]] * 2, [0, 1]), ["coral", "king", "milk"]).per_label

    assert (king.predicted, king.precision, king.f1) == (0, Interval(value=0.0, low=0.0, high=1.0), 0.0)
    assert (milk.support, milk.recall, milk.f1) == (0, Interval(value=0.0, low=0.0, high=1.0), 0.0)
    assert coral.f1 == pytest.approx(2 / 3)


def test_intervals_written_out():
    hits = wilson(0.8, 10)
    macro = macro_f1_interval(np.array([0, 1] * 5), np.array([0, 1] * 4 + [1, 1]), np.arange(10), 2, seed=0)

    assert (round(hits.low, 6), round(hits.high, 6)) == (0.490162, 0.943318)
    assert (round(macro.value, 6), round(macro.low, 6), round(macro.high, 6)) == (0.89899, 0.59585, 1.0)
    assert (hits.value, hits.half_width) == (0.8, pytest.approx(0.226578, abs=1e-6))


def test_a_thousand_samples_and_no_more_say_what_chance_gives():
    confidence = np.linspace(0.5, 0.99, 50)
    rows = np.stack([confidence, 1 - confidence], axis=1)
    draws = np.random.default_rng(43)
    errors = [abs((draws.random(50) < confidence).mean() - confidence.mean()) for _ in range(1001)]

    found = calibration_error_by_chance(predictions(rows, [0] * 50), bins=1, seed=43)

    assert found == pytest.approx(np.quantile(errors[:1000], 0.95), abs=1e-12)
    fifteen = [
        calibration_error_by_chance(predictions(np.repeat(rows, 4, axis=0), [0] * 200), **b) for b in ({}, {"bins": 15})
    ]
    assert fifteen[0] == fifteen[1]
    assert abs(found - np.quantile(errors, 0.95)) > 1e-6
