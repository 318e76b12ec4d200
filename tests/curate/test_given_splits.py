import json

import pytest
from drawn_photos import photo
from PIL import ImageOps

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate


@pytest.fixture
def config(builder):
    """A folder that somebody divided: one picture of the test folder is the mirror image of one in train."""
    for number, label in enumerate(("coral", "king")):
        for seed in range(4):
            place = "train" if seed else "Test"
            builder.add(label, photo(10 * number + seed), url=f"file:///home/me/snakes/{place}/{label}/{seed}.jpg")
    builder.add("coral", ImageOps.mirror(photo(1)), url="file:///home/me/snakes/Test/coral/9.jpg")
    return CurateConfig(data=builder.folder.root, weights="none")


def test_copies_on_both_sides_of_the_given_split_are_found_and_said(builder, config):
    report = curate(config)

    assert dict(report.given_splits) == {"test": 3, "train": 6}
    assert [len(group.members) for group in report.leaks] == [2]
    assert [one.detail["split"] for one in builder.manifest.findings(check="leak")].count("test") == 1
    assert any("1 group of copies is divided by the split" in alert.what for alert in report.alerts)


def test_the_report_names_the_leaking_pictures(builder, config):
    curate(config)

    facts = json.loads((builder.folder.curated / "report.json").read_text(encoding="utf-8"))
    page = (builder.folder.curated / "report.html").read_text(encoding="utf-8")
    leaking = {one.image_id for one in builder.manifest.findings(check="leak")}
    assert {image_id for _, image_id in facts["leaks"][0]["members"]} == leaking
    assert 'id="leaks"' in page


def test_a_leak_is_no_verdict_the_best_copy_stays(config):
    report = curate(config)

    assert dict(report.labels[0].left_out) == {"dup.near": 1}
    assert report.crossing == 0


def test_copies_on_one_side_are_no_leak_nor_is_a_folder_of_the_web_called_train(builder):
    builder.add("coral", photo(1), url="file:///home/me/train/coral/1.jpg")
    builder.add("coral", ImageOps.mirror(photo(1)), url="file:///home/me/train/coral/2.jpg")
    builder.add("coral", photo(2), url="https://example.org/train/1.jpg")
    builder.add("coral", ImageOps.mirror(photo(2)), url="https://example.org/test/1.jpg")

    report = curate(CurateConfig(data=builder.folder.root, weights="none"))

    assert report.leaks == ()
    assert dict(report.given_splits) == {"train": 2}
