"""Answer pictures that arrive at about the same time in one pass through the network.

A pass with eight pictures takes far less than eight passes with one, so the slowest of eight people waits less. Nobody
waits for others who are not there: the network starts as soon as all pictures that have come are decoded.
"""

import asyncio
import contextlib
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from imgkit.train.classifier import BATCH_ON_CPU, Answer, Classifier, Pixels
from imgkit.vision.decode import LIMITS, Limits, Rejected, decode
from imgkit.vision.device import cpu_count

PATIENCE = 0.02  # seconds that decoded pictures wait for those that are being decoded
DECODERS = 2  # threads; more would only take the cores from the network


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
        largest: pictures in one pass.
        patience: seconds that a decoded picture waits at most for others that are being decoded.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        limits: Limits = LIMITS,
        largest: int = BATCH_ON_CPU,
        patience: float = PATIENCE,
    ) -> None:
        self._classifier, self._limits, self._largest, self._patience = classifier, limits, largest, patience
        self._decoders = ThreadPoolExecutor(min(DECODERS, cpu_count()), thread_name_prefix="decode")
        self._network = ThreadPoolExecutor(1, thread_name_prefix="network")  # on a CPU it uses all cores by itself
        self._ready: deque[_Asked] = deque()
        self._decoding = 0
        self._changed = asyncio.Event()
        self._passes: asyncio.Task[None] | None = None

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
        if self._passes is None:
            self._passes = loop.create_task(self._pass_until_empty())
        return await asked.answer

    def _see(self, body: bytes) -> Pixels | Rejected:
        form = self._classifier.backbone.preprocessing
        outcome = decode(body, limits=self._limits, shortest=round(form.size / form.crop))
        return outcome if isinstance(outcome, Rejected) else self._classifier.backbone.prepare(outcome.image)

    async def _pass_until_empty(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._ready:
                await self._gather()
                batch = [self._ready.popleft() for _ in range(min(self._largest, len(self._ready)))]
                pixels = np.stack([each.pixels for each in batch])
                try:
                    answers = await loop.run_in_executor(self._network, self._classifier.look, pixels)
                except Exception as error:  # each asker is told; the next batch may do better
                    self._fail(batch, error)
                    continue
                for each, answer in zip(batch, answers, strict=True):
                    if not each.answer.done():  # the asker may have gone
                        each.answer.set_result(answer)
        finally:
            self._passes = None

    async def _gather(self) -> None:
        """Wait until a batch is full, nothing more is being decoded, or patience ends."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while self._decoding and len(self._ready) < self._largest:
                    self._changed.clear()
                    await self._changed.wait()

    @staticmethod
    def _fail(batch: list[_Asked], error: Exception) -> None:
        for each in batch:
            if not each.answer.done():
                each.answer.set_exception(error)
