"""The engine on a real Ray cluster of two nodes on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import calls_elsewhere as calls
import pytest

from imgkit.engine import ClusterEngine, WorkerFailure, open_engine
from imgkit.errors import ResourceError, UsageError

HERE = Path(__file__).parent


@pytest.fixture
def engine(machines):
    with ClusterEngine(machines.address, timeout_s=1.0, memory_bytes=200_000_000) as made:
        yield made


def test_every_chunk_gives_its_outcome_once_and_both_machines_work(engine):
    outcomes = dict(engine.map(calls.double, range(20)))
    pids = {pid for _, pid in engine.map(calls.process_id_after_a_moment, range(20))}

    assert outcomes == {number: 2 * number for number in range(20)}
    wait_for(lambda: (engine.machines, engine.workers) == (2, 4), 60)  # those that earlier tests lost are forgotten
    assert len(pids) == 4


def test_what_init_built_is_kept_between_chunks(engine):
    outcomes = [outcome for _, outcome in engine.map(calls.count_calls, range(12), init=calls.make_state)]

    assert sorted(number for _, _, number in outcomes) == list(range(12))
    assert max(count for _, count, _ in outcomes) > 1


def test_the_limits_are_those_of_one_machine_and_what_dies_is_tried_on_another_one(engine, tmp_path):
    late = dict(engine.map(calls.hang_on_three, range(5)))
    large = engine.submit(calls.allocate, 600_000_000).result()
    deadly = engine.submit(calls.die, str(tmp_path / "trace")).result()

    assert late.pop(3) == WorkerFailure("timeout", "running took more than 1 s")
    assert late == {0: 0, 1: 1, 2: 2, 4: 4}
    assert large == WorkerFailure("killed", "the worker ran out of memory")
    assert deadly == WorkerFailure("killed", "the worker was ended by SIGKILL")
    assert (tmp_path / "trace").read_text() == "xxxx"  # twice on each machine


def test_an_exception_is_an_outcome_that_says_what_was_raised(engine):
    failure = engine.submit(calls.fail, 7).result()

    assert failure.kind == "error"
    assert failure.detail.endswith("ValueError: no good: 7")


def test_chunks_are_taken_only_as_fast_as_outcomes_are_used(engine):
    taken = []

    outcomes = engine.map(calls.double, (taken.append(n) or n for n in range(100)), max_in_flight=3)
    next(outcomes)
    outcomes.close()

    assert len(taken) <= 4


def test_a_home_keeps_what_was_made_for_it_on_one_machine(engine):
    visits = [engine.run_with_state(calls.make_notebook, calls.note, n, affinity=f"host{n % 6}") for n in range(30)]
    told = [run_with_state.result() for run_with_state in visits]

    assert all(len({pid for n, (pid, _) in enumerate(told) if n % 6 == affinity}) == 1 for affinity in range(6))
    assert {len(pages) for _, pages in told} != {1}
    assert all(answer == 2 * n for n, (_, pages) in enumerate(told) for number, answer in [pages[-1]] if number == n)


def test_a_visit_that_raises_is_an_error(engine):
    failure = engine.run_with_state(calls.make_notebook, calls.tear, "page", affinity="host").result()

    assert failure.kind == "error"
    assert failure.detail.endswith("ValueError: torn: page")


def test_closing_ends_what_runs_at_once(machines, tmp_path):
    engine = ClusterEngine(machines.address)
    running = engine.submit(calls.hang, str(tmp_path / "pid"))
    wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())

    engine.close()

    assert running.result() == WorkerFailure("killed", "the engine was closed")
    wait_for(lambda: not alive(int((tmp_path / "pid").read_text())))
    with pytest.raises(RuntimeError, match="closed"):
        engine.submit(calls.double, 1)


def test_a_program_that_is_interrupted_leaves_nothing_running_and_prints_nothing_of_rays(machines, tmp_path):
    source = (
        "import sys; from imgkit.engine import ClusterEngine; import calls_elsewhere as calls\n"
        "with ClusterEngine(sys.argv[1]) as engine: engine.submit(calls.hang, sys.argv[2]).result()"
    )
    trace = tmp_path / "pid"
    driver = subprocess.Popen(
        [sys.executable, "-c", source, machines.address, str(trace)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: trace.exists() and trace.read_text())

    driver.send_signal(signal.SIGINT)
    out, err = driver.communicate(timeout=30)

    assert out == ""
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert "ray" not in err.replace("imgkit", "").lower().split("traceback")[0]
    wait_for(lambda: not alive(int(trace.read_text())))


def test_the_handlers_of_signals_stay_and_nothing_is_reported_to_anyone(machines):
    def own(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGTERM, own)
    try:
        with ClusterEngine(machines.address):
            assert signal.getsignal(signal.SIGTERM) is own
            assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_calls_of_a_machine_that_is_lost_are_done_by_others_and_one_that_joins_helps(machines):
    lost = machines.add()
    done = []
    with ClusterEngine(machines.address) as engine:
        for number, outcome in engine.map(calls.slow_double, range(60)):
            done.append((number, outcome))
            if len(done) == 10:
                assert engine.machines >= 3
                machines.lose(lost)
        joined = machines.add()
        wait_for(lambda: len({pid for _, pid in engine.map(calls.process_id_after_a_moment, range(24))}) == 6, 30)
        machines.lose(joined)

    assert sorted(done) == [(number, 2 * number) for number in range(60)]


def test_graphics_processors_that_are_not_there_cannot_be_asked_for(engine):
    with pytest.raises(ValueError, match="in a cluster that has 0"):
        engine.map(calls.double, [1], gpus=1)


def test_a_cluster_that_does_not_answer_is_one_sentence():
    pytest.importorskip("ray")
    with pytest.raises(ResourceError, match=r"^no Ray cluster answers at 127\.0\.0\.1:1 ") as found:
        ClusterEngine("127.0.0.1:1")

    assert found.value.exit_code == 4


def test_a_cluster_without_a_processor_is_given_up_after_a_while(machines):
    count = len(machines.nodes)
    for node in list(machines.nodes):
        machines.lose(node)
    try:
        with ClusterEngine(machines.address, node_timeout_s=1.0) as engine:
            outcome = engine.submit(calls.double, 1)
            with pytest.raises(ResourceError, match=r"^no machine of the cluster has worked for \d+ s.*What was"):
                outcome.result(timeout=60)
    finally:
        for _ in range(count):
            machines.add()


def test_the_ray_client_is_refused_with_what_to_do():
    pytest.importorskip("ray")
    with pytest.raises(UsageError, match="the address that `ray start --head` printed"):
        ClusterEngine("ray://127.0.0.1:10001")


def test_an_engine_that_nobody_knows_is_refused():
    with pytest.raises(
        UsageError, match=r"^--engine dask is not known\. Nothing was changed\. Choose one of local, ray\."
    ):
        open_engine("dask").__enter__()

    with pytest.raises(UsageError, match="--ray-address belongs to --engine ray"):
        open_engine("local", ray_address="127.0.0.1:6379").__enter__()


def test_without_ray_one_sentence_says_what_to_install(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: None if name == 'ray' else found(name, *more)\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "imgkit", "curate", "--data", str(tmp_path), "--engine", "ray"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.strip() == (
        "imgkit curate: --engine ray needs the package ray, which is not installed. Nothing was changed. Run: "
        'pip install "imgkit-datasets[ray]", or leave --engine away to work on this machine. [ray.missing]'
    )


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


def wait_for(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
