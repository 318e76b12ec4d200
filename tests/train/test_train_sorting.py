from pathlib import Path

import pytest

from imgkit.errors import UsageError
from imgkit.models.predict import Guess, Prediction
from imgkit.models.sort_into import sort_into


def named(path: Path, label: str, probability: float = 0.9, **more) -> Prediction:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(str(path).encode())
    return Prediction(path=path, guesses=(Guess(label, probability),), **more)


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_each_picture_is_copied_to_its_label_and_doubtful_ones_apart(tmp_path):
    given = tmp_path / "given"
    predictions = [
        named(given / "a.jpg", "coral"),
        named(given / "b.jpg", "king snake"),
        named(given / "c.jpg", "coral", 0.49),
        named(given / "d.jpg", "coral", unknown=True),
        Prediction(path=given / "broken.jpg", reason="img.truncated"),
    ]

    placed = sort_into(predictions, tmp_path / "out", sure=0.5)

    assert files(tmp_path / "out") == ["_unknown/d.jpg", "_unsure/coral/c.jpg", "coral/a.jpg", "king_snake/b.jpg"]
    assert (placed.copied, placed.already, placed.left_out) == (4, 0, 1)
    assert placed.counts == {"_unknown": 1, "_unsure/coral": 1, "coral": 1, "king_snake": 1}
    assert files(given) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def test_a_name_that_is_taken_gets_a_number_and_nothing_is_overwritten(tmp_path):
    kept = tmp_path / "out" / "coral" / "a.jpg"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"mine")
    predictions = [named(tmp_path / "one" / "a.jpg", "coral"), named(tmp_path / "two" / "a.jpg", "coral")]

    sort_into(predictions, tmp_path / "out", sure=0.5)

    assert files(tmp_path / "out") == ["coral/a-2.jpg", "coral/a-3.jpg", "coral/a.jpg"]
    assert kept.read_bytes() == b"mine"


def test_sorting_again_copies_nothing(tmp_path):
    predictions = [named(tmp_path / "one" / "a.jpg", "coral"), named(tmp_path / "two" / "a.jpg", "coral")]
    sort_into(predictions, tmp_path / "out", sure=0.5)

    placed = sort_into(predictions, tmp_path / "out", sure=0.5)

    assert (placed.copied, placed.already) == (0, 2)
    assert files(tmp_path / "out") == ["coral/a-2.jpg", "coral/a.jpg"]


def test_labels_that_would_share_a_folder_are_refused_before_anything_is_copied(tmp_path):
    predictions = [named(tmp_path / "a.jpg", "king snake"), named(tmp_path / "b.jpg", "King*snake")]

    with pytest.raises(UsageError, match="would share the folder"):
        sort_into(predictions, tmp_path / "out", sure=0.5)

    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("label", ["../../elsewhere", "/etc", "..", "con"])
def test_a_label_never_leads_out_of_the_folder(tmp_path, label):
    sort_into([named(tmp_path / "given" / "a.jpg", label)], tmp_path / "out", sure=0.5)

    (copied,) = (path for path in tmp_path.rglob("a.jpg") if "given" not in path.parts)
    assert copied.parent.parent == tmp_path / "out"
