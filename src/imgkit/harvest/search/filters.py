"""Filters that search services understand, in one vocabulary: size, type, color, license, date, layout, people.

The words and their translation for Bing and Google are icrawler's.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from imgkit.errors import UsageError

NAMES: Final[dict[str, str]] = {
    "size": "small, medium, large, extralarge, icon, or >800x600",
    "type": "photo, clipart, linedrawing, transparent, animated, face",
    "color": "color, blackandwhite, transparent, or a colour such as red",
    "license": "creativecommons, publicdomain, noncommercial, commercial, 'commercial,modify', 'noncommercial,modify'",
    "date": "pastday, pastweek, pastmonth, pastyear",
    "layout": "square, wide, tall",
    "people": "face, portrait",
}
"""Name of a filter to the values that some service knows."""


_MEASURE = re.compile(r"[>=]\d{1,5}x\d{1,5}|>\d{1,2}mp")


class _Rules(Protocol):
    """icrawler's table of one service."""

    def apply(self, options: Mapping[str, str]) -> str:
        """Return the service's own words; raises for a name or value that it does not know."""


def read_filters(options: Iterable[str]) -> dict[str, str]:
    """Read ``--filter`` options such as "size=large".

    Raises:
        UsageError: an option is not name=value, or no service knows the name or the value.
    """
    wanted: dict[str, str] = {}
    for option in options:
        name, equals, value = (part.strip() for part in option.partition("="))
        if not equals or not value or name not in NAMES:
            raise UsageError(
                f"--filter '{option}' is not understood. Nothing was changed. Write name=value; names: "
                f"{', '.join(NAMES)}."
            )
        if not (_understood(_bing_rules(), name, value) or _understood(_google_rules(), name, value)):
            raise UsageError(
                f"--filter {name} has no value '{value}'. Nothing was changed. Choose from: {NAMES[name]}."
            )
        wanted[name] = value
    return wanted


def for_bing(filters: Mapping[str, str]) -> str:
    """Return Bing's ``qft`` value for the filters that Bing understands; the others are left out."""
    return "".join(_translated(_bing_rules(), filters))


def for_google(filters: Mapping[str, str]) -> str:
    """Return Google's ``tbs`` value for the filters that Google understands; the others are left out."""
    return ",".join(_translated(_google_rules(), filters))


def _translated(rules: _Rules, filters: Mapping[str, str]) -> list[str]:
    return [rules.apply({name: value}) for name, value in filters.items() if _understood(rules, name, value)]


def _understood(rules: _Rules, name: str, value: str) -> bool:
    if name == "size" and value[:1] in ("<", ">", "=") and not _MEASURE.fullmatch(value):
        return False  # icrawler takes any text around an x
    try:
        rules.apply({name: value})
    except (KeyError, ValueError, TypeError, AssertionError):  # what icrawler's rules raise for a wrong value
        return False
    return True


def _bing_rules() -> _Rules:
    from icrawler.builtin.bing import BingFeeder  # here, because it loads Pillow, lxml and requests

    rules: _Rules = BingFeeder.get_filter(None)
    return rules


def _google_rules() -> _Rules:
    from icrawler.builtin.google import GoogleFeeder

    rules: _Rules = GoogleFeeder.get_filter(None)
    return rules
