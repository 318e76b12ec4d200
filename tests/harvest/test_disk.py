"""A disk that is full, read-only or closed to us: one sentence, exit code 4, and the next run loses nothing."""

import os
import shutil
import subprocess

import pytest
from commands import finish, start
from harvesting import candidates, digest

from imgkit.demo.builder import WorldBuilder
from imgkit.demo.population import small_world
from imgkit.demo.web.server import serve
from imgkit.demo.world import Host
from imgkit.manifest import Manifest

pytestmark = pytest.mark.long

MOUNTING = pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="mounting a small disk needs root")


@pytest.fixture
def queries(tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text("label,query\ncoral_snake,coral snake\n")
    return path


@pytest.fixture
def disk(tmp_path):
    """A function that mounts a disk of some MiB, or mounts it anew, and returns its folder."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(options):
        again = os.path.ismount(place)
        command = ["mount", "-o", f"remount,{options}" if again else options, "-t", "tmpfs", "tmpfs", place]
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("no right to mount")
        return place

    yield mount
    subprocess.run(["umount", "-l", place], check=False, capture_output=True)


@pytest.fixture
def closed():
    """A command that obeys permissions even for root; empty for everybody else."""
    if os.name == "nt" or os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        pytest.skip("root obeys no permission, and there is no setpriv")
    return ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--inh-caps", "-dac_override")


def assert_one_sentence(code, err, *words):
    """The command ended for lack of something, and said so in one sentence."""
    sentences = [line for line in err.splitlines() if line.startswith("imgkit harvest:")]
    assert code == 4
    assert len(sentences) == 1
    assert "Traceback" not in err
    for word in words:
        assert word in sentences[0]


@MOUNTING
def test_a_full_disk_exits_with_4_and_goes_on_when_there_is_room(queries, disk):
    data = disk("size=34m") / "data"
    builder = WorldBuilder(hosts=[Host(name="photos")], size=(1600, 1200))
    for _ in range(14):
        builder.add("coral_snake")
    with serve(builder.build()) as web:
        code, _, err = finish(start(web, queries, data))
        saved = len(list(data.glob("originals/*/*")))
        disk("size=99m")
        finish(start(web, queries, data))

    assert_one_sentence(code, err, "disk full", "Free space and run the same command again", "[fs.full]")
    assert 0 < saved < 14
    assert [one.state for one in candidates(data)] == ["kept"] * 14
    assert [path for path in data.rglob("*.jpg") if path.stat().st_size == 0] == []


@pytest.mark.skipif(shutil.which("strace") is None, reason="without strace no system call can be made to fail")
@pytest.mark.parametrize("call", ["pwrite64", "fsync", "rename", "mkdir"])
def test_no_room_at_any_call_exits_with_4_and_the_next_run_ends_like_an_undisturbed_one(queries, tmp_path, call):
    data = tmp_path / "data"
    # the first calls of a thread work, since they make the manifest; then all fail, as on a disk that has filled up
    inject = f"inject={call}:error=ENOSPC:when={ {'pwrite64': 40, 'fsync': 3, 'rename': 3, 'mkdir': 5}[call] }+"
    with serve(small_world(good=8, hosts=1)) as web:
        finish(start(web, queries, tmp_path / "undisturbed"))

        wrapper = ("strace", "-f", "-o", os.devnull, "-e", f"trace={call}", "-e", inject)
        code, _, err = finish(start(web, queries, data, wrapper=wrapper))
        with Manifest.open_existing(data) as manifest:
            sound = manifest.check()
        finish(start(web, queries, data))

    assert_one_sentence(code, err, "full", "run the same command again", "[fs.full]")
    assert sound == "ok"
    assert digest(data) == digest(tmp_path / "undisturbed")


@MOUNTING
def test_a_read_only_file_system_exits_with_4_changes_nothing_and_goes_on_when_it_can_be_written(queries, disk):
    data = disk("size=99m") / "data"
    with serve(small_world(good=8, hosts=1)) as web:
        finish(start(web, queries, data, "--per-label", "3"))
        before = digest(data)
        disk("ro")
        code, _, err = finish(start(web, queries, data, "--per-label", "8"))
        left = list(data.rglob(".tmp-*"))
        disk("rw")
        unchanged = digest(data) == before
        finish(start(web, queries, data, "--per-label", "8"))

    assert_one_sentence(code, err, "read-only file system", "Nothing was changed", "--data", "[fs.readonly]")
    assert unchanged
    assert left == []
    assert [one.state for one in candidates(data)] == ["kept"] * 8


@pytest.mark.parametrize("folder", ["originals", "harvested", "."])
def test_no_permission_exits_with_4_and_goes_on_when_it_is_given(queries, tmp_path, closed, folder):
    data = tmp_path / "data"
    with serve(small_world(good=8, hosts=1)) as web:
        finish(start(web, queries, data, "--per-label", "3"))
        places = [place for place in [data / folder, *(data / folder).rglob("*")] if place.is_dir()]
        for place in places:
            place.chmod(0o555)
        try:
            code, _, err = finish(start(web, queries, data, "--per-label", "8", wrapper=closed))
        finally:
            for place in places:
                place.chmod(0o755)
        finish(start(web, queries, data, "--per-label", "8"))

    assert_one_sentence(code, err, "permission", "[fs.permission]")
    assert [one.state for one in candidates(data)] == ["kept"] * 8
    assert list(data.rglob(".tmp-*")) == []


def test_a_place_that_cannot_be_written_exits_with_4(queries, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with serve(small_world(good=1)) as web:
        code, _, err = finish(start(web, queries, tmp_path / "file" / "data"))

        assert web.requests == []
    assert code == 4
    assert "Traceback" not in err
