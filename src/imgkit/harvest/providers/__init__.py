"""The table of providers: adding one is one file and one line here."""

from typing import Final

from imgkit.harvest.providers import bing, folder, urls
from imgkit.harvest.providers.interface import Provider

PROVIDERS: Final[dict[str, Provider]] = {
    provider.name: provider
    for provider in (
        bing.PROVIDER,
        urls.PROVIDER,
        folder.PROVIDER,
    )
}
"""Name to provider, in the order in which the plan lists them."""

__all__ = ["PROVIDERS", "Provider"]
