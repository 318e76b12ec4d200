"""The way to a search service: who we say we are, how long we wait, how much we read, where we are sent."""

import gzip
import socket
import threading
import time
from contextlib import contextmanager, suppress

import pytest

from imgkit.harvest.config import HarvestConfig, agent
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import NoAnswer, Ready, Response, ServiceRequest
from imgkit.harvest.search import http
from imgkit.harvest.search.http import ServiceSession, is_loopback, open_fetch, pause_between
from imgkit.net.dns import Lookup

BING = PROVIDERS["bing"]
OK = b"HTTP/1.1 200 OK\r\nX-Name: Value\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"


def whole_request(connection):
    data = b""
    while b"\r\n\r\n" not in data or (data.startswith(b"POST") and data.endswith(b"\r\n\r\n")):
        data += connection.recv(65536)
    return data


@contextmanager
def server(*scripts):
    """Answer one connection after the other: bytes are sent as they are, functions get the socket."""
    seen = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run():
        for script in scripts:
            try:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    seen.append(whole_request(connection))
                    script(connection) if callable(script) else connection.sendall(script)
            except OSError:
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", seen
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)  # wakes a thread that waits for a connection
        listener.close()
        thread.join(timeout=5)


def get(base, *, config=None, deadline=5.0, **fields):
    session = ServiceSession(BING, Ready(base=base), config or HarvestConfig(), deadline=deadline)
    try:
        return session(ServiceRequest(url=f"{base}/x", **fields))
    finally:
        session.close()


def test_an_answer_comes_with_status_body_and_lower_case_headers():
    with server(OK) as (base, _):
        answer = get(base)

    assert isinstance(answer, Response)
    assert (answer.status, answer.body, answer.headers["x-name"]) == (200, b"hello", "Value")


def test_we_say_who_we_are_and_nothing_of_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("default login me password s3cret")

    with server(OK) as (base, seen):
        get(base, params={"q": "r&b #1 ä"}, headers={"User-Agent": "Mozilla/5.0", "Accept-Language": "en"})

    request = seen[0].decode()
    assert request.startswith("GET /x?q=r%26b+%231+%C3%A4 HTTP/1.1\r\n")
    assert "\r\nUser-Agent: imgkit/" in request
    assert "Mozilla" not in request
    assert "Authorization" not in request
    assert "\r\nAccept-Language: en\r\n" in request


def test_the_user_agent_names_version_project_and_contact():
    assert agent(HarvestConfig(contact="me@x.test"), "1.2") == "imgkit/1.2 (imgkit-datasets; me@x.test)"
    assert agent(HarvestConfig(), "1.2") == "imgkit/1.2 (imgkit-datasets; no contact given)"
    assert agent(HarvestConfig(user_agent="mine/1"), "1.2") == "mine/1"


def test_a_form_is_posted():
    with server(OK) as (base, seen):
        get(base, method="POST", headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"a=1")

    assert seen[0].startswith(b"POST /x HTTP/1.1\r\n")
    assert seen[0].endswith(b"\r\n\r\na=1")


def drip(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    with suppress(OSError):
        while True:  # until the other side hangs up
            connection.sendall(b"x")
            time.sleep(0.05)


def drip_headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    with suppress(OSError):
        while True:
            connection.sendall(b"X: y\r\n")
            time.sleep(0.05)


BOMB = gzip.compress(bytes(64 * 1024 * 1024))
GZIP = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        pytest.param(b"", "net.reset", id="closed without a word"),
        pytest.param(b"nonsense\r\n\r\n", "net.reset", id="no HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "net.short", id="cut off"),
        pytest.param(GZIP % 5 + b"hello", "body.encoding_bomb", id="not the compression it says"),
        pytest.param(GZIP % len(BOMB) + BOMB, "body.too_big", id="64 MiB in a few bytes"),
        pytest.param(drip, "net.deadline", id="a body byte by byte"),
        pytest.param(drip_headers, "net.deadline", id="headers without end"),
        pytest.param(lambda connection: connection.recv(1), "net.deadline", id="silence"),
    ],
)
def test_what_the_network_does_is_a_value_within_the_deadline(script, reason):
    with server(script) as (base, _):
        answer = get(base, deadline=0.5)

    assert isinstance(answer, NoAnswer)
    assert answer.reason == reason


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("http://127.0.0.1:1", "net.connect", id="nobody listens"),
        pytest.param("ftp://127.0.0.1", "net.scheme", id="not the web"),
        pytest.param("http://[::1", "net.scheme", id="no address"),
        pytest.param(f"http://{'a' * 70}.test", "net.dns", id="no name"),
    ],
)
def test_an_address_that_cannot_be_asked_is_a_value_too(url, reason):
    answer = get(url)

    assert isinstance(answer, NoAnswer)
    assert answer.reason == reason


def moved(place):
    return f"HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()


def test_a_redirect_within_the_host_is_followed():
    with server(moved("/y?z=1"), OK) as (base, seen):
        answer = get(base, params={"q": "1"})

    assert isinstance(answer, Response)
    assert (answer.status, answer.url) == (200, f"{base}/y?z=1")
    assert seen[1].startswith(b"GET /y?z=1 ")


def test_a_redirect_to_another_host_or_port_is_returned_and_not_followed():
    with server(OK) as (other, reached):
        for place in (f"{other}/x", "http://169.254.169.254/latest", "//elsewhere.test/"):
            with server(moved(place)) as (base, _):
                answer = get(base)
            assert isinstance(answer, Response)
            assert (answer.status, answer.headers["location"]) == (302, place)
        assert reached == []


def test_a_redirect_in_circles_ends():
    with server(*[moved("/x")] * 4) as (base, seen):
        answer = get(base)

    assert isinstance(answer, NoAnswer)
    assert (answer.reason, len(seen)) == ("net.redirect", 4)


def test_between_two_requests_the_pause_of_the_provider_is_kept():
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    session = ServiceSession(
        BING, Ready(base="https://b.test", pause_seconds=3.0), HarvestConfig(), clock=lambda: now[0], sleep=sleep
    )
    for _ in range(3):
        session(ServiceRequest(url="http://127.0.0.1:1/"))

    assert slept == [3.0, 3.0]


@pytest.mark.parametrize(
    ("provider", "base", "seconds"),
    [
        ("bing", "https://www.bing.com", 1.0),
        ("openverse", "https://api.openverse.org", 3.0),
        ("bing", "http://127.0.0.1:8080/mirror", 0.0),
        ("bing", "http://localhost", 0.0),
        ("bing", "http://[::1]:80", 0.0),
        ("bing", "http://10.0.0.1", 1.0),
        ("bing", "http://localhost.example.org", 1.0),
    ],
)
def test_only_services_on_this_machine_get_no_pause(provider, base, seconds):
    assert pause_between(PROVIDERS[provider], Ready(base=base)) == seconds
    assert is_loopback(base) == (seconds == 0.0)


def test_a_client_with_a_key_may_ask_faster():
    state = PROVIDERS["openverse"].check({"OPENVERSE_CLIENT_ID": "a", "OPENVERSE_CLIENT_SECRET": "b"})

    assert isinstance(state, Ready)
    assert pause_between(PROVIDERS["openverse"], state) == 1.0


def test_a_provider_of_this_machine_has_no_network():
    answer = open_fetch(PROVIDERS["folder"], Ready(), HarvestConfig())(ServiceRequest(url="http://127.0.0.1:1/"))

    assert isinstance(answer, NoAnswer)


def test_a_name_that_does_not_resolve_is_said_soon_and_asked_again_later():
    asked = []

    def resolve(host):
        asked.append(host)
        raise OSError("no network")

    session = ServiceSession(BING, Ready(base="http://127.0.0.1"), HarvestConfig(), lookup=Lookup(resolve))
    answers = [session(ServiceRequest(url="http://service.test/x")) for _ in range(2)]

    assert {answer.reason for answer in answers} == {"net.dns"}
    assert len(asked) == 4  # each lookup tries twice


def test_what_one_request_to_a_service_may_take():
    assert (http.CONNECT_SECONDS, http.READ_SECONDS, http.DEADLINE_SECONDS) == (5.0, 20.0, 25.0)
    assert (http.MAX_BODY_BYTES, http.MAX_REDIRECTS) == (8 * 1024 * 1024, 3)


@pytest.mark.parametrize(("size", "reason"), [(8 * 1024 * 1024, ""), (8 * 1024 * 1024 + 1, "body.too_big")])
def test_an_answer_may_have_eight_mebibytes(size, reason):
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n".encode()
    with server(head + bytes(size)) as (base, _):
        answer = get(base, deadline=20.0)

    assert getattr(answer, "reason", "") == reason
    assert reason or len(answer.body) == size


@pytest.mark.parametrize(
    ("status", "method"), [(301, b"POST"), (302, b"POST"), (307, b"POST"), (308, b"POST"), (303, b"GET")]
)
def test_only_a_303_turns_a_form_into_a_question(status, method):
    there = f"HTTP/1.1 {status} Redirect\r\nLocation: /y\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with server(there, OK) as (base, seen):
        get(base, method="POST", body=b"a=1", headers={"Content-Type": "application/x-www-form-urlencoded"})

    assert seen[1].startswith(method + b" /y ")
    assert (b"a=1" in seen[1]) is (method == b"POST")


@pytest.mark.parametrize("status", [300, 304, 305, 306])
def test_other_statuses_of_the_kind_are_not_followed(status):
    there = f"HTTP/1.1 {status} Odd\r\nLocation: /y\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
    with server(there, OK) as (base, seen):
        answer = get(base)

    assert (answer.status, len(seen)) == (status, 1)


class Redirected:
    """An answer that leads on."""

    def __init__(self, url, location, status=302):
        self.url, self.status_code, self.headers = url, status, {"location": location}


@pytest.mark.parametrize(
    ("url", "location", "followed"),
    [
        ("https://s.org/a", "/b", "https://s.org/b"),
        ("https://s.org/a", "https://s.org/b", "https://s.org/b"),
        ("http://s.org/a", "https://s.org/b", "https://s.org/b"),
        ("https://s.org/a", "http://s.org/b", ""),
        ("https://s.org/a", "https://s.org:8443/b", ""),
        ("https://s.org/a", "https://www.s.org/b", ""),
        ("https://s.org/a", "//other.org/b", ""),
        ("https://s.org/a", "file:///etc/passwd", ""),
        ("https://s.org/a", "", ""),
    ],
)
def test_a_redirect_is_followed_on_its_host_and_port_and_never_away_from_encryption(url, location, followed):
    assert http._same_host_redirect(Redirected(url, location)) == followed
