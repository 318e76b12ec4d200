"""``imgkit serve``: a page and an HTTP interface for predictions, on loopback."""

from pathlib import Path
from typing import Annotated

import typer

from imgkit.cli import completion, console


def serve(
    model: Annotated[Path, typer.Argument(help="A model folder that imgkit train wrote, or the folder of its run.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 5858,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.", autocompletion=completion.devices)
    ] = "auto",
    debug: Annotated[bool, typer.Option("--debug", help="Show log and traceback.")] = False,
) -> None:
    """Serve a page that names the picture you drop on it, and POST /predict for programs; this machine only."""
    with console.command("serve", debug=debug) as progress:
        from imgkit.models.serve import serve

        serve(model, port=port, device=device, progress=progress)
