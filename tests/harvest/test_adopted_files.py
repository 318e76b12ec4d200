"""Pictures of this machine that are adopted: what changed in their folder is read again, what left it leaves."""

from io import BytesIO

import pytest
from PIL import Image

from imgkit.engine import InlineEngine
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.pipeline import harvest
from imgkit.harvest.queries import read_queries
from imgkit.manifest import Manifest


def picture(seed):
    data = BytesIO()
    image = Image.effect_noise((240, 220), 40 + seed).convert("RGB")
    image.save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def adopt(tmp_path):
    """Harvest a queries file, and return the report with the pictures that are kept by the name of their file."""

    def adopt(path):
        file = read_queries(path)
        config = HarvestConfig(data=tmp_path / "data", size=200)
        report = harvest(file.queries, config, environ={}, engine=InlineEngine(), file=file.path)
        with Manifest.open_existing(tmp_path / "data") as manifest:
            kept = {one.proposal.title: one.image_id for one in manifest.candidates() if one.state == "kept"}
        return report, kept

    return adopt


def test_a_file_that_changed_is_read_again_and_one_that_left_leaves(adopt, tmp_path):
    (tmp_path / "in").mkdir()
    for name, seed in (("same.png", 1), ("changes.png", 2), ("leaves.png", 3)):
        (tmp_path / "in" / name).write_bytes(picture(seed))
    (tmp_path / "q.csv").write_text("label,query,providers\nmine,in,folder\n")
    _, before = adopt(tmp_path / "q.csv")
    (tmp_path / "in" / "changes.png").write_bytes(picture(4))
    (tmp_path / "in" / "leaves.png").unlink()

    report, after = adopt(tmp_path / "q.csv")

    assert set(after) == {"same.png", "changes.png"}
    assert after["same.png"] == before["same.png"]
    assert after["changes.png"] != before["changes.png"]
    assert report.changes.left == {"query.gone": 2}
    assert {path.stem for path in (tmp_path / "data" / "harvested" / "mine").iterdir()} == set(after.values())


def test_a_file_that_was_only_touched_stays_the_picture_that_it_is(adopt, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(picture(1))
    _, before = adopt(tmp_path)
    (tmp_path / "mine" / "a.png").touch()  # beside it is the data folder now, which is no label

    report, after = adopt(tmp_path)

    assert (after, report.changes.left) == (before, {})


@pytest.mark.parametrize("gone", ["the folder", "what is in it"])
def test_a_disk_that_is_not_there_today_takes_nothing_away(adopt, tmp_path, gone):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(picture(1))
    (tmp_path / "q.csv").write_text("label,query,providers\nmine,in,folder\n")
    file = read_queries(tmp_path / "q.csv")
    _, before = adopt(tmp_path / "q.csv")
    (tmp_path / "in" / "a.png").unlink()
    if gone == "the folder":
        (tmp_path / "in").rmdir()

    harvest(file.queries, HarvestConfig(data=tmp_path / "data"), environ={}, engine=InlineEngine(), file=file.path)

    assert [path.stem for path in (tmp_path / "data" / "harvested" / "mine").iterdir()] == list(before.values())


def test_a_table_of_files_and_a_folder_of_label_folders_are_adopted(adopt, tmp_path):
    for name, seed in (("photos/two  spaces.png", 1), ("photos/b.png", 2)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(picture(seed))
    (tmp_path / "table.csv").write_text("path,label\nphotos/two  spaces.png,cat\nphotos/b.png,dog\nphotos/no.png,dog\n")

    report, kept = adopt(tmp_path / "table.csv")

    assert set(kept) == {"photos/two  spaces.png", "photos/b.png"}
    assert [(row.label, row.provider, row.kept) for row in report.rows] == [("cat", "files", 1), ("dog", "files", 1)]
    (tmp_path / "sets" / "owl").mkdir(parents=True)
    (tmp_path / "sets" / "owl" / "1.png").write_bytes(picture(5))
    _, kept = adopt(tmp_path / "sets")
    assert "1.png" in kept
