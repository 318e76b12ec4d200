"""Find the pictures that a model was trained on, to show the most alike beside a mistake."""

import json
from pathlib import Path
from typing import Final

from imgkit.dataset.folder import scan
from imgkit.errors import ResourceError, UsageError
from imgkit.models.classifier import Classifier, load_classifier
from imgkit.models.evaluate import EvaluateReport
from imgkit.models.model_folder import find_model
from imgkit.models.report.explorer import References
from imgkit.progress import Progress
from imgkit.vision.features.embeddings import embed_readable
from imgkit.vision.imagefolder import AskedLayout

MOST_REFERENCES: Final = 4000  # training pictures that are compared with; more are chosen from by their SHA-256


def find_references(report: EvaluateReport, *, cache: Path, device: str, progress: Progress) -> References | None:
    """Return training pictures of the model with their features; None where its run or its pictures are not at hand.

    Args:
        report: the evaluation of the model.
        cache: folder for what the network saw in pictures.
        device: ``auto``, ``cpu``, ``cuda``, ...
        progress: told of each picture that is not in the cache.
    """
    try:
        folder = find_model(report.model)
        settings = json.loads((folder.parent / "config.json").read_text("utf-8"))
        data, layout = Path(settings["data"]), _layout(settings.get("layout"))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    classifier = load_classifier(folder, device=device)
    try:
        return _references(classifier, report, data, layout, cache=cache, progress=progress)
    except (UsageError, ResourceError):
        return None


def _layout(stored: object) -> AskedLayout:
    return "labels" if stored == "labels" else "splits" if stored == "splits" else "auto"


def _references(
    classifier: Classifier,
    report: EvaluateReport,
    data: Path,
    layout: AskedLayout,
    *,
    cache: Path,
    progress: Progress,
) -> References | None:
    found = scan(data, cache=cache, progress=progress, fewest_labels=1, layout=layout)
    learned = [picture for picture in found.pictures if picture.sha256 in classifier.metadata.trained_on]
    learned = sorted(learned, key=lambda picture: picture.sha256)[:MOST_REFERENCES]
    if not learned:
        return None
    embedded = embed_readable(
        [picture.path for picture in learned],
        classifier.backbone,
        cache=cache,
        keys=[picture.sha256 for picture in learned],
        progress=progress,
        title="training pictures to compare with",
    )
    kept = [place for place in range(len(learned)) if place not in embedded.unreadable]
    return References(
        pictures=[learned[place] for place in kept],
        features=embedded.features[kept],
        tested=report.predictions.features,
    )
