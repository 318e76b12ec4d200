"""Drop what a file says about its author, place and device, without touching a pixel.

Kept: the coded pixels, the colour profile and the orientation. Dropped: EXIF, XMP, IPTC, comments, text, times,
thumbnails, and whatever follows the end of the picture.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from imgkit.vision import jpeg
from imgkit.vision.orientation import UPRIGHT, exif_with, orientation_of

_APP0, _APP1, _COMMENT = 0xE0, 0xE1, 0xFE
_JPEG_TEXTS: Final = (*range(_APP0, 0xF0), _COMMENT)
_JPEG_KEPT: Final = (b"ICC_PROFILE\x00", b"Adobe")  # "Adobe" says how CMYK and YCCK are coded
_EXIF_HEADER: Final = b"Exif\x00\x00"
_PNG_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PNG_DROPPED: Final = (b"tEXt", b"zTXt", b"iTXt", b"tIME", b"eXIf")
_WEBP_EXIF_FLAG, _WEBP_XMP_FLAG = 0x08, 0x04


def strip_metadata(data: bytes, format: str) -> bytes:
    """Return a picture's bytes without metadata; they decode to the same pixels, upright in the same way.

    Args:
        data: a file that ``decode`` accepted.
        format: Pillow's name of its format. Other than JPEG, PNG and WEBP pass unchanged.

    Returns:
        The stripped bytes; ``data`` itself where the structure cannot be followed to its end.
    """
    strip = {"JPEG": _strip_jpeg, "PNG": _strip_png, "WEBP": _strip_webp}.get(format)
    return (strip(data) if strip else None) or data


def _strip_jpeg(data: bytes) -> bytes | None:
    kept: list[bytes] = []
    exif, ended = b"", False
    for segment in jpeg.segments(data):
        if segment.marker == _APP1 and segment.payload.startswith(_EXIF_HEADER):
            exif += segment.payload if not exif else segment.payload[len(_EXIF_HEADER) :]  # long EXIF goes on
        if segment.marker == _APP0 and segment.payload.startswith(b"JFIF\x00"):
            kept.append(_jfif_without_thumbnail(segment.payload))
        elif segment.marker not in _JPEG_TEXTS or segment.payload.startswith(_JPEG_KEPT):
            kept.append(data[segment.start : segment.end])
        ended = segment.marker == jpeg.END_OF_IMAGE
    if not ended:
        return None
    if (orientation := orientation_of(exif)) != UPRIGHT:
        after_jfif = 1 if kept[0].startswith(b"\xff\xe0") else 0
        kept.insert(after_jfif, _jpeg_segment(_APP1, exif_with(orientation)))
    return b"\xff\xd8" + b"".join(kept)


def _jfif_without_thumbnail(payload: bytes) -> bytes:
    return _jpeg_segment(_APP0, payload[:12].ljust(12, b"\x00") + b"\x00\x00")


def _jpeg_segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def _strip_png(data: bytes) -> bytes | None:
    kept: list[bytes] = []
    orientation, ended = UPRIGHT, False
    for kind, payload, whole in _png_chunks(data):
        if kind == b"eXIf":
            orientation = orientation_of(payload)
        if kind not in _PNG_DROPPED:
            kept.append(whole)
        ended = kind == b"IEND"
    if not ended:
        return None
    if orientation != UPRIGHT:
        kept.insert(1, _png_chunk(b"eXIf", exif_with(orientation).removeprefix(_EXIF_HEADER)))  # behind IHDR
    return _PNG_SIGNATURE + b"".join(kept)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 12 + length
        if end > len(data):
            return
        kind = data[position + 4 : position + 8]
        yield kind, data[position + 8 : end - 4], data[position:end]
        if kind == b"IEND":
            return
        position = end


def _png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def _strip_webp(data: bytes) -> bytes | None:
    kept: list[bytes] = []
    orientation = UPRIGHT
    position, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while position + 8 <= end:
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        following = position + 8 + length + length % 2
        if position + 8 + length > end:
            return None
        if kind == b"EXIF":
            orientation = orientation_of(data[position + 8 : position + 8 + length])
        elif kind != b"XMP ":
            kept.append(data[position:following])
        position = following
    if not kept:
        return None
    if kept[0][:4] == b"VP8X":
        flags = kept[0][8] & ~(_WEBP_EXIF_FLAG | _WEBP_XMP_FLAG) & 0xFF
        if orientation != UPRIGHT:
            exif = exif_with(orientation).removeprefix(_EXIF_HEADER)
            kept.append(b"EXIF" + struct.pack("<I", len(exif)) + exif + b"\x00" * (len(exif) % 2))
            flags |= _WEBP_EXIF_FLAG
        kept[0] = kept[0][:8] + bytes([flags]) + kept[0][9:]
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body
