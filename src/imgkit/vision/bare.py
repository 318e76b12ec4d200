"""Take the coded pixels out of a damaged file: metadata around them that no decoder gets past is left behind."""

from typing import Final

from imgkit.vision import jpeg
from imgkit.vision.metadata_gif import strip_gif
from imgkit.vision.metadata_png import strip_png
from imgkit.vision.orientation import EXIF_HEADER, UPRIGHT, exif_with, orientation_of

END_MARKER: Final = b"\xff\xd9"
_JPEG_PIXELS: Final = (
    *(code for code in range(0xC0, 0xD0) if code != 0xC8),  # frames, Huffman tables, arithmetic coding
    *(jpeg.START_OF_SCAN, 0xDB, 0xDD, 0xEE),  # quantisation, restart interval, Adobe's word on the colours
)


def bare(data: bytes, kind: str) -> bytes | None:
    """Return the pixels of a file of a format without anything else, None where they cannot be followed to their end.

    The orientation stays where it can be read. ``kind`` is Pillow's name of the format.
    """
    if kind == "PNG":
        return strip_png(data)
    if kind == "GIF":
        return strip_gif(data)
    if kind == "WEBP":
        return _bare_webp(data)
    return _bare_jpeg(data) if kind == "JPEG" else None


def _bare_webp(data: bytes) -> bytes | None:
    """Return a WebP whose length is said wrongly with the right one, None where its last part is cut."""
    position = first = 12
    while position + 8 <= len(data):
        following = position + 8 + int.from_bytes(data[position + 4 : position + 8], "little")
        if following > len(data):
            return None
        position = following + following % 2
    if position == first:
        return None
    return data[:4] + (min(position, len(data)) - 8).to_bytes(4, "little") + data[8:position]


def _bare_jpeg(data: bytes) -> bytes | None:
    kept: list[bytes] = []
    exif, end = b"", b""
    for segment in jpeg.segments(data):
        if segment.marker in _JPEG_PIXELS:
            kept.append(data[segment.start : segment.end])
        elif segment.marker == 0xE1 and segment.payload.startswith(EXIF_HEADER) and not exif:
            exif = segment.payload
        elif segment.marker == jpeg.END_OF_IMAGE:
            end = END_MARKER
    if not kept:
        return None
    turned = orientation_of(exif) or UPRIGHT
    before = b""
    if turned != UPRIGHT:
        block = exif_with(turned)
        before = b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    return b"\xff\xd8" + before + b"".join(kept) + end
