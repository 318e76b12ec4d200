"""The SQLite file as it is opened: pragmas, migrations with a backup, and what is on the disk when."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from failing_disk import SOURCE, compiled, full
from imgkit.errors import IntegrityError, LockedError, ResourceError
from imgkit.manifest import connection
from imgkit.manifest.connection import CHECKPOINT_EVERY, Connection
from imgkit.manifest.locks import FileLock
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS, SCHEMA_VERSION


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "manifest.db"


@pytest.fixture
def opened(file):
    made = Connection(file)
    yield made
    made.close()


def pragma(opened, name):
    return opened.read(f"PRAGMA {name}")[0][0]


def made_by(file, version):
    """A manifest as imgkit made it with an earlier schema, with a label in it."""
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        for migration in MIGRATIONS[:version]:
            db.executescript(migration)
        db.execute("INSERT INTO label VALUES ('coral', 'Coral snake')")
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={version}")


def objects(file):
    with closing(sqlite3.connect(file)) as db:
        return set(db.execute("SELECT type, name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'"))


def test_the_file_is_opened_as_the_design_says(opened):
    wanted = {
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "mmap_size": 0,
        "journal_mode": "wal",
        "wal_autocheckpoint": 0,
        "application_id": APPLICATION_ID,
        "user_version": SCHEMA_VERSION,
        "trusted_schema": 0,
        "cell_size_check": 1,
    }

    assert {name: pragma(opened, name) for name in wanted} == wanted


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_an_older_file_is_backed_up_brought_up_to_date_and_keeps_its_rows(file, tmp_path, version):
    made_by(file, version)
    before = objects(file)
    Connection(tmp_path / "new" / "manifest.db").close()

    with closing(Connection(file)) as opened:
        assert pragma(opened, "user_version") == SCHEMA_VERSION
        assert [tuple(row) for row in opened.read("SELECT slug, name FROM label")] == [("coral", "Coral snake")]
        assert opened.check() == "ok"

    backup = file.with_name(f"manifest.db.schema{version}.backup")
    assert objects(backup) == before
    assert objects(file) == objects(tmp_path / "new" / "manifest.db")


def test_a_new_file_and_one_that_is_up_to_date_need_no_backup(file):
    Connection(file).close()
    Connection(file).close()

    assert [path.name for path in file.parent.iterdir() if "backup" in path.name] == []


@pytest.mark.parametrize(("durable", "level"), [(True, 2), (False, 1)])  # FULL and NORMAL
def test_a_durable_write_waits_for_the_disk_and_another_does_not_even_after_one(opened, durable, level):
    with opened.write(durable=not durable) as db:
        db.execute("INSERT INTO label VALUES ('a', 'a')")
    with opened.write(durable=durable) as db:
        assert db.execute("PRAGMA synchronous").fetchone()[0] == level


def test_what_fails_inside_a_write_leaves_nothing_and_the_next_write_works(opened):
    with pytest.raises(ZeroDivisionError), opened.write() as db:
        db.execute("INSERT INTO label VALUES ('a', 'a')")
        raise ZeroDivisionError
    with opened.write() as db:
        db.execute("INSERT INTO label VALUES ('b', 'b')")

    assert [row["slug"] for row in opened.read("SELECT slug FROM label")] == ["b"]


def test_a_write_inside_a_write_is_one_transaction(opened):
    with pytest.raises(ZeroDivisionError), opened.write():
        with opened.write() as db:
            db.execute("INSERT INTO label VALUES ('a', 'a')")
        raise ZeroDivisionError

    assert opened.read("SELECT slug FROM label") == []


def test_the_log_is_folded_in_after_a_number_of_writes_and_when_it_is_closed(file):
    opened = Connection(file)

    def in_file():
        """Rows that lie in the file itself, without its log."""
        copy = file.with_name("copy.db")
        copy.write_bytes(file.read_bytes())
        with closing(sqlite3.connect(copy)) as db:
            return db.execute("SELECT count(*) FROM label").fetchone()[0]

    def write(count, first):
        for number in range(first, first + count):
            with opened.write() as db:
                db.execute("INSERT INTO label VALUES (?, '')", (f"{number}",))

    write(CHECKPOINT_EVERY - 1, 0)
    before = in_file()
    write(1, CHECKPOINT_EVERY)
    after = in_file()
    write(1, CHECKPOINT_EVERY + 1)
    opened.close()

    assert (before, after, in_file()) == (0, CHECKPOINT_EVERY, CHECKPOINT_EVERY + 1)


def test_a_writer_that_waits_too_long_says_who_is_in_the_way(opened, file, monkeypatch):
    monkeypatch.setattr(connection, "WRITE_WAIT_SECONDS", 0.0)
    other = FileLock(file.parent / ".locks" / "manifest.lock")
    assert other.acquire(wait_seconds=0)

    with pytest.raises(LockedError, match="another process has been writing to"), opened.write():
        pass
    other.release()
    with opened.write() as db:
        db.execute("INSERT INTO label VALUES ('a', 'a')")
    other.close()


def filled(file):
    """A manifest whose pages do not fit into one read."""
    with closing(Connection(file)) as made, made.write() as db:
        db.executemany("INSERT INTO label VALUES (?, ?)", ((f"label-{n}", "x" * 500) for n in range(2000)))


READS = """
import sys
from pathlib import Path
from imgkit.errors import ImgkitError
from imgkit.manifest.connection import Connection
try:
    opened = Connection(Path(sys.argv[1]))
    opened.read("SELECT sum(length(name)) FROM label")
    opened.check()
    opened.backup(Path(sys.argv[1] + ".copy"))
    opened.close()
except ImgkitError as error:
    print(type(error).__name__, error.code, error.exit_code)
else:
    print("whole")
"""


@pytest.mark.parametrize("first", [1, 3, 5, 8, 13, 40, 300])
def test_a_disk_that_cannot_read_the_manifest_is_not_called_a_damaged_manifest(file, tmp_path, first):
    filled(file)
    preload = {"LD_PRELOAD": str(compiled(tmp_path)), "FAIL_BELOW": f"{file.parent}/", "FAIL_FROM": str(first)}
    environ = {**os.environ, "PYTHONPATH": str(SOURCE), **preload}

    said = subprocess.run([sys.executable, "-c", READS, file], env=environ, capture_output=True, text=True, check=True)

    assert said.stdout.split()[0::2] == ["ResourceError", "4"]
    with closing(Connection(file)) as opened:
        assert opened.check() == "ok"


SORTS = """
import sys
from pathlib import Path
from imgkit.errors import ImgkitError
from imgkit.manifest.connection import Connection
opened = Connection(Path(sys.argv[1]))
numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
try:
    opened.read(f"{numbers} SELECT hex(randomblob(20)) AS r FROM n ORDER BY r")
except ImgkitError as error:
    print(error.code, error.exit_code, error)
"""


def test_no_room_for_temporary_files_of_the_manifest_is_told_from_a_full_disk(file, tmp_path):
    filled(file)
    (temporary := tmp_path / "temporary").mkdir()
    environ = {**os.environ, "PYTHONPATH": str(SOURCE), "TMPDIR": str(temporary)}
    environ |= full(tmp_path, temporary, first=1)

    said = subprocess.run([sys.executable, "-c", SORTS, file], env=environ, capture_output=True, text=True, check=True)

    assert said.stdout.strip() == (
        f"fs.full 4 disk full while writing a temporary file of {file} in {temporary}. What was finished is safe. Free "
        "space there, or set TMPDIR to another folder, and run the same command again to continue."
    )


def corrupt_error():
    """The error that SQLite raises when the disk answers a read with EIO, and for a damaged file alike."""
    error = sqlite3.DatabaseError("database disk image is malformed")
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def test_a_read_that_failed_once_is_no_damage_and_the_locks_of_the_manifest_stay(file, opened):
    with pytest.raises(ResourceError, match="is whole now that it is read again") as told, opened.write() as db:
        db.execute("INSERT INTO label VALUES ('coral', 'Coral snake')")
        raise corrupt_error()

    assert (told.value.code, told.value.exit_code) == ("fs.read", 4)
    assert opened.read("SELECT * FROM label") == []
    other = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode=DELETE')"
    said = subprocess.run([sys.executable, "-c", other, file], capture_output=True, text=True, check=False)
    assert "database is locked" in said.stderr


def test_a_page_that_is_overwritten_is_damage(file):
    filled(file)
    with file.open("r+b") as damaged:
        damaged.seek(file.stat().st_size // 2 // 4096 * 4096)
        damaged.write(b"\xff" * 8192)

    with pytest.raises(IntegrityError, match=r"manifest\.db is damaged"), closing(Connection(file)) as opened:
        opened.read("SELECT sum(length(name)) FROM label")
