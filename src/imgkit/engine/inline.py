"""The engine without processes."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Self, TypeVar

from imgkit.engine.protocol import WorkerFailure
from imgkit.engine.worker import describe

C = TypeVar("C")
R = TypeVar("R")


class InlineEngine:
    """Runs everything here and now, without limits: for tests and for machines where processes do not pay."""

    workers = 1
    shares_files = True

    def submit(self, function: Callable[[C], R], argument: C) -> Future[R | WorkerFailure]:
        """Run ``function(argument)`` before returning."""
        future: Future[R | WorkerFailure] = Future()
        future.set_result(_outcome_of(lambda: function(argument)))
        return future

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
        """Yield the outcomes one by one, in order."""
        state = (init(),) if init else ()
        for number, chunk in enumerate(chunks):
            yield number, _outcome_of(lambda chunk=chunk: function(*state, chunk))  # type: ignore[misc]

    def close(self) -> None:
        """Do nothing: there is nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _outcome_of(call: Callable[[], R]) -> R | WorkerFailure:
    try:
        return call()
    except Exception as error:
        return WorkerFailure("error", describe(error))
