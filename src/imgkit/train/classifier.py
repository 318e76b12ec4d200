"""A trained model as it answers: the one way from a picture file to calibrated probabilities.

Predictions, test scores and exports all go through here, so that they cannot disagree.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from imgkit.cores import cpu_count
from imgkit.progress import Progress
from imgkit.train.calibrate import softmax
from imgkit.train.metrics import Floats
from imgkit.train.model import Head, head_of
from imgkit.train.modelfolder import About, find_model, read_about
from imgkit.vision.backbone import Backbone
from imgkit.vision.decode import UnreadablePictureError, open_picture
from imgkit.vision.device import choose_device
from imgkit.vision.side_by_side import side_by_side
from imgkit.vision.weights import LOCAL_FOLDER, LoadedModel, build_model

BATCH_ON_CPU, BATCH_ON_GPU = 8, 128  # larger batches leave the caches of a CPU

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the network says about one picture: (K,) logits, and how familiar it is (-1 to 1, low is unknown)."""

    logits: Floats
    familiarity: float


class Classifier:
    """A network with its preprocessing, labels and calibration, computing in float32.

    Attributes:
        about: labels, and what they look like on average.
        backbone: everything below the last layer.
        head: the last layer.
    """

    def __init__(self, loaded: LoadedModel, about: About, *, device: str = "auto") -> None:
        self.about = about
        self.head: Head = head_of(loaded.model)
        self.backbone = Backbone(loaded, device=choose_device(device), precision="float32")

    def see(self, path: Path) -> Pixels:
        """Return (S, S, 3): what the network sees of a file.

        Raises:
            UnreadablePictureError: the file is no picture.
        """
        form = self.backbone.preprocessing
        return self.backbone.prepare(open_picture(path, shortest=round(form.size / form.crop)))

    def look(self, pixels: Pixels) -> list[Answer]:
        """Return the answers to (N, S, S, 3) prepared pictures."""
        return self.answers(self.backbone.features(pixels))

    def answers(self, features: Features) -> list[Answer]:
        """Return the answers to the (N, D) features of pictures."""
        logits = features.astype(np.float64) @ self.head.weight.T.astype(np.float64) + self.head.bias
        familiarity = self.about.familiar.of(features)
        return [Answer(logits=row, familiarity=float(near)) for row, near in zip(logits, familiarity, strict=True)]

    def knows(self, answer: Answer) -> bool:
        """Return whether the picture looks like one of the labels at all."""
        return answer.familiarity >= self.about.familiar.threshold

    def probabilities(self, logits: Floats) -> Floats:
        """Return the calibrated (N, K) probabilities of (N, K) logits."""
        return softmax(logits)

    def answer(
        self, paths: Sequence[Path], *, progress: Progress, title: str
    ) -> Iterator[tuple[Path, Answer | UnreadablePictureError]]:
        """Yield each file with its answer, or with why it is no picture, in the order of ``paths``.

        On a GPU the next pictures are decoded in threads while a batch is computed.
        """
        progress.start(title, len(paths))
        on_cpu = self.backbone.device.type == "cpu"
        size = BATCH_ON_CPU if on_cpu else BATCH_ON_GPU
        batches = [paths[start : start + size] for start in range(0, len(paths), size)]
        outcomes = side_by_side(self._see_and_look, batches) if on_cpu else self._ahead(batches)
        for batch, outcome in zip(batches, outcomes, strict=True):
            yield from zip(batch, outcome, strict=True)
            progress.advance(len(batch))

    def _see_and_look(self, batch: Sequence[Path]) -> list[Answer | UnreadablePictureError]:
        return self._look_at_readable([self._try(path) for path in batch])

    def _ahead(self, batches: Sequence[Sequence[Path]]) -> Iterator[list[Answer | UnreadablePictureError]]:
        with ThreadPoolExecutor(min(16, cpu_count())) as threads:
            ahead: list[list[Future[Pixels | UnreadablePictureError]]] = []
            for number in range(len(batches)):
                for coming in batches[number + len(ahead) : number + 2]:
                    ahead.append([threads.submit(self._try, path) for path in coming])
                yield self._look_at_readable([future.result() for future in ahead.pop(0)])

    def _look_at_readable(
        self, seen: Sequence[Pixels | UnreadablePictureError]
    ) -> list[Answer | UnreadablePictureError]:
        good = [pixels for pixels in seen if not isinstance(pixels, UnreadablePictureError)]
        answers = iter(self.look(np.stack(good)) if good else ())
        return [each if isinstance(each, UnreadablePictureError) else next(answers) for each in seen]

    def _try(self, path: Path) -> Pixels | UnreadablePictureError:
        try:
            return self.see(path)
        except UnreadablePictureError as error:
            return error


def load_classifier(path: Path, *, device: str = "auto") -> Classifier:
    """Load a model folder, or the model of a run's folder.

    Raises:
        UsageError: there is none, or another program wrote it.
        IntegrityError: its files do not belong together.
    """
    folder = find_model(path)
    about = read_about(folder)
    return Classifier(build_model(f"{LOCAL_FOLDER}{folder.absolute()}"), about, device=device)
