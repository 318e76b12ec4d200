"""What the driver of a cluster does when machines cannot be used, without a cluster."""

import queue
from concurrent.futures import Future

import pytest

import imgkit
from imgkit.engine import WorkerFailure
from imgkit.engine.dispatch import Call
from imgkit.engine.driver import Driver, Work
from imgkit.engine.nodes import Node
from imgkit.errors import ResourceError


class LostError(Exception):
    """What Ray raises for a machine that is gone."""


class FakeStation:
    def __init__(self, name, node, answers):
        self.name, self.node, self.answers, self.calls = name, node, answers, 0

    def version(self):
        return answered(self.answers.get("version", imgkit.__version__))

    def run(self, function, init, argument):
        self.calls += 1
        return answered(self.answers["run"])


class FakeNodes:
    """Machines that answer as they are told; ``looks`` may break the cluster at a later look."""

    def __init__(self, **machines):
        self.machines, self.begun, self.ended, self.broken = machines, [], [], False

    def look(self):
        if self.broken:
            raise ConnectionError("the head is gone")
        return [Node(name, name, f"{name}.example", 1) for name in self.machines]

    def begin(self, node):
        if [one.node.name for one in self.begun].count(node.name) == 3:
            return None
        self.begun.append(FakeStation(f"{node.name}#{len(self.begun)}", node, self.machines[node.name]))
        return self.begun[-1]

    def end(self, ended):
        self.ended += ended

    def is_loss(self, error):
        return isinstance(error, LostError)


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

    def started(nodes, *, patience_s=0.0):
        events = queue.SimpleQueue()
        driver = Driver(nodes, events, patience_s, look_s=0.05)
        drivers.append(driver)
        driver.start()

        def call():
            work = Work(b"function", b"argument", Future())
            events.put(Call(work))
            return work.future

        return call, driver

    yield started
    for driver in drivers:
        driver.stop()


def test_a_machine_with_another_version_is_not_used(start):
    nodes = FakeNodes(old={"version": "0.0.1", "run": "old"}, new={"run": "new"})
    call, _ = start(nodes)

    assert {call().result(20) for _ in range(6)} == {"new"}
    assert nodes.ended[0].node.name == "old"


def test_when_no_machine_can_be_used_the_sentence_says_why(start):
    call, _ = start(FakeNodes(old={"version": "0.0.1"}))

    with pytest.raises(ResourceError) as found:
        call().result(30)

    assert f"(old.example has imgkit 0.0.1, this machine has {imgkit.__version__})" in str(found.value)
    assert "What was finished is saved." in str(found.value)


def test_a_call_that_loses_one_machine_after_the_other_is_reported(start):
    nodes = FakeNodes(**{name: {"run": LostError("gone")} for name in "abc"})
    call, _ = start(nodes, patience_s=60.0)

    outcome = call().result(20)

    assert outcome == WorkerFailure("killed", "the machine that worked on it was lost, three times")


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
    assert nodes.ended == nodes.begun


def test_stopping_ends_the_stations_and_answers_every_call(start):
    nodes = FakeNodes(a={"run": None})
    call, driver = start(nodes)
    calls = [call() for _ in range(5)]

    driver.stop()

    assert {one.result(1) for one in calls} == {WorkerFailure("killed", "the engine was closed")}
    assert nodes.ended == nodes.begun
