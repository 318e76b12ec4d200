"""Words that tell what is no photograph of a subject: the lexicon, and where they stand about a picture."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from imgkit.curate.pictures import ItemPicture
from imgkit.errors import UsageError
from imgkit.tables import read_table

SHIPPED: Final = Path(__file__).parent / "words.csv"
OWN: Final = "words.csv"
"""A person's additions in the data folder: the same columns; the kind "none" takes an entry out."""

COLUMNS: Final = ("kind", "where", "text")
PLACES: Final = ("word", "domain", "address")
KINDS: Final[Mapping[str, float]] = {"drawings": 2.4, "text": 1.7, "goods": 2.0}
"""Log-odds of junk that one hit gives, by the kind of its entry. Measured on file names of a harvest that nothing was
fitted on: 45 % of art, 23 % of text and 4 % of good pictures are hit."""

NONE: Final = "none"
FURTHER: Final = 0.7  # log-odds of each further hit
MOST: Final = 4.0  # log-odds of all together
LONGEST: Final = 3  # words of an entry

_WORD = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry that was found: its text, its kind, and where it stands."""

    text: str
    kind: str
    where: str


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Text to kind, by the place of an entry; words are folded as ``folded`` does."""

    words: Mapping[str, str]
    domains: Mapping[str, str]
    addresses: Mapping[str, str]


def read_lexicon(data: Path, *, without: Collection[str] = ()) -> Lexicon:
    """Return the lexicon that is shipped with what ``words.csv`` of a data folder adds and takes out.

    Args:
        data: the data folder.
        without: kinds that are wanted, so that their words say nothing.

    Raises:
        UsageError: a row of the person's file is no entry; the sentence names file and line.
    """
    entries = dict(_shipped())
    own = data / OWN
    if own.is_file():
        entries |= _entries(own)
    wanted = {NONE, *without, *(("goods",) if "drawings" in without else ())}
    kept = {entry: kind for entry, kind in entries.items() if kind not in wanted}
    words, domains, addresses = (
        {text: kind for (place, text), kind in kept.items() if place == wanted_place} for wanted_place in PLACES
    )
    return Lexicon(words=words, domains=domains, addresses=addresses)


@lru_cache(maxsize=1)
def _shipped() -> tuple[tuple[tuple[str, str], str], ...]:
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        return tuple(((row["where"], folded(row["where"], row["text"])), row["kind"]) for row in csv.DictReader(file))


def _entries(file: Path) -> dict[tuple[str, str], str]:
    table = read_table(file, COLUMNS)
    if table.problems:
        raise UsageError(f"{file}: {table.problems[0]}. Nothing was changed. Mend the file.")
    found = {}
    for row in table.rows:
        kind, place, text = (row.cells.get(name, "") for name in COLUMNS)
        if kind not in (*KINDS, NONE) or place not in PLACES or not folded(place, text):
            raise UsageError(
                f"{file}, line {row.line}: not an entry of the lexicon. Nothing was changed. Give it the columns "
                f"kind ({', '.join((*KINDS, NONE))}), where ({', '.join(PLACES)}) and text."
            )
        found[place, folded(place, text)] = kind
    return found


def folded(place: str, text: str) -> str:
    """Return a text as it is compared: in lower case; words without accents, joined by single spaces."""
    return " ".join(words_in(text)) if place == "word" else text.strip().casefold()


def words_in(text: str) -> list[str]:
    """Return the words of a text in order, in lower case and without accents; letters and digits make words."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return _WORD.findall(unicodedata.normalize("NFKC", plain))


def hits_of(picture: ItemPicture, lexicon: Lexicon) -> list[Hit]:
    """Return the entries that stand about a picture, each once, in order; words of its label's name are none."""
    if picture.source is None:
        return []
    found = picture.source.proposal
    name = set(_phrases(words_in(picture.label_now)))
    hits: dict[str, Hit] = {}
    for where, text in (
        ("title", found.title),
        ("tags", found.tags),
        ("page", _path(found.page_url)),
        ("file name", _path(found.url)),
    ):
        for phrase in _phrases(words_in(text)):
            if phrase in lexicon.words and phrase not in name:
                hits.setdefault(phrase, Hit(phrase, lexicon.words[phrase], where))
    for url in (found.url, found.page_url):
        if url.startswith(("http://", "https://")):
            for text, kind in _in_address(url, lexicon):
                hits.setdefault(text, Hit(text, kind, "address"))
    return list(hits.values())


def _path(url: str) -> str:
    """Return what an address says in words: its path, of a file of this machine only the name."""
    path = unquote(urlsplit(url).path)
    return path.rpartition("/")[2] if url.startswith("file:") else path


def _in_address(url: str, lexicon: Lexicon) -> list[tuple[str, str]]:
    address = url.casefold()
    host = urlsplit(address).hostname or ""
    parts = host.split(".")
    ends = {".".join(parts[start:]) for start in range(len(parts))}
    found = [(text, kind) for text, kind in lexicon.domains.items() if text in ends]
    return found + [(text, kind) for text, kind in lexicon.addresses.items() if text in address]


def _phrases(words: Sequence[str]) -> list[str]:
    """Return every word and every run of two and three; of a word with digits its letters too."""
    found = [
        " ".join(words[start : start + length])
        for length in range(1, LONGEST + 1)
        for start in range(len(words) - length + 1)
    ]
    return [*found, *(part for word in words if not word.isalpha() for part in _LETTERS.findall(word))]


def usual_words(
    labels: Sequence[str], hits: Sequence[Sequence[Hit]], share: float, fewest: int
) -> set[tuple[str, str]]:
    """Return (label, text) of the entries that at least a ``share`` of the pictures of a label have.

    Labels of fewer pictures than ``fewest`` have none.
    """
    sizes = Counter(labels)
    counts = Counter((label, hit.text) for label, own in zip(labels, hits, strict=True) for hit in own)
    return {
        (label, text)
        for (label, text), count in counts.items()
        if sizes[label] >= fewest and count >= share * sizes[label]
    }


def log_odds(hits: Sequence[Hit]) -> float:
    """Return the log-odds of junk that entries give, 0 for none: the strongest in full, each further one a little."""
    if not hits:
        return 0.0
    return min(max(KINDS[hit.kind] for hit in hits) + FURTHER * (len(hits) - 1), MOST)
