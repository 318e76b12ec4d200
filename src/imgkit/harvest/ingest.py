"""Turn received bytes into what is kept of them. Runs in a worker process: no untrusted byte is decoded elsewhere."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from imgkit.vision.decode import LIMITS, Rejected, decode
from imgkit.vision.metadata import strip_metadata
from imgkit.vision.resize import jpeg_bytes, shrink


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Bytes from anywhere, with the longest side to shrink to and the smallest useful side, in pixels."""

    body: bytes = field(repr=False)
    size: int
    smallest_side: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """A picture as it goes to ``harvested/``."""

    jpeg: bytes = field(repr=False)
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingested:
    """A picture that was received.

    ``sha256`` is of the bytes as received, ``stored`` the same file without metadata; ``width`` and ``height`` are
    those of the upright original.
    """

    sha256: str
    stored: bytes = field(repr=False)
    extension: str
    width: int
    height: int
    frames: int
    notes: tuple[str, ...]
    shrunk: Shrunk


def ingest(task: Task) -> Ingested | Rejected:
    """Decode a body, strip its metadata and shrink it; never raises for what the bytes hold."""
    limits = replace(LIMITS, smallest_side=task.smallest_side)
    decoded = decode(task.body, limits=limits, longest=task.size)
    if isinstance(decoded, Rejected):
        return decoded
    small = shrink(decoded.image, task.size)
    return Ingested(
        sha256=hashlib.sha256(task.body).hexdigest(),
        stored=strip_metadata(task.body, decoded.format),
        extension=decoded.extension,
        width=decoded.width,
        height=decoded.height,
        frames=decoded.frames,
        notes=decoded.notes,
        shrunk=Shrunk(jpeg=jpeg_bytes(small), width=small.width, height=small.height),
    )


def shrink_original(source: tuple[Path, int]) -> Shrunk | Rejected:
    """Read an original of ours and shrink it to a longest side in pixels."""
    path, size = source
    # it was judged when it came; limits that were tightened since must not make a kept picture vanish
    limits = replace(LIMITS, smallest_side=1, max_aspect=float("inf"), blank_below=0.0)
    decoded = decode(path.read_bytes(), limits=limits, longest=size)
    if isinstance(decoded, Rejected):
        return decoded
    small = shrink(decoded.image, size)
    return Shrunk(jpeg=jpeg_bytes(small), width=small.width, height=small.height)
