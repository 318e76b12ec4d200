"""Removal on request: nothing of a picture is left, and it never comes back."""

import io
import os
import sqlite3
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
from harvesting import CORAL, KING, candidates, image_requests, run
from PIL import Image

from imgkit.demo.builder import WorldBuilder
from imgkit.demo.drawing.render import Drawings
from imgkit.demo.population import small_world
from imgkit.demo.web.server import serve
from imgkit.demo.world import Drawing, Host
from imgkit.errors import LockedError, UsageError
from imgkit.harvest.crawl.screening import Tombstones
from imgkit.harvest.remove import RemovalRequest, remove
from imgkit.manifest import Manifest, exclusive_access, sole_owner
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS
from imgkit.progress import Silent
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

        removal = remove(data, RemovalRequest(urls=(victim.proposal.url + "#again",)))
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
        remove(data, RemovalRequest(sha256s=(first.image_id,)))

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
        remove(data, RemovalRequest(sha256s=(first.image_id,)))

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


def test_a_tombstone_of_an_earlier_version_holds(data):
    data.mkdir()
    with closing(sqlite3.connect(data / "manifest.db")) as db:
        db.executescript(f"{MIGRATIONS[0]} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=1;")
        db.execute("INSERT INTO tombstone VALUES ('host', 'example.org', 'on request', 1.0)")
        db.commit()

    with Manifest.open(data) as manifest:
        assert manifest.tombstones("host") == {"example.org"}
        manifest.add_tombstones("look", ["00ff"], reason="on request")
        assert manifest.tombstones("look") == {"00ff"}


def test_what_an_author_or_host_brought_is_not_asked_for_any_more(data):
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive")])
    for number in range(6):
        builder.add("coral_snake", host="photos" if number % 2 else "archive", providers=("openverse",))
    with serve(builder.build()) as web:
        run(web, data, CORAL, providers=("openverse",), per_label=2)
        by_ada = {one.id for one in candidates(data) if one.proposal.author == "Ada Example"}
        remove(data, RemovalRequest(authors=("ada  EXAMPLE",)))
        asked = len(image_requests(web))
        run(web, data, CORAL, providers=("openverse",))
        only_others = len(image_requests(web)) - asked
        remove(data, RemovalRequest(hosts=(web.sites["photos"].split(":")[0], web.sites["archive"].split(":")[0])))
        run(web, data, CORAL, providers=("openverse",), retry=True)

        assert only_others <= 6 - len(by_ada)
        assert len(image_requests(web)) == asked + only_others
    assert len(by_ada) >= 2
    assert {one.reason for one in candidates(data)} == {"policy.removed"}


def moved_world():
    """One picture of ``photos`` that has moved to ``archive``, and two of ``photos`` that are where they were."""
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive")])
    builder.add("coral_snake", host="photos", fault="redirect_elsewhere")
    for _ in range(2):
        builder.add("coral_snake", host="photos")
    return builder.build()


def host(web, name):
    return web.sites[name].split(":")[0]


def test_a_host_that_was_removed_is_asked_for_nothing_not_even_its_robots_txt_or_by_a_redirect(data):
    with serve(moved_world()) as web:
        run(web, data, KING)
        remove(data, RemovalRequest(hosts=(host(web, "archive"),)))

        report = run(web, data, CORAL)

        assert [one.target for one in web.requests if one.site == "archive"] == []
        assert host(web, "archive").encode() not in b"".join(
            path.read_bytes() for path in data.rglob("*") if path.is_file()
        )
    assert report.total.kept == 2
    assert report.total.reasons == {"policy.removed": 1}


@pytest.mark.parametrize("by", ["host", "address"])
def test_a_picture_goes_by_the_host_and_the_address_that_a_redirect_led_to(data, by):
    with serve(moved_world()) as web:
        run(web, data, CORAL)
        (moved,) = (one for one in candidates(data) if one.detail.startswith("moved to "))
        there = moved.detail.removeprefix("moved to ")
        asked = len(image_requests(web))
        request = RemovalRequest(hosts=(host(web, "archive"),)) if by == "host" else RemovalRequest(urls=(there,))

        removal = remove(data, request)
        run(web, data, CORAL, retry=True)

        assert (removal.candidates, removal.pictures) == (1, 1)
        assert traces(data, moved.image_id) == ([], [], None)
        assert image_requests(web)[asked:] == []
        written = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
        assert moved.proposal.url.encode() not in written
        assert host(web, "archive").encode() not in written


def test_what_is_said_of_a_candidate_that_stays_does_not_name_a_removed_host(data):
    with serve(small_world(good=2)) as web:
        run(web, data, CORAL)
    one, other = candidates(data)
    with Manifest.open_existing(data) as manifest:
        manifest.settle([replace(one, state="rejected", reason="net.dns", detail="gone.example: no such name")])
    removal = remove(data, RemovalRequest(hosts=("gone.example",)))

    assert (removal.candidates, removal.pictures) == (0, 0)
    assert [(each.reason, each.detail) for each in candidates(data)] == [("net.dns", ""), ("", other.detail)]


@pytest.mark.parametrize(
    "written", ["Example.org", "https://example.org:8080/a", "example.org:8080", " example.org. ", "ｅｘａｍｐｌｅ.org"]
)
def test_a_host_is_removed_under_the_name_by_which_it_is_asked(data, written):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)
    remove(data, RemovalRequest(hosts=(written,)))

    with Manifest.open_existing(data) as manifest:
        assert Tombstones.of(manifest).refuse("http://example.org/robots.txt") == "host removed on request"


def test_runs_that_used_a_removed_picture_are_named(data, tmp_path):
    with serve(small_world(good=2)) as web:
        run(web, data, CORAL, per_label=2)
    victim = candidates(data)[0].image_id
    for name, text in (("used", victim), ("unused", "0" * 20)):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "split.csv").write_text(f"file,split\ncoral/{text}.jpg,train\n")

    assert remove(data, RemovalRequest(sha256s=(victim,)), runs=tmp_path / "runs").runs == ("used",)


def test_only_hashes_are_remembered(data):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)
    url = candidates(data)[0].proposal.url
    remove(data, RemovalRequest(urls=(url,), authors=("Ada Example",)))

    with Manifest.open_existing(data) as manifest:
        kept = manifest.tombstones("url") | manifest.tombstones("author") | manifest.tombstones("sha256")
    assert {len(one) for one in kept} == {64}


@pytest.mark.parametrize(
    "request_made",
    [
        RemovalRequest(),
        RemovalRequest(sha256s=("xyz",)),
        RemovalRequest(hosts=("example.org/path",)),
        RemovalRequest(hosts=("",)),
    ],
    ids=["nothing", "no hash", "a path", "empty"],
)
def test_a_request_that_cannot_be_read_changes_nothing(data, request_made):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)

    with pytest.raises(UsageError, match="Nothing was changed"):
        remove(data, request_made)

    assert [one.state for one in candidates(data)] == ["kept"]


def test_nothing_is_removed_while_a_harvest_is_under_way(data):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)

    with sole_owner(data / ".locks", "harvest"), pytest.raises(LockedError, match=r"^harvest .pid"):
        remove(data, RemovalRequest(hosts=("example.org",)))


def test_nothing_is_removed_while_a_review_shows_the_pictures(data):
    with serve(small_world(good=1)) as web:
        run(web, data, CORAL)

    with sole_owner(data / ".locks", "review"), pytest.raises(LockedError, match=r"^review .pid"):
        remove(data, RemovalRequest(hosts=("example.org",)))


def test_a_harvest_that_comes_to_its_files_waits_until_another_command_has_rewritten_its_own(data):
    with serve(small_world(good=2)) as web:
        run(web, data, CORAL)
        stray = data / "harvested" / "coral_snake" / f"{'0' * 20}.jpg"
        stray.write_bytes(b"a derived file without a row, which the last step of a harvest removes")
        held = ExitStack()
        said = []

        class Waiting(Silent):
            def say(self, line):
                said.append((line, stray.exists()))
                held.close()

        held.enter_context(exclusive_access(data / ".locks", "curate"))
        report = run(web, data, CORAL, progress=Waiting())

    assert len(said) == 1
    assert said[0][0].startswith(f"waiting for curate (pid {os.getpid()}, started ")
    assert said[0][0].endswith(") to end")
    assert said[0][1]
    assert not stray.exists()
    assert report.total.kept == 2
