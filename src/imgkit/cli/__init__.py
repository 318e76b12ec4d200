"""The command line: one file per command, gathered in one table."""

import importlib
from typing import Annotated

import typer

import imgkit

COMMANDS: dict[str, str] = {
    "harvest": "imgkit.cli.harvest",
    "curate": "imgkit.cli.curate",
    "train": "imgkit.cli.train",
    "predict": "imgkit.cli.predict",
    "evaluate": "imgkit.cli.evaluate",
    "tune": "imgkit.cli.tune",
    "models": "imgkit.cli.models",
    "export": "imgkit.cli.export",
    "shards": "imgkit.cli.shards",
    "serve": "imgkit.cli.serve",
    "status": "imgkit.cli.status",
    "remove": "imgkit.cli.remove",
    "doctor": "imgkit.cli.doctor",
    "demo": "imgkit.cli.demo",
}
"""Name of a command to the module that holds the function of the same name, in the order of the help page."""


def build() -> typer.Typer:
    """Return the application with every command of the table."""
    app = typer.Typer(
        help="From a list of words to a trustworthy image classifier: harvest, curate, train.",
        epilog="Start with: imgkit demo",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, module in COMMANDS.items():
        app.command(name)(getattr(importlib.import_module(module), name))
    return app


def main(arguments: list[str] | None = None) -> None:
    """Run the command line with ``arguments``, by default those of the process."""
    build()(arguments, prog_name="imgkit")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"imgkit {imgkit.__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    pass
