"""Files are whole or not there, and a failing disk is explained."""

import errno
import os
from pathlib import Path

import pytest

from imgkit.errors import ResourceError
from imgkit.files import clone_or_copy, read_plain_file, resource_error, write_atomically


def test_a_write_leaves_the_file_and_nothing_beside_it(tmp_path):
    write_atomically(tmp_path / "a" / "b.txt", b"bytes")

    assert [(p.name, p.read_bytes()) for p in (tmp_path / "a").iterdir()] == [("b.txt", b"bytes")]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    target = tmp_path / "taken"
    (target / "inside").mkdir(parents=True)

    with pytest.raises(ResourceError, match="cannot write"):
        write_atomically(target, b"bytes")

    assert [p.name for p in tmp_path.iterdir()] == ["taken"]


def watched(monkeypatch):
    """Record, in their order, the calls of the system that make a file durable."""
    seen = []
    names = {}
    real = {name: getattr(os, name) for name in ("open", "write", "fsync", "replace")}

    def opened(path, *options):
        descriptor = real["open"](path, *options)
        names[descriptor] = Path(path).name if Path(path).is_file() else f"{Path(path).name}/"
        return descriptor

    def written(descriptor, data):
        seen.append(("write", names[descriptor][:5]))
        return real["write"](descriptor, data)

    def synced(descriptor):
        seen.append(("fsync", names[descriptor][:5]))
        real["fsync"](descriptor)

    def replaced(source, target):
        seen.append(("rename", Path(target).name))
        real["replace"](source, target)

    for name, function in (("open", opened), ("write", written), ("fsync", synced), ("replace", replaced)):
        monkeypatch.setattr(os, name, function)
    return seen


def test_what_is_written_durably_is_synced_before_it_has_its_name_and_the_folder_after(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    seen = watched(monkeypatch)

    write_atomically(tmp_path / "here" / "b.txt", b"bytes")

    assert seen == [("write", ".tmp-"), ("fsync", ".tmp-"), ("rename", "b.txt"), ("fsync", "here/")]


def test_what_need_not_be_durable_waits_for_no_disk(tmp_path, monkeypatch):
    seen = watched(monkeypatch)

    write_atomically(tmp_path / "b.txt", b"bytes", durable=False)

    assert seen == [("write", ".tmp-"), ("rename", "b.txt")]


def test_a_system_that_takes_a_few_bytes_at_a_time_gets_them_all(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:3]))

    write_atomically(tmp_path / "b.txt", bytes(range(100)))

    assert (tmp_path / "b.txt").read_bytes() == bytes(range(100))


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "b.txt").write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)

    with pytest.raises(ResourceError, match=r"\(needs 5 B\)") as stopped:
        write_atomically(tmp_path / "b.txt", b"bytes")

    assert stopped.value.code == "fs.full"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("b.txt", b"old")]


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_only_plain_files_are_read(tmp_path, kind):
    path = tmp_path / "x"
    if kind == "link":
        (tmp_path / "target").write_bytes(b"secret")
        path.symlink_to(tmp_path / "target")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()

    with pytest.raises(OSError, match=r"link|plain|directory"):
        read_plain_file(path)


@pytest.mark.parametrize(
    ("at_most", "found"), [(-1, b"abcdef"), (0, b""), (4, b"abcd"), (6, b"abcdef"), (9, b"abcdef")]
)
def test_as_many_bytes_are_read_as_are_asked_for(tmp_path, at_most, found):
    (tmp_path / "x").write_bytes(b"abcdef")

    assert read_plain_file(tmp_path / "x", at_most=at_most) == found


@pytest.mark.parametrize("clones", [True, False])
def test_a_copy_is_a_file_of_its_own_and_replaces_what_was_there(tmp_path, monkeypatch, clones):
    source, target = tmp_path / "source", tmp_path / "folder" / "target"
    source.write_bytes(b"new")
    target.parent.mkdir()
    target.write_bytes(b"old")
    if not clones:
        monkeypatch.setattr("imgkit.files._clone", lambda source, target: False)

    clone_or_copy(source, target)
    clone_or_copy(source, target)
    with target.open("r+b") as file:
        file.write(b"NEW")

    assert (source.read_bytes(), target.read_bytes()) == (b"new", b"NEW")
    assert not target.samefile(source)
    assert [p.name for p in target.parent.iterdir()] == ["target"]


@pytest.mark.parametrize(
    ("number", "code", "advice"),
    [
        pytest.param(errno.ENOSPC, "fs.full", "Free space and run the same command again", id="disk full"),
        pytest.param(errno.EROFS, "fs.readonly", "Choose another folder with --data", id="read-only"),
        pytest.param(errno.EACCES, "fs.permission", "Change the permission", id="no permission"),
        pytest.param(errno.ENAMETOOLONG, "fs.name", "Check the disk", id="name too long"),
        pytest.param(errno.EIO, "fs.write", "Check the disk", id="disk fails"),
    ],
)
def test_a_failing_disk_says_what_to_do(tmp_path, number, code, advice):
    error = resource_error(OSError(number, os.strerror(number)), tmp_path / "x", needed=1000)

    assert error.code == code
    assert error.exit_code == 4
    assert advice in str(error)


def test_a_file_that_becomes_a_link_between_looking_and_opening_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "target").write_bytes(b"secret")
    (tmp_path / "x").symlink_to(tmp_path / "target")
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)

    with pytest.raises(OSError, match="symbolic link"):
        read_plain_file(tmp_path / "x")
