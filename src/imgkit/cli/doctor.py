"""``imgkit doctor``: check versions, disk, GPU, weights, keys and, where asked, the search services."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from imgkit.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imgkit.health import Observation


def doctor(
    data: Annotated[Path, typer.Option(envvar="IMGKIT_DATA", help="The data folder to look at.")] = Path("data"),
    online: Annotated[
        bool, typer.Option("--online", help="Ask each search service one small question and say what came back.")
    ] = False,
    providers: Annotated[
        list[str] | None, typer.Option("--provider", help="Ask this service only (with --online). Repeat for several.")
    ] = None,
    question: Annotated[
        str | None, typer.Option("--question", help="What to search for (with --online). Default: Panthera leo.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            "--record",
            help="Write the services' answers into this file, without keys and personal details (with --online).",
        ),
    ] = None,
    contact: Annotated[
        str, typer.Option(envvar="IMGKIT_CONTACT", help="Your e-mail address or page, said to the services.")
    ] = "",
    proxy: Annotated[str, typer.Option(help="Address of an HTTP proxy for every request.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of lines.")] = False,
    debug: Annotated[bool, typer.Option(help="Show tracebacks and the log.")] = False,
) -> None:
    """Examine this machine: versions, disk, GPU, weights and keys. Exit code 4 on a problem.

    It touches no network unless --online is given.
    """
    from imgkit.cli import console
    from imgkit.errors import UsageError
    from imgkit.health import Observation, examine

    answers: dict[str, object] = {}
    with console.command("doctor", debug=debug) as progress:
        console.hide_secrets(proxy if "://" in proxy else f"http://{proxy}")
        if not online and (providers or record or question):
            raise UsageError("--provider, --question and --record go with --online. Nothing was asked. Add --online.")
        observations = examine(data, os.environ)
        if online:
            from imgkit.files import write_text
            from imgkit.harvest.config import HarvestConfig
            from imgkit.harvest.provider_check import QUESTION, as_record, check_providers

            progress.start("asking the search services")
            config = HarvestConfig(providers=tuple(providers or ()), contact=contact, proxy=proxy)
            checks = check_providers(config, os.environ, question=question or QUESTION)
            observations += [Observation(one.provider, one.detail, one.grade, one.advice) for one in checks]
            answers = {one.provider: {"verdict": one.verdict, "results": one.results} for one in checks}
            if record is not None:
                write_text(record, as_record(checks, question or QUESTION))
    problems = sum(one.grade == "problem" for one in observations)
    if as_json:
        asked = {"providers": answers} if online else {}
        console.print_json({"observations": [asdict(one) for one in observations], "problems": problems, **asked})
    else:
        _show(observations, problems)
        if record is not None:
            console.out.print(
                f"The answers are in {record}. Read it before you send it with a bug report.", markup=False
            )
    if problems:
        raise typer.Exit(4)


def _show(observations: "Sequence[Observation]", problems: int) -> None:
    from imgkit.cli import console

    styles = {"ok": "green", "note": "cyan", "problem": "red"}
    for one in observations:
        mark = (f"{one.grade:<7}", styles[one.grade])
        console.out.print(Text.assemble(mark, f"  {printable(one.what)}: {printable(one.found)}"))
        if one.advice:
            console.out.print(f"         {printable(one.advice)}", markup=False)
    console.out.print("No problem found." if not problems else f"Problems: {problems}.")
