"""Google's Programmable Search as ``/customsearch/v1`` answers to those who have a key."""

from typing import Final

from imgkit.demo.services.refusals import REFUSALS, refuse
from imgkit.demo.services.replies import send_json, whole_number
from imgkit.demo.web.exchange import Exchange
from imgkit.demo.web.index import Index, ListedPicture

SERVICE_FAULTS: Final[dict[str, str]] = {**REFUSALS, "quota": "429, the quota of the day is used up"}
KEY, ENGINE = "demo-google-key", "demo-engine"
LARGEST_PAGE, LAST_START = 10, 91


def answer(exchange: Exchange, index: Index, fault: str) -> None:
    """Answer a request to the service."""
    params = exchange.params
    num, start = whole_number(params, "num", 10), whole_number(params, "start", 1)
    if exchange.path != "/customsearch/v1":
        _fail(exchange, 404, "Requested entity was not found.", "NOT_FOUND")
    elif fault == "quota":
        _fail(
            exchange,
            429,
            "Quota exceeded for quota metric 'Queries' and limit 'Queries per day'.",
            "RESOURCE_EXHAUSTED",
        )
    elif refuse(exchange, fault):
        return
    elif params.get("key") != KEY:
        _fail(exchange, 400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT")
    elif params.get("cx") != ENGINE or not 1 <= num <= LARGEST_PAGE or not 1 <= start <= LAST_START:
        _fail(exchange, 400, "Request contains an invalid argument.", "INVALID_ARGUMENT")
    else:
        _results(exchange, index.search("google", params.get("q", "")), num=num, start=start)


def _results(exchange: Exchange, hits: list[ListedPicture], *, num: int, start: int) -> None:
    page = hits[start - 1 : start - 1 + num]
    body: dict[str, object] = {"kind": "customsearch#search", "queries": {"request": [{"startIndex": start}]}}
    if page:
        body["items"] = [_item(hit) for hit in page]
    if start - 1 + num < len(hits):
        body["queries"] = {"request": [{"startIndex": start}], "nextPage": [{"startIndex": start + num, "count": num}]}
    send_json(exchange, body)


def _item(hit: ListedPicture) -> dict[str, object]:
    return {
        "kind": "customsearch#result",
        "title": hit.picture.title,
        "link": hit.url,
        "displayLink": hit.page_url.split("/")[2],
        "mime": "image/jpeg",
        "image": {
            "contextLink": hit.page_url,
            "width": hit.width,
            "height": hit.height,
            "byteSize": 90_000,
            "thumbnailLink": f"https://encrypted-tbn0.gstatic.com/images?q=tbn:{hit.number}",
        },
    }


def _fail(exchange: Exchange, status: int, message: str, name: str) -> None:
    send_json(exchange, {"error": {"code": status, "message": message, "status": name}}, status=status)
