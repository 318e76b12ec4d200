"""Answer pictures that arrive at about the same time in few passes through the network.

Nobody waits for others who are not there: whoever is free takes the pictures that have waited longest.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from imgkit.cores import cpu_count
from imgkit.train.classifier import Answer, Classifier, Pixels
from imgkit.vision.decode import LIMITS, Limits, Rejected, decode

LARGEST_ON_CPU, LARGEST_ON_GPU = 2, 32  # pictures in one pass; on a CPU more would only make others wait
MOST_AT_ONCE = 4  # batches, each decoded and passed through the network on cores of its own
ON_GPU = 2  # batches at once: one is decoded while the other is in the network


@dataclass(frozen=True, slots=True)
class _Asked:
    """The bytes of a picture, and where its answer is awaited."""

    body: bytes
    answer: "asyncio.Future[Answer | Rejected]"


class MicroBatches:
    """A classifier that many may ask at once, from one event loop.

    Args:
        classifier: the model.
        limits: what counts as a picture.
    """

    def __init__(self, classifier: Classifier, *, limits: Limits = LIMITS) -> None:
        self._classifier, self._limits = classifier, limits
        cores, on_cpu = cpu_count(), classifier.backbone.device.type == "cpu"
        self._largest = LARGEST_ON_CPU if on_cpu else LARGEST_ON_GPU
        self._most = min(cores, MOST_AT_ONCE) if on_cpu else ON_GPU
        # on a CPU a batch for each core: a pass on all cores waits for the core that decodes meanwhile
        self._workers = ThreadPoolExecutor(
            self._most, "network", initializer=torch.set_num_threads, initargs=(max(1, cores // self._most),)
        )
        self._decoders = None if on_cpu else ThreadPoolExecutor(min(16, cores), "decode")
        self._waiting: deque[_Asked] = deque()
        self._running = 0
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps no hold of a task

    async def ask(self, body: bytes) -> Answer | Rejected:
        """Return what the network says about the bytes of one picture, or why they are none."""
        loop = asyncio.get_running_loop()
        asked = _Asked(body, loop.create_future())
        self._waiting.append(asked)
        if self._running < self._most:
            self._running += 1
            task = loop.create_task(self._answer_until_none_waits())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await asked.answer

    async def _answer_until_none_waits(self) -> None:
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(self._largest, len(self._waiting)))]
                await self._answer(batch)
        finally:
            self._running -= 1

    async def _answer(self, batch: list[_Asked]) -> None:
        bodies = [each.body for each in batch]
        try:
            outcomes = await asyncio.get_running_loop().run_in_executor(self._workers, self._see_and_look, bodies)
        except Exception as error:  # each asker is told; the next batch may do better
            for each in batch:
                if not each.answer.done():
                    each.answer.set_exception(error)
            return
        for each, outcome in zip(batch, outcomes, strict=True):
            if not each.answer.done():  # the asker may have gone
                each.answer.set_result(outcome)

    def _see_and_look(self, bodies: list[bytes]) -> list[Answer | Rejected]:
        seen = list((self._decoders.map if self._decoders else map)(self._see, bodies))
        good = [pixels for pixels in seen if not isinstance(pixels, Rejected)]
        answers = iter(self._classifier.look(np.stack(good)) if good else ())
        return [each if isinstance(each, Rejected) else next(answers) for each in seen]

    def _see(self, body: bytes) -> Pixels | Rejected:
        form = self._classifier.backbone.preprocessing
        outcome = decode(body, limits=self._limits, shortest=round(form.size / form.crop))
        return outcome if isinstance(outcome, Rejected) else self._classifier.backbone.prepare(outcome.image)
