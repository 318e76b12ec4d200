"""A file of this machine, or an original, that cannot be read ends the harvest with exit code 4; nothing is lost."""

import errno
import os
from pathlib import Path

import pytest
from harvesting import candidates, run
from PIL import Image

from failing_disk import compiled, imgkit
from imgkit.errors import IntegrityError, ResourceError
from imgkit.harvest.storage import ingest as ingesting
from imgkit.manifest import Manifest, Query


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def mine(tmp_path):
    """Six pictures of a person, and the query that adopts them."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for number in range(6):
        Image.effect_noise((200 + number, 150), 60).convert("RGB").save(folder / f"{number}.png")
    return folder


def adopt(data, mine, **settings):
    query = Query(label="bears", name="bears", text=str(mine), providers=("folder",))
    return run(type("", (), {"environ": {}}), data, query, **settings)


def test_a_harvest_from_a_disk_that_fails_ends_with_4_and_the_next_one_takes_every_picture(data, mine, tmp_path):
    queries = tmp_path / "queries.csv"
    queries.write_text(f"label,query,providers\nbears,{mine},folder\n")

    stopped = imgkit("harvest", queries, "--data", data, shim=compiled(tmp_path), below=mine, first=4)
    told = [(one.state, one.reason) for one in candidates(data)]
    again = imgkit("harvest", queries, "--data", data)

    assert stopped.returncode == 4
    assert stopped.stderr.splitlines()[-1].startswith(f"imgkit harvest: cannot read {mine}")
    assert {state for state, _ in told} <= {"pending", "kept"}
    assert {reason for _, reason in told} == {""}
    assert again.returncode == 0
    assert [one.state for one in candidates(data)] == ["kept"] * 6


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, "fs.read"), (errno.EACCES, "fs.permission")])
def test_a_picture_of_this_machine_that_cannot_be_opened_is_not_rejected(data, mine, monkeypatch, number, code):
    real = os.open

    def failing(path, *arguments, **named):
        if str(path) == str(mine / "3.png"):
            raise OSError(number, os.strerror(number), str(path))
        return real(path, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", failing)
        with pytest.raises(ResourceError) as stopped:
            adopt(data, mine)

    assert (stopped.value.code, stopped.value.exit_code) == (code, 4)
    assert {one.state for one in candidates(data)} <= {"pending", "kept"}
    assert adopt(data, mine).total.kept == 6


def test_a_folder_that_cannot_be_listed_ends_the_harvest(data, mine, monkeypatch):
    real = os.scandir

    def failing(path="."):
        if str(path) == str(mine):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", failing)

    with pytest.raises(ResourceError, match=f"no permission to read {mine}"):
        adopt(data, mine)


def test_an_original_that_cannot_be_read_is_not_called_damaged_and_one_that_is_gone_is(data, mine, monkeypatch):
    adopt(data, mine, size=120)
    with Manifest.open_existing(data) as manifest:
        original = manifest.folder.original(*next((one.sha256, one.extension) for one in manifest.images().values()))
    real = Path.read_bytes

    def failing(self):
        if self == original:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(self))
        return real(self)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", failing)
        with pytest.raises(ResourceError, match=f"cannot read {original}"):
            adopt(data, mine, size=100)
    original.unlink()

    with pytest.raises(IntegrityError, match="is missing or damaged"):
        adopt(data, mine, size=80)


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE, errno.ENOSPC, errno.EACCES])
def test_a_system_that_fails_the_decoder_ends_the_harvest_and_no_candidate_is_rejected(data, mine, monkeypatch, number):
    real, calls = ingesting.decode, []

    def failing(body, **named):
        calls.append(body)
        if len(calls) == 3:
            raise OSError(number, os.strerror(number))
        return real(body, **named)

    with monkeypatch.context() as patch:
        patch.setattr(ingesting, "decode", failing)
        with pytest.raises(ResourceError, match=os.strerror(number)) as stopped:
            adopt(data, mine)

    assert (stopped.value.code, stopped.value.exit_code) == ("fs.read", 4)
    assert {(one.state, one.reason) for one in candidates(data)} <= {("pending", ""), ("kept", "")}
    assert adopt(data, mine).total.kept == 6


def test_a_system_that_fails_the_decoder_of_an_original_does_not_call_it_damaged(data, mine, monkeypatch):
    adopt(data, mine, size=120)

    def failing(body, **named):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(ingesting, "decode", failing)

    with pytest.raises(ResourceError, match=os.strerror(errno.EMFILE)):
        adopt(data, mine, size=100)


def test_an_error_that_the_bytes_may_have_caused_is_one_of_the_candidate(data, mine, monkeypatch):
    def failing(body, **named):
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))

    monkeypatch.setattr(ingesting, "decode", failing)
    adopt(data, mine)

    assert {(one.state, one.reason) for one in candidates(data)} == {("rejected", "img.decoder_killed")}
