"""What ``predict`` does with a web address: the one guarded way to hosts, and a reason where nothing comes."""

import gzip
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from failing_disk import full, imgkit
from imgkit.models.web_pictures import LIMITS as DEFAULT_LIMITS
from imgkit.models.web_pictures import fetch_all, is_url, typed_private_hosts
from imgkit.net.dial import dial
from imgkit.net.fetch import FetchLimits
from imgkit.net.outcomes import Failure
from imgkit.progress import Silent
from imgkit.reasons import REASONS
from loopback import Server, always, reply

LIMITS = FetchLimits(max_bytes=10_000, deadline_s=1.5, headers_s=0.5, gap_s=0.5)
ANSWERS = {
    "/good.jpg": (200, {}, b"bytes"),
    "/login": (401, {}, b""),
    "/gone": (410, {}, b""),
    "/teapot": (418, {}, b""),
    "/broken": (503, {}, b""),
    "/empty": (200, {}, b""),
    "/large": (200, {}, b"0" * 10_001),
    "/announced": (200, {"Content-Length": "9000000"}, b""),
    "/bomb": (200, {"Content-Encoding": "gzip"}, gzip.compress(bytes(5_000_000))),
    "/torn": (200, {"Content-Encoding": "gzip"}, b"no gzip at all"),
    "/short": (200, {"Content-Length": "10"}, b"1234"),
    "/there": (302, {"Location": "/good.jpg"}, b""),
    "/round": (302, {"Location": "/round"}, b""),
    "/file": (302, {"Location": "file:///etc/passwd"}, b""),
    "/inside": (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
}


class Answering(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path in ("/silent", "/drip"):
            self.send_response(200)
            self.end_headers()
            for _ in range(12):
                time.sleep(0.25 if self.path == "/drip" else 0.7)
                try:
                    self.wfile.write(b".")
                    self.wfile.flush()
                except OSError:
                    return
            return
        status, headers, body = ANSWERS.get(self.path, (404, {}, b""))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def fetch(tmp_path):
    """Return a function that fetches one address; it gives the file with its bytes, or why there is none."""

    def fetch(url, **settings):
        return fetch_all([url], tmp_path, progress=Silent(), limits=LIMITS, **settings)[url]

    return fetch


@pytest.fixture(scope="module")
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/good.jpg", "/there"])
def test_an_address_gives_its_bytes_also_after_a_redirect(fetch, web, path):
    assert fetch(web + path).read_bytes() == b"bytes"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/login", "http.401"),
        ("/nothing", "http.404"),
        ("/gone", "http.410"),
        ("/teapot", "http.4xx"),
        ("/broken", "http.5xx"),
        ("/empty", "body.empty"),
        ("/large", "body.too_big"),
        ("/announced", "body.too_big"),
        ("/bomb", "body.encoding_bomb"),
        ("/torn", "body.not_image"),
        ("/short", "net.short"),
        ("/round", "net.redirect"),
        ("/file", "net.scheme"),
        ("/inside", "net.blocked_address"),
        ("/silent", "net.read"),
        ("/drip", "net.deadline"),
    ],
)
def test_an_address_that_gives_no_bytes_has_a_reason_of_the_list(fetch, web, path, reason):
    outcome = fetch(web + path)

    assert isinstance(outcome, Failure)
    assert outcome.reason == reason
    assert outcome.reason in REASONS


def test_a_closed_port_is_no_connection(fetch):
    outcome = fetch("http://127.0.0.1:9/picture.jpg")

    assert isinstance(outcome, Failure)
    assert outcome.reason == "net.connect"


def test_an_address_without_a_host_is_no_address(fetch):
    outcome = fetch("http:///picture.jpg")

    assert isinstance(outcome, Failure)
    assert outcome.reason == "net.scheme"


def test_each_address_is_fetched_once_into_a_file_with_a_harmless_name(web, tmp_path):
    url, odd = f"{web}/good.jpg", f"{web}/..%2F..%2Fgood"

    found = fetch_all([url, url, odd], tmp_path, progress=Silent(), limits=LIMITS)

    assert list(found) == [url, odd]
    assert (found[url].relative_to(tmp_path).as_posix(), found[url].read_bytes()) == ("0/good.jpg", b"bytes")
    assert found[odd].reason == "http.404"


def redirect_to(location):
    return always(reply(status="302 Found", headers=[f"Location: {location}"]))


@pytest.fixture
def canary():
    """A server of this machine that nobody typed."""
    with Server(always(reply(b"secret"))) as server:
        yield server


def test_a_redirect_never_leads_to_another_private_server(fetch, canary):
    for host in (f"127.0.0.1:{canary.port}", f"localhost:{canary.port}", f"[::ffff:127.0.0.1]:{canary.port}"):
        with Server(redirect_to(f"http://{host}/secret.jpg")) as typed:
            outcome = fetch(f"{typed.url}/a.jpg", environ={})

        assert (type(outcome), outcome.reason) == (Failure, "net.blocked_address")
    assert canary.connections == 0


def test_a_private_server_that_was_typed_too_is_no_place_to_be_sent_to(canary, tmp_path):
    with Server(redirect_to(f"{canary.url}/secret.jpg")) as typed:
        found = fetch_all(
            [f"{typed.url}/a.jpg", f"{canary.url}/b.jpg"], tmp_path, progress=Silent(), limits=LIMITS, environ={}
        )

    assert found[f"{typed.url}/a.jpg"].reason == "net.blocked_address"
    assert found[f"{canary.url}/b.jpg"].read_bytes() == b"secret"
    assert len(canary.requests) == 1


def test_a_public_name_that_resolves_to_this_machine_is_refused_before_anyone_is_contacted(fetch, canary, monkeypatch):
    asked = []

    def resolve(host, *arguments, **options):
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    outcome = fetch("http://pictures.example.org/a.jpg", environ={})

    assert (outcome.reason, asked, canary.connections) == ("net.blocked_address", ["pictures.example.org"], 0)


def test_the_address_of_a_redirect_that_was_checked_is_the_one_that_is_connected_to(fetch, canary, monkeypatch):
    """A name that is public at the first look and this machine at the second is looked up once."""
    answers = [["192.0.2.1"], ["127.0.0.1"]]
    monkeypatch.setattr("imgkit.net.guard.why_not_public", lambda address: "private" if address.is_loopback else "")
    monkeypatch.setattr("imgkit.net.guard.is_own_address", lambda address: False)
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 0)) for one in answers.pop(0)],
    )
    dialled = []

    def spy(addresses, port, *, timeout_s):
        if port != 80:
            return dial(addresses, port, timeout_s=timeout_s)
        dialled.append([str(one) for one in addresses])
        raise TimeoutError

    monkeypatch.setattr("imgkit.net.guard.dial", spy)
    with Server(redirect_to("http://pictures.example.org/a.jpg")) as typed:
        outcome = fetch(f"{typed.url}/a.jpg", environ={})

    assert (outcome.reason, dialled, len(answers)) == ("net.connect", [["192.0.2.1"]], 1)


@pytest.mark.parametrize("url", ["http://8.8.8.8:22/", "https://pictures.example.org:6379/a.jpg"])
def test_a_public_host_on_an_odd_port_is_refused(fetch, url):
    assert fetch(url, environ={}).reason == "net.port"


def test_the_environment_allows_a_name_that_resolves_to_a_private_address(fetch, canary, monkeypatch):
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))],
    )
    url = f"http://pictures.example.org:{canary.port}/a.jpg"

    assert fetch(url, environ={}).reason == "net.port"
    allowed = {"IMGKIT_ALLOW_PRIVATE_HOSTS": f"pictures.example.org:{canary.port}"}
    assert fetch(url, environ=allowed).read_bytes() == b"secret"


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("http://127.0.0.1:8000/a.jpg", {("127.0.0.1", 8000)}),
        ("http://[::1]/a.jpg", {("::1", 80), ("::1", 443)}),
        ("http://nas.local/a.jpg", {("nas.local", 80), ("nas.local", 443)}),
        ("https://nas/a.jpg", {("nas", 443)}),
        ("http://8.8.8.8/a.jpg", set()),
        ("https://pictures.example.org/a.jpg", set()),
        ("http://user@127.0.0.1/a.jpg", set()),
        ("http://2130706433/a.jpg", set()),
        ("file:///etc/passwd", set()),
    ],
)
def test_what_a_person_types_allows_that_private_server_and_nothing_else(url, hosts):
    assert typed_private_hosts(url) == hosts


def test_what_a_fetch_of_one_picture_may_take():
    assert (DEFAULT_LIMITS.max_bytes, DEFAULT_LIMITS.deadline_s, DEFAULT_LIMITS.gap_s) == (30_000_000, 60.0, 10.0)
    assert (DEFAULT_LIMITS.connect_s, DEFAULT_LIMITS.headers_s, DEFAULT_LIMITS.max_redirects) == (5.0, 10.0, 5)


def test_only_http_addresses_are_addresses_of_the_web():
    assert [is_url(each) for each in ("https://a/b", "HTTP://a", "ftp://a", "https:/a", "photos/*.jpg")] == [
        True,
        True,
        False,
        False,
        False,
    ]


@pytest.mark.slow
def test_no_room_for_what_is_fetched_is_one_sentence(web, model, tmp_path):
    (temporary := tmp_path / "temporary").mkdir()

    said = imgkit(
        *("predict", model, f"{web}/good.jpg", "--device", "cpu"),
        TMPDIR=str(temporary),
        **full(tmp_path, temporary, first=2),
    )

    assert (said.returncode, said.stdout) == (4, "")
    (sentence,) = (line for line in said.stderr.splitlines() if line.startswith("imgkit predict: "))
    assert sentence.startswith(f"imgkit predict: disk full while writing {temporary}/imgkit-")
    assert "or set TMPDIR to another folder" in sentence
    assert "Traceback" not in said.stderr
