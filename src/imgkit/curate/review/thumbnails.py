"""Make the pictures that leave this machine's disk: thumbnails, views and enlargements, re-encoded and upright."""

import hashlib
import io
import logging
import os
import threading
from pathlib import Path
from typing import Final

from PIL import Image

from imgkit.curate.pictures import ItemPicture
from imgkit.manifest import DataFolder
from imgkit.vision.decode import OWN_FILES, Rejected, decode
from imgkit.vision.resize import jpeg_bytes, shrink

logger = logging.getLogger(__name__)

THUMB_SIZES: Final = (192, 384)
VIEW_PX: Final = 1280
ZOOM_PX: Final = 2560
THUMB_QUALITY: Final = 80
_WEBP_METHOD: Final = 2  # 4 takes twice as long and saves 3 % of the bytes


class Thumbnails:
    """Pictures of a data folder by image id. Safe for threads.

    Files are opened only below ``harvested/`` and ``originals/``: a link that leads elsewhere is not followed.
    """

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._cache = folder.cache / "thumbs"

    def thumb(self, picture: ItemPicture, size: int) -> bytes | None:
        """Return a WebP thumbnail whose longest side is at most ``size`` pixels; None if there is no picture."""
        kept = self._cache / picture.file_sha256[:2] / f"{picture.file_sha256}_{size}.webp"
        try:
            data = kept.read_bytes()
            if data[:4] == b"RIFF":
                return data
        except OSError:
            pass
        body = self._harvested(picture)
        if body is None:
            return None
        made = thumb_bytes(body, size)
        if made is not None and hashlib.sha256(body).hexdigest() == picture.file_sha256:
            _keep(kept, made)
        return made

    def view(self, picture: ItemPicture) -> bytes | None:
        """Return the picture as it would be trained on, as JPEG of at most 1280 px; None if there is none.

        A file that still is what imgkit wrote (by its hash) leaves as it is: imgkit encoded it, without metadata.
        """
        body = self._harvested(picture)
        if body is None:
            return None
        ours = hashlib.sha256(body).hexdigest() == picture.file_sha256
        if ours and body[:3] == b"\xff\xd8\xff" and len(body) < 1 << 20:
            return body
        return reencoded(body, VIEW_PX)

    def zoom(self, picture: ItemPicture) -> bytes | None:
        """Return the original as JPEG of at most 2560 px, the view where the original is gone."""
        for original in self._folder.originals.glob(f"{picture.sha256[:2]}/{picture.sha256}.*"):
            body = _read_below(self._folder.originals, original)
            if body is not None and (data := reencoded(body, ZOOM_PX)) is not None:
                return data
        return self.view(picture)

    def _harvested(self, picture: ItemPicture) -> bytes | None:
        return _read_below(self._folder.harvested, picture.path)


def thumb_bytes(body: bytes, size: int) -> bytes | None:
    """Return a picture's bytes as a WebP thumbnail, None if they are no picture."""
    outcome = decode(body, limits=OWN_FILES, longest=size)
    if isinstance(outcome, Rejected):
        return None
    buffer = io.BytesIO()
    shrink(_bare(outcome.image), size).save(buffer, "WEBP", quality=THUMB_QUALITY, method=_WEBP_METHOD)
    return buffer.getvalue()


def reencoded(body: bytes, longest: int) -> bytes | None:
    """Return a picture's bytes as upright sRGB JPEG without metadata, None if they are no picture."""
    outcome = decode(body, limits=OWN_FILES, longest=longest)
    return None if isinstance(outcome, Rejected) else jpeg_bytes(shrink(outcome.image, longest))


def _bare(image: Image.Image) -> Image.Image:
    bare = Image.new(image.mode, image.size)
    bare.paste(image)  # leaves EXIF, profile and comment behind
    return bare


def _read_below(root: Path, path: Path) -> bytes | None:
    """Return the bytes of a file that really lies below ``root``, None where there is none or a link leads out."""
    try:
        if not path.resolve(strict=True).is_relative_to(root.resolve()):
            logger.warning("%s leads out of the data folder and is not shown", path)
            return None
        return path.read_bytes()
    except OSError:
        return None


def _keep(target: Path, data: bytes) -> None:
    """Put a thumbnail into the cache; whole or not at all, and no harm where it cannot be written."""
    temporary = target.with_name(f".tmp-{os.getpid()}-{threading.get_ident()}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(target)
    except OSError as error:
        logger.debug("thumbnail not cached: %s", error)
