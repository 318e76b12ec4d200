from collections import Counter
from pathlib import Path

import pytest

from imgkit.errors import UsageError
from imgkit.train.split import apply_split_file, divide, read_split_file

SHARES = {"validation_share": 0.15, "test_share": 0.15, "seed": 0}


def many(picture, label, count, prefix=""):
    return [picture(label, f"{prefix}{label}{number}") for number in range(count)]


def splits_of(split_set):
    return {(each.label, each.path.name): each.split for each in split_set.pictures}


def test_seventy_fifteen_fifteen_of_every_label(picture):
    pictures = many(picture, "coral", 1000) + many(picture, "king", 1000)

    split_set = divide(pictures, **SHARES)

    for label in ("coral", "king"):
        counts = Counter(each.split for each in split_set.pictures if each.label == label)
        assert counts["train"] == pytest.approx(700, abs=45)
        assert counts["val"] == pytest.approx(150, abs=35)
        assert counts["test"] == pytest.approx(150, abs=35)


def test_near_duplicates_never_part(picture):
    pictures = [picture("coral", f"g{n // 3}", name=f"{n}.jpg") for n in range(300)] + many(picture, "king", 50)

    split_set = divide(pictures, **SHARES)

    assert split_set.crossing == ()
    assert len({each.split for each in split_set.pictures}) == 3


def test_no_picture_changes_its_split_when_others_join(picture):
    before = many(picture, "coral", 60) + many(picture, "king", 60)
    after = before + many(picture, "coral", 200, "new") + many(picture, "milk", 40)

    first, second = splits_of(divide(before, **SHARES)), splits_of(divide(after, **SHARES))

    assert {name: second[name] for name in first} == first


def test_another_seed_is_another_split(picture):
    pictures = many(picture, "coral", 60) + many(picture, "king", 60)

    assert splits_of(divide(pictures, **SHARES)) != splits_of(divide(pictures, **{**SHARES, "seed": 1}))


def test_a_label_of_three_pictures_is_in_every_split(picture):
    split_set = divide(many(picture, "coral", 100) + many(picture, "king", 3), **SHARES)

    assert sorted(each.split for each in split_set.pictures if each.label == "king") == ["test", "train", "val"]


def test_a_lone_held_back_set_is_the_test_set_whatever_its_name(picture):
    pictures = [picture("coral", f"c{n}", split="val" if n < 20 else "train") for n in range(200)]
    pictures += [picture("king", f"k{n}", split="val" if n < 20 else "train") for n in range(200)]

    split_set = divide(pictures, **SHARES)

    assert {each.group for each in split_set.of("test")} == {f"{x}{n}" for x in "ck" for n in range(20)}
    assert 30 < len(split_set.of("val")) < 90
    assert "are the test set" in split_set.notes[0]


def test_a_given_split_is_kept_and_the_copies_that_cross_it_are_named(picture):
    pictures = [picture("coral", f"c{n}", split=("train", "val", "test")[n % 3]) for n in range(9)]
    pictures += [picture("king", f"k{n}", split=("train", "val", "test")[n % 3]) for n in range(9)]
    pictures.append(picture("king", "k0", split="test", name="copy.jpg"))

    split_set = divide(pictures, **SHARES)

    assert splits_of(split_set) == {(each.label, each.path.name): each.split for each in pictures}
    assert split_set.crossing == ("k0",)


def test_a_new_picture_joins_the_split_of_its_copies(picture):
    pictures = [
        picture(label, f"{label}{n}", split=("train", "val", "test")[n % 3]) for label in "ab" for n in range(9)
    ]
    pictures.append(picture("a", "a2", name="new copy.jpg"))

    split_set = divide(pictures, **SHARES)

    assert splits_of(split_set)["a", "new copy.jpg"] == "test"


def test_a_label_with_nothing_to_train_on_is_refused_by_name(picture):
    pictures = [picture("coral", f"c{n}", split=("train", "val", "test")[n % 3]) for n in range(9)]
    pictures.append(picture("king", "k", split="test"))

    with pytest.raises(UsageError, match="no training picture is left for king"):
        divide(pictures, **SHARES)


def test_a_split_file_of_another_program_fits_by_label_and_file_name(picture, tmp_path):
    table = tmp_path / "split.csv"
    table.write_text("class,file,source_split\ncoral,a.jpg,training\nking,a.jpg,validation\n")
    pictures = [picture("coral", "1", name="a.jpg"), picture("king", "2", name="a.jpg")]

    found = apply_split_file(pictures, read_split_file(table), Path("/pictures"))

    assert [each.split for each in found] == ["train", "val"]


def test_the_split_table_of_one_run_is_the_split_file_of_the_next(picture, tmp_path):
    first = divide(many(picture, "coral", 40) + many(picture, "king", 40), **SHARES)
    (tmp_path / "split.csv").write_text(first.as_csv(Path("/pictures")))

    again = many(picture, "coral", 40) + many(picture, "king", 40)
    given = apply_split_file(again, read_split_file(tmp_path / "split.csv"), Path("/pictures"))
    second = divide(given, **{**SHARES, "seed": 7})

    assert splits_of(second) == splits_of(first)


def test_a_split_file_that_names_other_pictures_is_refused(picture):
    with pytest.raises(UsageError, match="names none of the pictures"):
        apply_split_file([picture("coral", "1")], {"elsewhere/x.jpg": "train"}, Path("/pictures"))
