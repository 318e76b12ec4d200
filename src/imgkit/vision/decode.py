"""The guard between bytes from anywhere and pictures: every body becomes a picture or a reason, never an exception."""

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from imgkit.errors import UsageError
from imgkit.vision import jpeg, sniff
from imgkit.vision.colour import to_srgb
from imgkit.vision.orientation import orientation_of, upright
from imgkit.vision.resize import fit_within

MAX_JPEG_SCANS: Final = 500  # a progressive bomb has thousands; libjpeg-turbo's own advice
NOTED_ASPECT: Final = 4.0
GREY_TAIL_SHARE: Final = 0.05
_DRAFT_GAP: Final = 1.5  # times the wanted size; 46 dB to decoding the whole, where JPEG quality 92 itself costs 40
_GREY, _GREY_SLACK = 128, 3  # what libjpeg paints where data is missing, through a colour conversion


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What may be decoded and what counts as a picture; the defaults are those of a harvest."""

    formats: tuple[str, ...] = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
    max_pixels: int = 50_000_000  # per frame, read from the header before anything is decoded
    max_frames: int = 500
    max_animation_pixels: int = 200_000_000  # of all frames together
    smallest_side: int = 64  # pixels; below it a model's 224 px input is mostly invented
    max_aspect: float = 10.0  # longer side by shorter; 500 px by 50 px
    blank_below: float = 2.0  # standard deviation of each channel, of 255


LIMITS: Final = Limits()
OWN_FILES: Final = Limits(
    formats=tuple(sniff.RASTER_FORMATS),
    max_pixels=178_000_000,
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
    data: bytes, *, limits: Limits = LIMITS, longest: int | None = None, shortest: int | None = None
) -> Decoded | Rejected:
    """Decode a body of any origin; never raises for what the bytes hold.

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
    """
    kind = sniff.raster_format(data)
    if kind is None:
        return Rejected(*sniff.explain_other(data))
    if kind not in limits.formats:
        return Rejected("img.format", kind)
    with _quiet():
        try:
            return _decode(data, kind, limits, longest, shortest)
        except Image.DecompressionBombError as error:  # Pillow's own limit, twice as large as it warns of
            return Rejected("img.bomb", str(error).split(",")[0])
        except MemoryError:
            return Rejected("img.decoder_killed", "out of memory")
        except Exception as error:  # Pillow's plugins raise anything from SyntaxError to struct.error
            return Rejected("img.truncated", f"{kind}: {error or type(error).__name__}")


def open_picture(path: Path, *, longest: int | None = None, shortest: int | None = None) -> Image.Image:
    """Return a file of ours, or of a person's folder, as an upright RGB picture.

    ``longest`` and ``shortest`` are as for ``decode``: the picture may then be smaller than its file says.

    Raises:
        UnreadablePictureError: it cannot be read or decoded.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(path, Rejected("fs.permission", error.strerror or str(error))) from error
    outcome = decode(data, limits=OWN_FILES, longest=longest, shortest=shortest)
    if isinstance(outcome, Rejected):
        raise UnreadablePictureError(path, outcome)
    return outcome.image


def _decode(data: bytes, kind: str, limits: Limits, longest: int | None, shortest: int | None) -> Decoded | Rejected:
    notes: list[str] = []
    with Image.open(io.BytesIO(data), formats=[kind]) as image:
        width, height = image.size
        frames = _count_frames(image)
        rejected = _judge_header(width, height, frames, limits) or (_judge_jpeg(data) if kind == "JPEG" else None)
        if rejected:
            return rejected
        if kind == "JPEG" and (longest or shortest):
            enough = longest or round((shortest or 0) * max(image.size) / min(image.size))
            target = fit_within(width, height, enough)
            least = round(_DRAFT_GAP * target[0]), round(_DRAFT_GAP * target[1])
            image.draft(None, least)  # None: keep the mode, change the scale only
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


def _judge_header(width: int, height: int, frames: int, limits: Limits) -> Rejected | None:
    size = f"{width} x {height} px"
    if width * height > limits.max_pixels:
        return Rejected("img.bomb", f"{size}, limit {limits.max_pixels / 1e6:.0f} million pixels")
    if frames > limits.max_frames or (frames > 1 and frames * width * height > limits.max_animation_pixels):
        return Rejected("img.animated_many", f"{frames} frames of {size}")
    if min(width, height) < limits.smallest_side:
        return Rejected("img.small", f"{size}, smallest side {limits.smallest_side} px")
    if max(width, height) > limits.max_aspect * min(width, height):
        return Rejected("img.aspect", f"{size}, limit {limits.max_aspect:g}:1")
    return None


def _judge_jpeg(data: bytes) -> Rejected | None:
    structure = jpeg.structure(data)
    if structure.scans > MAX_JPEG_SCANS:
        return Rejected("img.bomb", f"JPEG of {structure.scans} scans")
    if structure.missing:
        return Rejected("img.truncated", f"JPEG without {structure.missing}")
    return None


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
    return float(np.asarray(picture).reshape(-1, 3).std(axis=0).max())


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
def _quiet() -> Iterator[None]:
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
