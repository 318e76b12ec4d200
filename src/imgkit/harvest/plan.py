"""Decide which provider is asked for which query, and say what that costs, without touching the network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil

from imgkit.errors import UsageError
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.interface import Missing, Provider, Ready, SearchQuery
from imgkit.harvest.search import excludes
from imgkit.manifest.nouns import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """One query at one provider: what it is asked, and whether it can be."""

    query: Query
    provider: Provider
    asked: SearchQuery
    state: Ready | Missing


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """One line of the plan. ``calls`` get as many candidates as pictures are wanted; more only if too few are kept.

    ``at_most`` is every page there can be (None: no limit is known). ``text`` is what the service is sent.
    """

    label: str
    text: str
    provider: str
    ready: bool
    calls: int
    at_most: int | None
    note: str
    how_to_fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderTotal:
    """What the plan asks of one provider. ``seconds`` are the pauses between its calls."""

    provider: str
    queries: int
    calls: int
    seconds: float
    calls_per_day: int | None
    quota: str

    @property
    def over_quota(self) -> bool:
        """Whether the calls do not fit into one day's quota."""
        return self.calls_per_day is not None and self.calls > self.calls_per_day


@dataclass(frozen=True, slots=True, kw_only=True)
class HarvestPlan:
    """What a harvest would do."""

    rows: tuple[PlanRow, ...]
    totals: tuple[ProviderTotal, ...]

    def as_json(self) -> dict[str, object]:
        """Return the plan as JSON values."""
        return {
            "searches": [asdict(row) for row in self.rows],
            "providers": [{**asdict(total), "over_quota": total.over_quota} for total in self.totals],
        }


def searches(queries: Sequence[Query], config: HarvestConfig, environ: Mapping[str, str]) -> list[Search]:
    """Return every query at every provider that should be asked, in the order of queries, then of the table.

    A query's own providers come first, then those of ``config``, then the defaults.

    Raises:
        UsageError: ``config`` names a provider that does not exist.
    """
    unknown = [name for name in config.providers if name not in PROVIDERS]
    if unknown:
        raise UsageError(
            f"provider '{unknown[0]}' is not known. Nothing was changed. Choose from: {', '.join(PROVIDERS)}."
        )
    states = {name: provider.check(environ) for name, provider in PROVIDERS.items()}
    return [
        Search(
            query=query,
            provider=provider,
            asked=asked,
            state=_state(provider, asked, states[provider.name], query, config),
        )
        for query in queries
        for asked in [search_query(query, config)]
        for provider in _chosen(query, config)
    ]


def search_query(query: Query, config: HarvestConfig) -> SearchQuery:
    """Return what a provider is asked for a query under a config."""
    return SearchQuery(
        text=query.text,
        label=query.label,
        name=query.name,
        exclude=query.exclude,
        licences=query.licences or config.licences,
        filters=config.filters,
        language=config.language,
        safe_search=config.safe_search,
    )


def make_plan(queries: Sequence[Query], config: HarvestConfig, environ: Mapping[str, str]) -> HarvestPlan:
    """Return what a harvest of ``queries`` would do; touches no network.

    Raises:
        UsageError: as ``searches``.
    """
    planned = searches(queries, config, environ)
    rows = tuple(_row(search, config) for search in planned)
    return HarvestPlan(rows=rows, totals=tuple(_totals(planned, rows)))


def _chosen(query: Query, config: HarvestConfig) -> list[Provider]:
    names = query.providers or config.providers
    if names:
        return [provider for name, provider in PROVIDERS.items() if name in names]
    return [provider for provider in PROVIDERS.values() if provider.default != "named"]


def _state(
    provider: Provider, asked: SearchQuery, state: Ready | Missing, query: Query, config: HarvestConfig
) -> Ready | Missing:
    if provider.wants_contact and not (config.contact or config.user_agent):
        return Missing(
            reason=f"{provider.title} refuses programs that name nobody to write to",
            how_to_fix="set IMGKIT_CONTACT, or --contact, to your e-mail address or page",
        )
    if provider.local and provider.name not in query.providers:
        return Missing(
            reason=f"the query of provider '{provider.name}' is a path, and this one is words",
            how_to_fix=f"name '{provider.name}' in the providers column of a row whose query is a path",
        )
    if asked.licences and not provider.licensed:
        return Missing(
            reason=f"{provider.title} does not say the licence of a picture, so none could be kept",
            how_to_fix="leave it out, or ask for any licence",
        )
    return state


def _row(search: Search, config: HarvestConfig) -> PlanRow:
    provider, state = search.provider, search.state
    ready = isinstance(state, Ready)
    return PlanRow(
        label=search.query.label,
        text=_sent(search),
        provider=provider.name,
        ready=ready,
        calls=_calls(search, search.query.limit or config.per_label),
        at_most=_at_most(search) if ready else 0,
        note=state.note if isinstance(state, Ready) else state.reason,
        how_to_fix="" if isinstance(state, Ready) else state.how_to_fix,
    )


def _sent(search: Search) -> str:
    if search.provider.local:
        return search.query.text
    if search.provider.negates:
        return excludes.with_negations(search.query.text, search.query.exclude)
    return excludes.without_negations(search.query.text)


def _calls(search: Search, wanted: int) -> int:
    """Return the calls for ``wanted`` candidates."""
    most = _most(search)
    return _pages(search, wanted if most is None else min(wanted, most))


def _at_most(search: Search) -> int | None:
    """Return the calls for all candidates that there can be; None when there is no known end."""
    ends = [number for number in (search.query.limit, _most(search)) if number is not None]
    return _pages(search, min(ends)) if ends else None


def _most(search: Search) -> int | None:
    return (search.state.max_results if isinstance(search.state, Ready) else None) or search.provider.max_results


def _pages(search: Search, candidates: int) -> int:
    provider, state = search.provider, search.state
    if provider.local or not isinstance(state, Ready):
        return 0
    lookups = min(provider.max_lookups, 1 + len(search.query.exclude))
    return ceil(candidates / (state.page_size or provider.page_size)) + lookups


def _totals(planned: Sequence[Search], rows: Sequence[PlanRow]) -> list[ProviderTotal]:
    totals: dict[str, ProviderTotal] = {}
    for search, row in zip(planned, rows, strict=True):
        if not isinstance(search.state, Ready):
            continue
        provider = search.provider
        total = totals.get(provider.name) or ProviderTotal(
            provider=provider.name,
            queries=0,
            calls=0,
            seconds=0.0,
            calls_per_day=search.state.calls_per_day or provider.policy.calls_per_day,
            quota=provider.policy.quota,
        )
        calls = total.calls + row.calls
        own = search.state.pause_seconds
        pause = provider.policy.pause_seconds if own is None else own
        totals[provider.name] = replace(total, queries=total.queries + 1, calls=calls, seconds=calls * pause)
    return [totals[name] for name in PROVIDERS if name in totals]
