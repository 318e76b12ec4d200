"""Tables of pictures as people and programs write them: any dialect, encoding, column name, layout or spelling."""

import json

import pytest
from PIL import Image

from imgkit.errors import UsageError
from imgkit.vision.imagefolder import Selection, read_folder, select
from imgkit.vision.imagetable import read_label_names, read_table, split_name

WANTED = [("a.png", "coral", "train"), ("b.png", "king", "test")]


@pytest.fixture
def root(tmp_path):
    """A folder with two pictures and no labels."""
    put(tmp_path / "pictures", "a.png", "b.png")
    return tmp_path / "pictures"


def put(root, *names):
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (number, 40, 90)).save(path, "PNG")


def used(folder):
    return sorted((file.name, file.label, file.split) for file in folder.files)


def labels(folder):
    return {file.name: file.label for file in folder.files}


@pytest.mark.parametrize(
    ("name", "data"),
    {
        "comma": ("t.csv", b"file_name,label,split\na.png,coral,train\nb.png,king,test\n"),
        "tab": ("t.tsv", b"file_name\tlabel\tsplit\na.png\tcoral\ttrain\nb.png\tking\ttest\n"),
        "a tab in a .csv": ("t.csv", b"path\tclass\tset\na.png\tcoral\ttrain\nb.png\tking\ttest\n"),
        "semicolon": ("t.csv", b"filepath;target;split\na.png;coral;train\nb.png;king;test\n"),
        "pipe": ("t.csv", b"image|label|split\na.png|coral|train\nb.png|king|test\n"),
        "sep line": ("t.csv", b"sep=;\r\nimage;label;split\r\na.png;coral;train\r\nb.png;king;test\r\n"),
        "capitals": ("t.csv", b"File Name,Label,Data Set\na.png,coral,TRAIN\nb.png,king,Test\n"),
        "kaggle": ("t.csv", b"class id,filepaths,labels,data set\n0,a.png,coral,train\n1,b.png,king,test\n"),
        "byte order mark": ("t.csv", b"\xef\xbb\xbffile_name,label,split\na.png,coral,train\nb.png,king,test\n"),
        "utf-16": ("t.csv", "file_name\tlabel\tsplit\na.png\tcoral\ttrain\nb.png\tking\ttest\n".encode("utf-16")),
        "utf-16 without a mark": (
            "t.csv",
            "file_name,label,split\na.png,coral,train\nb.png,king,test\n".encode("utf-16-le"),
        ),
        "no header": ("t.csv", b"a.png,coral,train\nb.png,king,test\n"),
        "no header, label first": ("t.csv", b"train,coral,a.png\ntest,king,b.png\n"),
        "no suffix": ("t.csv", b"id,breed,split\na,coral,train\nb,king,test\n"),
        "pandas index": ("t.csv", b",image,species,split\n0,a.png,coral,train\n1,b.png,king,test\n"),
        "path to the folder": ("t.csv", b"path,label,split\npictures/a.png,coral,train\npictures/b.png,king,test\n"),
        "backslashes": ("t.csv", b"path,label,split\ndata\\a.png,coral,train\ndata\\b.png,king,test\n"),
        "one-hot": ("t.csv", b"image,coral,king,split\na.png,1,0,train\nb.png,0.0,1.0,test\n"),
        "is_test": ("t.csv", b"image,label,is_test\na.png,coral,0\nb.png,king,1\n"),
        "numbers beside names": ("t.csv", b"image,label,label_name,split\na.png,7,coral,train\nb.png,3,king,test\n"),
        "json lines": (
            "t.jsonl",
            b'{"file_name": "a.png", "label": "coral", "split": "train"}\n'
            b'{"file_name": "b.png", "label": "king", "split": "test"}\n',
        ),
        "json list": (
            "t.json",
            b'[{"image": "a.png", "class": "coral", "split": "train"},'
            b' {"image": "b.png", "class": "king", "split": "test"}]',
        ),
        "json with a list": (
            "t.json",
            b'{"version": 1, "rows": [{"image": "a.png", "class": "coral", "split": "train"},'
            b' {"image": "b.png", "class": "king", "split": "test"}]}',
        ),
    }.values(),
)
def test_a_table_is_read_in_any_dialect(root, name, data):
    (root / name).write_bytes(data)

    assert used(read_folder(root / name)) == WANTED
    assert used(read_folder(root)) == WANTED  # the only table beside pictures without labels


def test_a_list_of_names_and_classes_with_blanks_needs_no_header(root):
    put(root, "two words.png")
    (root / "list.txt").write_text("a.png 0\ntwo words.png 1\nb.png 1\n", "utf-8")

    assert labels(read_folder(root / "list.txt")) == {"a.png": "0", "two words.png": "1", "b.png": "1"}


def test_parquet_is_read_and_its_numbers_are_named_as_a_hub_names_them(root):
    pyarrow = pytest.importorskip("pyarrow", reason="install it with the extra: parquet")
    from pyarrow import parquet

    info = {"info": {"features": {"label": {"names": ["coral", "king"], "_type": "ClassLabel"}}}}
    schema = pyarrow.schema(
        [("file_name", pyarrow.string()), ("label", pyarrow.int64()), ("split", pyarrow.string())],
        metadata={"huggingface": json.dumps(info)},
    )
    rows = [
        {"file_name": "a.png", "label": 0, "split": "train"},
        {"file_name": "b.png", "label": 1, "split": "test"},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows, schema=schema), root / "t.parquet")
    (root / "bad.pq").write_bytes(b"no parquet")

    assert used(read_folder(root / "t.parquet")) == WANTED
    with pytest.raises(UsageError, match="is no Parquet file"):
        read_folder(root / "bad.pq")


@pytest.mark.parametrize("encoding", ["cp1252", "mac_roman", "cp1251", "gb18030", "shift_jis"])
def test_the_encoding_of_a_table_is_the_one_under_which_its_files_are_found(root, encoding):
    name = {"cp1251": "жук", "gb18030": "蛇", "shift_jis": "ヘビ"}.get(encoding, "Männchen")
    put(root, f"{name}.png")
    (root / "t.csv").write_bytes(f"file_name,label\n{name}.png,{name}\na.png,other\n".encode(encoding))

    found = read_folder(root / "t.csv")

    assert labels(found) == {f"{name}.png": name, "a.png": "other"}
    assert found.notes == (f"t.csv is not UTF-8 and was read as {encoding}: save it as UTF-8 if labels look wrong",)


def test_a_label_that_is_not_utf8_is_read_as_windows_writes_it(root):
    (root / "t.csv").write_bytes("file_name,label\na.png,Männchen\nb.png,Weibchen\n".encode("cp1252"))

    assert labels(read_folder(root / "t.csv")) == {"a.png": "Männchen", "b.png": "Weibchen"}


def test_accents_in_one_sign_or_in_two_name_the_same_file(root):
    put(root, "cafe\u0301.png")
    (root / "t.csv").write_text("file_name,label\ncaf\u00e9.png,coral\n", "utf-8")

    assert labels(read_folder(root / "t.csv")) == {"cafe\u0301.png": "coral"}


def test_bare_names_are_found_in_folders_below_the_table(tmp_path):
    put(tmp_path, "images/x/a.png", "images/y/b.png")
    (tmp_path / "labels.csv").write_text("image,class\na,coral\nb.png,king\nc.png,king\n", "utf-8")

    found = read_folder(tmp_path)

    assert (labels(found), found.missing) == ({"images/x/a.png": "coral", "images/y/b.png": "king"}, ("c.png",))
    assert found.notes == ("labels are those of labels.csv",)


def test_a_picture_that_no_row_of_the_table_names_has_no_label(tmp_path):
    put(tmp_path, "images/a.png", "images/b.png", "images/c.png")
    (tmp_path / "labels.csv").write_text("image,class\na.png,coral\nb.png,king\n", "utf-8")

    found = read_folder(tmp_path)

    assert (labels(found), found.labels) == ({"images/a.png": "coral", "images/b.png": "king"}, ("coral", "king"))
    assert [(one.name, one.reason) for one in found.left_out if one.name.endswith(".png")] == [
        ("images/c.png", "folder.no_label")
    ]


def test_a_bare_name_is_never_a_picture_in_the_folder_of_another_label(tmp_path):
    put(tmp_path, "coral/1.png", "king/2.png")
    (tmp_path / "t.csv").write_text("name,label\n1.png,coral\n2.png,coral\n1.png,king\n", "utf-8")

    found = read_folder(tmp_path / "t.csv")

    assert (labels(found), found.missing) == ({"coral/1.png": "coral"}, ("2.png", "1.png"))


def test_a_bare_name_of_two_pictures_is_asked_about(tmp_path):
    put(tmp_path, "x/1.png", "y/1.png")
    (tmp_path / "t.csv").write_text("name,label\n1.png,coral\n", "utf-8")

    with pytest.raises(UsageError, match=r"t\.csv, line 2: '1\.png' may be x/1\.png or y/1\.png"):
        read_folder(tmp_path / "t.csv")


def test_a_path_from_the_root_of_the_system_counts_inside_the_folder_only(root, tmp_path):
    put(tmp_path, "secret.png")
    (root / "t.csv").write_text(f"path,label\n{root}/a.png,coral\n", "utf-8")
    (root / "u.csv").write_text(f"path,label\n{tmp_path}/secret.png,coral\n", "utf-8")

    assert labels(read_folder(root / "t.csv")) == {"a.png": "coral"}
    with pytest.raises(UsageError, match="leads out of its folder"):
        read_folder(root / "u.csv")


def test_a_table_for_each_split_counts_where_folders_say_no_labels(tmp_path):
    put(tmp_path, "train_images/a.png", "train_images/b.png", "test_images/a.png", "test_images/c.png")
    (tmp_path / "train.csv").write_text("image,label\na.png,coral\nb.png,king\n", "utf-8")
    (tmp_path / "test.csv").write_text("image,label\ntest_images/a.png,king\n", "utf-8")
    (tmp_path / "sample_submission.csv").write_text("image\nc.png\n", "utf-8")
    (tmp_path / "train.csv").write_text("image,label\ntrain_images/a.png,coral\nb.png,king\n", "utf-8")

    found = read_folder(tmp_path)

    assert used(found) == [
        ("test_images/a.png", "king", "test"),
        ("train_images/a.png", "coral", "train"),
        ("train_images/b.png", "king", "train"),
    ]
    assert {one.name: one.reason for one in found.left_out if one.name.endswith(".png")} == {
        "test_images/c.png": "folder.no_label"
    }


def test_several_tables_whose_names_say_no_split_are_asked_about(root):
    for name in ("one.csv", "two.csv"):
        (root / name).write_text("image,label\na.png,coral\nb.png,king\n", "utf-8")

    with pytest.raises(UsageError, match=r"holds several tables of labels: one\.csv, two\.csv"):
        read_folder(root)


def test_a_table_beside_label_folders_is_a_file_like_any_other(tmp_path):
    put(tmp_path, "coral/a.png", "king/b.png")
    (tmp_path / "predictions.csv").write_text("file_name,label\ncoral/a.png,king\nking/b.png,coral\n", "utf-8")

    assert labels(read_folder(tmp_path)) == {"coral/a.png": "coral", "king/b.png": "king"}


def test_a_column_that_is_only_guessed_to_be_the_label_outranks_no_folder(tmp_path):
    put(tmp_path, "coral/a.png", "king/b.png")
    (tmp_path / "metadata.csv").write_text("file_name,licence\ncoral/a.png,free\nking/b.png,free\n", "utf-8")
    found = read_folder(tmp_path)

    assert labels(found) == {"coral/a.png": "coral", "king/b.png": "king"}
    assert found.files[0].row == {"file_name": "coral/a.png", "licence": "free"}


def test_a_guessed_label_outranks_no_folder_of_a_set_with_one_label(tmp_path):
    put(tmp_path, "coral/a.png")
    (tmp_path / "licences.csv").write_text("file_name,licence\na.png,free\n", "utf-8")

    assert labels(read_folder(tmp_path)) == {"coral/a.png": "coral"}


@pytest.mark.parametrize("kind", ["metadata.csv", "metadata.jsonl"])
def test_the_layout_of_a_hub_has_a_table_in_each_split(tmp_path, kind):
    put(tmp_path, "train/1.png", "validation/1.png", "test/deep/1.png")
    for split, name, label in (
        ("train", "1.png", "coral"),
        ("validation", "1.png", "king"),
        ("test", "deep/1.png", "king"),
    ):
        line = (
            json.dumps({"file_name": name, "label": label})
            if kind.endswith("l")
            else f"file_name,label\n{name},{label}"
        )
        (tmp_path / split / kind).write_text(line + "\n", "utf-8")

    assert used(read_folder(tmp_path)) == [
        ("test/deep/1.png", "king", "test"),
        ("train/1.png", "coral", "train"),
        ("validation/1.png", "king", "val"),
    ]


def test_of_two_tables_of_metadata_the_csv_counts(tmp_path):
    put(tmp_path, "coral/a.png")
    (tmp_path / "metadata.csv").write_text("file_name,split\ncoral/a.png,test\n", "utf-8")
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "coral/a.png", "split": "train"}\n', "utf-8")

    assert used(read_folder(tmp_path)) == [("coral/a.png", "coral", "test")]


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("train", "train"),
        ("TRAINING", "train"),
        ("train2017", "train"),
        ("01_train", "train"),
        ("training set", "train"),
        ("Valid", "val"),
        ("val_images", "val"),
        ("dev", "val"),
        ("test-set", "test"),
        ("Testing Images", "test"),
        ("test tube", ""),
        ("train station", ""),
        ("images", ""),
        ("", ""),
        ("holdout", ""),
    ],
)
def test_how_splits_are_spelt(text, split):
    assert split_name(text) == split


def test_folders_called_after_splits_with_other_words_are_splits_where_all_are(tmp_path):
    put(tmp_path, "a/train_set/coral/1.png", "a/test_set/coral/2.png", "b/train_set/1.png", "b/bus/2.png")

    assert used(read_folder(tmp_path / "a")) == [
        ("test_set/coral/2.png", "coral", "test"),
        ("train_set/coral/1.png", "coral", "train"),
    ]
    assert read_folder(tmp_path / "b").labels == ("bus", "train_set")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("url,label\nhttp://x/a,coral\n", r"no column of file names \(its columns are url, label\)"),
        ("image,height,width\na.png,1,2\n", r"no column of labels \(its columns are image, height, width\)"),
        ("image,label,split\na.png,coral,holdout\n", r"line 2: the split is 'holdout'"),
        ("", "no column of file names: it is empty"),
        ("image,fur,tail\na.png,1,1\nb.png,1,1\n", "most rows of .* mark several labels among fur, tail"),
    ],
)
def test_what_is_not_understood_is_answered_with_what_was_seen(root, text, said):
    (root / "t.csv").write_text(text, "utf-8")

    with pytest.raises(UsageError, match=said):
        read_folder(root / "t.csv")


def test_a_row_that_marks_no_label_or_two_is_left_out(root):
    put(root, "c.png", "d.png", "e.png")
    (root / "t.csv").write_text("image,coral,king\na.png,1,0\nb.png,0,1\nc.png,1,1\nd.png,0,0\ne.png,0,1\n", "utf-8")

    found = read_folder(root / "t.csv")

    assert labels(found) == {"a.png": "coral", "b.png": "king", "e.png": "king"}
    assert {one.name: (one.reason, one.detail) for one in found.left_out} == {
        "c.png": ("bad.conflict", "rows call it coral and king"),
        "d.png": ("folder.no_label", "its row says no label"),
    }


def test_json_that_is_none_is_answered_with_its_line(root):
    (root / "t.jsonl").write_text('{"file_name": "a.png", "label": "coral"}\n{"file_name"\n', "utf-8")
    (root / "u.json").write_text('{"images": [], "info": {}}', "utf-8")

    with pytest.raises(UsageError, match=r"t\.jsonl, line 2, is not JSON"):
        read_table(root / "t.jsonl")
    with pytest.raises(UsageError, match="is no list of rows: it holds images, info"):
        read_table(root / "u.json")


def test_a_table_that_holds_the_pictures_themselves_is_answered(root):
    (root / "t.jsonl").write_text('{"image": {"bytes": "abc", "path": "a.png"}, "label": "coral"}\n', "utf-8")

    with pytest.raises(UsageError, match="row 1: the column image holds the pictures themselves"):
        read_folder(root / "t.jsonl")


def test_a_part_of_a_folder_is_chosen_by_label_and_by_number(tmp_path):
    put(tmp_path, *(f"{label}/{number}.png" for label in ("coral", "king", "milk") for number in range(9)))
    folder = read_folder(tmp_path)

    found = select(folder, Selection(labels=("king", "coral"), limit=4))

    assert found.labels == ("coral", "king")
    assert [file.label for file in found.files] == ["coral"] * 4 + ["king"] * 4
    assert {one.reason for one in found.left_out if one.name.startswith("milk")} == {"select.label"}
    assert sum(one.reason == "select.limit" for one in found.left_out) == 10
    assert len(found.files) + len(found.left_out) == 27
    more = select(folder, Selection(limit=5))
    assert {file.name for file in found.files} < {file.name for file in more.files}


def test_a_limit_keeps_the_share_of_each_split_and_one_at_least(tmp_path):
    put(tmp_path, *(f"train/coral/{number}.png" for number in range(16)), "val/coral/a.png", "test/coral/b.png")

    found = select(read_folder(tmp_path), Selection(limit=6))

    assert sorted(file.split for file in found.files) == ["test", "train", "train", "train", "train", "val"]
    assert [file.split for file in select(read_folder(tmp_path), Selection(limit=1)).files] == ["train"]


def test_a_label_that_is_not_there_is_answered_with_those_that_are(tmp_path):
    put(tmp_path, "coral/a.png", "king/b.png")

    with pytest.raises(UsageError, match=r"has no label 'milk'.* Its labels are coral, king"):
        select(read_folder(tmp_path), Selection(labels=("milk",)))


@pytest.mark.parametrize("text", ["coral\n\n king snake \ncoral\n", "label,count\ncoral,3\nking snake,4\n"])
def test_a_file_of_labels_has_one_on_each_line_or_in_a_column(tmp_path, text):
    (tmp_path / "labels.txt").write_text(text, "utf-8")

    assert read_label_names(tmp_path / "labels.txt") == ("coral", "king snake")
