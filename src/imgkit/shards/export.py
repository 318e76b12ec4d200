"""Write a folder of pictures as shards; what an interrupted run has written is not written again."""

import hashlib
import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from imgkit.errors import UsageError
from imgkit.files import sha256_of
from imgkit.progress import Progress, Silent
from imgkit.shards.forms import write_shard
from imgkit.shards.place import INDEX, SUMS, Place
from imgkit.shards.plan import Format, Plan, plan


@dataclass(frozen=True, slots=True)
class ShardsReport:
    """What lies at ``url`` now. ``written`` of the ``shards`` are of this run; ``size`` is theirs in bytes."""

    url: str
    format: Format
    shards: int
    written: int
    samples: int
    size: int

    def as_json(self) -> dict[str, object]:
        """Return it as values that JSON can hold."""
        return asdict(self)


def export_shards(
    folder: Path, url: str, *, format: Format = "webdataset", shard_bytes: int, progress: Progress | None = None
) -> ShardsReport:
    """Write the pictures of ``folder`` as shards to ``url``, with ``shards.json`` and ``SHA256SUMS``.

    A curated folder gives a shard for each split, with labels and rows of ``metadata.csv``; any other folder gives its
    pictures under their paths. An interrupted export goes on where it was.

    Args:
        folder: such as ``data/curated`` or ``data/originals``.
        url: any address that fsspec knows, or a path.
        format: tars for WebDataset, or Parquet for the Hugging Face hub.
        shard_bytes: of pictures in one shard, about.
        progress: who watches.

    Raises:
        UsageError: no pictures, another export at ``url``, or a package that is missing.
        ResourceError: the address cannot be written.
    """
    progress = progress or Silent()
    made, place = plan(folder, format, shard_bytes=shard_bytes), Place(url)
    index = json.dumps(_index(made), indent=1, sort_keys=True).encode()
    done = _done(place, made)
    if not done:
        place.write(INDEX, index)
    due = [shard for shard in made.shards if shard.name not in done]
    progress.start("writing shards", len(due))
    size = 0
    with tempfile.TemporaryDirectory(prefix="imgkit-shards-") as local:
        for shard in due:
            file = Path(local) / shard.name
            write_shard(made, shard, file)
            place.put(file, shard.name)
            done[shard.name] = sha256_of(file)
            size += file.stat().st_size
            file.unlink()
            place.write_sums(done)
            progress.advance(note=shard.name)
    if INDEX not in done:
        place.write_sums({**done, INDEX: hashlib.sha256(index).hexdigest()})
    samples = sum(len(shard.samples) for shard in made.shards)
    return ShardsReport(url, format, len(made.shards), len(due), samples, size)


def _done(place: Place, made: Plan) -> dict[str, str]:
    """Return the sums of what an earlier run of the same export has written."""
    names = place.names()
    if names <= {INDEX}:
        return {}  # also when writing the index was interrupted
    before = place.index()
    if before is None:
        raise UsageError(
            f"{place.url} holds files and no {INDEX}. Nothing was written. Choose an empty place for shards."
        )
    if before["plan"] != made.digest:
        raise UsageError(
            f"{place.url} holds the shards of another set ({before.get('samples')} pictures). Nothing was written. "
            "Choose another place, or delete them first."
        )
    return {name: sum_ for name, sum_ in place.sums().items() if name in names and name != SUMS}


def _index(made: Plan) -> dict[str, object]:
    return {
        "format": made.format,
        "plan": made.digest,
        "labels": list(made.labels),
        "samples": sum(len(shard.samples) for shard in made.shards),
        "shards": [
            {"name": shard.name, "split": shard.samples[0].split, "samples": len(shard.samples)}
            for shard in made.shards
        ],
    }
