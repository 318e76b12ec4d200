"""Predict labels for files, folders, glob patterns and web addresses: one row for each picture."""

import csv
import glob
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imgkit.errors import UsageError
from imgkit.escaping import escaped, json_escaped, spreadsheet_safe
from imgkit.files import temporary_folder
from imgkit.models.classifier import Classifier, RawPrediction, load_classifier
from imgkit.models.web_pictures import fetch_all, is_url
from imgkit.net.outcomes import Failure
from imgkit.progress import Progress, Silent
from imgkit.redaction import without_password
from imgkit.vision.decode import UnreadablePictureError
from imgkit.vision.imagefolder import walk


@dataclass(frozen=True, slots=True)
class Guess:
    """A label and its calibrated probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The prediction for one file.

    ``guesses`` are the most probable labels, best first, () for a file that is no picture: then ``reason`` is a code
    of :mod:`imgkit.reasons` and ``detail`` a few words. ``likely`` are the labels of which one is right nine times in
    ten, the most probable first, () where the model cannot say. ``unknown`` says that it looks like none of the
    labels, whatever the probabilities are. ``url`` is where the picture was fetched from, "" for a file; then ``path``
    is the copy.
    """

    path: Path
    guesses: tuple[Guess, ...] = ()
    likely: tuple[str, ...] = ()
    unknown: bool = False
    reason: str = ""
    detail: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """The address or path, as it was given; without the name and password in front of a host."""
        return without_password(self.url) if self.url else str(self.path)

    def as_json(self) -> dict[str, object]:
        """Return the prediction as JSON-ready values."""
        if self.reason:
            return {"path": self.name, "reason": self.reason, "detail": self.detail}
        guesses = [{"label": guess.label, "probability": round(guess.probability, 6)} for guess in self.guesses]
        return {"path": self.name, "unknown": self.unknown, "guesses": guesses, "likely": list(self.likely)}


def predict(
    model: Path,
    sources: Sequence[Path | str],
    *,
    top: int = 3,
    device: str = "auto",
    downloads: Path | None = None,
    progress: Progress | None = None,
) -> list[Prediction]:
    """Return a prediction for each picture; a file or an address that gives no picture is a row with its reason.

    Args:
        model: a model folder, or the folder of a run.
        sources: files, folders (searched through), patterns such as ``photos/*.jpg``, and http or https addresses.
        top: labels to name for each picture.
        device: ``auto``, ``cpu``, ``cuda``, ...
        downloads: folder that keeps what was fetched; None keeps nothing.
        progress: told of each picture.

    Raises:
        UsageError: no such model or no such file.
        IntegrityError: the model folder was damaged.
        ResourceError: the disk is full or not writable, or a folder cannot be read.
    """
    progress = progress or Silent()
    urls = [str(source) for source in sources if is_url(str(source))]
    paths = [Path(source) for source in sources if not is_url(str(source))]
    files, unfollowed = find_files(paths), _left_out(paths)
    classifier = load_classifier(model, device=device)
    if not urls:
        return [*_predict_files(classifier, files, top=top, progress=progress), *unfollowed]
    with temporary_folder() as temporary:
        fetched = fetch_all(urls, downloads or temporary, progress=progress)
        by_file = {outcome: url for url, outcome in fetched.items() if isinstance(outcome, Path)}
        found = _predict_files(classifier, [*files, *by_file], top=top, progress=progress)
    refused = [
        Prediction(path=Path(), url=url, reason=outcome.reason, detail=outcome.detail)
        for url, outcome in fetched.items()
        if isinstance(outcome, Failure)
    ]
    return [*(replace(each, url=by_file.get(each.path, "")) for each in found), *unfollowed, *refused]


def _predict_files(classifier: Classifier, files: Sequence[Path], *, top: int, progress: Progress) -> list[Prediction]:
    predictions = []
    for path, outcome in classifier.predict_files(files, progress=progress, title="predicting"):
        if isinstance(outcome, UnreadablePictureError):
            rejected = outcome.rejected
            predictions.append(Prediction(path=path, reason=rejected.reason, detail=rejected.detail))
            continue
        predictions.append(name_guesses(classifier, path, outcome, top=top))
    return predictions


def name_guesses(classifier: Classifier, path: Path, answer: RawPrediction, *, top: int) -> Prediction:
    """Return a raw prediction as the ``top`` most probable labels with their calibrated probabilities."""
    probabilities = classifier.probabilities(answer.logits[None])[0]
    best = np.argsort(-probabilities, kind="stable")[:top].tolist()
    return Prediction(
        path=path,
        guesses=tuple(Guess(classifier.metadata.labels[place], float(probabilities[place])) for place in best),
        likely=classifier.likely(probabilities),
        unknown=not classifier.is_known(answer),
    )


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that ``paths`` name, each once: files as they are, all files in folders, matches of patterns.

    In folders, links are not followed, and hidden files and those of systems are left out.

    Raises:
        UsageError: a path that is no file, no folder and no pattern with a match.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_file():
            found[path] = None
        elif path.is_dir():
            found |= dict.fromkeys(walk(path)[0])
        else:
            found_by_pattern = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
            matches = [Path(match) for match in sorted(found_by_pattern)]
            if not matches:
                raise UsageError(
                    f"there is no {path}. Nothing was predicted. Give files, folders, patterns or addresses."
                )
            found |= dict.fromkeys(match for match in matches if match.is_file())
    return list(found)


def _left_out(paths: Sequence[Path]) -> list[Prediction]:
    """Return a row for each link, device and file of a system in the folders of ``paths``; hidden ones have none."""
    left_out = [one for path in paths if path.is_dir() for one in walk(path)[1]]
    return [
        Prediction(path=one.path, reason=one.reason, detail=one.detail)
        for one in left_out
        if not any(part.startswith(".") for part in one.name.split("/"))
    ]


def as_csv(predictions: Sequence[Prediction]) -> str:
    """Return a table with one row for each prediction and two columns for each guess.

    Texts are written as ``imgkit.escaping.escaped`` writes them: no name reaches a terminal that acts on it.
    """
    most = max((len(prediction.guesses) for prediction in predictions), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    guesses = [name for place in range(1, most + 1) for name in (f"label_{place}", f"probability_{place}")]
    writer.writerow(["path", "unknown", *guesses, "likely", "reason", "detail"])
    for each in predictions:
        cells = [cell for guess in each.guesses for cell in (guess.label, f"{guess.probability:.6f}")]
        cells += [""] * (2 * most - len(cells))
        unknown = "" if each.reason else "yes" if each.unknown else "no"
        row = [each.name, unknown, *cells, "; ".join(each.likely), each.reason, each.detail]
        writer.writerow(spreadsheet_safe(escaped(cell) for cell in row))
    return text.getvalue()


def as_jsonl(predictions: Sequence[Prediction]) -> str:
    """Return one JSON object on each line."""
    return "".join(json_escaped(json.dumps(each.as_json(), ensure_ascii=False)) + "\n" for each in predictions)
