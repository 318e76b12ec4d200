"""Decide which machine of a cluster gets which call. Pure: it starts nothing and waits for nothing."""

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Generic, Literal, TypeVar

W = TypeVar("W")

CHANCES: Final = 3
"""Machines that a call is given before it is reported: the first one and two others."""

AHEAD: Final = 2
"""Calls that a machine is handed for each of its processors, so that the next is there when one ends."""

Fate = Literal["again", "report"]


@dataclass(eq=False, slots=True)
class Call(Generic[W]):
    """A call on its way. ``work`` is what to run; the engine alone knows what that is.

    ``home`` names where it belongs: calls with one home go to one machine for as long as that is there, however many
    they are; "" for anywhere. ``gpus`` above 0 asks for a machine's graphics processors. ``lost`` are the machines
    that were lost, or whose worker died, with it.
    """

    work: W
    home: str = ""
    cpus: int = 1
    gpus: int = 0
    lost: list[str] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Post(Generic[W]):
    """A machine, or one of its graphics processors, that is ready to work. ``slots``: calls it can run at once."""

    name: str
    slots: int
    gpus: int = 0
    under_way: set[Call[W]] = field(default_factory=set)

    @property
    def load(self) -> float:
        """Processors asked of it, as a share of those it has."""
        return sum(call.cpus for call in self.under_way) / self.slots

    def has_room(self, call: Call[W]) -> bool:
        """Say whether it can be handed one more call."""
        if not self.under_way:
            return True
        most = self.slots * (AHEAD if call.cpus == 1 else 1)
        return sum(one.cpus for one in self.under_way) + call.cpus <= most


class Dispatch(Generic[W]):
    """Calls that wait, and the posts that are ready for them."""

    def __init__(self) -> None:
        self._posts: dict[str, Post[W]] = {}
        self._waiting: deque[Call[W]] = deque()

    @property
    def posts(self) -> list[Post[W]]:
        """The posts that are ready."""
        return list(self._posts.values())

    @property
    def waiting(self) -> list[Call[W]]:
        """The calls that no post has, the next first."""
        return list(self._waiting)

    def add_post(self, post: Post[W]) -> None:
        """A machine is ready."""
        self._posts[post.name] = post

    def add(self, call: Call[W]) -> None:
        """A call is to be made."""
        self._waiting.append(call)

    def withdraw(self) -> list[Call[W]]:
        """Take out and return the calls that wait."""
        calls, self._waiting = list(self._waiting), deque()
        return calls

    def assign(self) -> Iterator[tuple[Post[W], Call[W]]]:
        """Hand out whatever can be handed out now, and say what went where."""
        left: deque[Call[W]] = deque()
        full: set[int] = set()  # kinds of calls that found no room in this round: those behind need not ask
        while self._waiting:
            call = self._waiting.popleft()
            kind = call.cpus if not call.gpus else -call.gpus
            post = None if not call.home and not call.lost and kind in full else self._post_for(call)
            if post is None:
                left.append(call)
                if not call.home and not call.lost:
                    full.add(kind)
                continue
            post.under_way.add(call)
            yield post, call
        self._waiting = left

    def finished(self, name: str, call: Call[W]) -> None:
        """A post has answered a call."""
        if post := self._posts.get(name):
            post.under_way.discard(call)

    def died_with(self, name: str, call: Call[W]) -> Fate:
        """A worker of a post died of a call: another machine tries it, if there is one that has not."""
        self.finished(name, call)
        call.lost.append(name)
        others = [post for post in self._candidates(call) if post.name not in call.lost]
        return self._another_chance(call) if others else "report"

    def lost(self, name: str) -> list[Call[W]]:
        """A post is gone: forget it; its calls come first in the queue.

        Returns:
            the calls to report: that was the last of their chances.
        """
        post = self._posts.pop(name, None)
        if post is None:
            return []
        for call in post.under_way:
            call.lost.append(name)
        return [call for call in post.under_way if self._another_chance(call) == "report"]

    def _another_chance(self, call: Call[W]) -> Fate:
        if len(call.lost) >= CHANCES:
            return "report"
        self._waiting.appendleft(call)
        return "again"

    def _candidates(self, call: Call[W]) -> list[Post[W]]:
        return [post for post in self._posts.values() if (post.gpus > 0) == (call.gpus > 0)]

    def _post_for(self, call: Call[W]) -> Post[W] | None:
        candidates = self._candidates(call)
        if call.home:
            return max(candidates, key=lambda post: _affinity(call.home, post.name), default=None)
        fresh = [post for post in candidates if post.name not in call.lost] or candidates
        return min((post for post in fresh if post.has_room(call)), key=lambda post: post.load, default=None)


def _affinity(home: str, post: str) -> bytes:
    """Rank posts for a home so that each home has one, and only the homes of a post that is lost move.

    Source: Thaler and Ravishankar 1998, "Using name-based mappings to increase hit rates" (rendezvous hashing).
    """
    return hashlib.blake2b(f"{home}\0{post}".encode(), digest_size=8).digest()
