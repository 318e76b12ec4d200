"""Write a PNG again from the chunks that show the picture; everything else in the file is dropped."""

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from imgkit.vision.colour_profile import reduced_profile
from imgkit.vision.orientation import EXIF_HEADER, UPRIGHT, exif_with, orientation_of

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LENGTHS: Final = {b"cICP": 4, b"sRGB": 1, b"gAMA": 4, b"cHRM": 32}  # of a payload that can be nothing else
_FIRST: Final = (b"IHDR", b"PLTE", b"tRNS", b"iCCP", *_LENGTHS)  # stand before the pixels, each at most once
_ANIMATION: Final = {b"acTL": 8, b"fcTL": 26, b"fdAT": None}
_CHANNELS: Final = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PALETTE: Final = 3
_ADAM7: Final = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_MOST_PROFILE_BYTES: Final = 1 << 20  # Pillow reads no larger one
_STEP: Final = 1 << 20

PngChunk = tuple[bytes, bytes]
"""(name, payload)."""


def strip_png(data: bytes) -> bytes | None:
    """Return the PNG without metadata, None where it holds anything in a place or a way that is not followed.

    A missing end is added. Compressed pixels are unpacked to see where they end; nothing may follow them.
    """
    chunks = list(_chunks(data))
    exif = [payload for name, payload in chunks if name == b"eXIf"]
    orientation = orientation_of(EXIF_HEADER + exif[-1]) if exif else UPRIGHT
    firsts = _before_pixels(chunks)
    if firsts is None:
        return None
    header = firsts[b"IHDR"]
    pixels = b"".join(payload for name, payload in chunks if name == b"IDAT")
    stream = exact_stream(pixels, _unpacked_size(header, *struct.unpack_from(">II", header)))
    kept = _kept(firsts)
    if stream is None or kept is None:
        return None
    before, following = _animation(chunks, header)
    if orientation != UPRIGHT:
        kept.insert(1, (b"eXIf", exif_with(orientation).removeprefix(EXIF_HEADER)))
    return _SIGNATURE + b"".join(
        _written(name, payload) for name, payload in (*kept, *before, (b"IDAT", stream), *following, (b"IEND", b""))
    )


def _chunks(data: bytes) -> Iterator[PngChunk]:
    """Yield the chunks up to the end; one that is cut is left out, as Pillow leaves it."""
    position = len(_SIGNATURE)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        name = data[position + 4 : position + 8]
        if end > len(data) or name == b"IEND":
            return
        yield name, data[position + 8 : end - 4]
        position = end


def _before_pixels(chunks: list[PngChunk]) -> dict[bytes, bytes] | None:
    """Return the chunks of ``_FIRST``; None where one stands twice or too late, or the pixels are interrupted."""
    names = [name for name, _ in chunks]
    pixels = [number for number, name in enumerate(names) if name == b"IDAT"]
    if not pixels or names[0] != b"IHDR" or pixels[-1] - pixels[0] != len(pixels) - 1 or b"DDAT" in names:
        return None
    found = [name for name in names if name in _FIRST]
    if len(found) != len(set(found)) or any(name in _FIRST for name in names[pixels[0] :]):
        return None
    firsts = {name: payload for name, payload in chunks if name in _FIRST}
    header = firsts[b"IHDR"]
    if len(header) != 13 or header[9] not in _CHANNELS or header[12] > 1:
        return None
    if b"PLTE" in found and b"tRNS" in found and found.index(b"PLTE") > found.index(b"tRNS"):
        return None
    return firsts


def _kept(firsts: dict[bytes, bytes]) -> list[PngChunk] | None:
    """Return what stays of the chunks before the pixels, in the order of the specification; None as for a profile."""
    header = firsts[b"IHDR"]
    depth, kind = header[8], header[9]
    kept = [(b"IHDR", header[:10] + b"\x00\x00" + header[12:])]
    kept += [(name, firsts[name]) for name, length in _LENGTHS.items() if len(firsts.get(name, b"")) == length]
    if b"iCCP" in firsts:
        profile = reduced_profile(_profile(firsts[b"iCCP"]))
        if profile is None:
            return None
        if profile:
            kept.append((b"iCCP", b"icc\x00\x00" + zlib.compress(profile, 9)))
    transparent = firsts.get(b"tRNS", b"")
    if kind == _PALETTE:
        most = 1 << depth
        kept.append((b"PLTE", firsts.get(b"PLTE", b"")[: 3 * most]))
        kept += [(b"tRNS", transparent[:most])] if transparent else []
    elif kind in (0, 2) and transparent:
        kept.append((b"tRNS", transparent[: 2 * _CHANNELS[kind]]))
    return kept


def _profile(payload: bytes) -> bytes:
    """Return the ICC profile in a chunk, b"" where it cannot be unpacked."""
    _, _, packed = payload.partition(b"\x00")
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], _MOST_PROFILE_BYTES)
    except zlib.error:
        return b""
    return profile if unpacker.eof else b""


def _animation(chunks: list[PngChunk], header: bytes) -> tuple[list[PngChunk], list[PngChunk]]:
    """Return the chunks of further frames that stand before and behind the pixels: all of them, or none."""
    first = next(number for number, (name, _) in enumerate(chunks) if name == b"IDAT")
    before = [chunk for chunk in chunks[:first] if chunk[0] in _ANIMATION]
    after = [chunk for chunk in chunks[first:] if chunk[0] in _ANIMATION]
    fits = all(len(payload) == _ANIMATION[name] for name, payload in before + after if name != b"fdAT")
    begun = [name for name, _ in before] in ([b"acTL"], [b"acTL", b"fcTL"]) and not (after and after[0][0] == b"fdAT")
    if not (fits and begun):
        return [], []
    frames: list[list[bytes]] = []  # control, then data
    for name, payload in after:
        if name == b"fcTL":
            frames.append([payload])
        else:
            frames[-1].append(payload[4:])  # behind the sequence number
    for control, *parts in frames:
        stream = b"".join(parts)
        if exact_stream(stream, _unpacked_size(header, *struct.unpack_from(">II", control, 4))) != stream:
            return [], []
    return before, after


def exact_stream(packed: bytes, size: int) -> bytes | None:
    """Return a zlib stream without what follows it; None where it does not unpack to exactly ``size`` bytes."""
    unpacker = zlib.decompressobj()
    total, rest = 0, packed
    try:
        while rest and not unpacker.eof and total <= size:
            total += len(unpacker.decompress(rest, _STEP))
            rest = unpacker.unconsumed_tail
    except zlib.error:
        return None
    if not unpacker.eof or total != size:
        return None
    return packed[: len(packed) - len(unpacker.unused_data)]


def _unpacked_size(header: bytes, width: int, height: int) -> int:
    """Return the bytes of a picture's rows with their filters."""
    bits = header[8] * _CHANNELS[header[9]]
    passes = _ADAM7 if header[12] else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-max(0, width - left) // across), -(-max(0, height - top) // down)
        total += rows * (1 + -(-columns * bits // 8)) if columns else 0
    return total


def _written(name: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))
