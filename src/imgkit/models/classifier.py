"""Inference with a trained model: from a picture file to logits and calibrated probabilities.

Predictions, test scores and the verification of exports all use this module, so that they agree.
"""

import copy
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Final, TypeVar

import numpy as np

from imgkit.arrays import Float32Array, Float64Array, UInt8Array
from imgkit.errors import UsageError
from imgkit.models.label_table import RollUp, asked_label_table, roll_up
from imgkit.models.model_folder import ModelMetadata, find_model, read_metadata
from imgkit.models.network import Head, head_of
from imgkit.progress import Progress
from imgkit.vision.decode import Rejected, UnreadablePictureError, open_picture, read_picture
from imgkit.vision.features.backbone import Backbone
from imgkit.vision.features.device import choose_device
from imgkit.vision.features.parallel_batches import map_batches
from imgkit.vision.features.probe import softmax
from imgkit.vision.features.weights import LOCAL_FOLDER, LoadedModel, build_model
from imgkit.vision.guarded import OF_A_PERSON, GuardedDecoder

BATCH_ON_CPU, BATCH_ON_GPU = 8, 128  # larger batches leave the caches of a CPU
AHEAD: Final = 64  # pictures that are decoded in advance; the bytes of their files are held in memory

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawPrediction:
    """The output for one picture: (K,) logits, and the cosine similarity to the nearest label centre, -1 to 1."""

    logits: Float64Array
    similarity: float


class Classifier:
    """A network with its preprocessing, labels and calibration, computing in float32.

    Attributes:
        metadata: labels, out-of-distribution detector and training record of the model folder.
        backbone: all layers below the head, on the device.
        head: the last linear layer.
    """

    def __init__(self, loaded: LoadedModel, metadata: ModelMetadata, *, device: str = "auto") -> None:
        self.metadata = metadata
        self.head: Head = head_of(loaded.model)
        self._log_weights: Float64Array = np.zeros(len(metadata.labels))
        self.backbone = Backbone(loaded, device=choose_device(device), precision="float32")

    def preprocess(self, path: Path) -> UInt8Array:
        """Return (S, S, 3) uint8: the input of the network for a file.

        Raises:
            UnreadablePictureError: the file does not decode to a picture.
        """
        form = self.backbone.preprocessing
        return self.backbone.prepare(open_picture(path, shortest=form.shortest))

    def predict_batch(self, pixels: UInt8Array) -> list[RawPrediction]:
        """Return N predictions for (N, S, S, 3) uint8 preprocessed pictures."""
        return self.predict_features(self.backbone.features(pixels))

    def predict_features(self, features: Float32Array) -> list[RawPrediction]:
        """Return N predictions for (N, D) float32 features."""
        logits = features.astype(np.float64) @ self.head.weight.T.astype(np.float64) + self.head.bias
        similarity = self.metadata.detector.similarity(features)
        return [RawPrediction(logits=row, similarity=float(near)) for row, near in zip(logits, similarity, strict=True)]

    def is_known(self, prediction: RawPrediction) -> bool:
        """Return whether the picture is in distribution: its similarity reaches the threshold of the detector."""
        return prediction.similarity >= self.metadata.detector.threshold

    def probabilities(self, logits: Float64Array) -> Float64Array:
        """Return the calibrated (N, K) probabilities of (N, K) logits, with what is given about all of them."""
        return softmax(logits + self._log_weights)

    def with_given(self, given: Sequence[str]) -> "Classifier":
        """Return the same classifier with what is known of its pictures, such as "countries=Kenya", as a prior.

        Raises:
            UsageError: the model has no table of labels, or the table no such column or value.
        """
        if not given:
            return self
        if self.metadata.table is None:
            raise UsageError(
                f"--given {given[0]} needs a table of labels, and the model has none. Nothing was predicted. Give one "
                "with --label-table, or train with it."
            )
        other = copy.copy(self)
        other._log_weights = self.metadata.table.log_weights(given, self.metadata.labels)
        return other

    def roll_up(self, probabilities: Float64Array) -> tuple[RollUp, ...]:
        """Return the most probable value of each grouping column for (K,) probabilities; () without a table."""
        return roll_up(self.metadata.table, self.metadata.labels, probabilities)

    def name(self, label: str) -> str:
        """Return the display name of a label; the label itself where it has none."""
        return self.metadata.table.name(label) if self.metadata.table else label

    def likely(self, probabilities: Float64Array) -> tuple[str, ...]:
        """Return the labels in the prediction set of (K,) probabilities, the most probable first; () without a rule."""
        places = self.metadata.sets.places(probabilities) if self.metadata.sets else ()
        return tuple(self.metadata.labels[place] for place in places)

    def predict_files(
        self, paths: Sequence[Path], *, progress: Progress, title: str
    ) -> Iterator[tuple[Path, RawPrediction | UnreadablePictureError]]:
        """Yield each file with its prediction, or with the error of decoding it, in the order of ``paths``.

        Files are decoded in guarded processes, up to ``AHEAD`` of them before the network needs them.
        """
        progress.start(title, len(paths))
        on_cpu = self.backbone.device.type == "cpu"
        size = BATCH_ON_CPU if on_cpu else BATCH_ON_GPU
        with GuardedDecoder(self.backbone.preprocessing, rules=OF_A_PERSON) as decoder:
            inputs = _batched(self._preprocessed(paths, decoder), size)
            outcomes = map_batches(self._predict_readable, inputs) if on_cpu else map(self._predict_readable, inputs)
            for start, outcome in zip(count(0, size), outcomes):
                batch = paths[start : start + size]
                yield from zip(batch, outcome, strict=True)
                progress.advance(len(batch))

    def _preprocessed(
        self, paths: Sequence[Path], decoder: GuardedDecoder
    ) -> Iterator[UInt8Array | UnreadablePictureError]:
        """Yield the preprocessed pixels of each file in order, while the next ``AHEAD`` files are decoded."""
        ahead: deque[tuple[Path, Future[UInt8Array | Rejected] | UnreadablePictureError]] = deque()
        coming = iter(paths)
        ahead.extend((path, _submit(path, decoder)) for path in islice(coming, AHEAD))
        while ahead:
            path, submitted = ahead.popleft()
            outcome = submitted if isinstance(submitted, UnreadablePictureError) else submitted.result()
            ahead.extend((path, _submit(path, decoder)) for path in islice(coming, 1))
            yield UnreadablePictureError(path, outcome) if isinstance(outcome, Rejected) else outcome

    def _predict_readable(
        self, inputs: Sequence[UInt8Array | UnreadablePictureError]
    ) -> list[RawPrediction | UnreadablePictureError]:
        good = [pixels for pixels in inputs if not isinstance(pixels, UnreadablePictureError)]
        predictions = iter(self.predict_batch(np.stack(good)) if good else ())
        return [each if isinstance(each, UnreadablePictureError) else next(predictions) for each in inputs]


def _submit(path: Path, decoder: GuardedDecoder) -> Future[UInt8Array | Rejected] | UnreadablePictureError:
    try:
        return decoder.submit(read_picture(path))
    except UnreadablePictureError as error:
        return error


def _batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    waiting = iter(items)
    while batch := list(islice(waiting, size)):
        yield batch


def load_classifier(
    path: Path, *, device: str = "auto", label_table: Path | None = None, given: Sequence[str] = ()
) -> Classifier:
    """Load a model folder, or the model of a run's folder.

    Args:
        path: the folder.
        device: ``auto``, ``cpu``, ``cuda``, ...
        label_table: a table of labels that counts instead of the model's own.
        given: what is known of all pictures, such as "countries=Kenya".

    Raises:
        UsageError: there is no model folder, or another program wrote it; or the table or what is given does not fit.
        IntegrityError: its files do not belong together.
    """
    folder = find_model(path)
    metadata = read_metadata(folder)
    if label_table is not None:
        metadata = replace(metadata, table=asked_label_table(label_table, metadata.labels))
    loaded = build_model(f"{LOCAL_FOLDER}{folder.absolute()}")
    return Classifier(loaded, metadata, device=device).with_given(given)
