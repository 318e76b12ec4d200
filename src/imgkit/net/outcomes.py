"""What a fetch ends with: bytes, a move to another address, or a failure with its reason."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from imgkit.net.cookies import Cookie

TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 527, 529})
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_NAMED_STATUS: Final = frozenset({401, 403, 404, 410, 429})
LONGEST_RETRY_AFTER_S: Final = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A whole body. ``url`` is where it came from in the end, after redirects."""

    body: bytes = field(repr=False)
    url: str
    content_type: str = ""


@dataclass(frozen=True, slots=True)
class Redirect:
    """A redirect to ``url``, not followed yet; ``cookies`` are sent with the request to it."""

    url: str
    cookies: tuple[Cookie, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No body. ``transient``: another try may work. ``retry_after``: seconds that the host asked us to wait."""

    reason: str
    detail: str = ""
    transient: bool = False
    retry_after: float | None = None


def of_status(status: int, *, retry_after: str = "", now: datetime | None = None) -> Failure:
    """Return the failure that an HTTP status other than a success or a redirect is."""
    if status in _NAMED_STATUS:
        reason = f"http.{status}"
    elif status >= 500:
        reason = "http.5xx"
    else:
        reason = "http.4xx"
    transient = status in TRANSIENT_STATUS
    wait = seconds_to_wait(retry_after, now=now or datetime.now(UTC)) if transient else None
    return Failure(reason=reason, detail=f"status {status}", transient=transient, retry_after=wait)


def seconds_to_wait(retry_after: str, *, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for: from 0 to 7 days; None when it says nothing sensible."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), LONGEST_RETRY_AFTER_S)
