"""What `make dist` builds holds the whole package and works in an environment that has never seen the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

from imgkit import __version__
from imgkit.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "src"
IMPORT_EVERYTHING = """
import importlib, pkgutil, imgkit
names = sorted(found.name for found in pkgutil.walk_packages(imgkit.__path__, "imgkit."))
failed = {}
for name in names:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = repr(error)
print(len(names), imgkit.__file__)
print(failed)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder that `make dist` filled, with the environment of this test run in the place of a new one."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    folder = tmp_path_factory.mktemp("dist")
    here = [f"VENV={sys.prefix}", f"DIST={folder}", f"--old-file={sys.prefix}/.installed"]
    made = subprocess.run(["make", *here, "dist"], cwd=ROOT, env=bare(), capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout.count("PASSED") == 2  # twine check, of the sdist and of the wheel
    return folder


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The folder of the programs of a new environment that holds the wheel and reaches this one's dependencies."""
    place = tmp_path_factory.mktemp("bare") / "an environment"
    venv.create(place, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(place / "bin" / "python")]
    (wheel,) = built.glob("*.whl")
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], env=bare(), check=True)
    site = next(place.glob("lib/python*/site-packages"))
    # A line of a .pth file is a folder to import from; the .pth files inside that folder, and so the editable install
    # of the checkout, are not followed.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return place / "bin"


def bare():
    """The environment of this process without what leads to the checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, env=bare(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of_the_package():
    return {
        path.relative_to(SOURCES).as_posix()
        for path in (SOURCES / "imgkit").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_built_from_the_sdist_holds_every_file_of_the_package_and_nothing_else(built):
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert held == files_of_the_package()


def test_the_sdist_holds_every_file_of_the_package_once_and_the_links_at_the_top_not_at_all(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = [member.name.split("/", 1)[1] for member in archive.getmembers()]
        links = [member.name for member in archive.getmembers() if not member.isreg()]

    assert sorted(name for name in held if name.startswith("src/")) == sorted(
        f"src/{name}" for name in files_of_the_package()
    )
    assert links == []
    assert {name.split("/")[0] for name in held} == {
        *(
            "src",
            "tests",
            "queries",
            "benchmarks",
            "docs",
            "constraints",
            ".ci",
            "Makefile",
            "Dockerfile",
            ".dockerignore",
            "CHANGELOG.md",
            "SECURITY.md",
        ),
        *("README.md", "LICENSE", "pyproject.toml", "PKG-INFO", ".gitignore"),
    }


def test_the_installed_command_prints_its_version(installed, tmp_path):
    assert run(installed / "imgkit", "--version", cwd=tmp_path) == f"imgkit {__version__}\n"


def test_the_installed_command_names_every_command(installed, tmp_path):
    page = run(installed / "imgkit", "--help", cwd=tmp_path)

    assert [name for name in COMMANDS if f" {name} " not in page] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_installed_command_prints_its_help(installed, tmp_path, command):
    assert f"imgkit {command}" in run(installed / "imgkit", command, "--help", cwd=tmp_path)


def test_every_module_of_the_installed_package_can_be_imported(installed, tmp_path):
    first, failed = run(installed / "python", "-c", IMPORT_EVERYTHING, cwd=tmp_path).splitlines()
    count, place = first.split(" ", 1)

    assert failed == "{}"
    assert Path(place).is_relative_to(installed.parent)
    assert int(count) == len([name for name in files_of_the_package() if name.endswith(".py")]) - 1  # imgkit itself
