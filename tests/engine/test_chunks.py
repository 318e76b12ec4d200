"""Many small arguments in chunks, and calls that are kept under way while their outcomes are used."""

from concurrent.futures import Future

import pytest

from imgkit.engine import InlineEngine, WorkerFailure
from imgkit.engine.chunks import each
from imgkit.engine.window import windowed
from imgkit.errors import ResourceError


class Recording(InlineEngine):
    """Runs calls inline, keeps what it was asked, and answers some chunks with a failure."""

    def __init__(self, failing=()):
        self.asked, self.options, self.failing = [], [], failing

    def map(self, function, chunks, *, init=None, gpus=0, **options):
        self.options.append((init, gpus))
        for number, chunk in enumerate(chunks):
            self.asked.append(chunk)
            bad = [failure for one, failure in self.failing if one in chunk]
            yield number, bad[0] if bad else function(chunk)


KILLED = WorkerFailure("killed", "the worker was ended by SIGKILL")
LATE = WorkerFailure("timeout", "running took more than 1 s")


def doubled(chunk):
    return [2 * one for one in chunk]


def test_every_argument_has_its_own_number_in_every_chunk():
    engine = Recording()

    assert list(each(engine, doubled, range(10, 17), size=3)) == [(n, 2 * (10 + n)) for n in range(7)]
    assert engine.asked == [(10, 11, 12), (13, 14, 15), (16,)]


@pytest.mark.parametrize("failure", [KILLED, LATE])
def test_a_chunk_that_kills_its_worker_is_taken_apart_and_costs_only_the_one_that_does(failure):
    engine = Recording([(14, failure)])

    found = list(each(engine, doubled, range(10, 17), size=3, init=dict, gpus=1))

    assert found == [(0, 20), (1, 22), (2, 24), (6, 32), (3, 26), (4, failure), (5, 30)]
    assert engine.asked == [(10, 11, 12), (13, 14, 15), (16,), (13,), (14,), (15,)]
    assert engine.options == [(dict, 1), (dict, 1)]


def test_two_chunks_that_fail_are_both_taken_apart_under_the_numbers_of_their_arguments():
    engine = Recording([(10, KILLED), (13, KILLED)])

    assert sorted(each(engine, doubled, range(10, 14), size=2), key=lambda pair: pair[0]) == [
        (0, KILLED),
        (1, 22),
        (2, 24),
        (3, KILLED),
    ]


def test_a_chunk_of_one_that_fails_is_not_tried_again():
    engine = Recording([(12, KILLED)])

    assert list(each(engine, doubled, range(10, 13), size=2))[-1] == (2, KILLED)
    assert engine.asked == [(10, 11), (12,)]


def test_an_exception_of_the_function_is_nobodys_fault_and_ends_the_work():
    engine = Recording([(11, WorkerFailure("error", "Traceback\nImportError: no module named x"))])

    with pytest.raises(ResourceError, match=r"a worker cannot do its work: ImportError: no module named x\. What was"):
        list(each(engine, doubled, range(10, 13), size=2))


def test_a_worker_that_cannot_start_is_nobodys_fault_and_ends_the_work():
    engine = Recording([(11, WorkerFailure("start", "the worker was ended by SIGKILL"))])

    with pytest.raises(
        ResourceError, match=r"a worker cannot do its work: the worker was ended by SIGKILL\."
    ) as stopped:
        list(each(engine, doubled, range(10, 13), size=2))
    assert (stopped.value.code, stopped.value.exit_code) == ("worker.failed", 4)


class Calls:
    """Futures of calls, those in ``done`` finished at once."""

    def __init__(self, done):
        self.done, self.futures = done, {}

    def submit(self, chunk):
        self.futures[chunk] = Future()
        if chunk in self.done:
            self.futures[chunk].set_result(f"{chunk} done")
        return self.futures[chunk]

    @property
    def begun(self):
        return "".join(self.futures)


def test_as_many_calls_are_under_way_as_is_said_each_time_it_is_asked():
    calls, most = Calls("abcdefgh"), 2
    outcomes = windowed(calls.submit, "abcdefgh", ahead=lambda: most)

    assert (next(outcomes), calls.begun) == ((0, "a done"), "ab")
    assert (next(outcomes), calls.begun) == ((1, "b done"), "abc")
    most = 4
    assert (next(outcomes), calls.begun) == ((2, "c done"), "abcdef")
    most = 1
    assert (next(outcomes), calls.begun) == ((3, "d done"), "abcdef")
    assert list(outcomes) == [(4, "e done"), (5, "f done"), (6, "g done"), (7, "h done")]


def test_outcomes_come_as_calls_end_under_the_number_of_their_chunk():
    calls = Calls("b")
    outcomes = windowed(calls.submit, "abc", ahead=lambda: 3)

    assert next(outcomes) == (1, "b done")
    calls.futures["c"].set_result("c done")
    assert next(outcomes) == (2, "c done")
    calls.futures["a"].set_result("a done")
    assert list(outcomes) == [(0, "a done")]


def test_what_is_left_when_nobody_listens_any_more_is_cancelled_and_nothing_more_is_taken():
    calls, taken = Calls("a"), []
    outcomes = windowed(calls.submit, (taken.append(one) or one for one in "abcdef"), ahead=lambda: 3)

    assert next(outcomes) == (0, "a done")
    outcomes.close()

    assert taken == ["a", "b", "c"]
    assert [future.cancelled() for future in calls.futures.values()] == [False, True, True]


def test_no_chunks_give_no_outcomes():
    assert list(windowed(Calls("").submit, [], ahead=lambda: 3)) == []
