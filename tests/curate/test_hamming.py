import numpy as np
import pytest

from imgkit.curate import hamming


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


def test_a_chain_of_near_hashes_is_one_group_and_a_far_one_stays_alone():
    hashes = np.array([0b0000, 0b0011, 0b1111, 1 << 40 | 0xFF00], dtype=np.uint64)

    assert hamming.groups_within(hashes, 2).tolist() == [0, 0, 0, 1]


def test_groups_of_many_hashes_are_those_of_their_pairs():
    hashes = hashes_with_neighbours(9000, planted=900, bits=6)

    groups = hamming.groups_within(hashes, 6)

    pairs = hamming.pairs_within(hashes, 6)
    assert len(pairs) >= 900
    assert (groups[pairs.first] == groups[pairs.second]).all()
    assert groups.max() + 1 == 9000 - 900
