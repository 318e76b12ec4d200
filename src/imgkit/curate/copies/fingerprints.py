"""Measure each file once and cache hashes and image statistics by content, for the checks that need no model."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgkit.arrays import UInt8Array
from imgkit.cores import cpu_count
from imgkit.curate.copies.row_cache import RowCache, blank_row
from imgkit.curate.pictures import ItemPicture
from imgkit.engine import Engine, WorkerFailure
from imgkit.engine.chunks import each
from imgkit.files import NO_FILE, read_file
from imgkit.progress import Progress
from imgkit.vision import phash
from imgkit.vision.decode import Rejected, UnreadablePictureError, decode_own, grey_band, open_picture
from imgkit.vision.ground import GROUND_MEASURES, ground_measures
from imgkit.vision.resample import resample
from imgkit.vision.resize import fit_within

VERSION: Final = 7  # of the measures below; another version is measured afresh
MEASURED_PX: Final = 120  # of the longer side: tones and colours; a JPEG is decoded at half as large again or more
SHARPNESS_PX: Final = 2 * MEASURED_PX  # of the longer side: sharpness
TILES: Final = 8  # per side, for sharpness
SHARP_RANK: Final = 0.9 * (TILES**2 - 1)  # of the tiles: a plain background does not make a sharp subject blurred
BORDER: Final = 0.04  # of the shorter side
NEARLY_WHITE: Final = 240
MOST_WORKERS: Final = 4  # threads; the decoder works outside Python's lock, the rest within it
BATCH: Final = 16  # pictures whose hashes are made together
CHUNK: Final = 32  # pictures that travel together to another machine: about 1 MB

RECORD: Final = np.dtype(
    [
        ("readable", "?"),
        ("hash", "u8"),  # as imagehash.phash
        ("orientations", "u8", (8,)),
        ("flat", "?"),
        ("dark", "f4"),  # brightness of the brightest 1 % of pixels, 0 to 1
        ("bright", "f4"),  # brightness of the darkest 5 % of pixels, 0 to 1
        ("middle", "f4"),  # share of pixels that are neither near black nor near white
        ("burnt", "f4"),  # share of pixels that are white or nearly so
        ("entropy", "f4"),  # bits of the grey histogram, 0 to 8
        ("colours", "f4"),  # bits of the histogram of 4,096 colours, 0 to 12
        ("top_colour", "f4"),  # share of the most frequent of the 4,096 colours
        ("sharpness", "f4"),  # variance of the Laplacian in the sharp tiles, grey levels squared
        ("white_border", "f4"),  # share of border pixels that are nearly white
        ("ground", "f4", (len(GROUND_MEASURES),)),  # see ``vision.ground``
        ("grey_band", "f4"),  # share of the picture that is a mid-grey band along one side: how a cut JPEG looks
    ]
)
"""One row per picture; a file that cannot be read has ``readable`` False and zeros."""

# of a band of N pixels
Fingerprints = np.ndarray[tuple[int], np.dtype[np.void]]


def fingerprints(
    pictures: Sequence[ItemPicture], *, cache: Path, progress: Progress, engine: Engine | None = None
) -> Fingerprints:
    """Return a ``RECORD`` per picture, in order; files whose content was seen before are not opened.

    ``engine`` measures them in its workers; None measures them in this process.

    Raises:
        ResourceError: a file could not be read; what was seen before is kept for the next time.
    """
    store = RowCache(cache / f"fingerprints-{VERSION}.npz", RECORD)
    known = store.read()
    new = sorted({one.file_sha256: one for one in pictures if one.file_sha256 not in known}.items())
    if new:
        progress.start("looking at pictures", len(new))
        paths = [one.path for _, one in new]
        try:
            for number, row in _measure_locally(paths) if engine is None else _measure_remotely(paths, engine):
                if row["readable"]:
                    known[new[number][0]] = row
                progress.advance()
        finally:
            store.write(known)
    unreadable = blank_row(RECORD)
    return np.array([known.get(one.file_sha256, unreadable) for one in pictures], dtype=RECORD)


def _measure_locally(paths: Sequence[Path]) -> Iterator[tuple[int, np.void]]:
    parts = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with ThreadPoolExecutor(min(MOST_WORKERS, cpu_count())) as pool:
        yield from enumerate(row for rows in pool.map(_measure_files, parts) for row in rows)


def _measure_remotely(paths: Sequence[Path], engine: Engine) -> Iterator[tuple[int, np.void]]:
    for number, outcome in each(engine, measure_bodies, map(_body, paths), size=CHUNK):
        if isinstance(outcome, WorkerFailure):  # a picture that kills its worker is not readable
            yield number, blank_row(RECORD)
        else:
            yield number, np.frombuffer(outcome, RECORD)[0]


def _body(path: Path) -> bytes:
    try:
        return read_file(path)
    except NO_FILE:
        return b""  # is not readable there either


def measure_bodies(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the ``RECORD`` of each picture as bytes; runs in workers.

    Raises:
        OSError: the system failed, which says nothing about a picture.
    """
    outcomes = (decode_own(body, longest=MEASURED_PX) for body in bodies)
    return [row.tobytes() for row in measure(None if isinstance(one, Rejected) else one.image for one in outcomes)]


def _measure_files(paths: Sequence[Path]) -> list[np.void]:
    return measure(map(_opened, paths))


def _opened(path: Path) -> Image.Image | None:
    try:
        return open_picture(path, longest=MEASURED_PX)
    except UnreadablePictureError:
        return None


def measure(images: Iterable[Image.Image | None]) -> list[np.void]:
    """Return the ``RECORD`` of each picture that was opened for ``MEASURED_PX``; None is not readable.

    Images are taken one by one, shrunk and not kept; their hashes are made together, which takes a tenth of the time.
    """
    rows, readable, thumbnails = [], [], []
    for image in images:
        rows.append(blank_row(RECORD))
        if image is not None:
            grey = image.convert("L")
            readable.append(rows[-1])
            thumbnails.append(phash.thumbnail(grey))
            _measure(image, grey, rows[-1])
    hashes = phash.hash_thumbnails(np.stack(thumbnails)) if thumbnails else []
    for row, found in zip(readable, hashes, strict=True):
        row["readable"], row["hash"], row["flat"] = True, found.value, found.flat
        row["orientations"] = found.orientations
    return rows


def _measure(image: Image.Image, grey: Image.Image, row: np.void) -> None:
    size = fit_within(*image.size, MEASURED_PX)
    sample = np.asarray(image if size == image.size else image.resize(size, Image.Resampling.NEAREST))
    bands = [np.ascontiguousarray(sample[:, :, band]).ravel() for band in range(3)]
    for name, value in (_tones(bands) | _colours(bands)).items():
        row[name] = value
    row["white_border"] = _white_border(sample)
    row["grey_band"] = grey_band(image)
    row["ground"] = ground_measures(image)
    size = fit_within(*image.size, SHARPNESS_PX)
    grey = grey if size == grey.size else resample(grey, size, "bilinear")
    row["entropy"] = _bits(np.array(grey.histogram()))
    row["sharpness"] = _sharpness(np.asarray(grey))


# brightness as seen: sqrt(.241 R² + .691 G² + .068 B²), the weights of the HSP colour model, here in thousandths;
# without its last 10 bits a square fits 16, and those numpy sorts in a fifth of the time
_WHITE: Final = 1000 * 255**2 >> 10


def _tones(bands: Sequence[UInt8Array]) -> dict[str, float]:
    red, green, blue = (np.square(levels, dtype=np.uint32) for levels in bands)
    squares = np.sort((241 * red + 691 * green + 68 * blue >> 10).astype(np.uint16), kind="stable")
    bright, dark = np.sqrt(squares[[int(share * (len(squares) - 1)) for share in (0.05, 0.99)]] / _WHITE)
    limits = [np.uint16(_WHITE * limit**2) for limit in (0.1, 0.95, 0.97)]
    below_black, below_white, below_burnt = (np.searchsorted(squares, limits) / len(squares)).tolist()
    return {
        "dark": float(dark),
        "bright": float(bright),
        "middle": below_white - below_black,
        "burnt": 1 - below_burnt,
    }


def _colours(bands: Sequence[UInt8Array]) -> dict[str, float]:
    red, green, blue = bands
    places = (red >> 4).astype(np.int16) << 8 | green & 0xF0 | blue >> 4
    counts = np.bincount(places, minlength=4096)
    return {"colours": _bits(counts), "top_colour": float(counts.max() / len(places))}


def _bits(counts: npt.NDArray[np.int64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def _sharpness(grey: npt.NDArray[np.uint8]) -> float:
    """Variance of the Laplacian per tile, then the 90th percentile of the tiles."""
    levels = grey.astype(np.int16)
    inner = levels[1:-1, 1:-1]
    if min(inner.shape) < TILES:
        return float(levels.var())
    laplacian = levels[:-2, 1:-1] + levels[2:, 1:-1]
    laplacian += levels[1:-1, :-2]
    laplacian += levels[1:-1, 2:]
    laplacian -= 4 * inner
    down, across = (_tile_means(side) for side in laplacian.shape)
    values = laplacian.astype(np.float32)
    mean, square = down @ values @ across.T, down @ (values * values) @ across.T
    variances = np.sort(square - mean**2, axis=None)
    return float(np.interp(SHARP_RANK, np.arange(len(variances)), variances))


@lru_cache(maxsize=64)
def _tile_means(side: int) -> npt.NDArray[np.float32]:
    """Return (TILES, side): what takes the mean of each of as many equal tiles; what is left over belongs to none."""
    means = np.zeros((TILES, side), np.float32)
    for tile in range(TILES):
        means[tile, tile * (side // TILES) : (tile + 1) * (side // TILES)] = 1 / (side // TILES)
    return means


def _white_border(pixels: npt.NDArray[np.uint8]) -> float:
    width = max(1, round(BORDER * min(pixels.shape[:2])))
    inner = pixels[width:-width]
    strips = (pixels[:width], pixels[-width:], inner[:, :width], inner[:, -width:])
    border = np.concatenate([strip.reshape(-1, 3) for strip in strips])
    white = border >= NEARLY_WHITE
    return float(np.count_nonzero(white[:, 0] & white[:, 1] & white[:, 2]) / max(1, len(border)))
