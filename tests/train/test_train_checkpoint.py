import shutil

import pytest
import torch

from imgkit.train.finetune import checkpoint

NEWER, OLDER = "step-00000002", "step-00000001"


@pytest.fixture
def two(tmp_path):
    """Two checkpoints whose every number is that of their step."""
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {"weight": torch.full((20,), float(step))}, {"seconds": step + 0.5})
    return tmp_path


def the_older_one_is_used(folder):
    found = checkpoint.newest(folder)
    assert found is not None
    return (found.step, found.facts, found.tensors["weight"].unique().tolist(), found.damaged) == (
        1,
        {"seconds": 1.5},
        [1.0],
        (NEWER,),
    )


def test_the_newest_checkpoint_is_what_was_saved(two):
    found = checkpoint.newest(two)

    assert found is not None
    assert (found.step, found.facts, found.damaged) == (2, {"seconds": 2.5}, ())
    assert found.tensors["weight"].tolist() == [2.0] * 20


@pytest.mark.parametrize("name", [f"{NEWER}.safetensors", f"{NEWER}.sha256"])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_anywhere_does_not_count(two, name, share):
    data = (two / name).read_bytes()
    (two / name).write_bytes(data[: int(share * len(data))])

    assert the_older_one_is_used(two)


@pytest.mark.parametrize("name", [f"{NEWER}.safetensors", f"{NEWER}.sha256"])
def test_no_bit_can_change_unnoticed(two, name):
    data = (two / name).read_bytes()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= 1 << (position % 8)
        (two / name).write_bytes(changed)

        assert the_older_one_is_used(two), position


@pytest.mark.parametrize("suffix", [".safetensors", ".sha256"])
def test_a_checkpoint_of_which_a_file_is_gone_does_not_count(two, suffix):
    (two / f"{NEWER}{suffix}").unlink()

    assert the_older_one_is_used(two)


@pytest.mark.parametrize("suffixes", [(".safetensors",), (".sha256",), (".safetensors", ".sha256")])
def test_the_files_of_another_step_do_not_pass_for_it(two, suffixes):
    for suffix in suffixes:
        shutil.copyfile(two / f"{OLDER}{suffix}", two / f"{NEWER}{suffix}")

    assert the_older_one_is_used(two)


def test_when_no_checkpoint_is_whole_there_is_none(two):
    for path in two.iterdir():
        path.write_bytes(b"")

    assert checkpoint.newest(two) is None


def test_what_a_crash_left_half_written_goes_with_the_next_checkpoint(two):
    (two / f"{NEWER}.sha256").unlink()

    checkpoint.save(two, 3, {"weight": torch.zeros(1)}, {})
    checkpoint.save(two, 4, {"weight": torch.zeros(1)}, {})

    assert sorted({path.stem for path in two.iterdir()}) == ["step-00000003", "step-00000004"]
