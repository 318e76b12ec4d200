"""Reduce an ICC profile to what says how colours are computed."""

import hashlib
import io
import struct
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

_HEADER: Final = 128
_ENTRY: Final = struct.Struct(">4sII")
_SIGNATURE: Final = slice(36, 40)
_ID: Final = slice(84, 100)
_RESERVED: Final = slice(100, 128)
_ZEROED_FOR_ID: Final = (slice(44, 48), slice(64, 68), _ID)
_MOST_TAGS: Final = 100  # Little CMS opens no profile of more

KEPT_TAGS: Final = frozenset(
    {
        *(b"desc", b"cprt"),  # the specification requires both, and the name tells that a profile is sRGB
        *(b"wtpt", b"bkpt", b"chad", b"chrm", b"cicp", b"gamt"),
        *(b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC"),
        *(name + digit for name in (b"A2B", b"B2A", b"D2B", b"B2D") for digit in (b"0", b"1", b"2", b"3")),
    }
)
"""The tags that stay. Private tags and texts on devices go: a profile of a display holds its serial number."""


@lru_cache(maxsize=32)
def reduced_profile(profile: bytes) -> bytes | None:
    """Return a profile with the tags of ``KEPT_TAGS`` and nothing between or behind them; it gives the same colours.

    Returns:
        The profile; b"" for one that cannot be opened, which no decoder applies; None where the colours would differ.
    """
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    except Exception:  # a profile from the web
        return b""
    reduced = _rebuilt(profile)
    try:
        same = reduced and _colours(ImageCms.ImageCmsProfile(io.BytesIO(reduced))) == _colours(opened)
    except Exception:  # it lost what it needs
        return None
    return reduced if same else None


def _rebuilt(profile: bytes) -> bytes:
    size = min(int.from_bytes(profile[:4], "big"), len(profile))
    if size < _HEADER + 4 or profile[_SIGNATURE] != b"acsp":
        return b""
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    if count > _MOST_TAGS or _HEADER + 4 + count * _ENTRY.size > size:
        return b""
    entries = [_ENTRY.unpack_from(profile, _HEADER + 4 + _ENTRY.size * number) for number in range(count)]
    kept = [(tag, start, length) for tag, start, length in entries if tag in KEPT_TAGS and start + length <= size]
    table, body = struct.pack(">I", len(kept)), b""
    placed: dict[tuple[int, int], int] = {}  # tags may share their data
    for tag, start, length in kept:
        if (start, length) not in placed:
            placed[start, length] = _HEADER + 4 + len(kept) * _ENTRY.size + len(body)
            body += profile[start : start + length] + bytes(-length % 4)
        table += _ENTRY.pack(tag, placed[start, length], length)
    header = bytearray(profile[:_HEADER])
    header[:4] = struct.pack(">I", len(header) + len(table) + len(body))
    header[_RESERVED] = bytes(28)
    rebuilt = bytearray(header + table + body)
    if rebuilt[_ID] != _id_of(rebuilt):
        rebuilt[_ID] = bytes(16)
    return bytes(rebuilt)


def _id_of(profile: bytearray) -> bytes:
    blank = bytearray(profile)
    for place in _ZEROED_FOR_ID:
        blank[place] = bytes(place.stop - place.start)
    return hashlib.md5(blank, usedforsecurity=False).digest()


_MODES: Final = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


def _colours(profile: ImageCms.ImageCmsProfile) -> tuple[str, bytes]:
    """Return a profile's name, and what it makes of sample colours; nothing where it is for another colour space."""
    name = ImageCms.getProfileDescription(profile)
    mode = _MODES.get(profile.profile.xcolor_space)
    if mode is None:
        return name, b""
    steps = np.linspace(0, 255, 9, dtype=np.uint8)
    samples = np.stack(np.meshgrid(*[steps] * len(mode)), axis=-1)  # len("L") is 1
    image = Image.frombytes(mode, (9, samples.size // (9 * len(mode))), samples.tobytes())
    try:
        transform = ImageCms.buildTransform(profile, _SRGB, mode, "RGB")
    except ImageCms.PyCMSError:  # it cannot be applied, and is not
        return name, b""
    return name, transform.apply(image).tobytes()


_SRGB: Final = ImageCms.createProfile("sRGB")
