"""Write a folder of pictures as shards; what an interrupted run has written is not written again."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from imgkit.errors import ResourceError, UsageError
from imgkit.files import resource_error, sha256_of, temporary_folder
from imgkit.manifest import DataFolder, Manifest
from imgkit.progress import Progress, Silent
from imgkit.shards.formats import write_shard
from imgkit.shards.plan import Format, ShardPlan, plan
from imgkit.shards.remote_folder import INDEX, SUMS, RemoteFolder
from imgkit.vision.imagefolder import Accounts, AskedLayout


@dataclass(frozen=True, slots=True)
class ShardsReport:
    """What lies at ``url`` now, an address without passwords.

    ``written`` of the ``shards`` are of this run; ``size`` is theirs in bytes.

    ``files`` says where every file of the folder is. ``metadata_copied`` says that files hold whatever they held about
    place, device and author; pictures that curate wrote are without it.
    """

    url: str
    format: Format
    shards: int
    written: int
    samples: int
    size: int
    files: Accounts
    metadata_copied: bool

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON can hold."""
        return asdict(self)


def export_shards(
    folder: Path,
    url: str,
    *,
    format: Format = "webdataset",
    shard_bytes: int,
    layout: AskedLayout = "auto",
    progress: Progress | None = None,
) -> ShardsReport:
    """Write the pictures of ``folder`` as shards to ``url``, with ``shards.json`` and ``SHA256SUMS``.

    A curated folder gives a shard for each split, with labels and rows of ``metadata.csv``; any other folder gives its
    pictures under their paths, byte for byte, whatever metadata they hold. An interrupted export goes on where it was;
    a changed row writes its shard again.

    Args:
        folder: such as ``data/curated`` or ``data/originals``.
        url: any address that fsspec knows, or a path.
        format: tars for WebDataset, or Parquet for the Hugging Face hub.
        shard_bytes: of pictures in one shard, about.
        layout: whether folders called train, val or test are splits or labels, where others lie beside them.
        progress: receives each shard.

    Raises:
        UsageError: no pictures, what ``plan`` refuses, another export at ``url``, or a package that is missing.
        ResourceError: the folder cannot be read, or the address or the temporary folder not be written.
    """
    progress = progress or Silent()
    made, place = plan(folder, format, shard_bytes=shard_bytes, layout=layout), RemoteFolder(url)
    index = json.dumps(_index(made), indent=1, sort_keys=True).encode()
    done, begun = _finished_shards(place, made)
    if INDEX not in done:
        if begun:
            place.write_sums(done)  # what the new index says of changed shards is not there yet
        place.write(INDEX, index)
    due = [shard for shard in made.shards if shard.name not in done]
    progress.start("writing shards", len(due))
    size = 0
    with temporary_folder("imgkit-shards-") as local:
        for shard in due:
            file = local / shard.name
            try:
                write_shard(made, shard, file)
            except OSError as error:
                raise resource_error(error, file) from error
            place.put(file, shard.name)
            done[shard.name] = sha256_of(file)
            size += file.stat().st_size
            file.unlink()
            place.write_sums(done)
            progress.advance(note=shard.name)
    if INDEX not in done:
        place.write_sums({**done, INDEX: hashlib.sha256(index).hexdigest()})
    _record_export(folder, place.shown)
    samples = list(made.samples())
    as_they_are = any(not one.row.get("sha256") for one in samples)
    return ShardsReport(
        place.shown, format, len(made.shards), len(due), len(samples), size, made.files, metadata_copied=as_they_are
    )


def _record_export(folder: Path, url: str) -> None:
    """Record the address in the manifest of the data folder, so that a removal can name the shards that hold one."""
    data = folder.absolute().parent
    if not DataFolder(data).manifest.is_file():
        return
    where = url if "://" in url else str(Path(url).absolute())
    with suppress(ResourceError), Manifest.open_existing(data) as manifest:  # of a folder that may only be read
        manifest.end_run(manifest.start_run("shards", {"url": where}), {})


def _finished_shards(place: RemoteFolder, made: ShardPlan) -> tuple[dict[str, str], bool]:
    """Return the sums of what need not be written again, and whether an earlier run of this export has begun.

    Where the same pictures are cut in the same way, only shards with a changed picture or row are written again.
    """
    names = place.names()
    if names <= {INDEX}:
        return {}, False  # also when writing the index was interrupted
    before = place.index()
    if before is None:
        raise UsageError(
            f"{place.shown} holds files and no {INDEX}. Nothing was written. Choose an empty place for shards."
        )
    sums = {name: sum_ for name, sum_ in place.sums().items() if name in names and name != SUMS}
    index = _index(made)
    if before["plan"] == made.digest:
        return sums, True
    if before.get("format") != made.format or _members_by_shard(before) != _members_by_shard(index):
        raise UsageError(
            f"{place.shown} holds the shards of another set ({before.get('samples')} pictures). Nothing was written. "
            "Choose another place, or delete them first."
        )
    old, new = ({one["name"]: one.get("digest") for one in which["shards"]} for which in (before, index))
    return {name: sum_ for name, sum_ in sums.items() if name in new and new[name] == old[name]}, True


def _members_by_shard(index: Mapping[str, Any]) -> list[object]:
    """Return which pictures are in which shard, according to an untrusted index."""
    shards = index.get("shards")
    if not isinstance(shards, list) or not all(isinstance(one, dict) and one.get("members") for one in shards):
        return []
    return [[one.get("name"), one["members"]] for one in shards]


def _index(made: ShardPlan) -> dict[str, Any]:
    return {
        "format": made.format,
        "plan": made.digest,
        "labels": list(made.labels),
        "samples": sum(len(shard.samples) for shard in made.shards),
        "shards": [
            {
                "name": shard.name,
                "split": shard.samples[0].split,
                "samples": len(shard.samples),
                "members": shard.members,
                "digest": shard.digest(made.format, made.labels),
            }
            for shard in made.shards
        ],
    }
