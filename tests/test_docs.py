"""The documentation says what the code does."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from imgkit import __version__
from imgkit.cli import COMMANDS, build
from imgkit.errors import ImgkitError
from imgkit.reasons import REASONS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"


def test_every_reason_is_documented_and_nothing_else():
    rows = re.findall(r"^\| `([a-z_.0-9]+)` \| (.+) \|$", (DOCS / "reasons.md").read_text(encoding="utf-8"), re.M)

    assert dict(rows) == REASONS


def test_every_exit_code_is_documented():
    text = (DOCS / "data-folder.md").read_text(encoding="utf-8")

    assert [kind.exit_code for kind in ImgkitError.__subclasses__() if f"| {kind.exit_code} |" not in text] == []


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (DOCS / "dependencies.md").read_text(encoding="utf-8")
    listed = [*project["dependencies"], *(d for extra in project["optional-dependencies"].values() for d in extra)]
    names = {re.split(r"[<>=\[]", one)[0] for one in listed if not one.startswith(("imgkit", "types-"))}

    assert sorted(name for name in names if name not in text) == []


def test_the_changelog_knows_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert "## Unreleased" in text or f"## {__version__}" in text


@pytest.mark.parametrize("page", [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_a_link_in_the_documentation_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_names_every_command_and_no_other():
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    assert set(re.findall(r"^\| `imgkit (\w+)", text, re.M)) == set(COMMANDS)


def test_every_option_in_the_documentation_exists():
    known = {
        option
        for command in get_command(build()).commands.values()
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    mentioned = {
        option
        for page in (ROOT / "README.md", *DOCS.rglob("*.md"))
        for line in re.findall(r"imgkit \w+[^`\n]*", page.read_text(encoding="utf-8"))
        for option in re.findall(r"(?<!\S)--[a-z][a-z-]+", line)
    }

    assert sorted(mentioned - known) == []


def test_the_security_page_names_tests_and_scripts_that_exist():
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:tests|benchmarks)/[\w/]+\.py)", text)

    assert [name for name in named if not (ROOT / name).is_file()] == []
    assert len(named) > 25
