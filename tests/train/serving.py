"""A server of a model on the loopback address, and one question to it."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from imgkit.models.classifier import load_classifier
from imgkit.models.serve import listen, make_app


@contextmanager
def served(model: Path) -> Iterator[str]:
    """Serve ``model`` until the block ends; yield the address."""
    listener = listen(0)
    where = f"127.0.0.1:{listener.getsockname()[1]}"
    config = uvicorn.Config(make_app(load_classifier(model, device="cpu"), where), log_level="critical")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield where
    finally:
        server.should_exit = True
        thread.join()


def ask(address: str, method: str = "POST", path: str = "/predict", body: bytes = b"", **headers: str):
    """Return status, body and headers of one answer."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.request(method, path, body=body, headers={"Host": address, **headers})
        reply = connection.getresponse()
        return reply.status, reply.read(), dict(reply.getheaders())
    finally:
        connection.close()
