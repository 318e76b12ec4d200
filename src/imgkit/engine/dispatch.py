"""Decide which machine of a cluster gets which call. Pure: it starts nothing and waits for nothing."""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

W = TypeVar("W")

MAX_MACHINES: Final = 3
"""Machines on which a call is tried before its loss is reported."""

CALLS_PER_CPU: Final = 2
"""Calls assigned to a machine for each of its processors, so that the next one is queued there when one ends."""

LossDecision = Literal["again", "report"]


@dataclass(eq=False, slots=True)
class Call(Generic[W]):
    """A call that waits or runs. ``work`` is what to run, opaque to this module.

    ``affinity`` is a key: calls with one key go to one machine while that is alive; "" for any machine.
    ``gpus`` above 0 asks for a machine's graphics processors. ``lost`` are the machines that were
    lost, or whose worker died, with it.
    """

    work: W
    affinity: str = ""
    cpus: int = 1
    gpus: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class NodeLoad(Generic[W]):
    """A machine, or one of its graphics processors, that is ready to work. ``slots``: calls it can run at once."""

    name: str
    slots: int
    gpus: int = 0
    running: set[Call[W]] = field(default_factory=set)

    @property
    def load(self) -> float:
        """Processors asked of it, as a share of those it has."""
        return sum(call.cpus for call in self.running) / self.slots

    def has_capacity(self, call: Call[W]) -> bool:
        """Say whether it can be handed one more call."""
        if not self.running:
            return True
        most = self.slots * (CALLS_PER_CPU if call.cpus == 1 else 1)
        return sum(one.cpus for one in self.running) + call.cpus <= most


class Dispatch(Generic[W]):
    """The queue of waiting calls, and the nodes that are ready to run them."""

    def __init__(self) -> None:
        self._nodes: dict[str, NodeLoad[W]] = {}
        self._waiting: deque[Call[W]] = deque()

    @property
    def nodes(self) -> list[NodeLoad[W]]:
        """The nodes that are ready."""
        return list(self._nodes.values())

    @property
    def waiting(self) -> list[Call[W]]:
        """The calls that are assigned to no node, the next one first."""
        return list(self._waiting)

    def add_node(self, node: NodeLoad[W]) -> None:
        """Add a node that is ready."""
        self._nodes[node.name] = node

    def add(self, call: Call[W]) -> None:
        """Append a call to the queue."""
        self._waiting.append(call)

    def withdraw(self, *, gpus: bool | None = None) -> list[Call[W]]:
        """Take out and return the calls that wait: all, or those that ask for graphics processors, or the others."""
        calls = [call for call in self._waiting if gpus is None or (call.gpus > 0) == gpus]
        self._waiting = deque(call for call in self._waiting if call not in calls)
        return calls

    def is_stuck(self, *, gpus: bool) -> bool:
        """Say whether calls wait that ask for graphics processors, or others, and no node is ready for them."""
        waits = any((call.gpus > 0) == gpus for call in self._waiting)
        return waits and not any((node.gpus > 0) == gpus for node in self._nodes.values())

    def assign(self) -> Iterator[tuple[NodeLoad[W], Call[W]]]:
        """Assign the waiting calls for which nodes have capacity; yield (node, call) for each."""
        unassigned: deque[Call[W]] = deque()
        full: set[int] = set()  # kinds of calls that found no room in this round: those behind need not ask
        while self._waiting:
            call = self._waiting.popleft()
            kind = call.cpus if not call.gpus else -call.gpus
            node = None if not call.affinity and not call.lost and kind in full else self._node_for(call)
            if node is None:
                unassigned.append(call)
                if not call.affinity and not call.lost:
                    full.add(kind)
                continue
            node.running.add(call)
            yield node, call
        self._waiting = unassigned

    def finished(self, name: str, call: Call[W]) -> None:
        """Note that a node has returned the result of a call."""
        if node := self._nodes.get(name):
            node.running.discard(call)

    def worker_died(self, name: str, call: Call[W]) -> LossDecision:
        """Note that a worker process died during a call; queue the call again if another node has not tried it yet."""
        self.finished(name, call)
        call.lost.append(name)
        others = [node for node in self._candidates(call) if node.name not in call.lost]
        return self._retry_or_report(call) if others else "report"

    def lost(self, name: str) -> list[Call[W]]:
        """Remove a node that was lost; its calls come first in the queue.

        Returns:
            the calls that were lost ``MAX_MACHINES`` times and are not queued again.
        """
        node = self._nodes.pop(name, None)
        if node is None:
            return []
        for call in node.running:
            call.lost.append(name)
        return [call for call in node.running if self._retry_or_report(call) == "report"]

    def _retry_or_report(self, call: Call[W]) -> LossDecision:
        if len(call.lost) >= MAX_MACHINES:
            return "report"
        self._waiting.appendleft(call)
        return "again"

    def _candidates(self, call: Call[W]) -> list[NodeLoad[W]]:
        return [node for node in self._nodes.values() if (node.gpus > 0) == (call.gpus > 0)]

    def _node_for(self, call: Call[W]) -> NodeLoad[W] | None:
        candidates = self._candidates(call)
        if call.affinity:
            return max(candidates, key=lambda node: _affinity(call.affinity, node.name), default=None)
        fresh = [node for node in candidates if node.name not in call.lost] or candidates
        return min((node for node in fresh if node.has_capacity(call)), key=lambda node: node.load, default=None)


def _affinity(affinity: str, node: str) -> bytes:
    """Return the weight of a node for an affinity key; when a node is lost, only the keys assigned to it move.

    Source: Thaler and Ravishankar 1998, "Using name-based mappings to increase hit rates" (rendezvous hashing).
    """
    return hashlib.blake2b(f"{affinity}\0{node}".encode(), digest_size=8).digest()
