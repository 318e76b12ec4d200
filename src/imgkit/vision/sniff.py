"""Tell from the leading bytes what a body is, before any parser of pictures sees it."""

import re
from typing import Final

RASTER_FORMATS: Final[dict[str, str]] = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "AVIF": "avif",
    "TIFF": "tif",
}
"""The formats that can be decoded at all (Pillow's names), each with its file extension."""

_OTHER_FORMATS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"8BPS", "Photoshop"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x01\x00", "Windows icon"),
    (b"SIMPLE  =", "FITS"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile"),
    (b"\x1aE\xdf\xa3", "Matroska video"),
)
_CONTAINERS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x1f\x8b", "gzip data"),
    (b"PK\x03\x04", "a zip archive"),
    (b"Rar!", "a rar archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
)
_HTML: Final = re.compile(
    rb"\s*(<!doctype\s+html|<!--|<(html|head|body|title|script|meta|center|div|p|br|h1|a)[\s>/])", re.I
)
_XML: Final = re.compile(rb"\s*<(\?xml|!doctype\s+svg|svg|[a-z]+:svg)", re.I)
_WINDOW = 1024


def raster_format(data: bytes) -> str | None:
    """Return which of ``RASTER_FORMATS`` the leading bytes announce, None when none of them."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return "BMP"
    if data[4:8] == b"ftyp" and data[8:12] in (b"avif", b"avis"):
        return "AVIF"
    if data.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "TIFF"
    return None


def explain_other(data: bytes) -> tuple[str, str]:
    """Return reason code and detail for a body whose leading bytes are of none of ``RASTER_FORMATS``."""
    if not data:
        return "body.empty", "0 bytes"
    head = data[:_WINDOW].removeprefix(b"\xef\xbb\xbf")
    if _XML.match(head):
        return ("body.html", "XHTML") if b"<html" in head.lower() else ("img.format", _name_of_xml(head))
    if _HTML.match(head):
        return "body.html", "HTML"
    for magic, name in _OTHER_FORMATS:
        if data.startswith(magic):
            return "img.format", name
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("ascii", "replace").strip()
        return "img.format", f"ISO media file of brand {brand!r}"
    return "body.not_image", _describe(data, head)


def _name_of_xml(head: bytes) -> str:
    return "SVG" if b"<svg" in head.lower() else "XML"


def _describe(data: bytes, head: bytes) -> str:
    for magic, name in _CONTAINERS:
        if data.startswith(magic):
            return name
    skipped = len(data[:64]) - len(data[:64].lstrip())
    if skipped and raster_format(data[skipped : skipped + 16]):
        return f"{skipped} bytes of white space before the picture"
    if not data.strip(b"\x00"):
        return "nothing but zero bytes"
    if head.lstrip()[:1] in (b"{", b"["):
        return "JSON"
    if all(byte >= 32 or byte in b"\t\r\n" for byte in head):
        return "text"
    return "no known leading bytes"
