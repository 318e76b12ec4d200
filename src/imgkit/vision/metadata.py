"""Drop what a file says about its author, place and device, without touching a pixel.

A file is written again from the parts that are listed for its format in ``docs/data-folder.md``: the coded pixels, what
decoding needs, the colours and the orientation. Whatever else it holds is dropped, known or not.
"""

import io
import struct
from typing import Final

import numpy as np
from PIL import Image

from imgkit.vision import jpeg
from imgkit.vision.bare import bare
from imgkit.vision.colour_profile import reduced_profile
from imgkit.vision.decode import OWN_FILES, Decoded, Rejected, decode, quiet
from imgkit.vision.metadata_gif import strip_gif
from imgkit.vision.metadata_png import strip_png
from imgkit.vision.orientation import EXIF_HEADER, UPRIGHT, exif_with, orientation_of

_APP0, _APP1, _APP2, _APP14 = 0xE0, 0xE1, 0xE2, 0xEE
_ICC_HEADER: Final = b"ICC_PROFILE\x00"
_ICC_PART: Final = 65519  # bytes of a profile in one segment
_ADOBE_BYTES: Final = 12
_JPEG_KEPT: Final = (
    *(code for code in range(0xC0, 0xD0) if code != 0xC8),  # frames, Huffman tables, arithmetic coding
    *(jpeg.START_OF_SCAN, jpeg.END_OF_IMAGE, 0xDB, 0xDD),  # quantisation, restart interval
)
_WEBP_ANIMATED, _WEBP_EXIF, _WEBP_ALPHA, _WEBP_ICC = 0x02, 0x08, 0x10, 0x20  # flags
_WEBP_PIXELS: Final = (b"VP8 ", b"VP8L")
_FRAME_HEADER: Final = 16
_PNG_MODES: Final = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
_BMP_MODES: Final = ("1", "L", "P", "RGB")

Chunk = tuple[bytes, bytes]
"""(name, payload)."""


def strip_metadata(data: bytes, format: str) -> bytes:
    """Return a picture's bytes without metadata; they decode to the same pixels, upright in the same way.

    Args:
        data: a file that ``decode`` accepts.
        format: Pillow's name of its format.

    Returns:
        A file of the same format, its coded pixels copied. BMP, and whatever cannot be followed to its end, is written
        again, as PNG where its format cannot hold the same pixels (so are TIFF and AVIF); of several frames the
        first is then left.

    Raises:
        ValueError: no picture can be decoded from ``data``.
    """
    strip = {"JPEG": _strip_jpeg, "PNG": strip_png, "WEBP": _strip_webp, "GIF": strip_gif}.get(format)
    if strip is None:
        return _written_again(data, format)
    # a damaged file may be followed once what stands around its pixels is left out
    return strip(data) or strip(bare(data, format) or b"") or _written_again(data, format)


def _strip_jpeg(data: bytes) -> bytes | None:
    kept: list[bytes] = []
    profile: list[bytes] = []
    exif, first_scan, ended, jfif = b"", -1, False, False
    for segment in jpeg.segments(data):
        marker, payload = segment.marker, segment.payload
        if marker in _JPEG_KEPT:
            first_scan = len(kept) if marker == jpeg.START_OF_SCAN and first_scan < 0 else first_scan
            kept.append(data[segment.start : segment.end])
            ended = marker == jpeg.END_OF_IMAGE
        elif first_scan >= 0:
            continue  # decoders settle colours and orientation before the first scan
        elif marker == _APP0 and payload.startswith(b"JFIF\x00") and len(payload) >= 14:
            jfif = True
        elif marker == _APP14 and payload.startswith(b"Adobe") and len(payload) >= _ADOBE_BYTES:
            # the last byte says how CMYK and YCCK are coded
            kept.append(_segment(_APP14, b"Adobe\x00\x64\x00\x00\x00\x00" + payload[11:_ADOBE_BYTES]))
        elif marker == _APP1 and payload.startswith(EXIF_HEADER):
            exif += payload if not exif else payload[len(EXIF_HEADER) :]  # long EXIF goes on
        elif marker == _APP2 and payload.startswith(_ICC_HEADER):
            profile.append(payload)
    colours = reduced_profile(_joined(profile))
    if first_scan < 0 or colours is None:
        return None
    if not ended:  # the decoder found that nothing else is missing
        kept.append(b"\xff\xd9")
    before = [_segment(_APP0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00")] if jfif else []
    if (orientation := orientation_of(exif)) != UPRIGHT:
        before.append(_segment(_APP1, exif_with(orientation)))
    return b"\xff\xd8" + b"".join((*before, *_profile_segments(colours), *kept))


def _joined(parts: list[bytes]) -> bytes:
    """Return a profile from its segments, b"" where some are missing; as Pillow does it."""
    ordered, start = sorted(parts), len(_ICC_HEADER)
    if not ordered or len(ordered[0]) < start + 2 or ordered[0][start + 1] != len(ordered):
        return b""
    return b"".join(part[start + 2 :] for part in ordered)


def _profile_segments(profile: bytes) -> list[bytes]:
    parts = [profile[at : at + _ICC_PART] for at in range(0, len(profile), _ICC_PART)]
    if len(parts) > 255:
        return []
    return [
        _segment(_APP2, _ICC_HEADER + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, start=1)
    ]


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def _strip_webp(data: bytes) -> bytes | None:
    chunks = _webp_chunks(data, 12, min(len(data), 8 + int.from_bytes(data[4:8], "little")))
    if not chunks:
        return None
    name, header = chunks[0]
    if name in _WEBP_PIXELS:  # the simple form, which has nothing else
        return _webp([chunks[0]])
    if name != b"VP8X" or len(header) < 10:
        return None
    first = dict(reversed(chunks))
    frames = _webp_frames(chunks[1:], animated=bool(header[0] & _WEBP_ANIMATED))
    colours = reduced_profile(first.get(b"ICCP", b"")) if header[0] & _WEBP_ICC else b""
    exif = first.get(b"EXIF", b"") if header[0] & _WEBP_EXIF else b""  # decoders look for it only where it is flagged
    orientation = orientation_of(exif)
    if frames is None or colours is None:
        return None
    flags = header[0] & (_WEBP_ANIMATED | _WEBP_ALPHA)
    flags |= (_WEBP_ICC if colours else 0) | (_WEBP_EXIF if orientation != UPRIGHT else 0)
    kept = [(b"VP8X", bytes([flags, 0, 0, 0]) + header[4:10])]
    kept += [(b"ICCP", colours)] if colours else []
    kept += frames
    kept += [(b"EXIF", exif_with(orientation).removeprefix(EXIF_HEADER))] if orientation != UPRIGHT else []
    return _webp(kept)


def _webp_chunks(data: bytes, position: int, end: int) -> list[Chunk] | None:
    """Return the chunks between two places; None where one is cut."""
    chunks = []
    while position + 8 <= end:
        name, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if position + 8 + length > end:
            return None
        chunks.append((name, data[position + 8 : position + 8 + length]))
        position += 8 + length + length % 2
    return chunks


def _webp_frames(chunks: list[Chunk], *, animated: bool) -> list[Chunk] | None:
    """Return what shows the frames, None where there is none or it is out of order."""
    if not animated:
        return _webp_pixels(chunks)
    control = next((payload for name, payload in chunks if name == b"ANIM"), b"")
    if len(control) < 6:
        return None
    kept = [(b"ANIM", control[:6])]
    for name, payload in chunks:
        if name == b"ANMF":
            inside = _webp_chunks(payload, _FRAME_HEADER, len(payload))
            pixels = _webp_pixels(inside or [])
            if pixels is None:
                return None
            kept.append((name, payload[:_FRAME_HEADER] + b"".join(_webp_chunk(*one) for one in pixels)))
    return kept if len(kept) > 1 else None


def _webp_pixels(chunks: list[Chunk]) -> list[Chunk] | None:
    """Return the coded pixels of one frame, with the transparency that stands before them."""
    shown = [chunk for chunk in chunks if chunk[0] in (*_WEBP_PIXELS, b"ALPH")]
    names = [name for name, _ in shown]
    return shown if names in ([b"VP8 "], [b"VP8L"], [b"ALPH", b"VP8 "]) else None


def _webp_chunk(name: bytes, payload: bytes) -> bytes:
    return name + struct.pack("<I", len(payload)) + payload + b"\x00" * (len(payload) % 2)


def _webp(chunks: list[Chunk]) -> bytes:
    body = b"WEBP" + b"".join(_webp_chunk(*chunk) for chunk in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _written_again(data: bytes, format: str) -> bytes:
    """Return the first frame coded anew without loss; see ``strip_metadata``."""
    decoded = decode(data, limits=OWN_FILES)
    if isinstance(decoded, Rejected):
        raise ValueError(f"no picture can be decoded: {decoded.detail} [{decoded.reason}]")
    try:
        encodings = _encodings(data, format)
    except Exception as error:  # as for ``decode``, which got past the damage
        if isinstance(error, OSError) and error.errno is not None:
            raise
        encodings = []
    for encoded in encodings:
        again = decode(encoded, limits=OWN_FILES)
        if isinstance(again, Decoded) and np.array_equal(np.asarray(again.image), np.asarray(decoded.image)):
            return encoded
    return _saved(decoded.image, "PNG")  # 8-bit sRGB, upright


def _encodings(data: bytes, format: str) -> list[bytes]:
    """Return the frame as it is stored, with profile and orientation, in the formats that may hold it."""
    with quiet(), Image.open(io.BytesIO(data), formats=[format]) as image:
        image.load()
        orientation = orientation_of(image.info.get("exif")) if format != "TIFF" else UPRIGHT  # turned while loading
        profile = reduced_profile(image.info.get("icc_profile") or b"")
        transparency = image.info.get("transparency")
        if image.mode not in _PNG_MODES or profile is None:
            return []
        image.info = {}
        if image.mode == "P":
            _blank_unused_colours(image)
        if format == "BMP" and image.mode in _BMP_MODES:
            return [_saved(image, "BMP")]
        options: dict[str, object] = {"icc_profile": profile} if profile else {}
        options |= {"exif": exif_with(orientation)} if orientation != UPRIGHT else {}
        options |= {"transparency": transparency} if transparency is not None else {}
        return [_saved(image, "PNG", **options)]


def _blank_unused_colours(image: Image.Image) -> None:
    colours = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
    colours[np.array(image.histogram()[: len(colours)]) == 0] = 0
    image.putpalette(colours.tobytes(), "RGB")


def _saved(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    data = buffer.getvalue()
    return (strip_png(data) if format == "PNG" else None) or data  # a second time changes nothing then
