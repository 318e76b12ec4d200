"""What the answer of any service means before its body is looked at."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from imgkit.harvest.providers.interface import Missing, NoAnswer, PageVerdict, Ready, Response, ResultPage
from imgkit.redaction import shown_address

SAMPLE_BYTES: Final = 64 * 1024
LONGEST_WAIT_SECONDS: Final = 86_400.0
CHALLENGES: Final = (
    b"captcha",
    b"automated queries",
    b"automated requests",
    b"unusual traffic",
    b"challenge-platform",
    b"cf-chl-",
    b"anomaly-modal",
    b"are you a robot",
    b"are you human",
    b"verify you are human",
    b"please enable js",
)
"""What pages that keep programs out have in them, whichever service or shield sends them."""
NO_CONNECTION: Final = ("net.dns", "net.connect", "net.tls", "net.proxy", "net.scheme")


def ready_at(environ: Mapping[str, str], variable: str, home: str, *, note: str = "", **keys: str) -> Ready | Missing:
    """Return Ready at the base URL that ``variable`` sets, else at ``home``; Missing when it is no web address."""
    base = (environ.get(variable, "") or home).strip().rstrip("/")
    if not base.startswith(("http://", "https://")) or not host_of(base) or "?" in base or "#" in base:
        return Missing(
            reason=f"{variable} is not the address of a service: {shown_address(base)}",
            how_to_fix=f"unset {variable}, or set it to {home}",
        )
    return Ready(base=base, keys={name: value for name, value in keys.items() if value}, note=note)


def refusal(answer: Response | NoAnswer, title: str, cursor: object) -> ResultPage | None:
    """Return the page that ends the search when ``answer`` holds no result, or None for a 2xx answer."""
    if isinstance(answer, NoAnswer) and answer.reason.startswith("body."):
        return ResultPage(
            verdict="schema_changed", cursor=cursor, detail=f"{title} sent {answer.detail or answer.reason}"
        )
    if isinstance(answer, NoAnswer):
        verdict: PageVerdict = "unreachable" if answer.reason in NO_CONNECTION else "transient"
        what = "cannot be reached" if verdict == "unreachable" else "did not answer in time"
        return ResultPage(verdict=verdict, cursor=cursor, detail=f"{title} {what}: {answer.detail or answer.reason}")
    status = answer.status
    if 200 <= status < 300:
        return None
    wait = retry_after(answer)
    if 300 <= status < 400:
        host = host_of(answer.headers.get("location", "")) or "an unknown place"
        return ResultPage(verdict="blocked", cursor=cursor, detail=f"{title} sends us away to {host}")
    if status in (401, 407):
        return ResultPage(verdict="auth", cursor=cursor, detail=f"{title} does not accept our key or asks for one")
    if status == 403 and is_challenge(answer):
        return challenged(title, cursor)
    if status == 403:
        return ResultPage(verdict="blocked", cursor=cursor, detail=f"{title} refuses us (403)")
    if status == 429:
        detail = f"{title} asks us to come back later (429)"
        return ResultPage(verdict="throttled", cursor=cursor, detail=detail, retry_after=wait, service_wide=True)
    if status in (408, 425) or status >= 500:
        detail = f"{title} has an error (status {status})"
        return ResultPage(
            verdict="transient", cursor=cursor, detail=detail, retry_after=wait, service_wide=wait is not None
        )
    return unknown_layout(answer, title, cursor, why=f"it refuses our request with status {status}")


def unknown_layout(answer: Response, title: str, cursor: object, *, why: str = "") -> ResultPage:
    """Return the page for an answer that we cannot read, with the beginning of its body; a wall is told apart."""
    if is_challenge(answer):
        return challenged(title, cursor)
    detail = f"{title} answered in a form that imgkit does not know" + (f": {why}" if why else "")
    return ResultPage(verdict="schema_changed", cursor=cursor, detail=detail, sample=answer.body[:SAMPLE_BYTES])


def is_challenge(answer: Response) -> bool:
    """Say whether the answer is a page that keeps programs out: a challenge for people, or one that needs scripts."""
    body = answer.body[:SAMPLE_BYTES].lower()
    if not body.lstrip().startswith(b"<"):
        return False
    return any(mark in body for mark in CHALLENGES)


def challenged(title: str, cursor: object) -> ResultPage:
    """Return the page for a challenge."""
    detail = f"{title} answered with a challenge for people instead of results: it keeps programs out"
    return ResultPage(verdict="captcha", cursor=cursor, detail=detail)


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
