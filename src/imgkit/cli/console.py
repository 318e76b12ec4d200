"""How the command line looks: one error sentence, one progress bar, tables, or one JSON object."""

import json
import logging
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.text import Text

from imgkit.errors import ImgkitError

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PIPE_COLUMNS = 160  # into a file or a pipe a table is not folded at the width of a terminal that is not there


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_COLUMNS
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=width)


out = _console(stderr=False)
"""Results go to stdout."""

err = _console(stderr=True)
"""Everything else goes to stderr."""


class Terminated(BaseException):
    """SIGTERM arrived; unwinds like KeyboardInterrupt so that the work in hand is saved."""


class ConsoleProgress:
    """A progress bar with rate and time left on a terminal; plain lines elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""

    def start(self, title: str, total: int | None = None) -> None:
        """Begin a bar, ending the one before."""
        self.stop()
        self._title = title
        if not self._console.is_terminal:
            self._console.print(f"{title} ({total:,})" if total else title, markup=False)
            return
        from rich.progress import (  # here, since the help page needs none of it
            BarColumn,
            MofNCompleteColumn,
            Progress,
            SpinnerColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(title, total=total, note="")
        self._bar.start()

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar."""
        if self._bar is not None and self._task is not None:
            fields = {"note": note} if note else {}
            self._bar.update(self._task, advance=steps, **fields)  # type: ignore[arg-type]

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line, markup=False)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


@contextmanager
def command(name: str, *, debug: bool = False, again: Callable[[], str] | None = None) -> Iterator[ConsoleProgress]:
    """Run the body of a command: give it progress, and turn what stops it into one sentence and an exit code.

    ``again`` returns the sentence that says how to go on after an interruption, where that is not the same command.

    Exit codes: the error's own · 130 on Ctrl-C and 143 on SIGTERM · 1, with a traceback, for a fault of ours.
    """
    logging.basicConfig(level=logging.DEBUG if debug else logging.ERROR, format="%(levelname)s %(name)s: %(message)s")
    progress = ConsoleProgress(err)
    with _sigterm_as_exception():
        try:
            yield progress
        except ImgkitError as error:
            progress.stop()
            if debug:
                traceback.print_exc()
            code = f" [{error.code}]" if error.code else ""
            err.print(Text(f"imgkit {name}: {error}{code}"))
            raise typer.Exit(error.exit_code) from error
        except (KeyboardInterrupt, Terminated) as stop:
            progress.stop()
            how = again() if again else "Run the same command again to go on."
            err.print(Text(f"imgkit {name}: interrupted. What was finished is saved. {how}"))
            raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else 143) from stop
        except MemoryError as error:
            progress.stop()
            err.print(
                f"imgkit {name}: out of memory. What was finished is saved. Close other programs and run the same "
                "command again."
            )
            raise typer.Exit(4) from error
        finally:
            progress.stop()


@contextmanager
def _sigterm_as_exception() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    try:
        before: Callable[[int, FrameType | None], object] | int | None = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: a test or a notebook
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, total: bool = False) -> None:
    """Print a table to stdout: the first column left, numbers right, the last row set off if ``total``."""
    from rich.table import Table

    drawn = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = index > 0 and all(isinstance(row[index], int | float) or row[index] == "" for row in rows)
        drawn.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for index, row in enumerate(rows):
        last = total and index == len(rows) - 1
        drawn.add_row(*(_cell(value) for value in row), style="bold" if last else None)
    out.print(drawn)
    out.print()


def _cell(value: object) -> Text:
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}", style="dim" if value == 0 else "")
    return Text(printable(str(value)))


def printable(text: str) -> str:
    """Return ``text`` without control characters, so that no title from the web can move the cursor."""
    return "".join(character if character.isprintable() else "·" for character in text)


def print_json(summary: dict[str, object]) -> None:
    """Print the summary of a command as one JSON object on stdout."""
    sys.stdout.write(json.dumps(summary, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
