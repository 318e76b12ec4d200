"""Say all that is known about one picture: findings, measures, where it came from."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from imgkit.curate.review.listing import UNJUDGED, ReviewListing
from imgkit.manifest import Candidate, Query
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.overview import Detail


def facts(listing: ReviewListing, keys: Sequence[ItemKey]) -> list[dict[str, object]]:
    """Return what is known about some items as values that JSON can hold; those that have gone are left out."""
    return [_facts(listing, key, known) for key, known in listing.details(keys).items()]


def _facts(listing: ReviewListing, key: ItemKey, known: Detail) -> dict[str, object]:
    judgement = known.judgement or UNJUDGED
    return {
        "item": f"{listing.labels.index(key[0])}.{key[1]}",
        "detail": judgement.detail,
        "why": judgement.why,
        "group": judgement.group,
        "findings": [
            {"check": one.check, "score": one.score, "threshold": one.threshold, "detail": one.detail}
            for one in known.findings
        ],
        "width": known.image.width,
        "height": known.image.height,
        "bytes": known.image.bytes,
        "sha256": known.image.sha256,
        "source": _source(listing, known.source),
    }


def _source(listing: ReviewListing, candidate: Candidate | None) -> dict[str, object] | None:
    """Return where an item came from, None where nobody knows."""
    if candidate is None:
        return None
    query: Query | None = listing.queries.get(candidate.query_id)
    proposal = candidate.proposal
    return {
        "provider": candidate.provider,
        "query": query.text if query else "",
        "rank": proposal.rank,
        "title": proposal.title,
        "author": proposal.author,
        "license": proposal.license,
        "page": web_address(proposal.page_url),
        "host": urlsplit(web_address(proposal.page_url)).hostname or "",
    }


def web_address(url: str) -> str:
    """Return ``url`` if it is an http or https address, else "": nothing else becomes a link."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("http", "https") and parts.hostname else ""
