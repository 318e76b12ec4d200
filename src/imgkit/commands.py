"""Write commands that a person can paste into a shell, whatever their folders are called.

Words in capitals stand for what the person has to fill in: ``QUERIES.csv``, ``PICTURES``.
"""

import os
import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

QUERIES: Final = "QUERIES.csv"
PICTURES: Final = "PICTURES"
_ESCAPED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "'": "\\'", "\\": "\\\\"}


def command(*words: str | Path, program: Sequence[str] = ("imgkit",)) -> str:
    """Return a command line with every word quoted for the shell of this system.

    A path that begins with ``-`` is written as ``./-...``, since it would be taken for an option. Control characters
    and bytes that are not UTF-8 are written as escapes (``$'...'``), so that the line can be printed and pasted.

    Args:
        words: what follows the program; paths as ``Path``.
        program: the words that start the program.
    """
    plain = [*program, *(_plain(word) for word in words)]
    if os.name == "nt":
        return subprocess.list2cmdline(plain)
    return " ".join(map(_quoted, plain))


def harvest(
    data: Path | str, *, queries: Path | None = None, per_label: int | None = None, providers: Sequence[str] = ()
) -> str:
    """Return the command that harvests into a data folder; without ``queries`` the person fills in the file."""
    words: list[str | Path] = ["harvest", queries or QUERIES]
    if per_label is not None:
        words += ["--per-label", str(per_label)]
    for name in providers:
        words += ["--provider", name]
    return command(*words, "--data", Path(data))


def curate(data: Path | str, *options: str) -> str:
    """Return the command that curates a data folder, such as ``curate(data, "--review")``."""
    return command("curate", *options, "--data", Path(data))


def train(folder: Path | str, *options: str | Path) -> str:
    """Return the command that trains on a folder of pictures."""
    return command("train", Path(folder), *options)


def _plain(word: str | Path) -> str:
    text = str(word)
    return f"./{text}" if isinstance(word, Path) and text.startswith("-") else text


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(_escaped(character) for character in word) + "'"


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    if character.isprintable():
        return character
    return "".join(f"\\x{byte:02x}" for byte in character.encode("utf-8", "surrogateescape"))
