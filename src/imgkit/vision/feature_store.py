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
import numpy.typing as npt

_ENTRY: Final = np.dtype([("content", "S32"), ("checksum", "<u4"), ("magic", "<u4")])
_MAGIC: Final = 0x694B6631  # tells an entry from zeros that a power cut can leave behind

Floats = npt.NDArray[np.float32]


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

    def read(self, contents: Sequence[str]) -> dict[str, Floats]:
        """Return the vectors that are there, by content hash (64 hex digits)."""
        wanted = {bytes.fromhex(content).rstrip(b"\x00"): content for content in contents}
        found: dict[str, Floats] = {}
        for index_file in sorted(self.folder.glob("*.index")):
            if len(found) == len(wanted):
                break
            found |= self._read_pair(index_file, {raw: name for raw, name in wanted.items() if name not in found})
        return found

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

    def append(self, contents: Sequence[str], vectors: Floats) -> None:
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

    def _read_pair(self, index_file: Path, wanted: dict[bytes, str]) -> dict[str, Floats]:
        try:
            entries = np.frombuffer(_whole(index_file.read_bytes(), _ENTRY.itemsize), _ENTRY)
            rows_file = index_file.with_suffix(".rows")
            count = min(len(entries), rows_file.stat().st_size // (4 * self.dimension))
            if not count:
                return {}
            rows = np.memmap(rows_file, "<f4", "r", shape=(count, self.dimension))
        except (OSError, ValueError):  # deleted meanwhile, or not readable: a cache may be missing
            return {}
        found: dict[str, Floats] = {}
        for place, (content, checksum, magic) in enumerate(entries[:count].tolist()):
            name = wanted.get(content)
            if name is not None and magic == _MAGIC and zlib.crc32(rows[place]) == checksum:
                found[name] = np.array(rows[place])
        return found


def _whole(data: bytes, size: int) -> bytes:
    return data[: len(data) // size * size]
