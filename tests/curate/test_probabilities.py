"""Every picture has one probability that a person would throw it out, and all files say the same."""

import csv
import json
import sqlite3
from contextlib import closing
from dataclasses import asdict

import pytest
from drawn_photos import flat, photo
from PIL import ImageOps

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate, undo, write_decided
from imgkit.curate.verdicts import NOTHING
from imgkit.manifest import Decision, Judgement, Manifest
from imgkit.manifest.purge import forget_in_set
from imgkit.manifest.schema import APPLICATION_ID, MIGRATIONS

COLUMNS = ["label", "id", "source", "probability", "reason", "in_set", "group"]


@pytest.fixture
def harvest(builder):
    """Six photographs, a mirrored copy of one, a flat picture, and one picture under both labels."""
    for number, label in enumerate(("coral", "king")):
        for seed in range(3):
            builder.add(label, photo(100 * number + seed))
    builder.add("coral", ImageOps.mirror(photo(0)), url="file:///pictures/a%20mirror.jpg")
    builder.add("king", flat(), url="=HYPERLINK(1)")
    builder.add("coral", photo(500))
    builder.add("king", photo(500))
    return builder


@pytest.fixture
def config(harvest):
    return CurateConfig(data=harvest.folder.root, weights="none")


def table(folder):
    with (folder / "probabilities.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_table_has_every_picture_once_copies_and_what_is_outside_the_set_too(harvest, config):
    curate(config)

    rows = table(harvest.folder.curated)
    assert list(rows[0]) == COLUMNS
    assert [(row["label"], row["id"]) for row in rows] == [
        (one.label, one.image_id) for one in harvest.manifest.items()
    ]
    inside = {f"{row['label']}/{row['id']}.jpg" for row in rows if row["in_set"] == "1"}
    files = {path.relative_to(harvest.folder.curated).as_posix() for path in harvest.folder.curated.glob("*/*.jpg")}
    assert inside == files
    assert len(files) == 6
    assert {row["in_set"] for row in rows} == {"0", "1"}


def test_table_json_report_and_manifest_say_the_same(harvest, config):
    report = curate(config)

    rows = table(harvest.folder.curated)
    stored = json.loads((harvest.folder.curated / "report.json").read_text(encoding="utf-8"))["pictures"]
    assert stored == report.as_json()["pictures"] or stored == json.loads(json.dumps(report.as_json()["pictures"]))
    assert [float(row["probability"]) for row in rows] == [row["probability"] for row in stored]
    judged = harvest.manifest.judgements()
    assert [(one.probability, one.why) for one in judged.values()] == [(r["probability"], r["reason"]) for r in stored]
    for case in (*report.suspects, *report.removed):
        row = next(one for one in report.pictures if (one.label, one.id) == (case.label, case.image_id))
        assert (case.probability, case.why, int(case.kept)) == (row.probability, row.reason, row.in_set)


def test_no_probability_is_exactly_0_or_1_and_every_picture_has_a_reason_in_words(harvest, config):
    report = curate(config)

    assert all(0 < row.probability < 1 and row.reason for row in report.pictures)


def test_a_copy_has_the_probability_of_its_group_and_a_flat_or_doubly_labelled_picture_a_high_one(harvest, config):
    report = curate(config)

    rows = {(row.label, row.source): row for row in report.pictures}
    first, mirror = rows["coral", "https://example.org/1.jpg"], rows["coral", "/pictures/a mirror.jpg"]
    assert first.group == mirror.group != ""
    assert (first.probability, first.reason) == (mirror.probability, mirror.reason)
    assert first.reason == NOTHING
    assert first.probability < 0.05
    assert rows["king", "=HYPERLINK(1)"].probability > 0.99
    both = [row for row in report.pictures if "under coral and king" in row.reason]
    assert len(both) == 2
    assert all(row.probability > 0.5 for row in both)


def test_a_source_that_a_spreadsheet_would_run_is_defused(harvest, config):
    curate(config)

    assert "'=HYPERLINK(1)" in {row["source"] for row in table(harvest.folder.curated)}


def test_the_second_curate_writes_the_same_table_and_undo_and_the_review_keep_it_with_its_set(harvest, config):
    curate(config)
    file = harvest.folder.curated / "probabilities.csv"
    before = file.read_bytes()
    curate(config)
    assert file.read_bytes() == before

    kept = next(row for row in table(harvest.folder.curated) if row["in_set"] == "1" and not row["group"])
    harvest.manifest.decide([Decision(image_id=kept["id"], label=kept["label"], action="reject")])
    report = write_decided(config, confirm=lambda question: True)
    (row,) = (one for one in report.pictures if (one.label, one.id) == (kept["label"], kept["id"]))
    assert row.in_set == 0
    assert row.probability == float(kept["probability"])
    assert {**kept, "in_set": "0"} in table(harvest.folder.curated)
    undo(config)
    assert file.read_bytes() == before


def test_a_picture_that_was_removed_leaves_the_table(harvest, config):
    curate(config)
    gone = table(harvest.folder.curated)[0]["id"]

    assert forget_in_set(harvest.folder.curated, {gone})

    assert gone not in {row["id"] for row in table(harvest.folder.curated)}
    assert len(table(harvest.folder.curated)) == 9


def test_a_verdict_of_an_earlier_version_has_an_even_probability_and_no_reason(tmp_path):
    with closing(sqlite3.connect(tmp_path / "manifest.db")) as db:
        db.executescript(f"{' '.join(MIGRATIONS[:8])} PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version=8;")
        db.execute("INSERT INTO judgement VALUES ('coral', 'ab', 'keep', '', '', 0.1, '', '', '', '', 0, 1, 'coral')")
        db.commit()

    with Manifest.open(tmp_path) as manifest:
        old = manifest.judgements()["coral", "ab"]
        assert (old.probability, old.why, old.placed) == (0.5, "", "coral")
        new = Judgement(label="coral", image_id="ab", verdict="keep", probability=1e-9, why="a reason")
        manifest.replace_judgements([new])
        assert asdict(manifest.judgements()["coral", "ab"]) == asdict(new)
