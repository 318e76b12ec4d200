"""Turn any picture mode into 8-bit sRGB on white, saying what had to be done."""

import io
from functools import lru_cache
from typing import Final

import numpy as np
from PIL import Image, ImageCms

WHITE: Final = (255, 255, 255)
_ALPHA_MODES: Final = ("RGBA", "LA", "PA", "La", "RGBa")
_DEEP_MODES: Final = ("I", "F")
_SRGB: Final = ImageCms.createProfile("sRGB")


def to_srgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    """Return the loaded ``image`` as 8-bit RGB in sRGB, alpha on white, and notes on what was done."""
    notes: list[str] = []
    profile = image.info.get("icc_profile")
    if image.mode in _DEEP_MODES or image.mode.startswith("I;16"):
        image = _eight_bits(image)
        notes.append("more than 8 bits")
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image, transparent = _on_white(image)
        if transparent:
            notes.append("alpha on white")
    elif image.mode not in ("RGB", "L", "CMYK"):
        if image.mode == "1":
            notes.append("1 bit")
        image = image.convert("RGB")
    if image.mode == "CMYK":
        notes.append("CMYK")
    if isinstance(profile, bytes) and profile and not is_srgb(profile):
        image, note = _through_profile(image, profile)
        notes.append(note)
    return (image if image.mode == "RGB" else image.convert("RGB")), notes


@lru_cache(maxsize=128)
def is_srgb(profile: bytes) -> bool:
    """Return whether an ICC profile calls itself sRGB (a conversion would change nothing that counts)."""
    try:
        described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except Exception:  # a profile from the web: any failure means "not known to be sRGB"
        return False
    return described.strip().lower().startswith(("srgb", "c2 ", "c2\n"))  # c2: the tiny sRGB profile of many resizers


def _through_profile(image: Image.Image, profile: bytes) -> tuple[Image.Image, str]:
    try:
        converted = _transform(profile, image.mode).apply(image)
    except Exception:  # a broken profile, or one for another number of channels, raises several kinds
        return image, "unusable colour profile ignored"
    return converted, "colour profile to sRGB"


@lru_cache(maxsize=16)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """Return the way from a profile to sRGB; to find it takes longer than to go it, and a harvest has few profiles."""
    return ImageCms.buildTransform(ImageCms.ImageCmsProfile(io.BytesIO(profile)), _SRGB, mode, "RGB")


def _on_white(image: Image.Image) -> tuple[Image.Image, bool]:
    layered = image.convert("RGBA")
    alpha = layered.getchannel("A")
    lowest, _ = alpha.getextrema()
    flat = Image.new("RGB", layered.size, WHITE)
    flat.paste(layered, mask=alpha)
    return flat, lowest != 255


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale deep grey to 8 bits by the range its values are in: 8, 12 or 16 bits, 0 to 1, else their own."""
    values = np.asarray(image, dtype=np.float64)
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 65535:
        scaled = (values - low) * (255.0 / (high - low))
    elif image.mode == "F" and high <= 1.0:
        scaled = values * 255.0
    elif high <= 255:
        scaled = values
    else:
        scaled = values * (255.0 / (4095.0 if high <= 4095 else 65535.0))
    return Image.fromarray(scaled.round().clip(0, 255).astype(np.uint8))
