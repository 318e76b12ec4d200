"""Locks on files: one writer of the manifest, one harvest, one command that deletes or rewrites pictures at a time."""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from imgkit.errors import LockedError
from imgkit.files import resource_error

EXCLUSIVE: Final = "exclusive"  # the lock of whatever deletes or rewrites files of the data folder

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
def sole_owner(locks: Path, command: str, *, holder: str = "") -> Iterator[None]:
    """Hold the right to run ``command`` on a data folder; a second process is refused with the owner's id.

    Args:
        locks: the folder of lock files, ``DataFolder.locks``.
        command: what only one process may do at a time: ``harvest`` or ``review``.
        holder: the command that takes the lock, where it is another one; it is named in the refusal.

    Raises:
        LockedError: another process runs the command; its id and start time are in the sentence.
    """
    with _held(locks, command, holder or command, waiting=None):
        yield


@contextmanager
def exclusive_access(
    locks: Path, command: str, *, running: Sequence[str] = (), waiting: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Hold the one lock of whatever deletes or rewrites files of a data folder.

    ``curate`` and its undo, ``remove``, ``labels rename``, and the steps of a harvest that remove or rewrite pictures
    hold it, so that none of them sees half of what another one did. Searching and fetching only add, and a review
    only appends decisions: neither holds it.

    Args:
        locks: the folder of lock files, ``DataFolder.locks``.
        command: who asks; it is named in the refusal of others.
        running: commands that must not run meanwhile because they keep a list of pictures in memory: ``harvest``,
            ``review``. Their own locks are held as well.
        waiting: is told once who holds the lock, and the call waits until it is free; None refuses at once.

    Raises:
        LockedError: another process holds the lock, or runs one of ``running``; the sentence has its command, process
            id and start time. Nothing was changed.
    """
    with ExitStack() as stack:
        for each in running:
            stack.enter_context(_held(locks, each, command, waiting=None))
        stack.enter_context(_held(locks, EXCLUSIVE, command, waiting=waiting))
        yield


@contextmanager
def _held(locks: Path, lock_name: str, holder: str, *, waiting: Callable[[str], None] | None) -> Iterator[None]:
    owner_file = locks / f"{lock_name}.json"
    try:
        lock = FileLock(locks / f"{lock_name}.lock")
    except OSError as error:
        raise resource_error(error, locks / f"{lock_name}.lock") from error
    try:
        if not lock.acquire(wait_seconds=0.2):
            owner = _describe(owner_file, lock_name)
            if waiting is None:
                same = "another " if owner.startswith(f"{holder} ") else ""
                raise LockedError(
                    f"{same}{owner} is using {locks.parent}. Nothing was changed. "
                    "Wait for it to end, or choose another folder with --data."
                )
            waiting(f"waiting for {owner} to end")
            while not lock.acquire(wait_seconds=0.5):
                pass
        started = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        owner = json.dumps({"command": holder, "pid": os.getpid(), "started": started})
        try:
            owner_file.write_text(owner, encoding="utf-8")
        except OSError as error:
            raise resource_error(error, owner_file) from error
        try:
            yield
        finally:
            owner_file.unlink(missing_ok=True)  # before the lock is free: it never names who ended
    finally:
        lock.close()


def _describe(owner_file: Path, lock_name: str) -> str:
    """Return who holds a lock, as ``command (pid 7, started ...)``."""
    try:
        owner = json.loads(owner_file.read_text(encoding="utf-8"))
        return f"{owner.get('command', lock_name)} (pid {owner.get('pid')}, started {owner.get('started')})"
    except (OSError, ValueError, AttributeError):
        return f"{'command' if lock_name == EXCLUSIVE else lock_name} (just starting)"
