"""Retry policy: follow a redirect, retry later, try a fallback address, or finish. Pure functions."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from imgkit.net.cookies import Cookie
from imgkit.net.outcomes import Failure, Fetched, Redirect

TRIES: Final = 3
FEW_TRIES: Final[dict[str, int]] = {
    "net.dns": 1,  # the lookup itself tries twice and remembers
    "net.tls": 1,
    "net.read": 2,  # each costs 8 seconds of a connection
    "net.slow": 1,  # a host that drips goes on dripping; the next run tries again
    "net.deadline": 1,
}
BACK_OFF_S: Final = (1.0, 2.0, 4.0)
LONGEST_WAIT_S: Final = 120.0  # a host that asks for more is left to the next run
_FINAL_FAMILIES: Final = ("policy.", "body.encoding_bomb")  # another size of the same picture would be no better


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadAttempt:
    """One address being tried for a picture.

    ``fallbacks`` are further addresses of the same picture; ``first_failure`` is what is reported when all fail.
    ``seconds`` is what earlier hops of this try took, ``cookies`` what they set.
    """

    url: str
    page_url: str = ""
    fallbacks: tuple[str, ...] = ()
    start_url: str = ""
    tries: int = 1
    requests: int = 0
    hops: int = 0
    seconds: float = 0.0
    referer: str = ""
    cookies: tuple[Cookie, ...] = ()
    first_failure: Failure | None = None

    @property
    def origin_url(self) -> str:
        """The address before any redirect."""
        return self.start_url or self.url


@dataclass(frozen=True, slots=True)
class NextAttempt:
    """The next request to make, after at least ``after_s`` seconds; the limits of its host may delay it further."""

    attempt: DownloadAttempt
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Completed:
    """The download has ended: with its body, or with the failure to report."""

    attempt: DownloadAttempt
    answer: Fetched | Failure


def follow(
    attempt: DownloadAttempt,
    answer: Fetched | Redirect | Failure,
    *,
    seconds: float,
    max_redirects: int = 5,
    back_off_s: Sequence[float] = BACK_OFF_S,
    jitter: Callable[[], float] = random.random,
) -> NextAttempt | Completed:
    """Return the next step after ``answer``, which took ``seconds``.

    Args:
        attempt: the request that was made.
        answer: its outcome.
        seconds: of this request alone; hops of one try share one deadline.
        max_redirects: hops of one try.
        back_off_s: pauses before the second, third and further tries.
        jitter: from 0 to 1; adds up to a quarter to a pause, so that retries are spread.
    """
    attempt = replace(attempt, requests=attempt.requests + 1)
    if isinstance(answer, Fetched):
        return Completed(attempt, answer)
    if isinstance(answer, Redirect):
        if attempt.hops < max_redirects:
            return NextAttempt(
                replace(
                    attempt,
                    url=answer.url,
                    start_url=attempt.origin_url,
                    hops=attempt.hops + 1,
                    seconds=attempt.seconds + seconds,
                    cookies=answer.cookies,
                )
            )
        answer = Failure(reason="net.redirect", detail=f"more than {max_redirects} redirects")
    if answer.reason == "http.403" and not attempt.referer and attempt.page_url:
        return NextAttempt(_from_the_start(attempt, referer=attempt.page_url))
    if answer.transient and not _is_deferred(answer) and attempt.tries < FEW_TRIES.get(answer.reason, TRIES):
        pause = back_off_s[min(attempt.tries, len(back_off_s)) - 1] * (1 + jitter() / 4)
        if answer.retry_after is not None:
            pause = answer.retry_after
        return NextAttempt(_from_the_start(attempt, tries=attempt.tries + 1), pause)
    return _next_address(attempt, answer)


def _is_deferred(failure: Failure) -> bool:
    return failure.retry_after is not None and failure.retry_after > LONGEST_WAIT_S


def _next_address(attempt: DownloadAttempt, failure: Failure) -> NextAttempt | Completed:
    first = attempt.first_failure
    reported = first if first is not None and (first.transient or not failure.transient) else failure
    if not attempt.fallbacks or failure.reason.startswith(_FINAL_FAMILIES):
        return Completed(attempt, reported)
    url, *rest = attempt.fallbacks
    return NextAttempt(
        DownloadAttempt(
            url=url,
            page_url=attempt.page_url,
            fallbacks=tuple(rest),
            requests=attempt.requests,
            first_failure=reported,
        )
    )


def _from_the_start(
    attempt: DownloadAttempt, *, tries: int | None = None, referer: str | None = None
) -> DownloadAttempt:
    return replace(
        attempt,
        url=attempt.origin_url,
        start_url="",
        hops=0,
        seconds=0.0,
        cookies=(),
        tries=attempt.tries if tries is None else tries,
        referer=attempt.referer if referer is None else referer,
    )
