"""The faults of the web by name: what an address does, and what a polite client ends with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from imgkit.demo.drawing import bodies
from imgkit.demo.web import transport
from imgkit.demo.web.transport import Answer, good, opted_out, redirect_to, redirects, status, until

Body: TypeAlias = Callable[[bytes], bytes]
"""Turns the bytes of the good picture into what the address holds instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One way in which an address differs from a plain 200 with a JPEG.

    ``reason`` is the code with which a polite client loses the picture, "" when it gets it; ``also`` are codes that
    are as right. ``flag`` is the code with which a look at the picture should say that it is damaged. ``passing`` says
    that the failure may be over tomorrow, so that a client may put it off instead of giving up. ``address`` replaces
    the path: it may be a whole address, ``{id}`` is the picture's id and ``{site}`` the address and port of a site.
    ``stalls`` marks the faults that hold a client until its own patience ends.
    """

    summary: str
    answer: Answer = good
    body: Body | None = None
    reason: str = ""
    also: tuple[str, ...] = ()
    flag: str = ""
    passing: bool = False
    address: str = ""
    stalls: bool = False

    @property
    def recoverable(self) -> bool:
        """Whether a polite client ends with the picture."""
        return not self.reason


def _held(summary: str, body: Body, content_type: str = "image/jpeg", *, reason: str = "", address: str = "") -> Fault:
    return Fault(summary=summary, answer=transport.typed(content_type), body=body, reason=reason, address=address)


RECOVERABLE: Final[dict[str, Fault]] = {
    "wrong_extension": Fault(summary="a JPEG whose address ends in .png", address="/pictures/{id}.png"),
    "no_extension": Fault(summary="no extension in the address", address="/pictures/{id}"),
    "query_string": Fault(summary="a size in the query string", address="/pictures/{id}.jpg?w=1200&fit=max"),
    "spaces_in_address": Fault(summary="spaces and accents, not encoded", address="/my photos/{id} café.jpg"),
    "upper_case_extension": Fault(summary=".JPEG in capitals", address="/DCIM/{id}.JPEG"),
    "octet_stream": Fault(
        summary="typed as application/octet-stream", answer=transport.typed("application/octet-stream")
    ),
    "typed_as_html": Fault(summary="a JPEG typed as text/html", answer=transport.typed("text/html")),
    "no_content_type": Fault(summary="no content type", answer=transport.typed("")),
    "needs_referer": Fault(summary="403 without the page as Referer", answer=transport.needs_referer),
    "429_once": Fault(summary="429 with Retry-After 1, once", answer=until(1, status(429, ("Retry-After", "1")))),
    "429_date_once": Fault(summary="429 with a date two seconds ahead, once", answer=until(1, transport.retry_date)),
    "429_bare_once": Fault(summary="429 without Retry-After, once", answer=until(1, status(429))),
    "503_once": Fault(summary="503, once", answer=until(1, status(503))),
    "503_twice": Fault(summary="503, twice", answer=until(2, status(503))),
    "500_once": Fault(summary="500, once", answer=until(1, status(500))),
    "reset_once": Fault(summary="a broken connection, once", answer=until(1, transport.reset)),
    "reset_halfway_once": Fault(summary="broken in the middle, once", answer=until(1, transport.reset_halfway)),
    "ends_early_once": Fault(summary="a body shorter than announced, once", answer=until(1, transport.ends_early)),
    "silent_once": Fault(summary="no answer at all, once", answer=until(1, transport.silent), stalls=True),
    "late": Fault(summary="half a second before the first byte", answer=transport.after(0.5)),
    "very_late": Fault(summary="2.5 seconds before the first byte", answer=transport.after(2.5)),
    "steady": Fault(summary="ten pieces with pauses", answer=transport.steady),
    "no_length": Fault(summary="no length; the end of the connection ends it", answer=transport.no_length),
    "chunked": Fault(summary="sent in chunks", answer=transport.chunked),
    "gzipped": Fault(summary="gzipped without being asked", answer=transport.gzipped),
    "redirect_once": Fault(summary="moved, one hop", answer=redirects(1, code=301)),
    "redirect_three": Fault(summary="moved, three hops", answer=redirects(3)),
    "redirect_elsewhere": Fault(summary="moved to another host", answer=transport.redirect_elsewhere),
    "progressive": _held("a progressive JPEG", bodies.progressive),
    "png": _held("a PNG", bodies.png, "image/png"),
    "png_alpha": _held("a PNG with transparent corners", bodies.png_alpha, "image/png"),
    "png_palette": _held("a PNG with a palette", bodies.png_palette, "image/png"),
    "png_grey": _held("a grey PNG", bodies.png_grey, "image/png"),
    "png_16bit": _held("a PNG of 16 bits", bodies.png_16bit, "image/png"),
    "webp": _held("a WebP", bodies.webp, "image/webp"),
    "webp_named_jpg": _held("a WebP named and typed as a JPEG", bodies.webp),
    "gif": _held("a GIF", bodies.gif, "image/gif"),
    "bmp": _held("a BMP", bodies.bmp, "image/bmp"),
    "animated_gif": _held("an animation of four frames", bodies.animated_gif, "image/gif"),
    "tiff": _held("a TIFF", bodies.tiff, "image/tiff", address="/scans/{id}.tif"),
    "avif": _held("an AVIF", bodies.avif, "image/avif", address="/pictures/{id}.avif"),
    "mpo": _held("a multi-picture JPEG", bodies.mpo),
    "cmyk": _held("a CMYK JPEG", bodies.cmyk),
    "sideways": _held("EXIF orientation 6", bodies.sideways),
    "gps": _held("a place and a serial number in its EXIF", bodies.with_gps),
}
"""A polite client ends with the picture."""

DAMAGED: Final[dict[str, Fault]] = {
    "cut_with_end": Fault(
        summary="half a JPEG with an end marker, grey below", body=bodies.cut_with_end, flag="bad.quality"
    ),
}
"""Files that load, so that only a look at the picture says what is wrong."""

REFUSED: Final[dict[str, Fault]] = {
    "401": Fault(summary="asks for a login", answer=status(401), reason="http.401"),
    "403": Fault(summary="refuses everyone", answer=status(403), reason="http.403"),
    "404": Fault(summary="not found", answer=status(404), reason="http.404"),
    "410": Fault(summary="gone", answer=status(410), reason="http.410"),
    "451": Fault(summary="unavailable for legal reasons", answer=status(451), reason="http.4xx"),
    "429_long": Fault(
        summary="429 with Retry-After of an hour",
        answer=status(429, ("Retry-After", "3600")),
        reason="http.429",
        passing=True,
    ),
    "500": Fault(summary="500, always", answer=status(500), reason="http.5xx", passing=True),
    "503": Fault(summary="503, always", answer=status(503), reason="http.5xx", passing=True),
    "noai": Fault(summary="opts out of AI", answer=opted_out(("X-Robots-Tag", "noai")), reason="policy.header"),
    "noimageai_for_bots": Fault(
        summary="opts out in a second header and for a named bot",
        answer=opted_out(("X-Robots-Tag", "max-snippet:50"), ("X-Robots-Tag", "imgkit: noimageai")),
        reason="policy.header",
    ),
    "noindex": Fault(
        summary="asks not to be indexed", answer=opted_out(("X-Robots-Tag", "noindex")), reason="policy.header"
    ),
    "robots": Fault(summary="in a folder that robots.txt closes", reason="policy.robots", address="/private/{id}.jpg"),
}
"""The host says no."""

BROKEN_WIRE: Final[dict[str, Fault]] = {
    "reset": Fault(summary="breaks the connection, always", answer=transport.reset, reason="net.reset", passing=True),
    "silent": Fault(
        summary="never answers",
        answer=transport.silent,
        reason="net.read",
        also=("net.deadline", "net.slow"),
        passing=True,
        stalls=True,
    ),
    "slow_headers": Fault(
        summary="headers a byte a second",
        answer=transport.slow_headers,
        reason="net.slow",
        also=("net.deadline", "net.read"),
        passing=True,
        stalls=True,
    ),
    "slow_body": Fault(
        summary="a body of a byte a second",
        answer=transport.slow_body,
        reason="net.slow",
        also=("net.deadline",),
        passing=True,
        stalls=True,
    ),
    "endless": Fault(summary="a body without an end", answer=transport.endless, reason="body.too_big"),
    "announced_200mb": Fault(
        summary="announces 200 MB", answer=transport.announced(200_000_000), reason="body.too_big"
    ),
    "ends_early": Fault(
        summary="a body shorter than announced, always", answer=transport.ends_early, reason="net.short", passing=True
    ),
    "announced_short": Fault(
        summary="announces half of the body", answer=transport.announced_short, reason="img.truncated"
    ),
    "chunked_cut": Fault(
        summary="chunks without the last one",
        answer=transport.chunked_cut,
        reason="net.short",
        also=("net.reset",),
        passing=True,
    ),
    "chunked_nonsense": Fault(
        summary="a chunk whose length is no number",
        answer=transport.chunked_nonsense,
        reason="net.short",
        also=("net.reset",),
        passing=True,
    ),
    "gzip_bomb": Fault(
        summary="1 MB that unpacks to 1 GiB",
        answer=transport.gzip_bomb,
        reason="body.encoding_bomb",
        also=("body.too_big",),
    ),
    "stacked_encodings": Fault(
        summary="gzipped six times over",
        answer=transport.stacked,
        reason="body.encoding_bomb",
        also=("body.not_image",),
    ),
    "redirect_loop": Fault(summary="redirects in a circle", answer=transport.redirect_loop, reason="net.redirect"),
    "redirect_twelve": Fault(summary="moved, twelve hops", answer=redirects(12), reason="net.redirect"),
    "redirect_nowhere": Fault(
        summary="302 without a Location", answer=transport.redirect_nowhere, reason="net.redirect"
    ),
    "redirect_private": Fault(
        summary="moved to an address of a private network",
        answer=redirect_to("http://{canary}/secret.jpg"),
        reason="net.blocked_address",
    ),
    "redirect_to_file": Fault(
        summary="moved to a file of this machine", answer=redirect_to("file:///etc/hostname"), reason="net.scheme"
    ),
    "private_address": Fault(
        summary="an address of a private network",
        reason="net.blocked_address",
        address="http://{canary}/pictures/{id}.jpg",
    ),
    "refused": Fault(
        summary="nobody listens at the port",
        reason="net.connect",
        passing=True,
        address="http://{refused}/pictures/{id}.jpg",
    ),
    "no_such_host": Fault(
        summary="a name that does not resolve",
        reason="net.dns",
        passing=True,
        address="http://{id}.imgkit-demo.invalid/picture.jpg",
    ),
    "data_address": Fault(
        summary="a data: address", reason="net.scheme", address="data:image/gif;base64,R0lGODlhAQABAAAAACw=#{id}"
    ),
    "ftp_address": Fault(summary="an ftp: address", reason="net.scheme", address="ftp://ftp.example.org/{id}.jpg"),
}
"""The wire fails, or leads where a client must not go."""

NO_PICTURE: Final[dict[str, Fault]] = {
    "html_named_jpg": _held("a login page named .jpg", bodies.html, "text/html; charset=utf-8", reason="body.html"),
    "html_typed_jpeg": _held("a login page typed as a JPEG", bodies.html, reason="body.html"),
    "json_named_jpg": _held("an error message in JSON", bodies.json_error, "application/json", reason="body.not_image"),
    "empty": _held("an empty body", bodies.empty, reason="body.empty"),
    "noise": _held("random bytes", bodies.noise, reason="body.not_image"),
    "pdf": Fault(
        summary="a document",
        answer=transport.typed("application/pdf"),
        body=bodies.pdf,
        reason="body.not_image",
        also=("img.format",),
    ),
    "svg": _held("a vector drawing", bodies.svg, "image/svg+xml", reason="img.format", address="/pictures/{id}.svg"),
    "svg_named_jpg": _held("a vector drawing named .jpg", bodies.svg, reason="img.format"),
    "truncated": _held("a JPEG cut off", bodies.truncated, reason="img.truncated"),
    "truncated_png": _held("a PNG cut off", bodies.truncated_png, "image/png", reason="img.truncated"),
    "bomb_png": _held("claims 30,000 × 30,000 pixels", bodies.bomb_png, "image/png", reason="img.bomb"),
    "animated_many": _held("an animation of 600 frames", bodies.animated_many, "image/gif", reason="img.animated_many"),
    "pixel": _held("1 × 1 pixel", bodies.pixel, "image/png", reason="img.small"),
    "icon": _held("40 × 40 pixels", bodies.icon, reason="img.small"),
    "sliver": _held("1200 × 90 pixels", bodies.sliver, reason="img.aspect"),
    "blank": _held("one flat colour", bodies.blank, reason="img.blank"),
    "placeholder": _held("'not available', the same at each address", bodies.placeholder, reason="img.placeholder"),
    "redirect_placeholder": Fault(
        summary="moved to the 'not available' picture",
        answer=redirect_to("/photo_unavailable.jpg"),
        reason="img.placeholder",
    ),
}
"""The address answers, but not with a picture that is worth keeping."""

FAULTS: Final[dict[str, Fault]] = RECOVERABLE | DAMAGED | REFUSED | BROKEN_WIRE | NO_PICTURE
"""Every fault by name. Those that are over after some requests count per address, from the start of the web."""
