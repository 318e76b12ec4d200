"""Write files so that a crash leaves the old file or the new one, never half of one."""

import errno
import hashlib
import os
import shutil
from pathlib import Path
from typing import Final

from imgkit.errors import ResourceError

TEMPORARY_PREFIX = ".tmp-"
_TO_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)


def write_atomically(target: Path, data: bytes, *, durable: bool = True) -> None:
    """Write ``data`` to ``target``: temporary file, fsync, rename, fsync of the folder, which is made where it lacks.

    Args:
        target: the file; an existing one is replaced.
        data: all of it.
        durable: wait for the disk; without it, the file may be missing or empty after the machine lost its power.

    Raises:
        ResourceError: the disk is full, read-only or not ours to write to; nothing is left behind.
    """
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{target.name}")
    try:
        try:
            _write(temporary, data, durable=durable)
        except FileNotFoundError:
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(temporary, data, durable=durable)
        temporary.replace(target)
        if durable:
            sync_folder(target.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise resource_error(error, target, needed=len(data)) from error


def _write(path: Path, data: bytes, *, durable: bool) -> None:
    descriptor = os.open(path, _TO_WRITE, 0o666)  # a file object asks the system four times more for each file
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(target: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with ``write_atomically``."""
    write_atomically(target, text.encode("utf-8"))


def link_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a hard link to ``source``, or a copy where links fail. An existing target is replaced.

    Raises:
        ResourceError: as for ``write_atomically``.
    """
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.ENOENT):
                raise
            shutil.copyfile(source, temporary)
        if target.exists() and temporary.samefile(target):
            temporary.unlink()  # rename() of one link onto another to the same file does nothing at all
            return
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise resource_error(error, target) from error


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable. Does nothing where folders cannot be opened (Windows)."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def resource_error(error: OSError, path: Path, *, needed: int = 0) -> ResourceError:
    """Turn an ``OSError`` at ``path`` into the sentence and code that tell a person what to do."""
    needs = f" (needs {needed:,} B)" if needed else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = _free_bytes(path)
        return ResourceError(
            f"disk full while writing {path}{needs}; {free:,} B free. What was finished is safe on disk and in the "
            "manifest. Free space and run the same command again to continue.",
            code="fs.full",
        )
    if error.errno == errno.EROFS:
        return ResourceError(
            f"{path} is on a read-only file system. Nothing was changed. Choose another folder with --data.",
            code="fs.readonly",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ResourceError(
            f"no permission to write {path}. What was finished is safe. Change the permission, or choose another "
            "folder with --data.",
            code="fs.permission",
        )
    return ResourceError(
        f"cannot write {path}: {error.strerror or error}. What was finished is safe. Check the disk and run the "
        "same command again.",
        code="fs.name" if error.errno in (errno.ENAMETOOLONG, errno.EINVAL) else "fs.full",
    )


def _free_bytes(path: Path) -> int:
    folder = path if path.is_dir() else path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
