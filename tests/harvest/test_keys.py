"""Keys stay keys: no log, error, answer that is kept, row or file of a harvest holds one, in any spelling."""

import base64
import json
import os
import subprocess
import sys
from urllib.parse import quote, quote_plus

import pytest

from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import Provider, Ready, Response, ResultPage, SearchQuery
from imgkit.redaction import Redactor, secrets_of, shown_address
from loopback import Server, reply

MARKED = {
    name: f"MARKED/{number}+of {name.lower()}=="
    for number, name in enumerate(
        [
            "FLICKR_API_KEY",
            "FLICKR_API_SECRET",
            "GOOGLE_API_KEY",
            "GOOGLE_CX",
            "OPENVERSE_CLIENT_ID",
            "OPENVERSE_CLIENT_SECRET",
        ]
    )
}
TOKEN = "MARKED/token+of openverse=="
SEARCHED = sorted(name for name, provider in PROVIDERS.items() if not provider.local)


def spellings(secret):
    """The secret as it may stand in an address, a form, a header or JSON."""
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}
    forms |= {quote(quote(secret, safe=""), safe=""), json.dumps(secret).replace("/", "\\/")[1:-1]}
    forms |= {base64.b64encode(secret.encode()).decode()}
    return {form.encode() for form in forms} | {form.lower().encode() for form in forms}


def held(data):
    """The secrets that some bytes hold, by name."""
    everything = {**MARKED, "token": TOKEN}
    return sorted(name for name, secret in everything.items() if any(form in data for form in spellings(secret)))


def echoing(status, *, as_json=False, close=False):
    """A service that gives a token, and answers everything else with all that it was told."""

    def answer(request, connection):
        if close:
            return "close"
        if "auth_tokens" in request.split("\r\n", 1)[0]:
            body = json.dumps({"access_token": TOKEN}).encode()
            connection.sendall(reply(body, headers=["Content-Type: application/json"]))
            return "again"
        if as_json:
            error = {"code": 100, "message": request, "errors": [{"reason": request}]}
            body = json.dumps(
                {
                    "error": {**error, "info": request},
                    "detail": request,
                    "stat": "fail",
                    "code": 100,
                    "message": request,
                }
            ).encode()
        else:
            body = request.encode("latin-1")
        connection.sendall(reply(body, status=f"{status} Whatever", headers=["X-Echo: yes"]))
        return "again"

    return answer


@pytest.fixture
def queries(tmp_path):
    path = tmp_path / "queries.csv"
    rows = "".join(f"snake{n},Micrurus fulvius,{';'.join(SEARCHED)}\n" for n in range(2))
    path.write_text(f"label,query,providers\n{rows}")
    return path


def homes(url):
    return {variable: url for provider in PROVIDERS.values() for variable in provider.homes}


def imgkit(tmp_path, environ, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "imgkit", *arguments, "--debug"],
        cwd=tmp_path,
        env={**os.environ, **MARKED, **environ},
        capture_output=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(echoing(200), id="an answer of unknown layout that repeats the request"),
        pytest.param(echoing(200, as_json=True), id="an error inside an answer that is 200"),
        pytest.param(echoing(400, as_json=True), id="400 with a reason"),
        pytest.param(echoing(401, as_json=True), id="401 with a reason"),
        pytest.param(echoing(429, as_json=True), id="429 with a reason"),
        pytest.param(echoing(200, close=True), id="a connection that is closed"),
    ],
)
def test_no_key_is_written_anywhere_whatever_the_services_answer(tmp_path, queries, answer):
    with Server(answer) as service:
        ran = imgkit(
            tmp_path, homes(service.url), "harvest", str(queries), "--contact", "me@x.test", "--per-label", "3"
        )
        asked = "".join(service.requests)

    assert ran.returncode in (3, 5), ran.stderr.decode()
    if service.requests:
        assert "MARKED" in asked  # the keys were used
    assert held(ran.stdout) == []
    assert held(ran.stderr) == []
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path != queries]
    assert any(path.name == "manifest.db" for path in files)
    assert {path.name: held(path.read_bytes()) for path in files if held(path.read_bytes())} == {}


@pytest.mark.parametrize("arguments", [["doctor"], ["harvest", "queries.csv", "--dry-run"]])
def test_no_key_is_in_what_says_whether_it_is_set(tmp_path, queries, arguments):
    said = imgkit(tmp_path, {}, *arguments)

    assert b"flickr" in said.stdout.lower()
    assert held(said.stdout + said.stderr) == []


def test_no_key_is_written_where_nobody_answers(tmp_path, queries):
    ran = imgkit(tmp_path, homes("http://127.0.0.1:9"), "harvest", str(queries), "--contact", "me@x.test")

    assert ran.returncode == 5
    assert b"stopped" in ran.stderr + ran.stdout
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [held(data) for data in [ran.stdout, ran.stderr, *(path.read_bytes() for path in files)] if held(data)] == []


def test_the_password_of_a_proxy_is_in_no_error(tmp_path, queries):
    proxy = "http://me:MARKED-password@127.0.0.1:9"

    ran = imgkit(tmp_path, {}, "harvest", str(queries), "--proxy", proxy)

    assert ran.returncode == 2
    assert b"--proxy" in ran.stderr
    assert b"MARKED-password" not in ran.stderr + ran.stdout


def test_a_page_loses_the_keys_that_a_service_repeats():
    secret, token = "k/ey+1 =", "tok/en=="

    def page(query, cursor, fetch, ready):
        ready.memory["token"] = token
        text = f"{secret} {quote(secret, safe='')} {quote_plus(secret)} {token}"
        return ResultPage(verdict="schema_changed", detail=text, sample=text.encode(), cursor={"page": 1})

    provider = Provider(name="x", title="X", page=page, check=lambda environ: Ready(), page_size=1)

    asked = provider.ask(
        SearchQuery(text="a"), None, lambda request: Response(status=200), Ready(keys={"key": secret, "short": "a"})
    )

    assert asked.detail == "[key] [key] [key] [token]"
    assert asked.sample == b"[key] [key] [key] [token]"
    assert asked.cursor == {"page": 1}


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_the_password_in_the_address_of_a_service_is_written_nowhere(tmp_path, queries, scheme):
    secrets = {"MARKED-password", "MARKED-query", base64.b64encode(b"me:MARKED-password").decode()}
    with Server(echoing(400, as_json=True)) as service:
        base = f"{scheme}://me:MARKED-password@{service.host}"
        home = base if scheme == "http" else f"{base}/x?api_key=MARKED-query"
        ran = imgkit(tmp_path, homes(home), "harvest", str(queries), "--contact", "me@x.test", "--per-label", "3")
        plan = imgkit(tmp_path, homes(home), "harvest", str(queries), "--dry-run", "--json")
        asked = "".join(service.requests)

    assert ran.returncode in (2, 3, 5)
    assert scheme == "ftp" or "Authorization: Basic" in asked
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    for data in (ran.stdout, ran.stderr, plan.stdout, plan.stderr, *written):
        assert [secret for secret in secrets if secret.encode() in data] == []


@pytest.mark.parametrize(
    ("address", "shown", "secrets"),
    [
        ("https://me:hunter22@h.org:8/a?x=1", "https://…@h.org:8/a?…", ["hunter22"]),
        ("s3://bucket/set", "s3://bucket/set", []),
        ("https://h.org/a?sig=abcdefg&size=1000000", "https://h.org/a?…", ["abcdefg"]),
        ("ftp://token12@h.org", "ftp://…@h.org", ["token12"]),
        ("ftp://me:hun%2Fter2@h.org", "ftp://…@h.org", ["hun%2Fter2", "hun/ter2"]),
        ("shards?/of a@b", "shards?/of a@b", []),
        ("http://[bad:secret1@x", "http://…@x", []),
    ],
)
def test_an_address_is_shown_without_what_is_secret_in_it(address, shown, secrets):
    assert (shown_address(address), secrets_of(address)) == (shown, secrets)


def test_passwords_in_addresses_of_the_environment_are_kept_out_of_logs():
    redactor = Redactor.of_environment({"MLFLOW_TRACKING_URI": "https://me:hunter22@h.org", "PATH": "/bin"})

    assert redactor.text("asking https://me:hunter22@h.org") == "asking https://me:[MLFLOW_TRACKING_URI]@h.org"
