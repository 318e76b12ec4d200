"""Feature vectors that other machines compute: pictures travel as bytes, and every machine loads the same network."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.engine import Engine, WorkerFailure
from imgkit.engine.chunks import each
from imgkit.vision.backbone import Backbone, Floats, TexturedBackbone, load_backbone
from imgkit.vision.decode import OWN_FILES, Rejected, UnreadablePictureError, decode
from imgkit.vision.device import Precision
from imgkit.vision.weights import WeightsError

CHUNK: Final = 32  # pictures that travel together: about 1 MB


@dataclass(frozen=True, slots=True)
class Likeness:
    """What it takes to load the driver's network elsewhere; ``key`` proves that it is the same."""

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


def compute_afar(
    places: Mapping[str, Sequence[int]], paths: Sequence[Path], backbone: Backbone, *, mirrored: bool, engine: Engine
) -> Iterator[dict[str, Floats | UnreadablePictureError]]:
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
    likeness = Likeness(
        name=backbone.name,
        weights=backbone.weights,
        precision=backbone.precision,
        device="cuda" if gpus else "cpu",
        textured=isinstance(backbone, TexturedBackbone),
        key=backbone.key,
    )
    work = partial(embed_bodies, mirrored=mirrored)
    missing: dict[int, Rejected] = {}
    for number, outcome in each(engine, work, _bodies(files, missing), size=CHUNK, init=likeness.load, gpus=gpus):
        if isinstance(outcome, bytes):
            yield {contents[number]: np.frombuffer(outcome, np.float32)}
            continue
        rejected = missing.get(number) or (
            Rejected("img.decoder_killed", outcome.detail) if isinstance(outcome, WorkerFailure) else outcome
        )
        yield {contents[number]: UnreadablePictureError(files[number], rejected)}


def embed_bodies(backbone: Backbone, bodies: Sequence[bytes], *, mirrored: bool) -> list[bytes | Rejected]:
    """Return the features of pictures as the bytes of float32 numbers, or why a picture cannot be read."""
    form, batch = backbone.preprocessing, 8 if backbone.device.type == "cpu" else 256
    outcomes: list[bytes | Rejected] = []
    pixels = []
    for body in bodies:
        decoded = decode(body, limits=OWN_FILES, shortest=round(form.size / form.crop))
        if isinstance(decoded, Rejected):
            outcomes.append(decoded)
        else:
            outcomes.append(b"")
            pixels.append(backbone.prepare(decoded.image))
    rows: list[Floats] = []
    for start in range(0, len(pixels), batch):
        rows += list(backbone.features_of_views(np.stack(pixels[start : start + batch]), mirrored=mirrored))
    computed = iter(rows)
    return [next(computed).tobytes() if outcome == b"" else outcome for outcome in outcomes]


def _bodies(files: Sequence[Path], missing: dict[int, Rejected]) -> Iterator[bytes]:
    """Read files one after the other; one that cannot be read is empty, and ``missing`` says why."""
    for number, file in enumerate(files):
        try:
            yield file.read_bytes()
        except OSError as error:
            missing[number] = Rejected("fs.permission", error.strerror or str(error))
            yield b""
