"""Send many small arguments in chunks; a chunk that kills its worker is taken apart, so that one costs only itself."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar

from imgkit.engine.protocol import Engine, WorkerFailure
from imgkit.errors import ResourceError

logger = logging.getLogger(__name__)

NOBODYS_FAULT: Final = ("error", "start")
"""Kinds of failures that are those of the function, the machine or the installation."""

C = TypeVar("C")
R = TypeVar("R")


def each(
    engine: Engine,
    function: Callable[..., Sequence[R]],
    arguments: Iterable[C],
    *,
    size: int,
    init: Callable[[], object] | None = None,
    gpus: int = 0,
) -> Iterator[tuple[int, R | WorkerFailure]]:
    """Yield (number of the argument, result) in any order; a failure only for what fails alone.

    Args:
        engine: where to run.
        function: called with a tuple of arguments (after what ``init`` built), returns a result for each, in order.
        arguments: taken as fast as results are used.
        size: arguments in a chunk.
        init, gpus: as for ``Engine.map``.

    Raises:
        ResourceError: the function raised or could not be loaded, which is the fault of no argument; or every machine
            was lost.
    """
    chunks: dict[int, tuple[int, tuple[C, ...]]] = {}  # number of the chunk to that of its first argument
    alone: list[tuple[int, C]] = []
    for number, outcome in engine.map(function, _cut(arguments, size, chunks), init=init, gpus=gpus):
        first, chunk = chunks.pop(number)
        if isinstance(outcome, WorkerFailure) and outcome.kind not in NOBODYS_FAULT and len(chunk) > 1:
            alone += enumerate(chunk, start=first)
        else:
            yield from enumerate(_results(outcome, len(chunk)), start=first)
    for number, outcome in engine.map(function, ((one,) for _, one in alone), init=init, gpus=gpus):
        yield alone[number][0], _results(outcome, 1)[0]


def _cut(arguments: Iterable[C], size: int, chunks: dict[int, tuple[int, tuple[C, ...]]]) -> Iterator[tuple[C, ...]]:
    waiting, number, first = iter(arguments), 0, 0
    while chunk := tuple(islice(waiting, size)):
        chunks[number] = (first, chunk)
        number, first = number + 1, first + len(chunk)
        yield chunk


def _results(outcome: Sequence[R] | WorkerFailure, count: int) -> Sequence[R | WorkerFailure]:
    if not isinstance(outcome, WorkerFailure):
        return outcome
    if outcome.kind in NOBODYS_FAULT:
        logger.error("%s", outcome.detail)
        raise worker_failed(outcome)
    return [outcome] * count


def worker_failed(failure: WorkerFailure) -> ResourceError:
    """Return the error for a failure that no argument is to blame for."""
    words = failure.detail.splitlines()[-1:] or ["no reason was given"]
    return ResourceError(
        f"a worker cannot do its work: {words[0]}. What was finished is saved. Look at disk and memory, and whether "
        "every machine has the same imgkit, packages and weights, then run the same command again.",
        code="worker.failed",
    )
