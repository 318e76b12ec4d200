from dataclasses import replace

import pytest

from imgkit.manifest import Finding, Image, Item, Judgement, Proposal, Query, SearchState
from imgkit.manifest.connection import ROWS_AT_A_TIME
from imgkit.manifest.overview import details, lines, origins
from imgkit.manifest.standings import findings_about_others


def image(number: int) -> Image:
    digest = f"{number:064x}"
    return Image(sha256=digest[::-1], stored_sha256=digest, extension="jpg", bytes=number, width=40, height=30)


def item(label: str, number: int) -> Item:
    return Item(label=label, image_id=image(number).id, width=4, height=3, file_sha256="f")


@pytest.fixture
def filled(manifest):
    """Picture 1 under both labels, brought by bing for coral and by commons for king; 2 judged; 3 without a source."""
    coral, king = manifest.put_queries([Query(label=each, name=each, text=each) for each in ("coral", "king")])
    manifest.add_label("milk", "milk")
    for query_id, provider, label in ((coral, "bing", "coral"), (king, "commons", "king")):
        proposals = [Proposal(url=f"http://host/{provider}/{n}.jpg", rank=n) for n in (1, 2)]
        manifest.put_page(SearchState(query_id=query_id, provider=provider), proposals, label=label, round_=1)
    for number in (1, 2, 3):
        manifest.put_image(image(number))
    manifest.put_items([item("coral", 1), item("king", 1), item("coral", 2), item("king", 3)])
    first, second = manifest.candidates(label="coral")
    manifest.settle(
        [
            replace(first, state="rejected", reason="dup.exact", image_id=image(1).id),
            replace(second, state="kept", image_id=image(1).id),
            replace(manifest.candidates(label="king")[0], state="kept", image_id=image(1).id),
        ]
    )
    manifest.replace_judgements([Judgement(label="coral", image_id=image(2).id, verdict="suspect", reason="bad.label")])
    return manifest


def test_every_item_is_one_line_in_order_with_who_brought_it_and_the_verdict(filled):
    found = [(line.label, line.bytes, line.provider, line.verdict, line.reason) for line in lines(filled)]

    assert found == [
        ("coral", 1, "bing", "", ""),
        ("coral", 2, "", "suspect", "bad.label"),
        ("king", 1, "commons", "", ""),
        ("king", 3, "", "", ""),
    ]


def test_an_item_comes_with_the_candidate_kept_for_its_label_else_with_the_first_of_any(filled):
    filled.put_items([item("milk", 1)])

    found = [(one.label, one.bytes, one.source and one.source.proposal.url) for one in origins(filled)]

    assert found == [
        ("coral", 1, "http://host/bing/2.jpg"),
        ("coral", 2, None),
        ("king", 1, "http://host/commons/1.jpg"),
        ("king", 3, None),
        ("milk", 1, "http://host/bing/2.jpg"),
    ]


def test_no_line_is_lost_or_doubled_where_there_are_many(manifest):
    count = 2 * ROWS_AT_A_TIME + 1
    manifest.put_queries([Query(label="coral", name="coral", text="coral")])
    with manifest.together():
        for number in range(1, count + 1):
            manifest.put_image(image(number))
        manifest.put_items([item("coral", number) for number in range(1, count + 1)])

    ids = [line.image_id for line in lines(manifest)]

    assert ids == sorted(image(number).id for number in range(1, count + 1))


def test_details_name_the_candidate_that_was_kept_for_the_label_and_leave_out_what_is_not_there(filled):
    key = ("coral", image(1).id)
    filled.replace_findings(
        ["near", "label"],
        [
            Finding(label="coral", image_id=image(1).id, check="near", score=1, threshold=0.5, detail={"copy_of": "x"}),
            Finding(label="coral", image_id=image(1).id, check="label", score=0.7, threshold=0.5, detail={}),
        ],
    )

    found = details(filled, [key, ("coral", "nobody"), ("king", image(3).id)])

    assert list(found) == [key, ("king", image(3).id)]
    assert [one.check for one in found[key].findings] == ["label", "near"]
    assert (found[key].image, found[key].item.label) == (image(1), "coral")
    assert found[key].source.proposal.rank == 2
    assert found["king", image(3).id].source is None
    assert details(filled, []) == {}
    assert [one.check for one in findings_about_others(filled.connection)] == ["near"]
