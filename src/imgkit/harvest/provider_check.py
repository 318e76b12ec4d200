"""Ask each provider one small question and say what came back, with the answers for a report of a fault."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, Literal

import imgkit
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.plan import Search, searches
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.providers.answers import SAMPLE_BYTES, host_of
from imgkit.harvest.providers.interface import (
    Fetch,
    NoAnswer,
    PageVerdict,
    Provider,
    Ready,
    Response,
    ResultPage,
    ServiceRequest,
)
from imgkit.harvest.search.http import open_fetch
from imgkit.manifest.nouns import Query
from imgkit.redaction import Redactor, secrets_of, shown_address

QUESTION: Final = "Panthera leo"
"""A name that every service knows: the lion, which is a taxon too."""

RECORDED_HEADERS: Final = ("content-type", "content-encoding", "retry-after", "location", "server")
"""Headers of an answer that are recorded; cookies and the rest are not."""

CheckGrade = Literal["ok", "note", "problem"]

ADVICE: Final[Mapping[PageVerdict, str]] = {
    "blocked": "It keeps programs out today. Try again later, or name other providers with --provider.",
    "consent": "It asks for consent before it answers. Name other providers with --provider.",
    "captcha": "It keeps programs out. Wait some hours, or name other providers with --provider.",
    "auth": "Set its key again; docs/providers.md says where to get one.",
    "quota": "Its quota is used up. Try again tomorrow.",
    "throttled": "It asks for a pause. Try again later.",
    "schema_changed": "Its answers have changed. Run again with --record FILE and send that file with a bug report.",
    "unrelated": "Its answers are not about the question. Run again with --record FILE and send that file.",
    "empty": "It should know this. Run again with --record FILE and send that file with a bug report.",
    "transient": "Try again later.",
    "unreachable": "Check the network and --proxy.",
}
_PROBLEMS: Final[frozenset[PageVerdict]] = frozenset({"auth", "schema_changed", "unrelated", "empty", "unreachable"})

_PERSONAL: Final = (
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}"), "[e-mail]"),
    (re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])"), "[address]"),
    (re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}(?![\w:])"), "[address]"),
    (
        re.compile(r"""(?i)((?:vqd|token|session|sid|sig|nonce|key|ig|iid)["']?\s*[=:]\s*["']?)[\w.+/=-]{6,}"""),
        r"\1[token]",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExchange:
    """A request to a service and what came back; ``body`` is the beginning of it, without keys and personal details."""

    method: str
    url: str
    params: Mapping[str, str]
    status: int | None
    reason: str
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCheck:
    """What a provider answered. ``verdict`` is "missing" where it was not asked, for want of a key or contact."""

    provider: str
    title: str
    verdict: PageVerdict | Literal["missing"]
    results: int
    detail: str
    grade: CheckGrade
    advice: str
    exchanges: tuple[RecordedExchange, ...] = ()


def check_providers(
    config: HarvestConfig,
    environ: Mapping[str, str],
    *,
    question: str = QUESTION,
    fetch_for: Callable[[Provider, Ready, HarvestConfig], Fetch] = open_fetch,
) -> list[ProviderCheck]:
    """Ask every provider that searches the network for one page, or those that ``config`` names.

    Args:
        config: providers, contact, proxy and user agent.
        environ: where keys are read from.
        question: what to search for.
        fetch_for: opens the network for one provider.

    Returns:
        One check for each provider, in the order of their table. A wall or a limit is a note, since it usually passes;
        a changed layout, a refused key and a service that cannot be reached are problems.

    Raises:
        UsageError: ``config`` names a provider that does not exist.
    """
    names = config.providers or tuple(name for name, one in PROVIDERS.items() if not one.local)
    query = Query(label="check", name="check", text=question, providers=tuple(names))
    asked = [one for one in searches([query], config, environ) if not one.provider.local]
    import icrawler.builtin  # noqa: F401 - two threads that import it at the same moment would deadlock

    with ThreadPoolExecutor(max(1, len(asked))) as pool:
        return list(pool.map(lambda one: _check(one, config, environ, fetch_for), asked))


def as_record(checks: Sequence[ProviderCheck], question: str) -> str:
    """Return the checks with their exchanges as JSON for a bug report."""
    found = {
        "imgkit": imgkit.__version__,
        "question": question,
        "providers": {
            one.provider: {
                "verdict": one.verdict,
                "results": one.results,
                "detail": one.detail,
                "exchanges": [
                    {
                        "request": {"method": each.method, "url": each.url, "params": dict(each.params)},
                        "status": each.status,
                        "reason": each.reason,
                        "headers": dict(each.headers),
                        "body": each.body,
                    }
                    for each in one.exchanges
                ],
            }
            for one in checks
        },
    }
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _check(
    search: Search,
    config: HarvestConfig,
    environ: Mapping[str, str],
    fetch_for: Callable[[Provider, Ready, HarvestConfig], Fetch],
) -> ProviderCheck:
    provider, ready = search.provider, search.state
    if not isinstance(ready, Ready):
        return ProviderCheck(
            provider=provider.name,
            title=provider.title,
            verdict="missing",
            results=0,
            detail=f"not asked: {ready.reason}",
            grade="note",
            advice=f"{ready.how_to_fix[:1].upper()}{ready.how_to_fix[1:]}.",
        )
    fetch = fetch_for(provider, ready, config)
    exchanges: list[tuple[ServiceRequest, Response | NoAnswer]] = []

    def recording(request: ServiceRequest) -> Response | NoAnswer:
        answer = fetch(request)
        exchanges.append((request, answer))
        return answer

    page = provider.ask(search.asked, None, recording, ready)
    redactor = Redactor.of_environment(environ)
    redactor.add({**ready.keys, **{name: value for name, value in ready.memory.items() if "token" in name}})
    redactor.add({"contact": config.contact, "user agent": config.user_agent})
    for secret in secrets_of(ready.base):
        redactor.add({"password": secret})
    return ProviderCheck(
        provider=provider.name,
        title=provider.title,
        verdict=page.verdict,
        results=len(page.proposals),
        detail=_sentence(page),
        grade=_grade(page),
        advice="" if page.proposals else ADVICE.get(page.verdict, ""),
        exchanges=tuple(_exchange(request, answer, redactor) for request, answer in exchanges),
    )


def _sentence(page: ResultPage) -> str:
    if not page.proposals:
        return page.detail
    hosts = list(dict.fromkeys(host_of(one.url) for one in page.proposals))
    where = f"from {len(hosts)} hosts, the first {hosts[0]}" if len(hosts) > 1 else f"all from {hosts[0]}"
    return f"{len(page.proposals)} results, {where}"


def _grade(page: ResultPage) -> CheckGrade:
    if page.proposals:
        return "ok"
    return "problem" if page.verdict in _PROBLEMS else "note"


def _exchange(request: ServiceRequest, answer: Response | NoAnswer, redactor: Redactor) -> RecordedExchange:
    def clean(text: str) -> str:
        text = redactor.text(text)
        for pattern, word in _PERSONAL:
            text = pattern.sub(word, text)
        return text

    given = isinstance(answer, Response)
    body = answer.body[:SAMPLE_BYTES].decode("utf-8", "replace") if isinstance(answer, Response) else ""
    headers = answer.headers if isinstance(answer, Response) else {}
    return RecordedExchange(
        method=request.method,
        url=redactor.text(shown_address(request.url)),
        params={
            name: "[token]" if re.search(r"(?i)key|token|vqd|sig|secret|cx$", name) else clean(value)
            for name, value in request.params.items()
        },
        status=answer.status if isinstance(answer, Response) else None,
        reason="" if given else clean(f"{answer.reason} {answer.detail}".strip()),  # type: ignore[union-attr]
        headers={name: clean(headers[name]) for name in RECORDED_HEADERS if name in headers},
        body=clean(body),
    )
