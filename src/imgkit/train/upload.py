"""Receive pictures over HTTP within limits of size, time and memory."""

import asyncio

from starlette.requests import ClientDisconnect, Request

LARGEST_BODY_BYTES = 20 << 20  # the largest picture that a camera writes
MOST_BYTES = 12 * LARGEST_BODY_BYTES  # of all pictures that are arriving
SECONDS_FOR_A_BODY = 20.0


class RefusedError(Exception):
    """A picture was not received: ``status`` is that of HTTP, the message one sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Uploads:
    """The pictures that are arriving at a server. Slow ones take no room from others but their own bytes."""

    def __init__(self) -> None:
        self._held = 0

    async def receive(self, request: Request) -> bytes:
        """Return the body of a request.

        Raises:
            RefusedError: it is too large, came too slowly, or there is no room for more at the moment.
        """
        announced = request.headers.get("content-length", "0")
        if announced.isdigit() and int(announced) > LARGEST_BODY_BYTES:
            raise _too_large()
        body = bytearray()
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
        finally:
            self._held -= len(body)
        return bytes(body)


def _too_large() -> RefusedError:
    return RefusedError(413, f"larger than {LARGEST_BODY_BYTES >> 20} MiB")
