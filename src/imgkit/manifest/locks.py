"""Locks on files: one writer of the manifest at a time, one harvest on a data folder."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from imgkit.errors import LockedError

if os.name == "nt":
    import msvcrt

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        except OSError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _try_lock(file: IO[bytes]) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


class FileLock:
    """An exclusive lock between processes that the system releases when its owner dies, however it dies."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a+b")

    def acquire(self, *, wait_seconds: float) -> bool:
        """Take the lock within ``wait_seconds``; False if another process kept it."""
        deadline = time.monotonic() + wait_seconds
        pause = 0.0005
        while not _try_lock(self._file):
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause)
            pause = min(0.02, pause * 2)
        return True

    def release(self) -> None:
        """Give the lock back."""
        _unlock(self._file)

    def close(self) -> None:
        """Close the file; a held lock is released with it."""
        self._file.close()


@contextmanager
def sole_owner(locks: Path, command: str) -> Iterator[None]:
    """Hold the right to run ``command`` on a data folder; a second process is refused with the owner's id.

    Raises:
        LockedError: another process runs the command; its id and start time are in the sentence.
    """
    owner_file = locks / f"{command}.json"
    lock = FileLock(locks / f"{command}.lock")
    try:
        if not lock.acquire(wait_seconds=0.2):
            raise LockedError(
                f"another {command} ({_describe(owner_file)}) is using {locks.parent}. Nothing was changed. "
                "Wait for it to end, or choose another folder with --data."
            )
        started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        owner_file.write_text(json.dumps({"pid": os.getpid(), "started": started}), encoding="utf-8")
        yield
    finally:
        lock.close()


def _describe(owner_file: Path) -> str:
    try:
        owner = json.loads(owner_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "just starting"
    return f"pid {owner.get('pid')}, started {owner.get('started')}"
