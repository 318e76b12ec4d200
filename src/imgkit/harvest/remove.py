"""Take pictures out on request, with everything that was made of them, and keep them from coming back."""

import re
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from imgkit.errors import UsageError
from imgkit.harvest.screening import Tombstones, buried_author, buried_host, buried_url
from imgkit.manifest import Candidate, Image, Manifest, sole_owner
from imgkit.manifest.exports import write_exports
from imgkit.vision import phash
from imgkit.vision.decode import open_picture

_SHA: Final = re.compile(r"[0-9a-f]{20}([0-9a-f]{44})?")
_LISTS: Final = ("*.csv", "*.json", "*.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What is to be removed: addresses of pictures or pages, hosts with all below them, authors, pictures by hash."""

    urls: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    sha256s: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed: candidates, pictures, files; and the training runs that name one of the pictures."""

    candidates: int
    pictures: int
    files: int
    runs: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the removal as values that JSON can hold."""
        return asdict(self)


def remove(data: Path, wishes: Wishes, *, reason: str = "on request", runs: Path | None = None) -> Removal:
    """Remove what ``wishes`` names from a data folder.

    The candidates stay as rows without a picture, ``policy.removed``. Hashes of addresses, authors and pictures, and
    the names of hosts, are kept so that a later harvest leaves them alone; so are perceptual hashes, by which it knows
    copies that were shrunk, saved again, mirrored or turned. What was decided about the pictures stays in the log.

    Args:
        data: the data folder.
        wishes: what to remove.
        reason: kept beside each hash.
        runs: the folder of training runs, to name those that used one of the pictures.

    Raises:
        UsageError: nothing was named, a hash is none, or there is no manifest.
        LockedError: a harvest is under way.
    """
    wishes = _checked(wishes)
    with Manifest.open_existing(data) as manifest, sole_owner(manifest.folder.locks, "harvest"):
        tombstones = Tombstones(
            urls=frozenset(map(buried_url, wishes.urls)),
            hosts=frozenset(map(buried_host, wishes.hosts)),
            authors=frozenset(map(buried_author, wishes.authors)),
        )
        everything = [one for label in manifest.labels() for one in manifest.candidates(label=label)]
        named = {one.id for one in everything if tombstones.cover(one.proposal)}
        images = _images(manifest, everything, named, wishes.sha256s)
        gone = [one for one in everything if one.id in named or one.image_id in images]
        paths = _paths(manifest, images)
        looks = _looks(manifest, images)
        with manifest.together(durable=True):  # rows and tombstones first: a crash leaves files, and never a row less
            _bury(manifest, tombstones, wishes, images.values(), reason)
            manifest.bury("look", looks, reason=reason)
            manifest.settle(_without_picture(one) for one in gone)
            manifest.remove_images(images)
        files = sum(_delete(path) for path in paths)
        shutil.rmtree(manifest.folder.cache, ignore_errors=True)  # thumbnails and features of what is gone
        write_exports(manifest)
    return Removal(
        candidates=len(gone),
        pictures=len(images),
        files=files,
        runs=_runs_that_name(runs, list(images)) if runs else (),
    )


def _checked(wishes: Wishes) -> Wishes:
    if not any((wishes.urls, wishes.hosts, wishes.authors, wishes.sha256s)):
        raise UsageError("nothing is named. Nothing was changed. Give --url, --host, --author or --sha.")
    hashes = tuple(one.strip().lower() for one in wishes.sha256s)
    for one in hashes:
        if not _SHA.fullmatch(one):
            raise UsageError(
                f"--sha {one}: a hash has 64 hex digits, the name of a picture 20. Nothing was changed. Copy it from "
                "manifest.csv."
            )
    return replace(wishes, sha256s=hashes, hosts=tuple(_host(one) for one in wishes.hosts))


def _host(text: str) -> str:
    host = (urlsplit(text).hostname or "") if "//" in text else text
    if not host or "/" in host:
        raise UsageError(f"--host {text}: not the name of a host. Nothing was changed. Write it as: example.org")
    return host


def _images(
    manifest: Manifest, everything: Sequence[Candidate], named: Collection[int], hashes: Sequence[str]
) -> dict[str, Image]:
    wanted = {one.image_id for one in everything if one.id in named and one.image_id is not None}
    wanted |= {one[:20] for one in hashes}
    return {image_id: image for image_id, image in manifest.images().items() if image_id in wanted}


def _paths(manifest: Manifest, images: dict[str, Image]) -> list[Path]:
    folder = manifest.folder
    paths = [folder.original(image.sha256, image.extension) for image in images.values()]
    for place in (folder.harvested, folder.curated):
        paths += [path for path in place.glob("*/*.jpg") if path.stem in images]
    return paths


def _looks(manifest: Manifest, images: Collection[str]) -> set[str]:
    """Return the perceptual hashes of pictures, from the files that we made of them."""
    files = {path.stem: path for path in manifest.folder.harvested.glob("*/*.jpg") if path.stem in images}
    seen = [phash.orientations(open_picture(path)) for path in files.values()]
    return {f"{one.orientations[0]:016x}" for one in seen if not one.flat}


def _bury(manifest: Manifest, tombstones: Tombstones, wishes: Wishes, images: Collection[Image], reason: str) -> None:
    manifest.bury("url", tombstones.urls, reason=reason)
    manifest.bury("host", tombstones.hosts, reason=reason)
    manifest.bury("author", tombstones.authors, reason=reason)
    whole = {one for one in wishes.sha256s if len(one) == 64}
    manifest.bury("sha256", whole | {image.sha256 for image in images}, reason=reason)


def _without_picture(one: Candidate) -> Candidate:
    return replace(
        one, state="rejected", reason="policy.removed", detail="removed on request", image_id=None, next_try_at=None
    )


def _delete(path: Path) -> bool:
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def _runs_that_name(runs: Path, image_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the runs one of whose lists holds the name of a picture."""
    if not image_ids:
        return ()
    any_of_them = re.compile("|".join(image_ids))
    return tuple(sorted(run.name for run in runs.glob("*/") if _holds(run, any_of_them.search)))


def _holds(run: Path, search: Callable[[str], object]) -> bool:
    return any(search(file.read_text(encoding="utf-8", errors="replace")) for kind in _LISTS for file in run.glob(kind))
