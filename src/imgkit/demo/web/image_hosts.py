"""How an image host answers: robots.txt, pages about pictures, thumbnails, and the pictures with their faults."""

import html
import re

from imgkit.demo.drawing import bodies
from imgkit.demo.drawing.render import shrunk
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.faults import FAULTS, Fault
from imgkit.demo.web.index import Index
from imgkit.demo.world import Host, WorldPicture

GOOD = Fault(summary="an honest 200 with a JPEG")
SIZED = re.compile(r"/(?:thumb|sized)/(\d+)px/")
THUMBNAIL_STEPS = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
"""Widths in px that a host of thumbnails serves; any other is answered with 429 and no Retry-After."""
PHOTO_SIZES = {"square": 75, "small": 240, "medium": 500, "large": 1024, "original": 2048}
PHOTO_SIZE = re.compile(r"/photos/\d+/(\w+)\.")


def answer_host(exchange: Exchange, host: Host, index: Index) -> None:
    """Answer any request to an image host."""
    if exchange.path == "/robots.txt":
        _robots(exchange, host)
    elif exchange.path == "/photo_unavailable.jpg":
        exchange.send(200, bodies.placeholder(b""), content_type="image/jpeg")
    elif exchange.path.startswith("/page/"):
        _page(exchange, index)
    elif (picture := index.world.find(exchange.target)) is None:
        exchange.send(404, b"not found", content_type="text/plain")
    elif exchange.path.startswith("/thumb/") and _size(exchange.path) not in THUMBNAIL_STEPS:
        exchange.send(429, b"Use thumbnail steps listed on the help page.", content_type="text/html")
    else:
        _picture(exchange, host, index, picture)


def _robots(exchange: Exchange, host: Host) -> None:
    if host.robots is None:
        exchange.send(404, b"not found", content_type="text/plain")
    else:
        exchange.send(200, host.robots.encode(), content_type="text/plain")


def _page(exchange: Exchange, index: Index) -> None:
    id = exchange.path.removeprefix("/page/").removesuffix(".html")
    try:
        picture = index.world.picture(id)
    except KeyError:
        exchange.send(404, b"not found", content_type="text/plain")
        return
    title, url = html.escape(picture.title), html.escape(index.url(picture))
    page = f'<!doctype html><meta charset="utf-8"><title>{title}</title><h1>{title}</h1><img src="{url}">'
    exchange.send(200, page.encode(), content_type="text/html; charset=utf-8")


def _picture(exchange: Exchange, host: Host, index: Index, picture: WorldPicture) -> None:
    if host.delay:
        exchange.wait(host.delay)
    fault = FAULTS[picture.fault] if picture.fault else GOOD
    data = index.drawings.bytes_of(picture.drawing)
    if longest := _size(exchange.path):
        data = shrunk(data, longest)
    fault.answer(exchange, fault.body(data) if fault.body else data)


def _size(path: str) -> int:
    """The longest side in px that an address asks for, 0 for the picture as it is."""
    if found := SIZED.match(path):
        return int(found[1])
    found = PHOTO_SIZE.match(path)
    return PHOTO_SIZES.get(found[1], 0) if found else 0
