"""robots.txt: read it as RFC 9309 says, keep it for a day, ask before every address."""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, unquote

from imgkit.net import opt_out
from imgkit.net.addresses import Target
from imgkit.net.outcomes import Failure, Fetched

PATH: Final = "/robots.txt"
LONGEST_BYTES: Final = 512 * 1024
MAX_AGE_S: Final = 24 * 3600.0
MOST_RULES: Final = 10_000
"""Rules for us that are followed; a host that writes more of them is closed to us."""

MOST_WILDCARD_RULES: Final = 1_000
MOST_OPT_OUTS: Final = 100
"""The same for rules with a wildcard, and for lines about training."""

MOST_WILDCARDS: Final = 16
"""In one rule. A Disallow with more counts by what stands before the next one, so that it closes more; such an Allow is
left out."""


_PRODUCT: Final = re.compile(r"[a-z_-]*")


@dataclass(frozen=True, slots=True)
class Wildcard:
    """A pattern with ``*``: what a path begins with, what follows in this order, and whether the last part ends it."""

    pattern: str
    parts: tuple[str, ...]
    anchored: bool
    allowed: bool

    def matches(self, path: str) -> bool:
        """Say whether the pattern matches; each character of ``path`` is looked at once."""
        first, *middle = self.parts
        if not path.startswith(first):
            return False
        place = len(first)
        last = middle.pop() if self.anchored else ""
        for part in middle:
            found = path.find(part, place)
            if found < 0:
                return False
            place = found + len(part)
        return not self.anchored or (path.endswith(last) and len(path) - len(last) >= place)


@dataclass(frozen=True, slots=True)
class RobotsRules:
    """What a robots.txt says to us, compiled once.

    Attributes:
        plain: pattern without a wildcard to whether it allows; one that ends with ``$`` is a whole path.
        lengths: of the plain patterns, longest first.
        wildcards: patterns with a wildcard, the most specific first.
        opt_outs: (path prefix, line) of lines about training.
        closed: why nothing may be asked for whatever the rules say, "" when they decide.
    """

    plain: Mapping[str, bool] = field(default_factory=dict)
    lengths: tuple[int, ...] = ()
    wildcards: tuple[Wildcard, ...] = ()
    opt_outs: tuple[tuple[str, str], ...] = ()
    closed: str = ""

    def refuses(self, path: str) -> Failure | None:
        """Return why ``path`` (with its query) may not be asked for, None when it may.

        The longest pattern decides, and an Allow wins a tie. The steps do not grow with the number of plain rules.
        """
        if self.closed:
            return Failure(reason="policy.robots", detail=self.closed)
        wanted = _normal(path)
        pattern, allowed = max(self._plain_match(wanted), self._wildcard_match(wanted), key=_weight)
        if not allowed:
            return Failure(reason="policy.robots", detail=f"Disallow: {pattern}"[:200])
        for prefix, line in self.opt_outs:
            if wanted.startswith(prefix):
                return Failure(reason="policy.header", detail=f"robots.txt: {line}"[:200])
        return None

    def _plain_match(self, path: str) -> tuple[str, bool]:
        if f"{path}$" in self.plain:
            return f"{path}$", self.plain[f"{path}$"]
        for length in self.lengths:
            if length <= len(path) and (pattern := path[:length]) in self.plain and not pattern.endswith("$"):
                return pattern, self.plain[pattern]
        return "", True

    def _wildcard_match(self, path: str) -> tuple[str, bool]:
        return next(((one.pattern, one.allowed) for one in self.wildcards if one.matches(path)), ("", True))


def read_robots(text: str, *, token: str = opt_out.OUR_TOKEN) -> RobotsRules:
    """Read the rules for ``token`` from a robots.txt: its own groups where it has any, else those for ``*``.

    Groups of one agent count together, wherever they stand.
    """
    groups = {token: _Group(), "*": _Group()}
    listening: list[_Group] = []  # to what follows
    naming = False  # consecutive User-agent lines share what follows
    for line in text.removeprefix("\ufeff").splitlines():
        name, colon, value = line.partition("#")[0].partition(":")
        if not colon:
            continue
        name, value = name.strip().lower(), value.strip()
        if name == "user-agent":
            listening = listening if naming else []
            naming = True
            group = groups.get(_product(value))
            if group is not None and group not in listening:
                group.named = True
                listening.append(group)
            continue
        naming = False
        for group in listening:
            group.add(name, value)
    own = groups[token] if groups[token].named else groups["*"]
    return own.compiled()


class _Group:
    """The rules for one agent while they are read."""

    def __init__(self) -> None:
        self.named = False
        self._count = 0
        self._too_many = ""
        self._plain: dict[str, bool] = {}
        self._wildcards: dict[str, Wildcard] = {}
        self._opt_outs: dict[str, str] = {}

    def add(self, name: str, value: str) -> None:
        """Take a line that is meant for the agent."""
        if self._too_many:
            return
        if name in ("allow", "disallow") and value:
            self._count += 1
            self._add_rule(_normal(value), allowed=name == "allow")
        elif name in ("content-usage", "content-signal") and opt_out.refuses_training(name, value):
            self._count += 1
            prefix = _normal(value.split()[0]) if value.startswith("/") else "/"
            self._opt_outs.setdefault(prefix, f"{name}: {value}")
        self._note_caps()

    def compiled(self) -> RobotsRules:
        """Return what was read in the form in which paths are compared with it."""
        wildcards = sorted(self._wildcards.values(), key=lambda one: (-len(one.pattern), not one.allowed))
        return RobotsRules(
            plain=self._plain,
            lengths=tuple(sorted(set(map(len, self._plain)), reverse=True)),
            wildcards=tuple(wildcards),
            opt_outs=tuple(self._opt_outs.items()),
            closed=f"robots.txt holds {self._too_many} for us" if self._too_many else "",
        )

    def _add_rule(self, pattern: str, *, allowed: bool) -> None:
        parts = pattern.removesuffix("$").split("*")
        if len(parts) == 1:
            self._plain[pattern] = self._plain.get(pattern, False) or allowed  # Allow wins a tie
            return
        anchored = pattern.endswith("$")
        parts = [parts[0], *filter(None, parts[1:-1]), *([parts[-1]] if anchored or parts[-1] else [])]
        if len(parts) > MOST_WILDCARDS + 1:
            if allowed:
                return
            parts, anchored = parts[: MOST_WILDCARDS + 1], False
        known = self._wildcards.get(pattern)
        allowed = allowed or (known is not None and known.allowed)
        self._wildcards[pattern] = Wildcard(pattern, tuple(parts), anchored, allowed)

    def _note_caps(self) -> None:
        for count, most, what in (
            (self._count, MOST_RULES, "rules"),
            (len(self._wildcards), MOST_WILDCARD_RULES, "rules with wildcards"),
            (len(self._opt_outs), MOST_OPT_OUTS, "lines about training"),
        ):
            if count > most:
                self._too_many = f"more than {most:,} {what}"


def _product(agent: str) -> str:
    """Return the product token that a User-agent line names, in lower case, "*" for everyone."""
    if agent.startswith("*"):
        return "*"
    found = _PRODUCT.match(agent.lower())
    return found[0] if found else ""


def _weight(match: tuple[str, bool]) -> tuple[int, bool]:
    """Order matches by how much they count: the longer pattern, then Allow."""
    pattern, allowed = match
    return len(pattern), allowed


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


class RobotsCache:
    """The rules of every origin that was asked in this run. Safe for threads.

    Args:
        recall: origin to a stored text that is not too old, or None.
        store: keeps the text of an origin.
    """

    def __init__(self, *, recall: Callable[[str], str | None], store: Callable[[str, str], None]) -> None:
        self._recall = recall
        self._store = store
        self._rules: dict[str, RobotsRules] = {}
        self._lock = threading.Lock()

    def rules(self, target: Target) -> RobotsRules | None:
        """Return the rules of the target's origin, None when it must be asked first."""
        with self._lock:
            if target.origin not in self._rules:
                text = self._recall(target.origin)
                if text is None:
                    return None
                self._rules[target.origin] = read_robots(text)
            return self._rules[target.origin]

    def learn(self, origin: str, text: str, rules: RobotsRules) -> None:
        """Keep what an origin says; ``rules`` are those of ``text``, read where it arrived."""
        with self._lock:
            self._rules[origin] = rules
        self._store(origin, text)


def _normal(path: str) -> str:
    """Percent-encode equally, so that ``/%7Ea`` and ``/~a`` are one path; an encoded slash stays apart."""
    kept = re.sub(r"%(2[fF]|2[aA]|24)", lambda match: match.group().upper().replace("%", "%25"), path)
    return quote(unquote(kept), safe="/%:@!$&'()*+,;=~-._?[]")
