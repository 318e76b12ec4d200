"""Shards: the same bytes each time, readable by others, resumable, and safe to bring back."""

import hashlib
import importlib.util
import io
import itertools
import json
import subprocess
import sys
import tarfile
import uuid

import pytest
from PIL import Image

from imgkit.curate.metadata import COLUMNS
from imgkit.errors import IntegrityError, ResourceError, UsageError
from imgkit.shards.export import export_shards
from imgkit.shards.place import Place
from imgkit.shards.plan import plan
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
    assert set(Place(memory).sums()) == {
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
    before = Place(memory).sums()
    table = curated / "metadata.csv"
    table.write_text(table.read_text(encoding="utf-8").replace('"test"', '"train"'), encoding="utf-8")

    with pytest.raises(UsageError, match=r"holds the shards of another set \(30 pictures\)\. Nothing was written\."):
        export_shards(curated, memory, shard_bytes=8_000)

    assert Place(memory).sums() == before


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


@pytest.mark.parametrize("name", ["../outside.jpg", "/etc/outside.jpg", "a/../../outside.jpg"])
def test_a_shard_of_somebody_else_cannot_lead_out_of_the_folder(tmp_path, name):
    place = tmp_path / "set"
    place.mkdir()
    with tarfile.open(place / "pictures-000000.tar", "w") as tar:
        member = tarfile.TarInfo(name)
        member.size = 4
        tar.addfile(member, io.BytesIO(b"evil"))
    index = {"format": "webdataset", "plan": "x", "shards": [{"name": "pictures-000000.tar"}]}
    (place / "shards.json").write_text(json.dumps(index))
    sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in place.iterdir()}
    (place / "SHA256SUMS").write_text("".join(f"{digest}  {file}\n" for file, digest in sums.items()))

    with pytest.raises(IntegrityError, match="do not trust it"):
        restore_shards(str(place), tmp_path / "deep" / "back")

    assert list(tmp_path.rglob("outside.jpg")) == []


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


def test_the_command_writes_shards_and_brings_them_back(curated, tmp_path):
    def imgkit(*arguments):
        command = [sys.executable, "-m", "imgkit", "shards", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    written = imgkit(curated, tmp_path / "set", "--json")
    back = imgkit(tmp_path / "set", tmp_path / "back", "--restore")
    refused = imgkit(curated, tmp_path / "other", "--format", "zip")

    assert json.loads(written.stdout)["samples"] == 30
    assert back.stdout.startswith("30 pictures were brought back")
    assert (refused.returncode, refused.stderr.strip()) == (
        2,
        "imgkit shards: --format zip is not known. Nothing was written. Choose one of webdataset, parquet.",
    )
