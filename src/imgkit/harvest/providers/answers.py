"""What the answer of any service means before its body is looked at."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from imgkit.harvest.providers.interface import Missing, NoAnswer, Page, Ready, Response, Verdict

SAMPLE_BYTES: Final = 64 * 1024
LONGEST_WAIT_SECONDS: Final = 86_400.0
NO_CONNECTION: Final = ("net.dns", "net.connect", "net.tls", "net.proxy", "net.scheme")


def ready_at(environ: Mapping[str, str], variable: str, home: str, *, note: str = "", **keys: str) -> Ready | Missing:
    """Return Ready at the base URL that ``variable`` sets, else at ``home``; Missing when it is no web address."""
    base = (environ.get(variable, "") or home).strip().rstrip("/")
    if not base.startswith(("http://", "https://")) or not host_of(base):
        return Missing(
            reason=f"{variable} is not a web address: {base}", how_to_fix=f"unset {variable}, or set it to {home}"
        )
    return Ready(base=base, keys={name: value for name, value in keys.items() if value}, note=note)


def refusal(answer: Response | NoAnswer, title: str, cursor: object) -> Page | None:
    """Return the page that ends the search when ``answer`` holds no result, or None for a 2xx answer."""
    if isinstance(answer, NoAnswer) and answer.reason.startswith("body."):
        return Page(verdict="schema_changed", cursor=cursor, detail=f"{title} sent {answer.detail or answer.reason}")
    if isinstance(answer, NoAnswer):
        verdict: Verdict = "unreachable" if answer.reason in NO_CONNECTION else "transient"
        what = "cannot be reached" if verdict == "unreachable" else "did not answer in time"
        return Page(verdict=verdict, cursor=cursor, detail=f"{title} {what}: {answer.detail or answer.reason}")
    status = answer.status
    if 200 <= status < 300:
        return None
    wait = retry_after(answer)
    if 300 <= status < 400:
        host = host_of(answer.headers.get("location", "")) or "an unknown place"
        return Page(verdict="blocked", cursor=cursor, detail=f"{title} sends us away to {host}")
    if status in (401, 407):
        return Page(verdict="auth", cursor=cursor, detail=f"{title} does not accept our key or asks for one")
    if status == 403:
        return Page(verdict="blocked", cursor=cursor, detail=f"{title} refuses us (403)")
    if status == 429:
        detail = f"{title} asks us to come back later (429)"
        return Page(verdict="throttled", cursor=cursor, detail=detail, retry_after=wait)
    if status in (408, 425) or status >= 500:
        detail = f"{title} has an error (status {status})"
        return Page(verdict="transient", cursor=cursor, detail=detail, retry_after=wait)
    return unknown_layout(answer, title, cursor, why=f"it refuses our request with status {status}")


def unknown_layout(answer: Response, title: str, cursor: object, *, why: str = "") -> Page:
    """Return the page for an answer that we cannot read, with the beginning of its body."""
    detail = f"{title} answered in a form that imgkit does not know" + (f": {why}" if why else "")
    return Page(verdict="schema_changed", cursor=cursor, detail=detail, sample=answer.body[:SAMPLE_BYTES])


def retry_after(answer: Response, now: datetime | None = None) -> float | None:
    """Return how many seconds the service asks us to wait (0 to one day), or None when it does not say."""
    text = answer.headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        seconds = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(0.0, seconds), LONGEST_WAIT_SECONDS) if seconds == seconds else None  # NaN is no time


def host_of(address: str) -> str:
    """Return the host of a web address, or "" when there is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def json_body(answer: Response) -> object:
    """Return the JSON in the body, or None when there is none."""
    try:
        return json.loads(answer.body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None


def text_body(answer: Response) -> str:
    """Return the body as text; what is not UTF-8 becomes the replacement character."""
    return answer.body.decode("utf-8", "replace")
