"""The server under small files that unpack to gigabytes: its memory and its other visitors do not notice."""

import http.client
import io
import json
import re
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from drawing import COLOURS, draw
from PIL import Image

from imgkit.models.serve import WAITING

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are Linux's"),
]

MIB = 1 << 20
ROOM = 700 * MIB  # more address space than the server has when it waits for its first picture: threads, bodies, answers


def ask(address, body):
    connection = http.client.HTTPConnection(address, timeout=300)
    try:
        connection.request("POST", "/predict", body=body, headers={"Host": address})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def png_bomb(width, height, *, depth=8, kind=2, interlaced=0):
    """Return a PNG of zeros: a thousand times smaller than its pixels."""

    def chunk(name, payload):
        return struct.pack(">I", len(payload)) + name + payload + struct.pack(">I", zlib.crc32(name + payload))

    row = bytes(1 + width * depth * {0: 1, 2: 3, 6: 4}[kind] // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join([*(packer.compress(row) for _ in range(height + 8)), packer.flush()])
    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def jpeg_bomb():
    """Return a progressive JPEG of 36 million pixels whose last scan is there fifty times."""
    image = Image.linear_gradient("L").resize((6000, 6000)).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", progressive=True, quality=20)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * 50 + data[-2:]


BOMBS = {
    "400 million pixels": png_bomb(20_000, 20_000),
    "49 million pixels": png_bomb(7000, 7000),
    "49 million deep pixels": png_bomb(7000, 7000, depth=16, kind=6),
    "49 million interlaced pixels": png_bomb(7000, 7000, depth=16, kind=6, interlaced=1),
    "deep pixels of usual size": png_bomb(4000, 3900, depth=16, kind=6),
    "many scans": jpeg_bomb(),
}


@pytest.fixture(scope="module")
def server(model):
    """Yield the address of ``imgkit serve`` whose address space was limited when it was ready."""
    import resource

    process = subprocess.Popen(
        [sys.executable, "-m", "imgkit", "serve", str(model), "--port", "0", "--device", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for line in process.stdout:
            if found := re.search(r"http://([0-9.]+:\d+)/", line):
                break
        address = found[1]
        assert ask(address, b"")[0] == 422  # all of it is loaded
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + ROOM
        resource.prlimit(process.pid, resource.RLIMIT_AS, (limit, limit))
        yield address
        assert process.poll() is None, "the server ended"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def king(tmp_path_factory):
    path = tmp_path_factory.mktemp("king") / "king.png"
    draw(path, COLOURS["king"], 77)
    return path.read_bytes()


def test_bombs_are_small_files():
    assert {name: len(bomb) < 1_300_000 for name, bomb in BOMBS.items()} == dict.fromkeys(BOMBS, True)


@pytest.mark.parametrize("name", BOMBS)
def test_many_bombs_at_once_end_in_an_answer_each_while_an_honest_picture_is_named(server, king, name):
    ended = []

    def bomb(_):
        status, answer = ask(server, BOMBS[name])
        ended.append(status)
        return status, answer

    with ThreadPoolExecutor(20) as visitors:
        bombs = [visitors.submit(bomb, number) for number in range(20)]
        answers = [ask(server, king) for _ in range(3)]
        before = len(ended)
        outcomes = [one.result() for one in bombs]

    assert [status for status, _ in answers] == [200] * 3
    assert answers[0][1]["guesses"][0]["label"] == "king"
    assert {status for status, _ in outcomes} <= {200, 422, 503}  # with time enough, some are pictures after all
    assert all(set(answer) == {"error"} for status, answer in outcomes if status != 200)
    if name in ("49 million deep pixels", "49 million interlaced pixels"):
        assert before < 20  # it did not wait for all of them


def test_a_bomb_of_too_many_pixels_is_refused_by_its_header(server):
    status, answer = ask(server, BOMBS["400 million pixels"])

    assert (status, answer["error"]) == (422, "more pixels than the limit [img.bomb]")


def test_more_pictures_than_may_wait_are_told_to_come_again(server, king):
    with ThreadPoolExecutor(3 * WAITING) as visitors:
        statuses = list(visitors.map(lambda _: ask(server, king)[0], range(3 * WAITING)))

    assert set(statuses) <= {200, 503}
    assert statuses.count(200) >= WAITING
