import numpy as np
import pytest

from imgkit.curate.copies.neighbours import nearest


def clustered(count, *, dimension=48):
    """Positive vectors in clusters of about eight."""
    chance = np.random.default_rng(0)
    centres = chance.normal(size=(count // 8, dimension))
    near = centres[chance.integers(0, len(centres), count)] + 0.3 * chance.normal(size=(count, dimension))
    return np.maximum(near + 1, 0).astype(np.float32)


def brute(features, count):
    centred = features - features.mean(axis=0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    order = np.argsort(-cosines, axis=1)[:, :count]
    return order, np.take_along_axis(cosines, order, axis=1)


def test_the_nearest_by_centred_cosine_come_first_and_no_row_is_its_own_neighbour():
    angles = np.radians([0, 10, 120, 125, 240, 236])
    features = 5 + np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    found = nearest(features, 2)

    assert found.indices[:, 0].tolist() == [1, 0, 3, 2, 5, 4]
    assert found.cosines[:, 0] == pytest.approx([0.985, 0.985, 0.996, 0.996, 0.998, 0.998], abs=0.01)
    assert (found.cosines[:, 0] >= found.cosines[:, 1]).all()


@pytest.mark.parametrize("exact_up_to", [5000, 1000])
def test_only_the_rows_asked_about_are_looked_at_and_places_among_them_come_back(exact_up_to):
    features = clustered(2000)
    among = np.delete(np.arange(len(features)), np.arange(0, len(features), 7))
    wider = np.full((len(features), 60), np.nan, np.float32)  # the features are a part of it, as they are in curate
    wider[among, :48] = features[among]

    found = nearest(wider[:, :48], 8, among=among, exact_up_to=exact_up_to)

    expected = nearest(features[among], 8, exact_up_to=exact_up_to)
    assert (found.indices == expected.indices).mean() > 0.999
    assert found.cosines == pytest.approx(expected.cosines, abs=1e-5)


def test_few_rows_have_no_more_neighbours_than_there_are():
    assert nearest(np.eye(3, dtype=np.float32), 8).indices.shape == (3, 2)
    assert nearest(np.ones((1, 4), np.float32), 8).indices.shape == (1, 0)


def test_all_pairs_in_blocks_give_what_brute_force_gives():
    features = clustered(2500)

    found = nearest(features, 8)

    order, cosines = brute(features, 8)
    assert found.cosines == pytest.approx(cosines, abs=1e-5)
    assert (found.indices == order).mean() > 0.999


def test_cell_by_cell_99_of_100_neighbours_are_found_with_their_cosines():
    features = clustered(2000)

    found = nearest(features, 8, exact_up_to=1000)

    order, cosines = brute(features, 8)
    hits = [len(np.intersect1d(one, two)) for one, two in zip(found.indices, order, strict=True)]
    assert np.sum(hits) / order.size >= 0.99
    same = found.indices[:, 0] == order[:, 0]
    assert found.cosines[same, 0] == pytest.approx(cosines[same, 0], abs=1e-4)
    assert not (found.indices == np.arange(len(features))[:, None]).any()
