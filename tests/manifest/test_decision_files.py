"""The log of decisions goes to another data folder and back."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from imgkit.cli import build
from imgkit.errors import LockedError, UsageError
from imgkit.manifest import Decision, Image, Item, Manifest, sole_owner
from imgkit.manifest.decision_files import export_decisions, import_decisions, read_decisions
from imgkit.manifest.renaming import rename_label

ONE, TWO, THREE = (f"{digit * 20}" for digit in "123")


def add(manifest, label, image_id):
    """An item of a label, as a harvest leaves it."""
    if label not in manifest.labels():
        manifest.add_label(label, label)
    sha = image_id + "0" * 44
    manifest.put_image(Image(sha256=sha, stored_sha256=sha, extension="jpg", bytes=9, width=9, height=9))
    manifest.put_items([Item(label=label, image_id=image_id, width=9, height=9, file_sha256=sha)])


@pytest.fixture
def log(tmp_path):
    """The decisions of another data folder: one kept, one rejected and taken back, one moved."""
    with Manifest.open(tmp_path / "theirs") as theirs:
        first, *_ = theirs.decide(
            [
                Decision(image_id=ONE, label="coral", action="reject", reason="bad.offtopic", key="a.0"),
                Decision(image_id=TWO, label="coral", action="keep"),
                Decision(image_id=THREE, label="coral", action="relabel", to_label="king"),
            ]
        )
        theirs.decide([Decision(image_id=ONE, label="coral", action="undo", undoes=first)])
    file = tmp_path / "theirs.jsonl"
    file.write_text(export_decisions(tmp_path / "theirs"), encoding="utf-8")
    return file


@pytest.fixture
def data(tmp_path):
    """A data folder with two of the three pictures, and a decision of its own."""
    with Manifest.open(tmp_path / "ours") as ours:
        add(ours, "coral", ONE)
        add(ours, "coral", TWO)
        ours.decide([Decision(image_id=TWO, label="coral", action="reject", reason="bad.quality")])
    return tmp_path / "ours"


def in_force(data):
    with Manifest.open_existing(data) as manifest:
        return {key: one.action for key, one in manifest.current_decisions().items()}


def files(data):
    names = ("decisions.jsonl", "decisions-aside.jsonl")
    return {name: (data / name).read_bytes() for name in names if (data / name).exists()}


def counts(report):
    return report.read, report.new, report.known, report.aside, report.taken_up


def test_decisions_travel_with_their_undos_and_count_as_later(data, log):
    report = import_decisions(data, log)

    assert counts(report) == (4, 3, 0, 1, 0)
    assert in_force(data) == {("coral", TWO): "keep"}


def test_a_second_import_changes_nothing(data, log):
    import_decisions(data, log)
    before = files(data), export_decisions(data)

    report = import_decisions(data, log)

    assert counts(report) == (4, 0, 3, 1, 0)
    assert (files(data), export_decisions(data)) == before


def test_its_own_log_is_known(data):
    file = data / "own.jsonl"
    file.write_text(export_decisions(data), encoding="utf-8")

    assert counts(import_decisions(data, file)) == (1, 0, 1, 0, 0)


def test_decisions_about_unknown_pictures_wait_for_the_picture(data, log, tmp_path):
    report = import_decisions(data, log)
    assert report.kept_in == str(data / "decisions-aside.jsonl")
    assert [(one.image_id, one.action) for one in read_decisions(data / "decisions-aside.jsonl")] == [
        (THREE, "relabel")
    ]
    with Manifest.open_existing(data) as manifest:
        assert "king" not in manifest.labels()
        add(manifest, "coral", THREE)
    other = tmp_path / "empty.jsonl"
    other.write_text("")

    assert counts(import_decisions(data, other)) == (0, 0, 0, 0, 1)
    assert in_force(data) == {("coral", TWO): "keep", ("coral", THREE): "relabel"}
    assert not (data / "decisions-aside.jsonl").exists()
    with Manifest.open_existing(data) as manifest:
        assert "king" in manifest.labels()
    assert counts(import_decisions(data, log)) == (4, 0, 4, 0, 0)


def test_what_two_imports_put_aside_is_kept_together(data, tmp_path, log):
    import_decisions(data, log)
    second = tmp_path / "second.jsonl"
    at = datetime(2026, 1, 2, tzinfo=UTC).isoformat()
    line = {"id": 1, "image_id": "4" * 20, "label": "coral", "action": "keep", "at": at}
    second.write_text(json.dumps(line) + "\n" + json.dumps(line | {"id": 2, "action": "undo", "undoes": 1}))

    import_decisions(data, second)

    kept = read_decisions(data / "decisions-aside.jsonl")
    assert [(one.id, one.image_id, one.action, one.undoes) for one in kept] == [
        (1, THREE, "relabel", None), (2, "4" * 20, "keep", None), (3, "4" * 20, "undo", 2),
    ]  # fmt: skip


def test_two_undos_at_one_time_are_two(data, tmp_path):
    at = datetime(2026, 1, 2, tzinfo=UTC)
    with Manifest.open_existing(data) as manifest:
        one = Decision(image_id=ONE, label="coral", action="keep", at=at)
        (first,) = manifest.decide([one])
        (undo,) = manifest.decide([replace(one, action="undo", undoes=first)])
        manifest.decide([replace(one, action="undo", undoes=undo)])
    file = tmp_path / "log.jsonl"
    file.write_text(export_decisions(data))
    with Manifest.open(tmp_path / "third") as third:
        add(third, "coral", ONE)

    assert import_decisions(tmp_path / "third", file).new == 3
    assert in_force(tmp_path / "third") == {("coral", ONE): "keep"}
    assert import_decisions(data, file).new == 0


def test_labels_that_were_renamed_or_spelled_alike_are_found(data, log):
    with Manifest.open_existing(data) as manifest:
        rename_label(manifest, "coral", "Coral snake")
        add(manifest, "Coral_snake", THREE)
        manifest.add_label("King", "King")

    assert import_decisions(data, log).new == 4
    assert in_force(data) == {("Coral_snake", TWO): "keep", ("Coral_snake", THREE): "relabel"}
    with Manifest.open_existing(data) as manifest:
        assert manifest.current_decisions()["Coral_snake", THREE].to_label == "King"
        assert "king" not in manifest.labels()


def test_a_dry_run_counts_and_writes_nothing(data, log):
    before = files(data), export_decisions(data)

    assert counts(import_decisions(data, log, dry_run=True)) == (4, 3, 0, 1, 0)
    assert (files(data), export_decisions(data)) == before


def test_a_bad_line_stops_the_import_before_anything_is_written(data, log):
    log.write_text(log.read_text() + "\n\n{}\n")
    before = export_decisions(data)

    with pytest.raises(UsageError, match=r"theirs\.jsonl, line 7 is not a decision .*Nothing was imported"):
        import_decisions(data, log)
    assert export_decisions(data) == before


@pytest.mark.parametrize("text", [b"\xff\xfe", b"[" * 100_000, b"5", b"null", b'{"at": "2026-01-01T00:00:00+00:00"}'])
def test_what_is_no_log_is_one_sentence(data, tmp_path, text):
    (tmp_path / "x").write_bytes(text)

    with pytest.raises(UsageError, match="line 1 is not a decision"):
        import_decisions(data, tmp_path / "x")


def test_a_line_end_inside_a_text_ends_no_line(data, tmp_path):
    line = {"image_id": ONE, "label": "coral", "action": "keep", "command": "a\u2028b", "at": "2026-01-01T00:00:00Z"}
    (tmp_path / "x").write_bytes(b"\xef\xbb\xbf" + json.dumps(line, ensure_ascii=False).encode() + b"\r\n")

    assert import_decisions(data, tmp_path / "x").new == 1


def test_not_while_a_review_is_open(data, log):
    with (
        Manifest.open_existing(data) as manifest,
        sole_owner(manifest.folder.locks, "review"),
        pytest.raises(LockedError),
    ):
        import_decisions(data, log)


@pytest.fixture
def run(data):
    def run(*arguments):
        return CliRunner().invoke(build(), ["decisions", *arguments, "--data", str(data)])

    return run


def test_the_command_says_what_it_did_and_what_comes_next(run, data, log):
    first, again = run("import", str(log)), run("import", str(log), "--json")

    assert (first.exit_code, again.exit_code) == (0, 0)
    text = " ".join(first.output.split())
    assert f"4 decisions, 3 new, 0 in the log already, 1 about pictures that {data} does not have." in text
    assert f"Those are kept in {data / 'decisions-aside.jsonl'}" in text
    assert f"Next: imgkit curate --data {data}" in text
    assert json.loads(again.stdout) == {
        "file": str(log), "read": 4, "new": 0, "known": 3, "aside": 1, "taken_up": 0,
        "kept_in": str(data / "decisions-aside.jsonl"), "dry_run": False,
    }  # fmt: skip


def test_a_dry_run_of_the_command_promises_nothing(run, log):
    text = run("import", str(log), "--dry-run").output

    assert "Nothing was changed." in text
    assert "Next:" not in text
    assert "kept in" not in text


def test_export_prints_the_log_or_writes_it(run, data, tmp_path):
    printed, written = run("export"), run("export", str(tmp_path / "out.jsonl"), "--json")

    assert printed.stdout == export_decisions(data) == (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert json.loads(written.stdout) == {"file": str(tmp_path / "out.jsonl"), "decisions": 1}


@pytest.mark.parametrize("arguments", [("import",), ("import", "no-such-file"), ("swap",)])
def test_what_is_not_understood_is_a_usage_error(run, arguments):
    done = run(*arguments)

    assert done.exit_code == 2
    assert "Nothing was" in done.output
