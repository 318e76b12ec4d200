"""The addresses of the page and what each answers."""

import asyncio
import gzip
import hashlib
import mimetypes
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from imgkit.curate.review.details import facts
from imgkit.curate.review.messages import MalformedError, actions_from, object_from, text_from
from imgkit.curate.review.request_filter import MAX_BODY_BYTES, AccessRules, App, RequestFilter
from imgkit.curate.review.service import ReviewService
from imgkit.curate.review.thumbnails import THUMB_SIZES, Thumbnails
from imgkit.errors import ImgkitError, LockedError, ResourceError

T = TypeVar("T")

FOREVER: Final = "private, max-age=31536000, immutable"
_MOST_ITEMS_AT_ONCE: Final = 64
_LONGEST_LABEL: Final = 80
_LONGEST_SEARCH: Final = 200
_LONGEST_NUMBER: Final = 9  # digits
MOST_SIMILAR: Final = 51  # a picture and its nearest 50
# the tables of some systems say text/plain for scripts, which a browser then refuses to run
_TYPES: Final = {"js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml"}


@dataclass(frozen=True, kw_only=True)
class ReviewSession:
    """What the page needs to know besides the pictures, and what it may start.

    ``project`` names the data folder, so that what one page did not send yet never reaches another folder. ``again`` is
    the command that opens the review again. ``finish`` writes the curated set and returns what the page shows;
    ``stop`` ends
    the server.
    """

    service: ReviewService
    thumbnails: Thumbnails
    rules: AccessRules
    project: str
    title: str
    again: str
    keys: Mapping[str, tuple[str, ...]]
    finish: Callable[[], dict[str, object]]
    stop: Callable[[], None]
    seed: Callable[[], int]


def build(session: ReviewSession) -> App:
    """Return the application of one review."""
    return RequestFilter(ReviewHandlers(session).app(), session.rules)


class ReviewHandlers:
    """Handlers. Everything that waits for the disk or for a decoder runs in threads, decisions in one of their own."""

    def __init__(self, session: ReviewSession) -> None:
        self._session = session
        self._static = static_files()
        self._packed = {name: gzip.compress(body, mtime=0) for name, body in self._static.items()}
        self._version = fingerprint(self._static)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="decisions")
        self._finisher = ThreadPoolExecutor(1, thread_name_prefix="finish")  # takes seconds; decisions go on meanwhile
        self._readers = ThreadPoolExecutor(max(2, os.cpu_count() or 2), thread_name_prefix="pictures")

    def app(self) -> Starlette:
        """Return the routes."""
        return Starlette(
            routes=[
                Route("/", self.index),
                Route("/static/{version}/{name}", self.static),
                Route("/api/set", self.listing),
                Route("/api/state", self.state),
                Route("/api/history", self.history),
                Route("/api/changes", self.changes),
                Route("/api/scores", self.scores),
                Route("/api/similar", self.similar),
                Route("/api/search", self.search),
                Route("/api/items", self.items),
                Route("/thumb/{image_id}/{size:int}", self.thumb),
                Route("/view/{image_id}", self.view),
                Route("/zoom/{image_id}", self.zoom),
                Route("/api/actions", self.actions, methods=["POST"]),
                Route("/api/labels", self.add_label, methods=["POST"]),
                Route("/api/audit", self.audit),
                Route("/api/audit", self.start_audit, methods=["POST"]),
                Route("/api/finish", self.finish, methods=["POST"]),
                Route("/api/quit", self.quit, methods=["POST"]),
            ],
            exception_handlers={MalformedError: _malformed, ImgkitError: _sentence},
        )

    async def _write(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._writer, work, *arguments)

    async def _read(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._readers, work, *arguments)

    # the page

    async def index(self, request: Request) -> Response:
        """The page itself, which holds no data; it takes the token out of the address that was opened."""
        html = self._static["index.html"].replace(b"{{static}}", f"/static/{self._version}".encode())
        return Response(html, media_type="text/html; charset=utf-8")

    async def static(self, request: Request) -> Response:
        """A script or style of the page, for ever under the address of its version."""
        name = request.path_params["name"]
        if request.path_params["version"] != self._version or name not in self._static or name == "index.html":
            return PlainTextResponse("not here", 404)
        kind = _TYPES.get(name.rpartition(".")[2]) or mimetypes.guess_type(name)[0]
        headers = {"cache-control": FOREVER, "vary": "accept-encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self._static[name], media_type=kind, headers=headers)
        return Response(self._packed[name], media_type=kind, headers=headers | {"content-encoding": "gzip"})

    # reading

    async def listing(self, request: Request) -> Response:
        """All pictures as columns."""
        listing = self._session.service.listing
        tag = f'"{listing.revision}"'
        headers = {"etag": tag, "cache-control": "private, no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(listing.columns, media_type="application/json", headers=headers)

    async def state(self, request: Request) -> Response:
        """What is in force, the history, the audit; and what the page needs once: its keys and its key for writing."""
        state = await self._write(self._session.service.state)
        return JSONResponse(
            {
                **state,
                "project": self._session.project,
                "title": self._session.title,
                "again": self._session.again,
                "keys": dict(self._session.keys),
                "write_key": self._session.rules.write_key,
                "picture_key": self._session.rules.picture_key,
            }
        )

    async def history(self, request: Request) -> Response:
        """Older actions, for undoing further back."""
        skip = _count(request, "skip") or 0
        return JSONResponse(await self._write(lambda: self._session.service.history(skip=skip)))

    async def changes(self, request: Request) -> Response:
        """What happened in another window since a revision."""
        return JSONResponse(await self._write(self._session.service.changes, request.query_params.get("since", "")))

    async def scores(self, request: Request) -> Response:
        """What waits, ranked by what was decided about others, and how many wrong pictures are left."""
        first = _count(request, "first")
        standing = await self._write(self._session.service.standing)
        return JSONResponse(await self._read(lambda: self._session.service.scores(standing, first=first)))

    async def similar(self, request: Request) -> Response:
        """The pictures that look most like one."""
        standing = await self._write(self._session.service.standing)
        of = request.query_params.get("of", "")
        return JSONResponse(await self._read(lambda: self._session.service.similar(standing, of, most=MOST_SIMILAR)))

    async def search(self, request: Request) -> Response:
        """The pictures whose words hold all that were asked for."""
        standing = await self._write(self._session.service.standing)
        words = request.query_params.get("words", "")[:_LONGEST_SEARCH]
        return JSONResponse(await self._read(self._session.service.search, standing, words))

    async def audit(self, request: Request) -> Response:
        """Where the audit stands, null before the first."""
        return JSONResponse(await self._write(self._session.service.audit))

    async def items(self, request: Request) -> Response:
        """What is known about some pictures; unknown ones are left out."""
        listing = self._session.service.listing
        wanted = request.query_params.get("of", "").split(",")[:_MOST_ITEMS_AT_ONCE]
        keys = [key for one in wanted if (key := listing.key_of(one)) is not None]
        return JSONResponse({"items": await self._read(facts, listing, keys)})

    async def thumb(self, request: Request) -> Response:
        """A thumbnail."""
        size = request.path_params["size"]
        if size not in THUMB_SIZES:
            return PlainTextResponse("not here", 404)
        return await self._picture(request, lambda picture: self._session.thumbnails.thumb(picture, size), "image/webp")

    async def view(self, request: Request) -> Response:
        """The picture as it would be trained on."""
        return await self._picture(request, self._session.thumbnails.view, "image/jpeg")

    async def zoom(self, request: Request) -> Response:
        """The original, re-encoded."""
        return await self._picture(request, self._session.thumbnails.zoom, "image/jpeg")

    async def _picture(self, request: Request, make: Callable[..., bytes | None], kind: str) -> Response:
        picture = await self._read(self._session.service.listing.picture, request.path_params["image_id"])
        data = await self._read(make, picture) if picture else None
        if data is None:
            return PlainTextResponse("no such picture", 404)
        return Response(data, media_type=kind, headers={"cache-control": FOREVER})

    # writing

    async def actions(self, request: Request) -> Response:
        """Write what a person did; durable before the answer leaves."""
        return JSONResponse(await self._write(self._session.service.take, actions_from(await _body(request))))

    async def add_label(self, request: Request) -> Response:
        """Make a label known and return its number."""
        name = text_from(object_from(await _body(request)), "name", longest=_LONGEST_LABEL)
        number = await self._write(self._session.service.add_label, name)
        listing = self._session.service.listing
        return JSONResponse({"number": number, "label": [listing.labels[number], listing.names[number]]})

    async def start_audit(self, request: Request) -> Response:
        """Draw a new sample."""
        object_from(await _body(request))
        seed = self._session.seed()
        return JSONResponse(await self._write(lambda: self._session.service.start_audit(seed=seed)))

    async def finish(self, request: Request) -> Response:
        """Write the curated set and the report, unless the person was told another number of pictures."""
        announced = object_from(await _body(request)).get("announced")
        if announced is not None:
            await self._write(self._session.service.refresh)  # another command may have judged them anew
            count = await self._write(self._session.service.in_set_count)
            if count != announced:
                sentence = f"The set has {count:,} pictures by now, as the page shows. Nothing was written."
                return JSONResponse({"error": sentence, "kept": count}, 409)
        result = await asyncio.get_running_loop().run_in_executor(self._finisher, self._session.finish)
        await self._write(self._session.service.refresh)
        return JSONResponse({**result, "listing": self._session.service.listing.revision})

    async def quit(self, request: Request) -> Response:
        """End the server after this answer."""
        object_from(await _body(request))
        self._session.stop()
        return JSONResponse({})


def _count(request: Request, name: str) -> int | None:
    """Return the number that a request names, None where it names none."""
    text = request.query_params.get(name)
    if text is not None and (not text.isascii() or not text.isdigit() or len(text) > _LONGEST_NUMBER):
        raise MalformedError(name)
    return None if text is None else int(text)


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for part in request.stream():
        received += part
        if len(received) > MAX_BODY_BYTES:  # the guard saw the announced length; this is what came
            raise MalformedError("too long")
    return bytes(received)


async def _malformed(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"not understood: {error}\n", 400)


async def _sentence(request: Request, error: Exception) -> Response:
    # what may pass by itself is sent again by the page; the rest is wrong with the request
    passing = isinstance(error, ResourceError | LockedError)
    return JSONResponse({"error": str(error)}, 503 if passing else 422)


def static_files() -> dict[str, bytes]:
    """Return the page's own files by name."""
    folder = resources.files("imgkit.curate.review") / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def fingerprint(files: Mapping[str, bytes]) -> str:
    """Return a name for this version of the page: another one when any byte differs."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256(files[name]).digest())
    return digest.hexdigest()[:12]
