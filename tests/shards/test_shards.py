"""Shards: the same bytes each time, readable by others, resumable, and safe to bring back."""

import errno
import hashlib
import importlib.util
import io
import itertools
import json
import os
import subprocess
import sys
import tarfile
import uuid

import pytest
from PIL import Image

from failing_disk import full, imgkit
from imgkit.curate.publish.metadata import COLUMNS
from imgkit.errors import IntegrityError, ResourceError, UsageError
from imgkit.manifest import Manifest
from imgkit.progress import Silent
from imgkit.shards.export import export_shards
from imgkit.shards.formats import write_shard
from imgkit.shards.plan import plan
from imgkit.shards.remote_folder import RemoteFolder
from imgkit.shards.restore import restore_shards

MIB = 2**20


def jpeg(seed, size=(32, 24)):
    file = io.BytesIO()
    Image.effect_noise(size, 60).point(lambda value: (value + seed) % 256).convert("RGB").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def curated(tmp_path):
    """A curated folder: 30 pictures under two labels, of which ten are the test's."""
    folder = tmp_path / "curated"
    rows = []
    for number in range(30):
        label = "coral_snake" if number % 2 else "king_snake"
        body = jpeg(number)
        name = f"{label}/{hashlib.sha256(body).hexdigest()[:20]}.jpg"
        (folder / label).mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
        values = dict.fromkeys(COLUMNS, "") | {
            "file_name": name,
            "label": label,
            "split": "test" if number < 10 else "train",
            "author": "Ångström, A.",
            "sha256": hashlib.sha256(body).hexdigest(),
            "width": "32",
            "height": "24",
        }
        rows.append(",".join(f'"{values[column]}"' for column in COLUMNS))
    (folder / "metadata.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def memory():
    return f"memory://{uuid.uuid4().hex}/set"


def rows_of(memory):
    """The rows of all pictures in the tars at an address in memory."""
    import fsspec

    rows = []
    for file in fsspec.open_files(f"{memory}/*.tar"):
        with file as opened, tarfile.open(fileobj=opened) as tar:
            rows += [json.loads(tar.extractfile(one).read()) for one in tar if one.name.endswith(".json")]
    return rows


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_folder_gives_the_same_shards_byte_for_byte(curated, tmp_path):
    for name in ("one", "other"):
        export_shards(curated, str(tmp_path / name), shard_bytes=8_000)

    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "other")
    assert {name.rsplit("-", 1)[0] for name in one if name.endswith(".tar")} == {"test", "train"}
    assert len(one) > 6


READ_AS_TRAINERS_DO = """
import json, sys, webdataset
for one in webdataset.WebDataset(sys.argv[1:], shardshuffle=False).decode("pil"):
    facts = {"key": one["__key__"], "label": one["cls"], "size": one["jpg"].size, "author": one["json"]["author"]}
    print(json.dumps(facts))
"""


@pytest.mark.slow
def test_another_tool_reads_labels_pictures_and_sources_from_the_tars(curated, tmp_path):
    pytest.importorskip("webdataset", reason="install it with the extra: dev")
    export_shards(curated, str(tmp_path / "set"), shard_bytes=8_000)

    index = json.loads((tmp_path / "set" / "shards.json").read_text())
    tars = sorted((tmp_path / "set").glob("train-*.tar"))
    done = subprocess.run(
        [sys.executable, "-c", READ_AS_TRAINERS_DO, *map(str, tars)], capture_output=True, text=True, check=True
    )

    read = [json.loads(line) for line in done.stdout.splitlines()]
    labels = [one["label"] for one in read]
    assert index["labels"] == ["coral_snake", "king_snake"]
    assert len(read) == 20
    assert all(one["key"].startswith(index["labels"][one["label"]] + "/") for one in read)
    assert {tuple(one["size"]) for one in read} == {(32, 24)}
    assert {one["author"] for one in read} == {"Ångström, A."}
    assert sum(one != other for one, other in itertools.pairwise(labels)) > 4  # not one label after the other


def test_every_picture_is_in_exactly_one_shard_of_its_split(curated, tmp_path):
    export_shards(curated, str(tmp_path / "set"), shard_bytes=8_000)

    found = []
    for path in (tmp_path / "set").glob("*.tar"):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".json"):
                    row = json.loads(tar.extractfile(member).read())
                    found.append((row["file_name"], row["split"], path.name.split("-")[0]))
    assert len({name for name, _, _ in found}) == len(found) == 30
    assert all(split == place for _, split, place in found)


def test_the_sums_are_those_that_sha256sum_checks(curated, tmp_path):
    export_shards(curated, str(tmp_path / "set"), shard_bytes=8_000)

    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=tmp_path / "set",
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert done.stdout.count(": OK") == len(list((tmp_path / "set").iterdir())) - 1


def test_parquet_holds_pictures_labels_and_sources(curated, memory):
    pytest.importorskip("pyarrow", reason="install it with the extra: parquet")
    import fsspec
    from pyarrow import parquet

    export_shards(curated, memory, format="parquet", shard_bytes=8_000)

    tables = [
        parquet.read_table(io.BytesIO(file.read()))
        for file in fsspec.open_files(f"{memory}/*.parquet")
        for file in [file.open()]
    ]
    rows = [row for table in tables for row in table.to_pylist()]
    features = json.loads(tables[0].schema.metadata[b"huggingface"])["info"]["features"]
    assert len(rows) == 30
    assert features["label"] == {"names": ["coral_snake", "king_snake"], "_type": "ClassLabel"}
    assert features["image"] == {"_type": "Image"}
    for row in rows:
        assert row["image"]["path"] == row["file_name"]
        assert row["image"]["bytes"] == (curated / row["file_name"]).read_bytes()
        assert features["label"]["names"][row["label"]] == row["file_name"].split("/")[0]
        assert (row["width"], row["height"]) == (32, 24)


def test_an_export_goes_on_where_it_was_interrupted(curated, memory):
    class PowerCutError(Exception):
        pass

    class Interrupting:
        def __init__(self):
            self.shards = 0

        def start(self, title, total=None): ...

        def say(self, line): ...

        def advance(self, steps=1, note=""):
            self.shards += 1
            if self.shards == 2:
                raise PowerCutError

    with pytest.raises(PowerCutError):
        export_shards(curated, memory, shard_bytes=8_000, progress=Interrupting())
    report = export_shards(curated, memory, shard_bytes=8_000)
    again = export_shards(curated, memory, shard_bytes=8_000)

    assert report.shards > 3
    assert report.written == report.shards - 2
    assert again.written == 0
    assert set(RemoteFolder(memory).sums()) == {
        shard.name for shard in plan(curated, "webdataset", shard_bytes=8_000).shards
    } | {"shards.json"}


def test_an_export_that_was_killed_while_it_wrote_its_index_begins_anew(curated, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "shards.json").write_text('{"format": "webda')

    report = export_shards(curated, str(tmp_path / "set"), shard_bytes=8_000)

    assert report.written == report.shards
    assert json.loads((tmp_path / "set" / "shards.json").read_text())["samples"] == 30


def test_the_shards_of_another_set_are_not_mixed_with_these(curated, memory):
    export_shards(curated, memory, shard_bytes=8_000)
    before = RemoteFolder(memory).sums()
    table = curated / "metadata.csv"
    table.write_text(table.read_text(encoding="utf-8").replace('"test"', '"train"'), encoding="utf-8")

    with pytest.raises(UsageError, match=r"holds the shards of another set \(30 pictures\)\. Nothing was written\."):
        export_shards(curated, memory, shard_bytes=8_000)

    assert RemoteFolder(memory).sums() == before


def test_a_changed_title_writes_its_shard_again_and_no_other(curated, memory):
    first = export_shards(curated, memory, shard_bytes=8_000)
    before = RemoteFolder(memory).sums()
    table = curated / "metadata.csv"
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    lines[1] = lines[1].replace("Ångström, A.", "Another")
    table.write_text("".join(lines), encoding="utf-8")

    second = export_shards(curated, memory, shard_bytes=8_000)
    after = RemoteFolder(memory).sums()
    third = export_shards(curated, memory, shard_bytes=8_000)

    changed = {name for name in before if before[name] != after[name]}
    assert (first.written, second.written, third.written) == (first.shards, 1, 0)
    assert set(before) == set(after)
    assert len(changed) == 2
    assert "shards.json" in changed
    assert [row["author"] for row in rows_of(memory) if row["author"] != "Ångström, A."] == ["Another"]


@pytest.mark.parametrize("moment", ["start", "advance"])
def test_a_rewriting_that_is_interrupted_leaves_no_sum_of_a_shard_that_is_old(curated, memory, moment):
    class PowerCutError(Exception):
        pass

    class Interrupting(Silent):
        def start(self, title, total=None):
            if moment == "start":
                raise PowerCutError

        def advance(self, steps=1, note=""):
            raise PowerCutError

    export_shards(curated, memory, shard_bytes=8_000)
    before = RemoteFolder(memory).sums()
    table = curated / "metadata.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("Ångström, A.", "Another"), encoding="utf-8")

    with pytest.raises(PowerCutError):
        export_shards(curated, memory, shard_bytes=8_000, progress=Interrupting())
    half = RemoteFolder(memory).sums()
    with pytest.raises(UsageError, match="was not finished"):
        restore_shards(memory, curated.parent / "back")
    report = export_shards(curated, memory, shard_bytes=8_000)

    assert len(half) == (moment == "advance")
    assert report.written == report.shards - len(half)
    assert set(RemoteFolder(memory).sums()) == set(before)
    assert {row["author"] for row in rows_of(memory)} == {"Another"}


def test_a_place_with_other_files_is_left_alone(curated, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")

    with pytest.raises(UsageError, match=r"holds files and no shards\.json"):
        export_shards(curated, str(tmp_path / "full"), shard_bytes=MIB)

    assert contents(tmp_path / "full") == {"thesis.tex": b"mine"}


def test_originals_come_back_byte_for_byte_and_what_is_there_is_left_alone(tmp_path, memory):
    originals = tmp_path / "originals"
    for number in range(12):
        body = jpeg(number)
        name = hashlib.sha256(body).hexdigest()
        (originals / name[:2]).mkdir(parents=True, exist_ok=True)
        (originals / name[:2] / f"{name}.jpg").write_bytes(body)
    (originals / name[:2] / ".tmp-1-half.jpg").write_bytes(b"half")

    export_shards(originals, memory, shard_bytes=5_000)
    first = restore_shards(memory, tmp_path / "back")
    second = restore_shards(memory, tmp_path / "back")

    expected = contents(originals)
    del expected[f"{name[:2]}/.tmp-1-half.jpg"]
    assert contents(tmp_path / "back") == expected
    assert (first, second) == (12, 0)


def test_a_damaged_shard_is_named_and_nothing_of_it_is_brought_back(curated, tmp_path):
    export_shards(curated, str(tmp_path / "set"), shard_bytes=MIB)
    shard = tmp_path / "set" / "test-000000.tar"
    body = bytearray(shard.read_bytes())
    body[700] ^= 1
    shard.write_bytes(body)

    with pytest.raises(IntegrityError, match=r"test-000000\.tar is damaged: its SHA-256 is not the one in SHA256SUMS"):
        restore_shards(str(tmp_path / "set"), tmp_path / "back")

    assert not (tmp_path / "back").exists()


def strangers_shard(place, *members):
    """Write an export of one shard with these members: (tar info, bytes)."""
    place.mkdir()
    with tarfile.open(place / "pictures-000000.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for member, body in members:
            member.size = member.size or len(body)
            tar.addfile(member, io.BytesIO(body.ljust(member.size, b"\0")) if member.isreg() else None)
    index = {"format": "webdataset", "plan": "x", "shards": [{"name": "pictures-000000.tar"}]}
    (place / "shards.json").write_text(json.dumps(index))
    sign(place)
    return str(place)


def sign(place):
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in place.iterdir() if file.is_file()}
    (place / "SHA256SUMS").write_text("".join(f"{digest}  {file}\n" for file, digest in sums.items()))


@pytest.mark.parametrize(
    "name",
    [
        *("../outside.jpg", "/etc/outside.jpg", "a/../../outside.jpg", "..\\outside.jpg", "a\\outside.jpg"),
        *("C:\\outside.jpg", "\\\\server\\share\\outside.jpg", ".ssh/outside.jpg", "a/.outside.jpg"),
        *("b/" + "x" * 256 + ".jpg", "é" * 128 + ".jpg", "./."),
    ],
)
def test_a_shard_of_somebody_else_cannot_lead_out_of_the_folder(tmp_path, name):
    url = strangers_shard(tmp_path / "set", (tarfile.TarInfo("first.jpg"), jpeg(1)), (tarfile.TarInfo(name), jpeg(2)))

    with pytest.raises(IntegrityError, match="do not trust it"):
        restore_shards(url, tmp_path / "deep" / "back")

    assert [path for path in tmp_path.rglob("*") if path.suffix == ".jpg"] == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE])
def test_links_devices_and_folders_of_a_shard_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("a.jpg")
    member.type, member.linkname = kind, "/etc/passwd"

    with pytest.raises(IntegrityError, match="is no plain file"):
        restore_shards(strangers_shard(tmp_path / "set", (member, b"")), tmp_path / "back")

    assert not (tmp_path / "back").exists()


def test_what_is_no_picture_is_not_brought_back(tmp_path):
    url = strangers_shard(tmp_path / "set", (tarfile.TarInfo("authorized_keys"), b"ssh-rsa AAAA"))

    with pytest.raises(IntegrityError, match="'authorized_keys', which is no picture"):
        restore_shards(url, tmp_path / "back")


def test_a_picture_of_a_size_that_no_picture_has_is_refused_before_it_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("imgkit.shards.restore.LARGEST_PICTURE_BYTES", 10_000)
    member = tarfile.TarInfo("a.jpg")
    member.size = 10_001

    with pytest.raises(IntegrityError, match=r"'a\.jpg', which has 10,001 bytes"):
        restore_shards(strangers_shard(tmp_path / "set", (member, jpeg(1))), tmp_path / "back")


def test_a_sparse_file_that_unpacks_to_gigabytes_is_refused(tmp_path):
    member = tarfile.TarInfo("a.jpg")
    member.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**33)}
    url = strangers_shard(tmp_path / "set", (member, b"1\n0\n512\n".ljust(512, b"\0") + jpeg(1)))

    with pytest.raises(IntegrityError, match="is no plain file"):
        restore_shards(url, tmp_path / "back")


@pytest.mark.parametrize("name", ["../set.tar", "/etc/x.tar", "a/b.tar", ".tar", "x.zip", 5, None, ["x.tar"]])
def test_an_index_that_names_no_shards_is_refused(tmp_path, name):
    url = strangers_shard(tmp_path / "set", (tarfile.TarInfo("a.jpg"), jpeg(1)))
    (tmp_path / "set" / "shards.json").write_text(
        json.dumps({"format": "webdataset", "plan": "x", "shards": [{"name": name}]})
    )
    sign(tmp_path / "set")

    with pytest.raises(UsageError, match=r"names what are no tar shards|was not finished"):
        restore_shards(url, tmp_path / "back")


def test_a_shard_that_is_no_tar_is_one_sentence(tmp_path):
    url = strangers_shard(tmp_path / "set", (tarfile.TarInfo("a.jpg"), jpeg(1)))
    (tmp_path / "set" / "pictures-000000.tar").write_bytes(b"no tar at all" * 100)
    sign(tmp_path / "set")

    with pytest.raises(IntegrityError, match="is no tar"):
        restore_shards(url, tmp_path / "back")


def test_a_name_of_255_bytes_is_packed_and_brought_back(tmp_path, memory):
    name = "é" * 125 + "a.jpg"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / name).write_bytes(jpeg(1))

    export_shards(tmp_path / "photos", memory, shard_bytes=MIB)

    assert len(name.encode()) == 255
    assert restore_shards(memory, tmp_path / "back") == 1
    assert contents(tmp_path / "back") == contents(tmp_path / "photos")


def test_a_picture_that_is_there_with_other_bytes_of_the_same_size_is_replaced(tmp_path, memory):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(jpeg(1))
    export_shards(tmp_path / "photos", memory, shard_bytes=MIB)
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "a.jpg").write_bytes(b"x" * (tmp_path / "photos" / "a.jpg").stat().st_size)

    assert (restore_shards(memory, tmp_path / "back"), restore_shards(memory, tmp_path / "back")) == (1, 0)
    assert contents(tmp_path / "back") == contents(tmp_path / "photos")


def test_nothing_is_brought_back_through_a_link(tmp_path, memory):
    (tmp_path / "photos" / "coral").mkdir(parents=True)
    (tmp_path / "photos" / "coral" / "a.jpg").write_bytes(jpeg(1))
    export_shards(tmp_path / "photos", memory, shard_bytes=MIB)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "back").mkdir()
    (tmp_path / "back" / "coral").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ResourceError, match="coral is a link, which is not followed"):
        restore_shards(memory, tmp_path / "back")

    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_an_export_that_was_not_finished_is_not_brought_back(curated, tmp_path):
    export_shards(curated, str(tmp_path / "set"), shard_bytes=8_000)
    sums = tmp_path / "set" / "SHA256SUMS"
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[:-2]))

    with pytest.raises(UsageError, match="was not finished"):
        restore_shards(str(tmp_path / "set"), tmp_path / "back")


@pytest.mark.parametrize(
    ("folder", "url", "options", "sentence"),
    [
        ("nothing", "memory://empty/place", {}, "no pictures in"),
        ("curated", "dask+nonsense://x", {}, "is no address for shards"),
        ("curated", "s3://bucket/set", {}, "needs a package"),
        ("pictures", "memory://empty/place", {"format": "parquet"}, "has no metadata.csv"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(curated, tmp_path, folder, url, options, sentence):
    if url.startswith("s3:") and importlib.util.find_spec("s3fs"):
        pytest.skip("s3fs is installed here")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.jpg").write_bytes(jpeg(1))

    with pytest.raises(UsageError, match=sentence):
        export_shards(tmp_path / folder, url, shard_bytes=MIB, **options)


def test_a_place_that_cannot_be_written_is_one_sentence(curated, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises((ResourceError, UsageError), match="file"):
        export_shards(curated, str(tmp_path / "file" / "set"), shard_bytes=MIB)


@pytest.mark.parametrize(
    "name", ["../victim/id_rsa", "/etc/passwd", "coral_snake/link.jpg", "king_snake/key.jpg", "pipe.jpg"]
)
@pytest.mark.parametrize("form", ["webdataset", "parquet"])
def test_a_row_of_a_stranger_packs_nothing_but_pictures_of_the_folder(curated, tmp_path, memory, name, form):
    (tmp_path / "victim").mkdir()
    (tmp_path / "victim" / "id_rsa").write_text("PRIVATE KEY")
    (curated / "coral_snake" / "link.jpg").symlink_to(tmp_path / "victim" / "id_rsa")
    (curated / "king_snake" / "key.jpg").write_text("PRIVATE KEY")
    os.mkfifo(curated / "pipe.jpg")
    with (curated / "metadata.csv").open("a", encoding="utf-8") as file:
        file.write(f"{name},coral_snake,train{',' * (len(COLUMNS) - 3)}\n")

    with pytest.raises(UsageError, match=r"Nothing was (changed|written)\."):
        export_shards(curated, memory, format=form, shard_bytes=MIB)

    assert RemoteFolder(memory).names() == set()


def test_a_plain_folder_gives_its_pictures_whatever_they_are_called_and_nothing_else(tmp_path, memory):
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(jpeg(1))
    (folder / "b.dat").write_bytes(jpeg(2))
    (folder / "key.jpg").write_text("PRIVATE KEY")
    (folder / "link.jpg").symlink_to(folder / "a.jpg")
    os.mkfifo(folder / "pipe.jpg")

    report = export_shards(folder, memory, shard_bytes=MIB)
    restore_shards(memory, tmp_path / "back")

    assert (report.files.seen, report.files.used) == (5, 2)
    assert report.files.left_out_by_reason == {"fs.link": 1, "fs.device": 1, "body.not_image": 1}
    assert set(contents(tmp_path / "back")) == {"a.jpg", "b.dat"}


def test_a_picture_that_becomes_a_link_after_it_was_listed_is_not_packed(curated, tmp_path):
    made = plan(curated, "webdataset", shard_bytes=MIB)
    picture = made.shards[0].samples[0].path
    picture.unlink()
    picture.symlink_to("/etc/passwd")

    with pytest.raises(ResourceError, match=picture.name):
        write_shard(made, made.shards[0], tmp_path / "x.tar")


def test_pictures_without_a_row_are_packed_as_training_reads_them(curated, memory):
    (curated / "king_snake" / "mine.jpg").write_bytes(jpeg(99))

    report = export_shards(curated, memory, shard_bytes=MIB)

    assert (report.samples, report.files.seen, report.files.beside) == (31, 32, 1)
    assert [row for row in rows_of(memory) if "sha256" not in row] == [
        {"file_name": "king_snake/mine.jpg", "label": "king_snake"}
    ]


@pytest.mark.slow
def test_the_command_writes_shards_and_brings_them_back(curated, tmp_path):
    def imgkit(*arguments):
        command = [sys.executable, "-m", "imgkit", "shards", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    written = imgkit(curated, tmp_path / "set", "--json")
    back = imgkit(tmp_path / "set", tmp_path / "back", "--restore")
    refused = imgkit(curated, tmp_path / "other", "--format", "zip")

    assert json.loads(written.stdout)["samples"] == 30
    assert json.loads(written.stdout)["metadata_copied"] is False
    assert back.stdout.startswith("30 pictures were brought back")
    assert (refused.returncode, refused.stderr.strip()) == (
        2,
        "imgkit shards: --format zip is not known. Nothing was written. Choose one of webdataset, parquet.",
    )


def test_shards_of_a_plain_folder_copy_metadata_and_say_so(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "one.jpg").write_bytes(jpeg(1)[:2] + b"\xff\xfe\x00\x08Jo Doe" + jpeg(1)[2:])

    report = export_shards(tmp_path / "mine", str(tmp_path / "set"), shard_bytes=MIB)
    command = [sys.executable, "-m", "imgkit", "shards", str(tmp_path / "mine"), str(tmp_path / "again")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert report.metadata_copied is True
    assert b"Jo Doe" in (tmp_path / "set" / "pictures-000000.tar").read_bytes()
    assert "copied as they are, with whatever they say about place, device and author" in " ".join(said.split())


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, "fs.read"), (errno.EACCES, "fs.permission")])
def test_a_picture_that_cannot_be_read_ends_the_export_and_the_next_one_goes_on(
    curated, tmp_path, monkeypatch, number, code
):
    broken = sorted(curated.glob("coral_snake/*.jpg"))[0]
    real = os.open

    def failing(path, *options):
        if path == broken and options[0] & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        with pytest.raises(ResourceError) as stopped:
            export_shards(curated, str(tmp_path / "shards"), shard_bytes=MIB)

    assert (stopped.value.code, stopped.value.exit_code) == (code, 4)
    assert export_shards(curated, str(tmp_path / "shards"), shard_bytes=MIB).samples == 30


def test_a_folder_of_pictures_that_cannot_be_listed_is_not_left_out(tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / "plain" / name).mkdir(parents=True)
        (tmp_path / "plain" / name / "1.jpg").write_bytes(jpeg(1))
    real = os.scandir

    def failing(path="."):
        if str(path).endswith("plain/b"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", failing)

    with pytest.raises(ResourceError, match="no permission to read"):
        export_shards(tmp_path / "plain", str(tmp_path / "shards"), shard_bytes=MIB)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["there", "back"])
def test_no_room_for_temporary_files_is_one_sentence_and_nothing_is_half_written(curated, tmp_path, way):
    (temporary := tmp_path / "temporary").mkdir()
    place, back = tmp_path / "shards", tmp_path / "back"
    command = ["shards", curated, place] if way == "there" else ["shards", "--restore", place, back]
    if way == "back":
        export_shards(curated, str(place), shard_bytes=MIB)

    said = imgkit(*command, TMPDIR=str(temporary), **full(tmp_path, temporary, first=2))

    assert said.returncode == 4
    (sentence,) = (line for line in said.stderr.splitlines() if line.startswith("imgkit shards: "))
    assert sentence.startswith(f"imgkit shards: disk full while writing {temporary}/imgkit-shards-")
    assert "Free space there, or set TMPDIR to another folder, and run the same command again" in sentence
    assert "Traceback" not in said.stderr
    assert (way == "there") == (list(place.glob("*.tar")) == [])
    assert not back.exists()
    assert list(temporary.iterdir()) == []
    assert imgkit(*command).returncode == 0


def test_a_password_in_the_address_of_shards_is_shown_and_kept_nowhere(curated, tmp_path):
    Manifest.open(tmp_path).close()
    url = f"memory://me:hunter22@{uuid.uuid4().hex}/set"

    report = export_shards(curated, url, shard_bytes=MIB)
    back = restore_shards(url, tmp_path / "back")
    with pytest.raises(UsageError) as refused:
        export_shards(tmp_path / "back", url, shard_bytes=MIB)
    with pytest.raises(UsageError) as unknown:
        RemoteFolder("nowhere://me:hunter22@host/set?token=abcdefg")

    assert (report.samples, back) == (30, 30)
    assert report.url == url.replace("me:hunter22", "…")
    assert [
        secret for secret in ("hunter22", "abcdefg") for one in (refused, unknown) if secret in str(one.value)
    ] == []
    with Manifest.open_existing(tmp_path) as manifest:
        assert [run["url"] for run in manifest.runs("shards")] == [report.url]
    assert b"hunter22" not in b"".join(path.read_bytes() for path in tmp_path.glob("manifest.db*"))
