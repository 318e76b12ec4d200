"""The table of providers: adding one is one file and one line here."""

from typing import Final

from imgkit.harvest.providers import (
    bing,
    commons,
    duckduckgo,
    files,
    flickr,
    folder,
    gbif,
    google,
    inaturalist,
    openverse,
    urls,
)
from imgkit.harvest.providers.interface import Provider

PROVIDERS: Final[dict[str, Provider]] = {
    provider.name: provider
    for provider in (
        bing.PROVIDER,
        google.PROVIDER,
        openverse.PROVIDER,
        commons.PROVIDER,
        inaturalist.PROVIDER,
        flickr.PROVIDER,
        gbif.PROVIDER,
        duckduckgo.PROVIDER,
        urls.PROVIDER,
        folder.PROVIDER,
        files.PROVIDER,
    )
}
"""Name to provider, in the order in which the plan lists them."""

__all__ = ["PROVIDERS", "Provider"]
