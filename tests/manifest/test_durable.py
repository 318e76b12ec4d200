"""What is acknowledged was synced first: the commit of a decision waits for the disk, that of a fetch does not."""

import os
from pathlib import Path

import pytest

from imgkit.harvest.storage.ingest import Ingested, Shrunk
from imgkit.harvest.storage.materialise import write_item
from imgkit.harvest.storage.originals import Originals
from imgkit.manifest import Audit, Decision, ReviewAction, ReviewLog

KEEP = Decision(image_id="a1", label="coral", action="keep")


@pytest.fixture
def commits(manifest):
    """The level of synchronisation at each commit, in order."""
    levels, seen = ["NORMAL"], []

    def watch(statement):
        if statement.startswith("PRAGMA synchronous="):
            levels.append(statement.partition("=")[2])
        elif statement == "COMMIT":
            seen.append(levels[-1])

    manifest.connection._sqlite.set_trace_callback(watch)
    return seen


WRITES = {
    "decisions": lambda manifest: manifest.decide([KEEP]),
    "an action of the review": lambda manifest: ReviewLog(manifest).append(
        ReviewAction(key="s1.1", reviewer="ada", mode="suspects", kind="decide"), [KEEP]
    ),
    "the sample of an audit": lambda manifest: ReviewLog(manifest).put_audit(Audit(kept=10, unseen=5, questions=())),
    "what was removed": lambda manifest: manifest.add_tombstones("host", ["example.org"], reason="asked for"),
    "verdicts": lambda manifest: manifest.replace_judgements([]),
}


@pytest.mark.parametrize("what", WRITES)
def test_what_must_survive_a_loss_of_power_is_synced_before_it_returns(manifest, commits, what):
    WRITES[what](manifest)

    assert commits == ["FULL"]


def test_several_durable_writes_together_are_one_synced_commit(manifest, commits):
    with manifest.together(durable=True):
        manifest.decide([KEEP])
        manifest.add_tombstones("host", ["example.org"], reason="asked for")

    assert commits == ["FULL"]


def test_what_can_be_fetched_again_does_not_wait_for_the_disk_nor_makes_the_next_decision_forget_to(manifest, commits):
    manifest.put_items([])
    manifest.decide([KEEP])
    manifest.put_items([])

    assert commits == ["NORMAL", "FULL", "NORMAL"]


@pytest.fixture
def calls(monkeypatch):
    """The calls that make a file durable, in order, with the names of their files."""
    seen, names = [], {}
    real = {name: getattr(os, name) for name in ("open", "fsync", "replace")}

    def opened(path, *arguments, **options):
        descriptor = real["open"](path, *arguments, **options)
        names[descriptor] = Path(os.fsdecode(path)).name
        return descriptor

    def synced(descriptor):
        seen.append(("fsync", names[descriptor]))
        real["fsync"](descriptor)

    def renamed(source, target, **options):
        seen.append(("rename", Path(target).name))
        real["replace"](source, target, **options)

    for name, function in (("open", opened), ("fsync", synced), ("replace", renamed)):
        monkeypatch.setattr(os, name, function)
    return seen


SHRUNK = Shrunk(jpeg=b"small", sha256="0" * 64, width=5, height=4)
PICTURE = Ingested(
    sha256="ab" + "0" * 62,
    stored=b"bytes",
    stored_sha256="1" * 64,
    extension="jpg",
    width=50,
    height=40,
    frames=1,
    notes=(),
    shrunk=SHRUNK,
)


def test_an_original_is_synced_then_named_then_its_folder_synced_before_its_row_is_returned(manifest, calls):
    row = Originals(manifest.folder).keep(PICTURE)

    target = manifest.folder.original(PICTURE.sha256, "jpg")
    assert [(call, name.startswith(".tmp-") or name) for call, name in calls] == [
        ("fsync", True),
        ("rename", target.name),
        ("fsync", target.parent.name),
    ]
    assert (target.read_bytes(), row.bytes) == (b"bytes", 5)


def test_an_original_that_is_there_is_not_written_a_second_time(manifest, calls):
    Originals(manifest.folder).keep(PICTURE)
    before = len(calls)

    Originals(manifest.folder).keep(PICTURE)

    assert len(calls) == before


def test_a_shrunk_picture_is_not_synced_since_it_can_be_made_again(manifest, calls):
    item = write_item(manifest.folder, "coral", "ab" * 10, SHRUNK)

    assert [call for call, _ in calls] == ["rename"]
    assert (item.width, item.height, item.file_sha256) == (5, 4, "0" * 64)
