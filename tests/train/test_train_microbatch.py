import asyncio
import threading

import numpy as np
import pytest
import torch
from drawing import COLOURS

from imgkit.models.classifier import RawPrediction
from imgkit.models.microbatch import MicroBatches


class Slow:
    """A classifier whose answer is the mean colour, and whose passes end when they are let go."""

    def __init__(self, *, fail=()):
        self.backbone = self
        self.device = torch.device("cpu")
        self.batches, self.fail = [], fail
        self.go, self.turn = threading.Event(), threading.Lock()

    def predict_batch(self, pixels):
        self.go.wait(10)
        with self.turn:
            self.batches.append(len(pixels))
            if len(self.batches) in self.fail:
                raise MemoryError
        return [RawPrediction(logits=each.mean(axis=(0, 1)), similarity=1.0) for each in pixels]


@pytest.fixture
def picture():
    def make(label):
        return np.full((8, 8, 3), sorted(COLOURS).index(label) + 1, np.uint8)

    return make


async def all_have_come(batches, count):
    """Wait until every asker is in the queue or in a batch, and the batches are with the network."""
    seen, taken = 0, batches._waiting
    while seen < count or batches._running < min(batches._most, count):
        seen = max(seen, len(taken))
        await asyncio.sleep(0)
    await asyncio.sleep(0)


def ask_all(classifier, pictures):
    async def ask():
        batches = MicroBatches(classifier)
        asked = [asyncio.create_task(batches.predict(one)) for one in pictures]
        await all_have_come(batches, len(asked))
        classifier.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(ask())


def test_each_gets_the_answer_to_its_own_picture_in_few_passes(picture):
    classifier = Slow()
    labels = ["coral", "king", "milk"] * 6

    answers = ask_all(classifier, [picture(label) for label in labels])

    alone = Slow()
    alone.go.set()
    expected = {label: ask_all(alone, [picture(label)])[0].logits.tolist() for label in COLOURS}
    assert [answer.logits.tolist() for answer in answers] == [expected[label] for label in labels]
    assert sum(classifier.batches) == 18
    assert len(classifier.batches) < 12
    assert max(classifier.batches) == 2


def test_a_pass_that_fails_fails_for_its_pictures_only(picture):
    classifier = Slow(fail={1})

    answers = ask_all(classifier, [picture("king")] * 12)

    failed = [answer for answer in answers if isinstance(answer, MemoryError)]
    assert 1 <= len(failed) <= 2
    assert len(failed) == classifier.batches[0]
    assert all(isinstance(answer, RawPrediction) for answer in answers if answer not in failed)


def test_a_picture_that_comes_when_all_was_answered_is_answered_too(picture):
    classifier = Slow()
    classifier.go.set()

    async def ask():
        batches = MicroBatches(classifier)
        return [await batches.predict(picture("king")) for _ in range(20)]

    assert len(asyncio.run(ask())) == 20
    assert classifier.batches == [1] * 20


def test_an_asker_who_goes_takes_no_answer_from_others(picture):
    classifier = Slow()

    async def ask():
        batches = MicroBatches(classifier)
        asked = [asyncio.create_task(batches.predict(picture("king"))) for _ in range(6)]
        await all_have_come(batches, len(asked))
        asked[1].cancel()
        await asyncio.sleep(0)
        classifier.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask())
    assert isinstance(answers[1], asyncio.CancelledError)
    assert sum(isinstance(answer, RawPrediction) for answer in answers) == 5
