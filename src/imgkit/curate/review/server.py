"""Serve the review page of a data folder until the person is done."""

import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

import uvicorn

from imgkit import commands
from imgkit.curate.audit import Estimate, as_text, latest
from imgkit.curate.review.access import (
    LOOPBACK,
    account_name,
    can_open_browser,
    last_server,
    listen,
    new_token,
    note_ended,
    note_running,
    open_browser,
    project_of,
    rules_for,
)
from imgkit.curate.review.app import ReviewSession, build
from imgkit.curate.review.config import ReviewConfig
from imgkit.curate.review.keys import load_keys
from imgkit.curate.review.listing import InSet
from imgkit.curate.review.service import ReviewService, Totals
from imgkit.curate.review.thumbnails import Thumbnails
from imgkit.errors import LockedError
from imgkit.manifest import DataFolder, Manifest, sole_owner
from imgkit.progress import Progress, Silent

Finish = Callable[[], Mapping[str, object]]
"""Writes the curated set and the report; returns what the page shows: ``kept``, ``folder``, ``report``, ``next``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewReport:
    """What a review came to: decisions in force, the audit, and what finishing told (empty if nothing had changed).

    ``noise`` is the audit's result in words, "" without one.
    """

    url: str
    actions: int
    totals: Totals
    audit: Estimate | None
    noise: str
    finished: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        """Return the report as values that JSON can hold; the address without its key."""
        return {
            "actions": self.actions,
            "decisions": asdict(self.totals),
            "audit": self.audit.as_json() if self.audit else None,
            "finished": dict(self.finished),
        }


def review(
    config: ReviewConfig,
    *,
    in_set: InSet,
    finish: Finish,
    progress: Progress | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ReviewReport:
    """Serve the page until it is closed from the page or with Ctrl-C; every decision is on disk by then.

    Args:
        config: the data folder and how to serve it.
        in_set: whether a picture that nobody decided about is in the curated set.
        finish: called when the person finishes, and at the end when something was decided since.
        progress: is told the address.
        environ: tells whether a browser can be opened, and where a person's own keys are.

    Raises:
        UsageError: there is no manifest, no picture, a wrong keys file, or the port is taken.
        LockedError: another review of the folder is running; the sentence has its address.
    """
    progress = progress or Silent()
    keys = load_keys(environ)
    with Manifest.open_existing(config.data) as manifest:
        folder = manifest.folder
        last = last_server(folder)
        with _sole_review(folder, last):
            progress.start("preparing the review page")
            service = ReviewService(manifest, reviewer=config.reviewer or account_name(), in_set=in_set)
            finisher = _Finisher(service, finish)
            last_port = last.get("port")
            sock = listen(config.port, last=last_port if isinstance(last_port, int) else None)
            with contextlib.closing(sock):
                host = _Host(folder, sock, config, progress, environ)
                _serve(host, _session(host, service, keys, finisher))
            if finisher.is_due():
                progress.start("writing the curated set")
                finisher()
            audit = latest(manifest)
            return ReviewReport(
                url=host.url,
                actions=service.actions_taken,
                totals=service.totals(),
                audit=audit,
                noise=as_text(audit) if audit else "",
                finished=finisher.result,
            )


class _Finisher:
    """Calls ``finish`` and remembers up to which decision."""

    def __init__(self, service: ReviewService, finish: Finish) -> None:
        self._service = service
        self._finish = finish
        self._at = service.revision
        self.result: Mapping[str, object] = {}

    def is_due(self) -> bool:
        """Return whether anything was decided since the last time, or since the start."""
        return self._service.revision != self._at

    def __call__(self) -> dict[str, object]:
        """Write the curated set and return what to tell."""
        revision = self._service.revision
        self.result = self._finish()
        self._at = revision
        return dict(self.result)


class _Server(uvicorn.Server):
    """A server that says when it can be reached."""

    def __init__(self, config: uvicorn.Config, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_start = on_start

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, then say so."""
        await super().startup(sockets)
        self._on_start()

    def stop(self) -> None:
        """End after the answers in hand."""
        self.should_exit = True


class _Host:
    """Where the page is served, and how a person learns of it."""

    def __init__(
        self,
        folder: DataFolder,
        sock: socket.socket,
        config: ReviewConfig,
        progress: Progress,
        environ: Mapping[str, str],
    ) -> None:
        self.folder, self.sock, self.config = folder, sock, config
        self._progress, self._environ = progress, environ
        self.port = int(sock.getsockname()[1])
        self.token = new_token()
        self.url = f"http://{LOOPBACK}:{self.port}/#t={self.token}"  # browsers send no server what is behind the #
        self.stop: Callable[[], None] = lambda: None

    def announce(self) -> None:
        """Say the address, and open it where that helps."""
        note_running(self.folder, port=self.port, url=self.url)
        self._progress.say(f"Review page: {self.url}")
        if self.config.open_browser and can_open_browser(self._environ, system=sys.platform):
            open_browser(self.folder, self.url)
        elif self._environ.get("SSH_CONNECTION"):
            here = socket.gethostname()
            self._progress.say(f"From your own machine: ssh -N -L {self.port}:{LOOPBACK}:{self.port} {here}")
        self._progress.say("Decisions are saved as you make them. Ctrl-C ends the review and writes the curated set.")
        self._progress.start("reviewing in the browser")


def _session(
    host: _Host, service: ReviewService, keys: Mapping[str, tuple[str, ...]], finisher: _Finisher
) -> ReviewSession:
    return ReviewSession(
        service=service,
        thumbnails=Thumbnails(host.folder),
        rules=rules_for(host.token, host.port),
        project=project_of(host.folder),
        title=host.config.data.resolve().name,
        again=commands.curate(host.config.data, "--review"),
        keys=keys,
        finish=finisher,
        stop=lambda: host.stop(),
        seed=lambda: secrets.randbits(32),
    )


def _serve(host: _Host, session: ReviewSession) -> None:
    settings = uvicorn.Config(
        build(session),
        log_config=None,
        access_log=False,
        lifespan="off",
        loop="asyncio",
        http="h11",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=3,
    )
    server = _Server(settings, host.announce)
    host.stop = server.stop
    try:
        server.run(sockets=[host.sock])
    except KeyboardInterrupt:
        pass  # the usual way to end; the server has closed and nothing is at risk
    finally:
        (host.folder.review / "open.html").unlink(missing_ok=True)
        note_ended(host.folder, port=host.port)


@contextlib.contextmanager
def _sole_review(folder: DataFolder, last: Mapping[str, object]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(sole_owner(folder.locks, "review"))
        except LockedError as error:
            raise LockedError(f"{error} Its page: {last.get('url', 'not ready yet')}") from error
        yield
