"""What was removed on request stays away, in whatever form it comes back."""

import pytest

from imgkit.harvest.crawl.screening import (
    REVERSIBLE,
    SAME_LOOK_BITS,
    Tombstones,
    author_hash,
    host_hash,
    spellings,
    url_hash,
)
from imgkit.manifest import Proposal
from imgkit.net.addresses import RefusedAddress
from imgkit.net.guard import Guard


def proposal(**fields):
    return Proposal(**{"url": "https://img.example.org/a.jpg", "rank": 1, **fields})


def covered(one, **tombstones):
    """What of a proposal was removed."""
    return Tombstones(**{name: frozenset(value) for name, value in tombstones.items()}).cover(one)


@pytest.mark.parametrize(
    "fields",
    [
        {"url": "https://x.org/gone.jpg"},
        {"url": "HTTPS://X.org:443/gone.jpg#part"},
        {"fallbacks": ("https://x.org/other.jpg", "https://x.org/gone.jpg")},
        {"page_url": "https://x.org/gone.jpg"},
    ],
)
def test_a_removed_address_stays_away_wherever_it_stands(fields):
    found = covered(proposal(**fields), urls=[url_hash("https://x.org/gone.jpg")])

    assert found == "address"


def test_another_address_is_not_the_removed_one():
    assert covered(proposal(url="https://x.org/gone.jpg?2"), urls=[url_hash("https://x.org/gone.jpg")]) == ""


@pytest.mark.parametrize(
    ("url", "away"),
    [
        ("https://example.org/a.jpg", True),
        ("https://img.example.org/a.jpg", True),
        ("https://a.b.EXAMPLE.org:8080/a.jpg", True),
        ("https://notexample.org/a.jpg", False),
        ("https://example.org.evil.net/a.jpg", False),
        ("https://org/a.jpg", False),
        ("http://[bad", False),
    ],
)
def test_a_removed_host_takes_the_hosts_below_it_along(url, away):
    found = covered(proposal(url=url), hosts=[host_hash(" Example.ORG. ")])

    assert found == ("host" if away else "")


@pytest.mark.parametrize(
    "fields",
    [
        {"fallbacks": ("https://y.net/other.jpg", "https://img.example.org/large.jpg")},
        {"page_url": "https://example.org/pages/1"},
        {"url": "//example.org/a.jpg"},
        {"url": "https://ｅｘａｍｐｌｅ.org/a.jpg"},
    ],
)
def test_a_removed_host_stays_away_wherever_it_stands(fields):
    found = covered(proposal(**{"url": "https://cdn.net/a.jpg", **fields}), hosts=[host_hash("example.org")])

    assert found == "host"


@pytest.mark.parametrize("written", ["https://x.org/a b.jpg", "https://x.org/a%20b.jpg", "https://x.org/a b.jpg#c"])
def test_a_removed_address_is_known_as_it_is_written_and_as_it_is_asked_for(written):
    removed = [url_hash(form) for form in spellings("https://x.org/a b.jpg")]

    assert covered(proposal(url=written), urls=removed) == "address"
    assert covered(proposal(url="https://x.org/a+b.jpg"), urls=removed) == ""


def test_neither_a_removed_host_nor_a_removed_address_is_asked_for_anything():
    removed = Tombstones(
        urls=frozenset({url_hash("https://x.org/gone.jpg")}), hosts=frozenset({host_hash("xn--bcher-kva.example")})
    )
    guard = Guard(removed=removed.refuse)
    refused = {}
    for url in (
        "https://x.org/gone.jpg",
        "https://bücher.example/robots.txt",
        "https://img.bücher.example/a.jpg",
        "https://XN--BCHER-KVA.example:8443/",
    ):
        with pytest.raises(RefusedAddress) as why:
            guard.check(url)
        refused[url] = (why.value.reason, why.value.detail)

    assert set(refused.values()) == {
        ("policy.removed", "address removed on request"),
        ("policy.removed", "host removed on request"),
    }
    assert guard.check("https://x.org/other.jpg").path == "/other.jpg"


@pytest.mark.parametrize(
    ("author", "away"), [("Ada  EXAMPLE", True), ("ada example", True), ("ada", False), ("", False)]
)
def test_a_removed_author_is_known_in_other_spellings(author, away):
    found = covered(proposal(author=author), authors=[author_hash("Ada Example"), author_hash("")])

    assert found == ("author" if away else "")


def test_the_lists_of_what_was_removed_tell_nobody_what_it_was():
    assert len(url_hash("https://x.org/gone.jpg")) == len(author_hash("Ada")) == 64
    assert "gone" not in url_hash("https://x.org/gone.jpg")
    assert "ada" not in author_hash("Ada")


def test_what_another_row_may_lift():
    assert sorted(REVERSIBLE) == ["policy.excluded", "policy.licence", "query.gone"]


@pytest.mark.parametrize(("bits", "same"), [(0, True), (1, True), (4, True), (5, False), (9, False)])
def test_a_copy_of_a_removed_picture_differs_in_four_bits_at_most(bits, same):
    look = 0x2AAA_5555_1234_5678
    tombs = Tombstones(looks=frozenset({0, look}))

    found = tombs.cover_picture("sha", [look ^ ((1 << bits) - 1), 0x7FFF_FFFF_FFFF_FFFF])

    assert found == ("a picture that looks the same was removed on request" if same else "")
    assert SAME_LOOK_BITS == 4


def test_the_bytes_of_a_removed_picture_are_known_without_its_look():
    tombs = Tombstones(sha256s=frozenset({"sha"}), looks=frozenset({5}))

    assert tombs.cover_picture("sha", []) == "picture removed on request"
    assert tombs.cover_picture("other", []) == ""
    assert Tombstones().cover_picture("sha", [5]) == ""
