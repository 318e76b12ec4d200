"""robots.txt: read it as RFC 9309 says, keep it for a day, ask before every address."""

import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote

from imgkit.harvest.network import signals
from imgkit.harvest.network.addresses import Target
from imgkit.harvest.network.answers import Failure, Fetched

PATH: Final = "/robots.txt"
LONGEST_BYTES: Final = 512 * 1024
MAX_AGE_S: Final = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a robots.txt says to us.

    ``paths`` are (pattern, allowed), the most specific first; ``opt_outs`` are (path prefix, line) of lines about
    training.
    """

    paths: tuple[tuple[str, bool], ...] = ()
    opt_outs: tuple[tuple[str, str], ...] = ()

    def refuses(self, path: str) -> Failure | None:
        """Return why ``path`` (with its query) may not be asked for, None when it may."""
        wanted = _normal(path)
        for pattern, allowed in self.paths:
            if _matcher(pattern).match(wanted):
                if not allowed:
                    return Failure(reason="policy.robots", detail=f"Disallow: {pattern}"[:200])
                break
        for prefix, line in self.opt_outs:
            if wanted.startswith(prefix):
                return Failure(reason="policy.header", detail=f"robots.txt: {line}"[:200])
        return None


def read_robots(text: str, *, token: str = signals.OUR_TOKEN) -> Rules:
    """Read the rules for ``token`` from a robots.txt: its own groups where it has any, else those for ``*``."""
    groups: dict[str, tuple[list[tuple[str, bool]], list[tuple[str, str]]]] = {}
    agents: list[str] = []
    naming = False  # consecutive User-agent lines share what follows
    for line in text.removeprefix("\ufeff").splitlines():
        name, colon, value = line.split("#", 1)[0].partition(":")
        name, value = name.strip().lower(), value.strip()
        if not colon:
            continue
        if name == "user-agent":
            agents = [*agents, value.lower()] if naming else [value.lower()]
            naming = True
            for agent in agents:
                groups.setdefault(agent, ([], []))
            continue
        naming = False
        for agent in agents:
            paths, opt_outs = groups[agent]
            if name in ("allow", "disallow") and value:
                paths.append((_normal(value), name == "allow"))
            elif name in ("content-usage", "content-signal") and signals.refuses_training(name, value):
                prefix = value.split()[0] if value.startswith("/") else "/"
                opt_outs.append((prefix, f"{name}: {value}"))
    paths, opt_outs = groups.get(token) or groups.get("*") or ([], [])
    # the longest pattern decides, and Allow wins a tie
    return Rules(paths=tuple(sorted(paths, key=lambda rule: (-len(rule[0]), not rule[1]))), opt_outs=tuple(opt_outs))


def of_answer(answer: Fetched | Failure) -> str | Failure:
    """Return the text of a robots.txt that was asked for, or the failure that puts the host off.

    A host that has none (any 4xx but 429, a page that cannot be fetched for good) closes nothing; one that does not
    answer, or with an error, is asked later.
    """
    if isinstance(answer, Fetched):
        return answer.body[:LONGEST_BYTES].decode("utf-8", "replace")
    if answer.transient:
        return Failure(
            reason=answer.reason,
            detail=f"robots.txt: {answer.detail}",
            transient=True,
            retry_after=answer.retry_after,
        )
    return ""


class RobotsBook:
    """The rules of every origin that was asked in this run. Safe for threads.

    Args:
        recall: origin to a stored text that is not too old, or None.
        store: keeps the text of an origin.
    """

    def __init__(self, *, recall: Callable[[str], str | None], store: Callable[[str, str], None]) -> None:
        self._recall = recall
        self._store = store
        self._rules: dict[str, Rules] = {}
        self._lock = threading.Lock()

    def rules(self, target: Target) -> Rules | None:
        """Return the rules of the target's origin, None when it must be asked first."""
        with self._lock:
            if target.origin not in self._rules:
                text = self._recall(target.origin)
                if text is None:
                    return None
                self._rules[target.origin] = read_robots(text)
            return self._rules[target.origin]

    def learn(self, origin: str, text: str) -> None:
        """Keep what an origin says."""
        with self._lock:
            self._rules[origin] = read_robots(text)
        self._store(origin, text)


def _normal(path: str) -> str:
    """Percent-encode equally, so that ``/%7Ea`` and ``/~a`` are one path; an encoded slash stays apart."""
    kept = re.sub(r"%(2[fF]|2[aA]|24)", lambda match: match.group().upper().replace("%", "%25"), path)
    return quote(unquote(kept), safe="/%:@!$&'()*+,;=~-._?[]")


@lru_cache(maxsize=4096)
def _matcher(pattern: str) -> "re.Pattern[str]":
    ended = pattern.endswith("$")
    parts = re.sub(r"\*+", "*", pattern.removesuffix("$")).split("*")
    return re.compile(".*?".join(map(re.escape, parts)) + ("$" if ended else ""), re.DOTALL)
