"""What a person decides bends the ranking of the rest, and nothing else does."""

import numpy as np
import pytest

from imgkit.curate.relearn import BAD, GOOD, UNDECIDED, relearn


@pytest.fixture
def pictures():
    """Eighty pictures in two heaps of looks: what detectors said, and log-odds of one in ten."""
    chance = np.random.default_rng(0)
    looks = np.concatenate([chance.normal(-1, 0.4, (40, 6)), chance.normal(1, 0.4, (40, 6))])
    scores = chance.normal(0, 1, (80, 3))
    return np.full(80, -2.0), scores, looks, np.full(80, UNDECIDED, np.int8)


def test_without_decisions_the_prior_comes_back(pictures):
    prior, scores, looks, undecided = pictures

    assert relearn(prior, scores, looks, undecided).tolist() == prior.tolist()


def test_pictures_like_rejected_ones_rise_above_pictures_like_kept_ones(pictures):
    prior, scores, looks, decided = pictures
    decided[:5], decided[40:45] = BAD, GOOD

    learnt = relearn(prior, scores, looks, decided)

    assert learnt[5:40].min() > learnt[45:].max()


def test_a_detector_that_a_person_contradicts_has_less_to_say(pictures):
    prior, scores, looks, decided = pictures
    scores[:, 0] = np.tile([3.0, 0.0, 0.0, 0.0], 20)
    prior = prior + scores[:, 0]
    decided[0:40:4] = GOOD  # ten that the first detector suspects
    decided[1:40:4] = BAD  # ten that it does not

    learnt = relearn(prior, scores, looks, decided)

    suspected, others = np.arange(40, 80, 4), np.arange(41, 80, 4)
    assert (prior[suspected] - prior[others]).mean() == pytest.approx(3.0)
    assert (learnt[suspected] - learnt[others]).mean() < 1.0


def test_the_order_of_the_decisions_does_not_matter_and_taking_one_back_takes_all_of_it_back(pictures):
    prior, scores, looks, decided = pictures
    decided[:3], decided[40:44] = BAD, GOOD
    before = relearn(prior, scores, looks, decided)
    decided[7] = BAD
    relearn(prior, scores, looks, decided)
    decided[7] = UNDECIDED

    assert relearn(prior, scores, looks, decided).tolist() == before.tolist()


def test_one_decision_moves_pictures_that_look_otherwise_by_little(pictures):
    prior, scores, looks, decided = pictures
    decided[0] = BAD

    learnt = relearn(prior, scores, looks, decided)

    assert learnt[0] > prior[0]
    assert abs(learnt[40:] - prior[40:]).max() < 2.0


def test_decisions_that_agree_wholly_leave_finite_log_odds(pictures):
    prior, scores, looks, decided = pictures
    decided[:] = BAD

    learnt = relearn(prior * 100, scores * 1e6, looks, decided)

    assert np.isfinite(learnt).all()
