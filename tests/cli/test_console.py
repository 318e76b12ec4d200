"""What a terminal of 80 columns, a pipe and a log see."""

import io
import re

import pytest

from imgkit.cli import console
from imgkit.cli.console import ConsoleProgress, PlainConsole, duration


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns as the place of results."""
    shown = PlainConsole(file=io.StringIO(), force_terminal=True, color_system=None, width=80, soft_wrap=True)
    monkeypatch.setattr(console, "out", shown)
    return shown.file


def lines_of(shown):
    return [line.rstrip() for line in shown.getvalue().splitlines()]


NAMES = ["harvested", "suspects", "set aside", "moved away", "moved here", "not judged", "in set", "written"]


def test_a_table_that_is_too_wide_loses_columns_of_zeros_first_and_breaks_no_word(terminal):
    rows = [["Lampropeltis elapsoides", 1200, 10, 0, 12, 0, 0, 1178, 1178], ["all", 1200, 10, 0, 12, 0, 0, 1178, 1178]]

    console.table("Pictures", ["label", *NAMES], rows, total=True, optional=("written",))

    assert lines_of(terminal) == [
        "Pictures",
        "label                    harvested  suspects  moved away  in set  written",
        "Lampropeltis elapsoides      1,200        10          12   1,178    1,178",
        "all                          1,200        10          12   1,178    1,178",
        "Not shown at this width: set aside, moved here, not judged.",
        "",
    ]


def test_optional_columns_go_in_the_order_given_and_only_as_many_as_must(terminal):
    words = ["a" * 20, "b" * 20, "c" * 20, "d" * 20]

    console.table("", ["one", "two", "three", "four"], [words], optional=("three", "two"))

    assert words[0] in terminal.getvalue()
    assert words[1] in terminal.getvalue()
    assert words[2] not in terminal.getvalue()
    assert words[3] in terminal.getvalue()
    assert "Not shown at this width: three." in terminal.getvalue()


def test_a_wide_enough_table_shows_columns_of_zeros(terminal):
    console.table("Few", ["label", "found", "kept"], [["coral", 0, 0]])

    assert lines_of(terminal) == ["Few", "label  found  kept", "coral      0     0", ""]


def test_cells_are_wrapped_at_spaces(terminal):
    meaning = "the server answered with a page that says that this picture is not there any more, which is final"

    console.table("Not kept", ["reason", "candidates", "meaning"], [["http.gone", 12, meaning]])

    words = set(terminal.getvalue().split())
    assert set(meaning.split()) <= words
    assert all(len(line) <= 80 for line in lines_of(terminal))


def test_sentences_end_their_lines_at_spaces_and_commands_stay_whole(terminal):
    sentence = "word " * 30 + "end"
    command = "Next: imgkit train " + "folder/" * 20 + " --final"

    console.out.print(sentence, markup=False)
    console.out.print(command, markup=False)

    *filled, whole = lines_of(terminal)
    assert " ".join(filled) == sentence
    assert [len(line) <= 80 for line in filled] == [True, True]
    assert whole == command


def test_a_pipe_gets_sentences_in_one_line():
    piped = PlainConsole(file=io.StringIO(), soft_wrap=True, width=console.PIPE_COLUMNS)

    piped.print("word " * 60 + "end", markup=False)

    assert len(lines_of(piped.file)) == 1


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_progress_in_a_pipe_is_one_line_every_ten_seconds_with_rate_and_time_left():
    clock, piped = Clock(), PlainConsole(file=io.StringIO(), soft_wrap=True, width=160)
    progress = ConsoleProgress(piped, clock)

    progress.start("looking at pictures", 1000)
    for _ in range(240):
        clock.now += 0.125
        progress.advance(note="coral")
    progress.start("checking")
    for _ in range(3):
        clock.now += 6
        progress.advance()

    assert lines_of(piped.file) == [
        "looking at pictures (1,000)",
        "looking at pictures: 80 of 1,000, 8.0/s, 1 min 55 s left, coral",
        "looking at pictures: 160 of 1,000, 8.0/s, 1 min 45 s left, coral",
        "looking at pictures: 240 of 1,000, 8.0/s, 1 min 35 s left, coral",
        "checking",
        "checking: 2, 6 s each",
    ]


def test_a_bar_of_unknown_length_shows_no_question_mark():
    clock = Clock()
    shown = PlainConsole(file=io.StringIO(), force_terminal=True, color_system=None, width=80)
    progress = ConsoleProgress(shown, clock)

    progress.start("linear probe")
    clock.now += 2
    progress.advance(8)
    progress.stop()

    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.file.getvalue())
    assert "linear probe" in text
    assert "8, 4.0/s" in text
    assert "?" not in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (59.4, "59 s"), (59.6, "1 min"), (185, "3 min 5 s"), (3600, "1 h"), (7800, "2 h 10 min")],
)
def test_a_time_is_said_to_two_units(seconds, words):
    assert duration(seconds) == words
