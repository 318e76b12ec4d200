"""The command line: one file per command, gathered in one table."""

import importlib
import os
import sys
from typing import Annotated, Final, NoReturn

import typer

import imgkit
from imgkit.cli import completion
from imgkit.cores import address_space, spare_address_space
from imgkit.errors import ResourceError, UsageError

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "The three stages": ("harvest", "curate", "train", "demo"),
    "Look and decide": ("status", "labels", "decisions"),
    "Models": ("predict", "evaluate", "compare", "tune", "models", "export", "serve"),
    "Upkeep": ("doctor", "remove", "shards"),
}
"""The commands as the help page lists them, in groups; the module of the same name in this package holds each."""

COMMANDS: Final[dict[str, str]] = {name: f"imgkit.cli.{name}" for names in GROUPS.values() for name in names}
"""Name of a command to the module that holds the function of the same name, in the order of the help page."""


def build() -> typer.Typer:
    """Return the application with every command of the table."""
    app = typer.Typer(
        help="From a list of words to a trustworthy image classifier: harvest, curate, train.",
        epilog="Start with: imgkit demo",
        invoke_without_command=True,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for group, names in GROUPS.items():
        for name in names:
            app.command(name, rich_help_panel=group)(getattr(importlib.import_module(COMMANDS[name]), name))
    app.command("help", rich_help_panel="Upkeep")(_help)
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command line with ``arguments``, by default those of the process."""
    spare_address_space(os.environ, address_space())
    given = sys.argv[1:] if arguments is None else arguments
    if refusal := completion.refusal(given):
        _stop(refusal, UsageError.exit_code)
    try:
        build()(arguments, prog_name="imgkit")
    except OSError as error:
        if given[:1] != [completion.INSTALL]:
            raise
        where = f" at {error.filename}" if error.filename else ""
        _stop(
            f"completion is not installed: the system refused{where}: {error.strerror or error}. Look at the disk and "
            "at permissions, then run the same command again.",
            ResourceError.exit_code,
        )


def _stop(sentence: str, code: int) -> NoReturn:
    typer.echo(f"imgkit: {sentence}", err=True)
    sys.exit(code)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imgkit {imgkit.__version__}")
        raise typer.Exit


def _help(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[COMMAND]",
            help="A command; without it, all commands.",
            autocompletion=completion.completer(lambda: COMMANDS),
        ),
    ] = "",
) -> None:
    """Show the help of a command: the same as COMMAND --help."""
    main([*([name] if name else []), "--help"])


def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        from imgkit.cli.console import out
        from imgkit.cli.here import next_lines

        for line in (*next_lines(), "", "All commands: imgkit --help"):
            out.print(line, markup=False)
