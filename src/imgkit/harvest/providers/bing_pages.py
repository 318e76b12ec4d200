"""Read Bing's result page: the results of the query itself, not those of the cards for other queries beside them."""

import html.parser
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

from imgkit.harvest.providers.json_fields import plain, positive, text

MATCH_MARKS: Final = re.compile("[\ue000-\ue00f]")
"""Private characters that Bing puts around the words of the query in a description."""

FEWEST_JUDGED: Final = 3
"""Results with words of their own that a page must have before its fit is judged."""

LEAST_FITTING: Final = 0.2
"""Share of a page's results that name a word of the query; below it the page answers something else."""

_CLUSTER_CLASSES: Final = frozenset({"disamClust", "clustCards", "inline_clus"})
_SIZE = re.compile(r"\s*(\d{1,6})\s*[x×]\s*(\d{1,6})")


@dataclass(frozen=True, slots=True, kw_only=True)
class BingHit:
    """One result as Bing's page describes it: the JSON of its link, the link's own parameters, the size that is shown.

    ``in_cluster`` says that it stands in a card that leads to another query.
    """

    metadata: Mapping[str, object]
    link: Mapping[str, str]
    shown_size: str = ""
    in_cluster: bool = False

    @property
    def url(self) -> str:
        """The picture's address at its host."""
        return text(self.metadata, "murl")

    @property
    def page_url(self) -> str:
        """The page that shows the picture, "" when Bing names none."""
        return text(self.metadata, "purl")

    @property
    def title(self) -> str:
        """The title of that page."""
        return readable(text(self.metadata, "t"))

    @property
    def description(self) -> str:
        """The words around the picture, without Bing's marks."""
        return readable(text(self.metadata, "desc"))

    @property
    def own_copy(self) -> str:
        """Bing's copy of the picture in full size, or ""."""
        address = self.link.get("cdnurl", "")
        return address if address.startswith(("http://", "https://")) else ""

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Width and height in pixels: from the link, which always has them, else as they are shown."""
        width, height = positive(self.link, "expw"), positive(self.link, "exph")
        if width and height:
            return width, height
        shown = _SIZE.match(self.shown_size)
        return (int(shown[1]) or None, int(shown[2]) or None) if shown else (None, None)

    def fits(self, words: frozenset[str]) -> bool:
        """Whether the result holds one of the query's words, by Bing's own marks or by its text and addresses.

        The marks are those of the query that the link names; where that is another one they say nothing.
        """
        answered = self.link.get("q", "").casefold()
        is_ours = not answered or any(word in answered for word in words)
        if is_ours and MATCH_MARKS.search(f"{text(self.metadata, 'desc')}{text(self.metadata, 't')}"):
            return True
        held = f"{self.title} {self.description} {self.page_url} {self.url}".casefold()
        return any(word in held for word in words)


class BingPage(html.parser.HTMLParser):
    """What a page of Bing holds.

    Attributes:
        hits: every result with a picture address, those of cards too.
        unreadable: results without a picture address.
        is_result_list: whether it has the form of a list of results.
        is_document: whether it is a whole page instead of a fragment.
        more: True: more follows; False: Bing's own mark of the end; None: it says neither.
    """

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.hits: list[BingHit] = []
        self.unreadable = 0
        self.is_result_list = False
        self.is_document = False
        self.more: bool | None = None
        self._in_size = False
        self._depth = 0
        self._cluster_depth: int | None = None
        try:
            self.feed(markup)
            self.close()
        except AssertionError:  # html.parser on a malformed declaration; what was read before it counts
            self.unreadable += 1

    def results(self, query: str) -> list[BingHit]:
        """Return the hits of the query itself, in order.

        Cards show a few pictures of narrower queries. They stand in boxes of their own, their links name the other
        query, and they have neither page address nor title; a hit with any of these marks is left out.
        """
        named = Counter(_words_of(hit.link["q"]) for hit in self.hits if hit.link.get("q"))
        asked = _words_of(query)
        of_pages = Counter(_words_of(hit.link["q"]) for hit in self.hits if hit.link.get("q") and hit.page_url)
        # Bing may have corrected the spelling; then the query of most results with a page is the one it answered
        answered = asked if asked in named else next(iter(dict(of_pages.most_common(1))), "")
        described = any(hit.page_url or hit.title for hit in self.hits)
        return [
            hit
            for hit in self.hits
            if not hit.in_cluster
            and (not answered or not hit.link.get("q") or _words_of(hit.link["q"]) == answered)
            and (hit.page_url or hit.title or (not described and "purl" not in hit.metadata))
        ]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an opening tag; called by ``feed``."""
        attributes = dict(attrs)
        classes = frozenset((attributes.get("class") or "").split())
        self._enter(tag, classes)
        self.is_document |= tag in ("html", "body")
        self.is_result_list |= bool({"dgControl", "dgControl_list", "iuscp", "imgpt"} & classes)
        if "data-nexturl" in attributes:  # cards of other queries have an empty one beside that of the results
            self.more = bool(self.more or attributes["data-nexturl"])
        if tag == "a" and "iusc" in classes:
            self._read(attributes.get("m"), attributes.get("href") or "")
        self._in_size = tag == "span" and "nowrap" in classes and bool(self.hits)

    def handle_endtag(self, tag: str) -> None:
        """Take in a closing tag; called by ``feed``."""
        if tag == "div":
            self._depth -= 1
            if self._cluster_depth is not None and self._depth <= self._cluster_depth:
                self._cluster_depth = None

    def handle_data(self, data: str) -> None:
        """Take in text; called by ``feed``."""
        if self._in_size and not self.hits[-1].shown_size:
            self.hits[-1] = replace(self.hits[-1], shown_size=data)
        self._in_size = False

    def _enter(self, tag: str, classes: frozenset[str]) -> None:
        if tag != "div":
            return
        if self._cluster_depth is None and classes & _CLUSTER_CLASSES:
            self._cluster_depth = self._depth
        self._depth += 1

    def _read(self, attribute: str | None, href: str) -> None:
        try:
            metadata = json.loads(attribute or "")
        except (ValueError, RecursionError):
            metadata = None
        if isinstance(metadata, dict) and text(metadata, "murl"):
            inside = self._cluster_depth is not None
            self.hits.append(BingHit(metadata=metadata, link=_parameters(href), in_cluster=inside))
        else:
            self.unreadable += 1


def readable(markup: str) -> str:
    """Return HTML as one line of text without Bing's marks of matched words."""
    return plain(MATCH_MARKS.sub("", markup))


def answers_something_else(hits: list[BingHit], words: frozenset[str]) -> bool:
    """Say whether a page of results is about something else than the query.

    Results without title and description say nothing about that and are not counted; a page with fewer than
    ``FEWEST_JUDGED`` others is not judged.
    """
    judged = [hit for hit in hits if hit.title or hit.description]
    if len(judged) < FEWEST_JUDGED or not words:
        return False
    return sum(hit.fits(words) for hit in judged) < LEAST_FITTING * len(judged)


def query_words(query: str) -> frozenset[str]:
    """Return what a result that fits a query may hold: its words of three letters or more, without a plural's s.

    Scripts that write without spaces are cut into pairs of characters.
    """
    found = set()
    for word in re.findall(r"[^\W_]+", query.casefold()):
        if word.isascii() or not re.search(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff]", word):
            found.add(word.removesuffix("s") if len(word) > 4 else word)
        else:
            found |= {word[at : at + 2] for at in range(max(1, len(word) - 1))}
    return frozenset(word for word in found if len(word) > 2 or not word.isascii()) or frozenset(found)


def _words_of(query: str) -> str:
    return " ".join(re.findall(r"\w+", query.casefold()))


def _parameters(href: str) -> dict[str, str]:
    try:
        return {name: values[0] for name, values in parse_qs(urlsplit(href).query).items()}
    except ValueError:
        return {}
