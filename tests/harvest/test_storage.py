"""What a harvest keeps on disk: originals that are safe before their rows, and pictures that follow the manifest."""

import hashlib
import io
from types import SimpleNamespace

import pytest
from PIL import Image as Pillow

from imgkit.engine import InlineEngine
from imgkit.errors import IntegrityError, ResourceError
from imgkit.harvest import changes as module
from imgkit.harvest.changes import Before, Changes, NewName, SameWords, changes
from imgkit.harvest.storage import materialise as making
from imgkit.harvest.storage import originals as keeping
from imgkit.harvest.storage.ingest import Ingested, Shrunk
from imgkit.harvest.storage.materialise import materialise, remove_unwanted
from imgkit.harvest.storage.originals import RESERVE_BYTES, Originals, require_space, sweep
from imgkit.manifest import Image, Item, Proposal, Query, SearchState
from imgkit.progress import Silent


def received(body=b"bytes", number=1):
    digest = f"{number:064x}"
    return Ingested(
        sha256=digest[::-1], stored=body, stored_sha256=digest, extension="jpg", width=50, height=40, frames=2,
        notes=("a note",), shrunk=Shrunk(jpeg=b"small", sha256=digest, width=5, height=4),
    )  # fmt: skip


# originals


def test_a_row_says_all_that_is_known_of_an_original(manifest):
    row = Originals(manifest.folder).keep(received())

    digest = f"{1:064x}"
    assert row == Image(
        sha256=digest[::-1], stored_sha256=digest, extension="jpg", bytes=5, width=50, height=40, frames=2,
        notes=("a note",),
    )  # fmt: skip
    assert manifest.folder.original(digest[::-1], "jpg").read_bytes() == b"bytes"


def test_an_original_of_a_run_that_was_killed_is_adopted_and_one_of_another_size_is_written_again(manifest):
    picture, folder = received(b"whole"), manifest.folder
    target = folder.original(picture.sha256, "jpg")
    target.parent.mkdir(parents=True)
    target.write_bytes(b"other")
    assert Originals(folder).keep(picture).bytes == 5
    assert target.read_bytes() == b"other"  # the name is the hash: of this size it can only be the same
    target.write_bytes(b"tor")

    Originals(folder).keep(picture)

    assert target.read_bytes() == b"whole"


def free(monkeypatch, size):
    monkeypatch.setattr(keeping.shutil, "disk_usage", lambda place: SimpleNamespace(free=size))


@pytest.mark.parametrize(("room", "kept"), [(104, False), (105, True)])
def test_a_reserve_is_left_so_that_the_manifest_can_take_down_what_was_finished(manifest, monkeypatch, room, kept):
    assert RESERVE_BYTES == 32 * 1024 * 1024
    free(monkeypatch, room)
    originals = Originals(manifest.folder, reserve_bytes=100)

    if kept:
        originals.keep(received())
    else:
        with pytest.raises(ResourceError, match=r"disk full at .* \(needs 105 B, 104 B free\)") as error:
            originals.keep(received())
        assert error.value.code == "fs.full"
    assert manifest.folder.original(received().sha256, "jpg").exists() is kept


def test_what_is_there_already_needs_no_room(manifest, monkeypatch):
    Originals(manifest.folder).keep(received())
    free(monkeypatch, 0)

    assert Originals(manifest.folder).keep(received()).bytes == 5


def test_a_disk_that_does_not_say_how_full_it_is_is_written_to(manifest, monkeypatch):
    def unknown(place):
        raise OSError("not supported")

    monkeypatch.setattr(keeping.shutil, "disk_usage", unknown)

    require_space(manifest.folder, 10**18)


def test_only_temporary_files_of_a_killed_run_are_swept_away(manifest):
    folder = manifest.folder
    for name in (
        "originals/ab/.tmp-1-x.jpg",
        "harvested/coral/.tmp-2-y.jpg",
        "originals/ab/whole.jpg",
        "harvested/k/z.jpg",
    ):
        (folder.root / name).parent.mkdir(parents=True, exist_ok=True)
        (folder.root / name).write_bytes(b"x")

    assert sweep(folder) == 2
    assert sweep(folder) == 0
    assert sorted(path.name for path in folder.root.glob("*/*/*")) == ["whole.jpg", "z.jpg"]


# pictures by label


@pytest.fixture
def original(manifest):
    """Add an original of some size to the manifest and return its image id."""

    def add(number, size=(80, 60)):
        buffer = io.BytesIO()
        Pillow.new("RGB", size, (number * 40 % 256, 90, 200)).save(buffer, "JPEG")
        body = buffer.getvalue()
        sha256 = hashlib.sha256(body).hexdigest()
        image = Image(
            sha256=sha256, stored_sha256=sha256, extension="jpg", bytes=len(body), width=size[0], height=size[1]
        )
        path = manifest.folder.original(sha256, "jpg")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        manifest.put_image(image)
        return image.id

    for label in ("coral", "king"):
        manifest.add_label(label, label)
    return add


def made(manifest, kept, size=40):
    return materialise(manifest, kept, size=size, engine=InlineEngine(), progress=Silent())


def on_disk(manifest):
    return {
        path.relative_to(manifest.folder.harvested).as_posix(): path.read_bytes()
        for path in manifest.folder.harvested.rglob("*.*")
    }


def test_what_is_kept_is_made_once_and_nothing_is_made_the_second_time(manifest, original):
    one, two = original(1), original(2, (30, 20))
    kept = [("coral", one), ("king", one), ("king", two)]

    assert made(manifest, kept) == 3
    before = on_disk(manifest)
    assert made(manifest, reversed(kept)) == 0

    assert on_disk(manifest) == before
    assert sorted(before) == sorted(f"{label}/{image_id}.jpg" for label, image_id in kept)
    assert {(one.label, one.image_id): (one.width, one.height) for one in manifest.items()} == {
        ("coral", one): (40, 30),
        ("king", one): (40, 30),
        ("king", two): (30, 20),
    }
    assert {one.file_sha256 for one in manifest.items()} == {
        hashlib.sha256(body).hexdigest() for body in before.values()
    }


def test_a_file_that_is_gone_or_empty_is_made_again_from_its_original_and_so_is_one_of_another_size(manifest, original):
    one, two, three = original(1), original(2), original(3)
    kept = [("coral", one), ("coral", two), ("coral", three)]
    made(manifest, kept)
    before = on_disk(manifest)
    manifest.folder.harvested_file("coral", one).unlink()
    manifest.folder.harvested_file("coral", two).write_bytes(b"")

    assert made(manifest, kept) == 2
    assert on_disk(manifest) == before
    assert made(manifest, kept, size=20) == 3
    assert {item.width for item in manifest.items()} == {20}
    assert made(manifest, kept, size=80) == 3


def test_what_is_kept_no_more_leaves_with_its_row_and_its_folder(manifest, original):
    one, two = original(1), original(2)
    made(manifest, [("coral", one), ("king", two)])

    assert made(manifest, [("king", two)]) == 0

    assert [(item.label, item.image_id) for item in manifest.items()] == [("king", two)]
    assert [path.name for path in manifest.folder.harvested.iterdir()] == ["king"]
    assert len(list(manifest.folder.originals.glob("*/*"))) == 2


def test_what_a_person_put_there_under_another_name_stays_and_links_are_not_followed(manifest, original, tmp_path):
    one = original(1)
    made(manifest, [("coral", one)])
    folder, elsewhere = manifest.folder, tmp_path / "elsewhere"
    elsewhere.mkdir()
    for path in (
        elsewhere / f"{'0' * 20}.jpg",
        folder.harvested / "coral" / "mine.jpg",
        folder.harvested / "notes.txt",
    ):
        path.write_bytes(b"mine")
    for name in (f"{'0' * 20}.jpg", f"{'0' * 20}.png", f"{'A' * 20}.jpg", f"{'0' * 21}.jpg"):
        (folder.harvested / "coral" / name).write_bytes(b"x")
    (folder.harvested / "linked").symlink_to(elsewhere)

    remove_unwanted(folder, {("coral", one)})

    assert sorted(path.name for path in (folder.harvested / "coral").iterdir()) == sorted(
        [f"{one}.jpg", "mine.jpg", f"{'0' * 20}.png", f"{'A' * 20}.jpg", f"{'0' * 21}.jpg"]
    )
    assert (elsewhere / f"{'0' * 20}.jpg").exists()
    assert (folder.harvested / "notes.txt").exists()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no picture")])
def test_an_original_that_is_gone_or_damaged_is_named_with_the_command_that_removes_it(manifest, original, damage):
    one, two = original(1), original(2)
    made(manifest, [("coral", one)])
    before = on_disk(manifest)
    image = manifest.image(two)
    damage(manifest.folder.original(image.sha256, "jpg"))

    with pytest.raises(IntegrityError, match=rf"is missing or damaged .* imgkit remove --sha {image.sha256} --data"):
        made(manifest, [("coral", one), ("coral", two)])

    assert on_disk(manifest) == before


def test_pictures_are_recorded_two_hundred_at_a_time(monkeypatch):
    pairs = [((f"label {n}", "id"), n) for n in range(5)]
    assert making.BATCH == 200
    monkeypatch.setattr(making, "BATCH", 2)

    assert [[number for _, number in batch] for batch in making._batches(pairs)] == [[0, 1], [2, 3], [4]]
    assert list(making._batches(pairs[:4])) == [pairs[:2], pairs[2:4]]
    assert list(making._batches([])) == []


@pytest.mark.parametrize(
    ("width", "height", "fits"),
    [(40, 30, True), (40, 29, True), (40, 31, True), (40, 28, False), (39, 30, False), (30, 40, True)],
)
def test_the_shorter_side_may_be_rounded_differently(width, height, fits):
    item = Item(label="coral", image_id="a", width=width, height=height, file_sha256="")

    assert making._has_size(item, (40, 30)) is fits


# what a run changed


def test_each_kind_of_change_is_a_sentence_and_none_is_none():
    found = Changes(
        left={"query.gone": 3, "policy.licence": 1}, back=1, decided=1200,
        others={"": ("Coral",), "b.csv": ("King", "Milk")},
        new_names=(NewName(old="Old", new="New"),),
        same_words=(SameWords(label="New", other="King", file="b.csv"),),
    )  # fmt: skip

    sentences = found.sentences("data")

    assert Changes(left={}, others={}).sentences("data") == []
    assert [sentence.split(":")[0] for sentence in sentences] == [
        "4 pictures left data/harvested",
        "1,200 decisions of people about them stay, and hold again when they are back.",
        "1 picture came back to data/harvested without a download.",
        "Labels that only words on the command line asks for stay",
        "Labels that only b.csv asks for stay",
        "'Old' is not asked for any more and 'New' asks for the same. If it is a new name, move its pictures and "
        "decisions with",
        "'New' asks for the same as 'King' of b.csv",
    ]
    assert "King, Milk." in sentences[4]
    assert sentences[5].endswith("imgkit labels rename Old New --data data")
    assert sentences[6].endswith("imgkit labels rename King New --data data")


@pytest.mark.parametrize(
    ("old", "new", "same"), [("abc", "ab", True), ("ab", "a", False), ("abcd", "abx", False), ("", "a", False)]
)
def test_a_label_of_most_of_the_pictures_of_another_is_its_new_name(old, new, same):
    assert module._mostly(set(old), set(new)) is same


def test_what_left_is_counted_by_its_reason_the_commonest_first(manifest):
    (query_id,) = manifest.put_queries([Query(label="coral", name="coral", text="coral")])
    urls = [Proposal(url=f"http://h/{n}.jpg", rank=n + 1) for n in range(5)]
    manifest.put_page(SearchState(query_id=query_id, provider="bing"), urls, label="coral", round_=0)
    keys = []
    for number, (one, reason) in enumerate(
        zip(manifest.candidates(), ["policy.licence", "query.gone", "query.gone", "", "policy.excluded"], strict=True)
    ):
        digest = f"{number:064x}"
        image = Image(sha256=digest[::-1], stored_sha256=digest, extension="jpg", bytes=9, width=4, height=3)
        manifest.put_image(image)
        state = "rejected" if reason else "kept"
        manifest.settle(
            [
                SimpleNamespace(
                    **{name: getattr(one, name) for name in one.__dataclass_fields__}
                    | {"state": state, "reason": reason, "image_id": image.id}
                )
            ]
        )
        keys.append(("coral", image.id))
    before = Before(rows=(), here=frozenset(keys[:4]), had_left=frozenset(keys[4:]))

    found = changes(manifest, before, [keys[3], keys[4]], mine={"coral"})

    assert list(found.left.items()) == [("query.gone", 2), ("policy.licence", 1)]
    assert (found.back, found.decided, found.others, found.new_names, found.same_words) == (1, 0, {}, (), ())
