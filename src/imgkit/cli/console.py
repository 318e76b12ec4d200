"""Output of the command line: error sentences with exit codes, progress bar, tables, JSON."""

import errno
import io
import json
import logging
import os
import signal
import sys
import textwrap
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from imgkit.errors import ImgkitError, ResourceError
from imgkit.escaping import printable
from imgkit.redaction import Redactor, secrets_of

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

NO_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "failed to map segment",
    "not enough memory",
    "out of memory",
    "can't start new thread",
    "std::bad_alloc",
)
"""What libraries say, in lower case, when memory, address space or threads are used up."""
REDACTOR = Redactor.of_environment(os.environ)
"""Keeps the keys of the environment out of logs and of what is printed."""

PIPE_COLUMNS = 160  # into a file or a pipe a table is not folded at the width of a terminal that is not there
GAP = 2  # columns of a terminal between those of a table
LINE_EVERY_S = 10.0  # into a file or a pipe: seconds between two lines of progress


class PlainConsole(Console):
    """A console on which a text from outside is a text: no markup, and no control character reaches the terminal."""

    def print(self, *objects: Any, **options: Any) -> None:  # noqa: ANN401  (Rich's own types)
        """Print as Rich does; texts lose their control characters, and on a terminal end their lines at spaces."""
        made = [
            Text(self._wrapped(REDACTOR.text(harmless(each))))
            if isinstance(each, str) and not options.get("markup")
            else each
            for each in objects
        ]
        super().print(*made, **options)

    def _wrapped(self, text: str) -> str:
        """Return a text with its lines ended at spaces; one that holds a command stays whole, to be copied."""
        if not self.is_terminal:
            return text
        return "\n".join(
            line if len(line) <= self.width or "imgkit " in line else _filled(line, self.width)
            for line in text.split("\n")
        )


def _filled(line: str, width: int) -> str:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True
    )


def hide_secrets(*texts: str) -> None:
    """Keep passwords and keys in the addresses of these texts out of logs and of what is printed."""
    for secret in (secret for text in texts for secret in secrets_of(text)):
        REDACTOR.add({"secret": secret})


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_COLUMNS
    return PlainConsole(stderr=stderr, highlight=False, soft_wrap=True, width=width)


out = _console(stderr=False)
"""Results go to stdout."""

err = _console(stderr=True)
"""Everything else goes to stderr."""


class Terminated(BaseException):
    """SIGTERM was received; propagates like KeyboardInterrupt so that the work in hand is saved."""


class ConsoleProgress:
    """A bar with a count, a rate and the time left on a terminal; elsewhere plain lines, one every ten seconds.

    Args:
        console: where it is shown.
        clock: returns seconds that never go back.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title = ""
        self._total: int | None = None
        self._done = 0
        self._began = self._told = clock()

    def start(self, title: str, total: int | None = None) -> None:
        """Begin a bar, ending the one before."""
        self.stop()
        self._title, self._total, self._done = title, total, 0
        self._began = self._told = self._clock()
        if not self._console.is_terminal:
            self._console.print(f"{title} ({total:,})" if total else title, markup=False)
            return
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn  # the help page needs none of it

        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            *([BarColumn(bar_width=16)] if total else []),
            TextColumn("{task.fields[pace]}", markup=False),
            TextColumn("{task.fields[note]}", markup=False),
            console=self._console,
            transient=True,
        )
        self._task = self._bar.add_task(printable(title), total=total, note="", pace="")
        self._bar.start()

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar; without a terminal, print a line if the last one is ten seconds old."""
        self._done += steps
        if self._bar is not None and self._task is not None:
            fields = {"pace": self._pace()} | ({"note": printable(note)} if note else {})
            self._bar.update(self._task, advance=steps, **fields)  # type: ignore[arg-type]
        elif not self._console.is_terminal and self._clock() - self._told >= LINE_EVERY_S:
            self._told = self._clock()
            self._console.print(f"{self._title}: {self._pace()}{', ' if note else ''}{note}", markup=False)

    def _pace(self) -> str:
        """Return what is done, how fast, and how long it will take, such as "120 of 425, 12.0/s, 25 s left"."""
        if not self._done:
            return ""
        parts = [f"{self._done:,} of {self._total:,}" if self._total else f"{self._done:,}"]
        if (seconds := self._clock() - self._began) > 0:
            rate = self._done / seconds
            parts.append(f"{rate:.1f}/s" if rate >= 1 else f"{duration(1 / rate)} each")
            if self._total and self._done < self._total:
                parts.append(f"{duration((self._total - self._done) / rate)} left")
        return ", ".join(parts)

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line, markup=False)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def duration(seconds: float) -> str:
    """Return a time in words, to two units at most, such as "25 s", "3 min 5 s" or "2 h 10 min"."""
    whole = max(1, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


@contextmanager
def command(name: str, *, debug: bool = False, again: Callable[[], str] | None = None) -> Iterator[ConsoleProgress]:
    """Run the body of a command: give it progress, and turn what stops it into one sentence and an exit code.

    ``again`` returns the sentence that says how to go on after an interruption, where that is not the same command.

    Exit codes: the error's own · 4 for what the system refused, disk, permission or memory ·
    130 on Ctrl-C and 143 on SIGTERM · 1, with a traceback, for a fault of ours.
    """
    _log_to_stderr(logging.DEBUG if debug else logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names are bytes, and need not be UTF-8
    progress = ConsoleProgress(err)
    with _sigterm_as_exception():
        try:
            yield progress
        except ImgkitError as error:
            progress.stop()
            if debug:
                err.print(traceback.format_exc())
            code = f" [{error.code}]" if error.code else ""
            err.print(f"imgkit {name}: {error}{code}")
            raise typer.Exit(error.exit_code) from error
        except (KeyboardInterrupt, Terminated) as stop:
            progress.stop()
            how = again() if again else "Run the same command again to go on."
            err.print(f"imgkit {name}: interrupted. What was finished is saved. {how}")
            raise typer.Exit(130 if isinstance(stop, KeyboardInterrupt) else 143) from stop
        except BrokenPipeError:
            raise  # the reader of the output has closed the pipe
        except OSError as error:
            progress.stop()
            if debug:
                err.print(traceback.format_exc())
            where = f" at {os.fsdecode(error.filename)}" if isinstance(error.filename, str | bytes) else ""
            err.print(
                f"imgkit {name}: the system refused{where}: {error.strerror or error}. What was finished is saved. "
                f"Look at the disk and at permissions, then run the same command again. [{_code_of(error)}]"
            )
            raise typer.Exit(ResourceError.exit_code) from error
        except (MemoryError, ImportError, RuntimeError, SystemError) as error:
            if not _out_of_memory(error):
                raise
            progress.stop()
            if debug:
                err.print(traceback.format_exc())
            err.print(
                f"imgkit {name}: out of memory. What was finished is saved. Close other programs, or allow more memory "
                "(ulimit -v), and run the same command again. [fs.memory]"
            )
            raise typer.Exit(ResourceError.exit_code) from error
        finally:
            progress.stop()


def _out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says in the words of a library that there is no memory."""
    while error is not None:
        if isinstance(error, MemoryError) or any(words in str(error).lower() for words in NO_MEMORY):
            return True
        error = error.__cause__ or error.__context__
    return False


def _code_of(error: OSError) -> str:
    codes = {errno.ENOSPC: "fs.full", errno.EDQUOT: "fs.full", errno.EROFS: "fs.readonly", errno.ENOMEM: "fs.memory"}
    return codes.get(error.errno or 0, "fs.permission" if isinstance(error, PermissionError) else "fs.error")


def confirmation(progress: ConsoleProgress, *, yes: bool) -> Callable[[str], bool]:
    """Return what answers a question: yes where ``--yes`` was given, a person at a terminal, else no."""

    def confirm(question: str) -> bool:
        progress.stop()
        if yes:
            err.print(f"{question} Going on, as --yes says.")
            return True
        return sys.stdin.isatty() and sys.stderr.isatty() and typer.confirm(f"{harmless(question)} Go on?", err=True)

    return confirm


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


def table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    total: bool = False,
    optional: Sequence[str] = (),
) -> None:
    """Print a table to stdout: the first column left, numbers right, the last row set off if ``total``.

    Where the terminal is too narrow, columns go: first those that hold nothing but zeros, then ``optional`` ones, in
    the order given; then cells are wrapped at spaces. A line below the table names what is not shown.
    """
    from rich.table import Table

    shown = _shown_columns(columns, rows, optional, out.width)
    drawn = Table(
        title=Text(printable(title)),
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=None,
        pad_edge=False,
    )
    unbroken = _width(columns, rows, shown, words=True) <= out.width
    for index in shown:
        numeric = index > 0 and all(isinstance(row[index], int | float) or row[index] == "" for row in rows)
        fits = _column_width(columns, rows, index, words=True) if unbroken else None
        drawn.add_column(
            Text(printable(columns[index])), justify="right" if numeric else "left", overflow="fold", min_width=fits
        )
    for number, row in enumerate(rows):
        last = total and number == len(rows) - 1
        drawn.add_row(*(_cell(row[index]) for index in shown), style="bold" if last else None)
    out.print(drawn)
    if left_out := [column for index, column in enumerate(columns) if index not in shown and column]:
        out.print(f"Not shown at this width: {', '.join(left_out)}.", style="dim")
    out.print()


def _shown_columns(
    columns: Sequence[str], rows: Sequence[Sequence[object]], optional: Sequence[str], width: int
) -> list[int]:
    """Return the indices of the columns that are shown in ``width`` columns of a terminal."""
    shown = list(range(len(columns)))
    for index in reversed(range(1, len(columns))):
        if _width(columns, rows, shown, words=False) <= width:
            break
        if rows and all(not row[index] for row in rows):
            shown.remove(index)
    for name in optional:
        if _width(columns, rows, shown, words=True) <= width:
            break
        if columns.index(name) in shown:
            shown.remove(columns.index(name))
    return shown


def _width(columns: Sequence[str], rows: Sequence[Sequence[object]], shown: Sequence[int], *, words: bool) -> int:
    """Return the width of a table of some columns, with its cells in one line each or, ``words``, one word a line."""
    return sum(_column_width(columns, rows, index, words=words) for index in shown) + GAP * (len(shown) - 1)


def _column_width(columns: Sequence[str], rows: Sequence[Sequence[object]], index: int, *, words: bool) -> int:
    cells = [Text(printable(columns[index])), *(_cell(row[index]) for row in rows)]
    return max(cell_len(part) for cell in cells for part in (cell.plain.split() if words else [cell.plain]) or [""])


def _cell(value: object) -> Text:
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, int):
        return Text(f"{value:,}", style="dim" if value == 0 else "")
    return Text(printable(str(value)))


def harmless(text: str) -> str:
    """Return lines of text without control characters."""
    return "\n".join(printable(line) for line in text.split("\n"))


def print_text(text: str) -> None:
    """Print a table for other programs to stdout; on a terminal without its control characters."""
    sys.stdout.write(harmless(text) if sys.stdout.isatty() else text)


def print_json(summary: dict[str, object]) -> None:
    """Print the summary of a command as one JSON object on stdout.

    What is not printable is an escape of JSON: a terminal sees no control character, and a program the same text.
    """
    text = json.dumps(summary, ensure_ascii=False, indent=2, sort_keys=True)
    sys.stdout.write(
        "".join(sign if sign.isprintable() or sign == "\n" else _json_escape(sign) for sign in text) + "\n"
    )


def _json_escape(sign: str) -> str:
    return json.dumps(sign)[1:-1]


class _HarmlessFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return REDACTOR.text(harmless(super().format(record)))


def _log_to_stderr(level: int) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(_HarmlessFormatter("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
