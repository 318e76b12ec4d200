from collections import Counter
from pathlib import Path

import pytest

from imgkit.errors import UsageError
from imgkit.train.data.split import apply_split_file, divide, read_split_file

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


def test_hardly_a_picture_changes_its_split_when_many_join(picture):
    before = many(picture, "coral", 60) + many(picture, "king", 60)
    after = before + many(picture, "coral", 200, "new") + many(picture, "milk", 40)

    first, second = splits_of(divide(before, **SHARES)), splits_of(divide(after, **SHARES))

    assert sum(second[name] != split for name, split in first.items()) <= 6
    assert all(second[name] == split for name, split in first.items() if name[0] == "king")


@pytest.mark.parametrize(("labels", "each"), [(10, 3), (20, 2), (200, 2), (5, 1)])
def test_small_labels_are_never_refused(picture, labels, each):
    pictures = [picture(f"label {n}", f"{n} {m}") for n in range(labels) for m in range(each)]

    for seed in range(10):
        split_set = divide(pictures, **{**SHARES, "seed": seed})

        expected = {1: ["train"], 2: ["test", "train"], 3: ["test", "train", "val"]}[each]
        for label in range(labels):
            assert sorted(one.split for one in split_set.pictures if one.label == f"label {label}") == expected


def test_thirty_pictures_of_a_label_are_five_test_pictures_whatever_the_seed(picture):
    for seed in range(30):
        split_set = divide(many(picture, "coral", 30) + many(picture, "king", 30), **{**SHARES, "seed": seed})

        assert Counter((one.label, one.split) for one in split_set.pictures) == {
            (label, split): count
            for label in ("coral", "king")
            for split, count in (("train", 20), ("val", 5), ("test", 5))
        }


def test_a_group_of_two_labels_moves_whole(picture):
    pictures = [picture(label, f"g{n}") for n in range(3) for label in ("coral", "king")]

    for seed in range(20):
        split_set = divide(pictures, **{**SHARES, "seed": seed})

        assert split_set.crossing == ()
        assert sorted(one.split for one in split_set.pictures if one.label == "king") == ["test", "train", "val"]


def test_a_group_that_the_given_split_tears_apart_takes_new_members_into_training(picture):
    pictures = [
        picture(label, f"{label}{n}", split=("train", "val", "test")[n % 3]) for label in "ab" for n in range(9)
    ]
    pictures.append(picture("a", "a1", split="train", name="torn.jpg"))  # a1 is given to val
    pictures.append(picture("a", "a2", split="val", name="torn too.jpg"))  # a2 is given to test
    pictures.append(picture("a", "a1", name="new.jpg"))
    pictures.append(picture("a", "a2", name="new too.jpg"))

    splits = splits_of(divide(pictures, **SHARES))

    assert (splits["a", "new.jpg"], splits["a", "new too.jpg"]) == ("train", "train")


def test_new_pictures_fill_up_a_given_split(picture):
    given = [picture("a", f"a{n}", split="train") for n in range(8)] + [picture("b", f"b{n}") for n in range(10)]
    given += [picture("a", "a8", split="val"), picture("a", "a9", split="test")]

    split_set = divide(given + many(picture, "a", 10, "new "), **SHARES)

    assert Counter(one.split for one in split_set.pictures if one.label == "a") == {"train": 14, "val": 3, "test": 3}
    assert Counter(one.split for one in split_set.pictures if one.label == "b") == {"train": 6, "val": 2, "test": 2}


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
