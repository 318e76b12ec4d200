"""``imgkit doctor --online``: each provider is asked one small question; its answers can be kept for a bug report."""

import json
import os
import subprocess
import sys

import pytest
from search_services import KEYS, SERVICES

from imgkit.demo.population import small_world
from imgkit.demo.web.server import serve
from imgkit.errors import UsageError
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.provider_check import as_record, check_providers
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import NoAnswer, Response

SEARCHED = [name for name, provider in PROVIDERS.items() if not provider.local]
CONFIG = HarvestConfig(contact="ada@example.org")


def services(**odd):
    """Every service with three results, but for those named: these give the answer that is said."""

    def fetch_for(provider, ready, config):
        return lambda request: odd.get(provider.name) or SERVICES[provider.name](request, 3)

    return fetch_for


def checks(config=CONFIG, environ=KEYS, question="Micrurus fulvius", **odd):
    found = check_providers(config, environ, question=question, fetch_for=services(**odd))
    return {one.provider: one for one in found}


def test_every_provider_of_the_network_is_asked_once_and_says_how_many_results_from_where():
    found = checks()

    assert list(found) == SEARCHED
    assert {one.grade for one in found.values()} == {"ok"}
    assert (found["bing"].results, found["bing"].detail) == (3, "3 results, all from h.test")
    assert {one.advice for one in found.values()} == {""}


def test_a_provider_without_key_or_contact_is_not_asked_and_says_what_to_set():
    found = checks(config=HarvestConfig(), environ={})

    assert (found["flickr"].verdict, found["flickr"].grade) == ("missing", "note")
    assert found["flickr"].detail == "not asked: FLICKR_API_KEY is not set"
    assert found["flickr"].advice.startswith("Set FLICKR_API_KEY")
    assert found["commons"].advice == "Set IMGKIT_CONTACT, or --contact, to your e-mail address or page."
    assert found["flickr"].exchanges == ()


@pytest.mark.parametrize(
    ("answer", "verdict", "grade"),
    [
        (Response(status=200, body=b"<html>New page</html>"), "schema_changed", "problem"),
        (Response(status=200, body=b"<html>Are you a robot?</html>"), "captcha", "note"),
        (Response(status=401), "auth", "problem"),
        (Response(status=429), "throttled", "note"),
        (Response(status=500), "transient", "note"),
        (NoAnswer(reason="net.dns", detail="no such name"), "unreachable", "problem"),
    ],
)
def test_a_wall_or_a_limit_is_a_note_and_a_changed_layout_a_problem_with_advice(answer, verdict, grade):
    one = checks(openverse=answer)["openverse"]

    assert (one.verdict, one.grade, one.results) == (verdict, grade, 0)
    assert one.advice.endswith(".")


def test_only_the_named_providers_are_asked_and_an_unknown_one_is_refused():
    assert list(checks(config=HarvestConfig(providers=("gbif", "bing")))) == ["bing", "gbif"]
    with pytest.raises(UsageError, match="provider 'bong' is not known"):
        checks(config=HarvestConfig(providers=("bong",)))


def test_the_record_holds_the_answers_without_keys_tokens_addresses_and_e_mails():
    key = "0123456789abcdef"
    body = (
        b"<html>Hello 203.0.113.77 and 2001:db8:0:0:1:2:3:4, bob@example.org of ada@example.org, key "
        + key.encode()
        + b', "IG":"ABCDEF0123" '
        b"keeps its <b>layout</b></html>"
    )
    answer = Response(status=200, body=body, headers={"set-cookie": "id=secret-cookie", "content-type": "text/html"})

    record = as_record(list(checks(flickr=answer).values()), "Micrurus fulvius")

    flickr = json.loads(record)["providers"]["flickr"]
    assert flickr["exchanges"][0]["headers"] == {"content-type": "text/html"}
    assert flickr["exchanges"][0]["body"] == (
        "<html>Hello [address] and [address], [e-mail] of [contact], key [key], "
        '"IG":"[token]" keeps its <b>layout</b></html>'
    )
    for secret in (key, "secret-cookie", "ada@example.org", "bob@example.org", "203.0.113.77", "4-123456789"):
        assert secret not in record


@pytest.fixture(scope="module")
def web():
    with serve(small_world(good=6, providers=SEARCHED)) as web:
        yield web


def doctor(web, *arguments):
    environ = {**os.environ, **web.environ, "IMGKIT_CONTACT": "ada@example.org", "COLUMNS": "80"}
    command = [sys.executable, "-m", "imgkit", "doctor", "--online", "--question", "coral snake", *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=120)


def test_the_command_names_the_service_that_changed_and_writes_the_record(web, tmp_path):
    web.inject_fault("openverse", "html")
    try:
        ended = doctor(web, "--provider", "bing", "--provider", "openverse", "--record", str(tmp_path / "answers.json"))
    finally:
        web.inject_fault("openverse", "")

    assert ended.returncode == 4
    assert "ok       bing: 6 results, " in ended.stdout
    assert "problem  openverse: Openverse answered in a form that imgkit does not know" in ended.stdout
    assert json.loads((tmp_path / "answers.json").read_text())["providers"]["openverse"]["verdict"] == "schema_changed"


def test_the_options_of_the_online_check_need_it(tmp_path):
    ended = subprocess.run(
        [sys.executable, "-m", "imgkit", "doctor", "--provider", "bing"], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 2
    assert "Add --online." in ended.stderr
