"""Find pictures in what Google may serve: each layout of the past has its parser, the most exact one first."""

import json
import re
from dataclasses import dataclass
from html import unescape
from types import SimpleNamespace
from typing import Final
from urllib.parse import parse_qs

from imgkit.harvest.providers.answers import host_of
from imgkit.harvest.providers.json_fields import items, mapping, objects, positive, text

JSON_START: Final = '{"ischj":'
GOOGLE_HOSTS: Final = ("google.com", "gstatic.com", "googleusercontent.com", "googleapis.com")
_ANCHOR = re.compile(r"/imgres\?([^\"'\s<>]+)")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})")
_PAIR = re.compile(
    r'\["https://encrypted-tbn\d\.gstatic\.com/[^"]*",\d+,\d+\]\s*,\s*'
    r'\["(?P<url>https?://[^"]+)",(?P<height>\d{1,6}),(?P<width>\d{1,6})\]'
)
"""A thumbnail followed by its original, in the data arrays of a page."""
_WHOLE = re.compile(r"https?://[^\s\"'<>\\{}|^`\ud800-\udfff]{4,2000}")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleHit:
    """A picture on a result page."""

    url: str
    page_url: str = ""
    title: str = ""
    author: str = ""
    width: int | None = None
    height: int | None = None


def find_hits(body: str) -> list[GoogleHit]:
    """Return the pictures of a result page by the first parser that finds any: JSON, anchors, script arrays."""
    return _from_json(body) or _from_anchors(body) or _from_arrays(body)


def hits_by_icrawler(body: bytes) -> list[GoogleHit]:
    """Return what icrawler's parser finds, the last link of the chain, less Google's own pictures and torn text."""
    from icrawler.builtin.google import GoogleParser

    try:
        found = GoogleParser.parse(None, SimpleNamespace(content=body))
    except Exception:  # its parser raises whatever a page makes lxml, bs4 or an escape sequence raise
        return []
    urls = [str(one.get("file_url", "")) for one in found or []]
    return [GoogleHit(url=url) for url in urls if _is_whole(url)]


def is_empty_json(body: str) -> bool:
    """Say whether the body is the JSON layout without any results."""
    return JSON_START in body and not _from_json(body)


def _from_json(body: str) -> list[GoogleHit]:
    start = body.find(JSON_START)
    if start < 0:
        return []
    try:
        value, _ = json.JSONDecoder().raw_decode(body[start:])
    except (ValueError, RecursionError):
        return []
    hits = []
    for item in objects(value, "ischj", "metadata"):
        result, image = mapping(item, "result"), mapping(item, "original_image")
        creators = [name for name in items(result, "iptc", "creator") if isinstance(name, str)]
        if url := text(image, "url"):
            hits.append(
                GoogleHit(
                    url=url,
                    page_url=text(result, "referrer_url"),
                    title=unescape(text(result, "page_title")),
                    author=", ".join(creators),
                    width=positive(image, "width"),
                    height=positive(image, "height"),
                )
            )
    return hits


def _from_anchors(body: str) -> list[GoogleHit]:
    hits = []
    for match in _ANCHOR.finditer(body):
        values = {name: each[0] for name, each in parse_qs(unescape(match[1])).items()}
        if values.get("imgurl", "").startswith(("http://", "https://")):
            hits.append(
                GoogleHit(
                    url=values["imgurl"],
                    page_url=values.get("imgrefurl", ""),
                    width=positive(values, "w"),
                    height=positive(values, "h"),
                )
            )
    return hits


def _from_arrays(body: str) -> list[GoogleHit]:
    plain = _ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), body)
    return [
        GoogleHit(url=match["url"], width=int(match["width"]) or None, height=int(match["height"]) or None)
        for match in _PAIR.finditer(plain)
        if _is_whole(match["url"])
    ]


def _is_whole(url: str) -> bool:
    host = host_of(url)
    is_google = host in GOOGLE_HOSTS or host.endswith(tuple(f".{name}" for name in GOOGLE_HOSTS))
    return bool(host) and not is_google and _WHOLE.fullmatch(url) is not None
