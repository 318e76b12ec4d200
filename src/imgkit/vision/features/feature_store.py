"""Keep feature vectors on disk by the content of the picture, safe against kills and against other processes.

One folder per backbone. Each writing process appends to a pair of files of its own: rows (float32) and then index
entries (content hash and checksum of the row). A row without its entry does not exist; an entry whose row is torn fails
its checksum and is computed again. So nothing is ever locked, and the folder can be deleted at any time.
"""

import hashlib
import os
import re
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from imgkit.arrays import Float32Array

_ENTRY: Final = np.dtype([("content", "S32"), ("checksum", "<u4"), ("magic", "<u4")])
_MAGIC: Final = 0x694B6631  # tells an entry from zeros that a power cut can leave behind
_MAPPED: Final = 4096  # rows of a file in memory at a time


class FeatureStore:
    """The vectors of one backbone.

    Args:
        folder: the cache's folder; a sub-folder named after ``key`` is used.
        key: what the vectors depend on beside the picture.
        dimension: D, the length of a vector.
    """

    def __init__(self, folder: Path, *, key: str, dimension: int) -> None:
        readable = re.sub(r"[^A-Za-z0-9_.-]+", "-", key)[:48]
        self.folder = folder / f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
        self.dimension = dimension
        self._name = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def read_into(self, features: Float32Array, contents: Sequence[str]) -> list[int]:
        """Put the vectors that are there into ``features``, and return the sorted rows of those that are not.

        Row by row and not as a copy of all, which would not fit where ``features`` just does.

        Args:
            features: (N, D), written to.
            contents: of each row, the content hash of its picture (64 hex digits).
        """
        missing: dict[bytes, list[int]] = {}
        for row, content in enumerate(contents):
            missing.setdefault(bytes.fromhex(content).rstrip(b"\x00"), []).append(row)
        for index_file in sorted(self.folder.glob("*.index")):
            if missing:
                self._read_pair(index_file, missing, features)
        return sorted(row for rows in missing.values() for row in rows)

    def count(self, contents: Sequence[str]) -> int:
        """Return how many of the contents have an entry, without looking at the vectors."""
        wanted = {bytes.fromhex(content).rstrip(b"\x00") for content in contents}
        missing = set(wanted)
        for index_file in self.folder.glob("*.index"):
            try:
                entries = np.frombuffer(_whole(index_file.read_bytes(), _ENTRY.itemsize), _ENTRY)
            except OSError:  # deleted meanwhile
                continue
            missing.difference_update(entries["content"].tolist())
        return len(wanted) - len(missing)

    def append(self, contents: Sequence[str], vectors: Float32Array) -> None:
        """Add the (N, D) vectors of N pictures.

        Raises:
            OSError: the folder cannot be written to.
        """
        rows = np.ascontiguousarray(vectors, dtype="<f4")
        entries = np.zeros(len(contents), _ENTRY)
        entries["content"] = [bytes.fromhex(content) for content in contents]
        entries["checksum"] = [zlib.crc32(row) for row in rows]
        entries["magic"] = _MAGIC
        self.folder.mkdir(parents=True, exist_ok=True)
        for suffix, data in (("rows", rows.tobytes()), ("index", entries.tobytes())):
            with (self.folder / f"{self._name}.{suffix}").open("ab") as file:
                file.write(data)

    def _read_pair(self, index_file: Path, missing: dict[bytes, list[int]], features: Float32Array) -> None:
        """Read the missing vectors of one pair of files, and strike them off."""
        try:
            entries = np.frombuffer(_whole(index_file.read_bytes(), _ENTRY.itemsize), _ENTRY)
            rows_file = index_file.with_suffix(".rows")
            count = min(len(entries), rows_file.stat().st_size // (4 * self.dimension))
            for start in range(0, count, _MAPPED):
                part = entries[start : min(count, start + _MAPPED)]
                shape, offset = (len(part), self.dimension), 4 * self.dimension * start
                rows = np.memmap(rows_file, "<f4", "r", offset=offset, shape=shape)
                for place, (content, checksum, magic) in enumerate(part.tolist()):
                    if content in missing and magic == _MAGIC and zlib.crc32(rows[place]) == checksum:
                        features[missing.pop(content)] = rows[place]
        except (OSError, ValueError):  # deleted meanwhile, or not readable: a cache may be missing
            return


def _whole(data: bytes, size: int) -> bytes:
    return data[: len(data) // size * size]
