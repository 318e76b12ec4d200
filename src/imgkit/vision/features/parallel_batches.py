"""Work on several batches at once on a CPU, each on cores of its own.

What uses all cores for one batch waits for the slowest core at the end of each layer, hundreds of times a batch, and a
core that decodes pictures or runs another program meanwhile is very slow. One batch for each core waits for nobody.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

import torch

from imgkit.cores import cpu_count

T = TypeVar("T")
R = TypeVar("R")

_MOST: Final = 8  # batches at once: each holds the largest layer of the network in memory
_AHEAD: Final = 2  # batches for each thread that may be ready before they are asked for


def map_batches(work: Callable[[T], R], batches: Iterable[T]) -> Iterator[R]:
    """Yield ``work(batch)`` for each batch, in their order.

    Raises:
        Exception: what ``work`` raised, when its turn comes.
    """
    cores, before = cpu_count(), torch.get_num_threads()
    workers = min(cores, _MOST)
    waiting = iter(batches)
    pool = ThreadPoolExecutor(workers, "batch", initializer=torch.set_num_threads, initargs=(cores // workers,))
    try:
        running = deque(pool.submit(work, batch) for batch in islice(waiting, _AHEAD * workers))
        while running:
            result = running.popleft().result()
            running.extend(pool.submit(work, batch) for batch in islice(waiting, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)  # threads that torch starts from now on take this number over
