"""Features of all pictures in few directions, from which curate and, without a network, the review learn."""

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.arrays import Float32Array, Float64Array
from imgkit.errors import ResourceError
from imgkit.files import write_atomically
from imgkit.manifest.nouns import ItemKey

logger = logging.getLogger(__name__)

FILE: Final = "reduced-features.npz"
VERSION: Final = 2
DIRECTIONS: Final = 128
_SAMPLE: Final = 1000  # pictures from which the directions are found


@dataclass(frozen=True, slots=True)
class ReducedFeatures:
    """N pictures by key (label and image id) and their features, (N, D) with D at most 128 and a mean squared length
    of 1; a picture without features has none here. ``learnt`` is by how much curate moved the log-odds of pictures for
    the decisions of that time, by key, so that who learns again does not count a decision twice.
    """

    keys: tuple[ItemKey, ...]
    features: Float32Array
    learnt: Mapping[ItemKey, float] = field(default_factory=dict)

    def of(self, keys: Sequence[ItemKey]) -> Float32Array:
        """Return the (len(keys), D) features of pictures; rows of zeros for those that have none."""
        place = {key: row for row, key in enumerate(self.keys)}
        known = [(n, place[key]) for n, key in enumerate(keys) if key in place]
        found = np.zeros((len(keys), self.features.shape[1]), np.float32)
        if known:
            into, rows = np.array(known).T
            found[into] = self.features[rows]
        return found


def reduce_features(keys: Sequence[ItemKey], features: Float32Array) -> ReducedFeatures:
    """Return the square roots of features in the directions in which they differ most; the same input gives the same.

    Args:
        keys: N keys.
        features: (N, D), not negative but for rounding, with rows of NaN for pictures that have none.
    """
    rows = np.flatnonzero(np.isfinite(features[:, 0]))
    if not len(rows):
        return ReducedFeatures((), np.zeros((0, 1), np.float32))
    roots = np.sqrt(np.maximum(features[rows], 0.0))
    sample = roots[:: -(-len(roots) // _SAMPLE)].astype(np.float64)
    middle = sample.mean(axis=0)
    values, vectors = np.linalg.eigh((sample - middle) @ (sample - middle).T)
    kept = min(DIRECTIONS, len(sample))
    directions = (sample - middle).T @ (vectors[:, -kept:] / np.sqrt(np.maximum(values[-kept:], 1e-12)))
    found: Float64Array = (roots - middle) @ directions
    length = float(np.sqrt((found**2).sum(axis=1).mean()))
    return ReducedFeatures(tuple(keys[row] for row in rows.tolist()), (found / (length or 1.0)).astype(np.float32))


def write_reduced(reduced: ReducedFeatures, cache: Path) -> None:
    """Keep features for the review. A cache that cannot be written is logged: the review then does not learn."""
    buffer = io.BytesIO()
    np.savez(
        buffer,
        version=np.array(VERSION),
        labels=np.array([label for label, _ in reduced.keys], dtype=np.str_),
        images=np.array([image_id for _, image_id in reduced.keys], dtype=np.str_),
        features=reduced.features.astype(np.float16),
        learnt=np.array([reduced.learnt.get(key, 0.0) for key in reduced.keys], dtype=np.float64),
    )
    try:
        write_atomically(cache / FILE, buffer.getvalue())
    except ResourceError as error:
        logger.warning("the cache was not written: %s", error)


def read_reduced(cache: Path) -> ReducedFeatures | None:
    """Return the features that the last curate kept, None where there are none that can be read."""
    try:
        # read first: of a torn file, numpy would leave the handle open
        with np.load(io.BytesIO((cache / FILE).read_bytes()), allow_pickle=False) as stored:
            if int(stored["version"]) != VERSION:
                return None
            keys = tuple(zip(stored["labels"].tolist(), stored["images"].tolist(), strict=True))
            moved = {key: one for key, one in zip(keys, stored["learnt"].tolist(), strict=True) if one}
            return ReducedFeatures(keys, stored["features"].astype(np.float32), moved)
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged zip raises half a dozen kinds
        logger.warning("%s is damaged and is not used: %s", cache / FILE, error)
        return None
