"""Look host names up with a time limit, and remember the answers of this run."""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError

from imgkit.net.addresses import IPAddress

Resolve = Callable[[str], Sequence[str]]
"""Host name to IP addresses in order of preference; raises OSError when it does not resolve."""

TRIES = 2


class LookupFailedError(Exception):
    """The name does not resolve, or not in time."""


def resolve_with_system(host: str) -> list[str]:
    """Ask the system's resolver."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Lookup:
    """A resolver with a memory of answers and failures. Safe for threads; one name is looked up once at a time."""

    def __init__(self, resolve: Resolve = resolve_with_system, *, timeout_s: float = 5.0) -> None:
        self._resolve = resolve
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._answers: dict[str, Future[tuple[IPAddress, ...]]] = {}

    def __call__(self, host: str) -> tuple[IPAddress, ...]:
        """Return every address of ``host``.

        Raises:
            LookupFailedError: there is none, or the resolver took longer than the time limit.
        """
        with self._lock:
            answer = self._answers.get(host)
            if answer is None:
                answer = self._answers[host] = Future()
                # a daemon, since nothing can interrupt the system's resolver
                threading.Thread(target=self._ask, args=(host, answer), name="imgkit-lookup", daemon=True).start()
        try:
            return answer.result(self._timeout_s)
        except FutureTimeoutError as error:
            raise LookupFailedError(f"{host}: no answer within {self._timeout_s:g} s") from error
        except Exception as error:  # whatever the resolver raises
            raise LookupFailedError(f"{host}: {error}") from error

    def forget_failures(self) -> None:
        """Ask again for the names that did not resolve; the network may be back."""
        with self._lock:
            self._answers = {
                host: answer
                for host, answer in self._answers.items()
                if not answer.done() or answer.exception() is None
            }

    def _ask(self, host: str, answer: "Future[tuple[IPAddress, ...]]") -> None:
        for attempt in range(TRIES):
            try:
                found = tuple(ipaddress.ip_address(text.split("%")[0]) for text in self._resolve(host))
                if not found:
                    raise OSError("no address")
                answer.set_result(found)
                return
            except Exception as error:  # whatever the resolver raises is the answer
                if attempt == TRIES - 1:
                    answer.set_exception(error)
