"""Open the SQLite file: pragmas, migrations with a backup, one writer at a time.

The open file that every part of the manifest works on."""

import errno
import functools
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from imgkit.errors import IntegrityError, LockedError, ResourceError, UsageError
from imgkit.files import ELSEWHERE, is_full, read_error, resource_error
from imgkit.manifest.locks import FileLock
from imgkit.manifest.nouns import Count
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION

_CODE = "SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')"
WRITE_WAIT_SECONDS = 30.0
CHECKPOINT_EVERY = 64  # write transactions between two checkpoints of the write-ahead log


class Connection:
    """A SQLite connection that several threads may use and that serialises writers across processes.

    SQLite up to 3.51.2 can corrupt a write-ahead log when two connections write and checkpoint at the same moment
    (the "WAL-reset" fault), so checkpoints are ours alone and happen under the writers' lock.

    Args:
        file: the database.
        read_only: change nothing, not even a lock file; for a folder that cannot be written.
    """

    def __init__(self, file: Path, *, read_only: bool = False) -> None:
        self.file = file
        self._read_only = read_only
        self._threads = threading.RLock()
        self._depth = 0
        self._writes = 0
        self._lock: FileLock | None = None
        try:
            if not read_only:
                file.parent.mkdir(parents=True, exist_ok=True)
                self._lock = FileLock(file.parent / ".locks" / "manifest.lock")
            address = _read_only_address(file) if read_only else file
        except OSError as error:
            raise resource_error(error, file) from error
        try:
            self._sqlite = sqlite3.connect(
                address, isolation_level=None, check_same_thread=False, timeout=5.0, uri=read_only
            )
        except sqlite3.DatabaseError as error:
            self._close_lock()
            raise _explained(error, file, read_only=read_only) from error
        self._sqlite.row_factory = sqlite3.Row
        try:
            with self._explain_errors():
                self._prepare()
        except BaseException:
            self._sqlite.close()
            self._close_lock()
            raise

    def _close_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()

    def _prepare(self) -> None:
        for pragma in ("trusted_schema=OFF", "cell_size_check=ON"):  # the file may be a stranger's
            self._sqlite.execute(f"PRAGMA {pragma}")
        self._check_identity()
        self._check_code()
        for pragma in ("foreign_keys=OFF", "busy_timeout=5000", "mmap_size=0", "secure_delete=ON"):
            self._sqlite.execute(f"PRAGMA {pragma}")
        if self._read_only:
            if self._version() < SCHEMA_VERSION:
                raise ResourceError(
                    f"{self.file} is of an older imgkit and cannot be written, so it cannot be brought up to date. "
                    "Nothing was changed. Change the permission, or copy the folder.",
                    code="fs.readonly",
                )
            return
        if self._version() < SCHEMA_VERSION:
            with self._alone():
                self._migrate()  # asks for the version again: another process may have been first
        self._sqlite.execute("PRAGMA foreign_keys=ON")  # after the migrations, which put tables in place of others
        mode = self._sqlite.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        if mode != "wal":  # network file systems cannot share memory; roll back instead
            self._sqlite.execute("PRAGMA journal_mode=TRUNCATE")
        self._sqlite.execute("PRAGMA wal_autocheckpoint=0")
        self._sqlite.execute("PRAGMA synchronous=NORMAL")

    def _check_identity(self) -> None:
        identity = self._sqlite.execute("PRAGMA application_id").fetchone()[0]
        tables = self._sqlite.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if tables and identity != APPLICATION_ID:
            raise UsageError(
                f"{self.file} is a database of another program. Nothing was changed. Choose another folder with --data."
            )
        if self._version() > SCHEMA_VERSION:
            raise UsageError(
                f"{self.file} was written by a newer imgkit (schema {self._version()}, this one knows "
                f"{SCHEMA_VERSION}). Nothing was changed. Upgrade imgkit."
            )

    def _check_code(self) -> None:
        """Refuse triggers and views that no version of imgkit wrote: they would run with our statements."""
        found = {(row["name"], row["sql"]) for row in self._sqlite.execute(_CODE)}
        strange = sorted(str(name) for name, _ in found - _code_of(self._version()))
        if strange:
            raise IntegrityError(
                f"{self.file} holds the trigger or view {strange[0]!r:.80}, which imgkit did not write. Nothing was "
                "changed. Somebody else made this file: do not trust it. Put a backup in its place, or choose another "
                "folder with --data.",
                code="manifest.trigger",
            )

    def _version(self) -> int:
        return int(self._sqlite.execute("PRAGMA user_version").fetchone()[0])

    def _migrate(self) -> None:
        start = self._version()
        if start > 0:
            self.backup(self.file.with_name(f"{self.file.name}.schema{start}.backup"))
        for version in range(start, SCHEMA_VERSION):
            self._sqlite.executescript(
                f"BEGIN IMMEDIATE; {MIGRATIONS[version]} PRAGMA application_id={APPLICATION_ID}; "
                f"PRAGMA user_version={version + 1}; COMMIT;"
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._lock is None:
            raise ResourceError(
                f"{self.file} was opened to be read only. Nothing was changed. Choose another folder with --data.",
                code="fs.readonly",
            )
        if not self._lock.acquire(wait_seconds=WRITE_WAIT_SECONDS):
            raise LockedError(
                f"another process has been writing to {self.file} for {WRITE_WAIT_SECONDS:.0f} s. "
                "Nothing was lost. Wait for it to end and run the same command again."
            )
        try:
            yield
        finally:
            self._lock.release()

    @contextmanager
    def write(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """Run a write transaction, committed at the end of the outermost block, rolled back on an exception.

        Args:
            durable: the commit survives a loss of power (decisions); else only a crash of the process (fetch rows,
                which can be fetched again).
        """
        with self._threads:
            if self._depth:
                yield self._sqlite
                return
            with self._alone(), self._explain_errors():
                self._sqlite.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                self._sqlite.execute("BEGIN IMMEDIATE")
                self._depth = 1
                try:
                    yield self._sqlite
                except BaseException:
                    self._sqlite.execute("ROLLBACK")
                    raise
                else:
                    self._sqlite.execute("COMMIT")
                finally:
                    self._depth = 0
                self._writes += 1
                if self._writes % CHECKPOINT_EVERY == 0:
                    self._sqlite.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def read(self, sql: str, parameters: tuple[object, ...] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with self._threads, self._explain_errors():
            return self._sqlite.execute(sql, parameters).fetchall()

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _explained(error, self.file, read_only=self._read_only) from error

    def compact(self) -> None:
        """Write the file anew without free pages, and empty the write-ahead log: what was deleted is nowhere any more.

        Needs up to twice the size of the file for a moment.

        Raises:
            ResourceError: there is no space for it.
            LockedError: another process reads the file; nothing was lost.
        """
        with self._threads, self._alone(), self._explain_errors():
            self._sqlite.execute("VACUUM")
            busy, _, _ = self._sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise LockedError(
                    f"another program reads {self.file}. Nothing was lost. Close it and run the same command again."
                )

    def backup(self, target: Path) -> None:
        """Copy the whole database to ``target`` while others may go on reading and writing."""
        with self._explain_errors():
            copy = sqlite3.connect(target)
            try:
                self._sqlite.backup(copy)
            finally:
                copy.close()

    def check(self) -> str:
        """Return "ok", or what SQLite's own integrity check found."""
        with self._explain_errors():
            return str(self._sqlite.execute("PRAGMA quick_check").fetchone()[0])

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with self._threads:
            if self._lock is not None and self._lock.acquire(wait_seconds=0.1):
                try:
                    self._sqlite.execute("PRAGMA wal_checkpoint(PASSIVE)")
                except sqlite3.DatabaseError:
                    pass  # a full disk must not hide the error that led here; the log itself is complete
                finally:
                    self._lock.release()
            self._sqlite.close()
            self._close_lock()


def _read_only_address(file: Path) -> str:
    """Return the address by which SQLite opens a file in a folder where it can make none of its own.

    Raises:
        OSError: the write-ahead log beside it holds rows that cannot be read so.
    """
    log = file.with_name(f"{file.name}-wal")
    if log.exists() and log.stat().st_size:
        raise OSError(errno.EROFS, "its write-ahead log cannot be read without writing", str(log))
    return f"file:{quote(os.fsencode(file.absolute()))}?mode=ro&immutable=1"


@functools.cache
def _code_of(version: int) -> frozenset[tuple[str, str]]:
    """Return names and texts of the triggers and views of a schema version."""
    made = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for migration in MIGRATIONS[:version]:
            made.executescript(migration)
        return frozenset(made.execute(_CODE).fetchall())
    finally:
        made.close()


def _explained(error: sqlite3.DatabaseError, file: Path, *, read_only: bool) -> Exception:
    """Turn an error of SQLite into one that says what to do; programming errors stay what they are."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return _full(file)
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        return ResourceError(
            f"cannot write {file} ({error}). Nothing was changed. Change the permission, or choose another folder "
            "with --data.",
            code="fs.permission",
        )
    if name.startswith("SQLITE_IOERR"):
        return ResourceError(
            f"the disk failed while using {file} ({error}). What was finished is safe. Check the disk and run the "
            "same command again.",
            code="fs.write",
        )
    if name.startswith(_DAMAGE):
        return _read_failure(file, read_only=read_only) or IntegrityError(
            f"{file} is damaged or not a manifest ({error}). The pictures are untouched. "
            "Put a backup of the file in its place, or choose another folder with --data."
        )
    if name.startswith("SQLITE_BUSY"):
        return LockedError(f"another program holds {file}. Nothing was lost. Close it and run the same command again.")
    return error


def _full(file: Path) -> ResourceError:
    """Return the error of a full disk, which is that of the temporary files of SQLite where the file has room."""
    place, free = str(file), "Free space"
    temporary = _folder_of_temporary_files()
    if not is_full(file.parent) and is_full(temporary):
        place, free = f"a temporary file of {file} in {temporary}", f"Free space{ELSEWHERE}"
    return ResourceError(
        f"disk full while writing {place}. What was finished is safe. {free} and run the same command again to "
        "continue.",
        code="fs.full",
    )


def _folder_of_temporary_files() -> Path:
    """Return the folder that SQLite takes for temporary files."""
    given = [os.environ.get(name, "") for name in ("SQLITE_TMPDIR", "TMPDIR")]
    places = (Path(place) for place in (*given, "/var/tmp", "/usr/tmp", "/tmp") if place)
    return next((place for place in places if place.is_dir() and os.access(place, os.W_OK | os.X_OK)), Path())


_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


def _read_failure(file: Path, *, read_only: bool) -> Exception | None:
    """Return the error of the disk behind a message of SQLite that a file is damaged; None where it is damaged.

    SQLite calls a file damaged when the disk answers a read with EIO. So its bytes are read once more, and where they
    can be, a new connection checks them.
    """
    try:
        for part in (file, file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-journal")):
            _read_through(part)
        shared = f"file:{quote(os.fsencode(file.absolute()))}?mode=ro"
        address = _read_only_address(file) if read_only else shared
    except OSError as error:
        return read_error(error, file)
    try:
        with closing(sqlite3.connect(address, timeout=5.0, uri=True)) as again:
            found = str(again.execute("PRAGMA integrity_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorname", "").startswith(_DAMAGE):
            return None
        return _explained(error, file, read_only=read_only)
    if found != "ok":
        return None
    return ResourceError(
        f"the disk failed while reading {file}, which is whole now that it is read again. What was finished is safe. "
        "Check the disk and run the same command again.",
        code="fs.read",
    )


_descriptors: Final[dict[tuple[int, int], int]] = {}
"""Device and inode of files that were read again, to the descriptor that reads them. None is closed: on POSIX systems,
closing one drops the locks that SQLite holds on the file."""


def _read_through(file: Path) -> None:
    """Read a file to its end; one that is not there holds nothing.

    Raises:
        OSError: it cannot be read.
    """
    if os.name == "nt":
        if file.exists():
            file.read_bytes()
        return
    try:
        facts = file.stat()
        key = (facts.st_dev, facts.st_ino)
        if key not in _descriptors:
            _descriptors[key] = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    position = 0
    while part := os.pread(_descriptors[key], 1 << 20, position):
        position += len(part)


def sqlite_facts() -> tuple[str, bool]:
    """Return the version of SQLite and whether it is free of the "WAL-reset" fault (fixed in 3.51.3)."""
    return sqlite3.sqlite_version, sqlite3.sqlite_version_info >= (3, 51, 3)


ROWS_AT_A_TIME: Final = 2000


class OpenManifest:
    """A manifest's file with a clock. The parts of ``Manifest`` are made of it, each with its own tables."""

    def __init__(self, db: Connection, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    @property
    def connection(self) -> Connection:
        """The open file, for the other modules of this room."""
        return self._db

    def now(self) -> float:
        """Return the manifest's time in seconds since 1970."""
        return self._clock()

    @contextmanager
    def together(self, *, durable: bool = False) -> Iterator[None]:
        """Make all writes inside the block one transaction: all of them or none."""
        with self._db.write(durable=durable):
            yield

    def _tally(self, of: str) -> list[Count]:
        """Return the counts that the file keeps, those of 0 left out."""
        found = self._db.read(
            "SELECT label, provider, state, reason, count FROM tally WHERE of=? AND count<>0 "
            "ORDER BY label, provider, state, reason",
            (of,),
        )
        return [Count(**dict(row)) for row in found]
