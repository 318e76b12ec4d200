"""Decide from pixels whether one picture is a copy of another: mirrored, turned, cropped, framed or captioned."""

from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

from imgkit.arrays import BoolArray, Float32Array, UInt8Array

SIDE_PX: Final = 64  # both pictures are squeezed to a square of this side
COARSE_PX: Final = 24  # where the search over scale, place and orientation happens
SLACK_PX: Final = 4  # of the coarse search, in pixels of the full size
STRETCHES: Final = (-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6)  # pixels that a side may be longer than the other
BLOCKS: Final = 8  # per side, for the local agreement
LEAST_PX: Final = 3 * BLOCKS  # of a part
SCALES: Final = (1.0, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.66, 0.62)
ANGLES: Final = (-30, -25, -20, -15, -10, -6, 6, 10, 15, 20, 25, 30)
TURNED_PART: Final = 0.6  # of the side: what is surely inside a picture that was turned by any of these angles
BLOCK_AGREES: Final = 0.8  # correlation of a block
REFINED_FROM: Final = 0.8  # correlation in coarse pixels; copies have 0.93 and more
SURE: Final = 0.95  # agreement of the wholes, and
SURELY_CLOSE: Final = 0.97  # their closeness; no need to search
FINE_STEPS: Final = (0.5, 0.25, 0.12)  # pixels
FINE_ROUNDS: Final = 2
_MOVES: Final = ((1, 0, 1, 0), (0, 1, 0, 1), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1))
FRAME_AGREES: Final = 0.25  # of the blocks of a row or column at the edge: not more is a frame, or a bar with words
FRAME_BLOCKS: Final = 2  # on each side at most
UNFRAMED: Final = 0.4  # of the area at least is left
FLAT_BLOCK: Final = 4.0  # grey levels of deviation; below it a block holds no evidence
_EPSILON: Final = 1e-6


_Level = TypeVar("_Level", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class Alignment:
    """How well two pictures can be laid over each other.

    Attributes:
        correlation: normalised cross-correlation at the best place, -1 to 1 (1: the same but for brightness).
        agreement: share of the structured blocks that agree by themselves, 0 to 1, where a frame or bar along the edge
            does not count; a caption spoils a few blocks, another moment of the same scene those where something moved.
        closeness: median correlation of those blocks, -1 to 1; copies have 0.95 and more, also cropped, squeezed, in
            other tones or with a caption, another moment of the same scene less.
        area: share of the larger view that both show, 0 to 1.
        inside: which picture is a part of the other: "first", "second", or "" when both show the same.
        orientation: which of the eight orientations of the second fits (as in ``vision.phash``).
        angle: degrees by which the second had to be turned besides, 0 for most.
    """

    correlation: float
    agreement: float
    closeness: float
    area: float
    inside: str
    orientation: int
    angle: int = 0


def grey_square(image: Image.Image) -> UInt8Array:
    """Return the (64, 64) grey square that ``align`` compares."""
    return np.asarray(image.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def align(first: UInt8Array, second: UInt8Array, *, turn: bool = False) -> Alignment:
    """Return the best alignment of two grey squares over eight orientations, scales and places.

    Args:
        first: (64, 64) grey levels.
        second: the same of the other picture.
        turn: also try angles of up to 30°, which takes three times as long.
    """
    found = _laid_over(first, second)
    if found.agreement >= SURE and found.closeness >= SURELY_CLOSE:
        return found
    outer, inner = _search(first, [second]), _search(second, [first])
    if outer.correlation >= REFINED_FROM:
        part = oriented(second, outer.orientation)
        found = max(found, _refined(first, part, outer, inside="second"), key=_fit)
    if inner.correlation >= REFINED_FROM:
        part = oriented(first, inner.orientation)
        inverse = _refined(second, part, inner, inside="first")
        found = max(found, replace(inverse, orientation=_INVERSE[inner.orientation]), key=_fit)
    if turn and found.agreement < BLOCK_AGREES:
        found = max(found, _turned(first, second), key=_fit)
    return found


def oriented(grey: npt.NDArray[_Level], index: int) -> npt.NDArray[_Level]:
    """Return one of the eight orientations of a square, numbered as the perceptual hashes are."""
    turned = grey.T if index & 4 else grey
    turned = turned[:, ::-1] if index & 1 else turned
    return np.ascontiguousarray(turned[::-1] if index & 2 else turned)


_INVERSE: Final = (0, 1, 2, 3, 4, 6, 5, 7)  # mirroring left to right after transposing undoes upside down before it


def _fit(found: Alignment) -> tuple[float, float]:
    return (found.agreement + found.closeness, found.correlation)


def _laid_over(first: UInt8Array, second: UInt8Array) -> Alignment:
    """Lay the whole of one over the whole of the other, in the orientation that correlates best."""
    whole, other = first.astype(np.float32), second.astype(np.float32)
    standard = _standardised(whole)
    scores = [float(standard @ _standardised(oriented(other, index))) for index in range(8)]
    best = int(np.argmax(scores))
    return Alignment(scores[best], *_blocks(whole, oriented(other, best)), 1.0, "", best)


@dataclass(frozen=True, slots=True)
class _Place:
    correlation: float
    part: int
    orientation: int
    side: int
    row: int
    column: int


def _search(whole: UInt8Array, parts: list[UInt8Array], *, orientations: int = 8, part_of_side: float = 1.0) -> _Place:
    """Slide every part, at every scale and orientation, over the whole; return the best place in coarse pixels."""
    canvas = _resized(whole, COARSE_PX, COARSE_PX)
    best = _Place(-1.0, 0, 0, COARSE_PX, 0, 0)
    for scale in SCALES:
        side = round(COARSE_PX * scale * part_of_side)
        scaled = [_standardised(_resized(part, side, side)).reshape(side, side) for part in parts]
        stencils = np.stack([oriented(part, index).ravel() for part in scaled for index in range(orientations)])
        windows = sliding_window_view(canvas, (side, side)).reshape(-1, side * side)
        scores = _correlations(windows, stencils.T)
        at, stencil = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[at, stencil] > best.correlation:
            part, orientation = divmod(int(stencil), orientations)
            row, column = divmod(int(at), COARSE_PX - side + 1)
            best = _Place(float(scores[at, stencil]), part, orientation, side, row, column)
    return best


@dataclass(frozen=True, slots=True)
class _Fit:
    """A part of some size laid over a window of the whole, and where the middle of the window is."""

    correlation: float
    window: Float32Array
    part: Float32Array
    row: float
    column: float


def _refined(whole: UInt8Array, part: UInt8Array, place: _Place, *, inside: str) -> Alignment:
    """Look again at full size around a coarse place, then ask each block by itself.

    First the part keeps its shape, then its height and width change each by itself: both pictures were squeezed to
    squares, so that what was cut off below, or a border as wide on all sides, squeezes the rest.
    """
    canvas, ratio = whole.astype(np.float32), SIDE_PX / COARSE_PX
    side = round(place.side * ratio)
    middle = place.row * ratio + side / 2, place.column * ratio + side / 2
    sides = range(max(LEAST_PX, side - SLACK_PX), min(SIDE_PX, side + SLACK_PX) + 1)
    best = max((_tried(canvas, part, (each, each), middle, SLACK_PX) for each in sides), key=_correlation)
    for down in (True, False):
        height, width = best.part.shape
        shapes = [(height + more, width) if down else (height, width + more) for more in STRETCHES]
        middle = best.row, best.column
        stretched = [
            _tried(canvas, part, shape, middle, SLACK_PX // 2)
            for shape in shapes
            if min(shape) >= LEAST_PX and max(shape) <= SIDE_PX
        ]
        best = max([best, *stretched], key=_correlation)
    correlation, window = _polished(canvas, best)
    area = best.part.size / SIDE_PX**2
    return Alignment(correlation, *_blocks(window, best.part), area, inside if area < 1 else "", place.orientation)


def _polished(canvas: Float32Array, fit: _Fit) -> tuple[float, Float32Array]:
    """Move the window and its edges by parts of a pixel; return the best correlation and the window.

    Half a pixel of 64 is as much as half a per cent of the picture: sharp details do not correlate beside it.
    """
    height, width = fit.part.shape
    image, stencil = Image.fromarray(canvas), _standardised(fit.part)
    best, window = fit.correlation, fit.window
    box = (fit.column - width / 2, fit.row - height / 2, fit.column + width / 2, fit.row + height / 2)
    for step in FINE_STEPS:
        for _ in range(FINE_ROUNDS):
            before = best
            for edges in _MOVES:
                for sign in (-step, step):
                    moved = tuple(each + sign * share for each, share in zip(box, edges, strict=True))
                    if min(moved) < 0 or max(moved) > SIDE_PX:
                        continue
                    seen = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=moved))
                    if (score := float(_standardised(seen) @ stencil)) > best:
                        best, window, box = score, seen, moved
            if best == before:
                break
    return best, window


def _tried(
    canvas: Float32Array, part: UInt8Array, shape: tuple[int, int], middle: tuple[float, float], slack: int
) -> _Fit:
    """Return the best place of a part of some shape whose middle lies within ``slack`` pixels of ``middle``."""
    (height, width), (row, column) = shape, middle
    top, bottom = _around(row - height / 2, SIDE_PX - height, slack)
    left, right = _around(column - width / 2, SIDE_PX - width, slack)
    scaled = _resized(part, height, width)
    near = sliding_window_view(canvas[top : bottom + height, left : right + width], shape)
    scores = _correlations(near.reshape(-1, height * width), _standardised(scaled)[:, None])[:, 0]
    at = int(scores.argmax())
    down, along = divmod(at, near.shape[1])
    return _Fit(float(scores[at]), near[down, along], scaled, top + down + height / 2, left + along + width / 2)


def _correlation(fit: _Fit) -> float:
    return fit.correlation


def _around(position: float, last: int, slack: int) -> tuple[int, int]:
    first = min(max(0, round(position) - slack), last)
    return first, max(first, min(last, round(position) + slack))


def _correlations(windows: Float32Array, stencils: Float32Array) -> Float32Array:
    """(W, n) windows and (n, S) standardised stencils to (W, S) correlations."""
    size = windows.shape[1]
    deviation = np.sqrt(np.maximum((windows**2).sum(axis=1) - size * windows.mean(axis=1) ** 2, _EPSILON))
    scores: Float32Array = (windows @ stencils) / deviation[:, None]
    return scores


def _blocks(one: Float32Array, two: Float32Array) -> tuple[float, float]:
    """Return agreement and closeness of the blocks that have structure, without a frame or bar along the edge."""
    height, width = (side // BLOCKS for side in one.shape)
    cut = [
        values[: height * BLOCKS, : width * BLOCKS]
        .reshape(BLOCKS, height, BLOCKS, width)
        .transpose(0, 2, 1, 3)
        .reshape(BLOCKS, BLOCKS, -1)
        for values in (one, two)
    ]
    centred = [values - values.mean(axis=2, keepdims=True) for values in cut]
    spread = [np.sqrt((values**2).mean(axis=2)) for values in centred]
    correlation = (centred[0] * centred[1]).mean(axis=2) / np.maximum(spread[0] * spread[1], _EPSILON)
    structured = np.maximum(*spread) >= FLAT_BLOCK
    within = _unframed(correlation >= BLOCK_AGREES, structured)
    seen = correlation[within][structured[within]]
    return (float((seen >= BLOCK_AGREES).mean()), float(np.median(seen))) if seen.size else (0.0, 0.0)


def _unframed(agrees: BoolArray, structured: BoolArray) -> tuple[slice, slice]:
    """Return the rows and columns of blocks that are left when bands along the edge are taken off that hardly agree."""
    edges = [0, BLOCKS, 0, BLOCKS]  # top, bottom, left, right
    found = True
    while found:
        found = False
        for side, step in enumerate((1, -1, 1, -1)):
            top, bottom, left, right = edges
            band = (
                (slice(top, top + 1), slice(left, right)),
                (slice(bottom - 1, bottom), slice(left, right)),
                (slice(top, bottom), slice(left, left + 1)),
                (slice(top, bottom), slice(right - 1, right)),
            )[side]
            moved = [*edges]
            moved[side] += step
            seen = agrees[band][structured[band]]
            if seen.size and seen.mean() <= FRAME_AGREES and _is_allowed(moved):
                edges, found = moved, True
    return slice(edges[0], edges[1]), slice(edges[2], edges[3])


def _is_allowed(edges: list[int]) -> bool:
    top, bottom, left, right = edges
    widest = max(top, BLOCKS - bottom, left, BLOCKS - right)
    return widest <= FRAME_BLOCKS and (bottom - top) * (right - left) >= UNFRAMED * BLOCKS**2


def _turned(first: UInt8Array, second: UInt8Array) -> Alignment:
    """Try angles: the middle of the turned second somewhere in the first, and the other way round."""
    found = []
    for whole, part, sign in ((first, second, 1), (second, first, -1)):
        middles = [_middle(Image.fromarray(part).rotate(angle, Image.Resampling.BILINEAR)) for angle in ANGLES]
        place = _search(whole, middles, orientations=1, part_of_side=TURNED_PART)
        refined = _refined(whole, middles[place.part], place, inside="")
        found.append(replace(refined, angle=sign * ANGLES[place.part]))
    return max(found, key=_fit)


def _middle(image: Image.Image) -> UInt8Array:
    cut = round(SIDE_PX * (1 - TURNED_PART) / 2)
    return np.asarray(image.crop((cut, cut, SIDE_PX - cut, SIDE_PX - cut)))


def _resized(grey: UInt8Array, height: int, width: int) -> Float32Array:
    if grey.shape == (height, width):
        return grey.astype(np.float32)
    return np.asarray(Image.fromarray(grey).resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)


def _standardised(values: Float32Array) -> Float32Array:
    centred = values - values.mean()
    flat: Float32Array = (centred / max(float(np.sqrt((centred**2).sum())), _EPSILON)).ravel()
    return flat
