"""A file that cannot be read says nothing about its picture: the command ends with exit code 4, the set as it was."""

import errno
import json
import os
import shutil
from pathlib import Path

import pytest
from drawn_photos import photo

from failing_disk import compiled, imgkit
from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import curate, undo
from imgkit.errors import IntegrityError, ResourceError, UsageError
from imgkit.manifest import Decision
from imgkit.progress import Silent
from imgkit.vision import decode, resize


@pytest.fixture
def config(builder):
    """A set of two labels of ten pictures, and the settings that made it."""
    for number, label in enumerate(("coral", "king")):
        for seed in range(10):
            builder.add(label, photo(100 * number + seed))
    config = CurateConfig(data=builder.folder.root, weights="none")
    curate(config)
    return config


@pytest.fixture
def shim(tmp_path):
    return compiled(tmp_path)


def state(builder):
    """Everything that a curate changes: the present and the previous set, verdicts, decisions."""
    folders = [builder.folder.curated, builder.folder.curated_previous]
    files = {
        path.relative_to(builder.folder.root).as_posix(): path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file()
    }
    return files, builder.manifest.judgements(), builder.manifest.decisions()


def break_reading(monkeypatch, wanted, number):
    """Let every file whose path ``wanted`` accepts give an error when it is opened for reading."""
    real = Path.open

    def failing(self, mode="r", *arguments, **named):
        if "r" in mode and wanted(self):
            raise OSError(number, os.strerror(number), str(self))
        return real(self, mode, *arguments, **named)

    def read_bytes(self):
        with self.open("rb") as file:
            return file.read()

    monkeypatch.setattr(Path, "open", failing)
    monkeypatch.setattr(Path, "read_bytes", read_bytes)


@pytest.mark.parametrize("first", [1, 10])
def test_curate_on_a_disk_that_fails_ends_with_4_and_the_set_and_the_log_are_as_they_were(builder, config, shim, first):
    shutil.rmtree(builder.folder.cache)
    builder.add("coral", photo(900))
    next(builder.folder.curated.glob("king/*.jpg")).unlink()  # would be noticed as a decision
    before = state(builder)

    run = imgkit(
        "curate", "--data", config.data, "--weights", "none", shim=shim, below=builder.folder.harvested, first=first
    )

    assert run.returncode == 4
    assert run.stderr.splitlines()[-1].startswith(f"imgkit curate: cannot read {builder.folder.harvested}")
    assert run.stderr.splitlines()[-1].endswith("Check the disk and run the same command again. [fs.read]")
    assert "Traceback" not in run.stderr
    assert state(builder) == before

    again = imgkit("curate", "--data", config.data, "--weights", "none", "--json")
    report = json.loads(again.stdout)
    assert (again.returncode, report["totals"]["in_set"], report["edits"]["deleted"]) == (0, 20, 1)


def test_a_disk_that_fails_while_the_set_is_copied_leaves_set_and_log_as_they_were(builder, config, shim):
    builder.add("coral", photo(900))
    curate(config, dry_run=True)  # everything was looked at: the only reads of the harvest that are left copy files
    before = state(builder)

    run = imgkit(
        "curate", "--data", config.data, "--weights", "none", shim=shim, below=builder.folder.harvested, first=3
    )

    assert (run.returncode, state(builder)) == (4, before)


@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (errno.EIO, "fs.read", "says nothing about what the file holds"),
        (errno.EACCES, "fs.permission", "no permission to read"),
        (errno.EMFILE, "fs.read", "says nothing about what the file holds"),
    ],
)
def test_no_error_of_the_system_is_taken_for_a_damaged_picture(builder, config, monkeypatch, number, code, words):
    shutil.rmtree(builder.folder.cache)
    builder.add("coral", photo(900))
    before = state(builder)
    with monkeypatch.context() as patch:
        break_reading(patch, lambda path: builder.folder.harvested in path.parents, number)

        with pytest.raises(ResourceError, match=words) as stopped:
            curate(config)

    assert (stopped.value.code, stopped.value.exit_code) == (code, 4)
    assert state(builder) == before


def test_too_little_memory_for_a_picture_does_not_make_it_a_damaged_one(builder, config, monkeypatch):
    shutil.rmtree(builder.folder.cache)
    builder.add("coral", photo(900))
    before = state(builder)

    def no_memory(*arguments, **named):
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(decode, "_decode", no_memory)
        with pytest.raises(ResourceError, match=f"out of memory while decoding {builder.folder.harvested}") as stopped:
            curate(config)

    assert (stopped.value.code, stopped.value.exit_code) == ("fs.memory", 4)
    assert state(builder) == before


def test_a_file_in_the_set_that_cannot_be_read_is_no_edit(builder, config, monkeypatch):
    file = next(builder.folder.curated.glob("coral/*.jpg"))
    file.unlink()
    file.write_bytes(resize.jpeg_bytes(photo(901)))
    before = state(builder)
    with monkeypatch.context() as patch:
        break_reading(patch, lambda path: path == file, errno.EIO)
        with pytest.raises(ResourceError, match=f"cannot read {file}"):
            curate(config)

    assert state(builder) == before


def test_a_folder_of_the_set_that_cannot_be_listed_is_not_taken_for_emptied(builder, config, monkeypatch):
    real, closed = os.scandir, builder.folder.curated / "coral"

    def scandir(path="."):
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)

    with pytest.raises(ResourceError, match=f"no permission to read {closed}"):
        curate(config)

    assert builder.manifest.decisions() == []


def test_an_undo_that_cannot_read_what_it_needs_changes_nothing(builder, config, monkeypatch):
    builder.add("coral", photo(900))
    curate(config)
    before = state(builder)
    with monkeypatch.context() as patch:
        break_reading(patch, lambda path: path.name == ".verdicts.json.gz", errno.EIO)
        with pytest.raises(ResourceError, match="cannot read"):
            undo(config)

    assert state(builder) == before


def test_a_file_that_is_gone_from_the_harvest_is_a_row_of_the_report(builder, config):
    item = builder.manifest.items(label="coral")[0]
    builder.folder.harvested_file("coral", item.image_id).unlink()
    shutil.rmtree(builder.folder.cache)

    report = curate(config)

    assert (report.totals["in_set"], dict(report.labels[0].left_out)) == (19, {"img.truncated": 1})


# a set that shrinks


def lose(builder, count):
    """Take the files of some harvested pictures away, as a disk that is not mounted does."""
    for item in builder.manifest.items()[:count]:
        builder.folder.harvested_file(item.label, item.image_id).unlink()
    shutil.rmtree(builder.folder.cache, ignore_errors=True)


def test_a_set_that_loses_more_than_half_for_no_reason_of_a_person_is_not_swapped_in_without_a_yes(builder, config):
    lose(builder, 11)
    before = state(builder)
    asked = []

    with pytest.raises(UsageError) as refused:
        curate(config)

    assert str(refused.value) == (
        "The set would shrink from 20 pictures to 9: 11 leave it without a decision of yours or another setting "
        "(11 img.truncated). Nothing was changed. If that is right, run it again with --yes."
    )
    assert (refused.value.code, refused.value.exit_code) == ("set.shrinks", 2)
    assert state(builder) == before
    assert curate(config, confirm=lambda question: not asked.append(question)).totals["in_set"] == 9
    assert asked == [str(refused.value).split(" Nothing was changed")[0]]


def test_half_a_set_may_go_without_a_question(builder, config):
    lose(builder, 10)

    assert curate(config).totals["in_set"] == 10


def test_pictures_that_a_person_rejected_are_no_reason_for_a_question(builder, config):
    items = builder.manifest.items()
    builder.manifest.decide(
        Decision(image_id=one.image_id, label=one.label, action="reject", reason="user.rejected") for one in items[:15]
    )

    assert curate(config).totals["in_set"] == 5


def test_a_changed_setting_is_a_reason_to_shrink(builder, config):
    lose(builder, 11)

    assert curate(CurateConfig(data=config.data, weights="none", policy="strict")).totals["in_set"] == 9


def test_a_dry_run_says_how_small_the_set_would_be_and_asks_nothing(builder, config):
    lose(builder, 11)

    assert curate(config, dry_run=True).totals["in_set"] == 9


def test_the_command_asks_and_takes_yes_for_an_answer(builder, config):
    lose(builder, 11)

    refused = imgkit("curate", "--data", config.data, "--weights", "none")
    taken = imgkit("curate", "--data", config.data, "--weights", "none", "--yes")

    assert (refused.returncode, taken.returncode) == (2, 0)
    assert refused.stderr.endswith("run it again with --yes. [set.shrinks]\n")
    assert "The set would shrink from 20 pictures to 9" in taken.stderr


def test_a_damaged_record_is_no_read_error(builder, config):
    (builder.folder.curated / ".view.json").write_text("{")

    with pytest.raises(IntegrityError):
        curate(config, progress=Silent())
