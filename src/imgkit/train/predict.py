"""Say what pictures show: files, folders and patterns in, one row each out."""

import csv
import glob
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from imgkit.errors import UsageError
from imgkit.progress import Progress, Silent
from imgkit.train.classifier import Answer, Classifier, load_classifier
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
    labels, whatever the probabilities are.
    """

    path: Path
    guesses: tuple[Guess, ...] = ()
    unknown: bool = False
    reason: str = ""
    detail: str = ""

    def as_json(self) -> dict[str, object]:
        """Return the prediction as JSON-ready values."""
        if self.reason:
            return {"path": str(self.path), "reason": self.reason, "detail": self.detail}
        guesses = [{"label": guess.label, "probability": round(guess.probability, 6)} for guess in self.guesses]
        return {"path": str(self.path), "unknown": self.unknown, "guesses": guesses}


def predict(
    model: Path,
    paths: Sequence[Path],
    *,
    top: int = 3,
    device: str = "auto",
    progress: Progress | None = None,
) -> list[Prediction]:
    """Return a prediction for each picture; a file that is no picture is a row with its reason.

    Args:
        model: a model folder, or the folder of a run.
        paths: files, folders (searched through) and patterns such as ``photos/*.jpg``.
        top: labels to name for each picture.
        device: ``auto``, ``cpu``, ``cuda``, ...
        progress: told of each picture.

    Raises:
        UsageError: no such model or no such file.
        IntegrityError: the model folder was damaged.
    """
    files = find_files(paths)
    classifier = load_classifier(model, device=device)
    predictions = []
    for path, outcome in classifier.answer(files, progress=progress or Silent(), title="predicting"):
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
                raise UsageError(f"there is no {path}. Nothing was predicted. Give files, folders or patterns.")
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
        writer.writerow([str(each.path), unknown, *cells, each.reason, each.detail])
    return text.getvalue()


def as_jsonl(predictions: Sequence[Prediction]) -> str:
    """Return one JSON object on each line."""
    return "".join(json.dumps(each.as_json(), ensure_ascii=False) + "\n" for each in predictions)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)
