"""Copies and neighbours among very many pictures: time, memory, and recall against looking at every pair."""

import time
from collections.abc import Iterator

import numpy as np
from scale import Figure, Setting, peak_mib

from imgkit.curate.hamming import groups_within

HASHES, RADIUS = 1_000_000, 6
COPIED = 0.1  # of the hashes are near another one
SAMPLE = 2_000  # hashes whose neighbours are looked for by brute force


def hashes(setting: Setting) -> Iterator[Figure]:
    """Group hashes at the distance that curate uses."""
    count = setting.of(HASHES)
    drawn = some_hashes(count)
    before = peak_mib()
    started = time.monotonic()
    cpu = time.process_time()
    groups = groups_within(drawn, RADIUS)
    title = f"{count:,} hashes grouped at {RADIUS} bits"
    yield Figure(what=title, value=time.monotonic() - started, unit="s", bar=60)
    yield Figure(what=f"{title}, processor time", value=time.process_time() - cpu, unit="s")
    yield Figure(what=f"{title}, peak memory", value=peak_mib(), unit="MiB", bar=2048)
    yield Figure(what=f"{title}, memory before", value=before, unit="MiB")
    found, there = 0, 0
    for one in np.random.default_rng(1).choice(count, min(SAMPLE, count), replace=False).tolist():
        near = np.flatnonzero(np.bitwise_count(drawn ^ drawn[one]) <= RADIUS)
        found += int((groups[near] == groups[one]).sum())
        there += len(near)
    yield Figure(what=f"{title}, recall against brute force", value=found / there, unit="", bar=0.99, at_least=True)


def some_hashes(count: int) -> np.ndarray:
    """Return hashes of which a tenth are copies of others with up to six bits changed."""
    chance = np.random.default_rng(0)
    drawn = chance.integers(0, 2**64, count, dtype=np.uint64)
    copies = chance.choice(count, round(COPIED * count), replace=False)
    sources = drawn[chance.integers(0, count, len(copies))]
    for _ in range(RADIUS):
        sources ^= np.uint64(1) << chance.integers(0, 64, len(copies), dtype=np.uint64)
    drawn[copies] = sources
    return drawn
