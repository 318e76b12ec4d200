"""Feature vectors that other machines compute: pictures travel as bytes, and every machine loads the same network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.arrays import Float32Array
from imgkit.engine import Engine, WorkerFailure
from imgkit.engine.chunks import each
from imgkit.files import NO_FILE, read_file
from imgkit.vision.decode import Rejected, UnreadablePictureError, decode_own, missing
from imgkit.vision.features.backbone import Backbone, TexturedBackbone, load_backbone
from imgkit.vision.features.device import Precision
from imgkit.vision.features.weights import WeightsError

CHUNK: Final = 32  # pictures that travel together: about 1 MB


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """What a worker needs to load the same network as the driver; ``load`` compares ``key``."""

    name: str
    weights: str
    precision: Precision
    device: str
    textured: bool
    key: str

    def load(self) -> Backbone:
        """Load it on this machine.

        Raises:
            WeightsError: the weights cannot be had here, or are others.
        """
        backbone = load_backbone(
            self.name, weights=self.weights, device=self.device, precision=self.precision, textured=self.textured
        )
        if backbone.key != self.key:
            raise WeightsError(
                f"{self.name} has other weights or another form on one machine ({backbone.key}) than where the "
                f"command runs ({self.key}). Nothing was changed. Install the same versions on both."
            )
        return backbone


def compute_remotely(
    places: Mapping[str, Sequence[int]], paths: Sequence[Path], backbone: Backbone, *, mirrored: bool, engine: Engine
) -> Iterator[dict[str, Float32Array | UnreadablePictureError]]:
    """Yield features by content, a few at a time, or why a picture has none.

    Args:
        places: content to the indices of its files, of which the first is read.
        paths: the files, on this machine.
        backbone: the network to load elsewhere.
        mirrored: take the mean of a picture and its mirror image.
        engine: where.

    Raises:
        ResourceError: no machine can do it.
    """
    contents = list(places)
    files = [paths[indices[0]] for indices in places.values()]
    gpus = min(1, getattr(engine, "gpus", 0))
    spec = BackboneSpec(
        name=backbone.name,
        weights=backbone.weights,
        precision=backbone.precision,
        device="cuda" if gpus else "cpu",
        textured=isinstance(backbone, TexturedBackbone),
        key=backbone.key,
    )
    work = partial(embed_bodies, mirrored=mirrored)
    gone: dict[int, Rejected] = {}
    for number, outcome in each(engine, work, _bodies(files, gone), size=CHUNK, init=spec.load, gpus=gpus):
        if isinstance(outcome, bytes):
            yield {contents[number]: np.frombuffer(outcome, np.float32)}
            continue
        rejected = gone.get(number) or (
            Rejected("img.decoder_killed", outcome.detail) if isinstance(outcome, WorkerFailure) else outcome
        )
        yield {contents[number]: UnreadablePictureError(files[number], rejected)}


def embed_bodies(backbone: Backbone, bodies: Sequence[bytes], *, mirrored: bool) -> list[bytes | Rejected]:
    """Return the features of pictures as the bytes of float32 numbers, or why a picture cannot be read.

    Raises:
        OSError: the system failed, which says nothing about a picture.
    """
    form, batch = backbone.preprocessing, 8 if backbone.device.type == "cpu" else 256
    outcomes: list[bytes | Rejected] = []
    pixels = []
    for body in bodies:
        decoded = decode_own(body, shortest=form.shortest)
        if isinstance(decoded, Rejected):
            outcomes.append(decoded)
        else:
            outcomes.append(b"")
            pixels.append(backbone.prepare(decoded.image))
    rows: list[Float32Array] = []
    for start in range(0, len(pixels), batch):
        rows += list(backbone.features_of_views(np.stack(pixels[start : start + batch]), mirrored=mirrored))
    computed = iter(rows)
    return [next(computed).tobytes() if outcome == b"" else outcome for outcome in outcomes]


def _bodies(files: Sequence[Path], gone: dict[int, Rejected]) -> Iterator[bytes]:
    """Read files one after the other; one that is not there is empty, and ``gone`` says so.

    Raises:
        ResourceError: a file could not be read.
    """
    for number, file in enumerate(files):
        try:
            yield read_file(file)
        except NO_FILE as error:
            gone[number] = missing(error)
            yield b""
