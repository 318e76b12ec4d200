"""The faults that every service can have: refusing, stalling and failing in the ways all services share."""

from typing import Final

from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.transport import STALL_SECONDS

REFUSALS: Final[dict[str, str]] = {
    "throttled": "429 with Retry-After 1",
    "throttled_long": "429 with Retry-After 3600",
    "forbidden": "403",
    "broken": "503 with a page of HTML",
    "bad_gateway": "502 with a page of HTML",
    "html": "200 with a page of HTML that is no answer",
    "empty_body": "200 with nothing in it",
    "cut": "200 with half an answer",
    "reset": "the connection breaks",
    "silent": "no answer at all",
}
HTML = "text/html; charset=utf-8"


def refuse(exchange: Exchange, fault: str) -> bool:
    """Answer with one of the faults of ``REFUSALS``; returns False, and sends nothing, for any other fault."""
    match fault:
        case "throttled" | "throttled_long":
            seconds = "1" if fault == "throttled" else "3600"
            exchange.send(429, b"Too many requests", content_type="text/plain", headers=[("Retry-After", seconds)])
        case "forbidden":
            exchange.send(403, b"<h1>Forbidden</h1>", content_type=HTML)
        case "broken":
            exchange.send(503, b"<html><h1>Our services are not available right now</h1></html>", content_type=HTML)
        case "bad_gateway":
            exchange.send(502, b"<html><h1>502 Bad Gateway</h1></html>", content_type=HTML)
        case "html":
            exchange.send(200, b"<!doctype html><title>Hello</title><h1>Maintenance</h1>", content_type=HTML)
        case "empty_body":
            exchange.send(200, b"", content_type=HTML)
        case "cut":
            exchange.send(200, b'{"results": [{"id": 1, "ti', content_type="application/json")
        case "reset":
            exchange.reset()
        case "silent":
            exchange.wait_for_client(STALL_SECONDS)
        case _:
            return False
    return True
