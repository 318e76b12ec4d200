"""Pictures of this machine that a table names: CSV, TSV, JSON lines or Parquet with the columns path and label."""

from collections.abc import Mapping
from pathlib import Path

from imgkit.harvest.providers.folder import address_of
from imgkit.harvest.providers.interface import Fetch, HostPolicy, Missing, Provider, Ready, ResultPage, SearchQuery
from imgkit.harvest.providers.listing import FILES, PAGE_SIZE, page_of_list


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """A file needs nothing."""
    return Ready(note="reads this machine")


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """List the next 500 files of the query's label, in the order of the table; rows without a label belong too.

    A path is looked for beside the table. ``fetch`` is not used.
    """
    beside = Path(query.text).parent
    return page_of_list(query, cursor, FILES, lambda path: address_of(beside / Path(path.replace("\\", "/"))))


PROVIDER = Provider(
    name="files",
    title="table of files",
    page=page,
    check=check,
    page_size=PAGE_SIZE,
    local=True,
    proposes_files=True,
    edited=True,
    policy=HostPolicy(pause_seconds=0.0),
)
