"""Turn received bytes into what is kept of them. Runs in a worker process: no untrusted byte is decoded elsewhere."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from imgkit.vision.decode import LIMITS, Decoded, Rejected, decode
from imgkit.vision.metadata import strip_metadata
from imgkit.vision.resize import jpeg_bytes, shrink


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Bytes from anywhere, with the longest side to shrink to and the smallest useful side, in pixels.

    ``looks`` asks for perceptual hashes too.
    """

    body: bytes = field(repr=False)
    size: int
    smallest_side: int
    looks: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """A picture as it goes to ``harvested/``; ``sha256`` is of the JPEG."""

    jpeg: bytes = field(repr=False)
    sha256: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A picture that was received.

    ``sha256`` is of the bytes as received, ``stored`` the same file without metadata and ``stored_sha256`` of that;
    ``width`` and ``height`` are those of the upright original; ``looks`` is the perceptual hash in its orientations,
    empty where it was not asked for or the picture is too flat for one.
    """

    sha256: str
    stored: bytes = field(repr=False)
    stored_sha256: str
    extension: str
    width: int
    height: int
    frames: int
    notes: tuple[str, ...]
    shrunk: Shrunk
    looks: tuple[int, ...] = ()


def ingest(task: Task) -> Ingested | Rejected:
    """Decode a body, strip its metadata and shrink it; never raises for what the bytes hold."""
    limits = replace(LIMITS, smallest_side=task.smallest_side)
    decoded = decode(task.body, limits=limits, longest=task.size)
    if isinstance(decoded, Rejected):
        return decoded
    stored = strip_metadata(task.body, decoded.format)
    return Ingested(
        sha256=hashlib.sha256(task.body).hexdigest(),
        stored=stored,
        stored_sha256=hashlib.sha256(stored).hexdigest(),
        extension=decoded.extension,
        width=decoded.width,
        height=decoded.height,
        frames=decoded.frames,
        notes=decoded.notes,
        shrunk=_shrunk(decoded, task.size),
        looks=_looks(decoded) if task.looks else (),
    )


def shrink_original(source: tuple[Path | bytes, int]) -> Shrunk | Rejected:
    """Shrink an original of ours, given as its path or its bytes, to a longest side in pixels."""
    original, size = source
    # it was judged when it came; limits that were tightened since must not make a kept picture vanish
    limits = replace(LIMITS, smallest_side=1, max_aspect=float("inf"), blank_below=0.0)
    body = original if isinstance(original, bytes) else original.read_bytes()
    decoded = decode(body, limits=limits, longest=size)
    if isinstance(decoded, Rejected):
        return decoded
    return _shrunk(decoded, size)


def _looks(decoded: Decoded) -> tuple[int, ...]:
    from imgkit.vision import phash  # here: it loads scipy, and hardly any harvest needs it

    seen = phash.orientations(decoded.image)
    return () if seen.flat else seen.orientations


def _shrunk(decoded: Decoded, size: int) -> Shrunk:
    small = shrink(decoded.image, size)
    jpeg = jpeg_bytes(small)
    return Shrunk(jpeg=jpeg, sha256=hashlib.sha256(jpeg).hexdigest(), width=small.width, height=small.height)
