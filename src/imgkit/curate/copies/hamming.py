"""Find all pairs of 64-bit hashes within a Hamming distance, exactly, in seconds for a million."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.arrays import Int64Array, UInt64Array

BITS: Final = 64
BLOCK_ROWS: Final = 256  # of the all-against-all search: 256 x 20,000 distances are 5 MB
ALL_AGAINST_ALL_UP_TO: Final = 8_000
PAIRS_AT_ONCE: Final = 4_000_000  # candidate pairs in memory at a time
_SORT_COST: Final = 40.0  # of one hash in one pass, in units of one comparison; measured once, not critical


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of indices with their distance in bits; ``first[n]`` and ``second[n]`` are ``distance[n]`` apart."""

    first: Int64Array
    second: Int64Array
    distance: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.first)


def pairs_within(hashes: UInt64Array, radius: int) -> Pairs:
    """Return the pairs (i < j) of hashes that differ in at most ``radius`` bits; none is missed.

    Equal hashes are collapsed first: each is paired with the first of its kind only, and only that one with others, so
    that 50,000 copies of one placeholder are 50,000 pairs and not a billion. Connected components are the same.

    Returns:
        Pairs sorted by (first, second). A million hashes at a radius of 6 take seconds and about 200 MB.
    """
    distinct, first_seen, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    own = first_seen[inverse].astype(np.int64)
    copies = np.flatnonzero(own != np.arange(len(hashes)))
    near = _self_join(distinct, radius)
    one, two = first_seen[near.first], first_seen[near.second]
    return _sorted(
        np.concatenate([own[copies], np.minimum(one, two)]),
        np.concatenate([copies, np.maximum(one, two)]),
        np.concatenate([np.zeros(len(copies), np.uint8), near.distance]),
    )


def pairs_between(left: UInt64Array, right: UInt64Array, radius: int) -> Pairs:
    """Return the pairs (i of ``left``, j of ``right``) that differ in at most ``radius`` bits; none is missed."""
    if len(left) * len(right) <= ALL_AGAINST_ALL_UP_TO**2:
        return _gather(_all_between(left, right, radius))
    return _gather(_joined_between(left, right, radius))


def _self_join(hashes: UInt64Array, radius: int) -> Pairs:
    if len(hashes) <= ALL_AGAINST_ALL_UP_TO:
        return _gather(_all_within(hashes, radius))
    return _gather(_joined_within(hashes, radius))


def _all_within(hashes: UInt64Array, radius: int) -> Iterator[Pairs]:
    for start in range(0, len(hashes), BLOCK_ROWS):
        block = np.bitwise_count(hashes[start : start + BLOCK_ROWS, None] ^ hashes[None, start:])
        rows, columns = np.nonzero(block <= radius)
        upper = columns > rows
        rows, columns = rows[upper], columns[upper]
        yield Pairs(rows + start, columns + start, block[rows, columns])


def _all_between(left: UInt64Array, right: UInt64Array, radius: int) -> Iterator[Pairs]:
    for start in range(0, len(left), BLOCK_ROWS):
        block = np.bitwise_count(left[start : start + BLOCK_ROWS, None] ^ right[None, :])
        rows, columns = np.nonzero(block <= radius)
        yield Pairs(rows + start, columns, block[rows, columns])


@dataclass(frozen=True, slots=True)
class _Plan:
    """Cut a hash into ``radius + equal`` pieces: two hashes within the radius agree in at least ``equal`` of them."""

    masks: tuple[np.uint64, ...]
    equal: int


def _plan(count: int, radius: int) -> _Plan:
    """Choose the number of pieces with the least work: few passes over many bits, or many passes over few."""

    def work(equal: int) -> float:
        passes = math.comb(radius + equal, equal)
        agreeing_bits = BITS * equal / (radius + equal)
        return passes * (_SORT_COST * count + count * count / 2 / 2**agreeing_bits)

    equal = min((equal for equal in range(1, 6) if radius + equal <= BITS), key=work)
    edges = [round(BITS * cut / (radius + equal)) for cut in range(radius + equal + 1)]
    masks = tuple(np.uint64((1 << end) - (1 << start)) for start, end in pairwise(edges))
    return _Plan(masks, equal)


def _joined_within(hashes: UInt64Array, radius: int) -> Iterator[Pairs]:
    """Sort by every choice of ``equal`` pieces; hashes that agree in them lie side by side.

    Source: G. S. Manku, A. Jain, A. Das Sarma 2007, "Detecting Near-Duplicates for Web Crawling".
    """
    plan = _plan(len(hashes), radius)
    for chosen in combinations(range(len(plan.masks)), plan.equal):
        keys = hashes & np.bitwise_or.reduce([plan.masks[piece] for piece in chosen])
        order = np.argsort(keys)
        keys, sorted_hashes = keys[order], hashes[order]
        here, step = np.flatnonzero(keys[:-1] == keys[1:]), 1
        while len(here):
            found = _checked(sorted_hashes[here], sorted_hashes[here + step], radius, plan, chosen)
            one, two = order[here[found]], order[here[found] + step]
            distance = np.bitwise_count(hashes[one] ^ hashes[two])
            yield Pairs(np.minimum(one, two), np.maximum(one, two), distance)
            step += 1
            here = here[here + step < len(keys)]
            here = here[keys[here] == keys[here + step]]


def _joined_between(left: UInt64Array, right: UInt64Array, radius: int) -> Iterator[Pairs]:
    plan = _plan(len(left) + len(right), radius)
    for chosen in combinations(range(len(plan.masks)), plan.equal):
        mask = np.bitwise_or.reduce([plan.masks[piece] for piece in chosen])
        order = np.argsort(right & mask)
        keys = (right & mask)[order]
        wanted = left & mask
        low, high = np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        busy = np.flatnonzero(high > low)
        for rows in _in_portions(busy, (high - low)[busy]):
            lengths = (high - low)[rows]
            one = np.repeat(rows, lengths)
            within = np.arange(len(one)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            two = order[np.repeat(low[rows], lengths) + within]
            found = _checked(left[one], right[two], radius, plan, chosen)
            one, two = one[found], two[found]
            yield Pairs(one, two, np.bitwise_count(left[one] ^ right[two]))


def _in_portions(rows: Int64Array, lengths: Int64Array) -> Iterator[Int64Array]:
    if len(rows):
        portion = np.cumsum(lengths) // PAIRS_AT_ONCE
        yield from np.split(rows, np.flatnonzero(np.diff(portion)) + 1)


def _checked(one: UInt64Array, two: UInt64Array, radius: int, plan: _Plan, chosen: tuple[int, ...]) -> Int64Array:
    """Return which pairs are close, each only in the first pass that sees it: the first ``equal`` pieces that agree."""
    difference = one ^ two
    close = np.flatnonzero(np.bitwise_count(difference) <= radius)
    difference = difference[close]
    first = np.ones(len(close), dtype=np.bool_)
    for piece in range(chosen[-1]):
        if piece not in chosen:
            first &= (difference & plan.masks[piece]) != 0
    return close[first]


def _gather(parts: Iterator[Pairs]) -> Pairs:
    found = [part for part in parts if len(part)]
    if not found:
        nothing = np.zeros(0, np.int64)
        return Pairs(nothing, nothing, np.zeros(0, np.uint8))
    return _sorted(
        np.concatenate([part.first for part in found]),
        np.concatenate([part.second for part in found]),
        np.concatenate([part.distance for part in found]),
    )


def _sorted(first: Int64Array, second: Int64Array, distance: npt.NDArray[np.uint8]) -> Pairs:
    order = np.lexsort((second, first))
    return Pairs(first[order], second[order], distance[order])
