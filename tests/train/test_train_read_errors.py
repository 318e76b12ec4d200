"""A file that cannot be read is no broken picture: train, evaluate and predict end with exit code 4."""

import errno
import os
from concurrent.futures import Future
from pathlib import Path

import pytest

from failing_disk import compiled, imgkit
from imgkit.dataset.folder import scan
from imgkit.errors import ResourceError
from imgkit.models.model_folder import read_metadata
from imgkit.models.predict import find_files, predict
from imgkit.progress import Silent
from imgkit.train.finetune import checkpoint
from imgkit.vision.guarded import GuardedDecoder


@pytest.fixture
def broken(monkeypatch):
    """Return a function that makes a file unreadable, with an error of the system."""

    def breaks(file, number=errno.EIO):
        real = Path.read_bytes

        def read_bytes(self):
            if self == file:
                raise OSError(number, os.strerror(number), str(self))
            return real(self)

        monkeypatch.setattr(Path, "read_bytes", read_bytes)

    return breaks


def test_train_on_a_disk_that_fails_ends_with_4_and_starts_no_run(folder, tmp_path):
    pictures = folder(per_label=6)

    run = imgkit(
        "train", pictures, "--runs", tmp_path / "runs", "--check", shim=compiled(tmp_path), below=pictures, first=10
    )

    assert run.returncode == 4
    assert run.stderr.splitlines()[-1].startswith(f"imgkit train: cannot read {pictures}")
    assert run.stderr.endswith("[fs.read]\n")
    assert list((tmp_path / "runs").glob("*/config.json")) == []


@pytest.mark.parametrize(("number", "code"), [(errno.EIO, "fs.read"), (errno.EACCES, "fs.permission")])
def test_a_picture_that_cannot_be_read_is_not_put_into_the_quarantine(folder, tmp_path, broken, number, code):
    pictures = folder()
    broken(pictures / "coral" / "002.png", number)

    with pytest.raises(ResourceError) as stopped:
        scan(pictures, cache=tmp_path / "cache", progress=Silent())

    assert (stopped.value.code, stopped.value.exit_code) == (code, 4)


def test_a_label_folder_that_cannot_be_listed_is_not_an_empty_label(folder, tmp_path, monkeypatch):
    pictures = folder()
    real = os.scandir

    def scandir(path="."):
        if Path(path) == pictures / "king":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    with pytest.raises(ResourceError, match="no permission to read"):
        scan(pictures, cache=tmp_path / "cache", progress=Silent())
    with pytest.raises(ResourceError, match="no permission to read"):
        find_files([pictures])


def test_a_file_that_goes_while_it_is_looked_at_is_a_row_of_the_quarantine(folder, tmp_path, broken):
    pictures = folder()
    gone = next(pictures.glob("coral/*"))
    broken(gone, errno.ENOENT)

    found = scan(pictures, cache=tmp_path / "cache", progress=Silent())

    assert [(one.path, one.reason) for one in found.quarantine] == [(gone, "fs.missing")]


def test_predict_ends_where_a_file_cannot_be_read_and_tells_a_broken_picture_by_its_row(
    model, folder, tmp_path, broken
):
    pictures = folder("more")
    (pictures / "coral" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    rows = predict(model, [pictures], device="cpu")
    assert sum(bool(row.reason) for row in rows) == 1

    broken(next(pictures.glob("king/*")))
    with pytest.raises(ResourceError, match="cannot read"):
        predict(model, [pictures], device="cpu")


def test_a_model_and_a_checkpoint_that_cannot_be_read_are_not_called_damaged(model, tmp_path, broken):
    for file, read in (
        (model / "config.json", lambda: read_metadata(model)),
        (tmp_path / "step-00000001.safetensors", lambda: checkpoint.newest(tmp_path)),
    ):
        if not file.exists():
            file.write_text("half a checkpoint")
        broken(file)
        with pytest.raises(ResourceError, match="cannot read"):
            read()


def test_predict_ends_where_the_system_cannot_decode(model, folder, monkeypatch):
    def submit(self, body):
        answer = Future()
        answer.set_exception(ResourceError("the system refused a process that decodes pictures", code="fs.read"))
        return answer

    monkeypatch.setattr(GuardedDecoder, "submit", submit)

    with pytest.raises(ResourceError, match="the system refused a process"):
        predict(model, [folder("more")], device="cpu")
