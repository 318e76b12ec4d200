"""Keep the linear probe of a set of pictures, so that the same set is not probed twice.

Everything a probe says follows from the features, labels, groups and splits of its pictures and from the folds: those
are the key. What cannot be read or does not fit is computed again.
"""

import hashlib
import io
import json
import logging
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgkit.errors import ResourceError
from imgkit.files import write_atomically
from imgkit.models.calibration import Calibration
from imgkit.models.intervals import Interval
from imgkit.models.metrics import LabelledPredictions, score
from imgkit.models.network import Head
from imgkit.train.probe.learning_curve import Learning, LearningPoint
from imgkit.train.probe.linear_probe import OutOfFold
from imgkit.train.state import ProbeResult, TrainingState

logger = logging.getLogger(__name__)

VERSION = 4  # raise it when a probe of the same pictures would say something else


def cached_probe(work: TrainingState, compute: Callable[[TrainingState], ProbeResult]) -> ProbeResult:
    """Return the probe of the pictures in ``work``: from the cache, or from ``compute`` and then kept there."""
    path = work.cache / "probes" / f"{_key(work)}.npz"
    known = _read(path, work.labels)
    if known is not None:
        return known
    probed = compute(work)
    try:
        write_atomically(path, _as_bytes(probed))
    except ResourceError as error:  # a cache that cannot be written costs time later, never the run
        logger.warning("cannot keep the probe: %s", error)
    return probed


def _key(work: TrainingState) -> str:
    pictures = work.splits.of("train", "val")
    facts = {
        "version": VERSION,
        "backbone": work.backbone.key,
        "labels": work.labels,
        "folds": work.config.folds,
        "seed": work.config.seed,
        "learned": sorted(work.learned.intersection(each.sha256 for each in pictures)),
        "pictures": [(each.sha256, each.label, each.group, each.split) for each in pictures],
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]


def _as_bytes(probed: ProbeResult) -> bytes:
    judged = probed.judged
    facts = {
        "calibration": asdict(judged.calibration),
        "strength": judged.strength,
        "learning": asdict(probed.learning) if probed.learning else None,
    }
    arrays: dict[str, NDArray[Any]] = {
        "head_weight": probed.head.weight,
        "head_bias": probed.head.bias,
        "start_weight": probed.start.weight,
        "start_bias": probed.start.bias,
        "probabilities": judged.predictions.probabilities,
        "targets": judged.predictions.targets,
        "groups": judged.predictions.groups,
        "nameable": judged.nameable,
        "facts": np.frombuffer(json.dumps(facts).encode(), np.uint8),
    }
    data = io.BytesIO()
    np.savez(data, allow_pickle=False, **arrays)  # a zip: each part has a checksum
    return data.getvalue()


def _read(path: Path, labels: tuple[str, ...]) -> ProbeResult | None:
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as stored:
            arrays = dict(stored)
        facts = json.loads(arrays["facts"].tobytes())
        judged = OutOfFold(
            predictions=LabelledPredictions(
                probabilities=arrays["probabilities"], targets=arrays["targets"], groups=arrays["groups"]
            ),
            nameable=arrays["nameable"],
            calibration=Calibration(**facts["calibration"]),
            strength=facts["strength"],
        )
        return ProbeResult(
            head=Head(weight=arrays["head_weight"], bias=arrays["head_bias"]),
            start=Head(weight=arrays["start_weight"], bias=arrays["start_bias"]),
            judged=judged,
            scores=score(judged.nameable_predictions, labels) if judged.nameable_predictions else None,
            learning=_learning(facts["learning"]),
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None


def _learning(stored: dict[str, Any] | None) -> Learning | None:
    if stored is None:
        return None
    points = [LearningPoint(**{**each, "accuracy": Interval(**each["accuracy"])}) for each in stored["points"]]
    return Learning(points=tuple(points), gain=Interval(**stored["gain"]), wanting=tuple(stored["wanting"]))
