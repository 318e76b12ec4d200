"""Write one shard to a local file: a tar as WebDataset reads it, or a Parquet table as the Hugging Face hub does."""

import io
import json
import tarfile
from pathlib import Path
from typing import BinaryIO, Final

from imgkit.errors import UsageError
from imgkit.files import read_plain_file, shown
from imgkit.shards.plan import Sample, Shard, ShardPlan
from imgkit.vision.imagefolder import unreadable

BESIDE: Final = (".cls", ".json")
"""What lies beside a picture in a tar: the number of its label, and its row of ``metadata.csv``."""

OF_THEIR_OWN: Final = frozenset({"image", "label", "width", "height"})  # columns of Parquet with a type of their own
ROWS_TOGETHER: Final = 100  # in a row group of Parquet: about 5 MB


def write_shard(plan: ShardPlan, shard: Shard, target: Path) -> None:
    """Write ``shard`` to ``target``. The same pictures give the same bytes (Parquet: with the same pyarrow).

    Raises:
        UsageError: Parquet needs pyarrow, which is not installed.
        ResourceError: a picture cannot be read, or is no plain file any more.
        OSError: the file cannot be written.
    """
    with target.open("wb") as file:
        if plan.format == "parquet":
            _write_parquet(plan, shard, file)
        else:
            _write_tar(plan, shard, file)


def _write_tar(plan: ShardPlan, shard: Shard, file: BinaryIO) -> None:
    numbers = {label: number for number, label in enumerate(plan.labels)}
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for one in shard.samples:
            stem = one.name.removesuffix(Path(one.name).suffix)
            _add(tar, one.name, _bytes_of(one))
            if one.label:
                _add(tar, stem + ".cls", str(numbers[one.label]).encode())
            if one.row:
                _add(tar, stem + ".json", json_bytes(dict(one.row)))


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)  # time, owner and mode are constants: the bytes depend on the pictures alone
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def _bytes_of(one: Sample) -> bytes:
    try:
        return read_plain_file(one.path)
    except OSError as error:
        raise unreadable(error, one.path) from error


def json_bytes(row: dict[str, str]) -> bytes:
    """Return a row as JSON; bytes of names that are not UTF-8 become escapes that JSON knows."""
    return json.dumps(row, sort_keys=True, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _pixels(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _write_parquet(plan: ShardPlan, shard: Shard, file: BinaryIO) -> None:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs the package pyarrow, which is not installed. Nothing was written. Run: "
            'pip install "imgkit-datasets[parquet]", or choose --format webdataset.',
            code="parquet.missing",
        ) from error
    columns = list(dict.fromkeys(name for one in plan.samples() for name in one.row if name not in OF_THEIR_OWN))
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(plan.labels), "_type": "ClassLabel"},
        **{name: {"dtype": "string", "_type": "Value"} for name in columns},
        **{name: {"dtype": "int32", "_type": "Value"} for name in ("width", "height")},
    }
    schema = pyarrow.schema(
        [
            ("image", pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])),
            ("label", pyarrow.int64()),
            *((name, pyarrow.string()) for name in columns),
            *((name, pyarrow.int32()) for name in ("width", "height")),
        ],
        # with this the hub's loader takes the columns for pictures and named labels
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    with parquet.ParquetWriter(file, schema) as writer:
        for start in range(0, len(shard.samples), ROWS_TOGETHER):
            some = shard.samples[start : start + ROWS_TOGETHER]
            rows = [
                {
                    **{name: shown(one.row.get(name, "")) for name in columns},
                    "image": {"bytes": _bytes_of(one), "path": shown(one.name)},
                    "label": plan.labels.index(one.label),
                    **{name: _pixels(one.row.get(name, "")) for name in ("width", "height")},
                }
                for one in some
            ]
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=schema))
