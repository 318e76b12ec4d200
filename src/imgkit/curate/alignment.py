"""Decide from pixels whether one picture is a copy of another: mirrored, turned, cropped, framed or captioned."""

from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image

SIDE_PX: Final = 64  # both pictures are squeezed to a square of this side
COARSE_PX: Final = 24  # where the search over scale, place and orientation happens
SLACK_PX: Final = 4  # of the coarse search, in pixels of the full size
BLOCKS: Final = 8  # per side, for the local agreement
SCALES: Final = (1.0, 0.95, 0.9, 0.86, 0.82, 0.78, 0.74, 0.7, 0.66, 0.62)
ANGLES: Final = (-30, -25, -20, -15, -10, -6, 6, 10, 15, 20, 25, 30)
TURNED_PART: Final = 0.6  # of the side: what is surely inside a picture that was turned by any of these angles
BLOCK_AGREES: Final = 0.8  # correlation of a block
WORTH_A_LOOK: Final = 0.8  # correlation in coarse pixels; copies have 0.93 and more
SURE: Final = 0.95  # agreement of the wholes; no need to search
FLAT_BLOCK: Final = 4.0  # grey levels of deviation; below it a block holds no evidence
_EPSILON: Final = 1e-6

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
_Level = TypeVar("_Level", np.uint8, np.float32)


@dataclass(frozen=True, slots=True)
class Alignment:
    """How well two pictures can be laid over each other.

    Attributes:
        correlation: normalised cross-correlation at the best place, -1 to 1 (1: the same but for brightness).
        agreement: share of the structured blocks that agree by themselves, 0 to 1; a caption spoils a few blocks,
            another moment of the same scene spoils those where something moved.
        area: share of the larger view that both show, 0 to 1.
        inside: which picture is a part of the other: "first", "second", or "" when both show the same.
        orientation: which of the eight orientations of the second fits (as in ``vision.phash``).
        angle: degrees by which the second had to be turned besides, 0 for most.
    """

    correlation: float
    agreement: float
    area: float
    inside: str
    orientation: int
    angle: int = 0


def grey_square(image: Image.Image) -> Grey:
    """Return the (64, 64) grey square that ``align`` compares."""
    return np.asarray(image.convert("L").resize((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS))


def align(first: Grey, second: Grey, *, turn: bool = False) -> Alignment:
    """Return the best alignment of two grey squares over eight orientations, scales and places.

    Args:
        first: (64, 64) grey levels.
        second: the same of the other picture.
        turn: also try angles of up to 30°, which takes three times as long.
    """
    found = _laid_over(first, second)
    if found.agreement >= SURE:
        return found
    outer, inner = _search(first, [second]), _search(second, [first])
    if outer.correlation >= WORTH_A_LOOK:
        part = oriented(second, outer.orientation)
        found = max(found, _refined(first, part, outer, inside="second"), key=_fit)
    if inner.correlation >= WORTH_A_LOOK:
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
    return (found.agreement, found.correlation)


def _laid_over(first: Grey, second: Grey) -> Alignment:
    """Lay the whole of one over the whole of the other, in the orientation that correlates best."""
    whole, other = first.astype(np.float32), second.astype(np.float32)
    standard = _standardised(whole)
    scores = [float(standard @ _standardised(oriented(other, index))) for index in range(8)]
    best = int(np.argmax(scores))
    return Alignment(scores[best], _agreement(whole, oriented(other, best)), 1.0, "", best)


@dataclass(frozen=True, slots=True)
class _Place:
    correlation: float
    part: int
    orientation: int
    side: int
    row: int
    column: int


def _search(whole: Grey, parts: list[Grey], *, orientations: int = 8, part_of_side: float = 1.0) -> _Place:
    """Slide every part, at every scale and orientation, over the whole; return the best place in coarse pixels."""
    canvas = _resized(whole, COARSE_PX)
    best = _Place(-1.0, 0, 0, COARSE_PX, 0, 0)
    for scale in SCALES:
        side = round(COARSE_PX * scale * part_of_side)
        scaled = [_standardised(_resized(part, side)).reshape(side, side) for part in parts]
        stencils = np.stack([oriented(part, index).ravel() for part in scaled for index in range(orientations)])
        windows = sliding_window_view(canvas, (side, side)).reshape(-1, side * side)
        scores = _correlations(windows, stencils.T)
        at, stencil = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[at, stencil] > best.correlation:
            part, orientation = divmod(int(stencil), orientations)
            row, column = divmod(int(at), COARSE_PX - side + 1)
            best = _Place(float(scores[at, stencil]), part, orientation, side, row, column)
    return best


def _refined(whole: Grey, part: Grey, place: _Place, *, inside: str) -> Alignment:
    """Look again at full size around a coarse place, then ask each block by itself."""
    canvas, ratio = whole.astype(np.float32), SIDE_PX / COARSE_PX
    best, window, stencil = -1.0, canvas, canvas
    middle = round(place.side * ratio)
    for side in range(max(BLOCKS * 3, middle - SLACK_PX), min(SIDE_PX, middle + SLACK_PX) + 1):
        scaled = _resized(part, side)
        # a larger part starts earlier by half of what it is larger
        top, bottom = _around(place.row * ratio - (side - middle) / 2, SIDE_PX - side)
        left, right = _around(place.column * ratio - (side - middle) / 2, SIDE_PX - side)
        near = sliding_window_view(canvas[top : bottom + side, left : right + side], (side, side))
        scores = _correlations(near.reshape(-1, side * side), _standardised(scaled)[:, None])[:, 0]
        at = int(scores.argmax())
        if scores[at] > best:
            best, stencil, window = float(scores[at]), scaled, near[divmod(at, near.shape[1])]
    area = (window.shape[0] / SIDE_PX) ** 2
    return Alignment(best, _agreement(window, stencil), area, inside if area < 1 else "", place.orientation)


def _around(position: float, last: int) -> tuple[int, int]:
    first = min(max(0, round(position) - SLACK_PX), last)
    return first, max(first, min(last, round(position) + SLACK_PX))


def _correlations(windows: Floats, stencils: Floats) -> Floats:
    """(W, n) windows and (n, S) standardised stencils to (W, S) correlations."""
    size = windows.shape[1]
    deviation = np.sqrt(np.maximum((windows**2).sum(axis=1) - size * windows.mean(axis=1) ** 2, _EPSILON))
    scores: Floats = (windows @ stencils) / deviation[:, None]
    return scores


def _agreement(one: Floats, two: Floats) -> float:
    """Return the share of blocks with structure that correlate by themselves."""
    side = one.shape[0] // BLOCKS
    used = side * BLOCKS
    cut = [
        values[:used, :used].reshape(BLOCKS, side, BLOCKS, side).transpose(0, 2, 1, 3).reshape(BLOCKS**2, -1)
        for values in (one, two)
    ]
    centred = [values - values.mean(axis=1, keepdims=True) for values in cut]
    spread = [np.sqrt((values**2).mean(axis=1)) for values in centred]
    correlation = (centred[0] * centred[1]).mean(axis=1) / np.maximum(spread[0] * spread[1], _EPSILON)
    structured = np.maximum(*spread) >= FLAT_BLOCK
    return float((correlation[structured] >= BLOCK_AGREES).mean()) if structured.any() else 0.0


def _turned(first: Grey, second: Grey) -> Alignment:
    """Try angles: the middle of the turned second somewhere in the first, and the other way round."""
    found = []
    for whole, part, sign in ((first, second, 1), (second, first, -1)):
        middles = [_middle(Image.fromarray(part).rotate(angle, Image.Resampling.BILINEAR)) for angle in ANGLES]
        place = _search(whole, middles, orientations=1, part_of_side=TURNED_PART)
        refined = _refined(whole, middles[place.part], place, inside="")
        found.append(replace(refined, angle=sign * ANGLES[place.part]))
    return max(found, key=_fit)


def _middle(image: Image.Image) -> Grey:
    cut = round(SIDE_PX * (1 - TURNED_PART) / 2)
    return np.asarray(image.crop((cut, cut, SIDE_PX - cut, SIDE_PX - cut)))


def _resized(grey: Grey, side: int) -> Floats:
    if grey.shape == (side, side):
        return grey.astype(np.float32)
    return np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.BILINEAR), dtype=np.float32)


def _standardised(values: Floats) -> Floats:
    centred = values - values.mean()
    flat: Floats = (centred / max(float(np.sqrt((centred**2).sum())), _EPSILON)).ravel()
    return flat
