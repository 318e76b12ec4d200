"""Say what pictures show: files, folders, patterns and web addresses in, one row each out."""

import csv
import glob
import io
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from imgkit.errors import UsageError
from imgkit.progress import Progress, Silent
from imgkit.train.classifier import Answer, Classifier, load_classifier
from imgkit.train.remote import Refused, fetch_all, is_url
from imgkit.vision.decode import UnreadablePictureError


@dataclass(frozen=True, slots=True)
class Guess:
    """A label and its calibrated probability, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What the model says about one file.

    ``guesses`` are the most probable labels, best first, () for a file that is no picture: then ``reason`` is a code
    of :mod:`imgkit.reasons` and ``detail`` a few words. ``unknown`` says that it looks like none of the
    labels, whatever the probabilities are. ``url`` is where the picture was fetched from, "" for a file; then ``path``
    is the copy.
    """

    path: Path
    guesses: tuple[Guess, ...] = ()
    unknown: bool = False
    reason: str = ""
    detail: str = ""
    url: str = ""

    @property
    def name(self) -> str:
        """What the person who asked called it: the address or the path."""
        return self.url or str(self.path)

    def as_json(self) -> dict[str, object]:
        """Return the prediction as JSON-ready values."""
        if self.reason:
            return {"path": self.name, "reason": self.reason, "detail": self.detail}
        guesses = [{"label": guess.label, "probability": round(guess.probability, 6)} for guess in self.guesses]
        return {"path": self.name, "unknown": self.unknown, "guesses": guesses}


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
        ResourceError: the disk is full or not writable.
    """
    progress = progress or Silent()
    urls = [str(source) for source in sources if is_url(str(source))]
    files = find_files([Path(source) for source in sources if not is_url(str(source))])
    classifier = load_classifier(model, device=device)
    if not urls:
        return _predict_files(classifier, files, top=top, progress=progress)
    with tempfile.TemporaryDirectory(prefix="imgkit-") as temporary:
        fetched = fetch_all(urls, downloads or Path(temporary), progress=progress)
        by_file = {outcome: url for url, outcome in fetched.items() if isinstance(outcome, Path)}
        found = _predict_files(classifier, [*files, *by_file], top=top, progress=progress)
    refused = [
        Prediction(path=Path(), url=url, reason=outcome.reason, detail=outcome.detail)
        for url, outcome in fetched.items()
        if isinstance(outcome, Refused)
    ]
    return [*(replace(each, url=by_file.get(each.path, "")) for each in found), *refused]


def _predict_files(classifier: Classifier, files: Sequence[Path], *, top: int, progress: Progress) -> list[Prediction]:
    predictions = []
    for path, outcome in classifier.answer(files, progress=progress, title="predicting"):
        if isinstance(outcome, UnreadablePictureError):
            rejected = outcome.rejected
            predictions.append(Prediction(path=path, reason=rejected.reason, detail=rejected.detail))
            continue
        predictions.append(name_guesses(classifier, path, outcome, top=top))
    return predictions


def name_guesses(classifier: Classifier, path: Path, answer: Answer, *, top: int) -> Prediction:
    """Return an answer as the ``top`` most probable labels by name."""
    probabilities = classifier.probabilities(answer.logits[None])[0]
    best = np.argsort(-probabilities, kind="stable")[:top].tolist()
    return Prediction(
        path=path,
        guesses=tuple(Guess(classifier.about.labels[place], float(probabilities[place])) for place in best),
        unknown=not classifier.knows(answer),
    )


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that ``paths`` name, each once: files as they are, all files in folders, matches of patterns.

    Raises:
        UsageError: a path that is no file, no folder and no pattern with a match.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_file():
            found[path] = None
        elif path.is_dir():
            inside = (file for file in sorted(path.rglob("*")) if file.is_file())
            found |= dict.fromkeys(file for file in inside if not _hidden(file.relative_to(path)))
        else:
            found_by_pattern = glob.glob(str(path), recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
            matches = [Path(match) for match in sorted(found_by_pattern)]
            if not matches:
                raise UsageError(
                    f"there is no {path}. Nothing was predicted. Give files, folders, patterns or addresses."
                )
            found |= dict.fromkeys(match for match in matches if match.is_file())
    return list(found)


def as_csv(predictions: Sequence[Prediction]) -> str:
    """Return a table with one row for each prediction and two columns for each guess."""
    most = max((len(prediction.guesses) for prediction in predictions), default=0)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    guesses = [name for place in range(1, most + 1) for name in (f"label_{place}", f"probability_{place}")]
    writer.writerow(["path", "unknown", *guesses, "reason", "detail"])
    for each in predictions:
        cells = [cell for guess in each.guesses for cell in (guess.label, f"{guess.probability:.6f}")]
        cells += [""] * (2 * most - len(cells))
        unknown = "" if each.reason else "yes" if each.unknown else "no"
        writer.writerow([each.name, unknown, *cells, each.reason, each.detail])
    return text.getvalue()


def as_jsonl(predictions: Sequence[Prediction]) -> str:
    """Return one JSON object on each line."""
    return "".join(json.dumps(each.as_json(), ensure_ascii=False) + "\n" for each in predictions)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
