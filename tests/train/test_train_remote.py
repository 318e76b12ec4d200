import gzip
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from imgkit.progress import Silent
from imgkit.reasons import REASONS
from imgkit.train.remote import Limits, Refused, fetch, fetch_all, is_url

LIMITS = Limits(size=10_000, seconds=1.5, pause=0.5)
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


@pytest.fixture(scope="module")
def web():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("path", ["/good.jpg", "/there"])
def test_an_address_gives_its_bytes_also_after_a_redirect(web, path):
    assert fetch(web + path, limits=LIMITS) == b"bytes"


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
        ("/bomb", "body.too_big"),
        ("/torn", "body.not_image"),
        ("/short", "net.short"),
        ("/round", "net.redirect"),
        ("/file", "net.redirect"),
        ("/inside", "net.blocked_address"),
        ("/silent", "net.read"),
        ("/drip", "net.deadline"),
    ],
)
def test_an_address_that_gives_no_bytes_has_a_reason_of_the_list(web, path, reason):
    outcome = fetch(web + path, limits=LIMITS)

    assert isinstance(outcome, Refused)
    assert outcome.reason == reason
    assert outcome.reason in REASONS


def test_a_closed_port_is_no_connection():
    outcome = fetch("http://127.0.0.1:9/picture.jpg", limits=LIMITS)

    assert isinstance(outcome, Refused)
    assert outcome.reason == "net.connect"


def test_an_address_without_a_host_is_no_address():
    outcome = fetch("http:///picture.jpg", limits=LIMITS)

    assert isinstance(outcome, Refused)
    assert outcome.reason == "net.scheme"


def test_each_address_is_fetched_once_into_a_file_with_a_harmless_name(web, tmp_path):
    url, odd = f"{web}/good.jpg", f"{web}/..%2F..%2Fgood"

    found = fetch_all([url, url, odd], tmp_path, progress=Silent(), limits=LIMITS)

    assert list(found) == [url, odd]
    assert (found[url].relative_to(tmp_path).as_posix(), found[url].read_bytes()) == ("0/good.jpg", b"bytes")
    assert found[odd].reason == "http.404"


def test_only_http_addresses_are_addresses_of_the_web():
    assert [is_url(each) for each in ("https://a/b", "HTTP://a", "ftp://a", "https:/a", "photos/*.jpg")] == [
        True,
        True,
        False,
        False,
        False,
    ]
