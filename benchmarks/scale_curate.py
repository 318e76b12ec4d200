"""Copies and neighbours among very many pictures: time, memory, and recall against looking at every pair."""

import time
from collections.abc import Iterator

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
from scale import Figure, Setting, peak_mib

from imgkit.curate.copies.grouping import COSINE_FROM, NEIGHBOURS
from imgkit.curate.copies.hamming import pairs_within
from imgkit.curate.copies.neighbours import nearest

HASHES, RADIUS = 1_000_000, 6
EMBEDDINGS, DIMENSION, LATENT = 200_000, 1280, 384
COPIED = 0.1  # of the hashes and of the embeddings are near another one
SAMPLE = 2_000  # hashes whose neighbours are looked for by brute force


def hashes(setting: Setting) -> Iterator[Figure]:
    """Find the pairs of hashes at the distance that curate uses."""
    count = setting.of(HASHES)
    drawn = some_hashes(count)
    before = peak_mib()
    started = time.monotonic()
    cpu = time.process_time()
    pairs = pairs_within(drawn, RADIUS)
    title = f"{count:,} hashes, pairs within {RADIUS} bits"
    yield Figure(what=title, value=time.monotonic() - started, unit="s", bar=60)
    yield Figure(what=f"{title}, processor time", value=time.process_time() - cpu, unit="s")
    yield Figure(what=f"{title}, peak memory", value=peak_mib(), unit="MiB", bar=2048)
    yield Figure(what=f"{title}, memory before", value=before, unit="MiB")
    graph = scipy.sparse.coo_array((np.ones(len(pairs), np.bool_), (pairs.first, pairs.second)), shape=(count, count))
    groups = scipy.sparse.csgraph.connected_components(graph, directed=False)[1]  # equal hashes are paired with one
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


def neighbours(setting: Setting) -> Iterator[Figure]:
    """Find the eight nearest neighbours of embeddings, and compare some with those by brute force."""
    count = setting.of(EMBEDDINGS)
    features = some_embeddings(count)
    before = peak_mib()
    started = time.monotonic()
    found = nearest(features, NEIGHBOURS)
    title = f"{count:,} embeddings of {DIMENSION}, {NEIGHBOURS} neighbours"
    yield Figure(what=title, value=time.monotonic() - started, unit="s", bar=120)
    yield Figure(what=f"{title}, peak memory", value=peak_mib(), unit="MiB", bar=2048)
    yield Figure(what=f"{title}, memory before (the embeddings)", value=before, unit="MiB")
    chosen = np.random.default_rng(1).choice(count, min(SAMPLE, count), replace=False)
    true, cosines = brute_force(features, chosen)
    right = (true[:, :, None] == found.indices[chosen][:, None, :]).any(axis=2)  # (n, k)
    compared = cosines >= COSINE_FROM
    title = f"{title}, recall"
    yield Figure(what=title, value=right.mean(), unit="", bar=0.99, at_least=True)
    yield Figure(what=f"{title} of copies", value=right[compared].mean(), unit="", bar=0.99, at_least=True)
    yield Figure(what=f"{title}: share of such likely copies", value=compared.mean(), unit="")


def brute_force(features: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (n, k) nearest of all rows to the chosen ones, and their cosines."""
    mean = features.mean(axis=0)
    lengths = np.concatenate([np.linalg.norm(part - mean, axis=1) for part in np.array_split(features, 200)])
    near, cosines = [], []
    for rows in np.array_split(chosen, max(1, len(chosen) // 100)):
        unit = (features[rows] - mean) / lengths[rows, None]
        all_cosines = (unit @ features.T - (unit @ mean)[:, None]) / lengths
        all_cosines[np.arange(len(rows)), rows] = -1
        near.append(np.argpartition(all_cosines, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS:])
        cosines.append(np.take_along_axis(all_cosines, near[-1], axis=1))
    return np.concatenate(near), np.concatenate(cosines)


def some_embeddings(count: int) -> np.ndarray:
    """Return vectors like those of a network: positive, in clusters of clusters, with copies among them.

    Their directions differ in strength as a power law, as those of features of photographs do.
    """
    chance = np.random.default_rng(0)
    strength = (np.arange(LATENT) + 1.0) ** -0.7
    mixing = chance.normal(size=(LATENT, DIMENSION)).astype(np.float32)
    labels = chance.normal(size=(100, LATENT))
    scenes = labels[chance.integers(0, 100, 5_000)] + 0.8 * chance.normal(size=(5_000, LATENT))
    features = np.empty((count, DIMENSION), np.float32)
    for start in range(0, count, 10_000):
        part = slice(start, min(count, start + 10_000))
        size = part.stop - part.start
        latent = scenes[chance.integers(0, len(scenes), size)] + 0.6 * chance.normal(size=(size, LATENT))
        features[part] = np.maximum((latent * strength).astype(np.float32) @ mixing + 0.5, 0)
    copies = chance.choice(count, round(COPIED * count), replace=False)
    for part in np.array_split(copies, max(1, len(copies) // 5_000)):
        sources = features[chance.integers(0, count, len(part))]
        features[part] = np.maximum(sources + 0.1 * sources.std() * chance.normal(size=sources.shape), 0)
    return features
