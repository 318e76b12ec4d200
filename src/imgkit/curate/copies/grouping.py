"""Find the groups of pictures that are copies of one another, and the best picture of each group."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imgkit.arrays import Float32Array, UInt8Array
from imgkit.components import groups_of
from imgkit.curate.copies import CLOSE_FROM
from imgkit.curate.copies.alignment import Alignment, align, grey_square
from imgkit.curate.copies.fingerprints import MEASURED_PX, Fingerprints
from imgkit.curate.copies.hamming import Pairs, pairs_between, pairs_within
from imgkit.curate.copies.neighbours import nearest
from imgkit.curate.copies.row_cache import RowCache, blank_row
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.quality import faults_of
from imgkit.progress import Progress
from imgkit.vision import GREY_TAIL_SHARE
from imgkit.vision.decode import UnreadablePictureError, open_picture
from imgkit.vision.phash import ORIENTATIONS

COPY_FROM: Final = 0.6  # agreement of blocks, and closeness of ``CLOSE_FROM``
RELATED_FROM: Final = 0.4  # the same moment or the same scene: kept, but in one split and one fold
COSINE_FROM: Final = 0.6  # of centred features; copies by 13 transforms reach it, or the hash finds them
TURN_FROM: Final = 0.7  # cosine from which angles are tried too
NEIGHBOURS: Final = 8  # of each picture that are compared pixel by pixel
ANGLED_HASHES_UP_TO: Final = 200_000  # pictures; above it mirrored and turned copies are found by features only
FINITE_AT_ONCE: Final = 4_000  # rows of features
VERSION: Final = 2  # of the alignment; another version is measured afresh


RECORD: Final = np.dtype(
    [
        ("correlation", "f4"),
        ("agreement", "f4"),
        ("closeness", "f4"),
        ("area", "f4"),
        ("inside", "i1"),  # 0 neither, 1 first, 2 second
        ("orientation", "i1"),
        ("angle", "i1"),
    ]
)


@dataclass(frozen=True, slots=True)
class Copy:
    """Two pictures that were compared pixel by pixel, by their indices (first < second).

    ``bits`` is the Hamming distance of their hashes in the best orientation (None: too far to be noticed), ``cosine``
    that of their centred features (None: not compared).
    """

    first: int
    second: int
    alignment: Alignment
    bits: int | None = None
    cosine: float | None = None

    @property
    def is_copy(self) -> bool:
        """Whether they are one photograph; else they only show the same moment or scene."""
        return self.alignment.agreement >= COPY_FROM and self.alignment.closeness >= CLOSE_FROM


@dataclass(frozen=True, slots=True)
class Copies:
    """All that is known about copies among N pictures, by index.

    ``same`` are groups of files with equal content, ``near`` groups of copies (with the equal ones), ``related`` groups
    of pictures of one scene, which must stay in one split (with the copies). Each group has at least two members and
    is sorted. ``pairs`` are the compared pairs that make up ``near`` and ``related``. ``best`` is the member to keep of
    each group in ``near``; ``ranked`` are the same groups with their members in order of preference, the best first.
    """

    same: tuple[tuple[int, ...], ...]
    near: tuple[tuple[int, ...], ...]
    related: tuple[tuple[int, ...], ...]
    pairs: tuple[Copy, ...]
    best: tuple[int, ...]
    ranked: tuple[tuple[int, ...], ...] = ()


def find_copies(
    pictures: Sequence[ItemPicture],
    fingerprints: Fingerprints,
    features: Float32Array | None,
    *,
    near_bits: int,
    cache: Path,
    progress: Progress,
) -> Copies:
    """Return the groups of copies.

    Candidates come from perceptual hashes in eight orientations and from features; each is then verified by laying the
    pixels over each other, so that two pictures of one subject are not taken for copies.

    Args:
        pictures: N pictures.
        fingerprints: their hashes; flat and unreadable ones are not compared.
        features: (N, D), None without a model; rows of NaN are not compared.
        near_bits: the largest Hamming distance that makes a candidate.
        cache: where finished comparisons are kept, by content.
        progress: is told of the comparisons.
    """
    same = groups_of(len(pictures), _equal_contents(pictures))
    representatives = np.array(sorted(set(range(len(pictures))) - {extra for group in same for extra in group[1:]}))
    candidates = _candidates(representatives, fingerprints, features, near_bits)
    pairs = _verified(candidates, pictures, cache, progress)
    return _grouped(pictures, fingerprints, same, pairs)


def among_first(copies: Copies, pictures: Sequence[ItemPicture], fingerprints: Fingerprints) -> Copies:
    """Return what is known about copies among ``pictures`` alone, the first of those that ``copies`` is about."""
    count = len(pictures)
    same = [tuple(one for one in group if one < count) for group in copies.same]
    pairs = [pair for pair in copies.pairs if pair.second < count]
    return _grouped(pictures, fingerprints, tuple(group for group in same if len(group) > 1), pairs)


def _grouped(
    pictures: Sequence[ItemPicture],
    fingerprints: Fingerprints,
    same: tuple[tuple[int, ...], ...],
    pairs: Sequence[Copy],
) -> Copies:
    equal = [(group[0], other) for group in same for other in group[1:]]
    copied = [(pair.first, pair.second) for pair in pairs if pair.is_copy]
    near = groups_of(len(pictures), [*equal, *copied])
    related = groups_of(len(pictures), [*equal, *((pair.first, pair.second) for pair in pairs)])
    ranked = tuple(best_first(group, pairs, pictures, fingerprints) for group in near)
    return Copies(same, near, related, tuple(pairs), tuple(group[0] for group in ranked), ranked)


def best_of(
    group: Sequence[int], pairs: Sequence[Copy], pictures: Sequence[ItemPicture], fingerprints: Fingerprints
) -> int:
    """Return the member of a group to keep; the same group gives the same member whatever its order."""
    return best_first(group, pairs, pictures, fingerprints)[0]


def best_first(
    group: Sequence[int], pairs: Sequence[Copy], pictures: Sequence[ItemPicture], fingerprints: Fingerprints
) -> tuple[int, ...]:
    """Return the members of a group, the one to keep first; the same group gives the same order whatever its order.

    In this order: nothing missing, nor all dark or bright · not a crop of another · in colour · without frame or
    caption bar · the larger, unless it is only blown up · the less burnt out · the less compressed · the earlier in
    the harvest · the name. The first keeps a picture in the set of which the largest copy is a suspect.
    """
    crops = _crops(group, pairs, fingerprints)
    most_colours = max(float(fingerprints["colours"][one]) for one in group)
    least_flat = min(float(fingerprints["top_colour"][one]) for one in group)
    least_burnt = min(float(fingerprints["burnt"][one]) for one in group)
    framed = {one for one in group if fingerprints["top_colour"][one] > least_flat + FRAME_SHARE}
    # sharpness compares where all were looked at in one size; a frame is a sharp edge by itself
    comparable = [one for one in group if one not in framed and max(_size(pictures[one])) >= 2 * MEASURED_PX]
    sharpest = max((float(fingerprints["sharpness"][one]) for one in comparable), default=0.0)

    def faults(one: int) -> tuple[object, ...]:
        row, picture = fingerprints[one], pictures[one]
        blown_up = row["sharpness"] < BLURRED_SHARE * sharpest
        side = round(math.sqrt(picture.width * picture.height))
        return (
            bool(row["grey_band"] >= GREY_TAIL_SHARE or SPOILED & faults_of(picture, row).keys()),
            one in crops,
            bool(row["colours"] < GREY_SHARE * most_colours),
            one in framed,
            -side // 2 if blown_up else -side,
            bool(row["burnt"] > least_burnt + BURNT_SHARE),
            -picture.bytes / max(1, picture.width * picture.height),
            picture.order,
        )

    return tuple(sorted(group, key=faults))


def _size(picture: ItemPicture) -> tuple[int, int]:
    return picture.width, picture.height


BLURRED_SHARE: Final = 0.3  # of the sharpness of the sharpest copy: fewer details, whatever the size says
SPOILED: Final = {"dark", "bright"}  # faults that another copy need not have; a caption hides that one is blurred
BURNT_SHARE: Final = 0.01  # of the area that is white, more than in the copy with the least; brightening costs more
GREY_SHARE: Final = 0.75  # of the bits of colour of the most colourful copy
FRAME_SHARE: Final = 0.06  # of the area that is one colour, more than in the copy with the least


def _crops(group: Sequence[int], pairs: Sequence[Copy], fingerprints: Fingerprints) -> set[int]:
    """Return the members that another, unframed member contains."""
    members, found = set(group), set()
    for pair in pairs:
        if pair.first in members and pair.second in members and pair.alignment.inside:
            part, whole = pair.first, pair.second
            if pair.alignment.inside == "second":
                part, whole = whole, part
            framed = fingerprints["top_colour"][whole] > fingerprints["top_colour"][part] + FRAME_SHARE
            if not framed:
                found.add(part)
    return found


def _equal_contents(pictures: Sequence[ItemPicture]) -> list[tuple[int, int]]:
    """Return links between pictures of equal pixels, and between those that were made of the same original."""
    first: dict[str, int] = {}
    links = []
    for index, picture in enumerate(pictures):
        for content in (picture.file_sha256, f"original {picture.sha256}"):
            if (seen := first.setdefault(content, index)) != index:
                links.append((seen, index))
    return links


@dataclass(slots=True)
class _Candidate:
    bits: int | None = None
    cosine: float | None = None


def _candidates(
    indices: npt.NDArray[np.int64], fingerprints: Fingerprints, features: Float32Array | None, near_bits: int
) -> dict[tuple[int, int], _Candidate]:
    found: dict[tuple[int, int], _Candidate] = {}
    hashed = indices[fingerprints["readable"][indices] & ~fingerprints["flat"][indices]]
    near = _near_hashes(fingerprints["orientations"][hashed], near_bits)
    for first, second, bits in zip(near.first, near.second, near.distance, strict=True):
        one, two = sorted((int(hashed[first]), int(hashed[second])))
        candidate = found.setdefault((one, two), _Candidate())
        candidate.bits = min(int(bits), candidate.bits if candidate.bits is not None else near_bits)
    if features is not None:
        parts = np.array_split(hashed, 1 + len(hashed) // FINITE_AT_ONCE)
        seen = np.concatenate([part[np.isfinite(features[part]).all(axis=1)] for part in parts])
        for first, second, cosine in near_features(features, seen):
            key = (int(seen[first]), int(seen[second]))
            found.setdefault(key, _Candidate()).cosine = cosine
    return found


def _near_hashes(orientations: npt.NDArray[np.uint64], radius: int) -> Pairs:
    """Return the pairs of (N, 8) hashes that are near in some orientation; a pair may come several times."""
    upright = np.ascontiguousarray(orientations[:, 0])
    parts = [pairs_within(upright, radius)]
    if len(upright) <= ANGLED_HASHES_UP_TO:
        for index in range(1, ORIENTATIONS):
            part = pairs_between(upright, np.ascontiguousarray(orientations[:, index]), radius)
            apart = part.first != part.second  # a symmetric picture is near its own mirror image
            parts.append(Pairs(part.first[apart], part.second[apart], part.distance[apart]))
    return Pairs(
        np.concatenate([part.first for part in parts]),
        np.concatenate([part.second for part in parts]),
        np.concatenate([part.distance for part in parts]),
    )


def near_features(features: Float32Array, among: npt.NDArray[np.int64]) -> list[tuple[int, int, float]]:
    """Return pairs (i < j) among each other's nearest neighbours with the cosine of their centred features.

    Only the rows ``among`` are looked at, and i and j are places in it.
    """
    if len(among) < 2:
        return []
    near = nearest(features, NEIGHBOURS, among=among)
    rows, columns = np.nonzero(near.cosines >= COSINE_FROM)
    others = near.indices[rows, columns]
    first, second = np.minimum(rows, others), np.maximum(rows, others)
    _, kept = np.unique(first * len(among) + second, return_index=True)
    cosines = near.cosines[rows, columns][kept]
    return list(zip(first[kept].tolist(), second[kept].tolist(), cosines.tolist(), strict=True))


def _verified(
    candidates: Mapping[tuple[int, int], _Candidate], pictures: Sequence[ItemPicture], cache: Path, progress: Progress
) -> list[Copy]:
    """Lay candidates over each other, the likeliest first; return those that are at least kin."""
    store = RowCache(cache / f"alignments-{VERSION}.npz", RECORD)
    known = store.read()
    squares = _Squares(pictures)
    likeliest = sorted(candidates, key=lambda pair: (_bits(candidates[pair]), -(candidates[pair].cosine or 0), pair))
    progress.start("comparing likely copies", len(likeliest))
    found, fresh = [], False
    for first, second in likeliest:
        candidate = candidates[(first, second)]
        turn = (candidate.cosine or 0.0) >= TURN_FROM
        key = f"{pictures[first].file_sha256[:24]} {pictures[second].file_sha256[:24]} {turn:d}"
        row = known.get(key)
        if row is None:
            fresh = True
            row = known[key] = _compared(squares, first, second, turn=turn)
        if row["agreement"] >= RELATED_FROM:
            found.append(Copy(first, second, _alignment(row), candidate.bits, candidate.cosine))
        progress.advance()
    if fresh:
        store.write(known)
    return sorted(found, key=lambda pair: (pair.first, pair.second))


def _bits(candidate: _Candidate) -> int:
    return 64 if candidate.bits is None else candidate.bits


def _compared(squares: "_Squares", first: int, second: int, *, turn: bool) -> np.void:
    row = blank_row(RECORD)
    one, two = squares.of(first), squares.of(second)
    if one is not None and two is not None:
        found = align(one, two, turn=turn)
        row["correlation"], row["area"] = found.correlation, found.area
        row["agreement"], row["closeness"] = found.agreement, found.closeness
        row["inside"] = ("", "first", "second").index(found.inside)
        row["orientation"], row["angle"] = found.orientation, found.angle
    return row


def _alignment(row: np.void) -> Alignment:
    return Alignment(
        correlation=float(row["correlation"]),
        agreement=float(row["agreement"]),
        closeness=float(row["closeness"]),
        area=float(row["area"]),
        inside=("", "first", "second")[int(row["inside"])],
        orientation=int(row["orientation"]),
        angle=int(row["angle"]),
    )


class _Squares:
    """Grey squares of pictures, opened when first asked for; 4 KiB each."""

    def __init__(self, pictures: Sequence[ItemPicture]) -> None:
        self._pictures = pictures
        self._known: dict[int, UInt8Array | None] = {}

    def of(self, index: int) -> UInt8Array | None:
        """Return the square of a picture, None where the file cannot be read."""
        if index not in self._known:
            try:
                self._known[index] = grey_square(open_picture(self._pictures[index].path, longest=64))
            except UnreadablePictureError:
                self._known[index] = None
        return self._known[index]
