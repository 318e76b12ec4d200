"""Whatever does not come from the page itself is refused, and nothing is written."""

import json

import pytest
from reviewing import Builder, serving, written

from imgkit.curate.review.request_filter import HEADERS

ACTION = {"key": "abcdefgh.1", "kind": "decide", "mode": "suspects", "do": [{"action": "keep", "items": ["0.x"]}]}
BODY = json.dumps({"actions": [ACTION]}).encode()
WRITES = ("/api/actions", "/api/labels", "/api/audit", "/api/finish", "/api/quit")
IMAGE = "0123456789abcdef0123"


def sites():
    """Requests that other pages can make a browser send, by name: (method, path, headers over the right ones)."""
    cases = {}
    for path in WRITES:
        name = path.rpartition("/")[2]
        cases |= {
            f"{name}: foreign host": ("POST", path, {"Host": "evil.test"}),
            f"{name}: rebound name with its own origin": (
                "POST",
                path,
                {"Host": "evil.test:{port}", "Origin": "http://evil.test:{port}"},
            ),
            f"{name}: other site": ("POST", path, {"Origin": "https://evil.test", "Sec-Fetch-Site": "cross-site"}),
            f"{name}: other local port": (
                "POST",
                path,
                {"Origin": "http://127.0.0.1:9", "Sec-Fetch-Site": "same-site"},
            ),
            f"{name}: no token": ("POST", path, {"X-Imgkit-Token": None}),
            f"{name}: wrong token": ("POST", path, {"X-Imgkit-Token": "guess"}),
            f"{name}: no key for writing": ("POST", path, {"X-Imgkit-Write": None}),
            f"{name}: a form, as any site can send": ("POST", path, {"Content-Type": "text/plain"}),
        }
    return cases


REFUSED = sites() | {
    "host of another port": ("GET", "/api/state", {"Host": "127.0.0.1:1"}),
    "host without a port": ("GET", "/api/state", {"Host": "127.0.0.1"}),
    "two hosts": ("GET", "/api/state", {"Host": "127.0.0.1:{port},evil.test"}),
    "empty host": ("GET", "/api/state", {"Host": ""}),
    "origin of a sandboxed page": ("GET", "/api/state", {"Origin": "null"}),
    "https origin": ("GET", "/api/state", {"Origin": "https://127.0.0.1:{port}"}),
    "token in a cookie, which every port gets": (
        "GET",
        "/api/state",
        {"X-Imgkit-Token": None, "Cookie": "imgkit_{port}={token}"},
    ),
    "token in another header": ("GET", "/api/state", {"X-Imgkit-Token": None, "Authorization": "Bearer {token}"}),
    "token in the address of the interface": ("GET", "/api/state?t={token}", {"X-Imgkit-Token": None}),
    "token twice": ("GET", "/api/state", {"X-Imgkit-Token": "{token},{token}"}),
    "key of pictures for the interface": ("GET", "/api/state?k={pictures}", {"X-Imgkit-Token": None}),
    "key of pictures as a token": ("GET", "/api/state", {"X-Imgkit-Token": "{pictures}"}),
    "picture without a key": ("GET", "/view/{image}", {"X-Imgkit-Token": None}),
    "picture with a wrong key": ("GET", "/view/{image}?k=guess", {"X-Imgkit-Token": None}),
    "picture with its key twice": ("GET", "/view/{image}?k={pictures}&k={pictures}", {"X-Imgkit-Token": None}),
    "picture with the token in its address": ("GET", "/view/{image}?k={token}", {"X-Imgkit-Token": None}),
    "picture in a page of another site": (
        "GET",
        "/view/{image}",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    ),
    "thumbnail in a page of another local port": ("GET", "/thumb/{image}/192", {"Sec-Fetch-Site": "same-site"}),
    "frame in a page of another site": (
        "GET",
        "/",
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ),
    "parent folder": ("GET", "/view/../../manifest.db", {}),
    "encoded parent folder": ("GET", "/view/%2e%2e%2f%2e%2e%2fmanifest.db", {}),
    "doubly encoded": ("GET", "/view/%252e%252e%252fmanifest.db", {}),
    "backslashes": ("GET", "/view/..\\..\\manifest.db", {}),
    "absolute path": ("GET", "/view//etc/passwd", {}),
    "parent of the scripts": ("GET", "/static/{version}/../serve.py", {}),
    "page as a script": ("GET", "/static/{version}/index.html", {}),
    "script of another version": ("GET", "/static/000000000000/main.js", {}),
    "unknown picture": ("GET", "/view/ffffffffffffffffffff", {}),
    "file name for a picture": ("GET", "/view/manifest.db", {}),
    "thumbnail of another size": ("GET", "/thumb/{image}/4096", {}),
    "null byte": ("GET", "/view/%00", {}),
    "put": ("PUT", "/api/actions", {}),
    "delete": ("DELETE", "/api/actions", {}),
    "question of a browser about another site": ("OPTIONS", "/api/actions", {"Origin": "https://evil.test"}),
    "reading by post": ("POST", "/api/state", {}),
    "writing by get": ("GET", "/api/actions", {}),
    "announced as too long": ("POST", "/api/actions", {"Content-Length": "999999999"}),
    "length that is no number": ("POST", "/api/actions", {"Content-Length": "4x"}),
}


@pytest.fixture(scope="module")
def module_server(tmp_path_factory):
    builder = Builder(tmp_path_factory.mktemp("guarded") / "data")
    for _ in range(2):
        builder.add("coral_snake", verdict="suspect", reason="bad.offtopic", check="offtopic")
    with serving(builder.data) as running:
        running.image = builder.keys[0][1]
        status, _, page = running.ask("GET", "/")
        assert status == 200
        running.pictures = running.get("/api/state")["picture_key"]
        running.version = page.split(b"/static/")[1][:12].decode()
        yield running


def test_there_are_sixty_hostile_requests():
    assert len(REFUSED) >= 60


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_and_nothing_is_written(module_server, case):
    method, path, changes = case
    known = {
        "port": module_server.port,
        "token": module_server.token,
        "version": module_server.version,
        "image": module_server.image,
        "pictures": module_server.pictures,
    }
    headers = {name: value.format(**known) for name, value in module_server.headers().items()}
    for name, value in changes.items():
        headers.pop(name, None)
        if value is not None:
            headers[name] = value.format(**known)

    status, answered, body = module_server.ask(method, path.format(**known), BODY if method != "GET" else None, headers)

    assert 400 <= status < 500
    assert written(module_server.data) == (0, 0)
    assert b"write_key" not in body
    assert "access-control-allow-origin" not in {name.lower() for name in answered}


def test_the_same_request_without_the_fault_is_welcome(module_server):
    reference = f"0.{module_server.image}"
    reading = {"Sec-Fetch-Site": "same-origin", "Origin": f"http://{module_server.host}"}

    status, _, _ = module_server.ask("GET", f"/api/items?of={reference}", headers=module_server.headers(**reading))

    assert status == 200


def test_a_link_from_elsewhere_opens_the_page_which_holds_no_secret_and_sets_no_cookie(module_server):
    headers = {"Host": module_server.host, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}

    status, answered, body = module_server.ask("GET", "/", headers=headers)

    assert status == 200
    assert "set-cookie" not in {name.lower() for name in answered}
    known = module_server.get("/api/state")
    secrets = (module_server.token, known["write_key"], known["picture_key"], known["project"])
    assert [one for one in secrets if one.encode() in body] == []


def test_a_picture_is_shown_to_who_has_its_key(module_server):
    address = f"/view/{module_server.image}?k={module_server.pictures}"

    status, _, _ = module_server.ask("GET", address, headers={"Host": module_server.host})

    assert status == 200


@pytest.mark.parametrize("path", ["/", "/api/state", "/view/{image}", "/nowhere", "/view/%2e%2e"])
def test_every_answer_forbids_what_the_page_does_not_need(module_server, path):
    _, answered, _ = module_server.ask("GET", path.format(image=module_server.image))

    lower = {name.lower(): value for name, value in answered.items()}
    assert {name: lower.get(name) for name, _ in HEADERS} == dict(HEADERS)
    assert "server" not in lower


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"actions": {}}',
        b'{"actions": [1]}',
        b"\xff\xfe",
        json.dumps({"actions": [ACTION | {"key": "../../etc/passwd.1"}]}).encode(),
        json.dumps({"actions": [ACTION | {"kind": "destroy"}]}).encode(),
        json.dumps({"actions": [ACTION | {"mode": "suspects' --"}]}).encode(),
        json.dumps({"actions": [ACTION | {"dwell": 1e99}]}).encode(),
        json.dumps({"actions": [ACTION | {"dwell": True}]}).encode(),
        json.dumps({"actions": [ACTION | {"do": []}]}).encode(),
        json.dumps({"actions": [ACTION | {"do": [{"action": "relabel", "items": ["0.x"]}]}]}).encode(),
        json.dumps(
            {"actions": [ACTION | {"do": [{"action": "reject", "reason": "made.up", "items": ["0.x"]}]}]}
        ).encode(),
        json.dumps({"actions": [ACTION | {"undoes": "abcdefgh.1"}]}).encode(),
        json.dumps({"actions": [ACTION | {"kind": "answer"}]}).encode(),
    ],
)
def test_a_body_that_the_page_would_not_send_is_refused_whole(module_server, body):
    status, _, _ = module_server.ask("POST", "/api/actions", body)

    assert status in (400, 411)
    assert written(module_server.data) == (0, 0)
