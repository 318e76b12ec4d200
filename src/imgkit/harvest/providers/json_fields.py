"""Read values out of JSON that a service sent, whatever it sent: the wrong type counts as absent."""

import html
import re


def mapping(value: object, *path: str) -> dict[str, object]:
    """Return the object at ``path`` inside ``value``, or {}."""
    found = at(value, *path)
    return found if isinstance(found, dict) else {}


def items(value: object, *path: str) -> list[object]:
    """Return the list at ``path`` inside ``value``, or []."""
    found = at(value, *path)
    return found if isinstance(found, list) else []


def objects(value: object, *path: str) -> list[dict[str, object]]:
    """Return the objects in the list at ``path``; other members are left out."""
    return [item for item in items(value, *path) if isinstance(item, dict)]


def text(value: object, *path: str) -> str:
    """Return the string or number at ``path`` as one line of text, or ""."""
    found = at(value, *path)
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    try:
        line = " ".join(str(found).split())
    except ValueError:  # an integer of more digits than Python prints
        return ""
    return line.encode("utf-8", "replace").decode("utf-8")  # lone surrogates cannot be stored


def number(value: object, *path: str) -> int | None:
    """Return the whole number at ``path``, given as number or digits, or None."""
    digits = text(value, *path)
    return int(digits) if re.fullmatch(r"-?\d{1,15}", digits, re.ASCII) else None


def positive(value: object, *path: str) -> int | None:
    """Return the number at ``path`` when it is above 0, or None."""
    found = number(value, *path)
    return found if found is not None and found > 0 else None


def plain(markup: str) -> str:
    """Return HTML as one line of text."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def at(value: object, *path: str) -> object:
    """Return what is at ``path`` inside nested objects, or None."""
    for name in path:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
