"""Open the SQLite file: pragmas, migrations with a backup, one writer at a time."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from imgkit.errors import IntegrityError, LockedError, ResourceError, UsageError
from imgkit.files import resource_error
from imgkit.manifest.locks import FileLock
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION

WRITE_WAIT_SECONDS = 30.0
CHECKPOINT_EVERY = 64  # write transactions between two checkpoints of the write-ahead log


class Connection:
    """A SQLite connection that several threads may use and that serialises writers across processes.

    SQLite up to 3.51.2 can corrupt a write-ahead log when two connections write and checkpoint at the same moment
    (the "WAL-reset" fault), so checkpoints are ours alone and happen under the writers' lock.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._threads = threading.RLock()
        self._depth = 0
        self._writes = 0
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(file.parent / ".locks" / "manifest.lock")
        except OSError as error:
            raise resource_error(error, file) from error
        try:
            self._sqlite = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=5.0)
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise _explained(error, file) from error
        self._sqlite.row_factory = sqlite3.Row
        try:
            with self._explain_errors():
                self._prepare()
        except BaseException:
            self._sqlite.close()
            self._lock.close()
            raise

    def _prepare(self) -> None:
        self._check_identity()
        for pragma in ("foreign_keys=ON", "busy_timeout=5000", "mmap_size=0"):
            self._sqlite.execute(f"PRAGMA {pragma}")
        if self._version() < SCHEMA_VERSION:
            with self._alone():
                self._migrate()  # asks for the version again: another process may have been first
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
            raise _explained(error, self.file) from error

    def backup(self, target: Path) -> None:
        """Copy the whole database to ``target`` while others may go on reading and writing."""
        copy = sqlite3.connect(target)
        try:
            self._sqlite.backup(copy)
        finally:
            copy.close()

    def check(self) -> str:
        """Return "ok", or what SQLite's own integrity check found."""
        return str(self._sqlite.execute("PRAGMA quick_check").fetchone()[0])

    def close(self) -> None:
        """Fold the write-ahead log into the file and close it."""
        with self._threads:
            if self._lock.acquire(wait_seconds=0.1):
                try:
                    self._sqlite.execute("PRAGMA wal_checkpoint(PASSIVE)")
                except sqlite3.DatabaseError:
                    pass  # a full disk must not hide the error that led here; the log itself is complete
                finally:
                    self._lock.release()
            self._sqlite.close()
            self._lock.close()


def _explained(error: sqlite3.DatabaseError, file: Path) -> Exception:
    """Turn an error of SQLite into one that says what to do; programming errors stay what they are."""
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return ResourceError(
            f"disk full while writing {file}. What was finished is safe. Free space and run the same command again "
            "to continue.",
            code="fs.full",
        )
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
            code="fs.full",
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return IntegrityError(
            f"{file} is damaged or not a manifest ({error}). The pictures are untouched. "
            "Put a backup of the file in its place, or choose another folder with --data."
        )
    if name.startswith("SQLITE_BUSY"):
        return LockedError(f"another program holds {file}. Nothing was lost. Close it and run the same command again.")
    return error


def sqlite_facts() -> tuple[str, bool]:
    """Return the version of SQLite and whether it is free of the "WAL-reset" fault (fixed in 3.51.3)."""
    return sqlite3.sqlite_version, sqlite3.sqlite_version_info >= (3, 51, 3)
