"""A printed command can be pasted: quoted for the shell, with the folders of that moment, and known to the program."""

import ast
import re
import shlex
import subprocess
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.main import get_command

from imgkit import commands
from imgkit.cli import COMMANDS, build

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "imgkit"
MODULES = sorted(PACKAGE.rglob("*.py"))
OTHER_TEXTS = [path for kind in ("*.jinja", "*.js", "*.html") for path in sorted(PACKAGE.rglob(kind))]
MENTION = re.compile(rf"imgkit ({'|'.join(COMMANDS)})\b(?! wrote)((?:[ =]+(?:--[a-z-]+|[A-Z]+(?:\.csv)?)(?![a-z]))*)")
OF_A_FOLDER = {"harvest", "curate", "train", "status", "remove", "shards", "predict", "evaluate", "export", "serve"}
OF_A_FOLDER |= {"labels"}
"""Commands that say nothing without the folder that they are about."""


def test_a_command_names_the_folder_that_it_is_about():
    assert commands.harvest("data") == "imgkit harvest QUERIES.csv --data data"
    assert commands.harvest(Path("a b"), queries=Path("it's.csv"), per_label=400, providers=("bing", "commons")) == (
        """imgkit harvest 'it'"'"'s.csv' --per-label 400 --provider bing --provider commons --data 'a b'"""
    )
    assert commands.curate(Path("data"), "--review") == "imgkit curate --review --data data"
    assert commands.train(Path("$HOME/curated"), "--finetune") == "imgkit train '$HOME/curated' --finetune"


def test_a_path_that_looks_like_an_option_is_none():
    assert commands.train(Path("-x")) == "imgkit train ./-x"


@pytest.mark.parametrize(
    ("word", "written"),
    [("a\nb", r"$'a\nb'"), ("\x1b[2J'", r"$'\x1b[2J\''"), ("\udcff\\", r"$'\xff\\'"), ("ü \xa0", r"$'ü \xc2\xa0'")],
)
def test_what_a_terminal_cannot_show_is_written_as_an_escape(word, written):
    assert commands.command(word, program=("imgkit",)) == f"imgkit {written}"


WORD = st.binary(min_size=1, max_size=12).filter(lambda word: b"\0" not in word)


@given(st.lists(WORD, min_size=1, max_size=8))
def test_a_shell_reads_the_words_that_were_meant(words):
    line = commands.command(*(word.decode("utf-8", "surrogateescape") for word in words), program=("printf", "%s\\0"))

    done = subprocess.run(["bash", "-c", line], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})

    assert done.stdout.split(b"\0")[:-1] == words
    assert line.isprintable()


def texts_of(module):
    """The texts of a module outside of docstrings: (line, text), of an f-string its fixed parts with … between."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None
    }
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(part) for part in node.values}
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | docstrings:
            yield node.lineno, node.value


def mentions(text):
    return [(found.group(1), found.group(0)) for found in MENTION.finditer(text)]


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_text_spells_a_command_about_a_folder_by_itself(module):
    """Such a command comes from ``imgkit.commands``, which quotes it and names the folder."""
    spelled = [
        (line, whole)
        for line, text in texts_of(module)
        for name, whole in mentions(text)
        if name in OF_A_FOLDER and not re.search(r" [A-Z]{4,}", whole)
    ]

    assert spelled == []


@pytest.mark.parametrize("file", OTHER_TEXTS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_page_spells_a_command_by_itself(file):
    assert mentions(file.read_text(encoding="utf-8")) == []


def test_every_command_that_a_text_spells_is_understood():
    spelled = {whole for module in MODULES for _, text in texts_of(module) for _, whole in mentions(text)}
    assert {"imgkit demo", "imgkit models", "imgkit train FOLDER --backbone NAME"} <= spelled

    assert {line: refused(line) for line in spelled if refused(line)} == {}


def refused(line):
    """Parse a command line as the program does, without running it; return the name of the usage error, or ""."""
    _, name, *rest = shlex.split(line)
    try:
        get_command(build()).commands[name].make_context(name, rest).close()
    except Exception as error:
        return type(error).__name__
    return ""


def test_the_check_above_notices_what_the_program_would_refuse():
    assert refused("imgkit curate --revue") == "NoSuchOption"
    assert refused("imgkit harvest --per-label 200") == "MissingParameter"
    assert refused("imgkit harvest a.csv --per-label many") == "BadParameter"
    assert refused("imgkit harvest a.csv --per-label 200") == ""


def test_every_extra_that_a_text_or_a_page_names_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    pages = [*MODULES, *OTHER_TEXTS, *(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]
    named = {
        extra
        for page in pages
        for extra in re.findall(r"imgkit-datasets\[([a-z]+)\]", page.read_text(encoding="utf-8"))
    }

    assert named <= set(extras)
    assert {"ray", "tune", "export", "parquet"} <= named


FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]


def lines_of_the_documentation():
    """The commands in code blocks and the longer ones in code spans, without comments."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for kind, block in FENCE.findall(text):
            if kind in ("", "bash", "sh"):
                for line in block.splitlines():
                    yield page.name, line.split("  #")[0].strip()
        for span in re.findall(r"`((?:imgkit|torchrun) [^`\n]*)`", FENCE.sub("", text)):
            yield page.name, span


def test_every_command_of_the_documentation_is_understood():
    """A command with a service, a cluster or GPUs behind it cannot run here: its words are parsed, all of them."""
    checked, wrong = 0, []
    for page, line in lines_of_the_documentation():
        line = re.sub(r"^(\w+=\S+ )*torchrun .*-m (?=imgkit )", "", line)
        words = line.split()
        if len(words) < 2 or words[0] != "imgkit" or words[1] not in COMMANDS:
            continue
        if page != "README.md" and len(words) == 2 and words[1] in OF_A_FOLDER:
            continue  # the name of a command within a sentence
        if "/--" in line or (page == "README.md" and line in ("imgkit status", "imgkit remove")):
            continue  # an enumeration of options
        if why := refused(line):
            wrong.append((page, line, why))
        checked += 1
    assert wrong == []
    assert checked > 20
