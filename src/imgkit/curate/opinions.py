"""What a model that has not seen a picture thinks of its label, kept so that nothing is fitted twice."""

import hashlib
import io
import logging
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.curate.evidence import Evidence, Indices
from imgkit.errors import ResourceError
from imgkit.files import write_atomically
from imgkit.vision.probe import knn_probabilities, out_of_fold

logger = logging.getLogger(__name__)

VERSION: Final = 1
KEPT_FILES: Final = 4  # finished results; older ones are removed

Doubles = npt.NDArray[np.float64]


def out_of_fold_opinions(evidence: Evidence, indices: Indices) -> Doubles:
    """Return (N, K) probabilities of the sorted labels for the pictures at ``indices``; rows sum to 1.

    The mean of a linear probe that has seen neither the picture nor its group, and of the votes of its nearest
    neighbours outside its group: together they rank wrong labels better than either.
    """
    assert evidence.features is not None
    names = evidence.group_names()
    labels = [evidence.pictures[one].label_now for one in indices]
    groups = [names[one] for one in indices]
    file = evidence.cache / f"opinions-{_digest(evidence, indices, labels, groups)}.npy"
    if (known := _read(file, rows=len(indices))) is not None:
        return known
    features = evidence.features[indices]
    probe = out_of_fold(features, labels, groups, folds=evidence.config.folds, seed=evidence.config.seed)
    neighbours = min(evidence.config.neighbours, max(1, len(indices) // 3))
    opinions = (probe + knn_probabilities(features, labels, groups, k=neighbours)) / 2
    _write(file, opinions)
    return opinions


def _digest(evidence: Evidence, indices: Indices, labels: list[str], groups: list[str]) -> str:
    config, backbone = evidence.config, evidence.backbone
    parts = [f"{VERSION} {backbone.key if backbone else ''} {config.folds} {config.neighbours} {config.seed}"]
    for one, label, group in zip(indices, labels, groups, strict=True):
        parts.append(f"{evidence.pictures[one].file_sha256} {label} {group}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _read(file: Path, *, rows: int) -> Doubles | None:
    try:
        known: Doubles = np.load(file, allow_pickle=False)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("%s is damaged and is made afresh: %s", file, error)
        return None
    file.touch()
    return known if len(known) == rows else None


def _write(file: Path, opinions: Doubles) -> None:
    buffer = io.BytesIO()
    np.save(buffer, opinions)
    try:
        write_atomically(file, buffer.getvalue())
        finished = sorted(file.parent.glob("opinions-*.npy"), key=lambda each: each.stat().st_mtime)
        for old in finished[:-KEPT_FILES]:
            old.unlink(missing_ok=True)
    except (ResourceError, OSError) as error:
        logger.warning("the cache was not written: %s", error)
