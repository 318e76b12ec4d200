"""The machines of a Ray cluster: which there are, and a station on each. The only place that makes Ray's calls."""

import contextlib
import sys
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from imgkit.engine.protocol import Limits

TRIES: Final = 3
"""Stations that are begun on one machine; when the last of them has ended, the machine is left alone."""


@dataclass(frozen=True, slots=True)
class Node:
    """Processors of a machine that are worked with together: all of its CPUs, or one GPU. ``machine``: Ray's id."""

    name: str
    machine: str
    address: str
    slots: int
    gpus: int = 0


class Station:
    """A station on a machine; every call gives a future, whose exceptions are Ray's. No two have one ``name``."""

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

    def visit(self, make: bytes, function: bytes, argument: bytes) -> "Future[Any]":
        """Run a call in a thread there, on what is kept there."""
        return _future(self.actor.visit.remote(make, function, argument))


class Nodes:
    """The machines of the cluster that this process has joined."""

    def __init__(self, ray: ModuleType, limits: Limits) -> None:
        self._ray: Any = ray
        self._limits = limits
        self._tries: Counter[str] = Counter()

    def look(self) -> list[Node]:
        """Return the machines that are alive now: each once for its CPUs and once for each of its GPUs."""
        found = []
        for one in self._ray.nodes():
            resources = one["Resources"]
            if not one["Alive"]:
                continue
            name, where = str(one["NodeID"]), str(one["NodeManagerAddress"])
            if cpus := int(resources.get("CPU", 0)):
                found.append(Node(name, name, where, cpus))
            found += [Node(f"{name}/gpu{i}", name, where, 1, 1) for i in range(int(resources.get("GPU", 0)))]
        return found

    def begin(self, node: Node) -> Station | None:
        """Begin a station there, unless that failed too often. It is ready when it answers."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        from imgkit.engine import station

        if self._tries[node.name] >= TRIES:
            return None
        self._tries[node.name] += 1
        remote = self._ray.remote(station.Station).options(
            num_cpus=0 if node.gpus else node.slots,
            num_gpus=node.gpus,
            max_concurrency=1000,
            max_restarts=0,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.machine, soft=False),
        )
        actor = remote.remote(node.slots, self._limits, list(sys.path))
        return Station(f"{node.name}#{self._tries[node.name]}", node, actor)

    def end(self, ended: Iterable[Station]) -> None:
        """Kill stations; the processes that they started end with them."""
        for station in ended:
            with contextlib.suppress(Exception):  # the machine, or all of Ray, may be gone
                self._ray.kill(station.actor)

    def is_loss(self, error: BaseException) -> bool:
        """Say whether an error means that a station is gone, not that a call failed."""
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
