"""Walk through the structure of a JPEG file without decoding it: its segments, scans and end."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

END_OF_IMAGE: Final = 0xD9
START_OF_SCAN: Final = 0xDA
_PROGRESSIVE_FRAMES: Final = (0xC2, 0xC6, 0xCA, 0xCE)
_FRAMES: Final = tuple(code for code in range(0xC0, 0xD0) if code not in (0xC4, 0xC8, 0xCC))
_WITHOUT_LENGTH: Final = (0x01, *range(0xD0, 0xD9))
# inside coded data 0xFF is followed by 0 (stuffing), a restart marker or another 0xFF (fill)
_MARKER_AFTER_DATA: Final = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
_COEFFICIENTS = 64


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker with its payload; ``start`` and ``end`` are offsets of the whole in the file.

    For a start of scan, ``end`` lies behind the coded data that follows it.
    """

    marker: int
    start: int
    end: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Structure:
    """What the walk found: ``ended`` says that the end marker is there, ``missing`` names what is not."""

    ended: bool
    progressive: bool
    scans: int
    missing: str


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of the first picture in ``data``, up to and with its end marker.

    Stops quietly where the file is cut or is not JPEG; thumbnails inside segments are not entered.
    """
    position = 2
    while position + 2 <= len(data):
        marker = data[position + 1]
        if data[position] != 0xFF or marker in (0x00, 0xFF):  # stray bytes and fill bytes are skipped, as libjpeg does
            following = data.find(b"\xff", position + 1)
            if following < 0:
                return
            position = following
            continue
        start = position
        if marker == END_OF_IMAGE or marker in _WITHOUT_LENGTH:
            position += 2
            yield Segment(marker, start, position, b"")
            if marker == END_OF_IMAGE:
                return
            continue
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        position += 2 + length
        if length < 2 or position > len(data):
            return
        payload = data[start + 4 : position]
        if marker == START_OF_SCAN:
            found = _MARKER_AFTER_DATA.search(data, position)
            position = found.start() if found else len(data)
        yield Segment(marker, start, position, payload)


def size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of the first frame, None where there is none."""
    frame = next((one for one in segments(data) if one.marker in _FRAMES and len(one.payload) >= 5), None)
    if frame is None:
        return None
    return int.from_bytes(frame.payload[3:5], "big"), int.from_bytes(frame.payload[1:3], "big")


def structure(data: bytes) -> Structure:
    """Return whether the first picture in ``data`` has its end marker and, if progressive, its final scans."""
    ended = progressive = False
    scans = 0
    components: list[int] = []
    precision: dict[int, list[int]] = {}  # component: bits still missing of each coefficient, 99 = never sent
    for segment in segments(data):
        if segment.marker in _FRAMES:
            progressive = segment.marker in _PROGRESSIVE_FRAMES
            components = list(segment.payload[6::3])
            precision = {component: [99] * _COEFFICIENTS for component in components}
        elif segment.marker == START_OF_SCAN:
            scans += 1
            _note_scan(segment.payload, precision)
        elif segment.marker == END_OF_IMAGE:
            ended = True
    missing = "" if ended else "the end marker"
    if not scans or (progressive and any(any(bits) for bits in precision.values())):
        missing = "the final scans" if scans else "its pixels"
    return Structure(ended, progressive, scans, missing)


def _note_scan(payload: bytes, precision: dict[int, list[int]]) -> None:
    count = payload[0] if payload else 0
    if len(payload) < 4 + 2 * count:
        return
    first, last, approximation = payload[1 + 2 * count : 4 + 2 * count]
    for component in payload[1 : 1 + 2 * count : 2]:
        bits = precision.get(component)
        if bits is not None:
            for index in range(first, min(last, _COEFFICIENTS - 1) + 1):
                bits[index] = approximation & 0x0F
