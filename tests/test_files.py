"""Files are whole or not there, and a failing disk is explained."""

import errno
import os

import pytest

from imgkit.errors import ResourceError
from imgkit.files import link_or_copy, resource_error, write_atomically


def test_a_write_leaves_the_file_and_nothing_beside_it(tmp_path):
    write_atomically(tmp_path / "a" / "b.txt", b"bytes")

    assert [(p.name, p.read_bytes()) for p in (tmp_path / "a").iterdir()] == [("b.txt", b"bytes")]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    target = tmp_path / "taken"
    (target / "inside").mkdir(parents=True)

    with pytest.raises(ResourceError, match="cannot write"):
        write_atomically(target, b"bytes")

    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def test_a_link_shares_the_bytes_and_replaces_what_was_there(tmp_path):
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_bytes(b"new")
    target.parent.mkdir()
    target.write_bytes(b"old")

    link_or_copy(source, target)
    link_or_copy(source, target)

    assert target.samefile(source)
    assert [p.name for p in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize(
    ("number", "code", "advice"),
    [
        pytest.param(errno.ENOSPC, "fs.full", "Free space and run the same command again", id="disk full"),
        pytest.param(errno.EROFS, "fs.readonly", "Choose another folder with --data", id="read-only"),
        pytest.param(errno.EACCES, "fs.permission", "Change the permission", id="no permission"),
        pytest.param(errno.ENAMETOOLONG, "fs.name", "Check the disk", id="name too long"),
    ],
)
def test_a_failing_disk_says_what_to_do(tmp_path, number, code, advice):
    error = resource_error(OSError(number, os.strerror(number)), tmp_path / "x", needed=1000)

    assert error.code == code
    assert error.exit_code == 4
    assert advice in str(error)
