"""Tell from the leading bytes what a body is, before any parser of pictures sees it."""

import math
import re
from typing import Final, Literal

RASTER_FORMATS: Final[dict[str, str]] = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "AVIF": "avif",
    "TIFF": "tif",
    "JPEG2000": "jp2",
    "HEIF": "heic",  # with the package pillow-heif
}
"""The formats that can be decoded at all (Pillow's names), each with its file extension."""

_OTHER_FORMATS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"8BPS", "Photoshop"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"%PDF", "PDF"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x01\x00", "Windows icon"),
    (b"SIMPLE  =", "FITS"),
    (b"\xd7\xcd\xc6\x9a", "Windows metafile"),
    (b"\x1aE\xdf\xa3", "Matroska video"),
)
_JPEG2000: Final = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_AVIF_BRANDS: Final = frozenset((b"avif", b"avis"))
_HEIF_BRANDS: Final = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"))
HELP: Final[dict[str, str]] = {
    "SVG": "a drawing in lines; save it as PNG if it is wanted",
    "PDF": "a document; save its pictures as JPEG or PNG",
    "JPEG XL": "convert it to JPEG or PNG: djxl file.jxl file.png",
    "HEIF": "install pillow-heif (pip install pillow-heif), or convert it to JPEG",
    "Photoshop": "save it as JPEG or PNG",
    "PostScript": "save it as PNG",
    "Windows icon": "an icon",
    "FITS": "a measurement of a telescope; save it as PNG or TIFF",
    "Windows metafile": "a drawing in lines; save it as PNG if it is wanted",
    "Matroska video": "a video",
}
"""What a person can do about a format that is not decoded."""
_HEADERS: Final = 65536  # bytes in which formats say their size, with what may stand before it
_MEDIA_SIZES: Final = re.compile(rb"ispe\x00{4}(.{4})(.{4})", re.DOTALL)
_JPEG2000_SIZE: Final = re.compile(rb"(?:ihdr|\xff\x51.{4})(.{4})(.{4})", re.DOTALL)  # as a file, and its pixels alone
_TIFF_SIDES: Final = (256, 257)
_TIFF_SHORT, _TIFF_LONG = 3, 4
_TIFF_OF_32_BITS: Final = 42
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
WINDOW: Final = 1024  # leading bytes that are looked at
_JPEG_FRAMES: Final = re.compile(rb"\xff[\xc0-\xc3\xc5-\xc7\xc9-\xcb\xcd-\xcf]..[\x08\x0c](....)", re.DOTALL)


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
    if data[4:8] == b"ftyp":
        return _media_format(data)
    if data.startswith(_JPEG2000):
        return "JPEG2000"
    if data.startswith((b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")):
        return "TIFF"
    return None


def _media_format(data: bytes) -> str | None:
    """Return what an ISO media file is by its brands: the major one, and those that it says it can be read as."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end - 3, 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "AVIF"
    return "HEIF" if any(brand in _HEIF_BRANDS for brand in brands) else None


def declared_pixels(data: bytes) -> int | None:
    """Return the pixels of a frame that a header announces; None for JPEG, whose header may be anywhere, and others."""
    kind = raster_format(data)
    if kind in ("AVIF", "HEIF"):
        return max((_product(*sides) for sides in _MEDIA_SIZES.findall(data[:_HEADERS])), default=None)
    if kind == "JPEG2000":
        found = _JPEG2000_SIZE.search(data[:_HEADERS])
        return _product(found[1], found[2]) if found else None
    if kind == "TIFF":
        return _tiff_pixels(data)
    if kind == "PNG":
        sides = data[16:20], data[20:24]
        return int.from_bytes(sides[0], "big") * int.from_bytes(sides[1], "big")
    if kind == "GIF":
        return int.from_bytes(data[6:8], "little") * int.from_bytes(data[8:10], "little")
    if kind == "BMP":
        width = 2 if data[14:18] == b"\x0c\x00\x00\x00" else 4  # of a number in the header
        across, down = data[18 : 18 + width], data[18 + width : 18 + 2 * width]
        return abs(int.from_bytes(across, "little", signed=True) * int.from_bytes(down, "little", signed=True))
    if kind == "WEBP" and data[12:16] == b"VP8X":
        return (int.from_bytes(data[24:27], "little") + 1) * (int.from_bytes(data[27:30], "little") + 1)
    if kind == "WEBP" and data[12:16] == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return ((bits & 0x3FFF) + 1) * ((bits >> 14 & 0x3FFF) + 1)
    if kind == "WEBP":
        return (int.from_bytes(data[26:28], "little") & 0x3FFF) * (int.from_bytes(data[28:30], "little") & 0x3FFF)
    return None


def _product(*sides: bytes) -> int:
    return math.prod(int.from_bytes(side, "big") for side in sides)


def _tiff_pixels(data: bytes) -> int | None:
    """Return the pixels of the first page of a TIFF of 32-bit offsets whose directory can be followed."""
    order: Literal["little", "big"] = "little" if data[:1] == b"I" else "big"
    if int.from_bytes(data[2:4], order) != _TIFF_OF_32_BITS:
        return None
    start = int.from_bytes(data[4:8], order)
    sides = {}
    for at in range(start + 2, start + 2 + 12 * int.from_bytes(data[start : start + 2], order), 12):
        entry = data[at : at + 12]
        tag, kind = int.from_bytes(entry[:2], order), int.from_bytes(entry[2:4], order)
        if tag in _TIFF_SIDES and kind in (_TIFF_SHORT, _TIFF_LONG):
            sides[tag] = int.from_bytes(entry[8:10] if kind == _TIFF_SHORT else entry[8:12], order)
    return math.prod(sides.values()) if len(sides) == len(_TIFF_SIDES) else None


def declared_work(data: bytes) -> int:
    """Return about how many pixels have to be decoded, never far too few; for JPEG at a fraction of its size.

    It is what headers say, found without following the structure: whoever wants to may announce too much.
    """
    if raster_format(data) != "JPEG":
        return declared_pixels(data) or 0
    frames = (int.from_bytes(one[:2], "big") * int.from_bytes(one[2:], "big") for one in _JPEG_FRAMES.findall(data))
    return max(frames, default=0) * max(1, data.count(b"\xff\xda")) // 8


def explain_other(data: bytes) -> tuple[str, str]:
    """Return reason code and detail for a body whose leading bytes are of none of ``RASTER_FORMATS``."""
    if not data:
        return "body.empty", "0 bytes"
    head = data[:WINDOW].removeprefix(b"\xef\xbb\xbf")
    if _XML.match(head):
        return ("body.html", "XHTML") if b"<html" in head.lower() else ("img.format", _with_help(_name_of_xml(head)))
    if _HTML.match(head):
        return "body.html", "HTML"
    for magic, name in _OTHER_FORMATS:
        if data.startswith(magic):
            return "img.format", _with_help(name)
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("ascii", "replace").strip()
        return "img.format", f"ISO media file of brand {brand!r}: a video, or a picture to convert to JPEG"
    return "body.not_image", _describe(data, head)


def _with_help(name: str) -> str:
    return f"{name}: {HELP[name]}" if name in HELP else name


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
