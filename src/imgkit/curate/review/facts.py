"""Say all that is known about one picture: findings, measures, where it came from."""

from urllib.parse import urlsplit

from imgkit.curate.review.listing import Key, Listing
from imgkit.manifest import Query


def facts(listing: Listing, key: Key) -> dict[str, object]:
    """Return what is known about an item as values that JSON can hold."""
    picture = listing.pictures[listing.row[key]]
    judgement = listing.judgements[listing.row[key]]
    return {
        "item": f"{listing.labels.index(key[0])}.{key[1]}",
        "detail": judgement.detail,
        "group": judgement.group,
        "findings": [
            {"check": one.check, "score": one.score, "threshold": one.threshold, "detail": one.detail}
            for one in listing.findings.get(key, ())
        ],
        "width": picture.width,
        "height": picture.height,
        "bytes": picture.bytes,
        "sha256": picture.sha256,
        "source": source_of(listing, key),
    }


def source_of(listing: Listing, key: Key) -> dict[str, object] | None:
    """Return where the item came from, None where nobody knows."""
    candidate = listing.pictures[listing.row[key]].source
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
