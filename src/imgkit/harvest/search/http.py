"""The one way to a search service: an honest user agent, pauses, a deadline, a byte cap, no surprise redirects."""

import ipaddress
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlencode, urljoin, urlsplit

import requests
import urllib3

import imgkit
from imgkit.harvest.config import MIB, HarvestConfig, agent
from imgkit.harvest.providers.answers import host_of
from imgkit.harvest.providers.interface import Fetch, NoAnswer, Provider, Ready, Response, ServiceRequest
from imgkit.net.dns import Lookup, LookupFailedError

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 20.0  # Openverse may need 15
DEADLINE_SECONDS: Final = 25.0  # for one request with everything in it, name resolution and redirects included
MAX_BODY_BYTES: Final = 8 * MIB  # 500 results of Flickr are below 1 MiB
MAX_REDIRECTS: Final = 3
CHUNK_BYTES: Final = 64 * 1024


class ServiceSession:
    """The connection of one provider, to be used as its ``Fetch``; one request at a time.

    The environment's proxies and ``.netrc`` are not used. Between an answer and the next request it waits for the
    provider's pause, except for services on a loopback address. ``clock`` and ``sleep`` count in seconds.
    """

    def __init__(
        self,
        provider: Provider,
        ready: Ready,
        config: HarvestConfig,
        *,
        deadline: float = DEADLINE_SECONDS,
        lookup: Lookup | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._session = _plain_session(config)
        self._pause = pause_between(provider, ready)
        self._deadline = deadline
        self._lookup = None if config.proxy else lookup or Lookup()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._free_at = float("-inf")

    def __call__(self, request: ServiceRequest) -> Response | NoAnswer:
        """Send one request. Never raises for what the network does."""
        with self._lock:
            wait = self._free_at - self._clock()
            if wait > 0:
                self._sleep(wait)
            try:
                return self._unknown_name(request) or self._within_deadline(request)
            finally:
                self._free_at = self._clock() + self._pause

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _unknown_name(self, request: ServiceRequest) -> NoAnswer | None:
        """Look the name up first: without a network the system may take much longer to say so than we should wait."""
        host = host_of(request.url)
        if self._lookup is None or not host or _is_address(host):
            return None
        try:
            self._lookup(host)
        except LookupFailedError as error:
            logger.debug("%s", error)
            self._lookup.forget_failures()
            return NoAnswer(reason="net.dns", detail=f"{host}: {PHRASES['net.dns']}")
        return None

    def _within_deadline(self, request: ServiceRequest) -> Response | NoAnswer:
        """Run the request beside us: resolving a name or waiting for slow headers cannot be cut short otherwise."""
        answers: queue.Queue[Response | NoAnswer] = queue.Queue()
        end = time.monotonic() + self._deadline
        thread = threading.Thread(target=lambda: answers.put(_send(self._session, request, end)), daemon=True)
        thread.start()
        try:
            return answers.get(timeout=self._deadline + 0.5)
        except queue.Empty:
            return NoAnswer(reason="net.deadline", detail=f"no complete answer within {self._deadline:g} s")


def open_fetch(provider: Provider, ready: Ready, config: HarvestConfig) -> Fetch:
    """Return the network for one provider, or for a local provider one that must not be used."""
    if provider.local:
        return offline
    return ServiceSession(provider, ready, config)


def offline(request: ServiceRequest) -> NoAnswer:
    """Answer every request with "no network"; for providers that read this machine."""
    return NoAnswer(reason="net.connect", detail="this provider uses no network")


def pause_between(provider: Provider, ready: Ready) -> float:
    """Return the seconds from an answer to the next request: the provider's policy, none for this machine."""
    if is_loopback(ready.base):
        return 0.0
    return provider.policy.pause_seconds if ready.pause_seconds is None else ready.pause_seconds


def is_loopback(base: str) -> bool:
    """Say whether a base URL names this machine, without resolving anything."""
    host = host_of(base)
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain_session(config: HarvestConfig) -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    session.headers["User-Agent"] = agent(config, imgkit.__version__)
    session.headers["Accept"] = "application/json"
    adapter = requests.adapters.HTTPAdapter(pool_connections=2, pool_maxsize=2, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    if config.proxy:
        session.proxies = {"http": config.proxy, "https": config.proxy}
    return session


def _send(session: requests.Session, request: ServiceRequest, end: float) -> Response | NoAnswer:
    """Send ``request`` and follow redirects within its host until the monotonic time ``end``."""
    headers = {name: value for name, value in request.headers.items() if name.lower() != "user-agent"}
    method, url, params, body = request.method, request.url, request.params, request.body
    try:
        for _ in range(MAX_REDIRECTS + 1):
            answer = session.request(
                method,
                url,
                params=urlencode(params, safe=":,"),
                data=body or None,
                headers=headers,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                target = _same_host_redirect(answer)
                if not target:
                    return _read(answer, end)
            url, params = target, {}
            if answer.status_code == 303:
                method, body = "GET", b""
    except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        logger.debug("%s: %s", host_of(request.url), type(error).__name__)  # its text may hold the query and so a key
        return NoAnswer(reason=_reason(error), detail=_detail(error, request))
    return NoAnswer(reason="net.redirect", detail=f"more than {MAX_REDIRECTS} redirects")


def _same_host_redirect(answer: requests.Response) -> str:
    """Return where to go on when the answer sends us elsewhere on the same host, or ""."""
    location = answer.headers.get("location", "")
    if answer.status_code not in (301, 302, 303, 307, 308) or not location:
        return ""
    target = urljoin(answer.url, location)
    here, there = urlsplit(answer.url), urlsplit(target)
    downgrade = here.scheme == "https" and there.scheme != "https"
    # another port is another service; http moving to https changes no explicit port
    same = there.hostname == here.hostname and there.port == here.port
    return target if same and not downgrade else ""


def _read(answer: requests.Response, end: float) -> Response | NoAnswer:
    chunks: list[bytes] = []
    size = 0
    while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=True):
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            return NoAnswer(reason="body.too_big", detail=f"an answer of more than {MAX_BODY_BYTES // MIB} MiB")
        if time.monotonic() > end:
            return NoAnswer(reason="net.deadline", detail="the answer came too slowly")
    headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
    return Response(status=answer.status_code, body=b"".join(chunks), headers=headers, url=answer.url)


_REASONS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (requests.exceptions.InvalidURL, "net.scheme"),
    (requests.exceptions.InvalidSchema, "net.scheme"),
    (requests.exceptions.MissingSchema, "net.scheme"),
    (urllib3.exceptions.NameResolutionError, "net.dns"),
    (requests.exceptions.ProxyError, "net.proxy"),
    (urllib3.exceptions.ProxyError, "net.proxy"),
    (requests.exceptions.SSLError, "net.tls"),
    (urllib3.exceptions.SSLError, "net.tls"),
    (requests.exceptions.ConnectTimeout, "net.connect"),
    (urllib3.exceptions.ConnectTimeoutError, "net.connect"),
    (urllib3.exceptions.NewConnectionError, "net.connect"),
    (requests.exceptions.Timeout, "net.read"),
    (urllib3.exceptions.TimeoutError, "net.read"),
    (urllib3.exceptions.IncompleteRead, "net.short"),
    (requests.exceptions.ContentDecodingError, "body.encoding_bomb"),
    (urllib3.exceptions.DecodeError, "body.encoding_bomb"),
    (urllib3.exceptions.ProtocolError, "net.reset"),
    (requests.exceptions.ConnectionError, "net.reset"),
    (OSError, "net.reset"),
    (ValueError, "net.scheme"),
)


def _reason(error: BaseException) -> str:
    """Return the code for an error, looking through the causes that requests and urllib3 wrap."""
    chain = list(_chain(error))
    return next((code for kind, code in _REASONS for one in chain if isinstance(one, kind)), "net.reset")


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and one not in found:
            found.append(one)
            waiting += [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
    return found


def _detail(error: BaseException, request: ServiceRequest) -> str:
    host = host_of(request.url) or request.url
    return f"{host}: {PHRASES.get(_reason(error), type(error).__name__)}"


PHRASES: Final[dict[str, str]] = {
    "net.dns": "the name does not resolve",
    "net.connect": "no connection",
    "net.proxy": "the proxy failed",
    "net.tls": "the certificate or encryption is not valid",
    "net.read": "it stopped answering",
    "net.short": "the answer broke off",
    "net.reset": "it closed the connection",
    "net.scheme": "not a web address",
    "body.encoding_bomb": "the answer cannot be unpacked",
}
