"""Read from an answer's headers whether its owner keeps pictures from being collected for training."""

import re
from collections.abc import Iterable
from typing import Final

OUR_TOKEN: Final = "imgkit"
ROBOTS_VALUES: Final = frozenset({"noai", "noimageai", "noindex", "noimageindex", "noml", "none"})
_OTHER_FIELDS: Final = ("unavailable_after", "max-snippet", "max-image-preview", "max-video-preview")
_TRAIN_AI_NO: Final = re.compile(r"(^|[;,\s])train-ai\s*=\s*\"?n(o)?\b", re.IGNORECASE)
_AI_TRAIN_NO: Final = re.compile(r"(^|[;,\s])ai-train\s*=\s*\"?n(o)?\b", re.IGNORECASE)


def opt_out(headers: Iterable[tuple[str, str]]) -> str:
    """Return the header line that opts out, "" when none does.

    X-Robots-Tag (bare or for us by name), Content-Usage: train-ai=n, Content-Signal: ai-train=no and
    tdm-reservation: 1 count.
    """
    for name, value in headers:
        low = name.lower()
        if (low == "x-robots-tag" and _robots_tag_closes(value)) or (
            low in ("content-usage", "content-signal") and refuses_training(low, value)
        ):
            return f"{name}: {value}"
        if low == "tdm-reservation" and value.strip() == "1":
            return f"{name}: {value}"
    return ""


def refuses_training(name: str, value: str) -> bool:
    """Say whether a Content-Usage or Content-Signal value (also a line of robots.txt) refuses training."""
    return bool((_TRAIN_AI_NO if name.lower() == "content-usage" else _AI_TRAIN_NO).search(value))


def _robots_tag_closes(value: str) -> bool:
    agent = ""  # "agent: a, b" speaks to that agent only, up to the end of the line or the next agent
    for part in value.split(","):
        field, colon, rest = part.partition(":")
        if colon and field.strip().lower() not in _OTHER_FIELDS:
            agent, part = field.strip().lower(), rest
        if agent in ("", "*", OUR_TOKEN) and part.strip().lower() in ROBOTS_VALUES:
            return True
    return False
