"""What an address may hold instead of a plain JPEG: good pictures in odd forms, and things that are no picture."""

import io
import random
import struct
import zlib

from PIL import Image, ImageDraw

DEEP_BLUE = (38, 52, 110)


def truncated(data: bytes) -> bytes:
    """The first 60 % of a JPEG."""
    return data[: len(data) * 6 // 10]


def cut_with_end(data: bytes) -> bytes:
    """Half of a JPEG with an end marker glued on: it loads, with a flat lower part."""
    return data[: len(data) // 2] + b"\xff\xd9"


def truncated_png(data: bytes) -> bytes:
    """The first half of a PNG."""
    png = _save(_open(data).convert("RGB"), "PNG", compress_level=1)
    return png[: len(png) // 2]


def bomb_png(data: bytes) -> bytes:
    """A small PNG whose header claims 30,000 × 30,000 pixels."""
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(100_000), 9)
    return b"\x89PNG\r\n\x1a\n" + _png_chunk(b"IHDR", header) + _png_chunk(b"IDAT", pixels) + _png_chunk(b"IEND", b"")


def pixel(data: bytes) -> bytes:
    """A tracking pixel: 1 × 1, transparent."""
    return _save(Image.new("RGBA", (1, 1), (0, 0, 0, 0)), "PNG")


def icon(data: bytes) -> bytes:
    """A 40 × 40 icon."""
    return _save(_open(data).convert("RGB").resize((40, 40)), "JPEG")


def sliver(data: bytes) -> bytes:
    """A banner, 1200 × 90."""
    return _save(_open(data).convert("RGB").resize((1200, 90)), "JPEG")


def blank(data: bytes) -> bytes:
    """One flat colour, 600 × 400."""
    return _save(Image.new("RGB", (600, 400), DEEP_BLUE), "JPEG")


def html(data: bytes) -> bytes:
    """A login page."""
    return (
        b"<!DOCTYPE html><html><head><title>Sign in</title></head><body><h1>Please sign in to see this picture</h1>"
        b"<form><input name='user'><input name='password' type='password'></form></body></html>"
    )


def json_error(data: bytes) -> bytes:
    """An error of an interface."""
    return b'{"error": {"code": "NoSuchKey", "message": "The specified key does not exist."}}'


def empty(data: bytes) -> bytes:
    """Nothing at all."""
    return b""


def noise(data: bytes) -> bytes:
    """20 kB of random bytes, the same each time."""
    return random.Random(7).randbytes(20_000)


def pdf(data: bytes) -> bytes:
    """The beginning of a document."""
    return b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"


def svg(data: bytes) -> bytes:
    """A vector drawing."""
    return (
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="600" height="400">'
        b'<rect width="600" height="400" fill="#ddd"/><circle cx="300" cy="200" r="90" fill="#b00"/></svg>'
    )


def tiff(data: bytes) -> bytes:
    """The picture as a TIFF."""
    return _save(_open(data).convert("RGB"), "TIFF")


def avif(data: bytes) -> bytes:
    """The picture as an AVIF."""
    return _save(_open(data).convert("RGB"), "AVIF", quality=80, speed=10)


def progressive(data: bytes) -> bytes:
    """The picture as a progressive JPEG."""
    return _save(_open(data).convert("RGB"), "JPEG", quality=88, progressive=True)


def png(data: bytes) -> bytes:
    """The picture as a PNG."""
    return _save(_open(data).convert("RGB"), "PNG", compress_level=1)


def png_alpha(data: bytes) -> bytes:
    """The picture as a PNG whose corners are transparent."""
    image = _open(data).convert("RGBA")
    mask = Image.new("L", image.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, image.width - 1, image.height - 1), min(image.size) // 8, fill=255)
    image.putalpha(mask)
    return _save(image, "PNG", compress_level=1)


def png_palette(data: bytes) -> bytes:
    """The picture as a PNG of 64 colours, one of them transparent."""
    return _save(_open(data).convert("RGB").quantize(64), "PNG", transparency=0)


def png_grey(data: bytes) -> bytes:
    """The picture as a grey PNG."""
    return _save(_open(data).convert("L"), "PNG", compress_level=1)


def png_16bit(data: bytes) -> bytes:
    """The picture in grey with 16 bits a pixel."""
    image = _open(data).convert("L")
    wide = Image.frombytes("I;16", image.size, b"".join(bytes((value, value)) for value in image.tobytes()))
    return _save(wide, "PNG", compress_level=1)


def webp(data: bytes) -> bytes:
    """The picture as a WebP."""
    return _save(_open(data).convert("RGB"), "WEBP", quality=85, method=0)


def gif(data: bytes) -> bytes:
    """The picture as a GIF."""
    return _save(_open(data).convert("RGB").quantize(128), "GIF")


def bmp(data: bytes) -> bytes:
    """The picture as a BMP."""
    return _save(_open(data).convert("RGB"), "BMP")


def animated_gif(data: bytes) -> bytes:
    """The picture as an animation of four frames; the first is the picture."""
    frames = _frames(data, 4)
    return _save(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=200)


def animated_many(data: bytes) -> bytes:
    """An animation of 600 small frames."""
    frames = [Image.new("P", (120, 90), index % 256) for index in range(600)]
    return _save(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=20, optimize=False)


def mpo(data: bytes) -> bytes:
    """The picture as a camera's multi-picture file of two frames."""
    frames = _frames(data, 2)
    return _save(frames[0], "MPO", save_all=True, append_images=frames[1:])


def cmyk(data: bytes) -> bytes:
    """The picture as a CMYK JPEG."""
    return _save(_open(data).convert("RGB").convert("CMYK"), "JPEG", quality=90)


def sideways(data: bytes) -> bytes:
    """The picture stored lying on its side with EXIF orientation 6, which says how to turn it up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return _save(_open(data).convert("RGB").transpose(Image.Transpose.ROTATE_90), "JPEG", quality=92, exif=exif)


def with_gps(data: bytes) -> bytes:
    """The picture with a place, an owner and a serial number in its EXIF."""
    exif = Image.Exif()
    exif[0x013B] = "Ada Example"
    exif.get_ifd(0x8769)[0xA431] = "SN-123456"
    exif.get_ifd(0x8825).update({1: "N", 2: (28.0, 32.0, 17.0), 3: "W", 4: (81.0, 22.0, 45.0)})
    return _save(_open(data).convert("RGB"), "JPEG", quality=92, exif=exif)


def placeholder(data: bytes) -> bytes:
    """The picture that says that there is no picture, the same bytes for every address."""
    image = Image.new("RGB", (500, 375), (236, 236, 236))
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 479, 354), outline=(200, 200, 200), width=3)
    draw.ellipse((190, 95, 310, 215), outline=(160, 160, 160), width=8)
    draw.line((208, 197, 292, 113), fill=(160, 160, 160), width=8)
    draw.text((250, 260), "This photo is no longer available", fill=(120, 120, 120), anchor="mm", font_size=22)
    return _save(image, "JPEG", quality=90)


def _open(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


def _frames(data: bytes, count: int) -> list[Image.Image]:
    first = _open(data).convert("RGB")
    return [first, *(first.rotate(3 * index) for index in range(1, count))]


def _save(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
