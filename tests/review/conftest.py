"""A small data folder with drawn pictures and verdicts, and a running review of it."""

import shutil

import pytest
from reviewing import Builder, serving


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path / "data")


@pytest.fixture(scope="session")
def suspects_once(tmp_path_factory):
    """Six suspects of two labels, four kept pictures, one pair of copies; only to be copied."""
    builder = Builder(tmp_path_factory.mktemp("suspects") / "data")
    for n in range(6):
        label = ("coral_snake", "king_snake")[n % 2]
        suggested = "king_snake" if n == 0 else ""
        check = "label" if suggested else "offtopic"
        builder.add(
            label, verdict="suspect", reason=f"bad.{check}", check=check, score=0.9 - n / 20, suggested=suggested
        )
    for n in range(4):
        builder.add(("coral_snake", "king_snake")[n % 2])
    better = builder.add("king_snake")
    builder.add("king_snake", verdict="suspect", reason="dup.near", check="near", copy_of=better)
    return builder


@pytest.fixture
def suspects(suspects_once, tmp_path):
    """A copy of the folder of suspects, which is quicker than to fill one."""
    shutil.copytree(suspects_once.data, tmp_path / "data")
    return suspects_once.copied_to(tmp_path / "data")


@pytest.fixture
def server(suspects):
    with serving(suspects.data) as running:
        yield running
