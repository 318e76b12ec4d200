"""What the driver of a cluster does when machines cannot be used, without a cluster."""

import queue
import time
from concurrent.futures import Future

import pytest

import imgkit
from imgkit.engine import WorkerFailure
from imgkit.engine.dispatch import Call
from imgkit.engine.driver import Driver, PickledCall
from imgkit.engine.nodes import Node
from imgkit.errors import ResourceError


class LostError(Exception):
    """What Ray raises for a machine that is gone."""


class FakeWorker:
    def __init__(self, name, node, answers):
        self.name, self.node, self.answers, self.calls = name, node, answers, 0

    def version(self):
        return answered(self.answers.get("version", imgkit.__version__))

    def run(self, function, init, argument):
        self.calls += 1
        return answered(self.answers["run"])


class FakeNodes:
    """Machines that answer as they are told; ``refreshes`` may break the cluster at a later look."""

    def __init__(self, **machines):
        self.machines, self.started_workers, self.killed, self.broken = machines, [], [], False
        self.refreshes = self.refreshes_without = 0

    def alive(self):
        self.refreshes += 1
        self.refreshes_without += not self.machines
        if self.broken:
            raise ConnectionError("the head is gone")
        return [Node(name, name, f"{name}.example", 1) for name in self.machines]

    def start_worker(self, node):
        if node.name not in self.machines or [one.node.name for one in self.started_workers].count(node.name) == 3:
            return None
        self.started_workers.append(
            FakeWorker(f"{node.name}#{len(self.started_workers)}", node, self.machines[node.name])
        )
        return self.started_workers[-1]

    def kill_workers(self, killed):
        self.killed += killed

    def is_loss(self, error):
        return isinstance(error, LostError)


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self):
        return self.now


def wait_for(condition, seconds=60):
    """Wait for another thread; the time is only how long a fault may take to show."""
    kill_workers = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < kill_workers, "waited in vain"
        time.sleep(0.005)


def answered(answer):
    future = Future()
    if isinstance(answer, Exception):
        future.set_exception(answer)
    elif answer is not None:
        future.set_result(answer)
    return future


@pytest.fixture
def start():
    """Start a driver on fake machines; return what makes a call and the driver."""
    drivers = []

    def started(nodes, *, node_timeout_s=0.0, clock=time.monotonic):
        events = queue.SimpleQueue()
        driver = Driver(nodes, events, node_timeout_s, refresh_s=0.05, clock=clock)
        drivers.append(driver)
        driver.start()

        def call(*, gpus=0):
            work = PickledCall(b"function", b"argument", Future())
            events.put(Call(work, gpus=gpus))
            return work.future

        return call, driver

    yield started
    for driver in drivers:
        driver.stop()


def test_a_machine_with_another_version_is_not_used(start):
    nodes = FakeNodes(old={"version": "0.0.1", "run": "old"}, new={"run": "new"})
    call, _ = start(nodes)

    assert {call().result(20) for _ in range(6)} == {"new"}
    assert nodes.killed[0].node.name == "old"


def test_when_no_machine_can_be_used_the_sentence_says_why(start):
    call, _ = start(FakeNodes(old={"version": "0.0.1"}))

    with pytest.raises(ResourceError) as found:
        call().result(30)

    assert f"(old.example has imgkit 0.0.1, this machine has {imgkit.__version__})" in str(found.value)
    assert "What was finished is saved." in str(found.value)


def test_a_call_that_loses_one_machine_after_the_other_is_reported(start):
    nodes = FakeNodes(**{name: {"run": LostError("gone")} for name in "abc"})
    call, _ = start(nodes, node_timeout_s=60.0)

    outcome = call().result(20)

    assert outcome == WorkerFailure("killed", "the machine that worked on it was lost, three times")


@pytest.mark.parametrize("gone", ["silently", "with an error"])
def test_a_call_whose_machine_is_gone_and_has_no_other_ends_as_an_error_in_bounded_time(start, gone):
    nodes = FakeNodes(a={"run": None if gone == "silently" else LostError("gone")})
    clock = Clock()
    call, _ = start(nodes, node_timeout_s=10.0, clock=clock)

    waiting = call()
    wait_for(lambda: nodes.started_workers and nodes.started_workers[0].calls)
    nodes.machines.clear()
    wait_for(lambda: nodes.refreshes_without)
    clock.now += 10.5
    refreshes = nodes.refreshes_without
    wait_for(lambda: nodes.refreshes_without > refreshes + 2)
    clock.now += 10.5

    with pytest.raises(ResourceError, match=r"^no machine of the cluster has worked for 1\d s") as found:
        waiting.result(30)
    assert found.value.code == "ray.lost"
    assert nodes.killed[: len(nodes.started_workers)] == nodes.started_workers


def test_a_call_for_a_graphics_processor_that_is_gone_ends_as_an_error_while_others_work_on(start):
    nodes, clock = FakeNodes(a={"run": "done"}), Clock()
    call, _ = start(nodes, node_timeout_s=10.0, clock=clock)
    waiting = call(gpus=1)

    assert call().result(20) == "done"
    refreshes = nodes.refreshes
    clock.now += 10.5
    with pytest.raises(ResourceError, match="no graphics processor of the cluster has worked for 1"):
        waiting.result(30)
    assert nodes.refreshes > refreshes
    assert call().result(20) == "done"


def test_patience_is_not_over_before_its_time(start):
    nodes, clock = FakeNodes(old={"version": "0.0.1"}), Clock()
    call, _ = start(nodes, node_timeout_s=10.0, clock=clock)
    waiting = call()

    clock.now += 10.0
    refreshes = nodes.refreshes
    wait_for(lambda: nodes.refreshes > refreshes + 3)
    assert not waiting.done()
    clock.now += 0.1

    with pytest.raises(ResourceError, match=r"has worked for 10 s"):
        waiting.result(30)


def test_an_error_of_the_way_is_an_outcome_of_the_call(start):
    call, _ = start(FakeNodes(a={"run": ValueError("cannot be unpickled")}))

    assert call().result(20) == WorkerFailure("error", "cannot be unpickled")


def test_when_the_cluster_itself_breaks_nobody_waits_in_vain(start):
    nodes = FakeNodes(a={"run": None})  # never answers
    call, driver = start(nodes)
    waiting = call()

    nodes.broken = True

    with pytest.raises(ResourceError, match=r"\(the head is gone\)"):
        waiting.result(30)
    driver.join(20)
    assert driver.lost is not None
    assert nodes.killed == nodes.started_workers


def test_stopping_ends_the_stations_and_answers_every_call(start):
    nodes = FakeNodes(a={"run": None})
    call, driver = start(nodes)
    calls = [call() for _ in range(5)]

    driver.stop()

    assert {one.result(20) for one in calls} == {WorkerFailure("killed", "the engine was closed")}
    assert nodes.killed == nodes.started_workers
