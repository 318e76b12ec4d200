"""How many wrong pictures are left, and what a Gaussian process around the prior learns from decisions."""

import numpy as np
import pytest
import scipy.optimize

from imgkit.curate.ranking.reduced_features import read_reduced, reduce_features, write_reduced
from imgkit.curate.ranking.relearning import (
    LABEL_VARIANCE,
    OFFSET_VARIANCE,
    SHARED_VARIANCE,
    SLOPE_VARIANCE,
    UNDECIDED,
    learn,
    learning_inputs,
)
from imgkit.curate.ranking.remaining import estimate_remaining

NOTHING = {"found_bad": np.zeros(0, np.int8), "expected": np.zeros(0), "kept": 0}


@pytest.fixture
def inputs():
    """Twelve pictures of two labels."""
    chance = np.random.default_rng(0)
    features = chance.normal(size=(12, 3)).astype(np.float32)
    return learning_inputs(chance.normal(-1, 1, 12), features, np.repeat([0, 1], 6))


def test_the_log_odds_are_those_of_the_most_likely_function_of_the_whole_kernel(inputs):
    decided = np.array([1, 0, 0, UNDECIDED, UNDECIDED, UNDECIDED, 1, 0, 1, UNDECIDED, UNDECIDED, UNDECIDED], np.int8)
    same = inputs.labels[:, None] == inputs.labels[None]
    kernel = (
        SHARED_VARIANCE * inputs.shared @ inputs.shared.T
        + LABEL_VARIANCE * same * (inputs.within @ inputs.within.T)
        + OFFSET_VARIANCE
        + SLOPE_VARIANCE * np.outer(inputs.slope, inputs.slope)
    ).astype(np.float64)
    rows = np.flatnonzero(decided != UNDECIDED)
    own, bad = kernel[np.ix_(rows, rows)], decided[rows]

    def cost(pull):
        log_odds = inputs.prior[rows] + own @ pull
        return np.logaddexp(0, log_odds).sum() - bad @ log_odds + 0.5 * pull @ own @ pull

    pull = scipy.optimize.minimize(cost, np.zeros(len(rows)), tol=1e-12).x

    assert learn(inputs, decided).log_odds == pytest.approx(inputs.prior + kernel[:, rows] @ pull, abs=0.01)


def test_without_decisions_the_prior_comes_back(inputs):
    assert learn(inputs, np.full(12, UNDECIDED, np.int8)).log_odds.tolist() == inputs.prior.tolist()


def test_what_a_decision_says_about_itself_is_left_out(inputs):
    decided = np.full(12, UNDECIDED, np.int8)
    decided[4] = 1

    learnt = learn(inputs, decided)

    assert learnt.rows.tolist() == [4]
    assert learnt.held_out[0] == pytest.approx(inputs.prior[4], abs=0.3)
    assert learnt.log_odds[4] > inputs.prior[4] + 1


def test_the_estimate_is_the_sum_of_the_probabilities_until_something_is_known():
    found = estimate_remaining(np.array([0.4] * 50 + [0.1] * 100), **NOTHING)

    assert (found.value, found.unseen) == (pytest.approx(30), 150)
    assert found.low < 30 < found.high
    assert found.margin == max(found.high - 30, 30 - found.low)


@pytest.mark.parametrize(("bad", "factor"), [(0, 3 / 13), (10, 1), (20, 23 / 13)])
def test_it_is_scaled_by_how_many_wrong_ones_there_were_for_each_one_expected(bad, factor):
    found_bad = np.array([1] * bad + [0] * (50 - bad), np.int8)

    found = estimate_remaining(np.full(100, 0.2), found_bad=found_bad, expected=np.full(50, 0.2), kept=50 - bad)

    assert found.value == pytest.approx(20 * factor)


def test_decided_pictures_that_seemed_worse_than_all_that_are_left_scale_nothing():
    found = estimate_remaining(np.full(100, 0.1), found_bad=np.ones(9, np.int8), expected=np.full(9, 0.4), kept=0)

    assert found.value == pytest.approx(10)


def test_pages_are_counted_until_half_of_the_wrong_ones_are_found():
    assert estimate_remaining(np.full(200, 0.2), **NOTHING).halved_after == 3  # half of them are in 100 pictures
    assert estimate_remaining(np.array([0.9] * 10 + [0.001] * 300), **NOTHING).halved_after == 1


def test_it_says_stop_when_the_upper_end_is_one_in_a_hundred_of_the_set():
    found_bad, expected = np.zeros(300, np.int8), np.full(300, 0.001)
    clean = estimate_remaining(np.full(100, 0.001), found_bad=found_bad, expected=expected, kept=300)
    doubtful = estimate_remaining(np.full(100, 0.2), found_bad=found_bad, expected=expected, kept=300)

    assert (clean.stop, clean.high <= 4) == (True, True)
    assert (doubtful.stop, doubtful.high > 4) == (False, True)


def test_features_come_back_as_they_were_kept_and_a_torn_file_is_none(tmp_path):
    features = np.random.default_rng(0).random((5, 8)).astype(np.float32)
    features[2] = np.nan
    kept = reduce_features([("a", str(n)) for n in range(5)], features)
    write_reduced(kept, tmp_path)

    found = read_reduced(tmp_path)

    assert found.keys == kept.keys == tuple(("a", str(n)) for n in (0, 1, 3, 4))
    assert found.features == pytest.approx(kept.features, abs=1e-3)
    assert (kept.features**2).sum(axis=1).mean() == pytest.approx(1, abs=1e-5)
    (tmp_path / "reduced-features.npz").write_bytes(b"PK torn")
    assert read_reduced(tmp_path) is None
    assert read_reduced(tmp_path / "nowhere") is None
