"""The tested pictures as data of a page: the answer, an enlarged copy, and training pictures to compare with."""

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from markupsafe import Markup
from PIL import Image

from imgkit.arrays import Float32Array
from imgkit.dataset.picture import LabelledPicture
from imgkit.models.evaluate import Evaluated
from imgkit.vision.decode import UnreadablePictureError, open_picture
from imgkit.vision.features.probe import unit_rows

SMALL_PX: Final = 144
LARGE_PX: Final = 420
QUALITY: Final = 70
MOST_LARGE: Final = 300  # mistakes with an enlarged copy, the surest first
MOST_SMALL: Final = 2000  # tested pictures with a small copy, mistakes first
MOST_RIGHT: Final = 400  # of them right ones, the least sure first
NEAREST: Final = 3  # training pictures beside a tested one
TYPICAL: Final = 3  # training pictures of a label
MOST_TRAINING: Final = 1500  # training pictures on a page
BEST: Final = 5  # labels named for a picture


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """Training pictures to compare tested ones with: M pictures with (M, D) features, and the (N, D) of the tested."""

    pictures: Sequence[LabelledPicture]
    features: Float32Array
    tested: Float32Array


def script() -> str:
    """Return the script of the explorer, the same for every page."""
    return (Path(__file__).parent / "explorer.js").read_text("utf-8")


def script_hash() -> str:
    """Return what a Content-Security-Policy calls the script, so that no other one runs."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()


def json_data(value: object) -> Markup:
    """Return a value as JSON that nothing in it can end the element around it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def explorer_data(
    evaluated: Evaluated,
    labels: Sequence[str],
    references: References | None,
    *,
    name: Callable[[LabelledPicture], str],
) -> dict[str, Any]:
    """Return what the explorer shows: every tested picture, mistakes first, and the training pictures beside them.

    Args:
        evaluated: N tested pictures.
        labels: in the order of the outputs.
        references: training pictures; None where they are not at hand.
        name: gives a picture's file as the page writes it.
    """
    predictions = evaluated.predictions
    sure, wrong = predictions.confidence, ~predictions.right
    order = np.lexsort((np.where(wrong, -sure, sure), ~wrong))  # the surest mistakes, then the least sure right ones
    shown = _Training(references, labels, name)
    mistakes = int(wrong.sum())
    tested: list[dict[str, Any]] = []
    for place, row in enumerate(order.tolist()):
        picture, probabilities = evaluated.pictures[row], predictions.probabilities[row]
        with_small = place < min(MOST_SMALL, mistakes + MOST_RIGHT)
        small, large = copies(picture.path, small=with_small, large=place < min(mistakes, MOST_LARGE))
        best = np.argsort(-probabilities, kind="stable")[:BEST].tolist()
        tested.append(
            {
                "file": name(picture),
                "label": int(predictions.targets[row]),
                "called": int(predictions.predicted[row]),
                "sure": round(float(sure[row]), 4),
                "given": round(float(probabilities[predictions.targets[row]]), 4),
                "best": [[number, round(float(probabilities[number]), 4)] for number in best],
                "small": small,
                "large": large,
                "page": picture.page_url if picture.page_url.startswith(("https://", "http://")) else "",
                "near": shown.nearest(row) if place < mistakes else [],
            }
        )
    involved = {number for each in tested[:mistakes] for number in (each["label"], each["called"])}
    typical = {number: shown.typical(number) for number in sorted(involved)}
    return {"labels": list(labels), "tested": tested, "typical": typical, "training": shown.entries}


class _Training:
    """The training pictures that are on the page, each once."""

    def __init__(
        self, references: References | None, labels: Sequence[str], name: Callable[[LabelledPicture], str]
    ) -> None:
        self.entries: list[dict[str, Any]] = []
        self._references, self._name = references, name
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._places: dict[int, int] = {}
        if references is not None:
            self._units = unit_rows(references.features)
            self._of_label: dict[int, list[int]] = {}
            for place, picture in enumerate(references.pictures):
                self._of_label.setdefault(self._numbers.get(picture.label, -1), []).append(place)

    def nearest(self, row: int) -> list[list[float]]:
        """Return the entries most similar to a tested picture, each with the cosine of their features, best first."""
        if self._references is None or not len(self._references.pictures):
            return []
        (unit,) = unit_rows(self._references.tested[row : row + 1])
        similarity = self._units @ unit
        best = np.argsort(-similarity, kind="stable")[:NEAREST].tolist()
        found = ((self._entry(place), round(float(similarity[place]), 3)) for place in best)
        return [[entry, near] for entry, near in found if entry is not None]

    def typical(self, label: int) -> list[int]:
        """Return the entries of a label that are nearest to the mean of their features, no two copies of each other."""
        if self._references is None or label not in self._of_label:
            return []
        places = np.array(self._of_label[label])
        centre = self._units[places].mean(axis=0)
        order = places[np.argsort(-(self._units[places] @ centre), kind="stable")].tolist()
        of_group = {self._references.pictures[place].group: place for place in reversed(order)}
        best = [place for place in order if of_group[self._references.pictures[place].group] == place][:TYPICAL]
        return [entry for place in best if (entry := self._entry(place)) is not None]

    def _entry(self, place: int) -> int | None:
        if place not in self._places:
            if self._references is None or len(self.entries) >= MOST_TRAINING:
                return None
            picture = self._references.pictures[place]
            small, _ = copies(picture.path, small=True, large=False)
            self._places[place] = len(self.entries)
            label = self._numbers.get(picture.label, 0)
            self.entries.append({"file": self._name(picture), "label": label, "small": small})
        return self._places[place]


def copies(path: Path, *, small: bool, large: bool) -> tuple[str, str]:
    """Return a small and an enlarged copy of a picture as data addresses; "" for one not asked for or a file gone."""
    if not (small or large):
        return "", ""
    try:
        image = open_picture(path, longest=LARGE_PX if large else SMALL_PX)
    except UnreadablePictureError:
        return "", ""
    return _address(image, SMALL_PX) if small else "", _address(image, LARGE_PX) if large else ""


def _address(image: Image.Image, longest: int) -> str:
    shrunk = image.copy()
    shrunk.thumbnail((longest, longest))
    buffer = io.BytesIO()
    shrunk.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
