"""The Dockerfile names files, commands and users that exist; an image is not built here."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from typer.main import get_command

from imgkit.cli import COMMANDS, build

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = {"wheels*"}  # a pattern beside a file: COPY takes it where it matches


def instructions():
    """The instructions of the Dockerfile: (name, words), continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split()[0], line.partition(" ")[2]) for line in lines]


def copied():
    """The sources of each COPY from the folder of the Dockerfile."""
    return [words.split()[:-1] for name, words in instructions() if name == "COPY" and "--from=" not in words]


def test_every_file_that_is_copied_exists_and_an_optional_one_stands_beside_one_that_does():
    assert len(copied()) == 3
    for sources in copied():
        named = [source for source in sources if source not in OPTIONAL]
        assert named
        assert [source for source in named if not (ROOT / source).exists()] == []


def ignored(path):
    """Whether the .dockerignore keeps a path away: the last line that fits it or a folder above it decides."""
    verdict, lines = False, (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if not line or line.startswith("#"):
            continue
        pattern = re.escape(line.removeprefix("!")).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
        if re.fullmatch(f"{pattern}(?:/.*)?", path):
            verdict = not line.startswith("!")
    return verdict


def test_what_is_copied_is_sent_to_docker_and_nothing_private_is():
    sent = [*(source for sources in copied() for source in sources if source not in OPTIONAL), "wheels/a.whl"]
    private = ["data/manifest.db", "runs/a/model", ".git/config", ".venv/bin/python", ".env", "tests/conftest.py"]

    assert [path for path in [*sent, "src/imgkit/cli/__init__.py"] if ignored(path)] == []
    assert [path for path in [*private, "src/imgkit/__pycache__/a.pyc", "harvest"] if not ignored(path)] == []


def test_what_is_copied_is_enough_to_build_the_package(tmp_path):
    for source in (source for sources in copied() for source in sources if source not in OPTIONAL):
        place = ROOT / source
        if place.is_dir():
            shutil.copytree(place, tmp_path / source, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(place, tmp_path / place.name)

    made = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path / "dist"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert made.returncode == 0, made.stdout + made.stderr
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("imgkit/")}
    here = {
        str(path.relative_to(ROOT / "src"))
        for path in (ROOT / "src" / "imgkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == here


def test_the_image_runs_the_program_as_nobody_with_a_python_that_the_package_allows():
    found = dict(instructions())  # the last of each

    assert json.loads(found["ENTRYPOINT"]) == ["imgkit"]
    assert json.loads(found["CMD"]) == ["--help"]
    assert found["USER"] == "nobody"
    bases = [words.split()[0] for name, words in instructions() if name == "FROM"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    versions = {re.fullmatch(r"python:(3\.\d+)-slim-\w+", base).group(1) for base in bases}
    assert len(versions) == 1
    assert versions <= {each.rpartition(" ")[2] for each in project["classifiers"]}


def runs_of(text):
    """The words after the name of the image in each `docker run`, and the lines that begin with the program."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True) if line.strip().startswith(("docker run", "NETWORK=")) else []
        if "imgkit" in words:
            yield words[words.index("imgkit") + 1 :]


@pytest.mark.parametrize("page", ["docs/docker.md"])
def test_every_command_that_the_page_runs_in_a_container_is_one_of_the_program(page):
    given = list(runs_of((ROOT / page).read_text(encoding="utf-8")))
    assert ["train", "data/curated"] in given
    assert ["serve", "runs/first"] in given

    for name, *rest in (words for words in given if words != ["$@"]):
        assert name in COMMANDS
        get_command(build()).commands[name].make_context(name, rest).close()


def test_the_page_names_the_folders_variables_and_files_of_the_dockerfile():
    page = (ROOT / "docs" / "docker.md").read_text(encoding="utf-8")
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    for folder in re.findall(r'--volume "?[\w$-]+:(/\w+)', page):
        assert f" {folder} " in text
    for name in re.findall(r"--build-arg (\w+)=", page):
        assert f"ARG {name}=" in text
    for source in (source for sources in copied() for source in sources):
        assert f"`{source.removesuffix('*')}`" in page
