"""What an engine promises: functions run somewhere, under limits, and a crash is a value."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeVar

ATTEMPTS: Final = 2

C = TypeVar("C")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """A chunk that gave no result.

    ``timeout``: over the time limit, at every attempt. ``killed``: its process died, ran out of memory or, where it is
    guarded, answered with something else than bytes, at every attempt; or its machine was lost, three times.
    ``error``: the function raised; the detail ends with the exception. ``start``: no process could be started, or none
    could load the function and its state: no argument is to blame.
    """

    kind: Literal["timeout", "killed", "error", "start"]
    detail: str


@dataclass(frozen=True, slots=True)
class CallLimits:
    """As for ``LocalEngine``: seconds and bytes that a call may take, calls after which a process is replaced."""

    timeout_s: float | None = None
    memory_bytes: int | None = None
    recycle_after: int = 1000
    guarded: bool = False
    attempts: int = ATTEMPTS


class Engine(Protocol):
    """Where functions run. Nothing else of imgkit knows which engine it is on."""

    @property
    def workers(self) -> int:
        """How many calls can run at once."""

    @property
    def shares_files(self) -> bool:
        """Whether calls can open the files of this machine; where they cannot, bytes travel."""

    def submit(self, function: Callable[[C], R], argument: C) -> Future[R | WorkerFailure]:
        """Run ``function(argument)`` somewhere; failing is a result of the future, never its exception.

        Only the loss of every machine, or a system that starts no process, is an exception, a ``ResourceError``: no
        argument is to blame for it.
        """

    def map(
        self,
        function: Callable[..., R],
        chunks: Iterable[C],
        *,
        init: Callable[[], object] | None = None,
        cpus: int = 1,
        gpus: int = 0,
        max_in_flight: int | None = None,
    ) -> Iterator[tuple[int, R | WorkerFailure]]:
        """Yield (number of the chunk, outcome) as they come, in any order.

        Args:
            function: called with a chunk, or with ``init()``'s result and a chunk.
            chunks: taken from only as fast as outcomes are used, ``max_in_flight`` ahead at most.
            init: builds what a worker needs once, such as a model.
            cpus: processors that a call uses; fewer calls run at once when it is more than one.
            gpus: graphics processors that a call has for itself on a cluster; one machine leaves them to the calls.
            max_in_flight: None for twice the number of workers.

        Raises:
            ResourceError: every machine was lost.
        """

    def close(self) -> None:
        """End all workers at once; what has not been yielded is cancelled."""
