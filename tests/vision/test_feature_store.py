import hashlib

import numpy as np
import pytest

from imgkit.vision.features.feature_store import FeatureStore


def content(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def vectors(*numbers):
    return np.array([[number, number + 0.5, -number] for number in numbers], np.float32)


def found_in(store, *contents):
    """The vectors that are there, by content."""
    features = np.full((len(contents), 3), np.nan, np.float32)
    missing = store.read_into(features, contents)
    assert [row for row, vector in enumerate(features) if np.isnan(vector).any()] == missing
    return {content: features[row].tolist() for row, content in enumerate(contents) if row not in missing}


@pytest.fixture
def open_store(tmp_path):
    """Open the store as another process would."""
    return lambda key="lite0": FeatureStore(tmp_path, key=key, dimension=3)


def test_what_was_appended_is_found_by_content(open_store):
    store = open_store()
    store.append([content(1), content(2)], vectors(1, 2))
    store.append([content(3)], vectors(3))

    found = found_in(open_store(), content(3), content(1), content(9))

    assert set(found) == {content(1), content(3)}
    assert found[content(3)] == [3, 3.5, -3]


def test_two_pictures_of_one_content_get_one_vector(open_store):
    store = open_store()
    store.append([content(1)], vectors(1))
    features = np.zeros((3, 3), np.float32)

    missing = store.read_into(features, [content(1), content(2), content(1)])

    assert missing == [1]
    assert features.tolist() == [[1, 1.5, -1], [0, 0, 0], [1, 1.5, -1]]


def test_more_rows_than_are_looked_at_at_a_time_are_all_found(open_store):
    count = 4096 + 3
    open_store().append([content(n) for n in range(count)], vectors(*range(count)))

    found = found_in(open_store(), content(4095), content(4096), content(4098))

    assert [vector[0] for vector in found.values()] == [4095, 4096, 4098]


def test_two_processes_append_side_by_side(open_store):
    first, second = open_store(), open_store()
    first.append([content(1)], vectors(1))
    second.append([content(2)], vectors(2))
    first.append([content(3)], vectors(3))

    assert set(found_in(open_store(), *map(content, range(5)))) == {content(1), content(2), content(3)}


def test_another_backbone_sees_nothing_of_it(open_store):
    open_store("lite0 224px").append([content(1)], vectors(1))

    assert found_in(open_store("lite0 288px"), content(1)) == {}


@pytest.mark.parametrize("suffix", ["rows", "index"])
@pytest.mark.parametrize("lost", [1, 7, 12, 30])
def test_a_file_cut_by_a_kill_loses_the_last_vectors_only(open_store, suffix, lost):
    store = open_store()
    store.append([content(n) for n in range(5)], vectors(*range(5)))
    (file,) = store.folder.glob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[:-lost])

    found = found_in(open_store(), *map(content, range(5)))

    assert {content(0), content(1)} <= set(found)
    assert content(4) not in found
    assert all(found[content(n)] == [n, n + 0.5, -n] for n in range(5) if content(n) in found)


def test_a_vector_damaged_on_disk_is_as_if_it_were_not_there(open_store):
    store = open_store()
    store.append([content(1), content(2)], vectors(1, 2))
    (file,) = store.folder.glob("*.rows")
    damaged = bytearray(file.read_bytes())
    damaged[3] ^= 0xFF
    file.write_bytes(damaged)

    assert set(found_in(open_store(), content(1), content(2))) == {content(2)}


def test_zeros_that_a_power_cut_left_are_no_entries(open_store):
    store = open_store()
    store.append([content(1)], vectors(1))
    for file in store.folder.iterdir():
        file.write_bytes(file.read_bytes() + bytes(40 if file.suffix == ".index" else 12))

    assert set(found_in(open_store(), content(1), "00" * 32)) == {content(1)}


def test_a_deleted_folder_is_an_empty_store(open_store):
    store = open_store()
    store.append([content(1)], vectors(1))
    for file in store.folder.iterdir():
        file.unlink()

    assert found_in(store, content(1)) == {}
    store.append([content(1)], vectors(1))
    assert set(found_in(store, content(1))) == {content(1)}
