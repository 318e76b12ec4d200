"""What becomes of each candidate is written down exactly: what waits, what is known already, who is kept in the end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.crawl.downloader import StoredPicture
from imgkit.harvest.crawl.duplicate_tracker import DuplicateTracker
from imgkit.harvest.crawl.order import RankedAddress, in_order
from imgkit.harvest.crawl.result_writer import ROWS_PER_WRITE, SECONDS_PER_WRITE, ResultWriter
from imgkit.harvest.crawl.screening import author_hash
from imgkit.harvest.plan import make_plan
from imgkit.harvest.rules import RowRules, apply
from imgkit.harvest.search import excludes, licences
from imgkit.harvest.storage.candidates import reopen, settle, waiting
from imgkit.harvest.storage.ingest import Shrunk
from imgkit.manifest import Candidate, Image, Proposal, Query, QueryRow, SearchState
from imgkit.manifest.addresses import removed
from imgkit.net.outcomes import Failure

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def image(number: int) -> Image:
    digest = f"{number:064x}"
    return Image(sha256=digest[::-1], stored_sha256=digest, extension="jpg", bytes=9, width=4, height=3)


def arrived(number, url):
    return StoredPicture(image(number), Shrunk(jpeg=b"jpeg", sha256=f"{number:064x}", width=4, height=3), url)


@pytest.fixture
def found(manifest):
    """Put candidates of two labels into a manifest: found(label, provider, url, ...) with ranks from 1."""

    def find(label, provider, *urls, round_=0, **query):
        (query_id,) = manifest.put_queries([Query(label=label, name=label, text=label, **query)])
        proposals = [
            one if isinstance(one, Proposal) else Proposal(url=f"https://h.test/{one}.jpg", rank=rank)
            for rank, one in enumerate(urls, start=1)
        ]
        manifest.put_page(SearchState(query_id=query_id, provider=provider), proposals, label=label, round_=round_)
        return manifest.candidates(label=label)

    return find


def entry(*candidates):
    return RankedAddress(f"https://h.test/{candidates[0].proposal.url.rsplit('/', 1)[1]}", tuple(candidates))


def said(manifest, label="coral"):
    return [
        (one.proposal.url.rsplit("/", 1)[-1], one.provider, one.state, one.reason, one.detail, one.attempts)
        for one in manifest.candidates(label=label)
    ]


def open_names(manifest, label="coral", ledger=None, **config):
    entries = waiting(manifest, label, HarvestConfig(**config), RowRules.of(manifest), ledger or DuplicateTracker())
    return [[one.provider for one in each.candidates] for each in entries], [each.key[-5] for each in entries]


# what waits


def test_a_candidate_that_is_put_off_waits_from_its_time_on(manifest, found):
    later, past, at_once, gone = found("coral", "bing", "a", "b", "c", "d")
    manifest.settle(
        [
            replace(later, state="deferred", reason="http.429", next_try_at=datetime.now(UTC) + timedelta(hours=1)),
            replace(past, state="deferred", reason="http.429", next_try_at=datetime.now(UTC) - timedelta(seconds=1)),
            replace(at_once, state="deferred", reason="net.read", next_try_at=None),
            replace(gone, state="rejected", reason="http.404"),
        ]
    )

    assert open_names(manifest)[1] == ["b", "c"]


def test_the_place_of_an_entry_depends_on_candidates_that_wait_no_more(manifest, found):
    found("coral", "bing", "a", "b", "c")
    found("coral", "openverse", "c")
    tried = next(one for one in manifest.candidates() if (one.provider, one.proposal.url[-5]) == ("openverse", "c"))
    manifest.settle([replace(tried, state="rejected", reason="dup.exact")])

    assert open_names(manifest) == ([["bing"], ["bing"], ["bing"]], ["c", "a", "b"])  # two proposed it


def test_the_small_copy_is_taken_along_only_where_that_is_asked_for(manifest, found):
    found("coral", "bing", Proposal(url="https://h.test/a.jpg", rank=1, thumbnail="https://t.test/a.jpg"))
    rules = RowRules.of(manifest)

    assert [
        waiting(manifest, "coral", HarvestConfig(thumbnails=wanted), rules, DuplicateTracker())[0].thumbnail
        for wanted in (False, True)
    ] == ["", "https://t.test/a.jpg"]


def test_what_the_rules_do_not_admit_is_settled_and_does_not_wait(manifest, found):
    found(
        "coral",
        "bing",
        Proposal(url="https://h.test/a.jpg", rank=1, title="a toy snake", license="CC BY 4.0"),
        Proposal(url="https://h.test/b.jpg", rank=2, license="CC BY-NC 4.0"),
        Proposal(url="https://h.test/c.jpg", rank=3),
        Proposal(url="https://h.test/d.jpg", rank=4, license="CC BY 2.0"),
        exclude=("toy",),
        licences=("by",),
    )

    assert open_names(manifest)[1] == ["d"]
    assert said(manifest) == [
        ("a.jpg", "bing", "rejected", "policy.excluded", "toy", 0),
        ("b.jpg", "bing", "rejected", "policy.licence", "CC BY-NC 4.0", 0),
        ("c.jpg", "bing", "rejected", "policy.licence", "not stated", 0),
        ("d.jpg", "bing", "pending", "", "", 0),
    ]


@pytest.mark.parametrize(
    ("reason", "retry", "robots", "waits"),
    [
        ("http.404", False, True, False),
        ("http.404", True, True, True),
        ("net.dns", True, True, True),
        ("body.html", True, True, True),
        ("img.small", True, True, True),
        ("fs.name", True, True, True),
        ("policy.header", True, True, False),
        ("policy.removed", True, True, False),
        ("policy.robots", True, True, False),
        ("policy.robots", False, False, True),
        ("policy.robots", False, True, False),
        ("dup.exact", True, True, False),
    ],
)
def test_another_chance_is_given_to_what_may_have_changed_and_only_when_asked(
    manifest, found, reason, retry, robots, waits
):
    (one,) = found("coral", "bing", "a")
    manifest.settle([replace(one, state="rejected", reason=reason, detail="why", attempts=3)])

    reopen(manifest, HarvestConfig(robots=robots), RowRules.of(manifest), retry=retry)

    name = removed("https://h.test/a.jpg") if reason == "policy.removed" else "a.jpg"  # only the hash is remembered
    assert said(manifest) == [
        (name, "bing", "pending", "", "", 3) if waits else (name, "bing", "rejected", reason, "why", 3)
    ]


def test_a_picture_that_is_a_copy_gets_no_other_chance(manifest, found):
    (one,) = found("coral", "bing", "a")
    manifest.put_image(image(1))
    manifest.settle([replace(one, state="rejected", reason="img.placeholder", image_id=image(1).id)])

    reopen(manifest, HarvestConfig(), RowRules.of(manifest), retry=True)

    assert manifest.candidates()[0].reason == "img.placeholder"


def test_how_a_picture_came_is_remembered_while_nobody_asks_for_it(manifest, found):
    (one,) = found("coral", "bing", "a")
    manifest.put_image(image(1))
    moved = replace(one, state="kept", detail="moved to https://h.test/x.jpg", image_id=image(1).id)
    manifest.settle([moved])
    nobody = RowRules(rows={}, removed=RowRules.of(manifest).removed)

    assert [(each.state, each.reason, each.detail) for each in apply(manifest, nobody, "coral")] == [
        ("rejected", "query.gone", moved.detail)
    ]
    assert apply(manifest, RowRules.of(manifest), "coral") == [moved] == manifest.candidates()


def test_what_was_removed_on_request_does_not_wait_and_says_what(manifest, found):
    found("coral", "bing", "a", Proposal(url="https://h.test/b.jpg", rank=2, author="Ada"))
    manifest.add_tombstones("author", [author_hash("ada")], reason="asked")

    assert open_names(manifest)[1] == ["a"]
    name = removed("https://h.test/b.jpg")
    assert said(manifest)[1] == (name, "bing", "rejected", "policy.removed", "author removed on request", 0)


def test_a_failure_stays_a_failure_when_nobody_asks_for_it(manifest, found):
    (one,) = found("coral", "bing", "a")
    manifest.settle([replace(one, state="rejected", reason="http.404")])

    apply(manifest, RowRules(rows={}, removed=RowRules.of(manifest).removed), "coral")

    assert manifest.candidates()[0].reason == "http.404"


def test_a_limit_counts_for_each_provider_and_the_rows_own_search_comes_first(manifest, found):
    found("coral", "bing", "a", "b", "c")
    found("coral", "openverse", "d", "e", "f")
    (other,) = manifest.put_queries([Query(label="coral", name="coral", text="coral", exclude=("toy",), limit=2)])
    state = SearchState(query_id=other, provider="bing")
    manifest.put_page(state, [Proposal(url="https://h.test/c.jpg", rank=5)], label="coral", round_=0)

    after = apply(manifest, RowRules.of(manifest), "coral")

    assert [one.proposal.url[-5] for one in after if one.reason != "query.gone"] == ["a", "d", "e", "c"]


def test_who_is_counted_follows_the_rules(manifest, found):
    first, second = found("coral", "bing", "a", "b")
    for number, one in enumerate((first, second)):
        manifest.put_image(image(number))
        manifest.settle([replace(one, state="kept", image_id=image(number).id)])
    ledger = DuplicateTracker()
    for one in manifest.candidates():
        ledger.note(one)
    manifest.put_queries([Query(label="coral", name="coral", text="coral", limit=1)])
    apply(manifest, RowRules.of(manifest), "coral", ledger=ledger)
    assert ledger.kept("coral") == 1
    manifest.put_queries([Query(label="coral", name="coral", text="coral")])

    apply(manifest, RowRules.of(manifest), "coral", ledger=ledger)

    assert ledger.kept("coral") == 2


# the account of a run


def test_requests_are_counted_once_and_every_label_gets_the_picture(manifest, found):
    (coral,), (king,) = found("coral", "bing", "a"), found("king", "bing", "a")
    books = ResultWriter(manifest)

    books.arrived([entry(coral), entry(king)], arrived(1, coral.proposal.url), requests=3)
    books.flush(force=True)

    assert said(manifest) == [("a.jpg", "bing", "kept", "", "", 3)]
    assert said(manifest, "king") == [("a.jpg", "bing", "kept", "", "", 0)]
    assert [(one.label, one.image_id) for one in manifest.items()] == [("coral", image(1).id), ("king", image(1).id)]


def test_of_several_candidates_of_one_address_the_first_is_kept_and_has_the_requests(manifest, found):
    (one,) = found("coral", "bing", "a")
    two = found("coral", "openverse", "a")[1]
    books = ResultWriter(manifest)

    books.arrived([entry(one, two)], arrived(1, one.proposal.url), requests=2)
    books.flush(force=True)

    assert said(manifest) == [
        ("a.jpg", "bing", "kept", "", "", 2),
        ("a.jpg", "openverse", "rejected", "dup.exact", "", 0),
    ]


@pytest.mark.parametrize(
    ("url", "thumbnail", "detail"),
    [
        ("https://h.test/a.jpg", False, ""),
        ("https://h.test:443/a.jpg#top", False, ""),
        ("https://h.test/b.jpg", False, "moved to https://h.test/b.jpg"),
        ("https://t.test/a.jpg", True, "only a thumbnail: https://t.test/a.jpg"),
        ("https://h.test/" + "x" * 600, False, "moved to https://h.test/" + "x" * (500 - 24)),
    ],
)
def test_it_is_said_where_a_picture_came_from_when_that_is_another_address(manifest, found, url, thumbnail, detail):
    (one,) = found("coral", "bing", "a")
    books = ResultWriter(manifest)

    books.arrived([entry(one)], arrived(1, url), requests=1, thumbnail=thumbnail)
    books.flush(force=True)

    assert said(manifest) == [("a.jpg", "bing", "kept", "", detail, 1)]


def test_a_failure_that_passes_is_put_off_for_as_long_as_was_asked(manifest, found):
    one, two, three = found("coral", "bing", "a", "b", "c")
    books = ResultWriter(manifest, now=lambda: NOW)

    books.failed(
        [entry(one)], Failure(reason="http.429", detail="d" * 600, transient=True, retry_after=90.0), requests=4
    )
    books.failed([entry(two)], Failure(reason="net.read", transient=True), requests=1)
    books.failed([entry(three)], Failure(reason="http.404", retry_after=90.0), requests=1)
    books.flush(force=True)

    found_now = manifest.candidates()
    assert [(each.state, each.reason, each.attempts) for each in found_now] == [
        ("deferred", "http.429", 4),
        ("deferred", "net.read", 1),
        ("rejected", "http.404", 1),
    ]
    assert [each.next_try_at for each in found_now] == [NOW + timedelta(seconds=90), None, None]
    assert found_now[0].detail == "d" * 500


@pytest.mark.parametrize("reason", ["http.404", "net.dns", "body.html", "img.small", "policy.header", "policy.robots"])
def test_what_an_address_led_to_in_an_earlier_run_holds_for_every_label(manifest, found, reason):
    (coral,), (king,) = found("coral", "bing", "a"), found("king", "bing", "a")
    manifest.settle([replace(coral, state="rejected", reason=reason, detail="why")])
    books = ResultWriter(manifest)
    books.load(manifest.each_candidate())

    assert books.recall(entry(king)) is True
    books.flush(force=True)
    assert said(manifest, "king") == [("a.jpg", "bing", "rejected", reason, "why", 0)]


@pytest.mark.parametrize("reason", ["policy.excluded", "policy.licence", "query.gone", "dup.exact"])
def test_what_was_said_of_one_label_is_not_said_of_another(manifest, found, reason):
    (coral,), (king,) = found("coral", "bing", "a"), found("king", "bing", "a")
    manifest.settle([replace(coral, state="rejected", reason=reason)])
    books = ResultWriter(manifest)
    books.load(manifest.each_candidate())

    assert books.recall(entry(king)) is False


def test_a_picture_that_left_is_known_but_not_counted(manifest, found):
    (coral,), (king,) = found("coral", "bing", "a"), found("king", "bing", "a")
    manifest.put_image(image(1))
    manifest.settle([replace(coral, state="rejected", reason="query.gone", image_id=image(1).id)])
    books = ResultWriter(manifest)
    books.load(manifest.each_candidate())

    assert books.ledger.kept("coral") == 0
    assert books.recall(entry(king)) is True
    assert books.ledger.kept("king") == 1


def test_an_address_that_is_forgotten_is_asked_again(manifest, found):
    (one,) = found("coral", "bing", "a")
    books = ResultWriter(manifest)
    books.failed([entry(one)], Failure(reason="net.connect", transient=True), requests=1)
    assert books.recall(entry(one)) is True

    books.forget(entry(one))

    assert books.recall(entry(one)) is False


def test_rows_are_written_when_they_are_many_or_when_time_has_passed(manifest, found):
    one, two = found("coral", "bing", "a", "b")
    time = 0.0
    books = ResultWriter(manifest, clock=lambda: time)
    books.failed([entry(one)], Failure(reason="http.404"), requests=1)
    time = SECONDS_PER_WRITE * 0.9
    books.flush()
    assert said(manifest)[0][2] == "pending"
    time = SECONDS_PER_WRITE
    books.flush()
    assert said(manifest)[0][2] == "rejected"

    for _ in range(ROWS_PER_WRITE - 1):
        books.failed([entry(two)], Failure(reason="http.410"), requests=0)
    books.flush()
    assert said(manifest)[1][2] == "pending"
    books.failed([entry(two)], Failure(reason="http.410"), requests=0)
    books.flush()
    assert said(manifest)[1][2] == "rejected"
    assert (ROWS_PER_WRITE, SECONDS_PER_WRITE) == (200, 0.02)


# who is kept in the end


def test_the_first_of_the_fixed_order_is_kept_and_what_is_kept_is_returned_by_label(manifest, found):
    found("king", "bing", "z")
    found("coral", "bing", "a", "b", "c")
    for number in (1, 2):
        manifest.put_image(image(number))
    a, b, c = manifest.candidates(label="coral")
    (z,) = manifest.candidates(label="king")
    manifest.settle(
        [
            replace(a, state="rejected", reason="dup.exact", image_id=image(1).id),
            replace(b, state="kept", image_id=image(1).id),
            replace(c, state="kept", image_id=image(2).id),
            replace(z, state="kept", image_id=image(2).id),
        ]
    )

    kept = settle(manifest, RowRules.of(manifest))

    assert kept == [("king", image(2).id), ("coral", image(1).id), ("coral", image(2).id)]
    assert [(one.state, one.reason) for one in manifest.candidates(label="coral")] == [
        ("kept", ""),
        ("rejected", "dup.exact"),
        ("kept", ""),
    ]
    assert settle(manifest, RowRules.of(manifest)) == kept


def test_ties_go_by_the_order_of_providers_then_by_query_and_address():
    def one(provider, rank, url, query_id=1):
        return Candidate(
            id=1, label="a", query_id=query_id, provider=provider, round=0, proposal=Proposal(url=url, rank=rank)
        )

    listed = [
        one("flickr", 1, "https://h.test/f.jpg"),
        one("bing", 1, "https://h.test/y.jpg", query_id=2),
        one("bing", 1, "https://h.test/x.jpg", query_id=2),
        one("bing", 1, "https://h.test/z.jpg", query_id=1),
        one("unheard", 1, "https://h.test/u.jpg"),
        one("bing", 2, "https://h.test/b.jpg"),
    ]

    assert [each.key[-5] for each in in_order(listed, ["bing", "flickr"])] == ["z", "x", "y", "f", "u", "b"]


def test_an_entry_has_its_further_addresses_once_in_order_and_the_small_copy_last():
    def one(url, *fallbacks, page=""):
        return Candidate(
            id=1,
            label="a",
            query_id=1,
            provider="bing",
            round=0,
            proposal=Proposal(url=url, rank=1, fallbacks=fallbacks, page_url=page),
        )

    both = RankedAddress(
        "https://h.test/a.jpg",
        (one("https://h.test/a.jpg", "x", "HTTPS://h.test:443/a.jpg"), one("https://h.test/a.jpg", "y", "x", page="p")),
        "t",
    )

    assert both.fallbacks == ("x", "y", "t")
    assert both.page_url == "p"


# words and licences


@pytest.mark.parametrize(
    ("licence", "version", "address"),
    [
        ("by-sa", "4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
        ("CC BY 2.0", "2.0", "https://creativecommons.org/licenses/by/2.0/"),
        ("by", "", ""),
        ("cc0", "", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("CC0", "9.9", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("pdm", "", "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("arr", "4.0", ""),
        ("GFDL", "1.2", ""),
    ],
)
def test_the_address_of_a_licence(licence, version, address):
    assert licences.address(licence, version) == address


@pytest.mark.parametrize(
    ("text", "code", "written"),
    [
        ("https://creativecommons.org/publicdomain/mark/1.0/", "pdm", "Public domain"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0", "CC0 1.0"),
        ("cc zero", "cc0", "CC0"),
        ("CC0 1.0", "cc0", "CC0 1.0"),
        ("PD-USGov", "pdm", "Public domain"),
        ("no known copyright restrictions", "no-known", "No known copyright restrictions"),
        ("US-GOV", "us-gov", "United States government work"),
        ("cc_by_nc_nd 2.5", "by-nc-nd", "CC BY-NC-ND 2.5"),
    ],
)
def test_licences_as_services_write_them(text, code, written):
    assert (licences.code(text), licences.written(text)) == (code, written)


def test_any_of_several_licences_may_be_asked_for_in_any_form():
    assert licences.allowed("https://creativecommons.org/licenses/by/4.0/", ["CC BY 2.0"])
    assert not licences.allowed("GFDL", ["GFDL"])  # a licence without a code is none that can be asked for
    assert licences.allowed("", [])


def test_the_first_excluded_word_is_named_and_a_phrase_matches_whatever_stands_between():
    snake = Proposal(url="u", rank=1, title="King-Snake toys", tags="a, b", page_url="https://h.test/a%20red_toy")

    assert excludes.excluded_by(snake, ("blue", "toy", "king snake")) == "toy"
    assert excludes.excluded_by(snake, ("king snake", "toy")) == "king snake"
    assert excludes.excluded_by(snake, ("snake king", "toy s", "re", "--")) == ""
    assert excludes.excluded_by(snake, ("B",)) == "B"


def test_words_are_excluded_once_and_phrases_in_quotes():
    assert excludes.with_negations("snake -Toy", ("toy", "king snake", "mug")) == 'snake -Toy -"king snake" -mug'
    assert excludes.without_negations('T-shirt -toy  snake -"a b" x') == "T-shirt snake x"
    assert excludes.negated_words('T-shirt -toy snake -"a b" - x --y') == ("toy", "a b")


# what a plan costs


def test_a_quota_that_is_just_met_is_not_exceeded():
    queries = [Query(label="a", name="a", text=f"words {number}") for number in range(20)]

    (total,) = make_plan(queries, HarvestConfig(providers=("openverse",)), {}).totals

    assert (total.calls, total.calls_per_day, total.over_quota) == (200, 200, False)


def test_a_row_says_what_a_query_asks_in_force():
    row = QueryRow(file="", query_id=1, query=Query(label="a", name="A", text="a"))

    assert (row.query.limit, row.query.providers, row.query.licences) == (None, (), ())
