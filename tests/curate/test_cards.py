import csv
import hashlib
import json

import pytest
from drawn_photos import photo
from PIL import ImageOps

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate


@pytest.fixture
def curated(builder):
    builder.label("coral", "coral | snake")
    for number, label in enumerate(("coral", "king")):
        for seed in range(4):
            builder.add(label, photo(10 * number + seed), license="CC0", license_url="https://example.org/cc0")
    builder.add("king", ImageOps.mirror(photo(11)))
    curate(CurateConfig(data=builder.folder.root, weights="none"))
    return builder.folder.curated


def test_croissant_names_the_table_with_its_hash_and_a_field_for_each_column(curated):
    document = json.loads((curated / "croissant.json").read_text(encoding="utf-8"))

    table, pictures = document["distribution"]
    with (curated / "metadata.csv").open(newline="", encoding="utf-8") as file:
        columns = next(csv.reader(file))
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert table["sha256"] == hashlib.sha256((curated / "metadata.csv").read_bytes()).hexdigest()
    assert [one["source"]["extract"]["column"] for one in document["recordSet"][0]["field"]] == columns
    assert len(list(curated.glob(pictures["includes"]))) == 8
    assert document["license"] == ["https://example.org/cc0"]


def test_the_data_card_says_what_is_in_the_set_and_what_was_left_out(curated):
    card = (curated / "DATACARD.md").read_text(encoding="utf-8")

    assert "8 pictures of 2 labels" in card
    assert "| a copy of a better picture | dup\\.near | 1 |" in card
    assert "Not measured: nobody has audited the set." in card
    assert "| CC0 | 8 |" in card


def test_a_label_cannot_break_the_tables_of_the_data_card(curated):
    card = (curated / "DATACARD.md").read_text(encoding="utf-8")

    assert "| coral \\| snake | 4 |" in card


def test_the_cards_are_ours_and_not_taken_for_pictures_that_a_person_put_there(builder, curated):
    report = curate(CurateConfig(data=builder.folder.root, weights="none"))

    assert dict(report.edits) == {"deleted": 0, "moved": 0, "carried": 0, "added": 0, "replaced": 0, "restored": 0}
