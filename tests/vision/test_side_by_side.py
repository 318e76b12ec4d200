import threading

import pytest
import torch

from imgkit.cores import cpu_count
from imgkit.vision.features.parallel_batches import map_batches


def test_results_come_in_the_order_of_the_batches_whoever_is_ready_first():
    done = [threading.Event() for _ in range(9)]

    def work(number):
        if number % 2 == 0 and number < 8 and cpu_count() > 1:
            assert done[number + 1].wait(30)  # the one behind it is ready first
        done[number].set()
        return number * number

    assert list(map_batches(work, range(9))) == [0, 1, 4, 9, 16, 25, 36, 49, 64]


def test_nothing_is_read_far_ahead_of_what_was_asked_for():
    read = []

    def batches():
        for number in range(1000):
            read.append(number)
            yield number

    results = map_batches(lambda number: number, batches())
    next(results)

    assert len(read) <= 17  # eight threads at most, two batches each, and the next one
    results.close()


def test_a_fault_is_raised_when_its_turn_comes_and_ends_the_rest():
    done = []

    def work(number):
        if number == 3:
            raise ValueError("batch 3")
        done.append(number)
        return number

    results = map_batches(work, range(1000))

    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="batch 3"):
        next(results)
    assert len(done) < 100


def test_the_threads_of_torch_are_as_before_and_each_batch_has_its_share():
    before = torch.get_num_threads()
    seen = set()

    def work(number):
        seen.add(torch.get_num_threads())
        return number

    list(map_batches(work, range(8)))

    assert torch.get_num_threads() == before
    assert seen == {cpu_count() // min(cpu_count(), 8)}
