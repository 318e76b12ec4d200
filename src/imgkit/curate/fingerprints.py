"""Look at each file once and keep what the cheap checks need: hashes and a few measures, by content."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from imgkit.curate.columns import Columns, blank_row
from imgkit.curate.pictures import Picture
from imgkit.engine import Engine, WorkerFailure
from imgkit.engine.chunks import each
from imgkit.progress import Progress
from imgkit.vision import phash
from imgkit.vision.decode import OWN_FILES, Rejected, UnreadablePictureError, decode, grey_band, open_picture

VERSION: Final = 3  # of the measures below; another version is measured afresh
LOOK_AT_PX: Final = 120  # asks the JPEG decoder for at least twice this, a quarter of the time of all pixels
TILES: Final = 8  # per side, for sharpness
SHARP_TILES_PERCENTILE: Final = 90  # a plain background does not make a sharp subject blurred
BORDER: Final = 0.04  # of the shorter side
NEARLY_WHITE: Final = 240
WORKERS: Final = 4  # threads; the decoder works outside Python's lock
CHUNK: Final = 32  # pictures that travel together to another machine: about 1 MB

Floats = npt.NDArray[np.float32]

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
        ("grey_band", "f4"),  # share of the picture that is a mid-grey band along one side: how a cut JPEG looks
    ]
)
"""One row per picture; a file that cannot be read has ``readable`` False and zeros."""

Fingerprints = np.ndarray[tuple[int], np.dtype[np.void]]


def fingerprints(
    pictures: Sequence[Picture], *, cache: Path, progress: Progress, engine: Engine | None = None
) -> Fingerprints:
    """Return a ``RECORD`` per picture, in order; files whose content was seen before are not opened.

    ``engine`` looks at them in its workers; None looks at them here.
    """
    store = Columns(cache / f"fingerprints-{VERSION}.npz", RECORD)
    known = store.read()
    new = sorted({one.file_sha256: one for one in pictures if one.file_sha256 not in known}.items())
    if new:
        progress.start("looking at pictures", len(new))
        paths = [one.path for _, one in new]
        for number, row in _look_here(paths) if engine is None else _look_afar(paths, engine):
            if row["readable"]:
                known[new[number][0]] = row
            progress.advance()
        store.write(known)
    unreadable = blank_row(RECORD)
    return np.array([known.get(one.file_sha256, unreadable) for one in pictures], dtype=RECORD)


def _look_here(paths: Sequence[Path]) -> Iterator[tuple[int, np.void]]:
    with ThreadPoolExecutor(WORKERS) as pool:
        yield from enumerate(pool.map(_look_at, paths))


def _look_afar(paths: Sequence[Path], engine: Engine) -> Iterator[tuple[int, np.void]]:
    for number, outcome in each(engine, look_at_bodies, map(_body, paths), size=CHUNK):
        lost = isinstance(outcome, WorkerFailure)  # a picture that kills its worker is not readable
        yield number, blank_row(RECORD) if lost else np.frombuffer(outcome, RECORD)[0]


def _body(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""  # is not readable there either


def look_at_bodies(bodies: Sequence[bytes]) -> list[bytes]:
    """Return the ``RECORD`` of each picture as bytes; runs in workers."""
    outcomes = (decode(body, limits=OWN_FILES, longest=LOOK_AT_PX) for body in bodies)
    return [(blank_row(RECORD) if isinstance(one, Rejected) else measure(one.image)).tobytes() for one in outcomes]


def _look_at(path: Path) -> np.void:
    try:
        image = open_picture(path, longest=LOOK_AT_PX)
    except UnreadablePictureError:
        return blank_row(RECORD)
    return measure(image)


def measure(image: Image.Image) -> np.void:
    """Return the ``RECORD`` of a picture that was opened at about ``LOOK_AT_PX`` times two."""
    row = blank_row(RECORD)
    hashes = phash.orientations(image)
    row["readable"], row["hash"], row["flat"] = True, hashes.value, hashes.flat
    row["orientations"] = hashes.orientations
    row["grey_band"] = grey_band(image)
    small = image.copy()
    small.thumbnail((2 * LOOK_AT_PX, 2 * LOOK_AT_PX), Image.Resampling.BILINEAR, reducing_gap=1.0)
    pixels = np.asarray(small)
    grey = np.asarray(small.convert("L")).astype(np.float32)
    for name, value in (_tones(pixels) | _colours(pixels, grey)).items():
        row[name] = value
    row["sharpness"] = _sharpness(grey)
    row["white_border"] = _white_border(pixels)
    return row


def _tones(pixels: npt.NDArray[np.uint8]) -> dict[str, float]:
    """Brightness as seen: sqrt(.241 R² + .691 G² + .068 B²), the weights of the HSP colour model."""
    squares = pixels[::2, ::2].astype(np.float32) ** 2
    brightness = np.sqrt(squares @ np.array([0.241, 0.691, 0.068], np.float32)) / 255
    low, high = np.percentile(brightness, [5, 99])
    middle = float(((brightness > 0.1) & (brightness < 0.95)).mean())
    burnt = float((brightness > 0.97).mean())
    return {"dark": float(high), "bright": float(low), "middle": middle, "burnt": burnt}


def _colours(pixels: npt.NDArray[np.uint8], grey: Floats) -> dict[str, float]:
    cells = (pixels >> 4).astype(np.uint16)
    counts = np.bincount(((cells[..., 0] << 8) | (cells[..., 1] << 4) | cells[..., 2]).ravel(), minlength=4096)
    greys = np.bincount(grey.astype(np.uint8).ravel(), minlength=256)
    return {
        "entropy": _bits(greys),
        "colours": _bits(counts),
        "top_colour": float(counts.max() / counts.sum()),
    }


def _bits(counts: npt.NDArray[np.int64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum())


def _sharpness(grey: Floats) -> float:
    """Variance of the Laplacian per tile, then the 90th percentile of the tiles."""
    inner = grey[1:-1, 1:-1]
    if min(inner.shape) < TILES:
        return float(grey.var())
    laplacian = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:] - 4 * inner
    rows, columns = (side // TILES for side in laplacian.shape)
    tiles = laplacian[: rows * TILES, : columns * TILES].reshape(TILES, rows, TILES, columns)
    return float(np.percentile(tiles.var(axis=(1, 3)), SHARP_TILES_PERCENTILE))


def _white_border(pixels: npt.NDArray[np.uint8]) -> float:
    width = max(1, round(BORDER * min(pixels.shape[:2])))
    inner = pixels[width:-width]
    strips = (pixels[:width], pixels[-width:], inner[:, :width], inner[:, -width:])
    white = sum(int((strip >= NEARLY_WHITE).all(axis=2).sum()) for strip in strips)
    return float(white / max(1, sum(strip.shape[0] * strip.shape[1] for strip in strips)))
