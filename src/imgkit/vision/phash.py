"""Perceptual hashes: 64 bits as the imagehash package defines them, 63 bits in eight orientations for ourselves."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import scipy.fftpack
from PIL import Image

from imgkit.arrays import UInt64Array

SIDE_PX: Final = 32
BLOCK: Final = 8
FLAT_BELOW: Final = 2.0  # grey levels of 255 of contrast that the hash can see; below it bits are noise
ORIENTATIONS: Final = 8


_U, _V = np.meshgrid(np.arange(BLOCK), np.arange(BLOCK), indexing="ij")
_SIGNS: Final = [(-1.0) ** (_U * vertical + _V * horizontal) for vertical in (0, 1) for horizontal in (0, 1)]
_SCALE: Final = np.where(np.arange(BLOCK) == 0, np.sqrt(1 / (4 * SIDE_PX)), np.sqrt(1 / (2 * SIDE_PX)))
_ORTHONORMAL: Final = np.outer(_SCALE, _SCALE)  # from scipy's plain DCT-II, so that energy is variance


@dataclass(frozen=True, slots=True)
class PerceptualHash:
    """What a picture looks like, in bits.

    ``value`` is the 64-bit hash of ``imagehash.phash``. ``orientations`` are eight 63-bit hashes (the mean brightness
    left out): as it is, mirrored left to right, upside down, turned by 180°, then the same four of the transposed
    picture. ``flat`` says that there is too little structure for a hash to mean anything: never compare those.
    """

    value: int
    orientations: tuple[int, ...]
    flat: bool


def thumbnail(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Return the (32, 32) grey thumbnail that hashes are made of. Most of a hash's time is spent here."""
    return np.asarray(image.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def orientations(image: Image.Image) -> PerceptualHash:
    """Return the hash of ``image`` in all eight orientations.

    Source: N. Krawetz 2011, "Looks Like It"; C. Zauner 2010, "Implementation and Benchmarking of Perceptual Image
    Hash Functions".
    """
    return hash_thumbnails(thumbnail(image)[None])[0]


def hash_thumbnails(thumbnails: npt.NDArray[np.uint8]) -> list[PerceptualHash]:
    """Return the hashes of (N, 32, 32) grey thumbnails."""
    low = _low_frequencies(thumbnails)
    values, variants, flat = _hash64(low), _variants(low), _contrast(low) < FLAT_BELOW
    return [
        PerceptualHash(int(value), tuple(int(variant) for variant in row), bool(is_flat))
        for value, row, is_flat in zip(values, variants, flat, strict=True)
    ]


def distances(first: UInt64Array, second: UInt64Array) -> npt.NDArray[np.uint8]:
    """Return the Hamming distances of two arrays of hashes, element by element with numpy's broadcasting."""
    return np.bitwise_count(np.bitwise_xor(first, second))


def _low_frequencies(thumbnails: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """(N, 32, 32) pixels to (N, 8, 8) coefficients, columns first as imagehash does it: the last bit counts."""
    columns = scipy.fftpack.dct(thumbnails.astype(np.float64), axis=1)
    low: npt.NDArray[np.float64] = scipy.fftpack.dct(columns, axis=2)[:, :BLOCK, :BLOCK]
    return low


def _hash64(low: npt.NDArray[np.float64]) -> UInt64Array:
    flat = low.reshape(len(low), -1)
    return _pack(flat > np.median(flat, axis=1, keepdims=True))


def _variants(low: npt.NDArray[np.float64]) -> UInt64Array:
    """Mirroring changes the sign of odd frequencies, transposing swaps them: (N, 8) hashes without a second DCT."""
    columns = []
    for block in (low, low.transpose(0, 2, 1)):
        for signs in _SIGNS:
            structure = (block * signs).reshape(len(low), -1)[:, 1:]
            columns.append(_pack(structure > np.median(structure, axis=1, keepdims=True)))
    return np.stack(columns, axis=1)


def _contrast(low: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Standard deviation, in grey levels, of the part of each thumbnail that the hash sees."""
    structure = (low * _ORTHONORMAL).reshape(len(low), -1)[:, 1:]
    contrast: npt.NDArray[np.float64] = np.sqrt((structure**2).sum(axis=1)) / SIDE_PX
    return contrast


def _pack(bits: npt.NDArray[np.bool_]) -> UInt64Array:
    """(N, 63 or 64) bits, most significant first, to N integers."""
    padded = np.zeros((len(bits), 64), dtype=np.uint8)
    padded[:, 64 - bits.shape[1] :] = bits
    return np.packbits(padded, axis=1).view(">u8").ravel().astype(np.uint64)
