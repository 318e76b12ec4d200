"""What a harvest ended with, for people and for programs."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from imgkit.harvest.plan import Search
from imgkit.harvest.providers.interface import Missing
from imgkit.harvest.search import Refusal
from imgkit.harvest.yields import YieldRow, next_steps, total


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
class HarvestReport:
    """The account of a run.

    Attributes:
        data: the data folder.
        labels: wanted and kept.
        rows: the yield table, by label and provider, over all runs of the data folder.
        notes: about providers.
        asked: providers that answered in this run.
        requests: to image hosts, in this run.
        made: files in ``harvested/`` that were made from originals without a request.
        seconds: of this run.
        nobody_to_ask: whether providers were wanted in this run and none of them answered.
        network_down: whether the run ended because the network was away.
    """

    data: str
    labels: tuple[LabelResult, ...]
    rows: tuple[YieldRow, ...]
    notes: tuple[ProviderNote, ...] = ()
    asked: tuple[str, ...] = ()
    requests: int = 0
    made: int = 0
    seconds: float = 0.0
    nobody_to_ask: bool = False
    network_down: bool = False

    @property
    def exit_code(self) -> int:
        """0: every label has its pictures · 5: some are short and no provider could be asked · 3: some are short."""
        if not any(label.short for label in self.labels):
            return 0
        return 5 if self.nobody_to_ask else 3

    @property
    def total(self) -> YieldRow:
        """All rows in one."""
        return total(self.rows)

    @property
    def next_steps(self) -> list[str]:
        """What a person could do about the commonest losses."""
        return next_steps(self.total)

    @property
    def summary(self) -> str:
        """The result in one sentence, with what to do next."""
        kept, wanted = sum(one.kept for one in self.labels), sum(one.target for one in self.labels)
        asked = f" ({wanted:,} wanted)" if wanted else ""
        state = f"{kept:,} pictures are in {self.data}/harvested{asked}."
        if self.exit_code == 0:
            return f"{state} Next: imgkit curate"
        if self.exit_code == 5:
            why = "The network is down." if self.network_down else "No provider could be asked."
            return f"{why} {state} Nothing is lost; run the same command again to go on."
        short = ", ".join(f"{one.name} ({one.short:,} short)" for one in self.labels if one.short)
        return f"{state} Below target: {short}. Add queries or providers, or go on with: imgkit curate"

    def as_json(self) -> dict[str, object]:
        """Return the report as values that JSON can hold."""
        return {
            "data": self.data,
            "exit_code": self.exit_code,
            "labels": [{**asdict(label), "short": label.short} for label in self.labels],
            "yield": [{**asdict(row), "tried": row.tried} for row in (*self.rows, self.total)],
            "providers": [asdict(note) for note in self.notes],
            "asked": list(self.asked),
            "requests": self.requests,
            "made": self.made,
            "seconds": round(self.seconds, 2),
            "network_down": self.network_down,
            "next_steps": self.next_steps,
            "summary": self.summary,
        }


def notes_of(planned: Sequence[Search], problems: Sequence[Refusal]) -> tuple[ProviderNote, ...]:
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


def _sentence(one: Refusal) -> str:
    after = f" after {one.found:,} candidates" if one.found else ""
    detail = (one.detail or one.verdict).strip()
    return f"{one.provider} stopped{after}: {detail}{'' if detail.endswith('.') else '.'}"


def _capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
