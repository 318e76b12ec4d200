"""Batch the requests of ``imgkit serve`` dynamically: pictures that wait together go through the network together.

A free worker takes the oldest waiting pictures at once; it never waits for a batch to fill.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from imgkit.arrays import UInt8Array
from imgkit.cores import cpu_count
from imgkit.models.classifier import Classifier, RawPrediction

LARGEST_ON_CPU, LARGEST_ON_GPU = 2, 32  # pictures in one pass; a larger pass on a CPU only adds latency
MOST_AT_ONCE = 4  # batches, each passed through the network on cores of its own
ON_GPU = 2  # batches at once: one is stacked while the other is in the network


@dataclass(frozen=True, slots=True)
class _Request:
    """(S, S, 3) pixels of a picture, and the future of its prediction."""

    pixels: UInt8Array
    prediction: "asyncio.Future[RawPrediction]"


class MicroBatches:
    """A classifier for concurrent requests from one event loop.

    Args:
        classifier: the model.
    """

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        cores, on_cpu = cpu_count(), classifier.backbone.device.type == "cpu"
        self._largest = LARGEST_ON_CPU if on_cpu else LARGEST_ON_GPU
        self._most = min(cores, MOST_AT_ONCE) if on_cpu else ON_GPU
        # on a CPU a batch for each core: a pass on all cores waits for the core that decodes meanwhile
        self._workers = ThreadPoolExecutor(
            self._most, "network", initializer=torch.set_num_threads, initargs=(max(1, cores // self._most),)
        )
        self._waiting: deque[_Request] = deque()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself holds only weak references to tasks

    async def predict(self, pixels: UInt8Array) -> RawPrediction:
        """Return the prediction for one preprocessed picture, (S, S, 3) uint8; raises what the network raised."""
        loop = asyncio.get_running_loop()
        request = _Request(pixels, loop.create_future())
        self._waiting.append(request)
        if self._running < self._most:
            self._running += 1
            task = loop.create_task(self._drain_queue())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await request.prediction

    async def _drain_queue(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._largest, len(self._waiting)))]
                await self._predict(batch)
        finally:
            self._running -= 1

    async def _predict(self, batch: list[_Request]) -> None:
        pixels = np.stack([each.pixels for each in batch])
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(
                self._workers, self._classifier.predict_batch, pixels
            )
        except Exception as error:  # passed to every request of the batch; the next batch may succeed
            for each in batch:
                if not each.prediction.done():
                    each.prediction.set_exception(error)
            return
        for each, outcome in zip(batch, outcomes, strict=True):
            if not each.prediction.done():  # the client may have disconnected
                each.prediction.set_result(outcome)
