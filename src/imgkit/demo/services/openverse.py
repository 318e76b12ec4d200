"""Openverse: ``/v1/images/`` with its limits for strangers and for those with a token, thumbnails and tokens."""

import uuid
from typing import Final

from imgkit.demo.services.refusals import REFUSALS, refuse
from imgkit.demo.services.replies import LICENCES, send_json, whole_number, words
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture

SERVICE_FAULTS: Final[dict[str, str]] = {
    **REFUSALS,
    "throttled": "429 'Request was throttled' with a wait of one second",
    "quota": "429 'Request was throttled' with a wait of a day",
}
CLIENT_ID, CLIENT_SECRET, TOKEN = "demo-openverse-client", "demo-openverse-secret", "demo-openverse-token"
DEEPEST = 240  # results of one query
LAST_PAGE = 20
LARGEST_PAGE = {"anonymous": 20, "token": 240}


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    path = exchange.path
    if fault in ("throttled", "quota"):
        _throttle(exchange, seconds=1 if fault == "throttled" else 86_400)
    elif refuse(exchange, fault):
        return
    elif path == "/v1/images/":
        _search(exchange, index)
    elif path.startswith("/v1/images/") and path.endswith("/thumb/"):
        _thumbnail(exchange, index)
    elif path == "/v1/auth_tokens/register/":
        body = {"name": exchange.params.get("name", ""), "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        send_json(exchange, body, status=201)
    elif path == "/v1/auth_tokens/token/":
        _token(exchange)
    elif path == "/v1/rate_limit/":
        send_json(exchange, {"requests_this_minute": 1, "requests_today": 1, "rate_limit_model": "anonymous"})
    else:
        send_json(exchange, {"detail": "Not found."}, status=404)


def _search(exchange: Exchange, index: Index) -> None:
    params = exchange.params
    size, page = whole_number(params, "page_size", 20), whole_number(params, "page", 1)
    who = _caller(exchange)
    if not who:
        send_json(exchange, {"detail": "Invalid token."}, status=401)
    elif who == "anonymous" and size > LARGEST_PAGE[who]:
        send_json(exchange, {"detail": "page_size may not exceed 20 for anonymous requests"}, status=401)
    elif not 1 <= size <= LARGEST_PAGE[who]:
        _invalid(exchange, "page_size", f"Value must be between 1 and {LARGEST_PAGE[who]}.")
    elif not 1 <= page <= LAST_PAGE or (page - 1) * size >= DEEPEST:
        _invalid(exchange, "page", f"Only the first {DEEPEST} results of a query can be reached.")
    elif "source" in params and "excluded_source" in params:
        _invalid(exchange, "non_field_errors", "Cannot set both 'source' and 'excluded_source'.")
    elif "q" in params and "title" in params:
        _invalid(exchange, "non_field_errors", "Cannot set both 'q' and 'title'.")
    else:
        _results(exchange, index, size=size, page=page)


def _caller(exchange: Exchange) -> str:
    """ "anonymous", "token", or "" for a token that is not valid."""
    sent = exchange.headers.get("Authorization", "")
    if not sent:
        return "anonymous"
    return "token" if sent == f"Bearer {TOKEN}" else ""


def _results(exchange: Exchange, index: Index, *, size: int, page: int) -> None:
    params = exchange.params
    wanted = words(params, "license")
    text = (params.get("q") or params.get("title") or params.get("tags") or "")[:200]
    hits = [h for h in index.search("openverse", text) if h.picture.license != "arr"]
    hits = [h for h in hits if not wanted or h.picture.license in wanted][:DEEPEST]
    body = {
        "result_count": len(hits),
        "page_count": min(LAST_PAGE, -(-len(hits) // size)),
        "page_size": size,
        "page": page,
        "results": [_result(hit, exchange) for hit in hits[(page - 1) * size : page * size]],
    }
    send_json(exchange, body)


def _result(hit: ListedPicture, exchange: Exchange) -> dict[str, object]:
    picture = hit.picture
    home = f"http://{exchange.sites['openverse']}/v1/images/{_id(hit)}/"
    sparse = hit.number % 4 == 0  # many records lack size and creator
    return {
        "id": _id(hit),
        "title": picture.title,
        "indexed_on": "2023-06-01T08:00:00Z",
        "foreign_landing_url": hit.page_url,
        "url": hit.url,
        "creator": None if sparse else picture.author,
        "creator_url": None if sparse else f"http://{exchange.sites[picture.host]}/people/ada",
        "license": picture.license,
        "license_version": "2.0",
        "license_url": LICENCES[picture.license][1],
        "provider": "flickr",
        "source": "flickr",
        "category": None,
        "filesize": None,
        "filetype": None if sparse else "jpg",
        "tags": [{"name": tag, "accuracy": None} for tag in picture.tags],
        "attribution": f'"{picture.title}" by {picture.author} is licensed under {LICENCES[picture.license][0]}.',
        "fields_matched": ["title"],
        "mature": False,
        "height": None if sparse else hit.height,
        "width": None if sparse else hit.width,
        "thumbnail": f"{home}thumb/",
        "detail_url": home,
        "related_url": f"{home}related/",
    }


def _id(hit: ListedPicture) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, hit.picture.id))


def _thumbnail(exchange: Exchange, index: Index) -> None:
    wanted = exchange.path.split("/")[3]
    for picture in index.world.pictures:
        if str(uuid.uuid5(uuid.NAMESPACE_URL, picture.id)) == wanted:
            exchange.send(200, index.thumbnail(picture, 600), content_type="image/jpeg")
            return
    send_json(exchange, {"detail": "Not found."}, status=404)


def _token(exchange: Exchange) -> None:
    params = exchange.params
    if (params.get("client_id"), params.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
        send_json(exchange, {"error": "invalid_client"}, status=401)
    elif params.get("grant_type") != "client_credentials":
        send_json(exchange, {"error": "unsupported_grant_type"}, status=400)
    else:
        send_json(exchange, {"access_token": TOKEN, "expires_in": 36_000, "token_type": "Bearer", "scope": "read"})


def _throttle(exchange: Exchange, *, seconds: int) -> None:
    detail = f"Request was throttled. Expected available in {seconds} second{'s' if seconds > 1 else ''}."
    send_json(exchange, {"detail": detail}, status=429, headers=[("Retry-After", str(seconds))])


def _invalid(exchange: Exchange, field: str, message: str) -> None:
    send_json(exchange, {"detail": {field: [message]}}, status=400)
