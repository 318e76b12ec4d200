"""Addresses of pictures in a file: CSV, TSV, JSON lines or Parquet with the columns url, label and what is known."""

from collections.abc import Mapping

from imgkit.harvest.providers.interface import Fetch, HostPolicy, Missing, Provider, Ready, ResultPage, SearchQuery
from imgkit.harvest.providers.listing import ADDRESSES, PAGE_SIZE, page_of_list
from imgkit.manifest.addresses import with_scheme


def check(environ: Mapping[str, str]) -> Ready | Missing:
    """A file needs nothing."""
    return Ready(note="reads this machine")


def page(query: SearchQuery, cursor: object, fetch: Fetch, ready: Ready) -> ResultPage:
    """List the next 500 addresses of the query's label, in the order of the file; rows without a label belong too.

    ``fetch`` is not used: the addresses are proposed as they stand, a missing scheme is https.
    """
    return page_of_list(query, cursor, ADDRESSES, with_scheme)


PROVIDER = Provider(
    name="urls",
    title="list of addresses",
    page=page,
    check=check,
    page_size=PAGE_SIZE,
    local=True,
    edited=True,
    policy=HostPolicy(pause_seconds=0.0),
)
