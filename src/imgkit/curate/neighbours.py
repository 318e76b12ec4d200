"""Find each picture's nearest neighbours by features: exactly, and through an index where there are very many."""

import logging
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

logger = logging.getLogger(__name__)

EXACT_UP_TO: Final = 30_000  # rows; looking at all pairs of so many takes less than a minute on two cores
BLOCK: Final = 1024  # rows at a time
COMPARED: Final = 128  # rows at a time that are compared with their candidates, which are many times as many
REDUCED: Final = 256  # numbers that are left of each row in the index
SAMPLE: Final = 50_000  # rows that the index learns from
CELLS: Final = 1024
PROBED: Final = 96  # cells that are looked through for each row
SHORTEST: Final = 1e-12
CANDIDATES: Final = 3  # by the index, for each neighbour wanted; they are compared exactly

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest other rows of each of N rows, nearest first: (N, k) indices, and the cosines with them.

    Where fewer than k were found the index is -1 and the cosine -1.
    """

    indices: Indices
    cosines: Floats


def nearest(features: Floats, count: int, *, exact_up_to: int = EXACT_UP_TO) -> Neighbours:
    """Return the ``count`` nearest other rows of each row, by the cosine of the centred features.

    Up to ``exact_up_to`` rows, and without faiss (extra ``index``), all pairs are looked at: O(N^2). Above, an index
    finds most of them; ``benchmarks/scale.py`` prints which share, in which time and memory.

    Args:
        features: (N, D), finite.
        count: neighbours of each row; at most N - 1 are found.
        exact_up_to: rows.
    """
    rows = _Rows(features)
    count = min(count, len(features) - 1)
    if count < 1:
        return Neighbours(np.zeros((len(features), 0), np.int64), np.zeros((len(features), 0), np.float32))
    if len(features) <= exact_up_to:
        return _exact(rows, count)
    try:
        import faiss
    except ImportError:
        logger.warning(
            "all pairs of %d pictures are compared, which takes long: faiss is not installed (extra index)",
            len(features),
        )
        return _exact(rows, count)
    return _indexed(rows, count, faiss)


class _Rows:
    """Centred rows of length 1, made when asked for: a copy of all would double the memory."""

    def __init__(self, features: Floats) -> None:
        self._features = torch.from_numpy(np.ascontiguousarray(features, np.float32))
        self._mean = self._features.mean(dim=0)
        self._lengths = torch.cat([(self._features[block] - self._mean).norm(dim=1) for block in self.blocks()])

    def __len__(self) -> int:
        return len(self._features)

    def of(self, chosen: slice | torch.Tensor) -> torch.Tensor:
        """Return (n, D) rows."""
        return (self._features[chosen] - self._mean) / self._lengths[chosen, None].clamp(min=SHORTEST)

    def cosines(self, chosen: slice, others: torch.Tensor) -> torch.Tensor:
        """Return (n, k) cosines of the chosen n rows with (n, k) others each."""
        rows = self.of(chosen)
        products = torch.bmm(self._features[others], rows[:, :, None])[:, :, 0] - (rows @ self._mean)[:, None]
        return products / self._lengths[others].clamp(min=SHORTEST)

    def blocks(self, size: int = BLOCK) -> list[slice]:
        """Return the slices of all rows."""
        return [slice(start, min(len(self), start + size)) for start in range(0, len(self), size)]


def _exact(rows: _Rows, count: int) -> Neighbours:
    everything = rows.of(slice(None))
    indices, cosines = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), np.float32)
    for block in rows.blocks():
        found = everything[block] @ everything.T
        here = torch.arange(block.start, block.stop)
        found[here - block.start, here] = -torch.inf
        best = found.topk(count, dim=1)
        indices[block], cosines[block] = best.indices.numpy(), best.values.numpy()
    return Neighbours(indices, cosines)


def _indexed(rows: _Rows, count: int, faiss: Any) -> Neighbours:  # noqa: ANN401  (faiss is not typed)
    reduced = _reduced(rows)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(reduced.shape[1]), reduced.shape[1], CELLS, faiss.METRIC_INNER_PRODUCT)
    index.train(reduced[:: max(1, len(reduced) // SAMPLE)])
    index.add(reduced)
    index.nprobe = PROBED
    _, near = index.search(reduced, CANDIDATES * count + 1)
    del index, reduced
    near[near == np.arange(len(rows))[:, None]] = -1
    indices, cosines = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), np.float32)
    for block in rows.blocks(COMPARED):
        candidates = torch.from_numpy(near[block])
        found = rows.cosines(block, candidates.clamp(min=0)).masked_fill(candidates < 0, -1.0)
        best = found.topk(count, dim=1)
        indices[block], cosines[block] = candidates.gather(1, best.indices).numpy(), best.values.numpy()
    return Neighbours(indices, cosines)


def _reduced(rows: _Rows) -> Floats:
    """Return the rows along the directions in which a sample of them differs most."""
    sample = rows.of(torch.arange(0, len(rows), max(1, len(rows) // SAMPLE)))
    directions = torch.linalg.eigh(sample.T @ sample).eigenvectors[:, -REDUCED:]
    reduced = np.empty((len(rows), directions.shape[1]), np.float32)
    for block in rows.blocks():
        reduced[block] = (rows.of(block) @ directions).numpy()
    return reduced
