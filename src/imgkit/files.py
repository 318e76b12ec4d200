"""Write files so that a crash leaves the old file or the new one; read them so that a failing disk stops the work.

A file that cannot be read says nothing about what it holds: ``read_file``, ``files_below``, ``sha256_of`` and
``reading`` raise where a picture could not be looked at, so that it is never taken for a damaged or a missing one.
"""

import errno
import hashlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from imgkit.errors import ResourceError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TEMPORARY_PREFIX = ".tmp-"
ELSEWHERE: Final = " there, or set TMPDIR to another folder,"
_PROBE_BYTES: Final = 64 << 10
LONGEST_NAME_BYTES: Final = 255  # of a file, on every file system in use
NO_FILE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What opening a path raises where there is no such file: a fact about the folder, and no fault of the disk."""

_FICLONE: Final = 0x40049409  # of ioctl, from linux/fs.h
_NO_CLONES: Final = (errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EPERM, errno.EBADF)
_temporary_folders: Final[set[Path]] = set()
"""Those that are open: where one of them is full, TMPDIR may name another place."""

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
    temporary = temporary_beside(target)
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


def temporary_beside(target: Path) -> Path:
    """Return where ``target`` is written before it is renamed; also for names of 255 bytes, the most there can be."""
    name = target.name
    if len(os.fsencode(name)) > LONGEST_NAME_BYTES - len(TEMPORARY_PREFIX) - 20:  # 20: digits of a process id
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return target.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{name}")


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
    """Write ``text`` as UTF-8 with ``write_atomically``; bytes of names that are not UTF-8 as ``shown`` says them."""
    write_atomically(target, text.encode("utf-8", "backslashreplace"))


def shown(text: str) -> str:
    """Return ``text`` with the bytes of names that are not UTF-8 as ``\\udcXX``, which JSON reads back as they were."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def temporary_folder(prefix: str = "imgkit-") -> Iterator[Path]:
    """Make a folder for files that are gone afterwards.

    Raises:
        ResourceError: there is no room for it.
    """
    try:
        made = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    except OSError as error:
        raise ResourceError(
            f"cannot make a temporary folder: {error.strerror or error}. Nothing was changed. Free space in the folder "
            "of temporary files, or set TMPDIR to another folder.",
            code="fs.full",
        ) from error
    with made as path:
        folder = Path(path)
        _temporary_folders.add(folder)
        try:
            yield folder
        finally:
            _temporary_folders.discard(folder)


def clone_or_copy(source: Path, target: Path) -> None:
    """Make ``target`` a file of its own with the bytes of ``source``: what is done to one is never seen in the other.

    Where the file system can (Btrfs, XFS, bcachefs), the two share their blocks on the disk until one of them is
    changed; elsewhere the bytes are copied and need their room twice. An existing target is replaced.

    Raises:
        ResourceError: as for ``write_atomically``, or ``source`` could not be read.
    """
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        if not _clone(source, temporary):
            shutil.copyfile(source, temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise resource_error(error, target) from error


def _clone(source: Path, target: Path) -> bool:
    """Let two files share their blocks until one is changed; False where the system or the file system cannot."""
    if fcntl is None or not sys.platform.startswith("linux"):
        return False
    with source.open("rb") as original, target.open("wb") as clone:
        try:
            fcntl.ioctl(clone, _FICLONE, original.fileno())
        except OSError as error:
            if error.errno in _NO_CLONES:
                return False
            raise
    return True


def read_plain_file(path: Path, *, at_most: int = -1) -> bytes:
    """Return the first ``at_most`` bytes of a plain file, by default all; a link, device or pipe is never opened.

    Raises:
        OSError: it cannot be read, or is no plain file.
    """
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    if path.is_symlink():  # where the system has no O_NOFOLLOW
        raise OSError(errno.ELOOP, "is a link, which is not followed", str(path))
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)  # of a folder, open would make another error and leave it open
        raise OSError(errno.EINVAL, "is no plain file", str(path))
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  (a descriptor)
        if at_most < 0:
            return file.read()
        data = b""
        while len(data) < at_most and (part := file.read(at_most - len(data))):
            data += part
        return data


@contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """Give a path to a file or folder that libraries can open which know no names but UTF-8.

    Raises:
        ResourceError: there is no room for the link that stands for another name.
    """
    if shown(str(path)) == str(path):
        yield path
        return
    with temporary_folder() as folder:
        link = folder / f"named{shown(path.suffix)}"
        link.symlink_to(path.absolute())
        yield link


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn an error of the disk inside the block into a sentence that names ``path``.

    Raises:
        FileNotFoundError, NotADirectoryError, IsADirectoryError: there is no such file, as it was raised.
        ResourceError: no permission, or the disk or the connection to it failed.
    """
    try:
        yield
    except NO_FILE:
        raise
    except OSError as error:
        raise read_error(error, path) from error


def read_file(path: Path) -> bytes:
    """Return the bytes of a file.

    Raises:
        FileNotFoundError, NotADirectoryError, IsADirectoryError, ResourceError: as for ``reading``.
    """
    with reading(path):
        return path.read_bytes()


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as 64 hex digits.

    Raises:
        FileNotFoundError, NotADirectoryError, IsADirectoryError, ResourceError: as for ``reading``.
    """
    with reading(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def files_below(root: Path) -> list[Path]:
    """Return every file below a folder, links to files included, in order of their paths.

    Links to folders are not followed; nothing is left out because of its name. A folder that is not there holds none.

    Raises:
        ResourceError: a folder below ``root`` cannot be listed; leaving its files out would make them look deleted.
    """
    found: list[Path] = []
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        try:
            with reading(folder), os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(folder / entry.name)
                    elif entry.is_file():
                        found.append(folder / entry.name)
        except NO_FILE:
            continue  # gone meanwhile
    return sorted(found)


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
        free, temporary = _free_bytes(path), not _temporary_folders.isdisjoint(path.parents)
        return ResourceError(
            f"disk full while writing {path}{needs}; {free:,} B free. What was finished is safe on disk and in the "
            f"manifest. Free space{ELSEWHERE if temporary else ''} and run the same command again to continue.",
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
        code="fs.name" if error.errno in (errno.ENAMETOOLONG, errno.EINVAL) else "fs.write",
    )


def read_error(error: OSError, path: Path, *, verb: str = "read") -> ResourceError:
    """Turn an ``OSError`` while reading ``path`` into the sentence and code that tell a person what to do.

    ``verb`` is another word where it is not known whether the file was read or written.
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
        return resource_error(error, path)
    if error.errno in (errno.EACCES, errno.EPERM):
        return ResourceError(
            f"no permission to {verb} {path}. What was finished is safe, and nothing else was changed. Change the "
            "permission and run the same command again.",
            code="fs.permission",
        )
    return ResourceError(
        f"cannot {verb} {path}: {error.strerror or error}. That says nothing about what the file holds. What was "
        "finished is safe, and nothing else was changed. Check the disk and run the same command again.",
        code="fs.read",
    )


def is_full(folder: Path) -> bool:
    """Return whether a small file cannot be written into a folder for want of room; nothing of it is left."""
    try:
        with tempfile.TemporaryFile(prefix=TEMPORARY_PREFIX, dir=folder) as file:
            file.write(b"\xff" * _PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return False


def _free_bytes(path: Path) -> int:
    folder = path if path.is_dir() else path.parent
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free
