import numpy as np
import pytest

from imgkit.components import groups_of
from imgkit.curate.copies import hamming


def hashes_with_neighbours(count, *, planted, bits, seed=0):
    """Random hashes of which ``planted`` are copies of others with at most ``bits`` bits flipped."""
    chance = np.random.default_rng(seed)
    made = chance.integers(0, 2**63, count, dtype=np.uint64) * np.uint64(2) + chance.integers(0, 2, count, np.uint64)
    sources = chance.integers(0, count - planted, planted)
    made[count - planted :] = made[sources]
    for _ in range(bits):
        made[count - planted :] ^= np.uint64(1) << chance.integers(0, 64, planted).astype(np.uint64)
    return made


def all_pairs(hashes, radius):
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None])
    rows, columns = np.nonzero(np.triu(distances <= radius, 1))
    return set(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize("radius", [0, 3, 6, 10])
def test_the_search_by_pieces_finds_the_pairs_that_comparing_all_finds(radius):
    hashes = np.unique(hashes_with_neighbours(1500, planted=300, bits=radius))

    found = hamming._gather(hamming._joined_within(hashes, radius))

    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == all_pairs(hashes, radius)


@pytest.mark.parametrize("radius", [4, 10])
def test_the_search_between_two_lists_finds_what_comparing_all_finds(radius):
    hashes = hashes_with_neighbours(1500, planted=300, bits=radius)
    left, right = hashes[:700], hashes[700:]

    found = hamming._gather(hamming._joined_between(left, right, radius))

    expected = np.bitwise_count(left[:, None] ^ right[None]) <= radius
    assert set(zip(found.first.tolist(), found.second.tolist(), strict=True)) == set(
        zip(*(each.tolist() for each in np.nonzero(expected)), strict=True)
    )


def test_equal_hashes_make_a_star_and_not_all_pairs():
    hashes = np.array([7] * 1000 + [6], dtype=np.uint64)

    found = hamming.pairs_within(hashes, 1)

    assert len(found) == 1000
    assert set(found.first.tolist()) == {0}
    assert sorted(found.distance.tolist()) == [0] * 999 + [1]


def test_of_more_hashes_than_are_compared_one_by_one_no_near_pair_is_missed():
    hashes = hashes_with_neighbours(9000, planted=900, bits=6)

    found = hamming.pairs_within(hashes, 6)

    groups = groups_of(9000, zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert sum(len(group) - 1 for group in groups) == 900
    assert (np.bitwise_count(hashes[found.first] ^ hashes[found.second]) == found.distance).all()
