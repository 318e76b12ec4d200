"""The one reader of folders of pictures: every file is used or left out with a reason, and nothing outside is read."""

import os
import socket
from pathlib import Path

import pytest
from PIL import Image

from imgkit.errors import ResourceError, UsageError
from imgkit.vision.imagefolder import Accounts, leads_out, read_folder, walk


@pytest.fixture
def root(tmp_path):
    """An empty folder."""
    made = tmp_path / "pictures"
    made.mkdir()
    return made


def put(root, *names):
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (number, 40, 90)).save(path, "PNG")


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def used(folder):
    return [(file.name, file.label, file.split) for file in folder.files]


def reasons(folder):
    return {one.name: one.reason for one in folder.left_out}


def test_files_are_in_the_order_of_their_paths_and_named_below_the_root(root):
    put(root, "king/b.png", "coral/z/deep.png", "coral/a.png")

    assert used(read_folder(root)) == [
        ("coral/a.png", "coral", ""),
        ("coral/z/deep.png", "coral", ""),
        ("king/b.png", "king", ""),
    ]


@pytest.mark.parametrize("name", ["train", "Train", "training", "val", "valid", "validation", "dev", "test", "Testing"])
def test_a_word_for_a_split_beside_other_folders_is_asked_about(root, name):
    put(root, "coral/a.png", f"{name}/coral/b.png")

    with pytest.raises(UsageError, match=f"holds {name} beside coral: are these splits or labels"):
        read_folder(root)


def test_what_lies_beside_splits_is_left_out_when_somebody_says_that_they_are_splits(root):
    put(root, "train/coral/a.png", "val/coral/b.png", "test/coral/c.png", "extra/d.png")
    write(root / "extra" / "list.txt", "x")

    found = read_folder(root, layout="splits")

    assert found.layout == "split folders"
    assert used(found) == [
        ("test/coral/c.png", "coral", "test"),
        ("train/coral/a.png", "coral", "train"),
        ("val/coral/b.png", "coral", "val"),
    ]
    assert reasons(found) == {"extra/d.png": "folder.no_label", "extra/list.txt": "folder.beside"}


def test_words_for_splits_are_labels_when_somebody_says_so(root):
    put(root, "train/a.png", "test/b.png")

    assert read_folder(root, layout="labels").labels == ("test", "train")


def test_a_table_that_calls_the_pictures_so_is_an_answer(root):
    put(root, "train/a.png", "bus/b.png")
    write(root / "metadata.csv", "file_name,label,split\ntrain/a.png,train,test\nbus/b.png,bus,train\n")

    assert used(read_folder(root)) == [("bus/b.png", "bus", "train"), ("train/a.png", "train", "test")]


@pytest.mark.parametrize(
    "beside", ["@eaDir", "lost+found", "runs", "wandb", "mlruns", "__MACOSX", "$RECYCLE.BIN", ".git", "_bad"]
)
def test_folders_of_systems_and_tools_beside_splits_or_labels_are_neither(root, beside):
    put(root, "train/coral/a.png", "val/coral/b.png", f"{beside}/x/c.png")
    (root / "other").mkdir()
    put(root / "other", "coral/a.png", "king/b.png", f"{beside}/x/c.png")
    reason = "folder.aside" if beside == "_bad" else "folder.system"

    labels = read_folder(root / "other")
    (root / "other").rename(root.parent / "moved")
    splits = read_folder(root)

    assert labels.labels == ("coral", "king")
    assert reasons(labels) == reasons(splits) == {f"{beside}/x/c.png": reason}
    assert (splits.layout, splits.labels) == ("split folders", ("coral",))


@pytest.mark.parametrize("name", ["lost+found", "@eaDir", "runs"])
def test_an_empty_folder_of_a_system_is_no_label_and_any_other_is(root, name):
    put(root, "coral/a.png")
    (root / name).mkdir()
    (root / "milk").mkdir()

    assert read_folder(root).labels == ("coral", "milk")


def test_a_label_may_hold_folders_that_are_called_like_those_of_tools_but_not_of_systems(root):
    put(
        root,
        "coral/runs/a.png",
        "coral/_day/b.png",
        "coral/@eaDir/c.png",
        "coral/.DS_Store",
        "coral/Thumbs.db",
        "coral/._a.png",
    )

    found = read_folder(root)

    assert [name for name, _, _ in used(found)] == ["coral/_day/b.png", "coral/runs/a.png"]
    assert set(reasons(found).values()) == {"folder.system"}


def test_pictures_in_the_root_have_no_label_and_tables_lie_beside(root):
    put(root, "coral/a.png", "b.png")
    write(root / "README.md", "x")
    write(root / ".view.json", "{}")

    assert reasons(read_folder(root)) == {
        "b.png": "folder.no_label",
        "README.md": "folder.beside",
        ".view.json": "folder.beside",
    }


def test_links_and_devices_are_left_out_and_never_opened(root, tmp_path):
    put(root, "coral/a.png")
    put(tmp_path / "elsewhere", "b.png")
    (root / "king").symlink_to(tmp_path / "elsewhere")
    (root / "coral" / "link.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    (root / "coral" / "nowhere.png").symlink_to("nothing")
    os.mkfifo(root / "coral" / "pipe.png")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "s.png"))

        found = read_folder(root)

    assert used(found) == [("coral/a.png", "coral", "")]
    assert {(one.name, one.reason, one.detail) for one in found.left_out} == {
        ("king", "fs.link", "leads to a folder"),
        ("coral/link.png", "fs.link", "leads to a file"),
        ("coral/nowhere.png", "fs.link", "leads nowhere"),
        ("coral/pipe.png", "fs.device", "not opened"),
        ("s.png", "fs.device", "not opened"),
    }
    assert found.links == ("king",)


def test_the_folder_that_a_person_names_may_be_a_link_itself(root, tmp_path):
    put(root, "coral/a.png")
    (tmp_path / "link").symlink_to(root)

    assert used(read_folder(tmp_path / "link")) == [("coral/a.png", "coral", "")]


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "coral/../../secret.png",
        "/etc/passwd",
        "..\\secret.png",
        "coral\\..\\..\\secret.png",
        "C:\\secret.png",
        "\\\\server\\share\\x.png",
        "C:/secret.png",
    ],
)
def test_a_row_that_leads_out_of_the_folder_stops_the_reading(root, tmp_path, name):
    put(root, "coral/a.png")
    put(tmp_path, "secret.png")
    write(root / "metadata.csv", f'file_name,label\ncoral/a.png,coral\n"{name}",coral\n')

    with pytest.raises(UsageError, match=r"metadata\.csv, line 3: .* leads out of its folder\. Nothing was changed\."):
        read_folder(root)
    with pytest.raises(UsageError, match=r"line 3: .* leads out of its folder"):
        read_folder(root / "metadata.csv")


def test_a_label_cannot_lead_a_row_out_of_the_folder(root, tmp_path):
    put(root, "coral/a.png")
    put(tmp_path, "secret.png")
    write(root / "metadata.csv", "file_name,label\nsecret.png,..\n")

    with pytest.raises(UsageError, match=r"line 2: 'secret\.png' leads out of its folder"):
        read_folder(root)


@pytest.mark.parametrize("name", ["link.png", "coral/link.png", "folder/b.png"])
def test_a_row_that_names_a_link_or_leads_through_one_stops_the_reading(root, tmp_path, name):
    put(root, "coral/a.png")
    put(tmp_path / "elsewhere", "b.png")
    (root / "link.png").symlink_to(tmp_path / "elsewhere" / "b.png")
    (root / "coral" / "link.png").symlink_to(root / "coral" / "a.png")
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    write(root / "metadata.csv", f"file_name,label\n{name},coral\n")

    with pytest.raises(UsageError, match=r"line 2: .* leads through the link"):
        read_folder(root)


def test_a_row_that_names_a_pipe_stops_the_reading(root):
    put(root, "coral/a.png")
    os.mkfifo(root / "pipe.png")
    write(root / "metadata.csv", "file_name,label\npipe.png,coral\n")

    with pytest.raises(UsageError, match="is a device, a pipe or a socket"):
        read_folder(root)


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("a/b.png", False),
        ("a..b/c.png", False),
        ("...", False),
        ("a:b.png", False),
        ("a/..", True),
        ("~/x", False),
        ("", False),
    ],
)
def test_what_leads_out_of_a_folder(name, out):
    assert leads_out(name) is out


def test_a_row_without_a_label_takes_that_of_its_folder_and_keeps_its_split(root):
    put(root, "coral/a.png", "b.png")
    write(root / "metadata.csv", "file_name,label,split,group\ncoral/a.png,,test,g\nb.png,,train,\n")

    found = read_folder(root)

    assert [(file.name, file.label, file.split, file.group) for file in found.files] == [
        ("coral/a.png", "coral", "test", "g")
    ]
    assert reasons(found) == {"b.png": "folder.no_label", "metadata.csv": "folder.beside"}


def test_rows_of_a_csv_without_a_label_are_left_out_and_named(root):
    put(root, "a.png", "b.png")
    write(root / "list.csv", "file_name,label\na.png,coral\nb.png,\nc.png,king\n")

    found = read_folder(root / "list.csv")

    assert (found.layout, used(found)) == ("CSV", [("a.png", "coral", "")])
    assert (reasons(found), found.missing) == ({"b.png": "folder.no_label"}, ("c.png",))


def test_a_csv_without_a_column_of_labels_is_refused(root):
    put(root, "a.png")
    write(root / "list.csv", "file_name\na.png\n")

    with pytest.raises(UsageError, match="has no column of labels"):
        read_folder(root / "list.csv")


@pytest.mark.parametrize(
    ("cell", "split"), [("True", "val"), ("1", "val"), ("false", "train"), ("0", "train"), ("", "")]
)
def test_is_valid_marks_validation_pictures(root, cell, split):
    put(root, "coral/a.png")
    write(root / "metadata.csv", f"file_name,is_valid\ncoral/a.png,{cell}\n")

    assert used(read_folder(root)) == [("coral/a.png", "coral", split)]


def test_a_value_of_is_valid_that_is_neither_is_refused(root):
    put(root, "coral/a.png")
    write(root / "metadata.csv", "file_name,is_valid\ncoral/a.png,maybe\n")

    with pytest.raises(UsageError, match=r"line 2: is_valid is 'maybe'"):
        read_folder(root)


def test_two_rows_for_a_file_are_one_picture_and_two_labels_are_a_conflict(root):
    put(root, "a.png", "b.png")
    write(root / "list.csv", "file_name,label,split\na.png,coral,train\na.png,coral,test\nb.png,coral,\nb.png,king,\n")

    found = read_folder(root / "list.csv")

    assert used(found) == [("a.png", "coral", "test")]
    assert reasons(found) == {"b.png": "bad.conflict"}


def test_a_table_of_each_split_is_read(root):
    put(root, "train/coral/a.png", "test/b.png")
    write(root / "test" / "metadata.csv", "file_name,label\nb.png,king\n")

    found = read_folder(root)

    assert used(found) == [("train/coral/a.png", "coral", "train"), ("test/b.png", "king", "test")]
    assert reasons(found) == {"test/metadata.csv": "folder.beside"}


def test_short_and_long_rows_are_read_as_far_as_there_are_columns(root):
    put(root, "a.png", "b.png")
    write(root / "list.csv", "file_name,label,split\na.png,coral\nb.png,king,test,more,and more\n\n")

    assert used(read_folder(root / "list.csv")) == [("a.png", "coral", ""), ("b.png", "king", "test")]


def test_names_that_are_not_utf8_are_names(root):
    name = os.fsdecode(b"caf\xe9")
    put(root, f"{name}/{name}.png")
    (root / "metadata.csv").write_bytes(b"file_name,label,split\ncaf\xe9/caf\xe9.png,caf\xe9,test\n")

    assert used(read_folder(root)) == [(f"{name}/{name}.png", name, "test")]


def test_a_folder_that_cannot_be_read_stops_the_reading(root, monkeypatch):
    put(root, "coral/a.png", "king/b.png", "lost+found/c.png")
    scandir = os.scandir

    def refusing(path):
        if Path(path).name in ("king", "lost+found"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)

    with pytest.raises(ResourceError, match=r"no permission to read .*king"):
        walk(root)
    (root / "king" / "b.png").unlink()
    (root / "king").rmdir()
    assert [(one.name, one.detail) for one in walk(root)[1]] == [("lost+found", "cannot be looked into")]


def test_the_accounts_add_up():
    found = Accounts.of(7, ["fs.link", "folder.beside", "fs.link", "img.truncated"], missing=2)

    assert (found.seen, found.used, found.left_out, found.beside, found.rows_without_file) == (11, 7, 3, 1, 2)
    assert list(found.left_out_by_reason.items()) == [("fs.link", 2), ("img.truncated", 1)]
    assert found.line() == "2 a link, which is not followed [fs.link], 1 cut off or damaged [img.truncated]"


def test_a_table_that_calls_only_some_of_the_pictures_so_is_no_answer(root):
    put(root, "train/a.png", "train/c.png", "bus/b.png")
    write(root / "metadata.csv", "file_name,label\ntrain/a.png,train\nbus/b.png,bus\n")

    with pytest.raises(UsageError, match="holds train beside bus"):
        read_folder(root)


def test_where_all_folders_are_words_for_splits_a_table_may_still_call_them_labels(root):
    put(root, "train/a.png", "test/b.png")
    write(root / "metadata.csv", "file_name,label\ntrain/a.png,train\ntest/b.png,test\n")

    found = read_folder(root)

    assert (found.layout, used(found)) == ("label folders", [("test/b.png", "test", ""), ("train/a.png", "train", "")])


def test_folders_that_are_all_words_for_splits_are_splits_and_the_table_adds_labels(root):
    put(root, "train/a.png", "test/x/b.png")
    write(root / "metadata.csv", "file_name,label\ntrain/a.png,coral\ntest/x/b.png,king\n")

    found = read_folder(root)

    assert (found.layout, sorted(used(found))) == (
        "split folders",
        [("test/x/b.png", "king", "test"), ("train/a.png", "coral", "train")],
    )


def test_a_name_that_a_spreadsheet_guard_was_put_before_is_found(root):
    put(root, "coral/a.png", "=b.png")
    write(root / "metadata.csv", "file_name,label\ncoral/a.png,'=coral\n'=b.png,king\n")

    assert sorted(used(read_folder(root))) == [("=b.png", "king", ""), ("coral/a.png", "=coral", "")]
