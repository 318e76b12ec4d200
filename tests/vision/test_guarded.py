"""Pictures of anybody are decoded elsewhere, within limits, and what comes back is believed in nothing."""

import errno
import io
import json
import os
import signal
import struct
import sys
import zlib
from concurrent.futures import Future, wait
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgkit.engine import LocalEngine, WorkerFailure
from imgkit.errors import ResourceError
from imgkit.vision import guarded
from imgkit.vision.decode import LIMITS, Rejected, decode
from imgkit.vision.guarded import (
    OF_A_PERSON,
    OF_OTHERS,
    Allowance,
    BusyError,
    DecodeRules,
    GuardedDecoder,
    MalformedAnswerError,
    guarded_engine,
    pack,
    read_answer,
    unpack,
)
from imgkit.vision.preparing import Preprocessing, prepare
from imgkit.vision.sniff import declared_pixels, declared_work

FORM = Preprocessing(size=64, crop=0.875, interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")


def photo(width=320, height=240):
    return Image.effect_mandelbrot((width, height), (-2.2, -1.2, 0.8, 1.2), 60).convert("RGB")


def encoded(format="PNG", image=None, **options):
    buffer = io.BytesIO()
    (image or photo()).save(buffer, format, **options)
    return buffer.getvalue()


def flat_png(width, height, *, level=9):
    """Return a PNG of any size in few bytes: black rows, one grey."""

    def chunk(name, payload):
        return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))

    packer = zlib.compressobj(level)
    row = bytes(1 + width * 3)
    parts = [packer.compress(b"\x00" + bytes([200]) * (width * 3))]
    parts += [packer.compress(row) for _ in range(height - 1)]
    parts.append(packer.flush())
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"".join(parts)) + chunk(b"IEND", b"")


@pytest.fixture(scope="module")
def decoder():
    with GuardedDecoder(FORM, workers=2) as made:
        yield made


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_what_comes_back_is_what_decoding_here_would_give(decoder, format):
    body = encoded(format)

    seen = decoder.submit(body).result()

    expected = prepare(decode(body, limits=LIMITS, shortest=FORM.shortest).image, FORM)
    assert seen.shape == (64, 64, 3)
    assert np.array_equal(seen, expected)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "body.empty"),
        (b"<html>", "body.html"),
        (encoded()[:-3000], "img.truncated"),
        (b"<svg/>", "img.format"),
        (encoded(image=photo(20, 20)), "img.small"),
    ],
)
def test_what_is_no_picture_has_the_reason_that_decoding_here_would_give(decoder, body, reason):
    outcome = decoder.submit(body).result()

    assert outcome == decode(body)
    assert outcome.reason == reason


def test_a_small_file_of_four_hundred_million_pixels_is_refused_without_a_process():
    body = flat_png(20_000, 20_000)
    assert len(body) < 1_300_000

    with GuardedDecoder(FORM, workers=1) as decoder:
        outcome = decoder.submit(body).result(timeout=0)
        assert decoder._light._engine._threads == decoder._heavy._engine._threads == []

    assert outcome == Rejected("img.bomb", "400 million pixels, limit 50")


def test_large_pictures_have_a_process_of_their_own_and_few_may_wait():
    rules = DecodeRules(LIMITS, OF_OTHERS.light, OF_OTHERS.heavy, heavy_at_once=3)
    bomb = flat_png(7000, 7000)

    with GuardedDecoder(FORM, rules=rules, workers=1) as decoder:
        bombs = [decoder.submit(bomb) for _ in range(3)]
        with pytest.raises(BusyError):
            decoder.submit(bomb)
        honest = decoder.submit(encoded())

        assert honest.result().shape == (64, 64, 3)
        assert not all(one.done() for one in bombs)  # it did not wait behind them
        wait(bombs)
        assert decoder.submit(bomb).result().shape == (64, 64, 3)  # there is room again


def test_of_usual_pictures_those_with_the_least_work_come_first():
    large, small = encoded(image=photo(2000, 1500)), encoded()
    ended = []

    with GuardedDecoder(FORM, workers=1) as decoder:
        asked = [decoder.submit(large)]  # is being decoded
        for name, body in (("large", large), ("large", large), ("small", small), ("small", small)):
            asked.append(decoder.submit(body))
            asked[-1].add_done_callback(lambda _, name=name: ended.append(name))
        wait(asked)

    assert ended == ["small", "small", "large", "large"]


def test_closing_cancels_what_waits_and_ends_what_runs():
    decoder = GuardedDecoder(FORM, workers=1)
    asked = [decoder.submit(flat_png(4000, 3900)) for _ in range(4)]

    decoder.close()
    wait(asked, timeout=20)

    assert all(one.done() for one in asked)
    assert asked[-1].cancelled()


@linux
def test_a_picture_that_takes_more_memory_than_allowed_is_rejected():
    tight = DecodeRules(LIMITS, Allowance(20, 45_000_000), OF_OTHERS.heavy, 3)

    with GuardedDecoder(FORM, rules=tight, workers=1) as decoder:
        outcome = decoder.submit(flat_png(3800, 3800)).result()
        assert decoder.submit(encoded()).result().shape == (64, 64, 3)

    assert outcome.reason == "img.decoder_killed"


@linux
def test_a_picture_that_takes_too_long_is_tried_once_and_rejected():
    with GuardedDecoder(FORM, rules=DecodeRules(LIMITS, Allowance(2.0, 1 << 30), OF_OTHERS.heavy, 3), workers=1) as one:
        assert one.submit(encoded()).result().shape == (64, 64, 3)
        (thread,) = one._light._engine._threads
        os.kill(thread._process._process.pid, signal.SIGSTOP)  # as if this picture took for ever

        outcome = one.submit(encoded()).result()

        assert outcome == Rejected("img.decoder_killed", "timeout: running took more than 2 s")
        assert one.submit(encoded()).result().shape == (64, 64, 3)  # another process took its place


def test_files_of_a_person_may_be_larger_and_of_more_formats():
    with GuardedDecoder(FORM, rules=OF_A_PERSON, workers=1) as decoder:
        asked = [decoder.submit(flat_png(8000, 8000)) for _ in range(4)]  # none is told to come again
        asked += [decoder.submit(encoded("TIFF")), decoder.submit(encoded(image=photo(20, 20)))]

        assert [one.result().shape for one in asked] == [(64, 64, 3)] * 6


def test_the_decoder_of_a_harvest_is_guarded_and_limited():
    with guarded_engine(1) as engine:
        assert (engine._limits.guarded, engine._limits.timeout_s, engine._limits.memory_bytes) == (True, 20.0, 1 << 30)


def test_the_process_of_a_decoder_has_none_of_our_keys(monkeypatch):
    monkeypatch.setenv("FLICKR_API_KEY", "secret key")
    with GuardedDecoder(FORM, workers=1) as decoder:
        decoder.submit(encoded()).result()
        (thread,) = decoder._light._engine._threads
        environ = Path(f"/proc/{thread._process._process.pid}/environ")
        if environ.exists():  # Linux
            assert b"secret key" not in environ.read_bytes()
    assert os.environ["FLICKR_API_KEY"] == "secret key"


# --- answers ---------------------------------------------------------------------------------------------------------
def test_facts_and_blocks_arrive_as_they_were_packed():
    assert unpack(pack({"a": 1, "b": ["x"]}, b"first", b"")) == ({"a": 1, "b": ["x"]}, [b"first", b""])


HEAD = {"blocks": [3]}


def answer(head, rest=b"abc"):
    data = json.dumps(head).encode()
    return struct.pack(">Q", len(data)) + data + rest


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00" * 7, id="a cut length"),
        pytest.param(struct.pack(">Q", 1 << 60) + b"{}", id="an endless head"),
        pytest.param(answer(HEAD, b"abcd"), id="more than announced"),
        pytest.param(answer(HEAD, b"ab"), id="less than announced"),
        pytest.param(answer({"blocks": [-1, 4]}), id="a negative block"),
        pytest.param(answer({"blocks": [True, 2]}), id="a block of no number"),
        pytest.param(answer({"blocks": 3}), id="no list"),
        pytest.param(answer([]), id="no facts"),
        pytest.param(answer({}), id="no blocks"),
        pytest.param(struct.pack(">Q", 40_000) + b"[" * 40_000, id="facts nested without end"),
        pytest.param(struct.pack(">Q", 4) + b"\xff\xfe\xfd\xfc", id="no UTF-8"),
        pytest.param(b"\x80\x04\x95", id="a pickle"),
    ],
)
def test_what_is_no_answer_is_a_rejection(data):
    with pytest.raises(MalformedAnswerError):
        unpack(data)
    assert read_answer(data, lambda facts, blocks: blocks).reason == "img.decoder_killed"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_answer_raises(data):
    assert isinstance(read_answer(data, lambda facts, blocks: facts["never"]), Rejected)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["reason", "detail", "shrunk", "width"]), st.none() | st.integers() | st.text()))
def test_no_facts_raise(facts):
    assert isinstance(read_answer(pack(facts), lambda facts, blocks: facts["never"]), Rejected)


def test_a_reason_is_one_of_ours_and_its_words_cannot_steer_a_terminal():
    read = read_answer(pack({"reason": "img.small", "detail": "4 x 4\x1b[31m"}), lambda facts, blocks: None)
    forged = read_answer(pack({"reason": "img.\x1b[31m", "detail": ""}), lambda facts, blocks: None)

    assert read == Rejected("img.small", "4 x 4?[31m")
    assert forged.reason == "img.decoder_killed"


def test_a_process_that_could_not_start_is_no_rejection():
    with pytest.raises(ResourceError, match="the worker ended with exit code 1"):
        read_answer(WorkerFailure("start", "the worker ended with exit code 1"), lambda facts, blocks: None)


def test_a_picture_whose_process_cannot_be_had_is_answered_with_the_error(monkeypatch):
    def submit(self, function, argument):
        failed = Future()
        failed.set_exception(MemoryError())
        return failed

    monkeypatch.setattr(LocalEngine, "submit", submit)
    with GuardedDecoder(FORM, workers=1) as decoder:
        for _ in range(2):  # the first has given its process back
            with pytest.raises(MemoryError):
                decoder.submit(encoded()).result(10)


def test_a_process_that_failed_is_a_rejection_that_says_how():
    outcome = read_answer(WorkerFailure("timeout", "running took more than 20 s"), lambda facts, blocks: None)

    assert outcome == Rejected("img.decoder_killed", "timeout: running took more than 20 s")


# --- what a header announces -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("format", ["PNG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\x00\x00MM"}])
def test_a_header_announces_the_pixels(format, options):
    body = encoded(format, **(options if format == "WEBP" else {}))

    assert declared_pixels(body) == declared_work(body) == 320 * 240


def test_the_header_of_an_old_bitmap_announces_the_pixels():
    header = struct.pack("<IHHHH", 12, 300, 200, 1, 24)

    assert declared_pixels(b"BM" + bytes(8) + struct.pack("<I", 26) + header) == 60_000


@pytest.mark.parametrize("format", ["AVIF", "JPEG2000", "TIFF"])
def test_newer_formats_and_those_of_scanners_announce_their_pixels_too(format):
    options = {"no_jp2": True} if format == "JPEG2000" else {"big_tiff": False} if format == "TIFF" else {"speed": 10}

    for body in (encoded(format), encoded(format, **options)):
        assert declared_pixels(body) == declared_work(body) == 320 * 240
    assert declared_pixels(encoded(format)[:20]) is None


def test_a_jpeg_announces_an_eighth_of_its_pixels_for_each_scan():
    plain, progressive = encoded("JPEG"), encoded("JPEG", progressive=True)

    assert declared_pixels(plain) is None
    assert declared_work(plain) == 320 * 240 // 8
    assert declared_work(progressive) == 320 * 240 * progressive.count(b"\xff\xda") // 8 > declared_work(plain)


@pytest.mark.parametrize("body", [b"", b"x", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\xff\xd8\xff", b"RIFF....WEBP"])
def test_half_a_header_announces_no_work(body):
    assert declared_work(body) == 0


def test_the_module_that_a_decoder_loads_knows_no_torch():
    with LocalEngine(1) as engine:
        assert engine.submit(loaded_by_decoder, None).result() == []


def loaded_by_decoder(_):
    assert guarded
    return sorted({"torch", "timm", "sqlite3", "starlette"} & set(sys.modules))


def test_a_process_that_the_system_failed_says_so_and_only_with_a_number_of_the_system():
    def failing(number):
        raise OSError(number, os.strerror(number))

    answer = guarded.packed_or_system_error(lambda: failing(errno.EIO))

    with pytest.raises(ResourceError, match=os.strerror(errno.EIO)):
        guarded.read_answer(answer, lambda facts, blocks: facts)
    for made_up in (errno.ENOMEM, -1, 10**9, True, "5", None):
        outcome = guarded.read_answer(guarded.pack({"system": made_up}), lambda facts, blocks: facts)
        assert outcome.reason == "img.decoder_killed"
    with pytest.raises(OSError, match=os.strerror(errno.EFBIG)):
        guarded.packed_or_system_error(lambda: failing(errno.EFBIG))
