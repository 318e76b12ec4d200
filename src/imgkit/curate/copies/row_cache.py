"""Keep one row of numbers per key in a file that may be deleted at any time."""

import io
import logging
from pathlib import Path

import numpy as np

from imgkit.errors import ResourceError
from imgkit.files import write_atomically

logger = logging.getLogger(__name__)


class RowCache:
    """A table of rows of one numpy type by text key, read and written as a whole.

    A file that is missing, damaged or of another type reads as empty: it is a cache and is filled again.
    """

    def __init__(self, file: Path, row: np.dtype[np.void]) -> None:
        self.file = file
        self._row = row

    def read(self) -> dict[str, np.void]:
        """Return all rows by key."""
        try:
            with np.load(self.file, allow_pickle=False) as stored:
                keys, rows = stored["keys"], stored["rows"]
        except FileNotFoundError:
            return {}
        except Exception as error:  # a damaged zip raises half a dozen kinds
            logger.warning("%s is damaged and is made afresh: %s", self.file, error)
            return {}
        if rows.dtype != self._row or len(keys) != len(rows):
            return {}
        return dict(zip(keys.tolist(), rows, strict=True))

    def write(self, rows: dict[str, np.void]) -> None:
        """Put these rows in place of the file. A cache that cannot be written is only slower: it is logged."""
        buffer = io.BytesIO()
        keys = np.array(list(rows), dtype=np.str_)
        np.savez(buffer, keys=keys, rows=np.array(list(rows.values()), dtype=self._row))
        try:
            write_atomically(self.file, buffer.getvalue())
        except ResourceError as error:
            logger.warning("the cache was not written: %s", error)


def blank_row(row: np.dtype[np.void]) -> np.void:
    """Return a row of zeros whose fields can be set."""
    blank: np.void = np.zeros(1, row)[0]
    return blank
