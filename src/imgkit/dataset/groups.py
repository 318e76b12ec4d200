"""Find which pictures are copies of one another, so that a split keeps them together."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from imgkit.arrays import Int64Array
from imgkit.dataset.fingerprint import Fingerprint
from imgkit.dataset.picture import LabelledPicture
from imgkit.vision.phash import distances

NEAR_BITS = 6  # of 63: one wrong link only joins two pictures in a split, a missed copy flatters the test
BLOCK_ROWS = 512  # pictures compared with all others at a time: bounds the memory


def near_groups(fingerprints: Sequence[Fingerprint]) -> list[str]:
    """Return a group name for each picture: equal for copies (same bytes, or a near perceptual hash, also mirrored).

    Groups are connected components, named after their smallest SHA-256, so the name of a lone picture never changes.
    O(N²): 10,000 pictures are 100 million comparisons.
    """
    links = np.array(_links(fingerprints), dtype=np.int64).reshape(-1, 2)
    ones = np.ones(len(links), dtype=np.int8)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(len(fingerprints), len(fingerprints)))
    _, component = connected_components(graph, directed=False)
    names: dict[int, str] = {}
    for number, each in zip(component.tolist(), fingerprints, strict=True):
        names[number] = min(names.get(number, each.sha256), each.sha256)
    return [names[number][:16] for number in component.tolist()]


def _links(fingerprints: Sequence[Fingerprint]) -> list[tuple[int, int]]:
    first_with: dict[str, int] = {}
    links = [(first_with.setdefault(each.sha256, index), index) for index, each in enumerate(fingerprints)]
    structured = np.array([index for index, each in enumerate(fingerprints) if each.hashes], dtype=np.int64)
    if not len(structured):
        return links
    hashes = np.array([fingerprints[index].hashes for index in structured], dtype=np.uint64)  # (M, 2)
    for start in range(0, len(structured), BLOCK_ROWS):
        upright = hashes[start : start + BLOCK_ROWS, 0]
        for variant in range(hashes.shape[1]):
            near = distances(upright[:, None], hashes[None, :, variant]) <= NEAR_BITS
            rows, columns = np.nonzero(near)
            links += zip(structured[rows + start].tolist(), structured[columns].tolist(), strict=True)
    return links


def numbers_of(pictures: Sequence[LabelledPicture], labels: Sequence[str]) -> Int64Array:
    """Return the (N,) label numbers of ``pictures``."""
    places = {label: place for place, label in enumerate(labels)}
    return np.array([places[picture.label] for picture in pictures], dtype=np.int64)


def group_numbers(pictures: Sequence[LabelledPicture]) -> Int64Array:
    """Return (N,) numbers that are equal for pictures of one group."""
    return np.unique([picture.group for picture in pictures], return_inverse=True)[1].astype(np.int64)
