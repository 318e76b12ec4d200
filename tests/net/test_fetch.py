"""One fetch: within its limits of time, speed and size, whatever the host does."""

import gzip
import shutil
import socket
import ssl
import subprocess
import threading
import time
import zlib
from datetime import UTC, datetime

import pytest

from imgkit.net.fetch import Fetcher, FetchLimits
from imgkit.net.guard import Allowed, Guard
from imgkit.net.opt_out import opt_out
from imgkit.net.outcomes import Failure, Fetched, of_status, seconds_to_wait
from loopback import Server, always, drip, reply

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20
ASKED = threading.Event()
HASTY = FetchLimits(connect_s=1, headers_s=0.6, gap_s=0.6, slow_window_s=0.4, deadline_s=1.5, max_bytes=100_000)


@pytest.fixture
def fetcher():
    opened = Fetcher(Guard(Allowed.read(["127.0.0.0/8", "::1"])), user_agent="imgkit-test/1", limits=HASTY)
    yield opened
    opened.close()


def fetched_from(fetcher, answer, path="/a.jpg", **arguments):
    with Server(answer) as server:
        return fetcher.fetch(server.url + path, **arguments)


# what arrives


def test_a_body_arrives_whole_with_its_final_address(fetcher):
    with Server(always(reply(JPEG, headers=["Content-Type: image/jpeg"]))) as server:
        answer = fetcher.fetch(f"{server.url}/a b.jpg#top")

        assert answer == Fetched(body=JPEG, url=f"{server.url}/a%20b.jpg", content_type="image/jpeg")


def test_a_request_says_who_asks_and_takes_no_compression(fetcher):
    with Server(always(reply(JPEG))) as server:
        fetcher.fetch(server.url, referer="https://example.org/page é")

        request = server.requests[0]
    assert "User-Agent: imgkit-test/1\r\n" in request
    assert "Accept-Encoding: identity\r\n" in request
    assert "Referer: https://example.org/page%20%C3%A9\r\n" in request
    assert "Cookie" not in request
    assert "Authorization" not in request


def test_a_connection_is_used_again(fetcher):
    with Server(always(reply(JPEG))) as server:
        answers = [fetcher.fetch(f"{server.url}/{number}.jpg") for number in range(5)]

        assert server.connections == 1
    assert [answer.body for answer in answers] == [JPEG] * 5


def test_a_connection_that_ended_while_it_was_idle_costs_no_try(fetcher):
    idle = threading.Semaphore(0)

    def one_each(request, connection):
        connection.sendall(reply(JPEG))
        idle.acquire()

    with Server(one_each) as server:
        answers = []
        for _ in range(3):
            answers.append(fetcher.fetch(server.url))
            idle.release()  # the client keeps the connection as idle; now it ends

        assert server.connections == 3
    assert all(isinstance(answer, Fetched) for answer in answers)


def test_ipv6_is_spoken(fetcher):
    with Server(always(reply(JPEG)), "::1") as server:
        assert isinstance(fetcher.fetch(server.url), Fetched)


def test_a_gzipped_body_is_unpacked(fetcher):
    packed = reply(gzip.compress(JPEG), headers=["Content-Encoding: gzip"])

    assert fetched_from(fetcher, always(packed)).body == JPEG


def test_a_deflated_body_is_unpacked(fetcher):
    assert fetched_from(fetcher, always(reply(zlib.compress(JPEG), headers=["Content-Encoding: deflate"]))).body == JPEG


# time


def silent(request, connection):
    ASKED.set()
    connection.recv(1)  # until the other side hangs up


def drips_headers(request, connection):
    drip(connection, reply(JPEG), pause=0.1)


def drips_body(request, connection):
    connection.sendall(reply(JPEG)[:200])
    drip(connection, JPEG, pause=0.1)


def never_ends(request, connection):
    connection.sendall(reply(JPEG, length=False))
    while True:
        connection.sendall(bytes(600))
        time.sleep(0.1)


def stops_halfway(request, connection):
    connection.sendall(reply(JPEG)[:3000])
    connection.recv(1)


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (silent, {"net.read"}),
        (drips_headers, {"net.read"}),
        (drips_body, {"net.slow"}),
        (stops_halfway, {"net.read", "net.slow"}),
        (never_ends, {"net.deadline"}),
    ],
)
def test_no_fetch_waits_for_a_server_that_never_comes_to_an_end(fetcher, answer, reasons):
    failure = fetched_from(Fetcher(fetcher.guard, user_agent="x", limits=HASTY), answer)

    assert failure.reason in reasons
    assert failure.transient


def test_a_handshake_that_never_comes_ends_too(fetcher):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        failure = fetcher.fetch(f"https://127.0.0.1:{listener.getsockname()[1]}/")

    assert (failure.reason, failure.transient) == ("net.connect", True)


def test_breaking_off_ends_every_fetch_at_once(fetcher):
    fetcher = Fetcher(fetcher.guard, user_agent="x", limits=FetchLimits())
    answers = []
    with Server(silent) as server:
        thread = threading.Thread(target=lambda: answers.append(fetcher.fetch(server.url)))
        ASKED.clear()
        thread.start()
        assert ASKED.wait(30)
        fetcher.abort()
        thread.join()  # the server says nothing until we hang up
    fetcher.close()

    assert [answer.transient for answer in answers] == [True]


# size and shape


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(reply(bytes(100_001)), "body.too_big", id="announced too big"),
        pytest.param(reply(b"\xff\xd8\xff" + bytes(200_000), length=False), "body.too_big", id="not announced"),
        pytest.param(
            reply(gzip.compress(bytes(20_000_000)), headers=["Content-Encoding: gzip"]), "body.encoding_bomb", id="bomb"
        ),
        pytest.param(
            reply(gzip.compress(gzip.compress(JPEG)), headers=["Content-Encoding: gzip, gzip"]),
            "body.encoding_bomb",
            id="packed twice",
        ),
        pytest.param(
            reply(b"\x8b\x00" + bytes(99), headers=["Content-Encoding: br"]), "body.not_image", id="unknown coding"
        ),
        pytest.param(reply(b"rubbish" * 99, headers=["Content-Encoding: gzip"]), "body.not_image", id="not gzip"),
        pytest.param(reply(b""), "body.empty", id="empty"),
        pytest.param(reply(b"<!doctype html><p>hello"), "body.html", id="page"),
        pytest.param(reply(b"<html>" + bytes(90_000)), "body.html", id="long page"),
        pytest.param(reply(status="204 No Content"), "body.empty", id="no content"),
        pytest.param(reply(JPEG, headers=["X-Robots-Tag: noai"]), "policy.header", id="opted out"),
        pytest.param(reply(status="404 Not Found"), "http.404", id="404"),
        pytest.param(reply(status="418 I'm a teapot"), "http.4xx", id="418"),
        pytest.param(reply(status="501 Not Implemented"), "http.5xx", id="501 stays"),
        pytest.param(reply(status="304 Not Modified"), "net.redirect", id="304 unasked"),
        pytest.param(reply(status="302 Found"), "net.redirect", id="nowhere"),
        pytest.param(reply(status="302 Found", headers=["Location: http://[broken/"]), "net.scheme", id="broken"),
    ],
)
def test_what_is_no_picture_is_a_lasting_failure(fetcher, data, reason):
    failure = fetched_from(fetcher, always(data))

    assert (failure.reason, failure.transient) == (reason, False)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(reply(JPEG)[:-100], "net.short", id="shorter than announced"),
        pytest.param(reply(gzip.compress(JPEG)[:-20], headers=["Content-Encoding: gzip"]), "net.short", id="cut gzip"),
        pytest.param(reply(JPEG[:100], status="206 Partial Content"), "net.short", id="a part"),
        pytest.param(b"what is this\r\n\r\n", "net.read", id="not http"),
        pytest.param(b"", "net.reset", id="nothing at all"),
        pytest.param(reply(status="503 Busy"), "http.5xx", id="503"),
        pytest.param(reply(status="408 Timeout"), "http.4xx", id="408"),
        pytest.param(reply(status="429 Slow", headers=["Retry-After: 7"]), "http.429", id="429"),
        pytest.param(reply(JPEG, headers=[f"X-{n}: 1" for n in range(200)]), "net.read", id="200 headers"),
    ],
)
def test_what_may_pass_is_a_passing_failure(fetcher, data, reason):
    def answer(request, connection):
        connection.sendall(data)

    failure = fetched_from(fetcher, answer)

    assert (failure.reason, failure.transient) == (reason, True)


def test_nobody_at_the_port_is_no_connection(fetcher):
    with Server(silent) as server:
        url = server.url

    failure = fetcher.fetch(url)

    assert (failure.reason, failure.transient) == ("net.connect", True)


def test_a_page_is_told_from_its_beginning(fetcher):
    sent = []

    def endless_page(request, connection):
        connection.sendall(reply(b"<!doctype html>" + bytes(2000), length=False))
        for _ in range(400):
            connection.sendall(bytes(65536))
            sent.append(65536)

    answer = fetched_from(Fetcher(fetcher.guard, user_agent="x", limits=FetchLimits()), endless_page)

    assert answer.reason == "body.html"
    assert sum(sent) < 20_000_000


def test_no_redirect_of_a_robots_txt_leads_to_a_host_that_was_removed():
    with Server(always(reply(b"User-agent: *"))) as removed:
        guard = Guard(
            Allowed.read(["127.0.0.0/8"]), removed=lambda url: "host removed" if url.startswith(removed.url) else ""
        )
        fetcher = Fetcher(guard, user_agent="x", limits=HASTY)
        there = reply(status="301 Redirect", headers=[f"Location: {removed.url}/robots.txt"])
        answer = fetched_from(fetcher, always(there), path="/robots.txt", picture=False)
        fetcher.close()

        assert (answer.reason, answer.detail) == ("policy.removed", "host removed")
        assert (removed.requests, removed.connections) == ([], 0)


def test_five_redirects_are_followed_and_six_are_not(fetcher):
    def hops(request, connection):
        hop = int(request.split()[1].strip("/") or 0)
        if hop == 0:
            connection.sendall(reply(JPEG))
        else:
            connection.sendall(reply(status="302 Found", headers=[f"Location: /{hop - 1}"]))

    with Server(hops) as server:
        five, six = fetcher.fetch(f"{server.url}/5"), fetcher.fetch(f"{server.url}/6")

    assert five.url == f"{server.url}/0"
    assert (six.reason, six.transient) == ("net.redirect", False)


# a proxy


def test_a_proxy_is_asked_for_the_whole_address_and_the_guard_still_looks():
    with Server(always(reply(JPEG))) as proxy:
        fetcher = Fetcher(Guard(), user_agent="x", limits=HASTY, proxy=proxy.host)
        answer = fetcher.fetch("http://93.184.216.34/a.jpg")
        refused = fetcher.fetch("http://10.0.0.1/a.jpg")
        fetcher.close()

        assert proxy.requests[0].startswith("GET http://93.184.216.34/a.jpg HTTP/1.1\r\nHost: 93.184.216.34\r\n")
        assert len(proxy.requests) == 1
    assert answer.body == JPEG
    assert refused.reason == "net.blocked_address"


def test_a_proxy_that_is_away_is_named():
    with Server(silent) as server:
        gone = server.host
    fetcher = Fetcher(Guard(), user_agent="x", limits=HASTY, proxy=gone)

    failure = fetcher.fetch("http://93.184.216.34/a.jpg")

    fetcher.close()
    assert (failure.reason, failure.transient) == ("net.proxy", True)


# TLS


@pytest.fixture
def encrypted(tmp_path):
    """A server with a certificate that only its own file vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -out {certificate} -days 2 -subj /CN=imgkit-test"
    subprocess.run([*made.split(), "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    with Server(always(reply(JPEG)), tls=context) as server:
        yield server, certificate


def test_a_certificate_that_nobody_vouches_for_is_refused(encrypted, fetcher):
    server, _ = encrypted

    failure = fetcher.fetch(f"https://{server.host}/a.jpg")

    assert (failure.reason, failure.transient) == ("net.tls", True)
    assert server.requests == []


def test_an_encrypted_body_arrives_and_its_connection_is_used_again(encrypted, monkeypatch):
    server, certificate = encrypted
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    fetcher = Fetcher(Guard(Allowed.read(["127.0.0.0/8"])), user_agent="x", limits=HASTY)

    answers = [fetcher.fetch(f"https://{server.host}/{n}.jpg") for n in range(3)]

    fetcher.close()
    assert [answer.body for answer in answers] == [JPEG] * 3
    assert server.connections == 1


# headers


@pytest.mark.parametrize(
    ("name", "value", "closes"),
    [
        ("X-Robots-Tag", "noai", True),
        ("X-Robots-Tag", "noindex, nofollow", True),
        ("X-Robots-Tag", "NoImageAI", True),
        ("X-Robots-Tag", "none", True),
        ("X-Robots-Tag", "imgkit: noai", True),
        ("X-Robots-Tag", "otherbot: noai", False),
        ("X-Robots-Tag", "otherbot: noai, noimageai", False),
        ("X-Robots-Tag", "otherbot: noai, imgkit: noindex", True),
        ("X-Robots-Tag", "max-snippet: 50, noai", True),
        ("X-Robots-Tag", "nofollow, max-image-preview:large", False),
        ("X-Robots-Tag", "unavailable_after: 25 Jun 2030 15:00:00 PST", False),
        ("Content-Usage", "train-ai=n", True),
        ("Content-Usage", "train-ai=y", False),
        ("Content-Usage", "search=y, train-ai=n", True),
        ("Content-Signal", "search=yes, ai-train=no", True),
        ("Content-Signal", "ai-train=yes", False),
        ("TDM-Reservation", "1", True),
        ("tdm-reservation", "0", False),
        ("Content-Type", "noai", False),
    ],
)
def test_an_opt_out_is_read_from_headers(name, value, closes):
    assert bool(opt_out([("Server", "x"), (name, value)])) == closes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        ("99999999999999", 604800.0),
        ("Wed, 21 Oct 2026 07:28:30 GMT", 30.0),
        ("Wed, 21 Oct 2026 07:27:30 GMT", 0.0),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 604800.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("１２", None),
        ("1e9", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert seconds_to_wait(text, now=datetime(2026, 10, 21, 7, 28, 0, tzinfo=UTC)) == seconds


def test_only_passing_failures_carry_a_wait():
    assert of_status(503, retry_after="9") == Failure(
        reason="http.5xx", detail="status 503", transient=True, retry_after=9.0
    )
    assert of_status(404, retry_after="9") == Failure(reason="http.404", detail="status 404")
