import asyncio
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from drawing import COLOURS, draw

from imgkit.train.classifier import Answer
from imgkit.train.microbatch import MicroBatches
from imgkit.vision.decode import Rejected


class Slow:
    """A classifier whose answer is the mean colour, and whose passes end when they are let go."""

    def __init__(self, *, fail=()):
        self.backbone = self
        self.device = torch.device("cpu")
        self.preprocessing = SimpleNamespace(size=8, crop=1.0)
        self.batches, self.fail = [], fail
        self.go, self.turn = threading.Event(), threading.Lock()

    def prepare(self, image):
        return np.asarray(image.resize((8, 8)))

    def look(self, pixels):
        self.go.wait(10)
        with self.turn:
            self.batches.append(len(pixels))
            if len(self.batches) in self.fail:
                raise MemoryError
        return [Answer(logits=each.mean(axis=(0, 1)), familiarity=1.0) for each in pixels]


@pytest.fixture
def body(tmp_path):
    def make(label, seed=0):
        draw(tmp_path / f"{label}-{seed}.png", COLOURS[label], seed)
        return (tmp_path / f"{label}-{seed}.png").read_bytes()

    return make


def ask_all(classifier, bodies):
    async def ask():
        batches = MicroBatches(classifier)
        asked = [asyncio.create_task(batches.ask(body)) for body in bodies]
        await asyncio.sleep(0.3)  # all have come and wait
        classifier.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(ask())


def test_each_gets_the_answer_to_its_own_picture_in_few_passes(body):
    classifier = Slow()
    labels = ["coral", "king", "milk"] * 6

    answers = ask_all(classifier, [body(label) for label in labels])

    alone = Slow()
    alone.go.set()
    expected = {label: ask_all(alone, [body(label)])[0].logits.tolist() for label in COLOURS}
    assert [answer.logits.tolist() for answer in answers] == [expected[label] for label in labels]
    assert sum(classifier.batches) == 18
    assert len(classifier.batches) < 12
    assert max(classifier.batches) == 2


def test_what_is_no_picture_is_told_and_holds_nobody_up(body):
    answers = ask_all(Slow(), [b"<html>", body("king"), b""])

    assert [answer.reason for answer in answers if isinstance(answer, Rejected)] == ["body.html", "body.empty"]
    assert isinstance(answers[1], Answer)


def test_a_pass_that_fails_fails_for_its_pictures_only(body):
    classifier = Slow(fail={1})

    answers = ask_all(classifier, [body("king")] * 12)

    failed = [answer for answer in answers if isinstance(answer, MemoryError)]
    assert 1 <= len(failed) <= 2
    assert len(failed) == classifier.batches[0]
    assert all(isinstance(answer, Answer) for answer in answers if answer not in failed)


def test_a_picture_that_comes_when_all_was_answered_is_answered_too(body):
    classifier = Slow()
    classifier.go.set()

    async def ask():
        batches = MicroBatches(classifier)
        return [await batches.ask(body("king")) for _ in range(20)]

    assert len(asyncio.run(ask())) == 20
    assert classifier.batches == [1] * 20


def test_an_asker_who_goes_takes_no_answer_from_others(body):
    classifier = Slow()

    async def ask():
        batches = MicroBatches(classifier)
        asked = [asyncio.create_task(batches.ask(body("king"))) for _ in range(6)]
        await asyncio.sleep(0.2)
        asked[1].cancel()
        await asyncio.sleep(0)
        classifier.go.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask())
    assert isinstance(answers[1], asyncio.CancelledError)
    assert sum(isinstance(answer, Answer) for answer in answers) == 5
