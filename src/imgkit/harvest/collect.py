"""Harvest: search, fetch and materialise every label of a list of queries, and account for every candidate."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Final

from imgkit.cores import cpu_count
from imgkit.engine import Engine, LocalEngine
from imgkit.harvest.candidates import reopen, settle
from imgkit.harvest.config import HarvestConfig
from imgkit.harvest.gather import Gathered, Means, gather, targets
from imgkit.harvest.http import open_fetch
from imgkit.harvest.materialise import materialise
from imgkit.harvest.network.guard import Allowed, Guard
from imgkit.harvest.originals import RESERVE_BYTES, require_space, sweep
from imgkit.harvest.patience import PATIENCE, Patience
from imgkit.harvest.plan import Search, searches
from imgkit.harvest.providers import PROVIDERS
from imgkit.harvest.report import HarvestReport, LabelResult, notes_of
from imgkit.harvest.search import OpenFetch
from imgkit.harvest.yields import yield_table
from imgkit.manifest import Manifest, Query, sole_owner
from imgkit.manifest.exports import write_exports
from imgkit.progress import Progress, Silent

DECODE_SECONDS: Final = 20.0
DECODE_BYTES: Final = 1024**3
ALLOW_VARIABLE: Final = "IMGKIT_ALLOW_PRIVATE_HOSTS"


def harvest(
    queries: Sequence[Query],
    config: HarvestConfig,
    *,
    environ: Mapping[str, str],
    progress: Progress | None = None,
    patience: Patience = PATIENCE,
    retry: bool = False,
    open_search: OpenFetch | None = None,
    engine: Engine | None = None,
) -> HarvestReport:
    """Bring every label of ``queries`` to ``config.per_label`` kept pictures in ``config.data``.

    The same queries and answers give the same pictures, whatever the timing and however often a run was killed; a run
    goes on where the last one ended. Pictures of the provider ``folder`` are all taken, whatever the target.

    Args:
        queries: what to search for.
        config: how.
        environ: keys, base URLs and allowed private hosts.
        progress: who watches.
        patience: limits of waiting.
        retry: try again what failed for good in earlier runs.
        open_search: the way to a provider's service; by default the network.
        engine: where pictures are decoded; by default in processes with limits of time and memory.

    Raises:
        UsageError: queries or config cannot be used; nothing was changed.
        LockedError: another harvest uses the data folder.
        ResourceError: no space or no permission; what was finished is saved.
        IntegrityError: the data folder contradicts itself.
    """
    progress = progress or Silent()
    planned = searches(queries, config, environ)
    guard = Guard(Allowed.read([*config.allow_private_hosts, *environ.get(ALLOW_VARIABLE, "").split(",")]))
    began = time.monotonic()
    with ExitStack() as stack:
        manifest = stack.enter_context(Manifest.open(config.data))
        stack.enter_context(sole_owner(manifest.folder.locks, "harvest"))
        means = Means(
            guard=guard,
            engine=engine or stack.enter_context(_decoders()),
            progress=progress,
            patience=patience,
            open_search=open_search or (lambda provider, ready: open_fetch(provider, ready, config)),
        )
        require_space(manifest.folder, RESERVE_BYTES)
        sweep(manifest.folder)
        run_id = manifest.start_run("harvest", {"per_label": config.per_label, "size": config.size})
        query_ids = dict(zip(queries, manifest.put_queries(queries), strict=True))
        reopen(manifest, config, retry=retry)
        gathered = gather(manifest, planned, query_ids, config, means)
        made = materialise(manifest, settle(manifest), size=config.size, engine=means.engine, progress=progress)
        report = _report(manifest, config, planned, gathered, made=made, seconds=time.monotonic() - began)
        write_exports(manifest)
        manifest.end_run(run_id, {"exit_code": report.exit_code, "summary": report.summary})
    return report


def _decoders() -> LocalEngine:
    return LocalEngine(cpu_count(), timeout_s=DECODE_SECONDS, memory_bytes=DECODE_BYTES)


def _report(
    manifest: Manifest,
    config: HarvestConfig,
    planned: Sequence[Search],
    gathered: Gathered,
    *,
    made: int,
    seconds: float,
) -> HarvestReport:
    names = {search.query.label: search.query.name for search in planned}
    rows = yield_table(manifest.candidate_counts(), labels=list(names), providers=list(PROVIDERS))
    kept = {label: sum(row.kept for row in rows if row.label == label) for label in names}
    return HarvestReport(
        data=str(config.data),
        labels=tuple(
            LabelResult(label=label, name=names[label], target=target, kept=kept[label])
            for label, target in targets(planned, config).items()
        ),
        rows=tuple(rows),
        notes=notes_of(planned, gathered.problems),
        asked=tuple(name for name in PROVIDERS if name in gathered.answered),
        nobody_to_ask=gathered.nobody_to_ask,
        network_down=gathered.network_down,
        requests=gathered.requests,
        made=made,
        seconds=seconds,
    )
