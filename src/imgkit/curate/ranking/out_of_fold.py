"""Out-of-fold probabilities of the labels, cached so that the same input is not fitted twice."""

import hashlib
import io
import logging
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.arrays import Float64Array, Int64Array
from imgkit.curate.context import CheckContext
from imgkit.errors import ResourceError
from imgkit.files import write_atomically
from imgkit.vision.features.probe import knn_probabilities, out_of_fold

logger = logging.getLogger(__name__)

VERSION: Final = 2  # raise it when the same pictures would get other probabilities
KEPT_FILES: Final = 4  # finished results; older ones are removed


def label_probabilities(context: CheckContext, indices: Int64Array) -> Float64Array:
    """Return (N, K) probabilities of the sorted labels for the pictures at ``indices``; rows sum to 1.

    The mean of a linear probe that has seen neither the picture nor its group, and of the votes of its nearest
    neighbours outside its group: together they rank wrong labels better than either.
    """
    assert context.features is not None
    names = context.group_names()
    labels = [context.pictures[one].label_now for one in indices]
    groups = [names[one] for one in indices]
    file = context.cache / f"opinions-{_digest(context, indices, labels, groups)}.npy"
    if (known := _read(file, rows=len(indices))) is not None:
        return known
    features = context.features[indices]
    probe = out_of_fold(features, labels, groups, folds=context.config.folds, seed=context.config.seed)
    neighbours = min(context.config.neighbours, max(1, len(indices) // 3))
    probabilities = (probe + knn_probabilities(features, labels, groups, k=neighbours)) / 2
    _write(file, probabilities)
    return probabilities


def _digest(context: CheckContext, indices: Int64Array, labels: list[str], groups: list[str]) -> str:
    config, backbone = context.config, context.backbone
    parts = [f"{VERSION} {backbone.key if backbone else ''} {config.folds} {config.neighbours} {config.seed}"]
    for one, label, group in zip(indices, labels, groups, strict=True):
        parts.append(f"{context.pictures[one].file_sha256} {label} {group}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(file: Path, *, rows: int) -> Float64Array | None:
    try:
        known: Float64Array = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("%s is damaged and is made afresh: %s", file, error)
        return None
    file.touch()
    return known if len(known) == rows else None


def _write(file: Path, probabilities: Float64Array) -> None:
    buffer = io.BytesIO()
    np.save(buffer, probabilities)
    try:
        write_atomically(file, buffer.getvalue())
        finished = sorted(file.parent.glob("opinions-*.npy"), key=lambda each: each.stat().st_mtime)
        for old in finished[:-KEPT_FILES]:
            old.unlink(missing_ok=True)
    except (ResourceError, OSError) as error:
        logger.warning("the cache was not written: %s", error)
