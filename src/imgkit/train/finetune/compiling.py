"""Compile the training steps of a network where that pays, and say so where it does not."""

import logging
import time
from collections.abc import Callable
from typing import Any

import torch

from imgkit.progress import Progress
from imgkit.train.finetune.trainer import Trainer
from imgkit.train.plan import duration

logger = logging.getLogger(__name__)

SECONDS_TO_COMPILE = 60.0  # assumed before it was tried
TIMES = 5  # as long as compiling takes, training must take
GAIN = 0.95  # of the time of a step: what a compiled one may take at most

Compiler = Callable[[Any], Any]


def compile_if_it_pays(
    trainer: Trainer,
    progress: Progress,
    *,
    compiler: Compiler = torch.compile,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Let ``trainer`` take compiled steps if a few of them, measured here, are faster; the weights stay as they are.

    Args:
        trainer: before its first step.
        progress: told in one line what came out.
        compiler: ``torch.compile``.
        clock: seconds.
    """
    trainer.try_step()
    eager = _seconds(trainer, clock)
    whole = eager * trainer.recipe.steps
    if whole < TIMES * SECONDS_TO_COMPILE:
        progress.say(
            f"compile not tried: {trainer.recipe.steps} steps take about {duration(whole)}, compiling about "
            f"{duration(SECONDS_TO_COMPILE)}"
        )
        return
    plain = trainer.forward
    progress.start("compiling")
    started = clock()
    try:
        trainer.forward = compiler(plain)
        trainer.try_step()
        compiling = clock() - started
        compiled = _seconds(trainer, clock)
    except Exception as error:  # whatever a compiler of another machine may raise, the plain steps are there
        logger.debug("compiling failed", exc_info=True)
        trainer.forward = plain
        progress.say(f"compile failed here ({type(error).__name__}): the plain steps are taken")
        return
    if compiled > GAIN * eager:
        trainer.forward = plain
        progress.say(
            f"compile does not pay: {eager / compiled:.2f} times as fast after {duration(compiling)}; not used"
        )
        return
    progress.say(f"compile {eager / compiled:.2f} times as fast after {duration(compiling)} of compiling; used")


def _seconds(trainer: Trainer, clock: Callable[[], float]) -> float:
    """Return the time of a step, the shorter one of two."""
    times = []
    for _ in range(2):
        started = clock()
        trainer.try_step()
        times.append(clock() - started)
    return min(times)
