"""``imgkit remove``: take pictures out on request, and keep them from coming back."""

from pathlib import Path
from typing import Annotated

import typer

from imgkit import commands


def remove(
    url: Annotated[list[str] | None, typer.Option(help="Address of a picture or of its page; repeat for more.")] = None,
    host: Annotated[list[str] | None, typer.Option(help="Host, with all hosts below it; repeat for more.")] = None,
    author: Annotated[
        list[str] | None, typer.Option(help="Author as the provider names them; repeat for more.")
    ] = None,
    sha: Annotated[
        list[str] | None, typer.Option(help="SHA-256 of a picture as received, or its name of 20 digits; repeat.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Kept beside what is remembered.")] = "on request",
    data: Annotated[Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder.")] = Path("data"),
    runs: Annotated[Path, typer.Option(help="Training runs, to name those that used a removed picture.")] = Path(
        "runs"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Remove pictures with everything made of them; only hashes stay, so that no later harvest brings them back."""
    from imgkit.cli import console
    from imgkit.harvest.remove import RemovalRequest
    from imgkit.harvest.remove import remove as run

    with console.command("remove", debug=debug) as progress:
        wishes = RemovalRequest(
            urls=tuple(url or ()), hosts=tuple(host or ()), authors=tuple(author or ()), sha256s=tuple(sha or ())
        )
        removal = run(data, wishes, reason=reason, runs=runs, progress=progress)
    if as_json:
        console.print_json(removal.as_json())
        return
    copies = f", {removal.copies:,} of them copies of what was named" if removal.copies else ""
    console.out.print(
        f"Removed {removal.pictures:,} pictures ({removal.files:,} files{copies}) of {removal.candidates:,} candidates "
        "and emptied the cache. Only hashes are left, and later harvests leave them alone."
    )
    if removal.runs:
        console.out.print(f"Trained with one of them: {', '.join(removal.runs)}. Train again to be rid of it.")
    if removal.shards:
        console.out.print(f"Shards that hold or may hold one: {', '.join(removal.shards)}. Write them again.")
    if removal.pictures:
        console.out.print(f"Next: {commands.curate(data)}", markup=False)
