"""What a person decides bends the ranking of the rest, and nothing else does."""

import numpy as np
import pytest
import scipy.optimize

from imgkit.curate.ranking.relearning import BAD, GOOD, UNDECIDED, deviations, relearn, scaled_projection


@pytest.fixture
def pictures():
    """Eighty pictures in two heaps of looks: what detectors said, and log-odds of one in ten."""
    chance = np.random.default_rng(0)
    projected = np.concatenate([chance.normal(-1, 0.4, (40, 6)), chance.normal(1, 0.4, (40, 6))])
    scores = chance.normal(0, 1, (80, 3))
    return np.full(80, -2.0), scores, projected, np.full(80, UNDECIDED, np.int8)


def test_without_decisions_the_prior_comes_back(pictures):
    prior, scores, projected, undecided = pictures

    assert relearn(prior, scores, projected, undecided).tolist() == prior.tolist()


def test_pictures_like_rejected_ones_rise_above_pictures_like_kept_ones(pictures):
    prior, scores, projected, decided = pictures
    decided[:5], decided[40:45] = BAD, GOOD

    learnt = relearn(prior, scores, projected, decided)

    assert learnt[5:40].min() > learnt[45:].max()


def test_a_detector_that_a_person_contradicts_has_less_to_say(pictures):
    prior, scores, projected, decided = pictures
    scores[:, 0] = np.tile([3.0, 0.0, 0.0, 0.0], 20)
    prior = prior + scores[:, 0]
    decided[0:40:4] = GOOD  # ten that the first detector suspects
    decided[1:40:4] = BAD  # ten that it does not

    learnt = relearn(prior, scores, projected, decided)

    suspected, others = np.arange(40, 80, 4), np.arange(41, 80, 4)
    assert (prior[suspected] - prior[others]).mean() == pytest.approx(3.0)
    assert (learnt[suspected] - learnt[others]).mean() < 1.0


def test_the_order_of_the_decisions_does_not_matter_and_taking_one_back_takes_all_of_it_back(pictures):
    prior, scores, projected, decided = pictures
    decided[:3], decided[40:44] = BAD, GOOD
    before = relearn(prior, scores, projected, decided)
    decided[7] = BAD
    relearn(prior, scores, projected, decided)
    decided[7] = UNDECIDED

    assert relearn(prior, scores, projected, decided).tolist() == before.tolist()


def test_one_decision_moves_pictures_that_look_otherwise_by_little(pictures):
    prior, scores, projected, decided = pictures
    decided[0] = BAD

    learnt = relearn(prior, scores, projected, decided)

    assert learnt[0] > prior[0]
    assert abs(learnt[40:] - prior[40:]).max() < 2.0


def test_decisions_that_agree_wholly_leave_finite_log_odds(pictures):
    prior, scores, projected, decided = pictures
    decided[:] = BAD

    learnt = relearn(prior * 100, scores * 1e6, projected, decided)

    assert np.isfinite(learnt).all()


def test_what_is_learnt_is_the_most_probable_regression_around_the_prior():
    """The same minimum by another method: a shift of precision 2, a slope of the prior (cut at 4) of precision 4 around
    1, a weight of each detector of precision 1 and of each direction of precision 6."""
    chance = np.random.default_rng(7)
    prior = chance.normal(-1, 3, 12)
    prior[:3] = [5.5, -4.5, 4.5]
    scores, projected = chance.normal(0, 1, (12, 2)), chance.normal(3, 1, (12, 3))
    decided = np.array([BAD, GOOD, BAD, UNDECIDED, GOOD, GOOD, BAD, UNDECIDED, BAD, GOOD, GOOD, UNDECIDED], np.int8)
    cut = np.clip(prior, -4.0, 4.0)
    inputs = np.column_stack([np.ones(12), cut, deviations(scores), scaled_projection(projected)])
    start, precision = np.array([0.0, 1, 0, 0, 0, 0, 0]), np.array([2.0, 4, 1, 1, 6, 6, 6])
    known, bad = decided != UNDECIDED, decided == BAD

    def cost(weights):
        odds = np.where(bad, -1, 1)[known] * (inputs[known] @ weights)
        return np.logaddexp(0, odds).sum() + (precision * (weights - start) ** 2).sum() / 2

    best = scipy.optimize.minimize(cost, start, method="BFGS", options={"gtol": 1e-9}).x
    expected = inputs @ best + prior - cut

    learnt = relearn(prior, scores, projected, decided)

    assert np.abs(expected - prior).max() > 0.5
    assert learnt == pytest.approx(expected, abs=1e-5)


def test_scores_are_counted_in_deviations_from_their_median_and_cut_at_five():
    columns = np.column_stack([[0.0, 0, 0, 0, 10], [7.0] * 5, [1.0, 2, 3, 4, 5], [0.0] * 4 + [-9.0]])

    found = deviations(columns)

    assert found[:, 0].tolist() == [0, 0, 0, 0, 2.5]
    assert found[:, 1].tolist() == [0] * 5
    assert found[:, 2] == pytest.approx(np.array([-2, -1, 0, 1, 2]) / np.sqrt(2))
    assert deviations(np.column_stack([[0.0] * 39 + [1.0], [0.0] * 39 + [-1.0]]))[39].tolist() == [5.0, -5.0]
    assert deviations(np.zeros((3, 0))).shape == (3, 0)


def test_features_have_a_mean_squared_length_of_eight_around_their_mean():
    features = np.array([[5.0, 1.0], [7.0, 1.0], [6.0, 4.0], [6.0, -2.0]])

    found = scaled_projection(features)

    assert found == pytest.approx((features - [6.0, 1.0]) * np.sqrt(8 / 5))
    assert scaled_projection(features * 1000) == pytest.approx(found)
    assert scaled_projection(np.full((3, 2), 4.0)).tolist() == [[0, 0]] * 3
    assert scaled_projection(np.zeros((3, 0))).shape == (3, 0)


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_decisions_against_a_sure_prior_turn_its_slope_however_sure_it_was(scale):
    """The slope where 12 log(1 + exp(4 w)) + 2 (w - 1)² is least; what the prior says beyond 4 stays."""
    prior, scores = np.array([4.0] * 6 + [-4.0] * 6) * scale, np.zeros((12, 0))
    decided = np.array([GOOD] * 6 + [BAD] * 6, np.int8)

    learnt = relearn(prior, scores, np.zeros((12, 0)), decided)

    shift = (learnt - prior)[[0, 11]]
    assert np.isfinite(learnt).all()
    assert shift[0] == pytest.approx(-shift[1])
    assert shift[0] == pytest.approx(4.0 * (-0.488647 - 1), abs=1e-4)
