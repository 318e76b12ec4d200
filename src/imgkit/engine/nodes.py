"""The machines of a Ray cluster and a node worker (a Ray actor) on each. The only module that makes Ray's calls."""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from imgkit.engine.protocol import CallLimits

MAX_STARTS: Final = 3
"""Workers that are started on one machine; when the last of them has ended, the machine is not used any more."""


@dataclass(frozen=True, slots=True)
class Node:
    """Processors of a machine that are worked with together: all of its CPUs, or one GPU. ``machine``: Ray's id."""

    name: str
    machine: str
    address: str
    slots: int
    gpus: int = 0


class NodeWorkerHandle:
    """Handle of a worker on a machine; every call returns a future with Ray's exceptions. ``name`` is unique."""

    def __init__(self, name: str, node: Node, actor: Any) -> None:  # noqa: ANN401  # Ray's handles have no types
        self.name = name
        self.node = node
        self.actor = actor

    def version(self) -> "Future[Any]":
        """Ask for the version of imgkit there."""
        return _future(self.actor.version.remote())

    def run(self, function: bytes, init: bytes, argument: bytes) -> "Future[Any]":
        """Run a call in a process there."""
        return _future(self.actor.run.remote(function, init, argument))

    def run_with_state(self, make_state: bytes, function: bytes, argument: bytes) -> "Future[Any]":
        """Run a call in a thread there, on the state that ``make_state`` built there."""
        return _future(self.actor.run_with_state.remote(make_state, function, argument))


class Nodes:
    """The machines of the cluster that this process has joined."""

    def __init__(self, ray: ModuleType, limits: CallLimits) -> None:
        self._ray: Any = ray
        self._limits = limits
        self._starts: Counter[str] = Counter()

    def alive(self) -> list[Node]:
        """Return the machines that are alive now: each once for its CPUs and once for each of its GPUs."""
        found = []
        for one in self._ray.nodes():
            resources = one["Resources"]
            if not one["Alive"]:
                continue
            name, address = str(one["NodeID"]), str(one["NodeManagerAddress"])
            if cpus := int(resources.get("CPU", 0)):
                found.append(Node(name, name, address, cpus))
            found += [Node(f"{name}/gpu{i}", name, address, 1, 1) for i in range(int(resources.get("GPU", 0)))]
        return found

    def start_worker(self, node: Node) -> NodeWorkerHandle | None:
        """Start a worker there; None after ``MAX_STARTS`` starts. It is ready when ``version`` has returned."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from imgkit.engine import node_worker

        if self._starts[node.name] >= MAX_STARTS:
            return None
        self._starts[node.name] += 1
        remote = self._ray.remote(node_worker.NodeWorker).options(
            num_cpus=0 if node.gpus else node.slots,
            num_gpus=node.gpus,
            max_concurrency=1000,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.machine, soft=False),
        )
        actor = remote.remote(node.slots, self._limits, list(sys.path))
        return NodeWorkerHandle(f"{node.name}#{self._starts[node.name]}", node, actor)

    def kill_workers(self, workers: Iterable[NodeWorkerHandle]) -> None:
        """Kill workers; the processes that they started end with them."""
        for node_worker in workers:
            with contextlib.suppress(Exception):  # the machine, or all of Ray, may be gone
                self._ray.kill(node_worker.actor)

    def is_loss(self, error: BaseException) -> bool:
        """Say whether an error means that a worker is gone, not that a call failed."""
        kinds = self._ray.exceptions
        return isinstance(
            error,
            kinds.RayActorError
            | kinds.ObjectLostError
            | kinds.RaySystemError
            | kinds.WorkerCrashedError
            | kinds.NodeDiedError
            | kinds.LocalRayletDiedError
            | kinds.ActorUnschedulableError,
        )


def _future(reference: Any) -> "Future[Any]":  # noqa: ANN401
    future: Future[Any] = reference.future()
    return future
