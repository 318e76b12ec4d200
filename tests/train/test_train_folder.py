import shutil
from pathlib import Path

import pytest

from imgkit.dataset.folder import scan
from imgkit.errors import UsageError
from imgkit.progress import Silent


def look(data: Path):
    return scan(data, cache=data.parent / "cache", progress=Silent())


def test_a_folder_per_label_is_all_it_takes(folder):
    found = look(folder(per_label=4))

    assert (found.layout, found.labels, len(found.pictures)) == ("label folders", ("coral", "king"), 8)
    assert {each.split for each in found.pictures} == {""}


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Test"])
def test_split_folders_are_known_by_their_usual_names(folder, name):
    root = folder()
    for split in ("train", name):
        shutil.copytree(root, root.parent / "dataset" / split)

    found = look(root.parent / "dataset")

    assert found.layout == "split folders"
    assert found.labels == ("coral", "king")
    assert {each.split for each in found.pictures} == {"train", "test" if name == "Test" else "val"}


def test_a_folder_called_train_beside_others_is_a_label_only_where_somebody_says_so(folder):
    root = folder(labels=("train", "bus"))

    with pytest.raises(UsageError, match=r"holds train beside bus: are these splits or labels\? Nothing was changed\."):
        look(root)

    found = scan(root, cache=root.parent / "cache", progress=Silent(), layout="labels")
    assert (found.layout, found.labels) == ("label folders", ("bus", "train"))


def test_a_csv_stands_for_folders(folder):
    root = folder()
    (root / "pictures.csv").write_text(
        "path,class,set\ncoral/000.png,red,train\nking/000.png,blue,test\nking/999.png,blue,test\n"
    )

    found = look(root / "pictures.csv")

    assert [(each.label, each.split) for each in found.pictures] == [("red", "train"), ("blue", "test")]
    assert found.missing == ("king/999.png",)


def test_metadata_adds_split_and_group_and_a_picture_it_does_not_know_keeps_its_folder(folder):
    root = folder(per_label=2)
    (root / "metadata.csv").write_text(
        "file_name,label,split,group\ncoral/000.png,coral,test,g1\ncoral/001.png,coral,test,g1\nking/000.png,king,train,g2\n"
    )

    found = look(root)

    assert [(each.label, each.split, each.group) for each in found.pictures[:3]] == [
        ("coral", "test", "g1"),
        ("coral", "test", "g1"),
        ("king", "train", "g2"),
    ]
    assert (found.pictures[3].label, found.pictures[3].split) == ("king", "")


def test_a_broken_file_is_a_row_of_the_quarantine_and_stays_on_disk(folder):
    root = folder()
    whole = (root / "coral" / "000.png").read_bytes()
    (root / "coral" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (root / "coral" / "page.jpg").write_text("<html><body>not found</body></html>")
    (root / "king" / "empty.jpg").write_bytes(b"")

    found = look(root)

    assert {(each.path.name, each.reason) for each in found.quarantine} == {
        ("cut.png", "img.truncated"),
        ("page.jpg", "body.html"),
        ("empty.jpg", "body.empty"),
    }
    assert len(found.pictures) == 8
    assert (root / "coral" / "cut.png").exists()


def test_the_same_bytes_under_two_labels_teach_neither(folder):
    root = folder()
    shutil.copy(root / "coral" / "000.png", root / "king" / "also.png")

    found = look(root)

    assert {(each.path.name, each.reason, each.detail) for each in found.quarantine} == {
        ("000.png", "bad.conflict", "under coral and king"),
        ("also.png", "bad.conflict", "under coral and king"),
    }


def test_a_resized_copy_is_in_the_group_of_its_original_and_a_lone_picture_in_its_own(folder):
    from PIL import Image

    root = folder(per_label=3)
    Image.open(root / "coral" / "000.png").resize((61, 46)).save(root / "coral" / "copy.jpg", quality=70)

    groups = {each.path.name: each.group for each in look(root).pictures if each.label == "coral"}

    assert groups["copy.jpg"] == groups["000.png"]
    assert len(set(groups.values())) == 3


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        pytest.param(lambda root: None, "does not exist", id="no folder"),
        pytest.param(lambda root: root.mkdir(), "no pictures in", id="empty folder"),
        pytest.param(lambda root: (root / "coral").mkdir(parents=True), "no pictures in", id="empty label folder"),
    ],
)
def test_a_folder_without_pictures_is_refused_in_one_sentence(tmp_path, build, sentence):
    build(tmp_path / "pictures")

    with pytest.raises(UsageError, match=sentence):
        look(tmp_path / "pictures")


def test_one_label_is_refused(folder):
    with pytest.raises(UsageError, match=r"one label only \(coral\)"):
        look(folder(labels=("coral",)))


def test_a_label_whose_folder_is_empty_is_refused_by_name(folder):
    root = folder()
    (root / "milk").mkdir()

    with pytest.raises(UsageError, match="no usable picture for milk"):
        look(root)


def test_everything_that_is_seen_is_in_the_accounts_and_in_the_quarantine(folder):
    root = folder(per_label=3)
    shutil.copy(root / "coral" / "000.png", root / "outside.png")
    (root / "notes.txt").write_text("mine")
    (root / "coral" / "page.jpg").write_text("<html></html>")
    (root / "king" / "link.png").symlink_to(root / "king" / "000.png")
    (root / "@eaDir" / "coral").mkdir(parents=True)
    (root / "@eaDir" / "coral" / "thumb.jpg").write_bytes((root / "coral" / "001.png").read_bytes())

    found = look(root)
    accounts = found.accounts()

    assert (accounts.seen, accounts.used, accounts.left_out, accounts.beside) == (11, 6, 4, 1)
    assert accounts.left_out_by_reason == {"body.html": 1, "fs.link": 1, "folder.system": 1, "folder.no_label": 1}
    assert {(each.path.name, each.reason) for each in found.quarantine} == {
        ("page.jpg", "body.html"),
        ("link.png", "fs.link"),
        ("thumb.jpg", "folder.system"),
        ("outside.png", "folder.no_label"),
    }


def test_where_links_are_all_there_is_the_refusal_says_so(folder, tmp_path):
    root = folder()
    linked = tmp_path / "linked"
    linked.mkdir()
    for label in ("coral", "king"):
        (linked / label).symlink_to(root / label)

    with pytest.raises(
        UsageError, match=r"no pictures in .* \(left out: 2 a link, which is not followed \[fs\.link\]\)"
    ):
        look(linked)
