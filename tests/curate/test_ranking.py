"""All detectors together make one ranking, moved by the share of junk that a harvest has."""

import numpy as np
import pytest

from imgkit.curate.ranking.junk_score import DETECTORS, log_odds, scores_of, shift_of_harvest


def measured(**scores):
    return {name: np.array(values, dtype=np.float64) for name, values in scores.items()}


def parts_of(**scores):
    """The parts of the detectors in the log-odds of one picture, by name."""
    rows = scores_of(measured(**{name: [value] for name, value in scores.items()}), np.array([0]))
    return dict(zip(DETECTORS, rows[0].tolist(), strict=True))


def test_the_detectors_are_these():
    assert list(DETECTORS) == ["art", "not_photo", "text", "offtopic", "intruder", "words"]


@pytest.mark.parametrize("name", ["art", "not_photo", "text", "intruder", "words"])
def test_a_part_is_small_below_its_start_and_grows_by_its_weight_from_there(name):
    detector = DETECTORS[name]

    at, far, far_and_one, below = (parts_of(**{name: detector.start + above})[name] for above in (0.0, 5.0, 6.0, -20.0))

    assert at == pytest.approx(detector.weight * np.log(2) / detector.gain)
    assert far_and_one - far == pytest.approx(detector.weight, abs=0.01)
    assert 0 < below < 1e-6
    assert at == pytest.approx(detector.part_of(detector.start))


def test_a_part_is_cut_at_eight_units():
    assert parts_of(words=1000.0)["words"] == pytest.approx(8.0)
    assert parts_of(art=1e6)["art"] == pytest.approx(1.7 * 8)


@pytest.mark.parametrize("name", ["art", "not_photo", "text", "intruder", "words"])
def test_a_detector_that_did_not_measure_says_what_it_says_of_a_usual_picture(name):
    detector = DETECTORS[name]
    usual = detector.part_of(detector.usual)

    assert parts_of()[name] == pytest.approx(usual)
    assert parts_of(**{name: np.nan})[name] == pytest.approx(usual)


def test_what_is_far_from_its_label_counts_with_what_imagenet_sees_in_it():
    """The score of off-topic pictures is 0.8 deviations, from -1 to 8, and the divergence."""
    detector = DETECTORS["offtopic"]

    for deviation, counted in ((-50.0, -1.0), (2.0, 2.0), (50.0, 8.0)):
        both = parts_of(offtopic=deviation, intruder=0.5)["offtopic"]
        assert both == pytest.approx(detector.part_of(0.8 * counted + 0.5))
    alone = parts_of(offtopic=2.0)["offtopic"]
    assert alone == pytest.approx(detector.part_of(0.8 * 2.0 + DETECTORS["intruder"].usual))
    assert parts_of(intruder=9.0)["offtopic"] == pytest.approx(detector.part_of(detector.usual))


def test_log_odds_are_the_sum_of_the_parts_and_of_the_start():
    assert log_odds(np.array([[0.0] * 6, [1.0, 2.0, 3.0, 0.0, 0.5, 0.0]])).tolist() == [-5.05, pytest.approx(1.45)]


def test_a_harvest_with_more_junk_moves_every_picture_up_and_a_clean_one_down():
    clean, half = np.full(400, -6.0), np.array([6.0, -6.0] * 200)

    assert shift_of_harvest(clean) < 0 < shift_of_harvest(half)
    assert shift_of_harvest(np.zeros(0)) == pytest.approx(0.0)


def test_the_share_of_a_harvest_that_is_believed_has_limits():
    usual = np.log(0.082 / 0.918)

    assert shift_of_harvest(np.full(100_000, 9.0)) == pytest.approx(np.log(0.4 / 0.6) - usual)
    assert shift_of_harvest(np.full(100_000, -60.0)) == pytest.approx(np.log(0.01 / 0.99) - usual)


def test_the_share_is_that_which_the_moved_probabilities_have_with_eighty_pictures_of_another_harvest():
    odds = np.array([5.0] * 30 + [-5.0] * 170)

    by = shift_of_harvest(odds)

    moved = 1 / (1 + np.exp(-(odds + by)))
    share = (moved.sum() + 80 * 0.082) / (200 + 80)
    assert np.log(share / (1 - share)) - np.log(0.082 / 0.918) == pytest.approx(by, abs=1e-6)
