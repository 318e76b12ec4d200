"""Answer pictures that arrive at about the same time in few passes through the network.

Nobody waits for others who are not there: a pass starts as soon as all pictures that have come are decoded.
"""

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from imgkit.train.classifier import Answer, Classifier, Pixels
from imgkit.vision.decode import LIMITS, Limits, Rejected, decode
from imgkit.vision.device import cpu_count

PATIENCE = 0.005  # seconds that decoded pictures wait for those that are being decoded
DECODERS = 2  # threads; more would only take the cores from the network
LARGEST_ON_CPU, LARGEST_ON_GPU = 4, 32  # pictures in one pass
MOST_PASSES = 4  # at once, each on cores of its own


@dataclass(frozen=True, slots=True)
class _Asked:
    """A decoded picture, (S, S, 3), and where its answer is awaited."""

    pixels: Pixels
    answer: "asyncio.Future[Answer]"


class MicroBatches:
    """A classifier that many may ask at once, from one event loop.

    Args:
        classifier: the model.
        limits: what counts as a picture.
        patience: seconds that a decoded picture waits at most for others that are being decoded.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        limits: Limits = LIMITS,
        patience: float = PATIENCE,
    ) -> None:
        self._classifier, self._limits, self._patience = classifier, limits, patience
        cores, on_cpu = cpu_count(), classifier.backbone.device.type == "cpu"
        self._largest = LARGEST_ON_CPU if on_cpu else LARGEST_ON_GPU
        self._most = min(cores, MOST_PASSES) if on_cpu else 1
        self._decoders = ThreadPoolExecutor(min(DECODERS, cores), "decode")
        # one pass for each core: a pass on all cores waits for the core that decodes meanwhile
        self._network = ThreadPoolExecutor(
            self._most, "network", initializer=torch.set_num_threads, initargs=(max(1, cores // self._most),)
        )
        self._ready: deque[_Asked] = deque()
        self._decoding = 0
        self._changed = asyncio.Event()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps no hold of a task

    async def ask(self, body: bytes) -> Answer | Rejected:
        """Return what the network says about the bytes of one picture, or why they are none."""
        loop = asyncio.get_running_loop()
        self._decoding += 1
        try:
            pixels = await loop.run_in_executor(self._decoders, self._see, body)
        finally:
            self._decoding -= 1
            self._changed.set()
        if isinstance(pixels, Rejected):
            return pixels
        asked = _Asked(pixels, loop.create_future())
        self._ready.append(asked)
        if self._running < self._most:
            self._running += 1
            task = loop.create_task(self._pass_until_empty())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asked.answer

    def _see(self, body: bytes) -> Pixels | Rejected:
        form = self._classifier.backbone.preprocessing
        outcome = decode(body, limits=self._limits, shortest=round(form.size / form.crop))
        return outcome if isinstance(outcome, Rejected) else self._classifier.backbone.prepare(outcome.image)

    async def _pass_until_empty(self) -> None:
        try:
            while self._ready:
                await self._gather()
                batch = [self._ready.popleft() for _ in range(min(self._largest, len(self._ready)))]
                if batch:  # else others were faster
                    await self._pass(batch)
        finally:
            self._running -= 1

    async def _pass(self, batch: list[_Asked]) -> None:
        pixels = np.stack([each.pixels for each in batch])
        try:
            answers = await asyncio.get_running_loop().run_in_executor(self._network, self._classifier.look, pixels)
        except Exception as error:  # each asker is told; the next batch may do better
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        for each, answer in zip(batch, answers, strict=True):
            if not each.answer.done():  # the asker may have gone
                each.answer.set_result(answer)

    async def _gather(self) -> None:
        """Wait until a batch is full, nothing more is being decoded, or patience ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while self._decoding and len(self._ready) < self._largest:
                    self._changed.clear()
                    await self._changed.wait()
