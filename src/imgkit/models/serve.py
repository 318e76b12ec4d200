"""HTTP server on loopback: a page for dropping a picture, and POST /predict with the picture as the body."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from importlib.resources import files
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from imgkit.errors import ResourceError
from imgkit.models.classifier import Classifier, load_classifier
from imgkit.models.microbatch import MicroBatches
from imgkit.models.predict import name_guesses
from imgkit.models.upload import RefusedError, Uploads
from imgkit.progress import Progress, Silent
from imgkit.reasons import REASONS
from imgkit.vision.decode import Rejected
from imgkit.vision.features.device import keep_freed_memory
from imgkit.vision.guarded import BusyError, GuardedDecoder

logger = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
WAITING = 32  # pictures being decoded or waiting; further requests get status 503
BUSY = "busy: try again in a second"
NOT_DECODED = "this machine cannot decode pictures now; its terminal says why"
TOP = 3
STATIC = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class EscapedJson(JSONResponse):
    """JSON in ASCII: a label that is not valid UTF-8 is written as escapes."""

    def render(self, content: object) -> bytes:
        """Return the body."""
        return json.dumps(content, allow_nan=False).encode("ascii")


def serve(model: Path, *, port: int = 0, device: str = "auto", progress: Progress | None = None) -> None:
    """Serve a model on the loopback address until it is interrupted.

    Args:
        model: a model folder, or the folder of a run.
        port: 0 takes a free one.
        device: ``auto``, ``cpu``, ``cuda``, ...
        progress: told the address.

    Raises:
        UsageError: no such model.
        ResourceError: the port is taken.
    """
    keep_freed_memory()
    classifier = load_classifier(model, device=device)
    listener = listen(port)
    address = f"{LOOPBACK}:{listener.getsockname()[1]}"
    (progress or Silent()).say(f"http://{address}/  ({len(classifier.metadata.labels)} labels; Ctrl-C ends it)")
    config = uvicorn.Config(make_app(classifier, address), log_level="warning", access_log=False, server_header=False)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is the way to end it
        uvicorn.Server(config).run(sockets=[listener])


def listen(port: int) -> socket.socket:
    """Return a listening socket on the loopback address.

    Raises:
        ResourceError: the port is taken.
    """
    # the protocol is named because asyncio sends at once (no 40 ms for Nagle's algorithm) only where it is
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
        listener.listen()
    except OSError as error:
        listener.close()
        raise ResourceError(
            f"port {port} cannot be used ({error.strerror}). Nothing was started. Give another --port."
        ) from error
    return listener


def make_app(classifier: Classifier, address: str) -> Starlette:
    """Return the application that answers at ``address`` ("127.0.0.1:5858"), and to no other name."""
    batches, decoder = MicroBatches(classifier), GuardedDecoder(classifier.backbone.preprocessing)
    uploads, waiting = Uploads(), asyncio.Semaphore(WAITING)

    async def predict(request: Request) -> Response:
        try:
            async with uploads.received(request) as body:
                if waiting.locked():
                    raise RefusedError(503, BUSY)
                async with waiting:
                    seen = await asyncio.wrap_future(decoder.submit(body))
                    outcome = seen if isinstance(seen, Rejected) else await batches.predict(seen)
        except RefusedError as refused:
            return _refused(refused.status, str(refused))
        except BusyError:
            return _refused(503, BUSY)
        except (ResourceError, OSError, MemoryError) as error:  # of the system, and not of the picture
            logger.error("a picture was not decoded: %s", error or type(error).__name__)
            return _refused(503, NOT_DECODED)
        if isinstance(outcome, Rejected):
            return _refused(422, f"{REASONS[outcome.reason]} [{outcome.reason}]")
        values = name_guesses(classifier, Path(), outcome, top=TOP).as_json()
        del values["path"]
        return EscapedJson(values)

    async def about(request: Request) -> Response:
        return EscapedJson({"labels": list(classifier.metadata.labels), **dict(classifier.metadata.trained)})

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        decoder.close()

    routes = [Route(path, _static(name, kind)) for path, (name, kind) in STATIC.items()]
    routes += [Route("/predict", predict, methods=["POST"]), Route("/about", about)]
    return Starlette(routes=routes, middleware=[Middleware(_Guard, address=address)], lifespan=lifespan)


class _Guard:
    """Middleware: refuse requests with a foreign Host or Origin (403), and add the security headers."""

    def __init__(self, app: ASGIApp, address: str) -> None:
        port = address.rsplit(":", 1)[-1]
        self._app, self._hosts = app, {address, f"localhost:{port}"}
        self._origins = {f"http://{host}" for host in self._hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", []),
                    *((name.encode(), value.encode()) for name, value in HEADERS.items()),
                ]
            await send(message)

        refusal = self._refusal([(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]])
        app = _refused(403, refusal) if refusal else self._app
        await app(scope, receive, send_with_headers)

    def _refusal(self, headers: Sequence[tuple[str, str]]) -> str:
        """Return why a request with these headers is refused, "" where it is allowed; repeated headers all count."""

        def only(name: str, allowed: Collection[str]) -> bool:
            return all(value in allowed for key, value in headers if key == name)

        if "host" not in dict(headers) or not only("host", self._hosts):
            return "this page answers to its own address only"
        if not only("origin", self._origins) or not only("sec-fetch-site", ("none", "same-origin")):
            return "another site may not ask"
        return ""


def _static(name: str, kind: str) -> Callable[[Request], Response]:
    content = files("imgkit.models").joinpath("static", name).read_bytes()

    def send(request: Request) -> Response:
        return Response(content, media_type=kind)

    return send


def _refused(status: int, sentence: str) -> EscapedJson:
    return EscapedJson({"error": sentence}, status_code=status)
