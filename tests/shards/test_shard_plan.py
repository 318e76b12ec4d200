"""How pictures are cut into shards, and what lies in one: exact values."""

import hashlib
import json
import os
import tarfile

import pytest

from imgkit.shards.export import export_shards
from imgkit.shards.formats import write_shard
from imgkit.shards.plan import plan
from imgkit.shards.remote_folder import RemoteFolder

PICTURE = b"\x89PNG\r\n\x1a\n" + b"x" * 92  # 100 bytes that begin as a picture does


@pytest.fixture
def folder(tmp_path):
    """Return a function that makes a folder of files of 100 bytes, with a table where rows are given."""

    def make(*names, rows=None, size=100):
        root = tmp_path / "pictures"
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(PICTURE.ljust(size, b"y"))
        if rows:
            (root / "metadata.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
        return root

    return make


def cut(made):
    return [(shard.name, [one.name for one in shard.samples]) for shard in made.shards]


@pytest.mark.parametrize(
    ("most", "counts"),
    [(1, [1, 1, 1, 1, 1]), (199, [1, 1, 1, 1, 1]), (200, [2, 2, 1]), (499, [4, 1]), (500, [5]), (9999, [5])],
)
def test_a_shard_holds_as_many_pictures_as_fit_and_one_at_least(folder, most, counts):
    made = plan(folder("a.png", "b.png", "c.png", "d.png", "e.png"), "webdataset", shard_bytes=most)

    assert [len(shard.samples) for shard in made.shards] == counts
    assert [shard.name for shard in made.shards] == [f"pictures-{number:06d}.tar" for number in range(len(counts))]


def test_pictures_are_in_the_order_of_the_hashes_of_their_names(folder):
    names = [f"{letter}/{number}.png" for letter in "ab" for number in range(5)]

    ((_, order),) = cut(plan(folder(*names), "webdataset", shard_bytes=10_000))

    assert order == sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    assert order != sorted(names)


def test_each_split_has_its_own_shards_and_a_label_its_number(folder):
    rows = [
        "file_name,label,split",
        "king/a.png,king,train",
        "coral/b.png,coral,Validation",
        "coral/c.png,coral,",
        "king/d.png,king,test",
    ]
    made = plan(
        folder("king/a.png", "coral/b.png", "coral/c.png", "king/d.png", rows=rows), "webdataset", shard_bytes=10_000
    )

    assert made.labels == ("coral", "king")
    assert cut(made) == [
        ("pictures-000000.tar", ["coral/c.png"]),
        ("test-000000.tar", ["king/d.png"]),
        ("train-000000.tar", ["king/a.png"]),
        ("validation-000000.tar", ["coral/b.png"]),
    ]


def test_a_tar_holds_the_picture_the_number_of_its_label_and_its_row_and_nothing_of_this_machine(folder, tmp_path):
    rows = ["file_name,label,title", "king/a.png,king,Ängström", "coral/b.png,coral,"]
    made = plan(folder("king/a.png", "coral/b.png", rows=rows), "webdataset", shard_bytes=10_000)

    write_shard(made, made.shards[0], tmp_path / "x.tar")

    with tarfile.open(tmp_path / "x.tar") as tar:
        members = tar.getmembers()
        held = {member.name: tar.extractfile(member).read() for member in members}
    assert sorted(held) == ["coral/b.cls", "coral/b.json", "coral/b.png", "king/a.cls", "king/a.json", "king/a.png"]
    assert (held["coral/b.cls"], held["king/a.cls"], held["king/a.png"]) == (b"0", b"1", PICTURE)
    assert held["king/a.json"].decode() == '{"file_name": "king/a.png", "label": "king", "title": "Ängström"}'
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}


def test_the_index_says_what_is_where_and_the_report_what_was_written(folder, tmp_path):
    rows = ["file_name,label,split", "king/a.png,king,train", "coral/b.png,coral,train", "coral/c.png,coral,test"]
    root = folder("king/a.png", "coral/b.png", "coral/c.png", rows=rows)

    report = export_shards(root, str(tmp_path / "set"), shard_bytes=100)

    index = json.loads((tmp_path / "set" / "shards.json").read_text())
    tars = sorted((tmp_path / "set").glob("*.tar"))
    assert (index["format"], index["labels"], index["samples"]) == ("webdataset", ["coral", "king"], 3)
    assert [(one["name"], one["split"], one["samples"]) for one in index["shards"]] == [
        ("test-000000.tar", "test", 1),
        ("train-000000.tar", "train", 1),
        ("train-000001.tar", "train", 1),
    ]
    assert (report.shards, report.written, report.samples, report.format) == (3, 3, 3, "webdataset")
    assert report.size == sum(path.stat().st_size for path in tars)
    assert [path.name for path in tars] == [one["name"] for one in index["shards"]]


def test_a_shard_that_was_deleted_is_written_again_and_the_others_are_not(folder, tmp_path):
    root = folder("a.png", "b.png", "c.png")
    export_shards(root, str(tmp_path / "set"), shard_bytes=100)
    before = {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir()}
    (tmp_path / "set" / "pictures-000001.tar").unlink()

    report = export_shards(root, str(tmp_path / "set"), shard_bytes=100)

    assert (report.shards, report.written) == (3, 1)
    assert report.size == len(before["pictures-000001.tar"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "set").iterdir() if path.suffix == ".tar"} == {
        name: body for name, body in before.items() if name.endswith(".tar")
    }


def test_sums_are_written_after_each_shard_and_the_index_comes_last(folder, tmp_path, monkeypatch):
    written = []
    put, write = RemoteFolder.put, RemoteFolder.write
    monkeypatch.setattr(
        RemoteFolder, "put", lambda self, source, name: (written.append(name), put(self, source, name))[1]
    )

    def watched(self, name, data):
        written.append(
            (name, [line.split()[1] for line in data.decode().splitlines()]) if name == "SHA256SUMS" else name
        )
        write(self, name, data)

    monkeypatch.setattr(RemoteFolder, "write", watched)

    export_shards(folder("a.png", "b.png"), str(tmp_path / "set"), shard_bytes=100)

    one, two = "pictures-000000.tar", "pictures-000001.tar"
    assert written == [
        "shards.json",
        one,
        ("SHA256SUMS", [one]),
        two,
        ("SHA256SUMS", [one, two]),
        ("SHA256SUMS", [one, two, "shards.json"]),
    ]


@pytest.mark.parametrize("change", ["size", "row", "label"])
def test_the_plan_differs_when_another_file_would_be_written_and_else_it_does_not(folder, change):
    rows = ["file_name,label,title", "king/a.png,king,x", "coral/b.png,coral,y"]
    first = plan(folder("king/a.png", "coral/b.png", rows=rows), "webdataset", shard_bytes=10_000)
    again = plan(folder("king/a.png", "coral/b.png", rows=rows), "webdataset", shard_bytes=10_000)
    other = plan(
        {
            "size": lambda: folder("king/a.png", "coral/b.png", rows=rows, size=101),
            "row": lambda: folder("king/a.png", "coral/b.png", rows=[*rows[:2], "coral/b.png,coral,z"]),
            "label": lambda: folder("king/a.png", "coral/b.png", rows=[*rows[:2], "coral/b.png,milk,y"]),
        }[change](),
        "webdataset",
        shard_bytes=10_000,
    )

    assert first.digest == again.digest != other.digest
    assert len(first.digest) == 64


def test_a_place_lists_its_files_by_name_and_none_where_it_is_not_there(tmp_path):
    place = RemoteFolder(str(tmp_path / "set"))

    assert (place.names(), place.index(), place.sums()) == (set(), None, {})
    place.write("a.txt", b"1")
    place.write("SHA256SUMS", f"{'a' * 64}  b.tar\n{'b' * 64}  c.tar\nnonsense\n".encode())
    assert place.names() == {"a.txt", "SHA256SUMS"}
    assert place.sums() == {"b.tar": "a" * 64, "c.tar": "b" * 64}
    place.get("a.txt", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"1"


def test_a_table_with_odd_columns_and_sizes_becomes_parquet(folder, tmp_path):
    pytest.importorskip("pyarrow", reason="install it with the extra: parquet")
    from pyarrow import parquet

    name = os.fsdecode(b"caf\xe9")
    root = folder("king/a.png", f"coral/{name}.png", "king/mine.png", rows=["x"])
    (root / "metadata.csv").write_bytes(
        b"file_name,label,width,height,image,more\nking/a.png,king,12,abc,zzz,1\ncoral/caf\xe9.png,coral,99999999999,7\n"
    )

    export_shards(root, str(tmp_path / "set"), format="parquet", shard_bytes=10_000)

    rows = parquet.read_table(tmp_path / "set" / "pictures-000000.parquet").to_pylist()
    found = {row["file_name"]: (row["label"], row["width"], row["height"], row["more"]) for row in rows}
    assert found == {
        "king/a.png": (1, 12, None, "1"),
        "coral/caf\\udce9.png": (0, None, 7, ""),
        "king/mine.png": (1, None, None, ""),
    }
    assert {row["image"]["path"] for row in rows} == set(found)
