"""One address for several labels or providers: it is asked for once, and every label that waits for it gets it."""

import threading
from dataclasses import replace

import pytest
from harvesting import HASTY
from picture_shop import Shop

import imgkit.harvest.pipeline
from imgkit.engine import InlineEngine
from imgkit.harvest import plan
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.crawl.duplicate_tracker import DuplicateTracker, site_and_address
from imgkit.harvest.crawl.frontier import LabelFrontier
from imgkit.harvest.crawl.order import RankedAddress
from imgkit.harvest.providers.interface import ResultPage
from imgkit.harvest.storage import candidates as harvest_candidates
from imgkit.manifest import Candidate, Manifest, Proposal, Query


@pytest.fixture
def shop():
    opened = Shop()
    yield opened
    opened.close()


def test_an_address_that_is_being_fetched_for_one_label_is_given_to_another_that_wants_it_too(
    shop, tmp_path, monkeypatch
):
    fetching, loaded = threading.Event(), threading.Event()
    one = Proposal(url=f"{shop.address}/7.jpg", rank=1)

    def page(query, cursor, fetch, ready):
        if query.text == "late":
            assert fetching.wait(20)
        return ResultPage(verdict="end", proposals=(one,))

    def before_answer(path):
        fetching.set()
        assert loaded.wait(20)

    def waiting(manifest, label, *rest):
        entries = harvest_candidates.waiting(manifest, label, *rest)
        if label == "late":
            loaded.set()
        return entries

    shop.before_answer = before_answer
    first = replace(shop.providers()["ascending"], page=page)
    known = {"ascending": first, "descending": replace(first, name="descending")}
    for module in (plan, harvest_candidates, imgkit.harvest.pipeline):
        monkeypatch.setattr(module, "PROVIDERS", known)
    monkeypatch.setattr(imgkit.harvest.pipeline, "waiting", waiting)
    queries = [
        Query(label="early", name="early", text="early", providers=("ascending",)),
        Query(label="late", name="late", text="late", providers=("descending",)),
    ]
    config = HarvestConfig(
        data=tmp_path / "data", allow_private_hosts=("127.0.0.0/8",), per_label=5, smallest_side=32, robots=False
    )

    imgkit.harvest.pipeline.harvest(queries, config, environ={}, timeouts=HASTY, engine=InlineEngine())

    assert shop.asked == ["/7.jpg"]
    with Manifest.open_existing(config.data) as manifest:
        assert [(each.label, each.state, each.attempts) for each in manifest.candidates()] == [
            ("early", "kept", 1),
            ("late", "kept", 0),  # the request counts once
        ]
        assert {each.label for each in manifest.items()} == {"early", "late"}
    assert len(list(tmp_path.glob("data/harvested/*/*.jpg"))) == 2


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://img.example.org/a.jpg", "example.org"),
        ("https://cdn.img.example.org/a.jpg", "example.org"),
        ("https://EXAMPLE.org./a.jpg", "example.org"),
        ("https://www.shop.com.au/a.jpg", "shop.com.au"),
        ("https://www.farm.com.au/a.jpg", "farm.com.au"),
        ("https://com.au/a.jpg", "com.au"),
        ("https://img.shop.co.uk/a.jpg", "shop.co.uk"),
        ("https://img.school.govt.nz/a.jpg", "school.govt.nz"),
        ("https://photos.musee.gouv.fr/a.jpg", "musee.gouv.fr"),
        ("https://cdn.example.de/a.jpg", "example.de"),
        ("https://cdn.photos.io/a.jpg", "photos.io"),
        ("http://192.0.2.7:8080/a.jpg", "192.0.2.7:8080"),
        ("http://192.0.2.7/a.jpg", "192.0.2.7"),
        ("file:///pictures/a.jpg", ""),
        ("http://[broken/a.jpg", "http://[broken/a.jpg"),
    ],
)
def test_hosts_of_one_owner_are_one_site_and_those_below_a_public_suffix_are_apart(url, site):
    assert site_and_address(url)[0] == site


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("https://h.test/a%20b.JPG?w=100", "/a b.JPG?"),
        ("https://h.test/show.php?id=1&w=2", "/show.php?id=1&w=2"),
        ("https://h.test/a.jpg/view?x=1", "/a.jpg/view?x=1"),
        ("https://h.test/a.avif?x=1", "/a.avif?"),
    ],
)
def test_a_query_counts_only_where_it_chooses_the_picture(url, address):
    assert site_and_address(url)[1] == address


@pytest.mark.parametrize("suffix", ["com.au", "co.uk", "org.nz", "gouv.fr"])
def test_four_sites_below_one_public_suffix_make_no_placeholder_and_four_addresses_of_one_do(suffix):
    apart, one = DuplicateTracker(), DuplicateTracker()

    for n, name in enumerate("abcd"):
        apart.add("coral", "1", [f"https://{name}.{suffix}/{n}.jpg"])
        one.add("coral", "1", [f"https://{name}.shop.{suffix}/{n}.jpg"])

    assert (apart.is_placeholder("1"), apart.kept("coral")) == (False, 1)
    assert (one.is_placeholder("1"), one.kept("coral")) == (True, 0)


def test_the_same_address_again_is_no_further_address():
    ledger = DuplicateTracker()

    for _ in range(4):
        ledger.add("coral", "1", ["https://h.test/1.jpg", "https://h.test/1.jpg?again"])
    assert not ledger.is_placeholder("1")
    ledger.add("king", "1", ["https://h.test/2.jpg", "https://h.test/4.jpg"])
    assert not ledger.is_placeholder("1")
    ledger.add("king", "1", ["https://img.h.test/3.jpg"])

    assert ledger.is_placeholder("1")
    assert (ledger.kept("coral"), ledger.kept("king")) == (0, 0)
    assert ledger.add("milk", "1", ["https://h.test/1.jpg"]) is False
    assert ledger.kept("milk") == 0


def test_a_picture_counts_once_for_each_label_and_not_when_it_has_left():
    ledger = DuplicateTracker()

    assert ledger.add("coral", "1", ["https://a.test/1.jpg"]) is True
    assert ledger.add("coral", "1", ["https://b.test/1.jpg"]) is False
    assert ledger.add("king", "1", ["https://b.test/1.jpg"]) is True
    ledger.remove("coral", "1")
    ledger.remove("coral", "1")
    ledger.remove("milk", "1")
    assert (ledger.kept("coral"), ledger.kept("king"), ledger.kept("milk")) == (0, 1, 0)
    assert ledger.add("coral", "1", ["https://a.test/1.jpg"]) is True
    assert ledger.kept("coral") == 1


def test_a_placeholder_that_leaves_is_not_counted_twice():
    ledger = DuplicateTracker()
    ledger.add("coral", "1", ["https://a.test/1.jpg"], placeholder=True)

    ledger.remove("coral", "1")

    assert ledger.kept("coral") == 0


# what a label still needs


def shelf_of(*names, target=2):
    shelf = LabelFrontier(label="coral", name="coral", target=target)
    shelf.put(
        RankedAddress(
            name,
            (
                Candidate(
                    id=n, label="coral", query_id=1, provider="bing", round=0, proposal=Proposal(url=name, rank=n)
                ),
            ),
        )
        for n, name in enumerate(names, start=1)
    )
    return shelf


def taken(shelf, ledger):
    found = []
    while (entry := shelf.next(ledger)) is not None:
        shelf.under_way += 1
        found.append(entry.key)
    return found


def test_entries_that_were_taken_wait_again_before_the_others_and_in_their_order():
    shelf, ledger = shelf_of("https://h/a", "https://h/b", "https://h/c", "https://h/d"), DuplicateTracker()
    one, two = shelf.next(ledger), shelf.next(ledger)

    shelf.put_back([one, two])
    shelf.target = 9

    assert taken(shelf, ledger) == ["https://h/a", "https://h/b", "https://h/c", "https://h/d"]


def test_what_is_kept_and_what_is_under_way_count_towards_the_target():
    shelf, ledger = shelf_of("https://h/a", "https://h/b", "https://h/c", target=3), DuplicateTracker()
    ledger.add("coral", "1", ["https://h/x"])
    ledger.add("king", "2", ["https://h/y"])

    assert taken(shelf, ledger) == ["https://h/a", "https://h/b"]
    assert (shelf.wants(ledger), shelf.needs_search(ledger), shelf.done(ledger)) == (False, False, False)
    shelf.under_way = 0
    assert shelf.wants(ledger) is True
    ledger.add("coral", "3", ["https://h/a"])
    ledger.add("coral", "4", ["https://h/b"])
    assert (shelf.wants(ledger), shelf.done(ledger)) == (False, True)


def test_a_label_is_searched_further_only_when_nothing_waits_and_somebody_is_left_to_ask():
    shelf, ledger = shelf_of("https://h/a", target=1), DuplicateTracker()
    assert shelf.needs_search(ledger) is False  # one waits
    shelf.next(ledger)
    assert shelf.needs_search(ledger) is True
    shelf.searching = True
    assert (shelf.needs_search(ledger), shelf.done(ledger)) == (False, False)
    shelf.searching, shelf.exhausted = False, True
    assert (shelf.needs_search(ledger), shelf.done(ledger)) == (False, True)
    shelf.exhausted = False
    assert shelf.done(ledger) is False


def test_a_new_list_replaces_what_waited():
    shelf, ledger = shelf_of("https://h/a", "https://h/b"), DuplicateTracker()

    shelf.put(shelf_of("https://h/c")._remote)

    assert taken(shelf, ledger) == ["https://h/c"]
