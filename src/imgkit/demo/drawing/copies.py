"""What happens to a picture on its way from site to site: the changes that make near-copies."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageOps


@dataclass(frozen=True, slots=True)
class PixelChange:
    """A change of the pixels, and the JPEG quality with which the copy is written."""

    apply: Callable[[Image.Image], Image.Image]
    quality: int = 85


def _same(image: Image.Image) -> Image.Image:
    return image


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    size = (round(image.width * factor), round(image.height * factor))
    return image.resize(size, Image.Resampling.LANCZOS)


def _cropped(image: Image.Image) -> Image.Image:
    dx, dy = image.width // 25, image.height // 25
    return image.crop((dx, dy, image.width - dx // 2, image.height - dy // 2))


def _captioned(image: Image.Image) -> Image.Image:
    bar = max(18, image.height // 14)
    framed = Image.new("RGB", (image.width, image.height + bar), (250, 250, 250))
    framed.paste(image)
    text = "Snake of the week, photo by a reader"
    ImageDraw.Draw(framed).text((8, image.height + bar / 2), text, fill=(20, 20, 20), anchor="lm", font_size=bar * 0.55)
    return framed


def _watermarked(image: Image.Image) -> Image.Image:
    marked = image.copy()
    place = (image.width - 8, image.height - 8)
    ImageDraw.Draw(marked).text(place, "© fieldnotes", fill=(240, 240, 240), anchor="rs", font_size=image.height // 18)
    return marked


CHANGES: Final[dict[str, PixelChange]] = {
    "recompressed": PixelChange(_same, quality=45),
    "smaller": PixelChange(lambda image: _scaled(image, 0.6)),
    "larger": PixelChange(lambda image: _scaled(image, 1.3)),
    "cropped": PixelChange(_cropped),
    "mirrored": PixelChange(ImageOps.mirror),
    "captioned": PixelChange(_captioned),
    "watermarked": PixelChange(_watermarked),
    "brighter": PixelChange(lambda image: ImageEnhance.Brightness(image).enhance(1.18)),
}
"""Every change by name."""
