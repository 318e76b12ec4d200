"""Take pictures that a person put into the set into the harvest: original, file and rows, as for any other picture."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from imgkit.curate.pictures import ItemPicture
from imgkit.curate.publish.manual_edits import LIMITS, Added
from imgkit.files import NO_FILE, read_file, write_atomically
from imgkit.manifest import Image, Item, Manifest, Proposal, Query, SearchState
from imgkit.vision.decode import LIMITS as HARVEST
from imgkit.vision.decode import Decoded, decode
from imgkit.vision.metadata import strip_metadata
from imgkit.vision.resize import jpeg_bytes, shrink
from imgkit.vision.sniff import RASTER_FORMATS, raster_format

PROVIDER: Final = "folder"
DEFAULT_SIZE: Final = 500  # longest side in pixels, where no harvest said another


def adopt(manifest: Manifest, added: Iterable[Added]) -> list[tuple[str, str]]:
    """Make pictures that lie in ``curated/`` part of the harvest, and return them as (label, image id).

    The original goes to ``originals/`` without its metadata, a file of the harvest's size to ``harvested/``; a JPEG
    that is small enough and holds no metadata stays as it is. A picture that took another one's place inherits its
    author, its licence and the page where it was found. Labels must be known. Doing it twice is the same as once.

    Raises:
        ResourceError: disk full, no permission, or a file that could not be read; what was adopted stays.
    """
    size = _size(manifest)
    adopted = []
    for one in added:
        try:
            data = read_file(one.path)
        except NO_FILE:
            continue
        decoded = decode(data, limits=LIMITS)
        if isinstance(decoded, Decoded):
            _adopt(manifest, one, data, decoded, size)
            adopted.append((one.label, one.image_id))
    return adopted


def _adopt(manifest: Manifest, one: Added, data: bytes, decoded: Decoded, size: int) -> None:
    stored = strip_metadata(data, decoded.format)
    extension = RASTER_FORMATS[raster_format(stored) or decoded.format]  # some are written again as PNG
    if decoded.format not in HARVEST.formats or decoded.width * decoded.height > HARVEST.max_pixels:
        stored, extension = jpeg_bytes(shrink(decoded.image, 4 * size)), "jpg"  # what a harvest can open again
    image = Image(
        sha256=one.sha256,
        stored_sha256=_sha256(stored),
        extension=extension,
        bytes=len(stored),
        width=decoded.width,
        height=decoded.height,
        frames=decoded.frames,
        notes=decoded.notes,
    )
    write_atomically(manifest.folder.original(image.sha256, image.extension), stored)
    as_it_is = decoded.format == "JPEG" and stored == data and max(decoded.width, decoded.height) <= size
    small = decoded.image if as_it_is else shrink(decoded.image, size)
    jpeg = data if as_it_is and decoded.image.mode == "RGB" and not decoded.notes else jpeg_bytes(small)
    write_atomically(manifest.folder.harvested_file(one.label, image.id), jpeg, durable=False)
    item = Item(label=one.label, image_id=image.id, width=small.width, height=small.height, file_sha256=_sha256(jpeg))
    with manifest.together():
        manifest.put_image(image)
        _put_candidate(manifest, one)
        manifest.put_items([item])


def _put_candidate(manifest: Manifest, one: Added) -> None:
    """Put down where the picture comes from, as a candidate that is kept."""
    name = manifest.labels()[one.label]
    query = Query(label=one.label, name=name, text="", providers=(PROVIDER,))
    state = SearchState(query_id=manifest.put_queries([query])[0], provider=PROVIDER, verdict="end")
    url = f"urn:sha256:{one.sha256}"
    rank = 1 + sum(each.provider == PROVIDER for each in manifest.candidates(label=one.label))
    proposal = Proposal(url=url, rank=rank, title=one.name.rpartition("/")[2])
    if one.replaces is not None:
        proposal = _inherited(manifest, proposal, one)
    manifest.put_page(state, [proposal], label=one.label, round_=manifest.last_round(one.label))
    found = next(
        each for each in manifest.candidates(label=one.label) if each.provider == PROVIDER and each.proposal.url == url
    )
    manifest.settle([replace(found, state="kept", reason="", detail="", image_id=one.image_id, next_try_at=None)])


def _inherited(manifest: Manifest, proposal: Proposal, one: Added) -> Proposal:
    assert one.replaces is not None
    sources = manifest.candidates_of(one.replaces.image_id)
    if not sources:
        return proposal
    old = sources[0].proposal
    return replace(
        proposal,
        page_url=old.page_url or old.url,
        title=old.title,
        author=old.author,
        author_url=old.author_url,
        license=old.license,
        license_url=old.license_url,
    )


def as_pictures(added: Sequence[Added]) -> list[tuple[ItemPicture, Item]]:
    """Return the pictures that ``adopt`` would add, for a run that writes nothing."""
    return [
        (
            ItemPicture(
                label=one.label,
                image_id=one.image_id,
                path=one.path,
                file_sha256=one.sha256,
                sha256=one.sha256,
                width=one.width,
                height=one.height,
                bytes=one.bytes,
                label_now=one.label,
                decision=None,
                source=None,
            ),
            Item(
                label=one.label,
                image_id=one.image_id,
                width=one.width,
                height=one.height,
                file_sha256=one.sha256,
            ),
        )
        for one in added
    ]


def _size(manifest: Manifest) -> int:
    """Return the longest side in pixels of the last harvest."""
    last = manifest.last_run("harvest")
    arguments = last["arguments"] if last else {}
    size = arguments.get("size") if isinstance(arguments, dict) else None
    return size if isinstance(size, int) else DEFAULT_SIZE


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()
