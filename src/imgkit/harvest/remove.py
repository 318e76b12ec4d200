"""Take pictures out on request, with everything that was made of them, and keep them from coming back."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from imgkit.errors import UsageError
from imgkit.files import sha256_of
from imgkit.harvest.crawl.duplicate_tracker import MOVED
from imgkit.harvest.crawl.local_files import path_of
from imgkit.harvest.crawl.result_writer import THUMBNAIL
from imgkit.harvest.crawl.screening import Tombstones, as_hash, author_hash, host_hash, spellings, url_hash
from imgkit.manifest import Candidate, Image, Manifest, exclusive_access, purge
from imgkit.net.addresses import RefusedAddress, parse
from imgkit.progress import Progress, Silent
from imgkit.vision import phash
from imgkit.vision.decode import UnreadablePictureError, open_picture

SHORTEST_TEXT: Final = 6  # characters; a shorter text stands in rows that have nothing to do with a candidate
_SHA: Final = re.compile(r"[0-9a-f]{20}([0-9a-f]{44})?")
_LISTS: Final = ("*.csv", "*.json", "*.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalRequest:
    """What is to be removed: addresses of pictures or pages, hosts with all below them, authors, pictures by hash."""

    urls: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    sha256s: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What was removed, and what outside the data folder still holds it.

    Attributes:
        candidates: rows of which only hashes are left.
        pictures: removed pictures, ``copies`` of which are copies of those that were named.
        copies: exact copies share a picture; these were saved again, shrunk, mirrored or turned.
        files: deleted files of pictures.
        runs: training runs one of whose lists names one of the pictures.
        shards: addresses of shards that were written from this data folder and hold one, or may hold one.
    """

    candidates: int
    pictures: int
    files: int
    copies: int = 0
    runs: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the removal as values that JSON can hold."""
        return asdict(self)


def remove(
    data: Path,
    request: RemovalRequest,
    *,
    reason: str = "on request",
    runs: Path | None = None,
    progress: Progress | None = None,
) -> Removal:
    """Remove what ``request`` names from a data folder, with its copies.

    Afterwards no file below the data folder holds a byte of the pictures, their addresses, titles or authors: not the
    set that an undo would bring back, not a cache, an export, a backup of the manifest or a free page in it. Hashes of
    addresses, hosts, authors and pictures stay, so that later harvests leave them alone; so do perceptual hashes, by
    which copies are known that were shrunk, saved again, mirrored or turned. Copies that are in the folder already are
    removed too: those with the same bytes, and those that look the same by the rule of later harvests. The candidates
    stay as rows without content, ``policy.removed``. What was decided about the pictures stays in the log, under their
    ids, which are hashes.

    A process that is killed meanwhile leaves the rest to the next ``remove``, ``harvest`` or ``curate``.

    Args:
        data: the data folder.
        request: what to remove.
        reason: kept beside each hash; it should name nobody.
        runs: the folder of training runs, to name those that used one of the pictures.
        progress: is told what is being done.

    Raises:
        UsageError: nothing was named, a hash is none, or there is no manifest.
        LockedError: a harvest, a review, a curate or another remove is under way; nothing was changed.
        ResourceError: a file cannot be read, deleted or written. The sentence says whether anything was changed.
    """
    request, progress = _checked(request), progress or Silent()
    with (
        Manifest.open_existing(data) as manifest,
        exclusive_access(manifest.folder.locks, "remove", running=("harvest", "review")),
    ):
        purge.finish(manifest)
        found = _find(manifest, request, progress)
        texts = {text for one in found.gone for text in _addresses(one)}
        with manifest.together(durable=True):  # rows and tombstones first: a crash leaves files, and never a row less
            _write_tombstones(manifest, found, request, reason)
            manifest.settle(_without_picture(one) for one in found.gone)
            manifest.settle(replace(one, detail="") for one in found.telling)
            manifest.remove_images(found.images)
            manifest.forget_in_searches(texts)
            manifest.forget_hosts(_unused_hosts(manifest, found.gone))
            manifest.forget_in_runs(texts)
            purge.begin(manifest, found.erasure)
        shards = _shards_that_name(manifest, found.images)
        progress.start("erasing files")
        files = purge.finish(manifest)
    return Removal(
        candidates=len(found.gone),
        pictures=len(found.images),
        copies=len(found.copies),
        files=files,
        runs=_runs_that_name(runs, list(found.images)) if runs else (),
        shards=shards,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What ``request`` names in a data folder: candidates, pictures by id, and which of these are copies of others.

    ``telling`` are candidates that stay and whose detail names a removed host or address, such as one that a redirect
    led to and that did not answer.
    """

    tombstones: Tombstones
    gone: tuple[Candidate, ...]
    telling: tuple[Candidate, ...]
    images: dict[str, Image]
    copies: frozenset[str]
    looks: frozenset[str]
    erasure: purge.Erasure


def _find(manifest: Manifest, request: RemovalRequest, progress: Progress) -> _Found:
    tombstones = Tombstones(
        urls=frozenset(url_hash(form) for url in request.urls for form in spellings(url)),
        hosts=frozenset(map(host_hash, request.hosts)),
        authors=frozenset(map(author_hash, request.authors)),
    )
    everything = [one for label in manifest.labels() for one in manifest.candidates(label=label)]
    named = {one.id for one in everything if _names(tombstones, one)}
    wanted = {one.image_id for one in everything if one.id in named and one.image_id is not None}
    wanted |= {one[:20] for one in request.sha256s}
    known = manifest.images()
    copies, looks = _copies(manifest, wanted & set(known), progress)
    images = {image_id: known[image_id] for image_id in known if image_id in wanted | copies}
    gone = [one for one in everything if one.id in named or one.image_id in images]
    theirs = replace(
        tombstones,
        urls=tombstones.urls
        | {url_hash(form) for one in gone for url in _pictures_of(one) if url for form in spellings(url)},
    )
    ids = {one.id for one in gone}
    gone = [one for one in everything if one.id in ids or _names(theirs, one)]  # the same address, elsewhere
    ids = {one.id for one in gone}
    texts = [*request.hosts, *(text for one in gone for text in _addresses(one))]
    return _Found(
        tombstones=tombstones,
        gone=tuple(gone),
        telling=tuple(
            one for one in everything if one.detail and one.id not in ids and any(text in one.detail for text in texts)
        ),
        images=images,
        copies=frozenset(copies),
        looks=frozenset(looks),
        erasure=_erasure(manifest, images),
    )


def _names(tombstones: Tombstones, one: Candidate) -> bool:
    """Return whether a candidate is covered: what was proposed, or the address that its picture came from."""
    return bool(tombstones.cover(one.proposal) or tombstones.cover_addresses((_came_from(one),)))


def _came_from(one: Candidate) -> str:
    """Return the address that a redirect led to, or that of a thumbnail; "" where the picture is at its own address."""
    return next((one.detail.removeprefix(begin) for begin in (MOVED, THUMBNAIL) if one.detail.startswith(begin)), "")


def _copies(manifest: Manifest, wanted: Collection[str], progress: Progress) -> tuple[set[str], set[str]]:
    """Return the ids of pictures that look like one of ``wanted`` and are not among them, and how ``wanted`` look.

    Every harvested picture is looked at once, by the rule by which later harvests know copies. A damaged file has no
    look.
    """
    if not wanted:
        return set(), set()
    files = {path.stem: path for path in manifest.folder.harvested.glob("*/*.jpg")}
    progress.start("looking for copies", len(files))
    seen: dict[str, phash.PerceptualHash] = {}
    for image_id, path in files.items():
        with suppress(UnreadablePictureError):
            seen[image_id] = phash.orientations(open_picture(path))
        progress.advance()
    looks = {seen[image_id].orientations[0] for image_id in wanted if image_id in seen and not seen[image_id].flat}
    removed = Tombstones(looks=frozenset(looks))
    copies = {
        image_id
        for image_id, one in seen.items()
        if image_id not in wanted and not one.flat and removed.cover_picture("", one.orientations)
    }
    looks |= {seen[image_id].orientations[0] for image_id in copies}
    return copies, {f"{look:016x}" for look in looks}


def _erasure(manifest: Manifest, images: Mapping[str, Image]) -> purge.Erasure:
    folder = manifest.folder
    paths = [folder.original(image.sha256, image.extension) for image in images.values()]
    paths += [path for path in folder.harvested.glob("*/*.jpg") if path.stem in images]
    contents = {(path.stat().st_size, sha256_of(path)) for path in paths if path.is_file()}
    return purge.Erasure(image_ids=frozenset(images), contents=frozenset(contents))


def _pictures_of(one: Candidate) -> tuple[str, ...]:
    """Return the addresses of the picture of a candidate; its page may show others, which stay."""
    return (one.proposal.url, *one.proposal.fallbacks, _came_from(one))


def _addresses(one: Candidate) -> set[str]:
    """Return the texts by which other rows may name a candidate: addresses, and the path of a file as it is written."""
    found = {*_pictures_of(one), one.proposal.page_url, one.proposal.thumbnail}
    paths = {path_of(url) for url in found if url.startswith("file:")}
    found |= {text for path in paths for text in (str(path), path.name)}  # a search's bookmark holds the last name
    found |= {one.proposal.title} if one.provider in ("folder", "files") else set()
    return {text for text in found if len(text) >= SHORTEST_TEXT}


def _unused_hosts(manifest: Manifest, gone: Sequence[Candidate]) -> set[str]:
    """Return the hosts that something is known of and that only removed candidates were on."""
    left_out = {one.id for one in gone}
    hosts = {_host_of(url) for one in gone for url in (*_pictures_of(one), one.proposal.page_url)} - {""}
    used = {_host_of(one.proposal.url) for one in manifest.each_candidate() if one.id not in left_out}
    return {name for name in manifest.known_hosts() if _covers(name, hosts) and not _covers(name, used)}


def _covers(known: str, hosts: Collection[str]) -> bool:
    name = _host_of(known) if "//" in known else known.rsplit(":", 1)[0].lower()
    return any(host == name or host.endswith(f".{name}") for host in hosts)


def _host_of(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""


def _shards_that_name(manifest: Manifest, image_ids: Collection[str]) -> tuple[str, ...]:
    """Return the shards written from this folder that hold one of the pictures; what cannot be read here may hold one.

    Tars name their members in clear; Parquet tables and places on other machines are not looked into.
    """
    named = [re.compile(image_id.encode()) for image_id in image_ids]
    found = []
    for url in dict.fromkeys(str(run["url"]) for run in manifest.runs("shards") if "url" in run):
        tars = sorted(Path(url).glob("*.tar"))
        if image_ids and (not tars or any(one.search(tar.read_bytes()) for tar in tars for one in named)):
            found.append(url)
    return tuple(found)


def _checked(request: RemovalRequest) -> RemovalRequest:
    if not any((request.urls, request.hosts, request.authors, request.sha256s)):
        raise UsageError("nothing is named. Nothing was changed. Give --url, --host, --author or --sha.")
    hashes = tuple(one.strip().lower() for one in request.sha256s)
    for one in hashes:
        if not _SHA.fullmatch(one):
            raise UsageError(
                f"--sha {one}: a hash has 64 hex digits, the name of a picture 20. Nothing was changed. Copy it from "
                "manifest.csv."
            )
    return replace(request, sha256s=hashes, hosts=tuple(_host(one) for one in request.hosts))


def _host(text: str) -> str:
    """Return the name of a host as it is asked for: lower case, in ASCII, without a port.

    Raises:
        UsageError: it is none.
    """
    host = (urlsplit(text).hostname or "") if "//" in text else text.strip()
    if not host or "/" in host:
        raise UsageError(f"--host {text}: not the name of a host. Nothing was changed. Write it as: example.org")
    literal = host.count(":") > 1 and not host.startswith("[")  # IPv6
    try:
        return parse(f"http://[{host}]/" if literal else f"http://{host}/").host
    except RefusedAddress:
        return host  # such a host is never asked, and may have been proposed


def _write_tombstones(manifest: Manifest, found: _Found, request: RemovalRequest, reason: str) -> None:
    for host in manifest.tombstones("host"):
        manifest.replace_tombstone("host", host, as_hash(host))  # earlier versions kept the names
    manifest.add_tombstones("url", found.tombstones.urls, reason=reason)
    manifest.add_tombstones("host", found.tombstones.hosts, reason=reason)
    manifest.add_tombstones("author", found.tombstones.authors, reason=reason)
    whole = {one for one in request.sha256s if len(one) == 64}
    manifest.add_tombstones("sha256", whole | {image.sha256 for image in found.images.values()}, reason=reason)
    manifest.add_tombstones("look", found.looks, reason=reason)


def _without_picture(one: Candidate) -> Candidate:
    return replace(
        one, state="rejected", reason="policy.removed", detail="removed on request", image_id=None, next_try_at=None
    )


def _runs_that_name(runs: Path, image_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the runs one of whose lists holds the name of a picture."""
    if not image_ids:
        return ()
    any_of_them = re.compile("|".join(image_ids))
    return tuple(sorted(run.name for run in runs.glob("*/") if _holds(run, any_of_them.search)))


def _holds(run: Path, search: Callable[[str], object]) -> bool:
    return any(search(file.read_text(encoding="utf-8", errors="replace")) for kind in _LISTS for file in run.glob(kind))
