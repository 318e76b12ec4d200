"""Decode pictures of any origin in processes of their own, within limits of pixels, bytes, time and memory.

A process gets bytes and answers with bytes: facts as JSON, then blocks. Nothing of an answer is executed or trusted:
lengths, names and reasons are checked as they are read. What a process is and is not kept from is in
``docs/harvest.md``.
"""

import errno
import heapq
import json
import os
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import numpy as np

from imgkit.arrays import UInt8Array
from imgkit.cores import cpu_count
from imgkit.engine import LocalEngine, WorkerFailure
from imgkit.engine.chunks import worker_failed
from imgkit.errors import ResourceError
from imgkit.reasons import REASONS
from imgkit.vision.decode import LIMITS, OWN_FILES, DecodeLimits, Rejected, decode
from imgkit.vision.preparing import Preprocessing, prepare
from imgkit.vision.sniff import declared_pixels, declared_work, explain_other, raster_format

SECONDS: Final = 20.0
MEMORY_BYTES: Final = 1024**3
LIGHT_PIXELS: Final = 16_000_000
LIGHT_BYTES: Final = 4 << 20
HEAVY_AT_ONCE: Final = 3
"""Large pictures of others that are decoded or wait; more are told to come again."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a process may take for one picture: seconds, and bytes of memory beyond what it has at its start."""

    seconds: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class DecodeRules:
    """What may be decoded, what it may take (``heavy`` where it announces much work), and how much at once."""

    limits: DecodeLimits
    light: Allowance
    heavy: Allowance
    heavy_at_once: int | None


OF_OTHERS: Final = DecodeRules(LIMITS, Allowance(5.0, 400 << 20), Allowance(SECONDS, MEMORY_BYTES), HEAVY_AT_ONCE)
OF_A_PERSON: Final = DecodeRules(OWN_FILES, Allowance(60.0, 1 << 30), Allowance(120.0, 4 << 30), None)
"""For files that a person named: they may hold 178 million pixels, and none is told to come again."""

_MOST_FACTS: Final = 64 << 10
_LENGTH: Final = struct.Struct(">Q")

R = TypeVar("R")

_OF_SYSTEM: Final = frozenset(
    getattr(errno, name)
    for name in ("EIO", "EMFILE", "ENFILE", "ENOSPC", "EDQUOT", "EROFS", "EACCES", "EPERM", "ESTALE", "ENODEV", "ENXIO")
    if hasattr(errno, name)
)
"""Error numbers of a system that fails whatever the picture; the others may come of what its bytes made code do."""


class MalformedAnswerError(ValueError):
    """A process answered with something that is no answer: whatever it decoded may have taken it over."""


def guarded_engine(workers: int | None = None) -> LocalEngine:
    """Return processes for ``decode``-like functions that return bytes; None makes one for each CPU."""
    return LocalEngine(workers or cpu_count(), timeout_s=SECONDS, memory_bytes=MEMORY_BYTES, guarded=True)


def pack(facts: Mapping[str, object], *blocks: bytes) -> bytes:
    """Return facts that JSON can hold, and blocks of bytes, as one answer."""
    head = json.dumps({**facts, "blocks": [len(block) for block in blocks]}).encode()
    return b"".join((_LENGTH.pack(len(head)), head, *blocks))


def unpack(answer: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return facts and blocks of an answer.

    Raises:
        MalformedAnswerError: it is none that ``pack`` wrote.
    """
    try:
        (length,) = _LENGTH.unpack_from(answer)
        if length > _MOST_FACTS:
            raise MalformedAnswerError(f"{length} bytes of facts")
        facts = json.loads(answer[_LENGTH.size : _LENGTH.size + length])
        lengths = facts.pop("blocks")
        if any(type(one) is not int or one < 0 for one in lengths):
            raise MalformedAnswerError("a block of no length")
    except MalformedAnswerError:
        raise
    except Exception as error:  # JSON of anybody: RecursionError, AttributeError, ...
        raise MalformedAnswerError(type(error).__name__) from error
    position, blocks = _LENGTH.size + length, []
    for one in lengths:
        blocks.append(answer[position : position + one])
        position += one
    if position != len(answer):
        raise MalformedAnswerError("blocks of other lengths")
    return facts, blocks


def pack_rejected(rejected: Rejected) -> bytes:
    """Return the answer that says why there is no picture.

    Raises:
        MemoryError: there was not enough memory; the process is then replaced.
    """
    if rejected.reason == "img.decoder_killed":
        raise MemoryError
    return pack({"reason": rejected.reason, "detail": rejected.detail[:1000]})


def packed_or_system_error(work: Callable[[], bytes]) -> bytes:
    """Return the answer of ``work``, or one by which ``read_answer`` raises where the system failed it."""
    try:
        return work()
    except OSError as error:
        if error.errno not in _OF_SYSTEM:
            raise
        return pack({"system": error.errno})


def read_answer(outcome: "bytes | WorkerFailure", read: Callable[[dict[str, Any], list[bytes]], R]) -> R | Rejected:
    """Return what ``read`` makes of an answer, or why there is no picture.

    A process that something took over can answer that the system failed, which stops the command and no more.

    Args:
        outcome: of a call to a guarded engine.
        read: takes facts and blocks; whatever it raises means that they are not what was asked for.

    Raises:
        ResourceError: the system failed the process, or none could be started: that says nothing about the picture.
    """
    if isinstance(outcome, WorkerFailure):
        if outcome.kind == "start":
            raise worker_failed(outcome)
        return Rejected("img.decoder_killed", f"{outcome.kind}: {outcome.detail}"[:200])
    try:
        facts, blocks = unpack(outcome)
        if "system" not in facts:
            return _rejected(facts) if "reason" in facts else read(facts, blocks)
        stopped = _system_error(facts["system"])
    except Exception as error:  # facts of anybody
        return Rejected("img.decoder_killed", f"the decoder answered nonsense ({type(error).__name__})")
    raise stopped


def _system_error(number: object) -> ResourceError:
    if type(number) is not int or number not in _OF_SYSTEM:
        raise MalformedAnswerError("no error of a system")
    return ResourceError(
        f"the system refused a process that decodes pictures: {os.strerror(number)}. That says nothing about a "
        "picture. What was finished is safe. Look at the disk and at limits (ulimit -n), and run the same command "
        "again.",
        code="fs.read",
    )


def _rejected(facts: Mapping[str, object]) -> Rejected:
    reason, detail = facts["reason"], facts["detail"]
    if reason not in REASONS or not isinstance(reason, str) or not isinstance(detail, str):
        raise MalformedAnswerError("an unknown reason")
    return Rejected(reason, "".join(letter if letter.isprintable() else "?" for letter in detail))


@dataclass(frozen=True, slots=True)
class _Picture:
    body: bytes = field(repr=False)
    limits: DecodeLimits
    form: Preprocessing


def _prepared(picture: _Picture) -> bytes:
    """Decode and prepare a picture; runs in a process of its own."""
    return packed_or_system_error(partial(_packed_pixels, picture))


def _packed_pixels(picture: _Picture) -> bytes:
    decoded = decode(picture.body, limits=picture.limits, shortest=picture.form.shortest)
    if isinstance(decoded, Rejected):
        return pack_rejected(decoded)
    return pack({}, prepare(decoded.image, picture.form).tobytes())


class BusyError(Exception):
    """As many large pictures as may wait are waiting."""


@dataclass(order=True, slots=True)
class _Waiting:
    work: int
    number: int
    body: bytes = field(compare=False)
    answer: "Future[UInt8Array | Rejected]" = field(compare=False)


class _Lane:
    """Processes that decode what announces the least work first; what waits is not copied."""

    def __init__(self, engine: LocalEngine, limits: DecodeLimits, form: Preprocessing) -> None:
        self._engine, self._limits, self._form = engine, limits, form
        self._lock = threading.Lock()
        self._waiting: list[_Waiting] = []
        self._numbers = count()
        self._running = 0

    def submit(self, body: bytes, work: int, *, most: int | None = None) -> "Future[UInt8Array | Rejected]":
        """Begin as soon as a process is free.

        Raises:
            BusyError: ``most`` are waiting or running.
        """
        one = _Waiting(work, next(self._numbers), body, Future())
        with self._lock:
            if most is not None and len(self._waiting) + self._running >= most:
                raise BusyError
            heapq.heappush(self._waiting, one)
        self._start()
        return one.answer

    def close(self) -> None:
        """End the processes; what waits is cancelled."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.answer.cancel()
        self._engine.close()

    def _start(self) -> None:
        with self._lock:
            if not self._waiting or self._running >= self._engine.workers:
                return
            one = heapq.heappop(self._waiting)
            self._running += 1
        if not one.answer.set_running_or_notify_cancel():
            self._finished()
            return
        try:
            outcome = self._engine.submit(_prepared, _Picture(one.body, self._limits, self._form))
        except RuntimeError:  # closed meanwhile
            outcome = Future()
            outcome.cancel()
        outcome.add_done_callback(partial(self._report, one))

    def _report(self, one: _Waiting, outcome: "Future[bytes | WorkerFailure]") -> None:
        try:
            outcome_or_failure = (
                WorkerFailure("killed", "the decoder was closed") if outcome.cancelled() else outcome.result()
            )
            one.answer.set_result(read_answer(outcome_or_failure, self._pixels))
        except Exception as error:
            one.answer.set_exception(error)
        self._finished()

    def _pixels(self, facts: Mapping[str, object], blocks: Sequence[bytes]) -> UInt8Array:
        (pixels,) = blocks
        return np.frombuffer(pixels, np.uint8).reshape(self._form.size, self._form.size, 3)

    def _finished(self) -> None:
        with self._lock:
            self._running -= 1
        self._start()


class GuardedDecoder:
    """Bytes of anybody in, what a network sees of them out. Safe for threads; nothing is decoded in this process.

    Pictures that announce much work (over 16 million pixels, or 4 MiB) have a process of their own, and of the others
    those with the least work come first: nobody waits behind a bomb. A picture is tried once.

    Args:
        form: what the network wants to see.
        rules: what may be decoded.
        workers: processes for pictures of usual size; None for one on each CPU.
    """

    def __init__(self, form: Preprocessing, *, rules: DecodeRules = OF_OTHERS, workers: int | None = None) -> None:
        self._rules, limits = rules, rules.limits
        self._light = _Lane(_engine(rules.light, workers or cpu_count()), limits, form)
        self._heavy = _Lane(_engine(rules.heavy, 1), limits, form)

    def submit(self, body: bytes) -> "Future[UInt8Array | Rejected]":
        """Begin to decode a picture; the future gives (S, S, 3), or why there is none.

        What is no picture by its leading bytes, or announces too many pixels, is rejected at once.

        Raises:
            BusyError: it announces much work, and ``HEAVY_AT_ONCE`` others that do are not finished.
        """
        if (rejected := self._rejected_at_once(body)) is not None:
            answer: Future[UInt8Array | Rejected] = Future()
            answer.set_result(rejected)
            return answer
        work = declared_work(body)
        if work > LIGHT_PIXELS or len(body) > LIGHT_BYTES:
            return self._heavy.submit(body, work + len(body), most=self._rules.heavy_at_once)
        return self._light.submit(body, work + len(body))

    def close(self) -> None:
        """End the processes; what has not begun is cancelled."""
        self._light.close()
        self._heavy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rejected_at_once(self, body: bytes) -> Rejected | None:
        kind, pixels = raster_format(body), declared_pixels(body) or 0
        if kind is None:
            return Rejected(*explain_other(body))
        if kind not in self._rules.limits.formats:
            return Rejected("img.format", kind)
        if pixels > (most := self._rules.limits.max_pixels):
            return Rejected("img.bomb", f"{pixels / 1e6:,.0f} million pixels, limit {most / 1e6:.0f}")
        return None


def _engine(allowance: Allowance, workers: int) -> LocalEngine:
    return LocalEngine(
        workers, timeout_s=allowance.seconds, memory_bytes=allowance.memory_bytes, guarded=True, attempts=1
    )
