"""Removal on request: nothing of a picture is left, and it never comes back."""

import io
import sqlite3
from contextlib import closing

import pytest
from harvesting import CORAL, KING, candidates, image_requests, run
from PIL import Image

from imgkit.demo.builder import WorldBuilder
from imgkit.demo.drawing import Drawings
from imgkit.demo.population import small_world
from imgkit.demo.web import serve
from imgkit.demo.world import Drawing, Host
from imgkit.errors import LockedError, UsageError
from imgkit.harvest.remove import Wishes, remove
from imgkit.harvest.screening import Tombstones
from imgkit.manifest import Manifest, sole_owner
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS
from imgkit.vision import phash


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


def traces(data, image_id):
    """Every file below the data folder that is named after a picture, and every line of a list that names it."""
    files = list(data.rglob(f"*{image_id}*"))
    with Manifest.open_existing(data) as manifest:
        rows = [one for one in (*manifest.items(), *manifest.candidates()) if one.image_id == image_id]
        return files, rows, manifest.image(image_id)


def test_a_removed_address_leaves_no_trace_and_does_not_come_back(data):
    with serve(small_world(good=6)) as web:
        run(web, data, CORAL, per_label=4)
        victim = next(one for one in candidates(data) if one.state == "kept")
        (data / "cache" / "thumbs").mkdir(parents=True)
        (data / "cache" / "thumbs" / f"{victim.image_id}.webp").write_bytes(b"x")

        removal = remove(data, Wishes(urls=(victim.proposal.url + "#again",)))
        asked = len(image_requests(web))
        report = run(web, data, CORAL, per_label=4)

        assert (removal.candidates, removal.pictures, removal.files) == (1, 1, 2)
        assert traces(data, victim.image_id) == ([], [], None)
        assert [one.target for one in image_requests(web)[asked:] if one.target in victim.proposal.url] == []
    assert report.total.kept == 4  # the reserve took its place
    assert report.total.reasons == {"policy.removed": 1}


def test_a_removed_picture_does_not_come_back_from_another_address(data):
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive")])
    original = builder.add("coral_snake", host="photos")
    builder.exact_copy(original, listed_as="king_snake")
    with serve(builder.build()) as web:
        run(web, data, CORAL)
        (first,) = candidates(data)
        remove(data, Wishes(sha256s=(first.image_id,)))

        report = run(web, data, CORAL, KING)

    assert report.total.reasons == {"policy.removed": 2}
    assert list(data.glob("originals/*/*")) == list(data.glob("harvested/*/*")) == []


def test_a_copy_of_a_removed_picture_does_not_come_back_and_other_pictures_do(data):
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive")])
    original = builder.add("coral_snake", host="photos")
    builder.near_copy(original, "smaller", listed_as="king_snake")
    other = builder.add("king_snake", host="archive")
    with serve(builder.build()) as web:
        run(web, data, CORAL)
        (first,) = candidates(data)
        remove(data, Wishes(sha256s=(first.image_id,)))

        report = run(web, data, CORAL, KING)

        kept = [web.truth(one.proposal.url).id for one in candidates(data) if one.state == "kept"]
    assert report.total.reasons == {"policy.removed": 2}
    assert kept == [other.id]
    assert len(list(data.glob("originals/*/*"))) == 1


@pytest.mark.parametrize("turn", list(Image.Transpose), ids=lambda turn: turn.name.lower())
def test_a_removed_picture_is_known_however_it_is_turned(turn):
    drawn = Image.open(io.BytesIO(Drawings().bytes_of(Drawing(subject="coral_snake", seed=3)))).convert("RGB")
    other = Image.open(io.BytesIO(Drawings().bytes_of(Drawing(subject="coral_snake", seed=4)))).convert("RGB")
    removed = Tombstones(looks=frozenset({phash.orientations(drawn).orientations[0]}))

    assert removed.cover_picture("0" * 64, phash.orientations(drawn.transpose(turn)).orientations)
    assert not removed.cover_picture("0" * 64, phash.orientations(other.transpose(turn)).orientations)


def test_what_an_earlier_version_buried_stays_buried(data):
    data.mkdir()
    with closing(sqlite3.connect(data / "manifest.db")) as db:
        db.executescript(f"{MIGRATIONS[0]} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1;")
        db.execute("INSERT INTO tombstone VALUES ('host', 'example.org', 'on request', 1.0)")
        db.commit()

    with Manifest.open(data) as manifest:
        assert manifest.buried("host") == {"example.org"}
        manifest.bury("look", ["00ff"], reason="on request")
        assert manifest.buried("look") == {"00ff"}


def test_what_an_author_or_host_brought_is_not_asked_for_any_more(data):
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive")])
    for number in range(6):
        builder.add("coral_snake", host="photos" if number % 2 else "archive", providers=("openverse",))
    with serve(builder.build()) as web:
        run(web, data, CORAL, providers=("openverse",), per_label=2)
        by_ada = {one.id for one in candidates(data) if one.proposal.author == "Ada Example"}
        remove(data, Wishes(authors=("ada  EXAMPLE",)))
        asked = len(image_requests(web))
        run(web, data, CORAL, providers=("openverse",))
        only_others = len(image_requests(web)) - asked
        remove(data, Wishes(hosts=(web.sites["photos"].split(":")[0], web.sites["archive"].split(":")[0])))
        run(web, data, CORAL, providers=("openverse",), retry=True)

        assert only_others <= 6 - len(by_ada)
        assert len(image_requests(web)) == asked + only_others
    assert len(by_ada) >= 2
    assert {one.reason for one in candidates(data)} == {"policy.removed"}


def test_runs_that_used_a_removed_picture_are_named(data, tmp_path):
    with serve(small_world(good=2)) as web:
        run(web, data, CORAL, per_label=2)
    victim = candidates(data)[0].image_id
    for name, text in (("used", victim), ("unused", "0" * 20)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "split.csv").write_text(f"file,split\ncoral/{text}.jpg,train\n")

    assert remove(data, Wishes(sha256s=(victim,)), runs=tmp_path / "runs").runs == ("used",)


def test_only_hashes_are_remembered(data):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)
    url = candidates(data)[0].proposal.url
    remove(data, Wishes(urls=(url,), authors=("Ada Example",)))

    with Manifest.open_existing(data) as manifest:
        kept = manifest.buried("url") | manifest.buried("author") | manifest.buried("sha256")
    assert {len(one) for one in kept} == {64}


@pytest.mark.parametrize(
    "wishes",
    [Wishes(), Wishes(sha256s=("xyz",)), Wishes(hosts=("example.org/path",)), Wishes(hosts=("",))],
    ids=["nothing", "no hash", "a path", "empty"],
)
def test_a_wish_that_cannot_be_read_changes_nothing(data, wishes):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)

    with pytest.raises(UsageError, match="Nothing was changed"):
        remove(data, wishes)

    assert [one.state for one in candidates(data)] == ["kept"]


def test_nothing_is_removed_while_a_harvest_is_under_way(data):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)

    with sole_owner(data / ".locks", "harvest"), pytest.raises(LockedError):
        remove(data, Wishes(hosts=("example.org",)))
