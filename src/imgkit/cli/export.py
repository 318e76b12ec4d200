"""``imgkit export``: write a trained model for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from imgkit.cli import console
from imgkit.errors import UsageError


def export(
    model: Annotated[Path, typer.Argument(help="A model folder that imgkit train wrote, or the folder of its run.")],
    onnx: Annotated[Path | None, typer.Option(help="ONNX file to write (extra: export).")] = None,
    torch_export: Annotated[Path | None, typer.Option(help="torch.export file (.pt2) to write.")] = None,
    hub_folder: Annotated[Path | None, typer.Option(help="Folder to fill for the Hugging Face hub.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Write a model for other programs, and prove that it gives the same probabilities there."""
    with console.command("export", debug=debug) as progress:
        if onnx is None and torch_export is None and hub_folder is None:
            raise UsageError("nothing to write. Nothing was changed. Give --onnx, --torch-export or --hub-folder.")
        from imgkit.models import export as exporting

        written = []
        for target, write in (
            (onnx, exporting.export_onnx),
            (torch_export, exporting.export_torch),
            (hub_folder, exporting.export_hub),
        ):
            if target is not None:
                progress.start(f"writing {target}")
                written.append(write(model, target))
        progress.stop()
        rows = [
            [each.form, str(each.path), "" if each.difference is None else f"{each.difference:.1e}"] for each in written
        ]
        if as_json:
            console.print_json(
                {"written": [{"form": form, "path": path, "difference": off or None} for form, path, off in rows]}
            )
        else:
            console.table("Written", ["form", "path", "largest difference of a probability"], rows)
