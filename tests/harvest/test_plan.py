"""The plan of a harvest: who is asked for what, what it costs, and what is missing."""

import subprocess
import sys

import pytest

from imgkit.errors import UsageError
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.plan import make_plan, searches
from imgkit.harvest.providers.interface import Missing, Ready
from imgkit.manifest.nouns import Query

CORAL = Query(label="coral", name="coral", text="Micrurus fulvius -toy", exclude=("toy", "king"))


def row(plan, provider):
    (found,) = [row for row in plan.rows if row.provider == provider]
    return found


def plan(query=CORAL, environ=None, **config):
    return make_plan([query], HarvestConfig(**{"contact": "me@x.test", **config}), environ or {})


def test_by_default_the_services_without_a_key_are_asked_and_flickr_when_it_has_one():
    assert [(row.provider, row.ready) for row in plan().rows] == [
        ("bing", True),
        ("google", True),
        ("openverse", True),
        ("commons", True),
        ("inaturalist", True),
        ("flickr", False),
    ]
    assert row(plan(environ={"FLICKR_API_KEY": "k"}), "flickr").ready


def test_a_missing_key_is_named_with_what_to_do():
    flickr = row(plan(), "flickr")

    assert (flickr.note, flickr.calls) == ("FLICKR_API_KEY is not set", 0)
    assert flickr.how_to_fix.startswith("set FLICKR_API_KEY")


@pytest.mark.parametrize(
    ("provider", "calls", "at_most"),
    [
        pytest.param("bing", 6, 29, id="35 a page, 1,000 at most"),
        pytest.param("google", 2, 10, id="100 a page"),
        pytest.param("openverse", 10, 12, id="20 a page, 240 at most"),
        pytest.param("commons", 5, 201, id="50 a page and one name"),
        pytest.param("inaturalist", 4, 103, id="200 a page and three names"),
        pytest.param("flickr", 2, 9, id="500 a page, 4,000 at most, and the licences"),
        pytest.param("gbif", 2, 68, id="300 a page and one name"),
        pytest.param("duckduckgo", 3, 11, id="100 a page and one token"),
    ],
)
def test_the_calls_for_200_pictures_are_counted(provider, calls, at_most):
    planned = row(plan(environ={"FLICKR_API_KEY": "k"}, providers=(provider,)), provider)

    assert (planned.calls, planned.at_most) == (calls, at_most)


def test_the_official_api_of_google_is_counted_as_it_is_asked():
    planned = plan(environ={"GOOGLE_API_KEY": "k", "GOOGLE_CX": "c"}, providers=("google",))

    assert (planned.rows[0].calls, planned.rows[0].at_most) == (10, 10)
    assert planned.totals[0].calls_per_day == 100
    assert not planned.totals[0].over_quota


def test_a_quota_that_does_not_last_is_said():
    queries = [Query(label="a", name="a", text=f"words {number}") for number in range(30)]

    planned = make_plan(queries, HarvestConfig(providers=("openverse",)), {})

    (total,) = planned.totals
    assert (total.queries, total.calls, total.seconds) == (30, 300, 900.0)
    assert total.over_quota


def test_a_limit_of_the_query_is_the_most():
    limited = Query(label="a", name="a", text="x", limit=40)

    assert (row(plan(limited), "bing").calls, row(plan(limited), "bing").at_most) == (2, 2)


def test_what_is_sent_shows_the_excluded_words_where_the_service_understands_them():
    assert row(plan(), "openverse").text == "Micrurus fulvius -toy -king"
    assert row(plan(), "bing").text == "Micrurus fulvius"  # they are left out here
    assert row(plan(), "inaturalist").text == "Micrurus fulvius"


def test_the_providers_of_a_query_outrank_those_of_the_run():
    own = Query(label="a", name="a", text="x", providers=("gbif", "bing"))

    assert [row.provider for row in plan(own, providers=("commons",)).rows] == ["bing", "gbif"]
    assert [row.provider for row in plan(providers=("commons",)).rows] == ["commons"]


def test_a_provider_that_states_no_licences_is_left_out_when_licences_are_wanted():
    states = {
        search.provider.name: search.state
        for search in searches([CORAL], HarvestConfig(licences=("by",), contact="me@x.test"), {})
    }

    assert isinstance(states["bing"], Missing)
    assert isinstance(states["google"], Missing)
    assert isinstance(states["commons"], Ready)


def test_licences_and_filters_reach_the_provider():
    own = Query(label="a", name="a", text="x", licences=("cc0",))

    (search,) = searches(
        [own],
        HarvestConfig(
            contact="me@x.test", providers=("commons",), licences=("by",), filters={"size": "large"}, language="de-DE"
        ),
        {},
    )

    assert (search.asked.licences, search.asked.filters) == (("cc0",), {"size": "large"})
    assert search.asked.language == "de-DE"


def test_words_are_no_path():
    (planned,) = plan(providers=("folder",)).rows

    assert not planned.ready
    assert "is a path" in planned.note


def test_a_folder_costs_no_calls(tmp_path):
    own = Query(label="a", name="a", text=str(tmp_path), providers=("folder",))

    (planned,) = plan(own).rows

    assert (planned.ready, planned.calls, planned.at_most) == (True, 0, None)


def test_an_unknown_provider_is_refused():
    with pytest.raises(UsageError, match="provider 'bingo' is not known"):
        plan(providers=("bingo",))


def test_the_plan_is_json_without_keys():
    environ = {"FLICKR_API_KEY": "s3cret", "FLICKR_API_SECRET": "s3cret", "GOOGLE_API_KEY": "s3cret", "GOOGLE_CX": "c"}

    text = str(plan(environ=environ).as_json())

    assert "'provider': 'flickr'" in text
    assert "s3cret" not in text


def test_making_a_plan_loads_no_network_library():
    code = (
        "import sys, imgkit.harvest.queries, imgkit.harvest.plan as plan;"
        "from imgkit.harvest.config import HarvestConfig; from imgkit.manifest.nouns import Query;"
        "plan.make_plan([Query(label='a', name='a', text='x')], HarvestConfig(), {});"
        "print([name for name in ('requests', 'icrawler', 'flickrapi', 'PIL', 'torch') if name in sys.modules])"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert run.stdout == "[]\n"


def test_a_service_that_wants_a_contact_is_asked_only_with_one():
    without = {search.provider.name: search.state for search in searches([CORAL], HarvestConfig(), {})}
    given = {search.provider.name: search.state for search in searches([CORAL], HarvestConfig(contact="me@x.test"), {})}

    assert isinstance(without["commons"], Missing)
    assert "IMGKIT_CONTACT" in without["commons"].how_to_fix
    assert isinstance(given["commons"], Ready)


def test_the_documentation_lists_every_provider_with_its_most_results_and_whether_it_says_licences():
    from pathlib import Path

    from imgkit.harvest.providers import PROVIDERS

    text = (Path(__file__).resolve().parents[2] / "docs" / "providers.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    told = {cells[0].strip("`"): (cells[2], cells[4], cells[5]) for cells in rows}

    assert list(told) == list(PROVIDERS)
    for name, (asked, most, licensed) in told.items():
        provider = PROVIDERS[name]
        assert (
            asked.split(",")[0]
            == {
                "always": "by default",
                "taxon": "for names of taxa",
                "key": "when its key is set",
                "named": "when named",
            }[provider.default]
        )
        if not provider.local:
            assert licensed == ("yes" if provider.licensed else "no")
            assert name == "google" or most == f"{provider.max_results:,}"
