"""The closed list of reasons why a candidate or an image is not in the final set.

A reason code is ``family.name``. Families: ``net`` and ``http`` (the fetch), ``body`` (what came back), ``img`` (the
picture in it), ``policy`` (we may not), ``dup`` (we have it already), ``bad`` (curate's findings), ``user`` (a person
decided), ``fs`` (this machine), ``provider`` (the search).
"""

from typing import Final

REASONS: Final[dict[str, str]] = {
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
    "dup.exact": "the same picture as another candidate",
    "dup.near": "a copy of a better picture",
    "bad.conflict": "the same picture under several labels",
    "bad.label": "looks like another label",
    "bad.offtopic": "far from every label",
    "bad.quality": "dark, bright, blurred, flat or tiny",
    "bad.not_photo": "a drawing, render, cover or page of text instead of a photograph",
    "user.rejected": "a person decided against it",
    "user.moved": "a person gave it another label",
    "fs.full": "the disk is full",
    "fs.readonly": "the file system is read-only",
    "fs.permission": "no permission to write",
    "fs.name": "a name that this file system cannot hold",
    "provider.captcha": "the service answered with a challenge page",
    "provider.quota": "the service's quota is used up",
    "provider.layout": "the service answered in a form we do not know",
    "provider.key": "a key is missing or refused",
    "provider.unreachable": "the service could not be reached",
}
"""Code to a phrase that completes 'not kept: …'."""


def explain(code: str) -> str:
    """Return the phrase for a reason code.

    Raises:
        KeyError: the code is not on the list; a new reason is added here and nowhere else.
    """
    return REASONS[code]
