"""Where the candidates of a harvest went: found, tried, kept and each reason, by label and provider. Pure.

What a harvest ended with, for people and for programs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final

from imgkit import commands
from imgkit.harvest.changes import Changes
from imgkit.harvest.plan import Search
from imgkit.harvest.providers.interface import Missing
from imgkit.harvest.search.sessions import ProviderStopped
from imgkit.manifest import Count
from imgkit.notebook import TableReport
from imgkit.reasons import explain

NOT_ASKED: Final = "http.later"
"""The reason of candidates whose host was not asked for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldRow:
    """The candidates of one label at one provider ("" for all of them).

    ``found`` = ``kept`` + ``waiting`` + the sum of ``reasons``; ``tried`` = ``found`` - ``waiting`` - ``not_asked``.
    ``deferred`` says how many of the reasons may pass: those candidates are tried again by the next harvest.
    """

    label: str
    provider: str
    found: int
    kept: int
    deferred: int
    waiting: int
    reasons: Mapping[str, int] = field(default_factory=dict)

    @property
    def not_asked(self) -> int:
        """Candidates that nobody was asked for, since their hosts want to be left alone for now."""
        return self.reasons.get(NOT_ASKED, 0)

    @property
    def tried(self) -> int:
        """Candidates that were asked for, or settled without asking."""
        return self.found - self.waiting - self.not_asked

    @property
    def not_kept(self) -> int:
        """Candidates that were tried and are lost for good."""
        return self.tried - self.kept - (self.deferred - self.not_asked)


def yield_table(counts: Sequence[Count], *, labels: Sequence[str], providers: Sequence[str]) -> list[YieldRow]:
    """Return a row for each label and provider that found something, by ``labels`` and then ``providers`` in order."""
    cells: dict[tuple[str, str], list[Count]] = defaultdict(list)
    for count in counts:
        if count.label in labels:
            cells[count.label, count.provider].append(count)
    place = {name: number for number, name in enumerate(providers)}
    order = sorted(cells, key=lambda key: (labels.index(key[0]), place.get(key[1], len(place)), key[1]))
    return [_row(label, provider, cells[label, provider]) for label, provider in order]


def total(rows: Sequence[YieldRow], *, label: str = "") -> YieldRow:
    """Return the sum of rows, under a label."""
    reasons: Counter[str] = Counter()
    for row in rows:
        reasons.update(row.reasons)
    return YieldRow(
        label=label,
        provider="",
        found=sum(row.found for row in rows),
        kept=sum(row.kept for row in rows),
        deferred=sum(row.deferred for row in rows),
        waiting=sum(row.waiting for row in rows),
        reasons=dict(reasons.most_common()),
    )


_ADVICE: Final[dict[str, str]] = {
    "http.401": "They want a login; another provider may list the same pictures elsewhere.",
    "http.403": "They refuse programs; another provider may list the same pictures elsewhere.",
    "http.404": "They are gone; more queries or providers bring others.",
    "http.410": "They are gone; more queries or providers bring others.",
    "http.429": "Run the same command again later: the hosts asked to be left alone for a while.",
    "http.later": "Run the same command again when the time is over that they asked for; nothing is lost.",
    "http.4xx": "The hosts refuse these addresses; another provider may list the same pictures elsewhere.",
    "http.5xx": "Run the same command again later: the hosts had errors.",
    "net.dns": "Run the same command again when your network is up; names that stay unknown are gone for good.",
    "net.tls": "The hosts' certificates are not valid; other providers may list the same pictures elsewhere.",
    "net.proxy": "Check --proxy: it could not be used.",
    "net.scheme": "Only http and https are asked; for pictures of this machine name the provider folder in the row.",
    "net.blocked_address": "Private networks are not contacted; --allow-private-hosts allows your own servers.",
    "net.port": "Only ports of web servers are asked; --allow-private-hosts HOST:PORT allows your own servers.",
    "net.redirect": "Their hosts send programs round in circles; another provider may list them elsewhere.",
    "net.": "Run the same command again later: the connection failed, nothing is lost.",
    "policy.robots": "The hosts ask robots to stay out; --no-robots overrides it where you have permission.",
    "policy.header": "The owners opted out of machine use; other providers may have pictures without that.",
    "policy.licence": "Their licence is not one you asked for; more licences or providers bring others.",
    "policy.excluded": "Your excluded words matched their title, tags or page; see the exclude column.",
    "query.gone": "Their rows were edited or removed; they are back without a download when a row asks again.",
    "dup.": "Each is in the set once; more queries in other words bring other pictures.",
    "img.format": "The column detail of manifest.csv says what to do for each format; HEIC is read with pillow-heif.",
    "img.truncated": "The hosts sent damaged files; other providers may have whole ones.",
    "img.placeholder": "The pictures are gone and one that says so stands for them; more queries bring others.",
    "img.decoder_killed": "They take more time or memory than a picture should; nothing to do.",
    "img.small": "They are smaller than the smallest useful side; --filter size=large asks for larger ones.",
    "body.too_big": "--max-bytes allows larger files.",
    "body.html": "Pages were served instead of pictures; another provider may list them elsewhere.",
    "img.": "They are not usable as pictures; nothing to do.",
    "body.": "The hosts sent no picture; nothing to do.",
    "fs.missing": "The files are not there any more; put them back, or take them out of the list.",
    "fs.link": "Links are not followed; put the files themselves there.",
    "fs.device": "Only plain files are read.",
    "fs.": "Check the permissions of these files.",
}


def next_steps(row: YieldRow, *, at_most: int = 3) -> list[str]:
    """Return the commonest reasons of a row as sentences that say what a person could do."""
    commonest = sorted(row.reasons.items(), key=lambda pair: (-pair[1], pair[0]))[:at_most]
    return [f"{count:,} × {reason} ({explain(reason)}). {_advice(reason)}" for reason, count in commonest]


def _advice(reason: str) -> str:
    if reason in _ADVICE:
        return _ADVICE[reason]
    return next((advice for start, advice in _ADVICE.items() if start.endswith(".") and reason.startswith(start)), "")


def _row(label: str, provider: str, counts: Sequence[Count]) -> YieldRow:
    states: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    for count in counts:
        states[count.state] += count.count
        if count.state in ("rejected", "deferred"):
            reasons[count.reason] += count.count
    return YieldRow(
        label=label,
        provider=provider,
        found=sum(states.values()),
        kept=states["kept"],
        deferred=states["deferred"],
        waiting=states["pending"],
        reasons=dict(reasons.most_common()),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelResult:
    """One label: pictures wanted (0 where a folder was adopted whole) and pictures there."""

    label: str
    name: str
    target: int
    kept: int

    @property
    def short(self) -> int:
        """Pictures that are missing."""
        return max(0, self.target - self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderNote:
    """One plain sentence about a provider that could not be asked, or stopped answering."""

    provider: str
    verdict: str
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestReport(TableReport):
    """The account of a run.

    Attributes:
        data: the data folder.
        labels: wanted and kept.
        rows: the yield table, by label and provider, over all runs of the data folder.
        notes: about providers.
        asked: providers that answered in this run.
        requests: to image hosts, in this run.
        waits: host to the time until which it asked to be left alone.
        left_out: sentences about rows of lists that are no candidates.
        changes: what became of earlier pictures because rows of queries files changed.
        made: files in ``harvested/`` that were made from originals without a request.
        seconds: of this run.
        no_provider_answered: whether providers were wanted in this run and none of them answered.
        network_down: whether the run ended because the network was away.
        in_folder: pictures in ``harvested/`` by label, those of other queries files too; None: those of ``labels``.
    """

    data: str
    labels: tuple[LabelResult, ...]
    rows: tuple[YieldRow, ...]
    notes: tuple[ProviderNote, ...] = ()
    asked: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    waits: Mapping[str, datetime] = field(default_factory=dict)
    changes: Changes = field(default_factory=lambda: Changes(left={}, others={}))
    requests: int = 0
    made: int = 0
    seconds: float = 0.0
    no_provider_answered: bool = False
    network_down: bool = False
    in_folder: Mapping[str, int] | None = None

    @property
    def exit_code(self) -> int:
        """0: every label has its pictures · 5: some are short and no provider could be asked · 3: some are short."""
        if not any(label.short for label in self.labels):
            return 0
        return 5 if self.no_provider_answered else 3

    @property
    def total(self) -> YieldRow:
        """All rows in one."""
        return total(self.rows)

    @property
    def next_steps(self) -> list[str]:
        """What a person could do about the commonest losses."""
        return next_steps(self.total)

    def wait_sentences(self, *, at_most: int = 5) -> list[str]:
        """Return a sentence for each host that is left alone: until when, in local time; one for those beyond a few."""
        soonest = sorted(self.waits.items(), key=lambda pair: pair[1])[:at_most]
        today = datetime.now().astimezone().date()
        sentences = []
        for host, moment in soonest:
            local = moment.astimezone()
            day = "" if local.date() == today else f"{local:%Y-%m-%d} "
            sentences.append(f"{host} asks to wait until {day}{local:%H:%M}; it is not asked before.")
        if (more := len(self.waits) - len(soonest)) > 0:
            sentences.append(f"{more:,} more hosts ask to wait.")
        return sentences

    @property
    def summary(self) -> str:
        """The result in one sentence, with what to do next."""
        state = f"{sum(self.pictures.values()):,} pictures are in {self.data}/harvested{self._of_this_run}."
        if self.exit_code == 0:
            return f"{state} Next: {commands.curate(self.data)}"
        if self.exit_code == 5:
            why = "The network is down." if self.network_down else "No provider could be asked."
            return f"{why} {state} Nothing is lost; run the same command again to go on."
        short = ", ".join(f"{one.name} ({one.short:,} short)" for one in self.labels if one.short)
        again = f"go on with: {commands.curate(self.data)}"
        return f"{state} Below target: {short}. Add queries or providers, or {again}"

    @property
    def pictures(self) -> Mapping[str, int]:
        """Pictures in ``harvested/`` by label."""
        return {one.label: one.kept for one in self.labels} if self.in_folder is None else self.in_folder

    @property
    def _of_this_run(self) -> str:
        """How many of the pictures are of this run's labels, and how many of those were wanted: " (40 wanted)"."""
        ours, wanted = {one.label for one in self.labels}, sum(one.target for one in self.labels)
        asked = f"{wanted:,} wanted" if wanted else ""
        if set(self.pictures) <= ours:
            return f" ({asked})" if asked else ""
        mine = sum(count for label, count in self.pictures.items() if label in ours)
        return f", {mine:,} of them under the labels of this run{f' ({asked})' if asked else ''}"

    def table(self) -> tuple[Sequence[str], Sequence[Sequence[object]]]:
        """Return the yield: one row for each label and provider, and their sum."""
        names = {one.label: one.name for one in self.labels}
        rows = [
            [names.get(row.label, "all"), row.provider, row.found, row.tried, row.kept, row.deferred, row.waiting]
            for row in (*self.rows, self.total)
        ]
        return ["label", "provider", "found", "tried", "kept", "deferred", "waiting"], rows

    def headline(self) -> str:
        """Return the result in one sentence, with what to do next."""
        return self.summary

    def as_json(self) -> dict[str, object]:
        """Return the report as values that JSON can hold."""
        return {
            "data": self.data,
            "exit_code": self.exit_code,
            "labels": [{**asdict(label), "short": label.short} for label in self.labels],
            "yield": [{**asdict(row), "tried": row.tried} for row in (*self.rows, self.total)],
            "providers": [asdict(note) for note in self.notes],
            "asked": list(self.asked),
            "left_out": list(self.left_out),
            "waits": {host: moment.isoformat() for host, moment in self.waits.items()},
            "changes": self.changes.as_json(),
            "requests": self.requests,
            "made": self.made,
            "in_folder": dict(self.pictures),
            "seconds": round(self.seconds, 2),
            "network_down": self.network_down,
            "next_steps": self.next_steps,
            "summary": self.summary,
        }


def notes_of(planned: Sequence[Search], problems: Sequence[ProviderStopped]) -> tuple[ProviderNote, ...]:
    """Return a sentence for each provider that could not be asked or stopped answering, each sentence once."""
    notes = [
        ProviderNote(
            provider=search.provider.name,
            verdict="missing",
            reason="provider.key" if search.provider.needs_key else "",
            sentence=_not_asked(search.provider.name, search.state),
        )
        for search in planned
        if isinstance(search.state, Missing)
    ]
    notes += [
        ProviderNote(provider=one.provider, verdict=one.verdict, reason=one.reason, sentence=_sentence(one))
        for one in problems
    ]
    return tuple(dict.fromkeys(notes))


def _not_asked(name: str, state: Missing) -> str:
    return f"{name} was not asked: {state.reason}. {_capital(state.how_to_fix)}"


def _sentence(one: ProviderStopped) -> str:
    detail = (one.detail or one.verdict).strip()
    said = f"{detail}{'' if detail.endswith('.') else '.'}"
    if one.query:
        return f"{one.provider} left '{one.query}' to the next run: {said}"
    after = f" after {one.found:,} candidates" if one.found else ""
    return f"{one.provider} stopped{after}: {said}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
