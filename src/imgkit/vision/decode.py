"""The guard between bytes from anywhere and pictures: every body becomes a picture or a reason, never an exception."""

import errno
import functools
import hashlib
import io
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, JpegImagePlugin

from imgkit.errors import ResourceError, UsageError
from imgkit.files import NO_FILE, read_error, reading
from imgkit.redaction import without_objects
from imgkit.vision import GREY_TAIL_SHARE, jpeg, sniff
from imgkit.vision.bare import END_MARKER, bare
from imgkit.vision.colour import to_srgb
from imgkit.vision.orientation import orientation_of, upright
from imgkit.vision.resize import fit_within

MAX_JPEG_SCANS: Final = 500  # a progressive bomb has thousands; libjpeg-turbo's own advice
NOTED_ASPECT: Final = 4.0
LARGEST_FILE_BYTES: Final = 1024**3
_DRAFT_GAP: Final = 1.5  # times the wanted longer side, for measures; 46 dB to decoding the whole
_NETWORK_GAP: Final = 4.0  # times the wanted shorter side, for networks: their answers are those of decoding the whole
_FILLINGS: Final = (b"", b"\x55" * 4096, b"\xaa\x2b\x1c" * 2048)  # codes of no picture
_GREY, _GREY_SLACK = 128, 3  # what libjpeg paints where data is missing, through a colour conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """What may be decoded and what counts as a picture; the defaults are those of a harvest."""

    formats: tuple[str, ...] = tuple(sniff.RASTER_FORMATS)
    max_pixels: int = 50_000_000  # that are decoded, per frame, read from the header before anything is
    max_jpeg_pixels: int = 250_000_000  # of a JPEG of which a fraction is decoded; the largest cameras have 200 million
    max_frames: int = 500
    max_animation_pixels: int = 200_000_000  # of all frames together
    smallest_side: int = 64  # pixels; below it a model's 224 px input is mostly invented
    max_aspect: float = 10.0  # longer side by shorter; 500 px by 50 px
    blank_below: float = 2.0  # standard deviation of each channel, of 255


LIMITS: Final = DecodeLimits()
OWN_FILES: Final = DecodeLimits(
    formats=tuple(sniff.RASTER_FORMATS),
    max_pixels=178_000_000,
    max_jpeg_pixels=250_000_000,
    max_frames=1_000_000,
    max_animation_pixels=10**12,
    smallest_side=1,
    max_aspect=float("inf"),
    blank_below=0.0,
)
"""For files that a person put there: whatever can be decoded is a picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A picture: upright, 8-bit RGB in sRGB, first frame only.

    ``image`` may be smaller than the original (by a power of two) when ``longest`` was given. ``width`` and
    ``height`` are those of the upright original. ``format`` is Pillow's name of what the bytes are, ``extension`` its
    file extension without a dot. ``notes`` say what had to be done or looks odd.
    """

    image: Image.Image
    width: int
    height: int
    format: str
    extension: str
    frames: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rejected:
    """Why there is no picture: a code of :mod:`imgkit.reasons`, and evidence in a few words."""

    reason: str
    detail: str


OUT_OF_MEMORY: Final = Rejected("img.decoder_killed", "out of memory")


class UnreadablePictureError(UsageError):
    """A file that should be a picture cannot be decoded; the message names it."""

    def __init__(self, path: Path, rejected: Rejected) -> None:
        super().__init__(
            f"cannot read the picture {path}: {rejected.detail}. Nothing was changed. Remove or replace the file.",
            code=rejected.reason,
        )
        self.path = path
        self.rejected = rejected


def decode(
    data: bytes, *, limits: DecodeLimits = LIMITS, longest: int | None = None, shortest: int | None = None
) -> Decoded | Rejected:
    """Decode a body of any origin; never raises for what the bytes hold.

    An error of the system (no more memory for a file, a disk that fails while a part of Pillow is loaded) has an error
    number, which the errors of decoders lack: it says nothing about the bytes, and is raised.

    Args:
        data: the whole body.
        limits: what may be decoded and what counts as a picture.
        longest: the side in pixels that the caller will shrink to; a JPEG is then decoded at the smallest scale
            that is still at least half as large again, which takes less than a quarter of the time.
        shortest: likewise, for a caller who will shrink to a shorter side.

    Returns:
        The picture, or the reason why there is none: ``body.empty``, ``body.html``, ``body.not_image``,
        ``img.format``, ``img.bomb``, ``img.animated_many``, ``img.small``, ``img.aspect``, ``img.truncated`` or
        ``img.blank``.

    Raises:
        OSError: the system failed.
    """
    kind = sniff.raster_format(data)
    if kind is None:
        return Rejected(*sniff.explain_other(data))
    if kind not in limits.formats or (kind == "HEIF" and not _reads_heif()):
        return Rejected("img.format", f"{kind}: {sniff.HELP.get(kind, 'convert it to JPEG or PNG')}")
    with quiet():
        outcome = _guarded(data, kind, limits, longest, shortest)
        if isinstance(outcome, Rejected) and outcome.reason == "img.truncated":
            # the pixels may be whole although what stands around them is damaged
            pixels = bare(data, kind)
            again = _guarded(pixels, kind, limits, longest, shortest) if pixels and pixels != data else outcome
            if isinstance(again, Decoded):
                return replace(again, notes=(*again.notes, "damaged metadata left out"))
        return outcome


def _guarded(
    data: bytes, kind: str, limits: DecodeLimits, longest: int | None, shortest: int | None
) -> Decoded | Rejected:
    try:
        return _decode(data, kind, limits, longest, shortest)
    except Image.DecompressionBombError as error:  # Pillow's own limit, twice as large as it warns of
        return Rejected("img.bomb", str(error).split(",")[0])
    except MemoryError:
        return OUT_OF_MEMORY
    except Exception as error:  # Pillow's plugins raise anything from SyntaxError to struct.error
        if isinstance(error, OSError) and error.errno is not None:
            raise
        return Rejected("img.truncated", f"{kind}: {without_objects(str(error)) or type(error).__name__}")


@functools.cache
def _reads_heif() -> bool:
    """Say whether HEIC can be decoded: whether the package pillow-heif is here."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


def open_picture(path: Path, *, longest: int | None = None, shortest: int | None = None) -> Image.Image:
    """Return a file of ours, or of a person's folder, as an upright RGB picture.

    ``longest`` and ``shortest`` are as for ``decode``: the picture may then be smaller than its file says.

    Raises:
        UnreadablePictureError: there is no such file, or its bytes cannot be decoded.
        ResourceError: it could not be read, or there is not enough memory: that says nothing about the picture.
    """
    data = read_picture(path)
    try:
        outcome = decode_own(data, longest=longest, shortest=shortest)
    except OSError as error:
        if error.errno != errno.ENOMEM:
            raise read_error(error, path, verb="decode") from error
        raise ResourceError(
            f"out of memory while decoding {path}. What was finished is safe, and nothing else was changed. Close "
            "other programs, or shrink that picture, and run the same command again.",
            code="fs.memory",
        ) from error
    if isinstance(outcome, Rejected):
        raise UnreadablePictureError(path, outcome)
    return outcome.image


def decode_own(data: bytes, *, longest: int | None = None, shortest: int | None = None) -> Decoded | Rejected:
    """Decode the bytes of a file that a person put there; arguments are those of ``decode``.

    Raises:
        OSError: the system failed, or has not enough memory (``ENOMEM``): that says nothing about the picture.
    """
    outcome = decode(data, limits=OWN_FILES, longest=longest, shortest=shortest)
    if isinstance(outcome, Rejected) and outcome.reason == OUT_OF_MEMORY.reason:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    return outcome


def read_picture(path: Path) -> bytes:
    """Return the bytes of a file of a person.

    Raises:
        UnreadablePictureError: there is no such file, or it is larger than ``LARGEST_FILE_BYTES``.
        ResourceError: it could not be read, which says nothing about the picture.
    """
    try:
        with reading(path):
            too_big = path.exists() and path.stat().st_size > LARGEST_FILE_BYTES
            data = b"" if too_big else path.read_bytes()
    except NO_FILE as error:
        raise UnreadablePictureError(path, missing(error)) from error
    if too_big:
        raise UnreadablePictureError(path, Rejected("body.too_big", f"more than {LARGEST_FILE_BYTES:,} B"))
    return data


def missing(error: OSError) -> Rejected:
    """Return the reason for a file that is not there; ``error`` is what opening it raised."""
    return Rejected("fs.missing", error.strerror or str(error))


def _decode(
    data: bytes, kind: str, limits: DecodeLimits, longest: int | None, shortest: int | None
) -> Decoded | Rejected:
    notes: list[str] = []
    if kind == "JPEG":
        whole = _whole_jpeg(data)
        if isinstance(whole, Rejected):
            return whole
        if whole is not data:
            notes.append("end marker added")
        data = whole
    with _open(data, kind) as image:
        width, height = image.size
        frames = _count_frames(image)
        if kind == "JPEG" and (longest or shortest):
            image.draft(None, _least(image.size, longest, shortest))  # None: keep the mode, change the scale only
        rejected = _judge_header(width, height, image.size, frames, limits)
        if rejected:
            return rejected
        image.load()
        # TIFF is turned by its own plugin while loading; PNG may carry its EXIF behind the pixels
        orientation = orientation_of(image.info.get("exif")) if kind != "TIFF" else 1
        picture, changes = to_srgb(image)
    if kind == "JPEG" and (share := grey_tail(picture)) >= GREY_TAIL_SHARE:
        notes.append(f"flat grey band over the lowest {share:.0%}")
    picture = upright(picture, orientation)
    if orientation in (5, 6, 7, 8):
        width, height = height, width
    if _is_blank(picture, limits.blank_below):
        return Rejected("img.blank", f"{width} x {height} px of one colour")
    if frames > 1:
        notes.append(f"{frames} frames")
    if (aspect := max(width, height) / min(width, height)) > NOTED_ASPECT:
        notes.append(f"aspect {aspect:.1f}:1")
    return Decoded(
        image=picture,
        width=width,
        height=height,
        format=kind,
        extension=sniff.RASTER_FORMATS[kind],
        frames=frames,
        notes=(*changes, *notes),
    )


def _open(data: bytes, kind: str) -> ImageFile.ImageFile:
    """Open a picture; a JPEG without Pillow's limit on its size, since only a fraction of it may be decoded."""
    size = jpeg.size(data) if kind == "JPEG" else None
    if size is not None and Image.MAX_IMAGE_PIXELS and size[0] * size[1] > Image.MAX_IMAGE_PIXELS:
        return JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    return Image.open(io.BytesIO(data), formats=[kind])


def _least(size: tuple[int, int], longest: int | None, shortest: int | None) -> tuple[int, int]:
    """Return the smallest size that is worth decoding for a caller who will shrink the picture."""
    enough, gap = (longest, _DRAFT_GAP) if longest else ((shortest or 0) * max(size) / min(size), _NETWORK_GAP)
    target = fit_within(*size, round(enough))
    return round(gap * target[0]), round(gap * target[1])


def _judge_header(
    width: int, height: int, decoded: tuple[int, int], frames: int, limits: DecodeLimits
) -> Rejected | None:
    """Judge a picture by what its header says; ``decoded`` is the size at which it would be decoded."""
    size = f"{width} x {height} px"
    if decoded[0] * decoded[1] > limits.max_pixels:
        return Rejected("img.bomb", f"{size}, limit {limits.max_pixels / 1e6:.0f} million pixels")
    if width * height > max(limits.max_pixels, limits.max_jpeg_pixels):
        return Rejected("img.bomb", f"{size}, limit {limits.max_jpeg_pixels / 1e6:.0f} million pixels of a JPEG")
    if frames > limits.max_frames or (frames > 1 and frames * width * height > limits.max_animation_pixels):
        return Rejected("img.animated_many", f"{frames} frames of {size}")
    if min(width, height) < limits.smallest_side:
        return Rejected("img.small", f"{size}, smallest side {limits.smallest_side} px")
    if max(width, height) > limits.max_aspect * min(width, height):
        return Rejected("img.aspect", f"{size}, limit {limits.max_aspect:g}:1")
    return None


def _whole_jpeg(data: bytes) -> bytes | Rejected:
    """Return a JPEG whose pixels are whole, with an end marker where only that is missing; else why it is none."""
    structure = jpeg.structure(data)
    if structure.scans > MAX_JPEG_SCANS:
        return Rejected("img.bomb", f"JPEG of {structure.scans} scans")
    if structure.missing == "the end marker":
        coded = data.rstrip(b"\xff")  # the half of an end marker
        if _only_the_end_is_missing(coded, is_progressive=structure.progressive):
            return coded + END_MARKER
    if structure.missing:
        return Rejected("img.truncated", f"JPEG without {structure.missing}")
    return data


def _only_the_end_is_missing(data: bytes, *, is_progressive: bool) -> bool:
    """Say whether all coded pixels of a JPEG without an end are there.

    Codes behind the last pixel change nothing; where pixels are missing they would be taken for them. The last scan of
    a progressive JPEG changes so little that it has to be decoded whole.
    """
    size = jpeg.size(data)
    most = LIMITS.max_pixels if is_progressive else LIMITS.max_jpeg_pixels
    if size is None or size[0] * size[1] > most:
        return False
    filled = (_pixels_hash(data + filling + END_MARKER, smallest=not is_progressive) for filling in _FILLINGS)
    first = next(filled)
    return all(other == first for other in filled)


def _pixels_hash(data: bytes, *, smallest: bool) -> bytes:
    """Return a hash of the pixels of a JPEG, decoded at the smallest scale or as it is."""
    with _open(data, "JPEG") as image:
        if smallest:
            image.draft(None, (1, 1))
        image.load()
        return hashlib.sha256(image.tobytes()).digest()


def _count_frames(image: ImageFile.ImageFile) -> int:
    frames = int(getattr(image, "n_frames", 1))  # a GIF is walked to its end for this; a broken one raises
    if image.tell() != 0:
        image.seek(0)
    return frames


def _is_blank(picture: Image.Image, below: float) -> bool:
    if below <= 0:
        return False
    sample = picture.resize((16, 16), Image.Resampling.NEAREST)  # settles it for nearly every picture
    return _spread(sample) < 2 * below and _spread(picture) < below


def _spread(picture: Image.Image) -> float:
    """Return the largest standard deviation of a channel, of 255."""
    counts = np.array(picture.histogram()).reshape(3, 256)  # as numbers, the pixels would take eight times the memory
    share = counts / counts[0].sum()
    levels = np.arange(256)
    mean = share @ levels
    return float(np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1)).max())


def grey_tail(picture: Image.Image) -> float:
    """Return the share (0 to 1) of the height that is one mid-grey band at the bottom: how a cut JPEG looks."""
    corner = picture.getpixel((0, picture.height - 1))
    assert isinstance(corner, tuple)  # of an RGB picture
    if abs(corner[0] - _GREY) > _GREY_SLACK:  # nearly every picture is told apart here
        return 0.0
    rows = np.asarray(picture)[::-1]
    if np.abs(rows[0].astype(np.int16) - _GREY).max() > _GREY_SLACK:  # and nearly all others here
        return 0.0
    deviation: npt.NDArray[np.int16] = np.abs(rows.astype(np.int16) - _GREY).max(axis=(1, 2))
    other = np.flatnonzero(deviation > _GREY_SLACK)
    return float(other[0] if other.size else len(rows)) / len(rows)


def grey_band(picture: Image.Image) -> float:
    """Return the share (0 to 1) of an upright picture that is one mid-grey band along exactly one of its sides.

    As ``grey_tail`` for pictures that may have been turned since; a grey frame has bands along several sides, and is 0.
    """
    right, bottom = picture.width - 1, picture.height - 1
    grey = {at: _is_grey(picture, at) for at in ((0, 0), (right, 0), (0, bottom), (right, bottom))}
    if not any(grey.values()):  # nearly every picture is told apart here
        return 0.0
    bands = [grey_tail(picture if turn is None else picture.transpose(turn)) for turn in _TURNS]
    return max(bands) if sum(band > 0 for band in bands) == 1 else 0.0


_TURNS: Final = (None, Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)


def _is_grey(picture: Image.Image, at: tuple[int, int]) -> bool:
    pixel = picture.getpixel(at)
    assert isinstance(pixel, tuple)  # of an RGB picture
    return all(abs(level - _GREY) <= _GREY_SLACK for level in pixel)


_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters: "warnings.catch_warnings[None] | None" = None  # generic in the stubs only


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Pillow's remarks on odd files: the limits judge them.

    The filters are one list per process, so the first decoding thread sets them and the last one restores them.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        if _quiet_depth == 0:
            _quiet_filters = warnings.catch_warnings()
            _quiet_filters.__enter__()
            warnings.simplefilter("ignore")
        _quiet_depth += 1
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0 and _quiet_filters is not None:
                _quiet_filters.__exit__(None, None, None)
                _quiet_filters = None
