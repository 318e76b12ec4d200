"""Predict labels for files, folders, glob patterns and web addresses: one row for each picture."""

import csv
import glob
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.errors import UsageError
from imgkit.escaping import escaped, json_escaped, spreadsheet_safe
from imgkit.files import temporary_folder
from imgkit.models.classifier import Classifier, RawPrediction, load_classifier
from imgkit.models.label_table import RollUp
from imgkit.models.web_pictures import fetch_all, is_url
from imgkit.net.outcomes import Failure
from imgkit.progress import Progress, Silent
from imgkit.redaction import without_password
from imgkit.vision.decode import UnreadablePictureError
from imgkit.vision.imagefolder import walk

SURE: Final = 0.5  # a label that is less probable is unsure


@dataclass(frozen=True, slots=True)
class Guess:
    """A label, its calibrated probability, 0 to 1, and its display name, "" where it has none."""

    label: str
    probability: float
    name: str = ""

    @property
    def shown(self) -> str:
        """The display name, or the label."""
        return self.name or self.label

    def as_json(self) -> dict[str, object]:
        """Return the guess as JSON-ready values; ``name`` only where there is one."""
        named = {"name": self.name} if self.name else {}
        return {"label": self.label, **named, "probability": round(self.probability, 6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """The prediction for one file.

    ``guesses`` are the most probable labels, best first, () for a file that is no picture: then ``reason`` is a code
    of :mod:`imgkit.reasons` and ``detail`` a few words. ``likely`` are the labels of which one is right nine times in
    ten, the most probable first, () where the model cannot say. ``unknown`` says that it looks like none of the
    labels, whatever the probabilities are. ``rollups`` are the most probable values of the columns that group labels,
    such as the genus, the finest first, () without a table of labels. ``url`` is where the picture was fetched from,
    "" for a file; then ``path`` is the copy.
    """

    path: Path
    guesses: tuple[Guess, ...] = ()
    likely: tuple[str, ...] = ()
    rollups: tuple[RollUp, ...] = ()
    unknown: bool = False
    reason: str = ""
    detail: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """The address or path, as it was given; without the name and password in front of a host."""
        return without_password(self.url) if self.url else str(self.path)

    def answer(self, *, sure: float = SURE) -> str:
        """Return the finest name that is at least ``sure``: the label, or a value such as its genus, or else the label.

        Returns "" for a file that is no picture.
        """
        if not self.guesses or self.guesses[0].probability >= sure:
            return self.guesses[0].shown if self.guesses else ""
        return next((each.value for each in self.rollups if each.probability >= sure), self.guesses[0].shown)

    def as_json(self) -> dict[str, object]:
        """Return the prediction as JSON-ready values; ``answer`` and ``rollups`` only with a table of labels."""
        if self.reason:
            return {"path": self.name, "reason": self.reason, "detail": self.detail}
        guesses = [guess.as_json() for guess in self.guesses]
        rolled = {
            each.column: {"value": each.value, "probability": round(each.probability, 6)} for each in self.rollups
        }
        meaning = {"answer": self.answer(), "rollups": rolled} if rolled else {}
        return {"path": self.name, "unknown": self.unknown, "guesses": guesses, "likely": list(self.likely), **meaning}


def predict(
    model: Path,
    sources: Sequence[Path | str],
    *,
    top: int = 3,
    device: str = "auto",
    downloads: Path | None = None,
    label_table: Path | None = None,
    given: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Prediction]:
    """Return a prediction for each picture; a file or an address that gives no picture is a row with its reason.

    Args:
        model: a model folder, or the folder of a run.
        sources: files, folders (searched through), patterns such as ``photos/*.jpg``, and http or https addresses.
        top: labels to name for each picture.
        device: ``auto``, ``cpu``, ``cuda``, ...
        downloads: folder that keeps what was fetched; None keeps nothing.
        label_table: a table of labels that counts instead of the model's own.
        given: what is known of all pictures, such as "countries=Kenya": a prior from the table of labels.
        progress: told of each picture.

    Raises:
        UsageError: no such model or no such file; or the table of labels or what is given does not fit.
        IntegrityError: the model folder was damaged.
        ResourceError: the disk is full or not writable, or a folder cannot be read.
    """
    progress = progress or Silent()
    urls = [str(source) for source in sources if is_url(str(source))]
    paths = [Path(source) for source in sources if not is_url(str(source))]
    files, unfollowed = find_files(paths), _left_out(paths)
    classifier = load_classifier(model, device=device, label_table=label_table, given=given)
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
        guesses=tuple(_guess(classifier, place, float(probabilities[place])) for place in best),
        likely=classifier.likely(probabilities),
        rollups=classifier.roll_up(probabilities),
        unknown=not classifier.is_known(answer),
    )


def _guess(classifier: Classifier, place: int, probability: float) -> Guess:
    label = classifier.metadata.labels[place]
    name = classifier.name(label)
    return Guess(label, probability, name if name != label else "")


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
    """Return a table with one row for each prediction, two columns for each guess and for each rolled-up column.

    Texts are written as ``imgkit.escaping.escaped`` writes them: no name reaches a terminal that acts on it.
    """
    most = max((len(prediction.guesses) for prediction in predictions), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    guesses = [name for place in range(1, most + 1) for name in (f"label_{place}", f"probability_{place}")]
    columns = list(dict.fromkeys(rolled.column for each in predictions for rolled in each.rollups))
    rolled_up = [name for column in columns for name in (column, f"probability_{column}")]
    writer.writerow(["path", "unknown", *guesses, "likely", *rolled_up, "reason", "detail"])
    for each in predictions:
        cells = [cell for guess in each.guesses for cell in (guess.label, f"{guess.probability:.6f}")]
        cells += [""] * (2 * most - len(cells))
        unknown = "" if each.reason else "yes" if each.unknown else "no"
        values = {rolled.column: (rolled.value, f"{rolled.probability:.6f}") for rolled in each.rollups}
        rolled_cells = [cell for column in columns for cell in values.get(column, ("", ""))]
        row = [each.name, unknown, *cells, "; ".join(each.likely), *rolled_cells, each.reason, each.detail]
        writer.writerow(spreadsheet_safe(escaped(cell) for cell in row))
    return text.getvalue()


def as_jsonl(predictions: Sequence[Prediction]) -> str:
    """Return one JSON object on each line."""
    return "".join(json_escaped(json.dumps(each.as_json(), ensure_ascii=False)) + "\n" for each in predictions)
