"""Find each picture's nearest neighbours by features: exactly, and cell by cell where there are very many."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from torch import Tensor

from imgkit.arrays import Float32Array, Int64Array

EXACT_UP_TO: Final = 30_000  # rows; looking at all pairs of so many takes less than a minute on two cores
BLOCK: Final = 1024  # rows at a time
COMPARED: Final = 128  # rows at a time that are compared with their candidates, which are many times as many
REDUCED: Final = 256  # numbers by which candidates are found
SAMPLE: Final = 40_000  # rows from which directions and cells are learned
CELLS: Final = 256
ROUNDS: Final = 10  # of learning the cells
LOOKED_THROUGH: Final = 40  # cells, for each row
CANDIDATES: Final = 3  # for each neighbour wanted; they are compared by all numbers
SHORTEST: Final = 1e-12


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest other rows of each of N rows, nearest first: (N, k) indices, and the cosines with them.

    Where fewer than k were found the index is -1 and the cosine -1.
    """

    indices: Int64Array
    cosines: Float32Array


def nearest(
    features: Float32Array, count: int, *, among: Int64Array | None = None, exact_up_to: int = EXACT_UP_TO
) -> Neighbours:
    """Return the ``count`` nearest other rows of each row, by the cosine of the centred features.

    Up to ``exact_up_to`` rows all pairs are looked at. Above, neighbours are looked for in the cells around a row only,
    a sixth of all; ``benchmarks/scale.py`` prints which share of them is found, in which time and memory.

    Args:
        features: (N, D), finite; they are not copied.
        among: the rows of ``features`` to look at, None for all; what comes back counts places in it.
        count: neighbours of each row; at most N - 1 are found.
        exact_up_to: rows.

    Source: inverted files after Sivic & Zisserman 2003, "Video Google"; here all that look through a cell do so at
    once, as one product of matrices.
    """
    rows = _Rows(features, None if among is None or len(among) == len(features) else among)
    count = min(count, len(rows) - 1)
    if count < 1:
        return Neighbours(np.zeros((len(rows), 0), np.int64), np.zeros((len(rows), 0), np.float32))
    return _exact(rows, count) if len(rows) <= exact_up_to else _by_cells(rows, count)


class _Rows:
    """Centred rows of length 1, made when asked for: a copy of all would double the memory.

    What is kept is filled in place here and below: small results between large passing ones keep the memory of these
    from being used again.
    """

    def __init__(self, features: Float32Array, among: Int64Array | None) -> None:
        self._features = torch.from_numpy(features)
        self._among = None if among is None else torch.from_numpy(np.ascontiguousarray(among, np.int64))
        total = torch.zeros(self.width, dtype=torch.float64)
        for block in self.blocks():
            total += self._raw(block).sum(dim=0, dtype=torch.float64)
        self._mean = (total / max(1, len(self))).float()
        self._lengths = torch.empty(len(self))
        for block in self.blocks():
            self._lengths[block] = (self._raw(block) - self._mean).norm(dim=1)

    @property
    def width(self) -> int:
        """Numbers in a row."""
        return self._features.shape[1]

    def __len__(self) -> int:
        return len(self._features) if self._among is None else len(self._among)

    def of(self, chosen: slice | Tensor) -> Tensor:
        """Return (n, D) rows."""
        return (self._raw(chosen) - self._mean).div_(self._lengths[chosen, None].clamp(min=SHORTEST))

    def cosines(self, chosen: slice, others: Tensor) -> Tensor:
        """Return (n, k) cosines of the chosen n rows with (n, k) others each."""
        rows = self.of(chosen)
        gathered = self._raw(others.flatten()).view(*others.shape, self.width)
        products = torch.bmm(gathered, rows[:, :, None])[:, :, 0] - (rows @ self._mean)[:, None]
        return products / self._lengths[others].clamp(min=SHORTEST)

    def blocks(self, size: int = BLOCK) -> list[slice]:
        """Return the slices of all rows."""
        return [slice(start, min(len(self), start + size)) for start in range(0, len(self), size)]

    def _raw(self, chosen: slice | Tensor) -> Tensor:
        if self._among is not None:
            chosen = self._among[chosen]
        return self._features[chosen] if isinstance(chosen, slice) else self._features.index_select(0, chosen)


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


def _by_cells(rows: _Rows, count: int) -> Neighbours:
    likely = _likely(_reduced(rows), CANDIDATES * count)
    indices, cosines = np.empty((len(rows), count), np.int64), np.empty((len(rows), count), np.float32)
    for block in rows.blocks(COMPARED):
        found = rows.cosines(block, likely[block].clamp(min=0)).masked_fill(likely[block] < 0, -1.0)
        best = found.topk(count, dim=1)
        indices[block], cosines[block] = likely[block].gather(1, best.indices).numpy(), best.values.numpy()
    return Neighbours(indices, cosines)


def _likely(reduced: Tensor, count: int) -> Tensor:
    """Return (N, count) rows that are likely near each row, the best of the cells around it; -1 for none."""
    centres = _centres(reduced[:: max(1, len(reduced) // SAMPLE)])
    around = torch.empty(len(reduced), LOOKED_THROUGH, dtype=torch.int16)  # cells, nearest first
    for block, cells in zip(reduced.split(BLOCK), around.split(BLOCK), strict=True):
        cells.copy_(_affinity(block, centres).topk(LOOKED_THROUGH, dim=1).indices)
    best = torch.full((len(reduced), count), -torch.inf)
    likely = torch.full((len(reduced), count), -1)
    visits = around.flatten().argsort(stable=True)  # all that look through cell 0, then all through cell 1, ...
    ends = torch.bincount(around.flatten(), minlength=len(centres)).cumsum(0).tolist()
    for cell, (start, end) in enumerate(pairwise([0, *ends])):
        members = torch.nonzero(around[:, 0] == cell)[:, 0]
        for asking in (visits[start:end] // LOOKED_THROUGH).split(BLOCK) if len(members) else ():
            alike = reduced[asking] @ reduced[members].T
            alike[asking[:, None] == members] = -torch.inf
            top = alike.topk(min(count, len(members)), dim=1)
            among = torch.cat([best[asking], top.values], dim=1)
            chosen = among.topk(count, dim=1)
            best[asking] = chosen.values
            likely[asking] = torch.cat([likely[asking], members[top.indices]], dim=1).gather(1, chosen.indices)
    return likely.masked_fill_(torch.isinf(best), -1)


def _reduced(rows: _Rows) -> Tensor:
    """Return the rows along the directions in which a sample of them differs most."""
    products = torch.zeros(rows.width, rows.width)
    for block in rows.blocks()[:: max(1, len(rows) // SAMPLE)]:
        sample = rows.of(block)
        products += sample.T @ sample
    directions = torch.linalg.eigh(products).eigenvectors[:, -REDUCED:]
    reduced = torch.empty(len(rows), directions.shape[1])
    for block in rows.blocks():
        torch.matmul(rows.of(block), directions, out=reduced[block])
    return reduced


def _centres(sample: Tensor) -> Tensor:
    """Return the centres of cells, by k-means from the same rows every time; an empty cell keeps its centre."""
    centres = sample[:: max(1, len(sample) // CELLS)][:CELLS].clone()
    for _ in range(ROUNDS):
        home = _nearest_centre(sample, centres)
        counts = torch.bincount(home, minlength=len(centres))[:, None]
        sums = torch.zeros_like(centres).index_add_(0, home, sample)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres


def _nearest_centre(reduced: Tensor, centres: Tensor) -> Tensor:
    return _affinity(reduced, centres).argmax(dim=1)


def _affinity(reduced: Tensor, centres: Tensor) -> Tensor:
    """Return (n, cells) numbers that are the larger the nearer a centre is."""
    return reduced @ centres.T - centres.square().sum(dim=1) / 2
