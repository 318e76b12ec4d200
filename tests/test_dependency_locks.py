"""Everything that `make test` installs is pinned with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ("lock.txt", "cuda.txt", "torch-cpu.txt")


def pinned(name):
    """The requirements of a lock with their hashes; every other line is a comment."""
    text = (ROOT / "constraints" / name).read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.M)
    found = {}
    for entry in re.split(r"\n(?! )", text.strip()):
        first, *hashes = entry.split(" \\\n    --hash=")
        found[first] = hashes
    return {Requirement(requirement): hashes for requirement, hashes in found.items()}


@pytest.mark.parametrize("name", LOCKS)
def test_every_requirement_has_one_version_and_the_sha256_of_its_files(name):
    for requirement, hashes in pinned(name).items():
        assert [one.operator for one in requirement.specifier] == ["=="]
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", one) for one in hashes), requirement


@pytest.mark.parametrize("name", [*LOCKS, "cpu.txt"])
def test_no_address_and_no_path_is_in_them(name):
    assert not re.search(
        r"://|(^|\s)(/|-[ief]\b|--index|--find)", (ROOT / "constraints" / name).read_text("utf-8"), re.M
    )


def test_every_dependency_and_tool_of_the_project_is_pinned_within_its_range():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["dev"]]
    wanted += project["build-system"]["requires"]
    versions = {canonicalize_name(one.name): next(iter(one.specifier)).version for one in pinned("lock.txt")}

    for one in map(Requirement, wanted):
        version = versions.get(canonicalize_name(one.name))
        assert version is not None, f"{one} is not in constraints/lock.txt: run make lock"
        assert one.specifier.contains(version), f"{one} is not {version}: run make lock"


def test_the_locks_agree_on_torch():
    versions = {
        name: {next(iter(one.specifier)).version.split("+")[0] for one in pinned(name) if one.name == "torch"}
        for name in ("lock.txt", "torch-cpu.txt")
    }
    cpu = re.search(r"^torch==(.+)$", (ROOT / "constraints" / "cpu.txt").read_text(encoding="utf-8"), re.M).group(1)

    assert versions == {"lock.txt": {cpu}, "torch-cpu.txt": {cpu}}


def test_what_make_installs_is_checked_by_hash():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    installs = [line for line in re.findall(r"\$\(PIP\) install [^\n|]+", text) if "install uv" not in line]

    assert len(installs) == 4
    for line in installs:
        assert "--no-deps" in line
        assert "--require-hashes" in line or line.endswith("--no-build-isolation -e .")
