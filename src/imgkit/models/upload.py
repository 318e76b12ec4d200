"""Receive pictures over HTTP within limits of size, time and memory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect, Request

LARGEST_BODY_BYTES = 20 << 20  # the largest picture that a camera writes
MOST_BYTES = 12 * LARGEST_BODY_BYTES  # of all pictures that are arriving or waiting for their answer
SECONDS_FOR_A_BODY = 20.0


class RefusedError(Exception):
    """A picture was not received: ``status`` is that of HTTP, the message one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Uploads:
    """Counts the bytes of all bodies in memory; a slow upload uses only the bytes that have arrived."""

    def __init__(self) -> None:
        self._held = 0

    @contextlib.asynccontextmanager
    async def received(self, request: Request) -> AsyncIterator[bytes]:
        """Read the body of a request; its bytes count against ``MOST_BYTES`` until the block ends.

        Raises:
            RefusedError: it is too large, came too slowly, or ``MOST_BYTES`` are held already.
        """
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > LARGEST_BODY_BYTES:
            raise _too_large()
        body = bytearray()
        try:
            await self._receive(request, body)
            yield bytes(body)
        finally:
            self._held -= len(body)

    async def _receive(self, request: Request, body: bytearray) -> None:
        try:
            async with asyncio.timeout(SECONDS_FOR_A_BODY):
                async for part in request.stream():
                    body += part
                    self._held += len(part)
                    if len(body) > LARGEST_BODY_BYTES:
                        raise _too_large()
                    if self._held > MOST_BYTES:
                        raise RefusedError(503, "busy: try again in a second")
        except (TimeoutError, ClientDisconnect) as error:
            raise RefusedError(408, "the picture did not arrive in time") from error


def _too_large() -> RefusedError:
    return RefusedError(413, f"larger than {LARGEST_BODY_BYTES >> 20} MiB")
