"""Turn received bytes into what is kept of them. Runs in a worker process: no untrusted byte is decoded elsewhere."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from imgkit.engine import WorkerFailure
from imgkit.files import NO_FILE
from imgkit.vision import sniff
from imgkit.vision.decode import LIMITS, Decoded, Rejected, decode, missing
from imgkit.vision.guarded import MalformedAnswerError, pack, pack_rejected, packed_or_system_error, read_answer
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

    ``sha256`` is of the bytes as received, ``stored`` the same picture without metadata, ``stored_sha256`` and
    ``extension`` are of that;
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
    format = sniff.raster_format(stored) or decoded.format  # what cannot be followed is written again as PNG
    return Ingested(
        sha256=hashlib.sha256(task.body).hexdigest(),
        stored=stored,
        stored_sha256=hashlib.sha256(stored).hexdigest(),
        extension=sniff.RASTER_FORMATS[format],
        width=decoded.width,
        height=decoded.height,
        frames=decoded.frames,
        notes=decoded.notes,
        shrunk=_shrunk(decoded, task.size),
        looks=_looks(decoded) if task.looks else (),
    )


def shrink_original(source: tuple[Path | bytes, int]) -> Shrunk | Rejected | OSError:
    """Shrink an original of ours, given as its path or its bytes, to a longest side in pixels.

    Returns:
        the picture; why it cannot be decoded or is not there (``fs.missing``); or, as a value, the error of a disk that
        could not read it.
    """
    original, size = source
    # it was judged when it came; limits that were tightened since must not make a kept picture vanish
    limits = replace(LIMITS, smallest_side=1, max_aspect=float("inf"), blank_below=0.0)
    try:
        body = original if isinstance(original, bytes) else original.read_bytes()
    except NO_FILE as error:
        return missing(error)
    except OSError as error:
        return OSError(error.errno, error.strerror, error.filename)
    decoded = decode(body, limits=limits, longest=size)
    if isinstance(decoded, Rejected):
        return decoded
    return _shrunk(decoded, size)


def packed_ingest(task: Task) -> bytes:
    """``ingest`` for a guarded engine; ``unpacked_ingest`` reads the answer."""
    return packed_or_system_error(partial(_packed_ingest, task))


def _packed_ingest(task: Task) -> bytes:
    outcome = ingest(task)
    if isinstance(outcome, Rejected):
        return pack_rejected(outcome)
    facts = {name: getattr(outcome, name) for name in _FACTS}
    return pack({**facts, "shrunk": _size(outcome.shrunk)}, outcome.stored, outcome.shrunk.jpeg)


def unpacked_ingest(outcome: bytes | WorkerFailure, body: bytes) -> Ingested | Rejected:
    """Return what ``packed_ingest`` answered for ``body``; what is no such answer is a rejection.

    Hashes are made here, so that no answer can give a picture another name.

    Raises:
        ResourceError: the system failed the process, as for ``read_answer``.
    """

    def read(facts: Mapping[str, Any], blocks: Sequence[bytes]) -> Ingested:
        stored, jpeg = blocks
        return Ingested(
            sha256=hashlib.sha256(body).hexdigest(),
            stored=stored,
            stored_sha256=hashlib.sha256(stored).hexdigest(),
            extension=_extension(stored, facts["extension"]),
            width=_number(facts["width"]),
            height=_number(facts["height"]),
            frames=_number(facts["frames"]),
            notes=tuple(_words(note) for note in facts["notes"]),
            shrunk=_read_shrunk(facts["shrunk"], jpeg),
            looks=tuple(_number(look, least=0) for look in facts["looks"]),
        )

    return read_answer(outcome, read)


def packed_shrink(source: tuple[Path | bytes, int]) -> bytes:
    """``shrink_original`` for a guarded engine; ``unpacked_shrink`` reads the answer."""
    return packed_or_system_error(partial(_packed_shrink, source))


def _packed_shrink(source: tuple[Path | bytes, int]) -> bytes:
    outcome = shrink_original(source)
    if isinstance(outcome, OSError):
        return pack({"errno": outcome.errno})
    return pack_rejected(outcome) if isinstance(outcome, Rejected) else pack({"shrunk": _size(outcome)}, outcome.jpeg)


def unpacked_shrink(outcome: bytes | WorkerFailure) -> Shrunk | Rejected | OSError:
    """Return what ``packed_shrink`` answered; what is no such answer is a rejection."""

    def read(facts: Mapping[str, Any], blocks: Sequence[bytes]) -> Shrunk | OSError:
        if "errno" in facts:
            number = _number(facts["errno"])
            return OSError(number, os.strerror(number))
        return _read_shrunk(facts["shrunk"], *blocks)

    return read_answer(outcome, read)


_FACTS: Final = ("extension", "width", "height", "frames", "notes", "looks")


def _size(shrunk: Shrunk) -> list[int]:
    return [shrunk.width, shrunk.height]


def _read_shrunk(size: Sequence[object], jpeg: bytes) -> Shrunk:
    width, height = (_number(side) for side in size)
    if sniff.raster_format(jpeg) != "JPEG":
        raise MalformedAnswerError("no JPEG")
    return Shrunk(jpeg=jpeg, sha256=hashlib.sha256(jpeg).hexdigest(), width=width, height=height)


def _extension(stored: bytes, said: object) -> str:
    extension = sniff.RASTER_FORMATS[sniff.raster_format(stored) or ""]
    if said != extension:
        raise MalformedAnswerError("another format")
    return extension


def _number(value: object, *, least: int = 1) -> int:
    if type(value) is not int or not least <= value < 1 << 64:
        raise MalformedAnswerError("no number")
    return value


def _words(value: object) -> str:
    if not isinstance(value, str) or len(value) > 200 or not value.isprintable():
        raise MalformedAnswerError("no words")
    return value


def _looks(decoded: Decoded) -> tuple[int, ...]:
    from imgkit.vision import phash  # here: it loads scipy, and hardly any harvest needs it

    seen = phash.orientations(decoded.image)
    return () if seen.flat else seen.orientations


def _shrunk(decoded: Decoded, size: int) -> Shrunk:
    small = shrink(decoded.image, size)
    jpeg = jpeg_bytes(small)
    return Shrunk(jpeg=jpeg, sha256=hashlib.sha256(jpeg).hexdigest(), width=small.width, height=small.height)
