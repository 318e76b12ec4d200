"""The closed list of reasons why a candidate or an image is not in the final set.

A reason code is ``family.name``. Families: ``net`` and ``http`` (the fetch), ``body`` (what came back), ``img`` (the
picture in it), ``policy`` (we may not), ``query`` (what is asked for), ``dup`` (we have it already), ``bad`` (curate's
findings), ``user`` (a person decided), ``fs`` (this machine), ``folder`` (what lies in a folder of pictures),
``provider`` (the search).
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Final

LISTED: Final[dict[str, str]] = {
    "net.dns": "the host's name does not resolve",
    "net.connect": "no connection to the host",
    "net.read": "the host stopped answering",
    "net.slow": "the host sent less than 1 KiB/s",
    "net.deadline": "not complete within the time limit of one fetch",
    "net.short": "the body ended before its announced length",
    "net.reset": "the host closed the connection",
    "net.tls": "the host's certificate or encryption is not valid",
    "net.proxy": "the proxy failed",
    "net.redirect": "more than 5 redirects, or a redirect to nowhere",
    "net.scheme": "not an http or https address",
    "net.blocked_address": "the address belongs to a private or reserved network",
    "net.port": "the port is not one that serves web pages",
    "http.401": "the host asks for a login",
    "http.403": "the host refuses us",
    "http.404": "not found",
    "http.410": "gone for good",
    "http.429": "too many requests; asked to come back later",
    "http.later": "not asked yet: its host wants to be left alone for now",
    "http.4xx": "the host refuses the request",
    "http.5xx": "the host has an error",
    "body.empty": "an empty answer",
    "body.too_big": "more bytes than the limit",
    "body.encoding_bomb": "a compressed body that unpacks beyond the limit",
    "body.html": "a web page instead of an image",
    "body.not_image": "not an image",
    "img.format": "an image format that is not on the list",
    "img.truncated": "cut off or damaged",
    "img.bomb": "more pixels than the limit",
    "img.small": "smaller than the smallest useful side",
    "img.aspect": "a sliver: one side is many times the other",
    "img.animated_many": "an animation with too many frames",
    "img.blank": "one flat colour",
    "img.placeholder": "a 'not available' picture served for several addresses",
    "img.decoder_killed": "decoding took too long or too much memory",
    "policy.robots": "robots.txt asks us to stay out",
    "policy.header": "the host opts out of machine use",
    "policy.licence": "the licence is not one that was asked for",
    "policy.excluded": "an excluded word in title, tags or page address",
    "policy.removed": "removed on request; it stays away",
    "query.gone": "no row of a queries file asks for it any more",
    "dup.exact": "the same picture as another candidate",
    "bad.conflict": "the same picture under several labels",
    "bad.text": "text, a cover, a screenshot or a collage",
    "bad.object": "an object: a toy, a figurine, jewellery or another product",
    "user.rejected": "a person decided against it",
    "user.moved": "a person gave it another label",
    "fs.full": "the disk is full",
    "fs.readonly": "the file system is read-only",
    "fs.permission": "no permission to read or to write",
    "fs.read": "a file cannot be read: the disk, or the connection to it, failed",
    "fs.write": "a file cannot be written: the disk, or the connection to it, failed",
    "fs.missing": "the file is not there any more",
    "fs.name": "a name that this file system cannot hold",
    "fs.link": "a link, which is not followed",
    "fs.device": "a device, pipe or socket",
    "folder.system": "made by a system or a tool, by its name",
    "folder.aside": "set aside: its name, or its folder's, begins with _ or a dot",
    "folder.no_label": "a picture without a label folder and without a row that says its label",
    "folder.beside": "no picture: a table, a report or another file beside the label folders",
    "select.label": "of another label than those that were asked for",
    "select.limit": "beyond the number of pictures that was asked for",
    "provider.captcha": "the service answered with a challenge page",
    "provider.quota": "the service's quota is used up",
    "provider.layout": "the service answered in a form we do not know",
    "provider.unrelated": "the service answered something else than the query",
    "provider.key": "a key is missing or refused",
    "provider.unreachable": "the service could not be reached",
}
"""The reasons that no check of curate declares."""


class _Reasons(Mapping[str, str]):
    """The reasons above and those that checks of curate declare, whose table is read when it is first needed."""

    def __getitem__(self, code: str) -> str:
        return LISTED[code] if code in LISTED else self._of_checks()[code]

    def __iter__(self) -> Iterator[str]:
        yield from LISTED
        yield from self._of_checks()

    def __len__(self) -> int:
        return len(LISTED) + len(self._of_checks())

    def _of_checks(self) -> Mapping[str, str]:
        declared: Mapping[str, str] = importlib.import_module("imgkit.curate.checks").REASONS
        return declared


REASONS: Final[Mapping[str, str]] = _Reasons()
"""Code to a phrase that completes 'not kept: …'."""


def explain(code: str) -> str:
    """Return the phrase for a reason code.

    Raises:
        KeyError: the code is not on the list; a new reason is added here, or in the file of the check that finds it.
    """
    return REASONS[code]
