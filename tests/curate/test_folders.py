"""The curated folder on disk: its record, what is written last, and what each state that a crash can leave becomes."""

import json
import os

import pytest

from imgkit.curate.publish import folders
from imgkit.curate.publish.folders import (
    Placed,
    PublishedSet,
    build,
    read_published,
    read_verdicts,
    recover,
    require_undo,
    swap_back,
    swap_in,
)
from imgkit.errors import IntegrityError, UsageError
from imgkit.manifest import DataFolder

HASH = "ab" * 32


@pytest.fixture
def folder(tmp_path):
    return DataFolder(tmp_path)


def put(place, name):
    """A finished set that is known by its name."""
    place.mkdir(parents=True)
    (place / "name.txt").write_text(name, encoding="utf-8")
    (place / ".view.json").write_text("{}", encoding="utf-8")


def sets(folder):
    """The name of the set in each place, and what else lies beside."""
    found = {path.name: (path / "name.txt").read_text(encoding="utf-8") for path in folder.root.iterdir()}
    return dict(sorted(found.items()))


# what a killed curate leaves


CURATED, PREVIOUS, NEXT, ASIDE, TRASH = (
    "curated",
    ".curated-previous",
    ".curated-next",
    ".curated-aside",
    ".curated-trash-7",
)


@pytest.mark.parametrize(
    ("left", "becomes"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({CURATED: "b", PREVIOUS: "a"}, {CURATED: "b", PREVIOUS: "a"}, id="nothing was killed"),
        pytest.param({CURATED: "b"}, {CURATED: "b"}, id="the first set"),
        pytest.param({CURATED: "b", NEXT: "c"}, {CURATED: "b"}, id="before the first rename of a second curate"),
        pytest.param({NEXT: "a"}, {}, id="a first set that was not swapped in is built again"),
        pytest.param(
            {CURATED: "b", TRASH: "a", NEXT: "c"}, {CURATED: "b", PREVIOUS: "a"}, id="after the first rename of a third"
        ),
        pytest.param(
            {PREVIOUS: "b", TRASH: "a", NEXT: "c"}, {CURATED: "c", PREVIOUS: "b"}, id="between the last two renames"
        ),
        pytest.param(
            {CURATED: "c", PREVIOUS: "b", TRASH: "a"}, {CURATED: "c", PREVIOUS: "b"}, id="before the trash was emptied"
        ),
        pytest.param({ASIDE: "b", PREVIOUS: "a"}, {CURATED: "b", PREVIOUS: "a"}, id="an undo after its first rename"),
        pytest.param({ASIDE: "b", CURATED: "a"}, {CURATED: "a", PREVIOUS: "b"}, id="an undo before its last rename"),
        pytest.param({ASIDE: "a"}, {CURATED: "a"}, id="an undo of the first set after its first rename"),
        pytest.param(
            {CURATED: "b", TRASH: "a", ".curated-trash-6": "z"},
            {CURATED: "b", PREVIOUS: "a"},
            id="two that were thrown away: the later one leads back",
        ),
    ],
)
def test_each_state_that_a_crash_leaves_becomes_a_set_and_the_one_before_it(folder, left, becomes):
    for place, name in left.items():
        put(folder.root / place, name)

    recover(folder)
    assert sets(folder) == dict(sorted(becomes.items()))
    recover(folder)
    assert sets(folder) == dict(sorted(becomes.items()))


def test_a_set_without_its_record_is_not_put_in_place(folder):
    put(folder.curated_next, "c")
    put(folder.curated_previous, "b")
    (folder.curated_next / ".view.json").unlink()

    recover(folder)

    assert sets(folder) == {PREVIOUS: "b"}


# swaps


@pytest.fixture
def renames(monkeypatch):
    """Every rename and every sync of a folder, in order."""
    seen, rename = [], folders.Path.rename
    monkeypatch.setattr(
        folders.Path, "rename", lambda self, to: seen.append(f"{self.name} -> {to.name}") or rename(self, to)
    )
    monkeypatch.setattr(folders, "sync_folder", lambda path: seen.append(f"synced {path.name}"))
    return seen


def test_each_new_set_makes_the_one_before_it_the_previous_one_and_is_synced(folder, renames):
    for name in "abc":
        put(folder.curated_next, name)
        swap_in(folder)

    root, trash = folder.root.name, f".curated-trash-{os.getpid()}"
    assert sets(folder) == {PREVIOUS: "b", CURATED: "c"}
    assert renames == [
        f"{NEXT} -> {CURATED}",
        f"synced {root}",
        f"{CURATED} -> {PREVIOUS}",
        f"{NEXT} -> {CURATED}",
        f"synced {root}",
        f"{PREVIOUS} -> {trash}",
        f"{CURATED} -> {PREVIOUS}",
        f"{NEXT} -> {CURATED}",
        f"synced {root}",
    ]


def test_an_undo_exchanges_the_two_sets_and_another_one_exchanges_them_back(folder, renames):
    put(folder.curated_previous, "a")
    put(folder.curated, "b")

    assert swap_back(folder) is True
    assert sets(folder) == {PREVIOUS: "b", CURATED: "a"}
    assert renames[-1] == f"synced {folder.root.name}"
    assert swap_back(folder) is True
    assert sets(folder) == {PREVIOUS: "a", CURATED: "b"}


def test_an_undo_of_the_first_set_takes_it_away_and_another_one_brings_it_back(folder):
    put(folder.curated, "a")

    assert swap_back(folder) is False
    assert sets(folder) == {PREVIOUS: "a"}
    assert swap_back(folder) is True
    assert sets(folder) == {CURATED: "a"}


def test_without_a_set_there_is_nothing_to_undo(folder):
    with pytest.raises(UsageError, match="there is no curate to undo"):
        swap_back(folder)
    put(folder.curated_previous, "a")

    require_undo(folder)


# the record


def published(**fields):
    return PublishedSet(id="12-abcd", digest="d", **fields)


def test_the_record_is_written_last_and_comes_back_with_the_stamps_of_its_files(folder, tmp_path, monkeypatch):
    source = tmp_path / "picture.jpg"
    source.write_bytes(b"picture")
    written = []
    for name in ("clone_or_copy", "write_text", "write_atomically"):
        real = getattr(folders, name)

        def noted(*arguments, real=real, target=1 if name == "clone_or_copy" else 0):
            written.append(arguments[target].relative_to(folder.curated_next).as_posix())
            return real(*arguments)

        monkeypatch.setattr(folders, name, noted)
    record = published(placed={"coral/a.jpg": Placed("coral", "a" * 20, HASH)}, rules="r", noticed=("k", "l"))

    build(
        folder, [], published=record, carried={"coral/a.jpg": source}, texts={"metadata.csv": "m"}, verdicts={"ü": [1]}
    )

    assert written == ["coral/a.jpg", "metadata.csv", ".verdicts.json.gz", ".view.json"]
    file = folder.curated_next / "coral/a.jpg"
    facts = file.stat()
    stamp = (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    read = read_published(folder.curated_next)
    assert read == published(
        placed={"coral/a.jpg": Placed("coral", "a" * 20, HASH, stamp)}, rules="r", noticed=("k", "l")
    )
    assert read_verdicts(folder.curated_next) == {"ü": [1]}
    assert (read.number, read.placed["coral/a.jpg"].is_unchanged(file)) == (12, True)


@pytest.mark.parametrize("place", range(3))
def test_a_file_is_changed_when_its_size_or_either_time_is_another(tmp_path, place):
    file = tmp_path / "a.jpg"
    file.write_bytes(b"x")
    facts = file.stat()
    stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns]
    assert Placed("coral", "a", HASH, tuple(stamp)).is_unchanged(file) is True
    stamp[place] += 1

    assert Placed("coral", "a", HASH, tuple(stamp)).is_unchanged(file) is False
    assert Placed("coral", "a", HASH).is_unchanged(file) is False  # of an earlier version: unknown


@pytest.mark.parametrize(("id_", "number"), [("7-x", 7), ("10-7", 10), ("x-7", 0), ("", 0), ("-7", 0)])
def test_a_later_set_has_a_higher_number(id_, number):
    assert PublishedSet(id=id_, digest="").number == number


def test_no_folder_and_an_empty_one_are_no_set_and_one_of_another_program_is_refused(tmp_path):
    assert read_published(tmp_path / "nothing") is None
    assert read_published(tmp_path) is None
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")

    with pytest.raises(UsageError, match=r"was not made by imgkit, or its file \.view\.json is gone"):
        read_published(tmp_path)


WHOLE = {"id": "1-a", "digest": "d", "placed": {"coral/a.jpg": ["coral", "a" * 20, HASH, 1, 2, 3]}}


def test_a_record_of_an_earlier_version_has_no_rules_no_stamps_and_nothing_noticed(tmp_path):
    (tmp_path / ".view.json").write_text(
        json.dumps(WHOLE | {"placed": {"coral/a.jpg": ["coral", "a" * 20, HASH]}}), encoding="utf-8"
    )

    read = read_published(tmp_path)

    assert read == PublishedSet(id="1-a", digest="d", placed={"coral/a.jpg": Placed("coral", "a" * 20, HASH)})
    assert (read.rules, read.noticed) == ("", ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        json.dumps({key: value for key, value in WHOLE.items() if key != "digest"}),
        json.dumps({key: value for key, value in WHOLE.items() if key != "id"}),
        json.dumps({key: value for key, value in WHOLE.items() if key != "placed"}),
        json.dumps(WHOLE | {"placed": {"a.jpg": ["../coral", "a" * 20, HASH]}}),
        json.dumps(WHOLE | {"placed": {"a.jpg": ["coral", "../a", HASH]}}),
        json.dumps(WHOLE | {"placed": {"a.jpg": ["coral", "a" * 20, "no hash"]}}),
        json.dumps(WHOLE | {"placed": {"a.jpg": ["coral", "a" * 20, HASH, "1"]}}),
        json.dumps(WHOLE | {"placed": {"a.jpg": ["coral"]}}),
        json.dumps(WHOLE | {"placed": ["a.jpg"]}),
        "[" * 100_000,
    ],
    ids=str.__len__,
)
def test_a_record_that_is_damaged_or_leads_elsewhere_is_refused(tmp_path, text):
    (tmp_path / ".view.json").write_text(text, encoding="utf-8")

    with pytest.raises(IntegrityError):
        read_published(tmp_path)


@pytest.mark.parametrize("body", [None, b"", b"no gzip", b"\x1f\x8b\x08\x00torn"])
def test_verdicts_that_are_missing_or_torn_are_none(tmp_path, body):
    if body is not None:
        (tmp_path / ".verdicts.json.gz").write_bytes(body)

    assert read_verdicts(tmp_path) is None


def test_what_imgkit_writes_for_itself_is_this():
    assert sorted(folders.OWN_FILES) == [
        ".verdicts.json.gz",
        ".view.json",
        "ATTRIBUTION.md",
        "DATACARD.md",
        "croissant.json",
        "metadata.csv",
        "probabilities.csv",
        "report.html",
        "report.json",
    ]
