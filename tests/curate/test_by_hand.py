import shutil

import pytest
from drawn_photos import photo

from imgkit.curate.clean import curate
from imgkit.curate.config import CurateConfig
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


def test_files_that_a_person_put_there_are_taken_along(builder, curated):
    (builder.folder.curated / "notes.txt").write_text("look at these again")
    (builder.folder.curated / "coral" / "mine.jpg").write_bytes(resize.jpeg_bytes(photo(900)))
    builder.add("coral", photo(901))

    for _ in range(2):
        curate(curated)

        assert (builder.folder.curated / "notes.txt").read_text() == "look at these again"
        assert "mine.jpg" in names_of(builder.folder, "coral")


def test_a_picture_that_a_person_changed_stays_changed_and_the_table_says_so(builder, curated):
    file = files_of(builder.folder, "coral")[0]
    changed = resize.jpeg_bytes(photo(902, width=200, height=100))
    file.unlink()
    file.write_bytes(changed)

    curate(curated)

    assert file.read_bytes() == changed
    assert builder.folder.harvested_file("coral", file.stem).read_bytes() != changed
    row = next(line for line in (builder.folder.curated / "metadata.csv").read_text().splitlines() if file.name in line)
    assert row.endswith(",200,100")


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
