"""Picture files with a marker in every place that can hold something else than the picture."""

import io
import struct
import zlib

from PIL import Image, ImageCms, PngImagePlugin

MARKER = b"Jo Doe was here 51.4779N"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def photo(mode="RGB"):
    image = Image.effect_mandelbrot((160, 120), (-2.2, -1.2, 0.8, 1.2), 80).convert("RGB")
    image.paste("orange", (10, 10, 60, 40))
    return image.convert(mode)


def saved(format, image=None, **options):
    buffer = io.BytesIO()
    (image or photo()).save(buffer, format, **options)
    return buffer.getvalue()


def exif(orientation=6):
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x013B] = MARKER.decode()
    return tags.tobytes()


def profile(*, private=b"", behind=b"", reserved=b""):
    """Return an sRGB profile with a private tag, bytes in its reserved header, and bytes behind its end."""
    data = bytearray(SRGB)
    if private:
        (count,) = struct.unpack_from(">I", data, 128)
        table_end = 132 + 12 * count
        for place in range(132, table_end, 12):
            struct.pack_into(">I", data, place + 4, struct.unpack_from(">I", data, place + 4)[0] + 12)
        struct.pack_into(">I", data, 128, count + 1)
        data[table_end:table_end] = struct.pack(">4sII", b"mmod", len(data) + 12, len(private))
        data += private
    struct.pack_into(">I", data, 0, len(data))
    data[100 : 100 + len(reserved)] = reserved
    return bytes(data) + behind


PROFILE = profile(private=MARKER, behind=MARKER, reserved=MARKER)


# --- JPEG ------------------------------------------------------------------------------------------------------------
def segment(marker, payload):
    return bytes([0xFF, marker]) + (len(payload) + 2).to_bytes(2, "big") + payload


JPEG_SEGMENTS = {
    "EXIF": segment(0xE1, exif()),
    "EXIF that goes on": segment(0xE1, b"Exif\x00\x00" + MARKER),
    "XMP": segment(0xE1, b"http://ns.adobe.com/xap/1.0/\x00" + MARKER),
    "long XMP": segment(0xE1, b"http://ns.adobe.com/xmp/extension/\x00" + MARKER),
    "JFIF with a thumbnail": segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x48\x00\x48\x02\x04" + MARKER),
    "JFIF extension": segment(0xE0, b"JFXX\x00\x10" + MARKER),
    "a cut JFIF": segment(0xE0, b"JFIF\x00" + MARKER),
    "comment": segment(0xFE, MARKER),
    "IPTC": segment(0xED, b"Photoshop 3.0\x008BIM\x04\x04\x00\x00" + MARKER),
    "IPTC of old Photoshop": segment(0xED, b"Adobe_Photoshop2.5:\x008BIM" + MARKER),
    "IPTC of old Photoshop in APP14": segment(0xEE, b"Adobe_CM" + MARKER),
    "bytes behind Adobe's": segment(0xEE, b"Adobe\x00\x64\x00\x00\x00\x00\x01" + MARKER),
    "C2PA": segment(0xEB, b"JP\x00\x01\x00\x00\x00\x01jumb" + MARKER),
    "FlashPix": segment(0xE2, b"FPXR\x00" + MARKER),
    "more pictures": segment(0xE2, b"MPF\x00" + MARKER),
    "profile": segment(0xE2, b"ICC_PROFILE\x00\x01\x01" + PROFILE),
    **{f"APP{number}": segment(0xE0 + number, MARKER) for number in range(16)},
    "define number of lines": segment(0xDC, MARKER),
    "bytes between segments": MARKER,
    "fill bytes": b"\xff\xff\xff",
}


def jpeg(segments, *, behind=b"", image=None, **options):
    """Return a JPEG with segments in front and, as old cameras do, others behind the tables."""
    data = saved("JPEG", image, **options)
    scan = data.index(b"\xff\xda")
    half = len(segments) // 2
    return data[:2] + b"".join(segments[:half]) + data[2:scan] + b"".join(segments[half:]) + data[scan:] + behind


# --- PNG -------------------------------------------------------------------------------------------------------------
def chunk(name, payload):
    return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))


def chunks_of(data):
    position, found = 8, []
    while position < len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4], "big")
        found.append(data[position:end])
        position = end
    return found


def exif_chunk():
    return chunk(b"eXIf", exif().removeprefix(b"Exif\x00\x00"))


PNG_CHUNKS = {
    "text": chunk(b"tEXt", b"Author\x00" + MARKER),
    "packed text": chunk(b"zTXt", b"Author\x00\x00" + zlib.compress(MARKER)),
    "international text": chunk(b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + MARKER),
    "packed international text": chunk(b"iTXt", b"Author\x00\x01\x00\x00\x00" + zlib.compress(MARKER)),
    "EXIF": exif_chunk(),
    "time": chunk(b"tIME", MARKER),
    "resolution": chunk(b"pHYs", b"\x00\x00\x00\x01\x00\x00\x00\x01\x01" + MARKER),
    "C2PA": chunk(b"caBX", MARKER),
    "private, to be copied": chunk(b"prVt", MARKER),
    "private, not to be copied": chunk(b"prVT", MARKER),
    "an application's": chunk(b"cpIp", MARKER),
    "Fireworks": chunk(b"mkBT", MARKER),
    "suggested palette": chunk(b"sPLT", MARKER + b"\x00\x08"),
    "histogram": chunk(b"hIST", MARKER),
    "background": chunk(b"bKGD", bytes(6) + MARKER),
    "significant bits": chunk(b"sBIT", b"\x08\x08\x08" + MARKER),
    "scale": chunk(b"sCAL", b"\x01" + MARKER),
    "offset": chunk(b"oFFs", MARKER),
    "stereo": chunk(b"sTER", MARKER),
    "digital signature": chunk(b"dSIG", MARKER),
    "mastering display": chunk(b"mDCV", MARKER),
    "chromaticities": chunk(b"cHRM", bytes(32) + MARKER),
    "gamma": chunk(b"gAMA", struct.pack(">I", 45455) + MARKER),
    "rendering intent": chunk(b"sRGB", b"\x00" + MARKER),
    "code points": chunk(b"cICP", b"\x01\x0d\x00\x01" + MARKER),
    "palette of true colours": chunk(b"PLTE", MARKER),
    "transparent colour": chunk(b"tRNS", bytes(6) + MARKER),
    "profile": chunk(b"iCCP", MARKER + b"\x00\x00" + zlib.compress(PROFILE)),
    "frame data without frames": chunk(b"fdAT", bytes(4) + MARKER),
}


def png(before=(), after=(), *, ended=True, behind=b"", data=None):
    """Return a PNG with chunks before and behind its pixels."""
    head, *others, end = chunks_of(data or saved("PNG"))
    return b"\x89PNG\r\n\x1a\n" + b"".join((head, *before, *others, *after, end if ended else b"", behind))


def animated_png(extra=b""):
    data = saved("PNG", save_all=True, append_images=[photo().rotate(90), photo().rotate(180)], duration=40)
    head, *others = chunks_of(data)
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + b"".join(chunk(b"fdAT", one[8:-4] + extra) if one[4:8] == b"fdAT" else one for one in others)
    )


def png_with_text_behind_pixels(behind=MARKER):
    """Return a PNG whose pixel data go on behind the end of their zlib stream."""
    head, *others, end = chunks_of(saved("PNG"))
    pixels = b"".join(one[8:-4] for one in others if one[4:8] == b"IDAT")
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", pixels + behind) + end


def png_with_too_many_rows():
    """Return a PNG whose pixel data hold more than its rows, unpacked so that it can be read."""
    head, *others, end = chunks_of(saved("PNG"))
    pixels = zlib.decompress(b"".join(one[8:-4] for one in others if one[4:8] == b"IDAT"))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(pixels + MARKER, 0)) + end


def png_info():
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", MARKER.decode())
    return text


# --- WebP ------------------------------------------------------------------------------------------------------------
def riff_chunk(name, payload):
    return name + struct.pack("<I", len(payload)) + payload + b"\x00" * (len(payload) % 2)


WEBP_CHUNKS = {
    "EXIF": riff_chunk(b"EXIF", exif()),
    "a second EXIF": riff_chunk(b"EXIF", exif(3)),
    "XMP": riff_chunk(b"XMP ", MARKER),
    "C2PA": riff_chunk(b"C2PA", MARKER),
    "unknown": riff_chunk(b"abcd", MARKER),
    "a second profile": riff_chunk(b"ICCP", MARKER),
    "an odd length, padded with something": b"abcd" + struct.pack("<I", 3) + b"abc" + b"X",
}


def webp(chunks=(), *, behind=b"", data=None):
    """Return a WebP in the extended form with chunks behind its own."""
    body = (data or saved("WEBP", exif=exif(), icc_profile=PROFILE, xmp=MARKER))[12:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body + behind


def animated_webp():
    """Return an animation with an unknown chunk inside each frame."""
    data = saved("WEBP", save_all=True, append_images=[photo().rotate(90)], duration=40, lossless=True)
    body, position = b"", 12
    while position < len(data):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        name, payload = data[position : position + 4], data[position + 8 : position + 8 + length]
        body += riff_chunk(name, payload + riff_chunk(b"abcd", MARKER) if name == b"ANMF" else payload)
        position += 8 + length + length % 2
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


# --- GIF -------------------------------------------------------------------------------------------------------------
def blocks(payload):
    return b"".join(bytes([len(part)]) + part for part in _cut(payload)) + b"\x00"


def _cut(payload):
    return [payload[at : at + 255] for at in range(0, len(payload), 255)]


GIF_BLOCKS = {
    "comment": b"\x21\xfe" + blocks(MARKER),
    "a long comment": b"\x21\xfe" + blocks(MARKER * 30),
    "plain text": b"\x21\x01\x0c" + bytes(12) + blocks(MARKER),
    "XMP": b"\x21\xff\x0bXMP DataXMP" + blocks(MARKER),
    "profile": b"\x21\xff\x0bICCRGBG1012" + blocks(PROFILE),
    "an application": b"\x21\xff\x0bJOHN DOE1.0" + blocks(MARKER),
    "repetition with more": b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x02\x00" + blocks(MARKER),
    "buffering": b"\x21\xff\x0bNETSCAPE2.0" + blocks(b"\x02" + MARKER),
    "unknown": b"\x21\x77" + blocks(MARKER),
    "bytes between blocks": MARKER,
}


def gif(extra=(), *, codes_behind=b"", behind=b"", ended=True, frames=1):
    """Return a GIF with blocks before its first frame, and bytes behind the codes of each frame."""
    image = photo("P")
    more = [image.rotate(90 * number) for number in range(1, frames)]
    data = saved("GIF", image, save_all=True, append_images=more, duration=40, loop=3)
    start = 13 + (3 << (data[10] & 7) + 1)
    body = _with_behind_codes(data[start:-1], codes_behind) if codes_behind else data[start:-1]
    return data[:start] + b"".join(extra) + body + (b";" if ended else b"") + behind


def _with_behind_codes(body, extra):
    out, position = b"", 0
    while position < len(body):
        begin = position
        if body[position] == 0x21:
            position += 2
        else:
            position += 11 + (3 << (body[position + 9] & 7) + 1 if body[position + 9] & 0x80 else 0)
        head, codes = body[begin:position], b""
        while body[position]:
            codes += body[position + 1 : position + 1 + body[position]]
            position += 1 + body[position]
        position += 1
        out += head + blocks(codes + extra) if head[0] == 0x2C else body[begin:position]
    return out


# --- BMP, TIFF, AVIF -------------------------------------------------------------------------------------------------
def bmp(image=None, *, behind=MARKER):
    """Return a BMP with bytes between its header and its pixels, and behind them."""
    data = bytearray(saved("BMP", image))
    offset = int.from_bytes(data[10:14], "little")
    data[10:14] = struct.pack("<I", offset + len(MARKER))
    data[offset:offset] = MARKER
    return bytes(data) + behind


def tiff():
    return saved("TIFF", tiffinfo={315: MARKER.decode(), 274: 6}, icc_profile=PROFILE)


def avif():
    return saved("AVIF", exif=exif(), xmp=MARKER, quality=90)
