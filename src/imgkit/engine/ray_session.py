"""Join a Ray cluster quietly: no statistics sent, no log lines, no signal handlers, sentences where it fails."""

import contextlib
import importlib.util
import logging
import os
import signal
import socket
from collections.abc import Iterator
from types import ModuleType

from imgkit.errors import ResourceError, UsageError

logger = logging.getLogger(__name__)

CONNECT_S = 5.0
INSTALL = 'pip install "imgkit-datasets[ray]"'


@contextlib.contextmanager
def joined_cluster(address: str) -> Iterator[ModuleType]:
    """Join the cluster at ``address`` for a while and give the module ``ray``; "" takes RAY_ADDRESS or this machine's.

    A program that has joined a cluster before stays in that one.

    Raises:
        UsageError: Ray is not installed, or the address is none that can be used.
        ResourceError: nobody answers there.
    """
    if importlib.util.find_spec("ray") is None:
        raise UsageError(
            f"--engine ray needs the package ray, which is not installed. Nothing was changed. Run: {INSTALL}, "
            "or leave --engine away to work on this machine.",
            code="ray.missing",
        )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # no usage statistics are sent
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "3")  # a head that is gone is waited for in seconds, not minutes
    import ray

    if ray.is_initialized():
        yield ray
        return
    if address.startswith("ray://"):
        raise UsageError(
            f"--ray-address {address}: the Ray client cannot be used. Nothing was changed. Start imgkit on a machine "
            "of the cluster, and give the address that `ray start --head` printed, such as 10.0.0.1:6379.",
            code="ray.address",
        )
    address = address or os.environ.get("RAY_ADDRESS") or "auto"
    with _own_signals():
        try:
            _require_listener(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
        except (OSError, RuntimeError, ValueError) as error:
            raise _unreachable(address, error) from error
    try:
        with _messages_into_log():
            yield ray
    finally:
        with _own_signals():
            ray.shutdown()


def _require_listener(address: str) -> None:
    """Connect once to an address with a port: Ray itself tries again for minutes where nobody listens.

    Raises:
        OSError: nobody does.
    """
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()


def _unreachable(address: str, error: Exception) -> ResourceError:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error).strip() or type(error).__name__
    where = "on this machine" if address == "auto" else f"at {address} ({text.splitlines()[0][:160]})"
    return ResourceError(
        f"no Ray cluster answers {where}. Nothing was changed. Start one with: ray start --head, and name it with "
        "--ray-address, or leave --engine away to work on this machine.",
        code="ray.unreachable",
    )


@contextlib.contextmanager
def _messages_into_log() -> Iterator[None]:
    """Log what Ray prints on standard output, whatever it is told, when a machine is lost: that is for results."""
    import ray._private.worker as driver  # no public way

    printing = getattr(driver, "print_to_stdstream", None)
    if printing is None:
        yield
        return

    def log(data: dict[str, object], *_: object, **__: object) -> None:
        logger.info("ray: %s", data.get("lines"))

    driver.print_to_stdstream = log
    try:
        yield
    finally:
        driver.print_to_stdstream = printing


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the handlers of signals as they are: Ray puts its own in, which would end a run without saving."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # not the main thread: nothing was changed
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)
