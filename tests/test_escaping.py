"""Texts from outside are harmless where they are shown, and no fault that a user can cause is a traceback."""

import errno
import io
import json
import os
import subprocess
import sys

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from imgkit.cli import console
from imgkit.errors import ResourceError, UsageError
from imgkit.escaping import markdown_link, markdown_text, printable, spreadsheet_safe, spreadsheet_text
from imgkit.files import temporary_beside, temporary_folder, utf8_path, write_text

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b31m\r\x08[/bold][red]x"


def imgkit(*arguments, **options):
    command = [sys.executable, "-m", "imgkit", *map(os.fsencode, map(str, arguments))]
    return subprocess.run(command, capture_output=True, check=False, **options)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ü 猫", "plain ü 猫"),
        ("\x1b[2J", "·[2J"),
        ("a\x9bb\x7f\x00", "a·b··"),
        (os.fsdecode(b"caf\xe9\xff"), "caf\\xe9\\xff"),
        ("\u202egpj", "·gpj"),
    ],
)
def test_control_characters_do_not_reach_a_terminal(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        *[(f"{start}1+1", f"'{start}1+1") for start in "=+-@\t\r＝＋－＠"],
        ("  =1+1", "'  =1+1"),
        ("-5", "-5"),
        ("+1.5e3", "+1.5e3"),
        ("a=b", "a=b"),
        ("", ""),
        (-5, -5),
        (None, None),
    ],
)
def test_a_text_is_no_formula_and_a_number_stays_a_number(cell, safe):
    assert spreadsheet_safe([cell]) == [safe]


@given(st.text())
def test_what_was_guarded_reads_as_it_was_unless_it_looked_guarded_itself(text):
    once = spreadsheet_safe([text])[0]

    assert spreadsheet_safe([once]) == [once]
    assert spreadsheet_text(once) == (spreadsheet_text(text) if once == text else text)


@pytest.mark.parametrize(
    "url",
    [
        *("javascript:alert(1)", "JaVaScRiPt://example.org/%0aalert(1)", "data:text/html,x", "file:///etc/passwd", ""),
        *("//example.org", "http:", "vbscript:x", " javascript:x", "http://[::1", "example.org/x"),
    ],
)
def test_what_is_no_web_address_is_no_link(url):
    assert markdown_link(url) == ""


def test_a_web_address_is_a_link_that_nothing_ends_early():
    assert markdown_link("https://example.org/a b>`<c\n\x1b") == "<https://example.org/a%20b%20%20%20c%20%20>"
    assert markdown_link("HTTP://example.org") == "<HTTP://example.org>"


def test_text_in_markdown_is_one_line_without_markup():
    assert markdown_text("[x](javascript:y)\n# <b>") == r"\[x\]\(javascript:y\) \# \<b\>"


def test_an_error_about_a_hostile_name_is_one_harmless_line(tmp_path):
    done = imgkit("shards", tmp_path / HOSTILE.replace("/", ""), tmp_path / "set")

    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert b"\x9b" not in done.stderr.replace("·".encode(), b"")
    assert b"[bold][red]x" in done.stderr
    assert b"Traceback" not in done.stderr


def test_a_name_that_is_not_utf8_is_named_whatever_the_locale(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    for encoding in ("utf-8", "ascii"):
        done = imgkit("shards", tmp_path / name, tmp_path / "set", env={**os.environ, "PYTHONIOENCODING": encoding})

        assert (done.returncode, b"caf\\xe9" in done.stderr) == (2, True)


def test_tables_and_lines_show_brackets_and_no_control_characters(capsys):
    console.table(HOSTILE, [HOSTILE, "n"], [[HOSTILE, 1]])
    console.out.print(HOSTILE)
    console.out.print(HOSTILE, markup=False)

    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\x9b" not in said
    assert said.count("[/bold][red]x") == 5


@given(st.text())
def test_json_on_a_terminal_holds_no_control_character_and_means_the_same(text):
    buffer = io.StringIO()
    before, sys.stdout = sys.stdout, buffer
    try:
        console.print_json({"name": text})
    finally:
        sys.stdout = before

    assert all(sign.isprintable() or sign == "\n" for sign in buffer.getvalue())
    assert json.loads(buffer.getvalue()) == {"name": text}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), "fs.full"),
        (PermissionError(errno.EACCES, "Permission denied", b"/x/y"), "fs.permission"),
        (OSError(errno.EROFS, "Read-only file system", "/x/y"), "fs.readonly"),
        (OSError(errno.EIO, "Input/output error", "/x/y"), "fs.error"),
        (MemoryError(), "fs.memory"),
        (ImportError("libx.so: failed to map segment from shared object"), "fs.memory"),
        (RuntimeError("can't start new thread"), "fs.memory"),
    ],
)
def test_what_the_system_refuses_is_one_sentence_and_exit_code_4(error, code, capsys):
    with pytest.raises(typer.Exit) as stopped, console.command("try"):
        raise error

    said = capsys.readouterr().err
    assert stopped.value.exit_code == 4
    assert said.startswith("imgkit try: ")
    assert said.rstrip().endswith(f"[{code}]")
    assert ("at /x/y" in said) == isinstance(error, OSError)


@pytest.mark.parametrize("error", [RuntimeError("our own fault"), ImportError("no module"), BrokenPipeError()])
def test_other_errors_are_not_hidden(error):
    with pytest.raises(type(error)), console.command("try"):
        raise error


def test_an_error_of_ours_keeps_its_code(capsys):
    with pytest.raises(typer.Exit) as stopped, console.command("try"):
        raise UsageError("no such thing. Nothing was changed. Do that.", code="a.b")

    assert (stopped.value.exit_code, capsys.readouterr().err) == (
        2,
        "imgkit try: no such thing. Nothing was changed. Do that. [a.b]\n",
    )


def test_where_there_is_no_room_for_temporary_files_it_is_said(monkeypatch):
    def refuse(**_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)

    refusal = r"cannot make a temporary folder: No space left on device\..*TMPDIR"
    with pytest.raises(ResourceError, match=refusal), temporary_folder():
        pass


def test_the_temporary_name_beside_a_name_of_255_bytes_fits(tmp_path):
    name = "é" * 127 + "x"

    assert len(name.encode()) == 255
    assert len(temporary_beside(tmp_path / name).name.encode()) <= 255
    write_text(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_bytes_of_names_are_written_as_escapes_that_json_reads_back(tmp_path):
    name = os.fsdecode(b"caf\xe9")

    write_text(tmp_path / "a.json", json.dumps([name], ensure_ascii=False))

    assert (tmp_path / "a.json").read_bytes() == b'["caf\\udce9"]'
    assert json.loads((tmp_path / "a.json").read_text("utf-8")) == [name]


def test_a_library_that_knows_utf8_alone_opens_a_file_under_another_name(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.txt")
    path.write_text("x")

    with utf8_path(path) as named:
        assert (str(named).encode("utf-8") != b"", named.suffix, named.read_text()) == (True, ".txt", "x")
    with utf8_path(tmp_path) as same:
        assert same == tmp_path
