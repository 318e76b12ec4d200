import csv
import hashlib
import io
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from drawn_photos import photo
from harvest_builder import HarvestBuilder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ImageOps

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate, undo
from imgkit.dataset.folder import scan
from imgkit.errors import UsageError
from imgkit.manifest.summary import summarise
from imgkit.progress import Silent
from imgkit.shards.plan import plan as shards_plan
from imgkit.vision import resize


@pytest.fixture
def curated(builder):
    """A curated set of two labels with five pictures each, and the settings that made it."""
    for number, label in enumerate(("coral", "king")):
        for seed in range(5):
            builder.add(label, photo(100 * number + seed))
    config = CurateConfig(data=builder.folder.root, weights="none")
    curate(config)
    return config


def files_of(folder, label):
    return sorted((folder.curated / label).iterdir())


def names_of(folder, label):
    return {path.name for path in files_of(folder, label)}


def decided(builder, file):
    """The decision in force for the picture that a file shows, as (action, label it goes to, how)."""
    for (label, image_id), one in builder.manifest.current_decisions().items():
        if image_id == file.stem:
            return one.action, one.to_label, one.command, label
    return None


def test_a_deleted_picture_is_rejected_and_does_not_come_back(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    file.unlink()

    report = curate(curated)

    assert decided(builder, file) == ("reject", "", "by hand", "coral")
    assert file.name not in names_of(builder.folder, "coral")
    assert report.edits["deleted"] == 1
    assert builder.folder.harvested_file("coral", file.stem).exists()


def test_a_moved_picture_gets_the_label_of_its_new_folder(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    file.rename(builder.folder.curated / "king" / file.name)

    report = curate(curated)

    assert decided(builder, file) == ("relabel", "king", "by hand", "coral")
    assert file.name in names_of(builder.folder, "king")
    assert (report.labels[0].moved_out, report.labels[1].moved_in) == (1, 1)


def test_a_picture_that_is_moved_back_has_its_own_label_again(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    file.rename(builder.folder.curated / "king" / file.name)
    curate(curated)
    (builder.folder.curated / "king" / file.name).rename(file)

    curate(curated)

    assert decided(builder, file)[0] == "keep"
    assert file.name in names_of(builder.folder, "coral")


def yes(question):
    return True


def jpeg(seed, **options):
    return resize.jpeg_bytes(photo(seed, **options))


def rows_of(folder):
    with (folder.curated / "metadata.csv").open(newline="", encoding="utf-8") as file:
        return {row["file_name"]: row for row in csv.DictReader(file)}


def all_say_the_same(builder, report):
    """What training reads, the table, the report, the shards and the manifest count: one set."""
    folder = builder.folder
    read = scan(folder.curated, cache=folder.cache, progress=Silent(), fewest_labels=1)
    rows = rows_of(folder)
    assert {one.name_in(folder.curated): one.label for one in read.pictures} == {
        name: row["label"] for name, row in rows.items()
    }
    assert {one.name_in(folder.curated): one.sha256 for one in read.pictures} == {
        name: row["sha256"] for name, row in rows.items()
    }
    assert report.totals["in_set"] == len(rows)
    assert {row.label: row.in_set for row in report.labels if row.in_set} == {
        label: sum(row["label"] == label for row in rows.values()) for label in {row["label"] for row in rows.values()}
    }
    stored = json.loads((folder.curated / "report.json").read_text())
    assert stored["totals"]["in_set"] == len(rows)
    shards = shards_plan(folder.curated, "webdataset", shard_bytes=10**9).shards
    assert {sample.name for shard in shards for sample in shard.samples} == set(rows)
    counted = summarise(builder.manifest)
    assert sum(label.harvested for label in counted.labels) == report.totals["harvested"]


def test_a_new_folder_is_a_new_label(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    (builder.folder.curated / "sea-snake").mkdir()
    file.rename(builder.folder.curated / "sea-snake" / file.name)

    curate(curated)

    assert names_of(builder.folder, "sea-snake") == {file.name}
    assert "sea-snake" in builder.manifest.labels()


@pytest.mark.parametrize("bin_name", ["_out", ".trash"])
def test_a_folder_that_starts_with_an_underscore_or_a_dot_means_out(builder, curated, bin_name):
    file = files_of(builder.folder, "coral")[0]
    (builder.folder.curated / bin_name).mkdir()
    file.rename(builder.folder.curated / bin_name / file.name)

    curate(curated)

    assert decided(builder, file)[0] == "reject"
    assert not (builder.folder.curated / bin_name).exists()


def test_a_renamed_picture_is_no_decision(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    file.rename(file.with_name("my favourite.jpg"))

    curate(curated)

    assert decided(builder, file) is None
    assert file.name in names_of(builder.folder, "coral")


def test_a_folder_that_is_gone_is_built_anew_without_a_decision(builder, curated):
    shutil.rmtree(builder.folder.curated)

    curate(curated)

    assert builder.manifest.decisions() == []
    assert len(names_of(builder.folder, "coral")) == 5


def test_a_set_without_any_of_its_pictures_is_built_anew_without_a_decision(builder, curated):
    for label in ("coral", "king"):
        shutil.rmtree(builder.folder.curated / label)

    curate(curated)

    assert builder.manifest.decisions() == []
    assert len(names_of(builder.folder, "king")) == 5


def test_files_that_are_no_pictures_are_taken_along(builder, curated):
    (builder.folder.curated / "notes.txt").write_text("look at these again")
    (builder.folder.curated / "coral" / "notes.txt").write_text("and at these")
    builder.add("coral", photo(901))

    for _ in range(2):
        report = curate(curated)

        assert (builder.folder.curated / "notes.txt").read_text() == "look at these again"
        assert (builder.folder.curated / "coral" / "notes.txt").read_text() == "and at these"
        assert report.edits == {"deleted": 0, "moved": 0, "added": 0, "restored": 0, "replaced": 0, "carried": 2}


def test_a_second_copy_in_another_label_is_taken_away_and_nothing_is_decided(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    shutil.copy(file, builder.folder.curated / "king" / "copy.jpg")

    curate(curated)

    assert "copy.jpg" not in names_of(builder.folder, "king")
    assert builder.manifest.decisions() == []


def test_a_dry_run_counts_the_edits_and_records_none(builder, curated):
    files_of(builder.folder, "coral")[0].unlink()

    report = curate(curated, dry_run=True)

    assert report.edits["deleted"] == 1
    assert report.totals["in_set"] == 9
    assert builder.manifest.decisions() == []


def test_what_lies_in_the_set_and_is_not_used_is_counted_with_its_reason(builder, curated, tmp_path):
    first = files_of(builder.folder, "coral")[0]
    (builder.folder.curated / "linked").symlink_to(tmp_path)
    shutil.copy(first, builder.folder.curated / "beside.jpg")

    report = curate(curated, dry_run=True)

    assert (report.files.seen, report.files.used, report.files.left_out) == (report.files.beside + 12, 10, 2)
    assert report.files.left_out_by_reason == {"fs.link": 1, "folder.no_label": 1}
    assert report.as_json()["files"]["left_out"] == 2


@pytest.mark.parametrize(
    "stored", [{"judgements": [{"evil": 1}]}, {"judgements": 5}, {"findings": [[1]]}, {"judgements": ["x"]}]
)
def test_verdicts_that_imgkit_does_not_write_are_left_out_of_an_undo(builder, curated, stored):
    import gzip
    import json

    builder.add("coral", photo(50))
    curate(curated)
    path = builder.folder.curated_previous / ".verdicts.json.gz"
    path.unlink()
    path.write_bytes(gzip.compress(json.dumps(stored).encode()))

    assert undo(curated) is True


# names of folders


@pytest.mark.parametrize("name", ["Milk", "coral snake."])
def test_a_folder_that_is_renamed_to_another_label_is_a_question_and_the_answer_relabels(builder, curated, name):
    (builder.folder.curated / "coral").rename(builder.folder.curated / name)
    before = sorted(path.name for path in builder.folder.curated.rglob("*"))

    with pytest.raises(UsageError) as refused:
        curate(curated)

    label = {"Milk": "Milk", "coral snake.": "coral_snake"}[name]
    assert str(refused.value) == (
        f"In {builder.folder.curated}, 5 of 5 pictures of coral were moved to {label}, which relabels them. "
        "Nothing was changed. If that is right, run it again with --yes."
    )
    assert (refused.value.code, refused.value.exit_code) == ("edits.many", 2)
    assert builder.manifest.decisions() == []
    assert sorted(path.name for path in builder.folder.curated.rglob("*")) == before

    report = curate(curated, confirm=yes)

    assert (report.edits["moved"], report.edits["deleted"]) == (5, 0)
    assert len(names_of(builder.folder, label)) == 5
    assert builder.manifest.labels()[label] == name
    all_say_the_same(builder, report)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("pygmy_marmoset", "pygmy marmoset"),
        ("pygmy_marmoset", "pygmy.marmoset"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u092c\u0902\u0926\u0930", "\u092c\u0902\u0926\u0930 "),
        ("king", "(king)"),
        ("king", "King"),
        ("pygmy_marmoset", "Pygmy Marmoset"),
    ],
)
def test_another_spelling_of_a_label_is_that_label(builder, curated, label, name):
    if label != "king":
        for seed in range(3):
            builder.add(label, photo(700 + seed))
        curate(curated)
    count = len(names_of(builder.folder, label))
    (builder.folder.curated / label).rename(builder.folder.curated / name)

    report = curate(curated)

    assert builder.manifest.decisions() == []
    assert len(names_of(builder.folder, label)) == count
    assert not (builder.folder.curated / name).exists()
    all_say_the_same(builder, report)


def test_a_picture_that_is_moved_into_a_folder_whose_name_has_marks_is_relabelled(builder, curated):
    builder.add("\u092c\u0902\u0926\u0930", photo(700))
    curate(curated)
    file = files_of(builder.folder, "coral")[0]
    file.rename(builder.folder.curated / "\u092c\u0902\u0926\u0930" / file.name)

    curate(curated)

    assert decided(builder, file) == ("relabel", "\u092c\u0902\u0926\u0930", "by hand", "coral")


@pytest.mark.parametrize("place", ["", "!!!/", "lost+found/", "wandb/"])
def test_a_picture_that_lies_where_no_label_is_named_is_a_question_and_keeps_its_label(builder, curated, place):
    file = files_of(builder.folder, "coral")[0]
    (builder.folder.curated / place).mkdir(exist_ok=True)
    file.rename(builder.folder.curated / place / file.name)

    with pytest.raises(UsageError, match="1 pictures were moved to where no folder names a label"):
        curate(curated)
    report = curate(curated, confirm=yes)

    assert decided(builder, file) is None
    assert file.name in names_of(builder.folder, "coral")
    all_say_the_same(builder, report)


def test_a_picture_that_lies_under_two_other_labels_is_a_question(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    for label in ("king", "milk"):
        (builder.folder.curated / label).mkdir(exist_ok=True)
        shutil.copy(file, builder.folder.curated / label / file.name)
    file.unlink()

    with pytest.raises(UsageError, match="1 pictures lie under several other labels"):
        curate(curated)
    report = curate(curated, confirm=yes)

    assert decided(builder, file) == ("relabel", "king", "by hand", "coral")
    all_say_the_same(builder, report)


# very many changes at once


def test_a_label_that_is_deleted_whole_is_a_question_and_with_yes_a_rejection(builder, curated):
    shutil.rmtree(builder.folder.curated / "coral")

    with pytest.raises(UsageError, match="5 of 5 pictures of coral were deleted, which rejects them"):
        curate(curated)
    assert builder.manifest.decisions() == []

    assert curate(curated, confirm=yes).edits["deleted"] == 5
    assert [one.action for one in builder.manifest.decisions()] == ["reject"] * 5


def test_moving_every_picture_relabels_them(builder, curated):
    (builder.folder.curated / "coral").rename(builder.folder.curated / "milk")
    (builder.folder.curated / "king").rename(builder.folder.curated / "corn")

    report = curate(curated, confirm=yes)

    assert (report.edits["moved"], report.edits["deleted"]) == (10, 0)
    assert {row.label: row.in_set for row in report.labels} == {"coral": 0, "corn": 5, "king": 0, "milk": 5}


def test_a_few_pictures_of_a_label_are_no_question(builder, curated):
    for file in files_of(builder.folder, "coral")[:4]:
        file.unlink()

    assert curate(curated).edits["deleted"] == 4


# undo


def test_an_undo_takes_the_decisions_back_that_the_run_noticed_and_another_one_makes_them_again(builder, curated):
    first, second = files_of(builder.folder, "coral")[:2]
    first.unlink()
    second.rename(builder.folder.curated / "king" / second.name)
    curate(curated)

    undo(curated)
    assert builder.manifest.current_decisions() == {}

    undo(curated)
    assert {decided(builder, first)[0], decided(builder, second)[0]} == {"reject", "relabel"}

    undo(curated)
    report = curate(curated)  # the edits are still there; they were taken back, and are not noticed again
    assert builder.manifest.current_decisions() == {}
    assert {first.name, second.name} <= names_of(builder.folder, "coral")
    assert (report.edits["deleted"], report.edits["moved"], report.totals["in_set"]) == (0, 0, 10)


def test_an_undo_leaves_the_decisions_of_earlier_runs(builder, curated):
    first, second = files_of(builder.folder, "coral")[:2]
    first.unlink()
    curate(curated)
    second.unlink()
    curate(curated)

    undo(curated)

    assert decided(builder, first)[0] == "reject"
    assert decided(builder, second) is None


# pictures that a person adds, puts back or replaces


@pytest.mark.parametrize("format", ["PNG", "TIFF", "AVIF"])
def test_a_picture_that_a_person_adds_is_part_of_the_set_like_any_other(builder, curated, format):
    drawn = {item.image_id for item in builder.manifest.items()}
    buffer = io.BytesIO()
    photo(900, width=900, height=600).save(buffer, format)
    (builder.folder.curated / "coral" / f"my snake.{format.lower()}").write_bytes(buffer.getvalue())

    report = curate(curated)

    added = next(item for item in builder.manifest.items(label="coral") if item.image_id not in drawn)
    row = rows_of(builder.folder)[f"coral/{added.image_id}.jpg"]
    assert (row["provider"], row["width"], row["height"]) == ("folder", "500", "333")
    assert (report.edits["added"], report.totals["in_set"], report.totals["harvested"]) == (1, 11, 11)
    assert decided(builder, Path(added.image_id)) is None
    assert "my snake" in (builder.folder.curated / "ATTRIBUTION.md").read_text()
    (original,) = (builder.folder.originals / added.image_id[:2]).glob(f"{added.image_id}*")
    assert original.suffix == ".png"  # the others are written again without a loss
    all_say_the_same(builder, report)

    again = curate(curated)
    assert (again.edits["added"], again.totals["in_set"]) == (0, 11)
    all_say_the_same(builder, again)


def test_a_picture_that_a_person_adds_is_checked(builder, curated):
    (builder.folder.curated / "coral" / "copy.jpg").write_bytes(resize.jpeg_bytes(ImageOps.mirror(photo(0))))

    report = curate(curated)

    assert dict(report.labels[0].left_out) == {"dup.near": 1}
    assert report.totals["in_set"] == 10
    all_say_the_same(builder, report)


def test_a_picture_that_is_put_back_from_the_trash_is_kept(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    body = file.read_bytes()
    file.unlink()
    curate(curated)
    assert file.name not in names_of(builder.folder, "coral")
    (builder.folder.curated / "coral" / "restored.jpg").write_bytes(body)

    report = curate(curated)

    assert decided(builder, file)[0] == "keep"
    assert (report.edits["restored"], report.edits["added"], report.totals["in_set"]) == (1, 0, 10)
    assert file.name in names_of(builder.folder, "coral")
    all_say_the_same(builder, report)


def test_a_picture_that_is_put_back_under_another_label_is_relabelled(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    body = file.read_bytes()
    file.unlink()
    curate(curated)
    (builder.folder.curated / "king" / "restored.jpg").write_bytes(body)

    report = curate(curated)

    assert decided(builder, file) == ("relabel", "king", "by hand", "coral")
    all_say_the_same(builder, report)


@pytest.mark.parametrize("in_place", [True, False])
def test_a_picture_that_a_person_replaces_makes_way_and_the_new_one_inherits_where_it_was_found(
    builder, curated, in_place
):
    kept = builder.add("coral", photo(800), author="A. Person", license="CC BY 4.0", page_url="https://example.org/p")
    curate(curated)
    file = builder.folder.curated / "coral" / f"{kept}.jpg"
    before = {path: path.read_bytes() for path in builder.folder.harvested.rglob("*.jpg")}
    changed = jpeg(902, width=200, height=100)
    if in_place:
        with file.open("r+b") as opened:
            opened.truncate()
            opened.write(changed)
    else:
        file.unlink()
        file.write_bytes(changed)

    report = curate(curated)

    new = next(path for path in files_of(builder.folder, "coral") if path.read_bytes() == changed)
    row = rows_of(builder.folder)[f"coral/{new.name}"]
    assert (row["author"], row["license"], row["page_url"]) == ("A. Person", "CC BY 4.0", "https://example.org/p")
    assert (row["width"], row["height"]) == ("200", "100")
    assert decided(builder, file) == ("reject", "", "by hand", "coral")
    assert decided(builder, new) == ("keep", "", "by hand", "coral")
    assert (report.edits["replaced"], report.edits["deleted"], report.totals["in_set"]) == (1, 0, 11)
    assert {path: path.read_bytes() for path in before} == before
    all_say_the_same(builder, report)


def test_an_edit_in_place_is_not_seen_in_the_harvest_nor_in_the_set_for_undo(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    builder.add("king", photo(777))
    curate(curated)
    written = file.read_bytes()
    with file.open("r+b") as opened:
        opened.seek(200)
        opened.write(b"\x00" * 16)

    assert builder.folder.harvested_file("coral", file.stem).read_bytes() == written
    assert (builder.folder.curated_previous / "coral" / file.name).read_bytes() == written
    undo(curated)
    assert file.read_bytes() == written


def test_an_edit_that_keeps_size_and_time_is_noticed(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    body = jpeg(950)
    facts = file.stat()
    file.write_bytes(body + b"\x00" * max(0, facts.st_size - len(body)))
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert curate(curated).edits["replaced"] == 1


def test_a_file_that_was_torn_is_written_anew_and_is_no_decision(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    body = file.read_bytes()
    file.write_bytes(b"")

    curate(curated)

    assert file.read_bytes() == body
    assert builder.manifest.decisions() == []


def test_a_link_is_not_followed(builder, curated, tmp_path):
    (tmp_path / "mine.jpg").write_bytes(jpeg(960))
    (builder.folder.curated / "coral" / "link.jpg").symlink_to(tmp_path / "mine.jpg")

    report = curate(curated)

    assert (report.edits["added"], report.totals["in_set"]) == (0, 10)
    all_say_the_same(builder, report)


def test_a_picture_that_was_removed_on_request_is_not_taken_in_again(builder, curated):
    body = jpeg(970)
    builder.manifest.add_tombstones("sha256", [hashlib.sha256(body).hexdigest()], reason="on request")
    (builder.folder.curated / "coral" / "again.jpg").write_bytes(body)

    report = curate(curated)

    assert (report.edits["added"], report.totals["in_set"]) == (0, 10)
    all_say_the_same(builder, report)


def test_unknown_pictures_in_a_folder_that_means_out_are_taken_along_and_not_trained_on(builder, curated):
    for place in ("_out", "coral/_out", "!!!"):
        (builder.folder.curated / place).mkdir()
        (builder.folder.curated / place / "new.jpg").write_bytes(jpeg(980 + len(place)))

    for _ in range(2):
        report = curate(curated)
        assert report.totals["in_set"] == 10
        all_say_the_same(builder, report)
    assert {
        path.relative_to(builder.folder.curated).as_posix() for path in builder.folder.curated.rglob("new.jpg")
    } == {
        "_out/new.jpg",
        "_aside/coral/_out/new.jpg",
        "_aside/!!!/new.jpg",
    }


# any operations on files

PLACES = ("coral", "king", "Coral", "king.", "new label", "_out", ".trash", "", "!!!", "coral/inside", "coral/_out")
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(("delete", "move", "copy", "edit", "swap", "add", "restore", "rename folder", "text", "tear")),
        st.integers(0, 50),
        st.sampled_from(PLACES),
    ),
    min_size=1,
    max_size=6,
)


def operate(folder, gone, operation, number, place):
    """Do something to the curated folder as a file manager does it."""
    pictures = [
        path
        for path in sorted(folder.curated.rglob("*"))
        if path.is_file() and path.suffix == ".jpg" and path.parent != folder.curated
    ]
    target = folder.curated / place
    if operation in ("move", "copy", "add", "restore", "text"):
        target.mkdir(parents=True, exist_ok=True)
    file = pictures[number % len(pictures)] if pictures else None
    if operation == "add":
        (target / f"added-{number}.jpg").write_bytes(jpeg(1000 + number))
    elif operation == "text":
        (target / "note.txt").write_text(str(number))
    elif operation == "restore" and gone:
        (target / f"restored-{number}.jpg").write_bytes(gone[number % len(gone)])
    elif file is None:
        return
    elif operation == "delete":
        gone.append(file.read_bytes())
        file.unlink()
    elif operation == "move":
        file.rename(target / file.name)
    elif operation == "copy":
        shutil.copy(file, target / f"copy-{file.name}")
    elif operation == "edit":
        gone.append(file.read_bytes())
        file.write_bytes(jpeg(2000 + number))
    elif operation == "tear":
        file.write_bytes(file.read_bytes()[:100])
    elif operation == "swap":
        other = pictures[(number + 1) % len(pictures)]
        one, two = file.read_bytes(), other.read_bytes()
        file.write_bytes(two)
        other.write_bytes(one)
    elif operation == "rename folder" and place and not target.exists() and file.parent.parent == folder.curated:
        file.parent.rename(target) if "/" not in place else None


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(st.lists(OPERATIONS, min_size=1, max_size=3))
def test_whatever_is_done_to_the_files_training_reads_what_the_table_and_the_report_say(rounds):
    with tempfile.TemporaryDirectory() as place:
        builder = HarvestBuilder(Path(place) / "data")
        for number, label in enumerate(("coral", "king")):
            for seed in range(3):
                builder.add(label, photo(100 * number + seed))
        config = CurateConfig(data=builder.folder.root, weights="none")
        curate(config)
        gone = []
        for operations in rounds:
            for operation in operations:
                operate(builder.folder, gone, *operation)
            report = curate(config, confirm=yes)
            all_say_the_same(builder, report)
            decisions = builder.manifest.decisions()
            again = curate(config)  # twice is the same as once
            assert again.totals == report.totals
            assert builder.manifest.decisions() == decisions
            assert all(count == 0 for name, count in again.edits.items() if name != "carried")
        builder.close()
