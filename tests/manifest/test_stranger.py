"""A data folder that somebody else made is data: nothing in its manifest becomes a path or runs."""

import errno
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from imgkit.errors import IntegrityError, ResourceError, UsageError
from imgkit.manifest import Decision, Image, Item, Manifest, Proposal, Query, SearchState
from imgkit.manifest.decision_files import read_decisions
from imgkit.manifest.labels import is_folder_name, slug

SHA = "ab" * 32


@pytest.fixture
def data(tmp_path):
    """A data folder with one picture under one label."""
    with Manifest.open(tmp_path / "data") as manifest:
        manifest.put_queries([Query(label="coral", name="coral", text="coral snake")])
        manifest.put_image(Image(sha256=SHA, stored_sha256=SHA, extension="jpg", bytes=10, width=8, height=6))
        manifest.put_items([Item(label="coral", image_id=SHA[:20], width=8, height=6, file_sha256=SHA)])
    return tmp_path / "data"


def change(data, *statements):
    with closing(sqlite3.connect(data / "manifest.db")) as db:
        db.execute("PRAGMA foreign_keys=OFF")
        for statement in statements:
            db.execute(statement)
        db.commit()


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE image SET extension='/../../victim'", "the extension of a file"),
        ("UPDATE image SET extension='jpg/../../x'", "the extension of a file"),
        ("UPDATE image SET extension=''", "the extension of a file"),
        ("UPDATE image SET extension=x'6a7067'", "the extension of a file"),
        (
            "UPDATE image SET sha256='../../../../../../victim', id=substr('../../../../../../victim', 1, 20)",
            "a SHA-256",
        ),
        (f"UPDATE image SET sha256='{SHA.upper()}', id='{SHA[:20].upper()}'", "a SHA-256"),
        ("UPDATE image SET id='../../victim'", "the id of a picture"),
        ("UPDATE image SET width='wide'", "a number"),
        ("UPDATE image SET notes='[[['", "a row for image_from"),
        ("UPDATE image SET notes=5", "a row for image_from"),
        ("UPDATE image SET stored_sha256='x/y'", "a SHA-256"),
    ],
)
def test_an_image_that_imgkit_would_not_have_written_stops_the_reading(data, statement, what):
    change(data, statement)

    with Manifest.open_existing(data) as manifest, pytest.raises(IntegrityError, match=f"where {what} belongs"):
        manifest.images()


@pytest.mark.parametrize(
    "label", ["../../outside", "..", ".", "", "a/b", "a\\b", "a.b", "a\x1b[2J", "a\nb", "x" * 201, "/etc"]
)
@pytest.mark.parametrize("table", ["item", "label"])
def test_a_label_that_is_no_name_of_a_folder_stops_the_reading(data, table, label):
    column = "slug" if table == "label" else "label"
    quoted = label.replace("'", "''")
    change(data, f"UPDATE {table} SET {column}='{quoted}'")

    with (
        Manifest.open_existing(data) as manifest,
        pytest.raises(IntegrityError, match="the folder name of a label belongs"),
    ):
        manifest.items() if table == "item" else manifest.labels()


@pytest.mark.parametrize("image_id", ["../x", "0123456789abcdef012/", "G" * 20, "ab" * 11, "é" * 20])
def test_an_item_with_another_id_stops_the_reading(data, image_id):
    change(data, f"UPDATE item SET image_id='{image_id}'")

    with Manifest.open_existing(data) as manifest, pytest.raises(IntegrityError, match="the id of a picture belongs"):
        manifest.items()


def test_a_decision_cannot_move_a_picture_out_of_the_folder(data):
    change(
        data,
        "INSERT INTO decision (at, actor, command, image_id, label, action, reason, to_label) "
        f"VALUES (1, 'person', '', '{SHA[:20]}', 'coral', 'relabel', '', '../../outside')",
    )

    with Manifest.open_existing(data) as manifest:
        with pytest.raises(IntegrityError, match="the folder name of a label belongs"):
            manifest.decisions()
        with pytest.raises(IntegrityError, match="the folder name of a label belongs"):
            manifest.current_decisions()


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER mine AFTER INSERT ON run BEGIN DELETE FROM decision; END",
        "CREATE VIEW mine AS SELECT * FROM image",
        "DROP TRIGGER candidate_comes",
    ],
)
def test_triggers_and_views_that_imgkit_did_not_write_are_refused(data, statement):
    change(data, statement)
    if statement.startswith("DROP"):
        change(data, "CREATE TRIGGER candidate_comes AFTER INSERT ON candidate BEGIN DELETE FROM decision; END")

    with pytest.raises(IntegrityError, match="which imgkit did not write"):
        Manifest.open_existing(data)


def test_the_schema_of_a_stranger_is_not_trusted(data):
    with Manifest.open_existing(data) as manifest:
        assert manifest.connection.read("PRAGMA trusted_schema")[0][0] == 0
        assert manifest.connection.read("PRAGMA cell_size_check")[0][0] == 1


def test_what_imgkit_wrote_is_read(data):
    with Manifest.open_existing(data) as manifest:
        assert [one.id for one in manifest.images().values()] == [SHA[:20]]
        assert [one.image_id for one in manifest.items()] == [SHA[:20]]


@pytest.mark.parametrize("name", ["Ångström", "बंदर", "コーラル", "a b/c..d", "CON", "x" * 300, "é" * 100, "-a-", "1"])
def test_every_slug_is_a_name_of_a_folder(name):
    assert is_folder_name(slug(name))


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_read(data, monkeypatch, number):
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("imgkit.manifest.connection.FileLock", refuse)

    with pytest.raises(ResourceError):
        Manifest.open_existing(data)
    with Manifest.open_to_read(data) as manifest:
        assert [one.image_id for one in manifest.items()] == [SHA[:20]]
        with pytest.raises(ResourceError, match="was opened to be read only"):
            manifest.add_label("king", "king")
        with pytest.raises(ResourceError, match="readonly"):
            manifest.connection.read("DELETE FROM item")
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_a_log_that_cannot_be_read_without_writing_is_said(data, monkeypatch):
    (data / "manifest.db-wal").write_bytes(b"x" * 100)

    def refuse(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("imgkit.manifest.connection.FileLock", refuse)

    with pytest.raises(ResourceError, match="read-only file system"):
        Manifest.open_to_read(data)


def test_bytes_of_names_that_are_not_utf8_are_kept_as_escapes(data):
    name = os.fsdecode(b"caf\xe9")

    with Manifest.open_existing(data) as manifest:
        run = manifest.start_run("curate", {"data": name})
        manifest.end_run(run, {"data": name})
        first = manifest.decide([Decision(image_id=SHA[:20], label="coral", action="keep", command=name, key=name)])
        again = manifest.decide([Decision(image_id=SHA[:20], label="coral", action="keep", command=name, key=name)])
        manifest.put_page(
            SearchState(query_id=1, provider="folder", detail=name),
            [Proposal(url="file:///x", rank=1)],
            label="coral",
            round_=1,
        )
        candidate = manifest.candidates()[0]
        manifest.settle([replace(candidate, state="rejected", reason="fs.name", detail=name)])

        assert first == again
        assert manifest.decisions()[0].key == "caf\\udce9"
        assert manifest.candidates()[0].detail == manifest.search_state(1, "folder").detail == "caf\\udce9"
        assert manifest.last_run("curate")["arguments"] == {"data": name}


@pytest.mark.parametrize(
    "fields",
    [
        {"label": "../../x"},
        {"to_label": "../../x"},
        {"to_label": 5},
        {"image_id": "../x"},
        {"action": "delete"},
        {"actor": "nobody"},
        {"key": 5},
        {"reason": ["x"]},
        {"undoes": "x"},
        {"id": "x"},
        {"evil": 1},
        {"at": "yesterday"},
        {"at": 5},
        {"at": None},
        {"at": "2026-01-02T03:04:05"},
        {"at": "9999-12-31T23:59:59-12:00"},
        {"reason": "<b>"},
        {"action": "keep"},
        {"to_label": ""},
        {"action": "undo", "to_label": ""},
        {"action": "undo", "to_label": "", "undoes": 7},
        {"action": "undo", "to_label": "", "undoes": 1, "image_id": "b" * 20},
        {"undoes": 1},
        {"id": True},
    ],
)
def test_decisions_of_a_stranger_are_checked_before_they_are_taken_over(tmp_path, fields):
    decision = {
        "image_id": SHA[:20],
        "label": "coral",
        "action": "relabel",
        "to_label": "king",
        "at": "2026-01-02T03:04:05+00:00",
        "id": 1,
    }
    path = tmp_path / "decisions.jsonl"
    path.write_text(json.dumps(decision) + "\n" + json.dumps(decision | fields) + "\n")

    with pytest.raises(UsageError, match="line 2 is not a decision"):
        read_decisions(path)


@pytest.mark.parametrize("place", ["harvested/coral", "originals/ab"])
def test_a_folder_of_pictures_that_is_a_link_is_refused_before_anything_is_written_or_removed(data, tmp_path, place):
    (tmp_path / "elsewhere").mkdir()
    (data / place).parent.mkdir(exist_ok=True)
    (data / place).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(IntegrityError, match="is a link to a folder"):
        Manifest.open_existing(data)


def test_the_folder_of_all_originals_may_be_a_link_to_a_larger_disk(data, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (data / "originals").symlink_to(tmp_path / "elsewhere")

    Manifest.open_existing(data).close()
