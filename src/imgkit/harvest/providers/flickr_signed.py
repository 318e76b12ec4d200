"""Signed calls to Flickr through flickrapi, over our own session instead of flickrapi's."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imgkit.harvest.providers.interface import Fetch, NoAnswer, Response, ServiceRequest

if TYPE_CHECKING:
    from requests.auth import AuthBase

TIMEOUT_SECONDS: Final = 15.0


def signed_call(
    url: str, method: str, arguments: Mapping[str, str], fetch: Fetch, *, key: str, secret: str
) -> Response | NoAnswer:
    """Call ``method`` ("flickr.photos.search") at ``url`` with a POST that flickrapi signs.

    Returns:
        the answer as it came.
    """
    import flickrapi  # here, because the plan and the other providers do not need it

    transport = _Transport(fetch)
    api = flickrapi.FlickrAPI(key, secret, format="parsed-json", store_token=False, timeout=TIMEOUT_SECONDS)
    api.REST_URL = url  # on the object: the class is shared
    api.flickr_oauth.session = transport
    # a failure is in the answer too, where the caller reads it
    with suppress(flickrapi.FlickrError, ValueError, KeyError, AttributeError, TypeError):
        api.do_flickr_call(method, **arguments)
    return transport.answer


@dataclass(frozen=True, slots=True)
class _Answer:
    """The parts of a requests response that flickrapi reads; the real status is judged by the caller."""

    content: bytes
    status_code: int = 200


class _Transport:
    """Stands where flickrapi keeps its class-wide session: signs as requests would, sends through ``fetch``."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self.answer: Response | NoAnswer = NoAnswer(reason="net.connect", detail="nothing was sent")

    def post(self, url: str, *, data: Mapping[str, str], auth: "AuthBase", timeout: float | None) -> _Answer:
        """Sign and send one form."""
        import requests

        prepared = requests.Request("POST", url, data=data, auth=auth).prepare()
        body = prepared.body if isinstance(prepared.body, bytes) else str(prepared.body or "").encode()
        headers = {name: _text(value) for name, value in prepared.headers.items() if name != "Content-Length"}
        self.answer = self._fetch(ServiceRequest(url=url, method="POST", headers=headers, body=body))
        if isinstance(self.answer, NoAnswer):
            return _Answer(content=b"")
        return _Answer(content=self.answer.body)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
