"""Look at every file once before training: hash of the bytes, decodable or why not, size and perceptual hash.

What was seen is remembered by content, so that a second run only reads and hashes the files.
"""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imgkit.files import NO_FILE, read_file, write_text
from imgkit.progress import Progress, track
from imgkit.vision import phash
from imgkit.vision.decode import OWN_FILES, Rejected, decode, missing

LIMITS = replace(OWN_FILES, smallest_side=16)  # a person's own folder: anything that shows something
VERSION = 1  # of what is remembered; raise it when decoding or hashing changes
THREADS = 4  # decoding leaves Python's lock


@dataclass(frozen=True, slots=True, kw_only=True)
class Fingerprint:
    """What one file is. ``reason`` is "" for a picture, else a code of :mod:`imgkit.reasons`.

    ``hashes`` are the perceptual hash as it is and mirrored; () where there is too little structure to compare.
    """

    sha256: str
    width: int = 0
    height: int = 0
    hashes: tuple[int, ...] = ()
    reason: str = ""
    detail: str = ""


def fingerprint(paths: Sequence[Path], *, cache: Path, progress: Progress) -> list[Fingerprint]:
    """Return the fingerprint of each file, in order; one that is gone or cannot be decoded is a value with a reason.

    Args:
        paths: files of any kind.
        cache: folder of what earlier runs saw; damaged or missing contents cost time only.
        progress: told of each file.

    Raises:
        ResourceError: a file could not be read, which says nothing about the picture.
    """
    remembered = _remembered(cache)
    with ThreadPoolExecutor(THREADS) as pool:
        found = list(
            track(
                pool.map(lambda path: _look(path, remembered), paths), progress, "looking at the pictures", len(paths)
            )
        )
    fresh = {print_.sha256: print_ for print_ in found if print_.sha256 and print_.sha256 not in remembered}
    if fresh:
        _remember(cache, {**remembered, **fresh})
    return found


def _look(path: Path, remembered: dict[str, Fingerprint]) -> Fingerprint:
    try:
        data = read_file(path)
    except NO_FILE as error:
        gone = missing(error)
        return Fingerprint(sha256="", reason=gone.reason, detail=gone.detail)
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 in remembered:
        return remembered[sha256]
    outcome = decode(data, limits=LIMITS)
    if isinstance(outcome, Rejected):
        return Fingerprint(sha256=sha256, reason=outcome.reason, detail=outcome.detail[:200])
    hashed = phash.orientations(outcome.image)
    return Fingerprint(
        sha256=sha256,
        width=outcome.width,
        height=outcome.height,
        hashes=() if hashed.flat else hashed.orientations[:2],
    )


def _remembered(cache: Path) -> dict[str, Fingerprint]:
    try:
        stored = json.loads((cache / FILE_NAME).read_text("utf-8"))
        if stored["version"] != VERSION:
            return {}
        return {row["sha256"]: Fingerprint(**{**row, "hashes": tuple(row["hashes"])}) for row in stored["files"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _remember(cache: Path, fingerprints: dict[str, Fingerprint]) -> None:
    rows = [asdict(each) for each in fingerprints.values()]
    write_text(cache / FILE_NAME, json.dumps({"version": VERSION, "files": rows}))


FILE_NAME = "train-fingerprints.json"
