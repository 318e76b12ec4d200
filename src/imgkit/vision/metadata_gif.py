"""Write a GIF again from the blocks that show its frames; everything else in the file is dropped."""

from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.arrays import Int64Array

_TRAILER, _IMAGE, _EXTENSION = 0x3B, 0x2C, 0x21
_GRAPHIC_CONTROL, _APPLICATION = 0xF9, 0xFF
_LOOPS: Final = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_HEADER: Final = 13
_MOST_CODE_BITS: Final = 12
_STEP: Final = 8192  # codes that are looked at together; the table is full after 4,096


def strip_gif(data: bytes) -> bytes | None:
    """Return the GIF without comments, texts and the data of applications; None where it cannot be followed.

    Kept: screen, colour tables, frames with their times, and how often an animation is repeated. Bytes behind the end
    of a frame's codes and between blocks are dropped.
    """
    position = _HEADER + _table_size(data[10]) if len(data) >= _HEADER else len(data) + 1
    if position > len(data):
        return None
    kept = [data[:12], b"\x00", data[_HEADER:position]]  # the shape of a pixel is not used by anybody
    control = b""
    images = 0
    while position < len(data) and data[position] != _TRAILER:
        if data[position] == _EXTENSION:
            blocks, following = _blocks(data, position + 2)
            if not blocks:
                return None
            if data[position + 1] == _GRAPHIC_CONTROL:
                if len(blocks) != 1 or len(blocks[0]) != 4:
                    return None
                control += data[position:following]
            elif data[position + 1] == _APPLICATION:
                kept.append(_repetition(blocks))
            position = following
        elif data[position] == _IMAGE:
            image, position = _image(data, position)
            if image is None:
                return None
            kept += [control, image]
            control, images = b"", images + 1
        else:
            position += 1  # decoders skip what is between the blocks
    return b"".join(kept) + b";" if images else None


def _table_size(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _blocks(data: bytes, position: int) -> tuple[list[bytes], int]:
    """Return the blocks that begin at a place, and the place behind the empty one that ends them; none where cut."""
    blocks: list[bytes] = []
    while position < len(data):
        length = data[position]
        if not length:
            return blocks, position + 1
        blocks.append(data[position + 1 : position + 1 + length])
        position += 1 + length
    return [], position


def _repetition(blocks: list[bytes]) -> bytes:
    """Return the block that says how often an animation is repeated, b"" for what any other application left."""
    if len(blocks) < 2 or blocks[0] not in _LOOPS or len(blocks[1]) < 3 or blocks[1][0] != 1:
        return b""
    return bytes([_EXTENSION, _APPLICATION, 11]) + blocks[0] + b"\x03" + blocks[1][:3] + b"\x00"


def _image(data: bytes, position: int) -> tuple[bytes | None, int]:
    """Return a frame without what follows its codes, and the place behind it; None where it does not end."""
    described = position + 10
    start = described + _table_size(data[position + 9]) if described <= len(data) else len(data)
    if start >= len(data):
        return None, start
    blocks, following = _blocks(data, start + 1)
    codes = b"".join(blocks)
    end = _end_of_codes(codes, data[start])
    if end is None:
        return None, following
    codes = codes[:end]
    cut = (codes[at : at + 255] for at in range(0, len(codes), 255))
    return data[position : start + 1] + b"".join(bytes([len(one)]) + one for one in cut) + b"\x00", following


def _end_of_codes(codes: bytes, smallest: int) -> int | None:
    """Return how many bytes lead up to the code that ends a frame; None where there is no such code.

    The width of each code follows from its number since the last clearing alone, so the table need not be built.
    """
    if not 2 <= smallest <= 8:
        return None
    clear, end = 1 << smallest, (1 << smallest) + 1
    bits = np.unpackbits(np.frombuffer(codes, np.uint8), bitorder="little")
    bit = since = 0
    while True:
        widths, largest = _schedule(smallest, since)
        ends = bit + np.cumsum(widths)
        there = int(np.searchsorted(ends, bits.size, side="right"))
        values = _values(bits, (ends - widths)[:there], widths[:there])
        stops = np.flatnonzero((values == clear) | (values == end))
        stop = int(stops[0]) if stops.size else there
        if (values[:stop] > largest[:stop]).any() or (stop == there < _STEP):
            return None  # a code that does not exist yet, or no end
        if stop == there:
            bit, since = int(ends[-1]), since + _STEP
        elif values[stop] == clear:
            bit, since = int(ends[stop]), 0
        else:
            return -(-int(ends[stop]) // 8)


@lru_cache(maxsize=32)
def _schedule(smallest: int, since: int) -> tuple[Int64Array, Int64Array]:
    """Return for the codes from a number on, counted from a clearing, the width in bits and the largest value."""
    numbers = np.arange(min(since, _STEP), min(since, _STEP) + _STEP)  # the table is full long before
    table = np.minimum((1 << smallest) + 2 + np.maximum(numbers - 1, 0), 1 << _MOST_CODE_BITS)
    widths = np.minimum(np.floor(np.log2(table)).astype(np.int64) + 1, _MOST_CODE_BITS)
    return widths, table


def _values(bits: npt.NDArray[np.uint8], starts: Int64Array, widths: Int64Array) -> Int64Array:
    values = np.zeros(len(starts), np.int64)
    for place in range(_MOST_CODE_BITS):
        wide = widths > place
        values[wide] |= bits[starts[wide] + place].astype(np.int64) << place
    return values
