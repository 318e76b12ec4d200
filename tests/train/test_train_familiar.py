import numpy as np
import pytest

from imgkit.models.out_of_distribution import fit_detector


def cloud(centre, count, seed=0):
    return (np.array(centre) + np.random.default_rng(seed).normal(0, 0.1, (count, len(centre)))).astype(np.float32)


TWO = np.concatenate([cloud([1, 0, 0, 0], 100), cloud([0, 1, 0, 0], 100)])
TARGETS = np.repeat([0, 1], 100)


def test_pictures_of_the_labels_are_familiar_and_others_are_not():
    detector = fit_detector(TWO, TARGETS, np.arange(200), 2)

    new, other = np.concatenate([cloud([1, 0, 0, 0], 200, 1), cloud([0, 1, 0, 0], 200, 2)]), cloud([0, 0, 1, 0], 50)
    assert (detector.similarity(new) >= detector.threshold).mean() > 0.93
    assert (detector.similarity(other) < detector.threshold).all()


def test_two_of_a_hundred_pictures_of_the_labels_fall_below_the_threshold():
    detector = fit_detector(TWO, TARGETS, np.arange(200), 2)

    assert (detector.similarity(TWO) < detector.threshold).sum() <= 4


def test_a_picture_does_not_vouch_for_itself_nor_its_copies():
    lone = np.eye(4, dtype=np.float32)[[0, 0, 1, 1]]

    copies = fit_detector(lone, np.array([0, 0, 1, 1]), np.array([0, 0, 1, 1]), 2)
    apart = fit_detector(lone, np.array([0, 0, 1, 1]), np.arange(4), 2)

    assert copies.threshold == pytest.approx(0.0)
    assert apart.threshold == pytest.approx(1.0)


def test_pictures_that_the_network_was_not_trained_on_set_the_threshold():
    detector = fit_detector(TWO, TARGETS, np.arange(200), 2, held_out=cloud([1, 1, 0, 0], 50))

    assert detector.threshold < 0.75
