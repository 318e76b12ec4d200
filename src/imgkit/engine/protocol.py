"""What an engine promises: functions run somewhere, under limits, and a crash is a value."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

C = TypeVar("C")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class WorkerFailure:
    """A chunk that gave no result.

    ``timeout``: over the time limit, twice. ``killed``: its process died or ran out of memory, twice. ``error``: the
    function raised; the detail ends with the exception.
    """

    kind: Literal["timeout", "killed", "error"]
    detail: str


class Engine(Protocol):
    """Where functions run. Nothing else of imgkit knows which engine it is on."""

    @property
    def workers(self) -> int:
        """How many calls can run at once."""

    def submit(self, function: Callable[[C], R], argument: C) -> Future[R | WorkerFailure]:
        """Run ``function(argument)`` somewhere; failing is a result of the future, never its exception."""

    def map(
        self,
        function: Callable[..., R],
        chunks: Iterable[C],
        *,
        init: Callable[[], object] | None = None,
        max_in_flight: int | None = None,
    ) -> Iterator[tuple[int, R | WorkerFailure]]:
        """Yield (number of the chunk, outcome) as they come, in any order.

        Args:
            function: called with a chunk, or with ``init()``'s result and a chunk.
            chunks: taken from only as fast as outcomes are used, ``max_in_flight`` ahead at most.
            init: builds what a worker needs once, such as a model.
            max_in_flight: None for twice the number of workers.
        """

    def close(self) -> None:
        """End all workers at once; what has not been yielded is cancelled."""
