"""Make texts from outside harmless for where they are shown: a terminal, Markdown, a spreadsheet."""

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
WEB_SCHEMES = ("http", "https")
_ESCAPED_CATEGORIES = ("Cc", "Cs", "Zl", "Zp")  # control characters, bytes that are not UTF-8, ends of lines
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u([0-9a-f]{4}))")


def printable(text: str) -> str:
    """Return ``text`` without control characters, so that no name or title can move the cursor or colour the screen.

    Bytes of names that are not UTF-8 come back as ``\\xe9``.
    """
    return "".join(sign if sign.isprintable() else _in_place_of(sign) for sign in text)


def _in_place_of(sign: str) -> str:
    return f"\\x{ord(sign) - 0xDC00:02x}" if "\udc80" <= sign <= "\udcff" else "·"


def escaped(text: str) -> str:
    r"""Return ``text`` with escapes in place of what acts on a terminal; ``unescaped`` gives the same text back.

    Control characters, ends of lines and signs that turn the direction of writing become ``\x1b`` or ``\u202e``, a byte
    that is not UTF-8 becomes ``\xe9``, and a backslash two backslashes. All else stays.
    """
    return "".join(_escape(sign) if _acts(sign) or sign == "\\" else sign for sign in text)


def unescaped(text: str) -> str:
    """Return the text that ``escaped`` was given."""
    return _ESCAPE.sub(_unescape, text)


def json_escaped(line: str) -> str:
    """Return a text of JSON that means the same and in which nothing acts on a terminal but its ends of lines."""
    return "".join(f"\\u{ord(sign):04x}" if _acts(sign) and sign != "\n" else sign for sign in line)


def _acts(sign: str) -> bool:
    return unicodedata.category(sign) in _ESCAPED_CATEGORIES or sign in _BIDI


def _escape(sign: str) -> str:
    code = ord(sign)
    if sign == "\\":
        return "\\\\"
    if "\udc80" <= sign <= "\udcff":
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"


def _unescape(found: re.Match[str]) -> str:
    byte, character = found.groups()
    if byte is not None:
        return bytes([int(byte, 16)]).decode("ascii", "surrogateescape")
    return "\\" if character is None else chr(int(character, 16))


def markdown_text(text: str) -> str:
    """Return text on one line in which nothing is Markdown or HTML."""
    flat = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]<>()#+-.!|~&" else sign for sign in flat)


def markdown_link(url: str) -> str:
    """Return an address as a Markdown link, "" for what is no web address: it could run as code when it is clicked."""
    try:
        parts = urlsplit(url)
        harmless = parts.scheme.lower() in WEB_SCHEMES and bool(parts.hostname)
    except ValueError:
        harmless = False
    return (
        f"<{''.join(sign if sign.isprintable() and sign not in ' <>`' else '%20' for sign in url)}>" if harmless else ""
    )


def spreadsheet_safe(values: Iterable[object]) -> list[object]:
    """Return cells of a CSV in which no text is a formula to a spreadsheet: it gets a ``'`` in front.

    Numbers stay as they are, also those that are written as text.
    """
    return [f"'{value}" if isinstance(value, str) and _is_formula(value) else value for value in values]


def spreadsheet_text(cell: str) -> str:
    """Return the text of a cell that ``spreadsheet_safe`` made."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell[1:]) else cell


def _is_formula(text: str) -> bool:
    if not text.lstrip(" ").startswith(FORMULA_STARTS):
        return False
    try:
        float(text)
    except ValueError:
        return True
    return False
