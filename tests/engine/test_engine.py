import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import calls_elsewhere as calls
import pytest

from imgkit.engine import InlineEngine, LocalEngine, WorkerFailure, make_engine
from imgkit.errors import ResourceError

linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and /proc are Linux's")


@pytest.fixture(params=[0, 2], ids=["inline", "processes"])
def engine(request):
    with make_engine(request.param) as made:
        yield made


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not stat.exists() or stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def children():
    task = Path(f"/proc/{os.getpid()}/task")
    return {pid for thread in task.iterdir() for pid in (thread / "children").read_text().split()}


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_every_chunk_gives_its_outcome_once(engine):
    outcomes = dict(engine.map(calls.double, range(20)))

    assert outcomes == {number: 2 * number for number in range(20)}


def test_no_chunks_give_no_outcomes(engine):
    assert list(engine.map(calls.double, [])) == []


def test_an_exception_is_an_outcome_that_says_what_was_raised(engine):
    ((_, failure),) = engine.map(calls.fail, [7])

    assert isinstance(failure, WorkerFailure)
    assert failure.kind == "error"
    assert failure.detail.endswith("ValueError: no good: 7")
    assert engine.submit(calls.fail, 8).result().detail.endswith("ValueError: no good: 8")


def test_a_single_call_is_a_future(engine):
    assert engine.submit(calls.double, 21).result() == 42


def test_what_init_built_is_kept_between_chunks(engine):
    outcomes = [outcome for _, outcome in engine.map(calls.count_calls, range(10), init=calls.make_state)]

    by_process = {}
    for pid, count, _ in outcomes:
        by_process.setdefault(pid, []).append(count)
    assert sorted(number for _, _, number in outcomes) == list(range(10))
    assert all(sorted(counts) == list(range(1, len(counts) + 1)) for counts in by_process.values())


def test_chunks_are_taken_only_as_fast_as_outcomes_are_used():
    taken = []

    with LocalEngine(1) as engine:
        outcomes = engine.map(calls.double, (taken.append(n) or n for n in range(100)), max_in_flight=3)
        next(outcomes)

        assert len(taken) <= 4
        outcomes.close()


def test_work_is_done_in_other_processes_and_never_in_more_than_asked_for():
    with LocalEngine(2) as engine:
        pids = {pid for _, pid in engine.map(calls.process_id, range(30))}

    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2


def test_a_hanging_call_is_killed_tried_twice_and_reported_while_the_others_go_on(tmp_path):
    with LocalEngine(2, timeout_s=2.0) as engine:  # what returns at once has two seconds, and two tries
        hanging = engine.submit(calls.hang_with_a_trace, str(tmp_path / "trace"))
        outcomes = dict(engine.map(calls.double, range(8)))

        assert hanging.result() == WorkerFailure("timeout", "running took more than 2 s")
    assert outcomes == {number: 2 * number for number in range(8)}
    assert (tmp_path / "trace").read_text() == "xx"


def test_an_exception_is_not_tried_again_and_the_worker_goes_on(tmp_path):
    with LocalEngine(1) as engine:
        pid = engine.submit(calls.process_id, None).result()
        failure = engine.submit(calls.fail_with_a_trace, str(tmp_path / "trace")).result()

        assert (failure.kind, (tmp_path / "trace").read_text()) == ("error", "x")
        assert engine.submit(calls.process_id, None).result() == pid


def test_calls_that_use_several_processors_run_in_fewer_processes():
    with LocalEngine(4) as engine:
        pids = {pid for _, pid in engine.map(calls.process_id, range(12), cpus=3)}

    assert len(pids) == 1


def test_a_worker_has_one_thread_for_each_library_and_ignores_ctrl_c():
    with LocalEngine(1) as engine:
        threads, handler = engine.submit(calls.settings, None).result()

    assert threads == {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    assert handler == signal.SIG_IGN


def test_the_inline_engine_yields_in_order_and_calls_what_init_built():
    with make_engine(0) as engine:
        outcomes = list(engine.map(calls.count_calls, range(3), init=calls.make_state))

    assert [(number, count, argument) for number, (_, count, argument) in outcomes] == [(0, 1, 0), (1, 2, 1), (2, 3, 2)]


def test_a_call_whose_process_dies_is_tried_twice_and_reported(tmp_path):
    with LocalEngine(1) as engine:
        outcome = engine.submit(calls.die, str(tmp_path / "trace")).result()

        assert outcome == WorkerFailure("killed", "the worker was ended by SIGKILL")
        assert (tmp_path / "trace").read_text() == "xx"
        assert engine.submit(calls.double, 1).result() == 2


def test_a_call_whose_process_dies_once_succeeds(tmp_path):
    with LocalEngine(1) as engine:
        assert engine.submit(calls.die_the_first_time, str(tmp_path / "trace")).result() == "second time"


@linux
def test_a_call_that_takes_too_much_memory_is_reported():
    with LocalEngine(1, memory_bytes=100_000_000) as engine:
        assert engine.submit(calls.allocate, 50_000_000).result() == 50_000_000

        outcome = engine.submit(calls.allocate, 300_000_000).result()

    assert outcome == WorkerFailure("killed", "the worker ran out of memory")


def test_a_result_that_cannot_travel_is_an_error_and_the_worker_goes_on():
    with LocalEngine(1) as engine:
        pid = engine.submit(calls.process_id, None).result()

        outcome = engine.submit(calls.unpicklable, None).result()

        assert outcome.kind == "error"
        assert engine.submit(calls.process_id, None).result() == pid


def test_what_a_function_prints_does_not_disturb_the_engine():
    with LocalEngine(1) as engine:
        assert dict(engine.map(calls.print_and_double, range(3))) == {0: 0, 1: 2, 2: 4}


def test_a_worker_is_replaced_after_its_number_of_calls():
    with LocalEngine(1, recycle_after=3) as engine:
        pids = [engine.submit(calls.process_id, None).result() for _ in range(7)]

    assert [pids.count(pid) for pid in dict.fromkeys(pids)] == [3, 3, 1]


def test_a_worker_loads_nothing_that_its_function_does_not_need():
    with LocalEngine(1) as engine:
        modules = engine.submit(calls.loaded_modules, None).result()

    assert {"torch", "numpy", "PIL", "sqlite3", "pytest"} & set(modules) == set()


@linux
def test_closing_ends_a_running_worker_and_leaves_neither_zombie_nor_pipe(tmp_path):
    before, pipes, others = children(), open_files(), set(threading.enumerate())
    engine = LocalEngine(1)
    running, waiting = engine.submit(calls.hang, str(tmp_path / "pid")), engine.submit(calls.double, 1)
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())

    engine.close()

    assert running.result() == WorkerFailure("killed", "the worker was ended by SIGKILL")
    assert waiting.cancelled()
    assert children() == before
    assert open_files() == pipes
    assert [one for one in threading.enumerate() if one.name == "imgkit-engine" and one not in others] == []


def test_a_closed_engine_takes_no_more_work():
    engine = LocalEngine(1)
    engine.close()
    engine.close()

    with pytest.raises(RuntimeError, match="closed"):
        engine.submit(calls.double, 1)


DRIVER = """
import sys
sys.path.insert(0, {folder!r})
import calls_elsewhere as calls
from imgkit.engine import LocalEngine
engine = LocalEngine(1)
engine.submit(calls.hang, {trace!r}).result()
"""


@linux
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
def test_a_worker_never_outlives_the_process_that_started_it(tmp_path, how):
    trace = tmp_path / "pid"
    source = DRIVER.format(folder=str(Path(calls.__file__).parent), trace=str(trace))
    driver = subprocess.Popen(
        [sys.executable, "-c", source],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: trace.exists() and trace.read_text())

    driver.send_signal(how)
    driver.wait()

    wait_for(lambda: not alive(int(trace.read_text())))


def test_an_engine_needs_a_worker():
    with pytest.raises(ValueError, match="needs a worker"):
        LocalEngine(0)

    assert isinstance(make_engine(0), InlineEngine)


@pytest.fixture
def guarded():
    with LocalEngine(1, timeout_s=20, memory_bytes=500_000_000, guarded=True) as engine:
        yield engine


def test_a_guarded_process_gets_no_key_and_no_token(monkeypatch, guarded):
    secrets = ["FLICKR_API_KEY", "GOOGLE_API_KEY", "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "IMGKIT_DATA", "HTTPS_PROXY"]
    for name in [*secrets, "ANYTHING", "PATHOLOGICAL", "SSH_AUTH_SOCK"]:
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    names = set(json.loads(guarded.submit(calls.environment, None).result()))

    assert names & {*secrets, "ANYTHING", "PATHOLOGICAL", "SSH_AUTH_SOCK"} == set()
    assert {"LC_ALL", "PATH", "OMP_NUM_THREADS"} <= names


def test_bytes_come_back_from_a_guarded_process_as_they_are(guarded):
    for data in (b"", b"p\x80", bytes(range(256)) * 1000):
        assert guarded.submit(calls.same_bytes, data).result() == data


def test_what_is_not_bytes_is_not_read_from_a_guarded_process(tmp_path, guarded):
    outcome = guarded.submit(calls.forged, str(tmp_path / "made")).result()

    assert outcome == WorkerFailure("killed", "the worker answered with something else than bytes")
    assert not (tmp_path / "made").exists()
    assert guarded.submit(calls.same_bytes, b"goes on").result() == b"goes on"


def test_a_guarded_process_that_was_taken_over_cannot_run_anything_here(tmp_path, guarded):
    outcome = guarded.submit(calls.forge_replies, str(tmp_path / "made")).result()

    assert outcome.kind == "killed"
    assert not (tmp_path / "made").exists()
    assert guarded.submit(calls.same_bytes, b"goes on").result() == b"goes on"


def test_a_guarded_process_that_announces_more_than_its_limit_is_ended_unread(guarded):
    assert guarded.submit(calls.announce_too_much, None).result().kind == "killed"
    assert guarded.submit(calls.same_bytes, b"goes on").result() == b"goes on"


@linux
def test_a_guarded_process_writes_into_no_file(tmp_path, guarded):
    (tmp_path / "mine").write_bytes(b"mine")

    outcome = guarded.submit(calls.append_to, str(tmp_path / "mine")).result()

    assert outcome.kind == "error"
    assert "File too large" in outcome.detail
    assert (tmp_path / "mine").read_bytes() == b"mine"


def test_words_of_a_guarded_process_are_words_whatever_they_are(guarded):
    outcome = guarded.submit(calls.fail_in_odd_letters, None).result()

    assert outcome.kind == "error"
    assert outcome.detail.endswith("ValueError: ?\x1b[31m")


def test_a_call_is_tried_as_often_as_was_said(tmp_path):
    for attempts in (1, 3):
        with LocalEngine(1, attempts=attempts) as engine:
            engine.submit(calls.die, str(tmp_path / f"{attempts}")).result()

        assert (tmp_path / f"{attempts}").read_text() == "x" * attempts


def test_a_system_that_starts_no_process_is_an_error_of_the_system_and_nobody_waits_for_ever(monkeypatch):
    def refused(*words, **named):
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch, LocalEngine(1) as engine:
        patch.setattr(subprocess, "Popen", refused)
        with pytest.raises(ResourceError, match=os.strerror(errno.EMFILE)):
            engine.submit(len, "abc").result(timeout=60)
        patch.undo()
        assert engine.submit(len, "abc").result(timeout=60) == 3


@pytest.mark.parametrize("guards", [False, True])
@pytest.mark.parametrize(
    ("ends", "said"),
    [(True, "the worker ended with exit code 3"), (False, "ModuleNotFoundError: No module named 'no_such_module'")],
)
def test_a_process_that_cannot_load_its_function_is_told_from_one_that_an_argument_ended(guards, ends, said):
    with LocalEngine(1, guarded=guards) as engine:
        outcome = engine.submit(calls.NotLoaded(ends=ends), b"x").result()

        assert (outcome.kind, outcome.detail.splitlines()[-1]) == ("start", said)
        assert engine.submit(calls.same_bytes, b"goes on").result() == b"goes on"
