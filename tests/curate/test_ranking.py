"""All detectors together make one ranking, moved by the share of junk that a harvest has."""

import numpy as np
import pytest

from imgkit.curate.ranking.junk_score import (
    DETECTORS,
    Ranking,
    log_odds,
    project,
    read_ranking,
    scores_of,
    shift_of_harvest,
    write_ranking,
)


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


def test_few_directions_keep_the_heaps_apart_and_are_the_same_again():
    chance = np.random.default_rng(0)
    features = np.concatenate([chance.normal(0, 1, (60, 200)), chance.normal(3, 1, (60, 200))]).astype(np.float32)

    found = project(features)

    widest = np.abs(found[:60].mean(axis=0) - found[60:].mean(axis=0)).max()
    assert found.shape == (120, 32)
    assert widest > 20
    assert np.array_equal(found, project(features))


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


def test_all_of_a_ranking_comes_back_and_that_of_another_version_does_not(tmp_path, monkeypatch):
    kept = Ranking(
        (("coral", "a1"), ("king", "b2")),
        np.array([0.1, 0.2]),
        np.array([0.3, 0.4]),
        np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        np.array([[0.5], [0.25]]),
    )
    write_ranking(kept, tmp_path)

    back = read_ranking(tmp_path)
    monkeypatch.setattr("imgkit.curate.ranking.junk_score.VERSION", 99)

    assert back is not None
    assert (back.prior.tolist(), back.learnt.tolist()) == ([0.1, 0.2], [0.3, 0.4])
    assert back.scores.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    assert back.projected.tolist() == [[0.5], [0.25]]
    assert read_ranking(tmp_path) is None


def test_directions_stand_at_right_angles_and_hold_what_differs_most():
    features = np.random.default_rng(0).normal(3, 1, (40, 50)).astype(np.float32)
    centred = features - features.mean(axis=0)

    found = project(features)

    largest = np.linalg.svd(centred, compute_uv=False)[31::-1] ** 2
    assert found.T @ found == pytest.approx(np.diag(largest), abs=1e-2)


def test_five_pictures_have_five_directions():
    assert project(np.eye(5, 50, dtype=np.float32)).shape == (5, 5)
