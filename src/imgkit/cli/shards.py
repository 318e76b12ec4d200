"""``imgkit shards``: pictures as tar or Parquet shards at any address, and back."""

from pathlib import Path
from typing import Annotated

import typer

from imgkit.cli import completion
from imgkit.cli.layout import LAYOUT_HELP, asked_layout


def shards(
    source: Annotated[str, typer.Argument(help="A folder: data/curated, data/originals, ... With --restore: shards.")],
    target: Annotated[
        str,
        typer.Argument(help="Any address that fsspec knows (s3://bucket/set), or a folder. With --restore: a folder."),
    ],
    format: Annotated[
        str,
        typer.Option(
            help="webdataset (tars), or parquet (extra: parquet).",
            autocompletion=completion.completer(lambda: ("webdataset", "parquet")),
        ),
    ] = "webdataset",
    shard_mib: Annotated[int, typer.Option(min=1, help="MiB of pictures in one shard, about.")] = 256,
    layout: Annotated[str, typer.Option(help=LAYOUT_HELP, autocompletion=completion.layouts)] = "auto",
    restore: Annotated[bool, typer.Option("--restore", help="Bring the pictures of tar shards back.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Write a folder of pictures as shards, with sums; an interrupted export goes on where it was.

    Files of a plain folder are copied as they are, with their metadata; curated pictures have none.
    """
    from imgkit.cli import console
    from imgkit.errors import UsageError
    from imgkit.shards.export import export_shards
    from imgkit.shards.plan import SUFFIXES
    from imgkit.shards.restore import restore_shards

    with console.command("shards", debug=debug) as progress:
        console.hide_secrets(source, target)
        if restore:
            count = restore_shards(source, Path(target), progress=progress)
            progress.stop()
            if as_json:
                console.print_json({"folder": target, "written": count})
            else:
                console.out.print(f"{count:,} pictures were brought back to {target}.", markup=False)
            return
        chosen = next((known for known in SUFFIXES if known == format), None)
        if chosen is None:
            raise UsageError(
                f"--format {format} is not known. Nothing was written. Choose one of {', '.join(SUFFIXES)}."
            )
        report = export_shards(
            Path(source),
            target,
            format=chosen,
            shard_bytes=shard_mib * 2**20,
            layout=asked_layout(layout),
            progress=progress,
        )
        progress.stop()
        if as_json:
            console.print_json(report.as_json())
            return
        console.out.print(
            f"{report.samples:,} pictures in {report.shards:,} shards at {report.url}; {report.written:,} written now "
            f"({report.size / 2**20:,.1f} MiB).",
            markup=False,
        )
        if report.metadata_copied:
            console.out.print(
                "The files were copied as they are, with whatever they say about place, device and author.",
                markup=False,
            )
        if report.files.left_out:
            console.out.print(f"Left out: {report.files.line()}.", markup=False)
        console.out.print("To check them there: sha256sum --check SHA256SUMS. Labels: shards.json.", markup=False)
