"""What a person decides bends the ranking of the rest, and nothing else does."""

from dataclasses import replace

import numpy as np
import pytest

from imgkit.curate.ranking.reduced_features import read_reduced, reduce_features, write_reduced
from imgkit.curate.ranking.relearning import BAD, GOOD, UNDECIDED, deviations, learn, learning_inputs


@pytest.fixture
def pictures():
    """Eighty pictures of one label in two heaps of looks, log-odds of one in eight, and nothing decided."""
    chance = np.random.default_rng(0)
    features = np.concatenate([chance.normal(-1, 0.4, (40, 6)), chance.normal(1, 0.4, (40, 6))]).astype(np.float32)
    return np.full(80, -2.0), features, np.full(80, UNDECIDED, np.int8)


def learnt_from(prior, features, decided):
    return learn(learning_inputs(prior, features, np.zeros(len(prior), np.int64)), decided).log_odds


def test_without_decisions_the_prior_comes_back_however_sure_it_is(pictures):
    _, features, undecided = pictures
    prior = np.linspace(-40.0, 40.0, 80)

    assert learnt_from(prior, features, undecided).tolist() == prior.tolist()


def test_pictures_like_rejected_ones_rise_above_pictures_like_kept_ones(pictures):
    prior, features, decided = pictures
    decided[:5], decided[40:45] = BAD, GOOD

    learnt = learnt_from(prior, features, decided)

    assert learnt[5:40].min() > learnt[45:].max()


def test_the_order_of_the_decisions_does_not_matter_and_taking_one_back_takes_all_of_it_back(pictures):
    prior, features, decided = pictures
    decided[:3], decided[40:44] = BAD, GOOD
    before = learnt_from(prior, features, decided)
    decided[7] = BAD
    learnt_from(prior, features, decided)
    decided[7] = UNDECIDED

    assert learnt_from(prior, features, decided).tolist() == before.tolist()


def test_decisions_that_agree_wholly_leave_finite_log_odds(pictures):
    prior, features, decided = pictures
    decided[:] = BAD

    assert np.isfinite(learnt_from(prior * 100, features, decided)).all()


def test_many_decisions_against_a_sure_prior_turn_it_and_pictures_like_them(pictures):
    """A whole Newton step overshoots here, and the decisions would have no effect at all."""
    _, features, decided = pictures
    decided[40:65], decided[:25] = BAD, GOOD

    learnt = learnt_from(np.full(80, -4.0), features, decided)

    assert learnt[40:].min() > 0 > -4 > learnt[:40].max()


@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_decisions_against_a_sure_prior_move_it_alike_however_sure_it_was(scale):
    """What the prior says beyond 4 stays, on top of what is learnt."""
    prior, decided = np.array([4.0] * 6 + [-4.0] * 6), np.array([GOOD] * 6 + [BAD] * 6, np.int8)
    features = np.zeros((12, 1), np.float32)
    moved = learnt_from(prior, features, decided) - prior

    sure = learnt_from(prior * scale, features, decided) - prior * scale

    assert moved[0] < -1 < 1 < moved[11]
    assert sure == pytest.approx(moved, abs=1e-6)


def test_scores_are_counted_in_deviations_from_their_median_and_cut_at_five():
    columns = np.column_stack([[0.0, 0, 0, 0, 10], [7.0] * 5, [1.0, 2, 3, 4, 5], [0.0] * 4 + [-9.0]])

    found = deviations(columns)

    assert found[:, 0].tolist() == [0, 0, 0, 0, 2.5]
    assert found[:, 1].tolist() == [0] * 5
    assert found[:, 2] == pytest.approx(np.array([-2, -1, 0, 1, 2]) / np.sqrt(2))
    assert deviations(np.column_stack([[0.0] * 39 + [1.0], [0.0] * 39 + [-1.0]]))[39].tolist() == [5.0, -5.0]
    assert deviations(np.zeros((3, 0))).shape == (3, 0)


def test_few_directions_hold_what_differs_most_and_are_the_same_again():
    features = np.random.default_rng(0).gamma(2, 1, (200, 300)).astype(np.float32)
    keys = [("a", str(n)) for n in range(200)]
    roots = np.sqrt(features)

    found = reduce_features(keys, features).features

    largest = np.linalg.svd(roots - roots.mean(axis=0), compute_uv=False)[127::-1] ** 2
    assert found.shape == (200, 128)
    assert found.T @ found == pytest.approx(np.diag(largest) * 200 / largest.sum(), abs=1e-2)
    assert np.array_equal(found, reduce_features(keys, features).features)


def test_features_come_back_by_key_and_as_zeros_for_pictures_without():
    features = np.eye(3, 8, dtype=np.float32)
    features[1] = np.nan
    reduced = reduce_features([("a", "1"), ("a", "2"), ("b", "1")], features)

    found = reduced.of([("b", "1"), ("a", "2"), ("c", "9"), ("a", "1")])

    assert found.tolist() == [reduced.features[1].tolist(), [0.0] * 2, [0.0] * 2, reduced.features[0].tolist()]
    assert reduced.of([]).shape == (0, 2)


def test_what_curate_learnt_comes_back_with_the_features(tmp_path):
    kept = reduce_features([("a", "1"), ("a", "2")], np.eye(2, 8, dtype=np.float32))
    write_reduced(replace(kept, learnt={("a", "2"): -1.5, ("gone", "3"): 9.0}), tmp_path)

    assert read_reduced(tmp_path).learnt == {("a", "2"): -1.5}
