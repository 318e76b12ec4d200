"""Keep a number of calls under way while their outcomes are used."""

import queue
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

C = TypeVar("C")
R = TypeVar("R")


def windowed(
    submit: Callable[[C], "Future[R]"], chunks: Iterable[C], *, ahead: Callable[[], int]
) -> Iterator[tuple[int, R]]:
    """Yield (number of the chunk, result) as they come; the calls that are left when it is closed are cancelled.

    Args:
        submit: starts one call.
        chunks: what to call it with; taken only as fast as results are used.
        ahead: calls under way at most, asked each time, at least 1.
    """
    finished: queue.SimpleQueue[tuple[int, Future[R]]] = queue.SimpleQueue()
    running: set[Future[R]] = set()
    numbered = enumerate(chunks)
    exhausted = False
    try:
        while running or not exhausted:
            while not exhausted and len(running) < ahead():
                following = next(numbered, None)
                if following is None:
                    exhausted = True
                    break
                number, chunk = following
                future = submit(chunk)
                running.add(future)
                future.add_done_callback(lambda done, number=number: finished.put((number, done)))  # type: ignore[misc]
            if running:
                number, future = finished.get()
                running.discard(future)
                yield number, future.result()
    finally:
        for future in running:
            future.cancel()
