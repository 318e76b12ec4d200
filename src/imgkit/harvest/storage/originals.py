"""Keep what was received: ``originals/ab/<sha256>.<ext>``, safe on disk before the manifest says so."""

import contextlib
import shutil
import threading
from typing import Final

from imgkit.errors import ResourceError
from imgkit.files import TEMPORARY_PREFIX, write_atomically
from imgkit.harvest.storage.ingest import Ingested
from imgkit.manifest import DataFolder, Image

RESERVE_BYTES: Final = 32 * 1024 * 1024
"""Free space that is left untouched, so that the manifest can always take down what was finished."""


class Originals:
    """The folder of originals. Safe for threads; writing the same picture twice is harmless."""

    def __init__(self, folder: DataFolder, *, reserve_bytes: int = RESERVE_BYTES) -> None:
        self._folder = folder
        self._reserve_bytes = reserve_bytes
        self._locks = [threading.Lock() for _ in range(64)]

    def keep(self, picture: Ingested) -> Image:
        """Write a picture's bytes and return its row for the manifest.

        Raises:
            ResourceError: no space or no permission; nothing half-written is left.
        """
        target = self._folder.original(picture.sha256, picture.extension)
        with self._locks[int(picture.sha256[:8], 16) % len(self._locks)]:
            with contextlib.suppress(OSError):
                if target.stat().st_size == len(picture.stored):
                    return _row(picture)  # written before, perhaps by a run that was killed: adopted
            require_space(self._folder, len(picture.stored) + self._reserve_bytes)
            write_atomically(target, picture.stored)
        return _row(picture)


def require_space(folder: DataFolder, needed: int) -> None:
    """Make sure that ``needed`` bytes are free.

    Raises:
        ResourceError: they are not.
    """
    place = folder.root if folder.root.exists() else folder.root.absolute().parent
    try:
        free = shutil.disk_usage(place).free
    except OSError:
        return  # the write will tell
    if free < needed:
        raise ResourceError(
            f"disk full at {folder.root} (needs {needed:,} B, {free:,} B free). What was finished is safe on disk and "
            "in the manifest. Free space and run the same command again to continue.",
            code="fs.full",
        )


def sweep(folder: DataFolder) -> int:
    """Remove the temporary files that a killed harvest left; return how many. Only under the harvest's lock.

    An original without a row is left alone: the candidate that brought it is still pending and will adopt it.
    """
    removed = 0
    for place in (folder.originals, folder.harvested):
        for stray in place.glob(f"*/{TEMPORARY_PREFIX}*"):
            stray.unlink(missing_ok=True)
            removed += 1
    return removed


def _row(picture: Ingested) -> Image:
    return Image(
        sha256=picture.sha256,
        stored_sha256=picture.stored_sha256,
        extension=picture.extension,
        bytes=len(picture.stored),
        width=picture.width,
        height=picture.height,
        frames=picture.frames,
        notes=picture.notes,
    )
