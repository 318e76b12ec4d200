"""Licences: one short code and one written form for what services call them."""

import re
from collections.abc import Collection
from typing import Final

CODES: Final[dict[str, str]] = {
    "cc0": "CC0",
    "pdm": "Public domain",
    "by": "CC BY",
    "by-sa": "CC BY-SA",
    "by-nd": "CC BY-ND",
    "by-nc": "CC BY-NC",
    "by-nc-sa": "CC BY-NC-SA",
    "by-nc-nd": "CC BY-NC-ND",
    "no-known": "No known copyright restrictions",
    "us-gov": "United States government work",
    "arr": "All rights reserved",
}
"""Code to written form, without a version. "any" and "" are no codes: they mean that nothing was asked for."""

_ADDRESS = re.compile(r"creativecommons\.org/(?:licenses|publicdomain)/(?P<code>[a-z-]+)(?:/(?P<version>\d\.\d))?")
_NAME = re.compile(
    r"^(?:cc[ -]?)?(?P<code>by(?:-(?:nc|nd|sa))*)(?:[ -]v?(?P<version>\d[.-]\d))?"
    r"(?![-\w]|\s+(?!licen|internat|unport|generic|[a-z]{2}\b)[a-z])"
)
_LONG_NAMES = {
    "attribution": "by",
    "non[ -]?commercial": "nc",
    "no[ -]?deriv(?:ative)?s?(?: works)?": "nd",
    "share[ -]?alike": "sa",
}
_PUBLIC_DOMAIN = ("public domain", "publicdomain", "pdm", "pd-", "pd ", "public-domain")
_ADDRESS_CODES = {"zero": "cc0", "mark": "pdm"}


def code(text: str) -> str:
    """Return the code of a licence given as a code, a name or a Creative Commons address; "" when it is none of them.

    The written forms "CC BY-SA 4.0", "cc-by-sa", "by-sa", "https://creativecommons.org/licenses/by-sa/4.0/" are one
    licence. Versions do not count.
    """
    low = " ".join(text.casefold().replace("_", "-").split())
    if low in CODES:
        return low
    if match := _ADDRESS.search(low):
        found = _ADDRESS_CODES.get(match["code"], match["code"])
        return found if found in CODES else _ordered(found)
    if low.startswith(("cc0", "cc-0", "cc 0", "cc zero")):
        return "cc0"
    if match := _NAME.match(_short(low)):
        return _ordered(match["code"])
    if low in ("pd",) or low.startswith(_PUBLIC_DOMAIN):
        return "pdm"
    return next((key for key, name in CODES.items() if name.casefold() == low), "")


def _short(name: str) -> str:
    """Return the long form of a Creative Commons licence's name in its short one; other names as they are.

    "Attribution" alone is none: Commons' template of that name asks for a credit and gives no Creative Commons licence.
    """
    short = re.sub(r"^creative commons[ -]*", "cc ", name)
    for long, part in _LONG_NAMES.items():
        short = re.sub(rf"[ -]*{long}", f"-{part}", short)
    short = re.sub(r"^cc -", "cc ", short).lstrip("-")
    says_more = name.startswith("c") or re.match(r"by(?:-[a-z]| \d|(?: licen[cs]e)?$)", short)
    return short if says_more and name != "attribution" else ""


def _ordered(code_: str) -> str:
    """Return a code with its parts in the usual order; older addresses have "by-nd-nc"."""
    parts = set(code_.split("-"))
    ordered = "-".join(part for part in ("by", "nc", "nd", "sa") if part in parts)
    return ordered if ordered in CODES and len(parts) == len(ordered.split("-")) else ""


def written(licence: str, version: str = "") -> str:
    """Return the written form of a licence: "CC BY-SA 4.0". Text that is no known licence comes back as it is."""
    known = code(licence)
    if not known:
        return licence.strip()
    if not version and (match := re.search(r"\d\.\d", licence)):
        version = match.group()
    return f"{CODES[known]} {version}" if version and known.startswith(("by", "cc0")) else CODES[known]


def address(licence: str, version: str = "") -> str:
    """Return the address of a Creative Commons licence's text, or "" when it is not known."""
    known = code(licence)
    if known == "cc0":
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    if known == "pdm":
        return "https://creativecommons.org/publicdomain/mark/1.0/"
    return f"https://creativecommons.org/licenses/{known}/{version}/" if known.startswith("by") and version else ""


def allowed(licence: str, wanted: Collection[str]) -> bool:
    """Say whether a picture with this licence may be kept when ``wanted`` codes were asked for; empty: any may.

    A licence that is not known is not among them.
    """
    return not wanted or code(licence) in {code(one) for one in wanted} - {""}
