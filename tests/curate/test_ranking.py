"""All detectors together make one ranking, which knows what is usual for a label."""

import numpy as np
import pytest

from imgkit.curate.ranking import (
    Ranking,
    few_directions,
    log_odds,
    read_ranking,
    scores_of,
    unusual,
    write_ranking,
)


def measured(**scores):
    return {name: np.array(values, dtype=np.float64) for name, values in scores.items()}


def test_one_cartoon_among_photographs_sticks_out_and_one_among_cartoons_does_not():
    scores = np.array([-4.0, -3.5, -3.0, -2.5] * 5 + [2.0] + [1.0, 1.5, 2.0, 2.5] * 5)
    labels = np.array(["photographs"] * 21 + ["cartoons"] * 20)

    found = unusual(scores, labels, np.ones(41, dtype=np.bool_))

    assert found[20] > 6
    assert found[21:].max() < 2


def test_a_label_of_few_pictures_is_compared_with_all():
    scores = np.array([0.0, 0.1, -0.1, 0.2] * 5 + [5.0, 5.1])
    labels = np.array(["many"] * 20 + ["few"] * 2)

    assert unusual(scores, labels, np.ones(22, dtype=np.bool_))[20:].min() > 10


def test_among_a_handful_of_pictures_nothing_is_unusual():
    assert unusual(np.array([0.0, 0.1, 9.0]), np.array(["label"] * 3), np.ones(3, dtype=np.bool_)).tolist() == [0, 0, 0]


def test_what_a_person_rejected_does_not_say_what_is_usual():
    scores = np.array([0.0, 0.1, -0.1, 0.2] * 3 + [9.0] * 12)
    labels, counted = np.array(["label"] * 24), np.arange(24) < 12

    assert unusual(scores, labels, counted)[12:].min() > 10


def test_a_detector_that_is_sure_says_more_than_three_that_wonder():
    usual = [0.0] * 20
    rows, labels = np.arange(22), np.array(["label"] * 22)
    spread = [-2.9, -3.1] * 10
    sure = measured(not_photo=[*spread, -3.0, 1.0], text=[*spread, -3.0, 1.0], offtopic=[*usual, 6.0, 1.0])

    odds = log_odds(scores_of(sure, labels, rows))

    assert odds[20] > 1 > odds[21]


def test_what_is_unusual_for_its_label_but_likely_a_photograph_says_nothing():
    rows, labels = np.arange(21), np.array(["label"] * 21)

    said = scores_of(measured(not_photo=[*([-6.0, -5.8, -6.2, -5.9] * 5), -1.0]), labels, rows)

    assert said[20].tolist() == [0, 0, 0]


def test_a_detector_that_was_not_asked_says_nothing():
    rows, labels = np.arange(20), np.array(["label"] * 20)

    only = scores_of(measured(offtopic=[2.0] * 20), labels, rows)

    assert only.shape == (20, 3)
    assert (only[:, :2] == 0).all()


def test_few_directions_keep_the_heaps_apart_and_are_the_same_again():
    chance = np.random.default_rng(0)
    features = np.concatenate([chance.normal(0, 1, (60, 200)), chance.normal(3, 1, (60, 200))]).astype(np.float32)

    found = few_directions(features)

    widest = np.abs(found[:60].mean(axis=0) - found[60:].mean(axis=0)).max()
    assert found.shape == (120, 32)
    assert widest > 20
    assert np.array_equal(found, few_directions(features))


def test_a_ranking_comes_back_as_it_was_kept(tmp_path):
    ranking = Ranking((("coral", "a1"), ("king", "b2")), np.zeros(2), np.ones(2), np.ones((2, 3)), np.ones((2, 4)))
    write_ranking(ranking, tmp_path)

    back = read_ranking(tmp_path)

    assert back is not None
    assert back.keys == (("coral", "a1"), ("king", "b2"))
    assert back.learnt.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("body", [None, b"", b"PK\x03\x04 torn"])
def test_a_ranking_that_is_missing_or_torn_is_none(tmp_path, body):
    if body is not None:
        (tmp_path / "ranking.npz").write_bytes(body)

    assert read_ranking(tmp_path) is None
