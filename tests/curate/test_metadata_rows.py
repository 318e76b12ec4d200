"""The tables beside the pictures, written out."""

from pathlib import Path

import pytest

from imgkit.curate.pictures import ItemPicture
from imgkit.curate.publish.metadata import Entry, attribution_md, metadata_csv
from imgkit.manifest import Candidate, Proposal

HEADER = "file_name,label,split,group,source_url,page_url,provider,author,license,license_url,sha256,width,height\n"


def entry(image_id="a1", label="coral", *, proposal=None, split="train"):
    source = None
    if proposal:
        source = Candidate(id=1, label=label, query_id=1, provider="flickr", round=1, proposal=proposal)
    picture = ItemPicture(
        label=label,
        image_id=image_id,
        path=Path("x.jpg"),
        file_sha256="0" * 64,
        sha256="1" * 64,
        width=4000,
        height=3000,
        bytes=9,
        label_now=label,
        source=source,
    )
    return Entry(picture=picture, label=label, split=split, group="g1", sha256="2" * 64, width=640, height=480)


FOUND = Proposal(
    url="https://h.test/a.jpg",
    rank=1,
    page_url="https://h.test/page",
    title="A *coral* snake",
    author="Ada",
    license="CC BY 4.0",
    license_url="https://l.test/by",
)


def test_a_row_has_the_place_the_origin_and_the_measures_of_the_file_that_lies_there():
    assert metadata_csv([entry(proposal=FOUND)]) == HEADER + (
        "coral/a1.jpg,coral,train,g1,https://h.test/a.jpg,https://h.test/page,flickr,Ada,CC BY 4.0,https://l.test/by,"
        f"{'2' * 64},640,480\n"
    )


def test_a_picture_of_unknown_origin_has_empty_columns_and_rows_keep_their_order():
    table = metadata_csv([entry("b2", "king", split="test"), entry("a1")])

    provider = entry().picture.provider
    assert table == HEADER + (
        f"king/b2.jpg,king,test,g1,,,{provider},,,,{'2' * 64},640,480\n"
        f"coral/a1.jpg,coral,train,g1,,,{provider},,,,{'2' * 64},640,480\n"
    )


def test_a_set_without_pictures_is_a_table_without_rows():
    assert metadata_csv([]) == HEADER


def test_a_value_that_a_spreadsheet_would_compute_is_text():
    assert "'=1+1" in metadata_csv([entry(proposal=Proposal(url="https://h.test/a.jpg", rank=1, author="=1+1"))])


def credits(*entries):
    return attribution_md(entries).splitlines()[5:]


def test_pictures_are_listed_under_a_heading_for_each_label():
    first, second = entry("a1", proposal=FOUND), entry("b2", proposal=FOUND)

    said = credits(first, second, entry("c3", "king"))

    line = "“A \\*coral\\* snake” by Ada, CC BY 4\\.0 (<https://l.test/by>), flickr, <https://h.test/page>"
    assert said == [
        *("## coral", "", f"- `coral/a1.jpg`: {line}", f"- `coral/b2.jpg`: {line}"),
        *("", "## king", "", "- `king/c3.jpg`: origin unknown"),
    ]
    assert attribution_md([first, second]).splitlines()[:3] == [
        "# Attribution",
        "",
        "2 pictures, each with its author, its licence and the page where it was found, as the",
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "untitled, author not given, licence not given, flickr, <https://h.test/a.jpg>"),
        (
            {"license_url": "https://l.test/by"},
            "untitled, author not given, licence not given, flickr, <https://h.test/a.jpg>",
        ),
        ({"url": "file:///a.jpg"}, "untitled, author not given, licence not given, flickr, a file of this machine"),
        ({"author": "Ada"}, "untitled by Ada, licence not given, flickr, <https://h.test/a.jpg>"),
        ({"license": "CC0"}, "untitled, author not given, CC0, flickr, <https://h.test/a.jpg>"),
        (
            {"license": "CC0", "license_url": "javascript:x"},
            "untitled, author not given, CC0, flickr, <https://h.test/a.jpg>",
        ),
    ],
)
def test_what_a_provider_did_not_say_is_named(fields, words):
    proposal = Proposal(**{"url": "https://h.test/a.jpg", "rank": 1} | fields)

    assert credits(entry(proposal=proposal))[2] == f"- `coral/a1.jpg`: {words}"
