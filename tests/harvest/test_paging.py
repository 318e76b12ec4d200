"""The cursor of a search: what it remembers from page to page, also in another process, and where a search ends."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgkit.harvest.providers.interface import ResultPage
from imgkit.harvest.search.paging import Cursor, at_most, digest, page_of, read
from imgkit.manifest import Proposal

PICTURES = [Proposal(url=f"https://h.test/{n}.jpg", rank=n) for n in (1, 2)]


def stored(cursor):
    """The cursor as another process reads it."""
    return read(json.loads(json.dumps(cursor.as_json())))


def test_what_one_page_handed_out_is_not_new_on_the_second_one_nor_twice_on_one_page():
    first = Cursor()

    assert first.new(["a", "b", "a"]) == [0, 1]
    second = stored(first.after(["a", "b"], token="t"))
    assert second.new(["b", "c", "a", "d", "c"]) == [1, 3]
    third = stored(second.after(["c", "d"]))
    assert third.new(["a", "b", "c", "d"]) == []
    assert (third.page, third.given, third.facts) == (2, 4, {"token": "t"})


def test_a_later_fact_replaces_an_earlier_one_and_the_others_stay():
    cursor = Cursor().after([], total="9", token="a").after([], token="b")

    assert stored(cursor).facts == {"total": "9", "token": "b"}


@given(st.lists(st.text(max_size=9), max_size=30), st.integers(0, 99))
def test_a_cursor_comes_back_as_it_was_stored(ids, pages):
    cursor = Cursor(page=pages).after(ids, fact="x")

    assert stored(cursor) == cursor
    assert stored(cursor).new(ids) == []


@pytest.mark.parametrize(
    "text",
    [
        None,
        "7",
        7,
        [],
        {},
        {"page": 1, "given": 1, "facts": {}, "seen": "no base 64"},
        {"page": "1", "given": 1, "facts": {}, "seen": ""},
        {"page": 1, "given": None, "facts": {}, "seen": ""},
        {"page": 1, "given": 1, "facts": [], "seen": ""},
    ],
)
def test_what_is_no_cursor_is_the_beginning(text):
    assert read(text) == Cursor()


def test_a_cursor_of_a_stranger_counts_from_0_and_holds_texts():
    assert read({"page": -1, "given": -2, "facts": {"a": 1}, "seen": ""}) == Cursor(facts={"a": "1"})


def test_a_digest_has_forty_bits_and_is_the_same_in_every_process():
    assert digest("a").hex() == "f4e169f8ee"
    assert len(digest("\ud800")) == 5


def pages(*brought, more=None):
    """Ask page after page, each behind the one before; ``brought`` says which pictures are new."""
    cursor, found = Cursor(), []
    for new in brought:
        following = cursor.after([one.url for one in new])
        page = page_of(new, following, more=more, title="Shop", what="pictures")
        found.append(page)
        if page.verdict != "ok":
            break
        cursor = read(page.cursor)
    return [(page.verdict, len(page.proposals), page.no_new_results, page.detail) for page in found]


ON, NOTHING_NEW = ("ok", 2, False, ""), ("ok", 0, True, "Shop sent a page without anything new")


def test_a_search_ends_after_two_pages_in_a_row_without_anything_new():
    assumed = ("assumed_end", 0, False, "Shop has 2 pictures; 2 pages in a row brought nothing new")

    assert pages(PICTURES, [], []) == [ON, NOTHING_NEW, assumed]


def test_a_full_page_in_between_begins_the_count_again():
    assert pages(PICTURES, [], PICTURES, [], [])[:4] == [ON, NOTHING_NEW, ON, NOTHING_NEW]
    assert pages(PICTURES, [], PICTURES, [], [])[4][0] == "assumed_end"


def test_an_end_that_the_service_marks_is_the_end_and_empty_where_nothing_was_given():
    assert pages(PICTURES, more=False) == [("end", 2, False, "Shop has 2 pictures")]
    assert pages([], more=False) == [("empty", 0, False, "Shop finds nothing for this query")]


def test_a_step_that_brings_nothing_new_and_leads_on_is_no_barren_page():
    empty = read(page_of([], Cursor(), more=None, title="Shop").cursor)

    page = page_of([], empty.after([]), more=None, title="Shop", known=True)

    assert (page.verdict, page.no_new_results) == ("ok", False)
    assert "barren" not in read(page.cursor).facts


@pytest.mark.parametrize(
    ("fact", "verdict"),
    [("1", "assumed_end"), ("0", "ok"), ("x", "ok"), ("٢", "ok"), ("100", "ok"), ("99", "assumed_end")],
)
def test_a_count_of_a_stranger_is_read_strictly(fact, verdict):
    assert page_of([], Cursor(facts={"barren": fact}), more=True, title="Shop").verdict == verdict


def test_the_most_that_a_service_gives_is_an_end():
    page = at_most(PICTURES, 4000, title="Shop", what="pictures")

    assert page == ResultPage(verdict="end", proposals=tuple(PICTURES), detail="Shop gives at most 4,000 pictures")
