"""Excluded words: how they are written into a query, and which proposals hold one."""

import re
from collections.abc import Sequence
from urllib.parse import unquote

from imgkit.manifest.nouns import Proposal

# -word or -"a phrase" at the start or after a space; "T-shirt" is none
NEGATION = re.compile(r'(?<!\S)-(?:"(?P<phrase>[^"]+)"|(?P<word>\w\S*))')


def negated_words(text: str) -> tuple[str, ...]:
    """Return the words and phrases that a query's text itself excludes with ``-``, in order."""
    return tuple((m["phrase"] or m["word"]).strip() for m in NEGATION.finditer(text))


def without_negations(text: str) -> str:
    """Return the query's text without its ``-word`` parts, for services that do not understand them."""
    return " ".join(NEGATION.sub(" ", text).split())


def with_negations(text: str, exclude: Sequence[str]) -> str:
    """Return the query's text with every excluded word written as ``-word``, for services that understand them."""
    present = {word.casefold() for word in negated_words(text)}
    missing = [word for word in exclude if word.casefold() not in present]
    return " ".join([text, *(f'-"{word}"' if " " in word else f"-{word}" for word in missing)])


def excluded_by(proposal: Proposal, exclude: Sequence[str]) -> str:
    """Return the first excluded word that stands as a whole word in title, tags or page address, or "".

    Letters count regardless of case; a phrase matches whatever stands between its words ("king_snake").
    """
    if not exclude:
        return ""
    text = f"{proposal.title}\n{proposal.tags}\n{unquote(proposal.page_url)}".casefold()
    return next((word for word in exclude if _holds(text, word)), "")


def excluded_in_query(text: str, exclude: Sequence[str]) -> tuple[str, ...]:
    """Return the excluded words that the query itself holds: what names the query's subject is left out for them."""
    words = without_negations(text).casefold()
    return tuple(word for word in exclude if _holds(words, word))


def _holds(text: str, word: str) -> bool:
    parts = re.findall(r"[^\W_]+", word.casefold())
    if not parts:
        return False
    # "_" counts as a gap: page addresses write words_like_this
    pattern = r"[\W_]+".join(map(re.escape, parts))
    return re.search(rf"(?<![^\W_]){pattern}(?![^\W_])", text) is not None
