"""The loopback web: all search services and image hosts of a world, served for real.

    with serve(demo_world()) as web:
        subprocess.run(["imgkit", "harvest", "queries/snakes.csv"], env=os.environ | web.environ)

``python -m imgkit.demo.web.server --port-file FILE`` serves the demo world in a process of its own until it is ended.
"""

import argparse
import contextlib
import json
import selectors
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from imgkit.demo.drawing.render import Drawings
from imgkit.demo.population import demo_world
from imgkit.demo.services import SERVICES, ServiceFault, flickr
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.image_hosts import answer_host
from imgkit.demo.web.index import Index
from imgkit.demo.web.listeners import Listeners, Received, closed_port
from imgkit.demo.world import HOP, World, WorldPicture

CANARY = "canary"
"""A server on an address that clients are not allowed to contact: nothing may ever reach it."""
REFUSED = "refused"
"""An address at which nobody listens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One line of the log.

    ``site`` is the nickname of the host or service, ``address`` its address and port. Times are seconds of the
    monotonic clock; ``finished`` is when the last bytes were about to be sent, None before. ``concurrency`` counts
    the requests to the same site that were under way when this one came, itself included; one that the client gave
    up, by closing its connection, is under way no more. ``status`` is 0 when no status line was sent.
    """

    site: str
    address: str
    method: str
    target: str
    referer: str
    user_agent: str
    started: float
    concurrency: int
    finished: float | None = None
    status: int = 0


class Web:
    """A running web; a context manager that ends every connection when it closes.

    Args:
        world: what is served.
        service_faults: the fault of each service, by the service's name; the names are in each service's
            ``SERVICE_FAULTS``.
    """

    def __init__(self, world: World, *, service_faults: Mapping[str, str | ServiceFault] | None = None) -> None:
        self.world = world
        self.drawings = Drawings()
        self._service_faults: dict[str, ServiceFault] = {}
        for service, fault in (service_faults or {}).items():
            self.inject_fault(service, fault)
        self._log: list[LoggedRequest] = []
        self._asked: Counter[str] = Counter()
        self._under_way: dict[int, Received] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._hosts = {host.name: host for host in world.hosts}
        self._listeners = Listeners([*SERVICES, *self._hosts, CANARY], self._respond)
        self.sites = {**self._listeners.addresses, REFUSED: closed_port()}
        self._index = Index(world, self.sites, self.drawings)

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that make a client use this web instead of the real one."""
        allowed = [address for name, address in self.sites.items() if name != CANARY]
        return {
            **{service.variable: f"http://{self.sites[name]}" for name, service in SERVICES.items()},
            "IMGKIT_ALLOW_PRIVATE_HOSTS": ",".join(allowed),
            "FLICKR_API_KEY": flickr.KEY,
        }

    @property
    def requests(self) -> list[LoggedRequest]:
        """The log so far, in the order in which requests came."""
        with self._lock:
            return list(self._log)

    def url(self, picture: WorldPicture | str) -> str:
        """Return the whole address of a picture or of the picture with an id."""
        return self._index.url(self.world.picture(picture) if isinstance(picture, str) else picture)

    def truth(self, url: str) -> WorldPicture | None:
        """Return the picture at an address, None for an address not of this world."""
        return self.world.find(url)

    def data(self, picture: WorldPicture | str) -> bytes:
        """Return the bytes of the good picture, before any fault."""
        found = self.world.picture(picture) if isinstance(picture, str) else picture
        return self.drawings.bytes_of(found.drawing)

    def inject_fault(self, service: str, fault: str | ServiceFault) -> None:
        """Make a service answer with a fault from its next request on; "" ends it.

        Raises:
            KeyError: no such service, or it has no such fault.
        """
        wanted = ServiceFault(fault) if isinstance(fault, str) else fault
        if wanted.name and wanted.name not in SERVICES[service].faults:
            raise KeyError(
                f"{service} has no fault {wanted.name!r}; it has {', '.join(sorted(SERVICES[service].faults))}"
            )
        self._service_faults[service] = wanted

    def close(self) -> None:
        """End the web and every connection to it."""
        self._closing.set()
        self._listeners.close()

    def __enter__(self) -> "Web":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _respond(self, received: Received) -> bool:
        with self._lock:
            address = f"{received.site}{HOP.sub('', received.target)}"
            self._asked[address] += 1 if received.method != "HEAD" else 0
            self._asked[received.site] += 1
            number = len(self._log)
            self._under_way[number] = received
            self._log.append(self._line(received))
            exchange = Exchange(
                method=received.method,
                target=received.target,
                headers=received.headers,
                body=received.body,
                site=received.site,
                count=max(1, self._asked[address]),
                site_count=self._asked[received.site],
                sites=self.sites,
                neighbour=self._neighbour(received.site),
                connection=received.connection,
                closing=self._closing,
                done=lambda status: self._done(number, status),
            )
        try:
            with contextlib.suppress(OSError):  # the client left, or the web closes
                self._answer(exchange)
                return not exchange.finished.is_set()
            return False
        finally:
            self._done(number, exchange.status)

    def _done(self, number: int, status: int) -> None:
        with self._lock:
            line = self._log[number]
            if line.finished is None:
                del self._under_way[number]
                self._log[number] = replace(line, finished=time.monotonic(), status=status)

    def _answer(self, exchange: Exchange) -> None:
        if service := SERVICES.get(exchange.site):
            fault = self._service_faults.get(exchange.site, ServiceFault(""))
            service.answer(exchange, self._index, fault.name if fault.applies_to(exchange.site_count) else "")
        elif host := self._hosts.get(exchange.site):
            answer_host(exchange, host, self._index)
        else:
            exchange.send(200, b"secret", content_type="text/plain")

    def _neighbour(self, site: str) -> str:
        return next((name for name in self._hosts if name != site), site)

    def _line(self, received: Received) -> LoggedRequest:
        return LoggedRequest(
            site=received.site,
            address=self.sites[received.site],
            method=received.method,
            target=received.target,
            referer=received.headers.get("Referer", ""),
            user_agent=received.headers.get("User-Agent", ""),
            started=time.monotonic(),
            concurrency=sum(
                other is received or (other.site == received.site and not _client_left(other.connection))
                for other in self._under_way.values()
            ),
        )


def _client_left(connection: socket.socket) -> bool:
    """Whether the client closed or broke a connection, though the thread that answers on it may not know it yet."""
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            return bool(selector.select(0)) and not connection.recv(1, socket.MSG_PEEK)
    except (OSError, ValueError):  # broken, or closed on this side too
        return True


def serve(
    world: World,
    *,
    faults: Mapping[str, str] | None = None,
    service_faults: Mapping[str, str | ServiceFault] | None = None,
) -> Web:
    """Serve a world on loopback until the returned web is closed.

    Args:
        world: what is served.
        faults: names of faults for the pictures with these ids, on top of the world's own.
        service_faults: the fault of each service, by the service's name.
    """
    return Web(world.with_faults(faults or {}), service_faults=service_faults)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the demo world until SIGTERM or Ctrl-C; the first line of output is the environment as JSON."""
    parser = argparse.ArgumentParser(prog="python -m imgkit.demo.web.server", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=0, help="seed of the world (default: 0)")
    parser.add_argument("--port-file", type=Path, help="also write the environment as JSON to this file")
    parser.add_argument("--attached", action="store_true", help="end when standard input ends, with the parent")
    options = parser.parse_args(arguments)
    ended = threading.Event()
    if options.attached:
        threading.Thread(target=_wait_for_the_end, args=(ended,), daemon=True).start()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with serve(demo_world(seed=options.seed)) as web:
        environ = json.dumps(web.environ)
        if options.port_file:
            temporary = options.port_file.with_name(options.port_file.name + ".new")
            temporary.write_text(environ, encoding="utf-8")
            temporary.replace(options.port_file)
        sys.stdout.write(environ + "\n")
        sys.stdout.flush()
        ended.wait()
    return 0


def _wait_for_the_end(ended: threading.Event) -> None:
    sys.stdin.read()
    ended.set()


if __name__ == "__main__":
    sys.exit(main())
