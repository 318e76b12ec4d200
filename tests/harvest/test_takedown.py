"""A takedown takes down: after a removal nothing below the data folder holds the picture, its author or its address."""

import gzip
import html
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from urllib.parse import quote, urlsplit

import pytest
from harvesting import CORAL, KING, candidates, image_requests, run

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate, undo
from imgkit.curate.publish.report import _thumbnail
from imgkit.demo.builder import WorldBuilder
from imgkit.demo.web.server import serve
from imgkit.demo.world import Host
from imgkit.errors import ResourceError
from imgkit.escaping import markdown_link, markdown_text
from imgkit.harvest.remove import RemovalRequest, remove
from imgkit.manifest import Decision, Manifest, purge
from imgkit.shards.export import export_shards

AUTHOR, TITLE = "Zora Quill-Ångström", "The viper of <Überlingen> & I"


def world():
    """Eight pictures of others, and one of Zora's in three places: as it is, the same bytes, and smaller."""
    builder = WorldBuilder(hosts=[Host(name="photos"), Host(name="archive"), Host(name="zora")], spread=1)
    everywhere = ("openverse", "bing")
    for number in range(8):
        builder.add("coral_snake" if number % 2 else "king_snake", host="photos", providers=everywhere)
    hers = builder.add("coral_snake", host="zora", providers=everywhere)
    builder.exact_copy(hers, host="archive", providers=("bing",))
    builder.near_copy(hers, "smaller", listed_as="king_snake", host="archive", providers=("openverse",))
    made = builder.build()
    pictures = [
        replace(one, author=AUTHOR, title=TITLE, license="by") if hers.id in (one.id, one.copy_of) else one
        for one in made.pictures
    ]
    return replace(made, pictures=tuple(pictures)), hers.id


class Place:
    """A data folder with everything in it that may hold a trace."""

    def __init__(self, web, data, victim):
        self.web, self.data = web, data
        self.harvest()
        hers = [one for one in candidates(data) if web.truth(one.proposal.url).author == AUTHOR]
        self.victim = next(one for one in hers if web.truth(one.proposal.url).id == victim and one.proposal.author)
        self.hers = hers
        self.ids = {one.image_id for one in hers if one.image_id}
        with Manifest.open_existing(data) as manifest:
            self.images = [manifest.image(each) for each in self.ids]
            manifest.decide(
                [Decision(image_id=self.victim.image_id, label="coral_snake", action="keep", actor="person")]
            )
        curate(CurateConfig(data=data, weights="none", policy="keep"))
        self.leave_traces()
        curate(CurateConfig(data=data, weights="none", policy="keep", seed=1))
        self.leave_leftovers()
        self.needles = {**self.texts(), **self.bytes_()}

    def harvest(self, **more):
        return run(self.web, self.data, CORAL, KING, providers=("bing", "openverse"), **more)

    def files(self):
        return [path for image_id in self.ids for path in self.data.glob(f"*/*/{image_id}*.*")]

    def leave_traces(self):
        """Copies by a person, thumbnails, a half-written file of a process that was killed."""
        (picture,) = self.data.glob(f"harvested/coral_snake/{self.victim.image_id}.jpg")
        shutil.copyfile(picture, self.data / "curated" / "coral_snake" / "my favourite.jpg")
        (self.data / "exports").mkdir()
        shutil.copyfile(picture, self.data / "exports" / "for a friend.bin")
        (self.data / "cache" / "thumbs").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(picture, self.data / "cache" / "thumbs" / "1.webp")
        (original,) = self.data.glob(f"originals/*/{self.victim.image_id}*")
        (original.parent / f".tmp-99-{original.name}").write_bytes(original.read_bytes()[:-100])

    def leave_leftovers(self):
        """What a killed curate and a migration leave behind."""
        for name in (".curated-next", ".curated-trash-77", ".curated-aside"):
            shutil.copytree(self.data / "curated", self.data / name)
        with Manifest.open_existing(self.data) as manifest:
            manifest.connection.backup(self.data / "manifest.db.schema5.backup")

    def texts(self):
        found = self.victim.proposal
        texts = {"author": AUTHOR, "title": TITLE, "url": found.url, "page": found.page_url}
        texts |= {f"url of copy {number}": one.proposal.url for number, one in enumerate(self.hers)}
        texts |= {"host": urlsplit(found.url).netloc}
        forms = (
            str,
            markdown_text,
            markdown_link,
            html.escape,
            quote,
            lambda text: json.dumps(text)[1:-1],
            str.casefold,
        )
        return {
            f"{name}, form {n}": form(text).encode()
            for name, text in texts.items()
            for n, form in enumerate(forms)
            if form(text)  # in Markdown, what is no address is no link
        }

    def bytes_(self):
        found = {}
        for number, path in enumerate(self.files()):
            body = path.read_bytes()
            found[f"bytes {number}"] = body[len(body) // 2 :][:200]
            if path.suffix == ".jpg":
                found[f"thumbnail {number}"] = _thumbnail(path)[-300:].encode()
        return found

    def traces(self):
        """What is found, and in which file; packed files are looked into."""
        found = []
        for path in (each for each in self.data.rglob("*") if each.is_file()):
            body = path.read_bytes()
            body = gzip.decompress(body) if path.suffix == ".gz" else body
            found += [
                (name, str(path.relative_to(self.data))) for name, needle in self.needles.items() if needle in body
            ]
            if path.stem in self.ids:
                found.append(("name", str(path.relative_to(self.data))))
        return found


@pytest.fixture
def place(tmp_path):
    built, victim = world()
    with serve(built) as web:
        yield Place(web, tmp_path / "data", victim)


def request(place, by):
    found = place.victim.proposal
    return {
        "address": RemovalRequest(urls=(found.url,)),
        "page": RemovalRequest(urls=(found.page_url,)),
        "author": RemovalRequest(authors=(AUTHOR,)),
        "host": RemovalRequest(hosts=(urlsplit(found.url).hostname,)),
        "hash": RemovalRequest(sha256s=(place.victim.image_id,)),
    }[by]


def test_before_a_removal_every_trace_is_there(place):
    found = {name.split(",")[0].split()[0] for name, _ in place.traces()}
    files = {file.split("/")[0] for _, file in place.traces()}

    assert found == {"author", "title", "url", "page", "host", "bytes", "thumbnail", "name"}
    assert files >= {
        *("originals", "harvested", "curated", ".curated-previous", ".curated-next", ".curated-aside", "cache"),
        *("exports", ".curated-trash-77", "manifest.db", "manifest.csv", "manifest.db.schema5.backup"),
    }


@pytest.mark.parametrize("by", ["address", "page", "author", "host", "hash"])
def test_after_a_removal_nothing_is_left_but_hashes(place, by):
    removal = remove(place.data, request(place, by))

    assert place.traces() == []
    assert (removal.pictures, removal.candidates) == (len(place.ids), len(place.hers))
    assert removal.copies == (0 if by == "author" else 1)
    with Manifest.open_existing(place.data) as manifest:
        kinds = {kind: manifest.tombstones(kind) for kind in ("url", "host", "author", "sha256")}
        assert {len(value) for values in kinds.values() for value in values} == {64}
        assert {image.sha256 for image in place.images} <= kinds["sha256"]
        assert manifest.connection.check() == "ok"
        assert manifest.connection.read("PRAGMA freelist_count")[0][0] == 0


def test_after_a_removal_an_undo_a_curate_and_a_harvest_bring_nothing_back(place):
    shutil.rmtree(place.data / ".curated-aside")  # it stands for a set that is there only while an undo exchanges two
    remove(place.data, request(place, "address"))
    config = CurateConfig(data=place.data, weights="none", policy="keep")

    assert undo(config)
    assert place.traces() == []
    curate(config)
    assert place.traces() == []
    undo(config)
    assert place.traces() == []
    asked = len(image_requests(place.web))
    place.harvest(retry=True)
    again = {one.target for one in image_requests(place.web)[asked:]}
    curate(config)

    assert place.traces() == []
    assert not any(urlsplit(one.proposal.url).path in again for one in place.hers)
    removed = [one for one in candidates(place.data) if one.reason == "policy.removed"]
    assert len(removed) == len(place.hers)


def test_a_service_that_proposes_the_picture_elsewhere_does_not_bring_its_author_back(place):
    remove(place.data, request(place, "hash"))
    with closing(sqlite3.connect(place.data / "manifest.db")) as db:  # as if it were proposed under new addresses
        for rows in ("tombstone WHERE kind='url'", "candidate WHERE reason='policy.removed'", "search"):
            db.execute(f"DELETE FROM {rows}")
        db.commit()

    place.harvest()

    assert {one.reason for one in candidates(place.data) if one.state == "rejected"} >= {"policy.removed"}
    # the host was asked again, so its robots.txt is known again
    assert [trace for trace in place.traces() if not trace[0].startswith("host")] == []


def test_pictures_of_others_stay_as_they_were(place):
    others = {
        path: path.read_bytes()
        for path in place.data.rglob("*.jpg")
        if path.parts[-3] in ("harvested", "curated", ".curated-previous")
        and path.stem not in place.ids
        and path.stem != "my favourite"
    }
    remove(place.data, request(place, "address"))

    assert {path: path.read_bytes() for path in others} == others
    for table in place.data.glob("*curated*/metadata.csv"):
        assert len(table.read_text().splitlines()) == 1 + len(list(table.parent.glob("*/*.jpg")))
        credits = (table.parent / "ATTRIBUTION.md").read_text().splitlines()
        count = len(list(table.parent.glob("*/*.jpg")))
        assert sum(line.startswith("- `") for line in credits) == count
        assert credits[2].startswith(f"{count} pictures, ")


def test_a_removal_that_was_cut_short_is_finished_by_the_next_command(place, monkeypatch):
    shutil.rmtree(place.data / ".curated-aside")

    def full(path):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(purge, "sync_folder", full)
        with pytest.raises(ResourceError):
            remove(place.data, request(place, "address"))
    with monkeypatch.context() as patched:
        patched.setattr(purge, "finish", lambda manifest: 0)
        remove(place.data, RemovalRequest(authors=("nobody at all",)))
    assert place.traces() != []

    curate(CurateConfig(data=place.data, weights="none", policy="keep"))

    assert place.traces() == []


def test_runs_and_shards_that_hold_the_picture_are_named(place, tmp_path):
    shutil.rmtree(place.data / ".curated-aside")
    (tmp_path / "runs" / "used").mkdir(parents=True)
    (tmp_path / "runs" / "used" / "split.csv").write_text(f"coral_snake/{place.victim.image_id}.jpg,train\n")
    holding, without = tmp_path / "shards 1", tmp_path / "shards 2"
    export_shards(place.data / "curated", str(holding), shard_bytes=2**20)
    removal = remove(place.data, request(place, "author"), runs=tmp_path / "runs")
    curate(CurateConfig(data=place.data, weights="none", policy="keep"))
    export_shards(place.data / "curated", str(without), shard_bytes=2**20)
    later = remove(place.data, request(place, "author"), runs=tmp_path / "runs")

    assert (removal.runs, removal.shards) == (("used",), (str(holding),))
    assert (later.runs, later.shards) == ((), ())
