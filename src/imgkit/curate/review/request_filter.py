"""Refuse what does not come from the page itself: other sites, other ports, rebound names, missing tokens."""

import hmac
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

MAX_BODY_BYTES: Final = 4 << 20  # a decision about 150,000 pictures at once
WRITE_HEADER: Final = "x-imgkit-write"
TOKEN_HEADER: Final = "x-imgkit-token"
_PICTURES: Final = ("/thumb/", "/view/", "/zoom/")
_SCRIPTS: Final = "/static/"
_PATH: Final = re.compile(r"/[A-Za-z0-9/_.-]*")
_METHODS: Final = ("GET", "HEAD", "POST")
_OWN_SITE: Final = ("", "none", "same-origin")  # "": a browser too old to say, or none at all

HEADERS: Final = (
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)
"""On every answer. No inline script can run, so a title or an address from the web never becomes code."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRules:
    """What the server of one session accepts: its ``hosts`` ("127.0.0.1:5757"), its token and keys derived from it.

    The token comes in a header only: a browser adds it to no request by itself, whatever the port. ``write_key`` is
    asked for writing, ``picture_key`` is in the addresses of pictures, which a browser fetches without headers.
    """

    hosts: frozenset[str]
    token: str
    write_key: str
    picture_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestHead:
    """The parts of a request that the guard looks at; "" where there is none."""

    method: str
    path: str
    query: str = ""
    host: str = ""
    origin: str = ""
    fetch_site: str = ""
    fetch_mode: str = ""
    fetch_dest: str = ""
    token: str = ""
    content_type: str = ""
    content_length: str = ""
    write_key: str = ""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The status of the answer and the sentence in it."""

    status: int
    why: str


def refusal(head: RequestHead, rules: AccessRules) -> Refusal | None:
    """Return why a request is not answered, None if it is welcome."""
    if head.host not in rules.hosts:  # first: a rebound name passes every other check
        return Refusal(403, f"this page is served as {' or '.join(sorted(rules.hosts))} only")
    if head.method not in _METHODS:
        return Refusal(405, "GET and POST only")
    if not _PATH.fullmatch(head.path) or ".." in head.path or "//" in head.path:
        return Refusal(400, "no such address")
    if head.origin and head.origin != f"http://{head.host}":
        return Refusal(403, "a page of another origin asked")
    if head.fetch_site not in _OWN_SITE and not _opens_page(head):
        return Refusal(403, "a page of another site asked")
    if not _is_allowed(head, rules):
        return Refusal(401, "open the address that imgkit printed in the terminal; it holds the key of this session")
    return _refused_write(head, rules) if head.method == "POST" else None


def _opens_page(head: RequestHead) -> bool:
    """A person follows the printed link; their mail program or a file may count as another site."""
    to_page = head.path == "/" and head.method == "GET"
    return to_page and head.fetch_mode in ("", "navigate") and head.fetch_dest in ("", "document")


def _is_allowed(head: RequestHead, rules: AccessRules) -> bool:
    """Whether the request holds the token, or asks for what is no secret: the page without data, and its scripts."""
    if _same(head.token, rules.token):
        return True
    if head.method == "POST":
        return False
    if head.path.startswith(_PICTURES):
        given = parse_qs(head.query).get("k", [""])
        return len(given) == 1 and _same(given[0], rules.picture_key)
    return head.path == "/" or head.path.startswith(_SCRIPTS)


def _refused_write(head: RequestHead, rules: AccessRules) -> Refusal | None:
    if head.content_type.partition(";")[0].strip().lower() != "application/json":
        return Refusal(415, "JSON only")
    if not _same(head.write_key, rules.write_key):
        return Refusal(403, "the key for writing is missing or of another session; reload the page")
    if not head.content_length.isascii() or not head.content_length.isdigit():
        return Refusal(411, "the length is missing")
    if len(head.content_length) > 9 or int(head.content_length) > MAX_BODY_BYTES:
        return Refusal(413, f"more than {MAX_BODY_BYTES} bytes")
    return None


def _same(given: str, right: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), right.encode())


class RequestFilter:
    """The outermost layer of the server: every request passes it, every answer gets its headers."""

    def __init__(self, app: App, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets here; the server closes the connection

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name.encode(), value.encode()) for name, value in HEADERS),
                    *(() if b"cache-control" in own else ((b"cache-control", b"no-store"),)),
                ]
            await send(message)

        refused = refusal(head_of(scope), self._rules)
        if refused is None:
            await self._app(scope, receive, send_with_headers)
            return
        body = f"{refused.why}\n".encode()
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
        # the body that was not read would be taken for the next request
        headers.append((b"connection", b"close"))
        await send_with_headers({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send_with_headers({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def head_of(scope: Scope) -> RequestHead:
    """Return what the guard looks at in an ASGI request. A header that comes twice counts as joined by a comma."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    headers = {name: ",".join(values) for name, values in found.items()}
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    return RequestHead(
        method=scope["method"],
        path=raw_path.decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        host=headers.get("host", ""),
        origin=headers.get("origin", ""),
        fetch_site=headers.get("sec-fetch-site", ""),
        fetch_mode=headers.get("sec-fetch-mode", ""),
        fetch_dest=headers.get("sec-fetch-dest", ""),
        token=headers.get(TOKEN_HEADER, ""),
        content_type=headers.get("content-type", ""),
        content_length=headers.get("content-length", ""),
        write_key=headers.get(WRITE_HEADER, ""),
    )
