"""What a local program or a page of another site may send to ``imgkit serve``, one request at a time."""

import gzip
import http.client
import io
import socket
import struct
import zlib
from contextlib import ExitStack

import numpy as np
import pytest
from drawing import COLOURS, draw
from PIL import Image

from imgkit.models.upload import LARGEST_BODY_BYTES

CLOSED = 0  # the connection ends without an answer


def post(headers: str = "", body: bytes = b"x", *, host: str = "Host: {address}\r\n", length: bool = True) -> bytes:
    announced = f"Content-Length: {len(body)}\r\n" if length else ""
    return f"POST /predict HTTP/1.1\r\n{host}{announced}{headers}\r\n".encode("latin-1") + body


def get(target: str, *, method: str = "GET", headers: str = "") -> bytes:
    return f"{method} {target} HTTP/1.1\r\nHost: {{address}}\r\n{headers}\r\n".encode("latin-1")


def host(name: str) -> bytes:
    return post(host=f"Host: {name}\r\n")


def png(width: int, height: int, *chunks: bytes, pixels: bytes = b"") -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def saved(form: str, size: tuple[int, int] = (200, 150), **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def many_frames() -> bytes:
    frames = [Image.new("P", (64, 64), number % 200) for number in range(600)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def scans_bomb() -> bytes:
    data = saved("JPEG", (64, 64), progressive=True)
    start = data.index(b"\xff\xda")
    return data[:start] + data[start:-2] * 600 + data[-2:]


HOSTS = {
    "a rebound name": host("evil.example"),
    "a rebound name with our port": host("evil.example:{port}"),
    "a name that begins with ours": host("127.0.0.1.evil.example:{port}"),
    "a name that ends with ours": host("evil.localhost:{port}"),
    "another port": host("127.0.0.1:1"),
    "no port": host("127.0.0.1"),
    "all addresses": host("0.0.0.0:{port}"),
    "the other loopback": host("[::1]:{port}"),
    "our address as a number": host("2130706433:{port}"),
    "our address shortened": host("127.1:{port}"),
    "a user before it": host("evil@127.0.0.1:{port}"),
    "a dot behind it": host("localhost.:{port}"),
    "an empty name": host(""),
    "no name": post(host=""),
    "two names": post(host="Host: {address}\r\nHost: evil.example\r\n"),
}
SITES = {
    "another site": post("Origin: https://evil.example\r\n"),
    "a sandboxed page": post("Origin: null\r\n"),
    "a page on another port": post("Origin: http://127.0.0.1:1\r\n"),
    "our address, encrypted": post("Origin: https://{address}\r\n"),
    "a file": post("Origin: file://\r\n"),
    "two sites, ours last": post("Origin: https://evil.example\r\nOrigin: http://{address}\r\n"),
    "two sites, ours first": post("Origin: http://{address}\r\nOrigin: https://evil.example\r\n"),
    "cross-site, said by the browser": post("Sec-Fetch-Site: cross-site\r\n"),
    "same-site, said by the browser": post("Sec-Fetch-Site: same-site\r\n"),
    "cross-site and same-origin": post("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: same-origin\r\n"),
}
METHODS = {name: get("/predict", method=name) for name in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "BREW")}
PATHS = {
    "up": get("/../config.json"),
    "up, encoded": get("/%2e%2e/%2e%2e/etc/passwd"),
    "up, slashes encoded": get("/..%2f..%2fetc%2fpasswd"),
    "up from a file": get("/page.css/../../config.json"),
    "the weights": get("/model.safetensors"),
    "another server's address": get("http://evil.example/etc/passwd"),
    "two slashes": get("//evil.example/"),
    "a zero byte": get("/page.css%00.txt"),
    "a path of 100 kB": get("/" + "a" * 100_000),
    "a tunnel": get("evil.example:443", method="CONNECT"),
}
FRAMES = {
    "a negative length": post("Content-Length: -1\r\n", length=False),
    "a length that is no number": post("Content-Length: many\r\n", length=False),
    "two lengths": post("Content-Length: 1\r\nContent-Length: 50\r\n", length=False),
    "a length beyond the limit": post(f"Content-Length: {LARGEST_BODY_BYTES + 1}\r\n", length=False),
    "a length beyond all numbers": post("Content-Length: 9" + "9" * 40 + "\r\n", length=False),
    "a length and chunks": post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n", length=False),
    "a chunk that is no number": post("Transfer-Encoding: chunked\r\n", b"zz\r\nabc\r\n", length=False),
    "an unknown coding": post("Transfer-Encoding: gzip\r\n", b"abc", length=False),
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64) + b"\r\n\r\n",
    "HTTP of another age": b"POST /predict\r\n\r\n",
    "a header of 1 MB": post("X-Long: " + "a" * 1_000_000 + "\r\n"),
    "a header over two lines": post("X-Folded: a\r\nHost evil.example\r\n"),
}
BODIES = {
    "nothing": b"",
    "a web page": b"<html><script>alert(1)</script></html>",
    "a drawing with a script": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
    "a form": b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../x.jpg"\r\n\r\nabc\r\n--x--',
    "a pickle": b"\x80\x04\x95\x1a\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
    "half a JPEG": saved("JPEG")[:3000],
    "half a PNG": saved("PNG")[:3000],
    "packed bytes": gzip.compress(bytes(1_000_000)),
    "a PNG of 10,000 million pixels": png(100_000, 100_000),
    "a PNG whose text unpacks to 100 MB": png(64, 64, b"", pixels=zlib.compress(bytes(100_000_000), 9)[:50_000]),
    "a JPEG of thousands of scans": scans_bomb(),
    "an animation of 600 frames": many_frames(),
    "an icon": saved("ICO", (64, 64)),
    "a sliver": saved("PNG", (1200, 60)),
    "four pixels": saved("PNG", (4, 4)),
}


def cases() -> list:
    groups = [
        ("host", HOSTS, {403, 400}),
        ("site", SITES, {403}),
        ("method", METHODS, {404, 405}),
        ("path", PATHS, {400, 404, 405, CLOSED}),
        ("frame", FRAMES, {400, 404, 413, 422, 501, CLOSED}),
        ("body", {name: post(body=body) for name, body in BODIES.items()}, {422}),
    ]
    return [
        pytest.param(request, statuses, id=f"{group}: {name}")
        for group, requests, statuses in groups
        for name, request in requests.items()
    ]


def send(address: str, request: bytes) -> tuple[int, bytes]:
    """Return status and body of the first answer; 0 where the connection ends without one."""
    name, port = address.split(":")
    filled = request.replace(b"{address}", address.encode()).replace(b"{port}", port.encode())
    with socket.create_connection((name, int(port)), timeout=10) as connection:
        try:
            connection.sendall(filled)
            reply = http.client.HTTPResponse(connection)
            reply.begin()
            return reply.status, reply.read()
        except (ConnectionError, http.client.HTTPException):  # ended before it was sent whole, or without an answer
            return CLOSED, b""


@pytest.fixture(scope="module")
def king(tmp_path_factory):
    path = tmp_path_factory.mktemp("king") / "king.png"
    draw(path, COLOURS["king"], 77)
    return path.read_bytes()


def names_a_king(address: str, king: bytes) -> bool:
    status, body = send(address, post(body=king))
    return status == 200 and b'"label":"king"' in body.replace(b" ", b"")


def files_of(folder):
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def test_there_are_at_least_sixty_hostile_requests():
    assert len(cases()) >= 60


@pytest.mark.parametrize(("request_bytes", "statuses"), cases())
def test_a_hostile_request_is_refused_writes_nothing_and_the_server_goes_on(
    model, address, king, request_bytes, statuses
):
    before = files_of(model.parent.parent)

    status, body = send(address, request_bytes)

    assert status in statuses
    assert b"Traceback" not in body
    assert files_of(model.parent.parent) == before
    assert names_a_king(address, king)


def test_forty_connections_that_never_finish_their_headers_keep_nobody_waiting(address, king):
    name, port = address.split(":")
    with ExitStack() as stack:
        for _ in range(40):
            slow = stack.enter_context(socket.create_connection((name, int(port))))
            slow.sendall(b"POST /predict HTTP/1.1\r\nHost: ")

        assert names_a_king(address, king)


def test_forty_pictures_that_arrive_byte_by_byte_keep_nobody_waiting(address, king):
    name, port = address.split(":")
    with ExitStack() as stack:
        for _ in range(40):
            slow = stack.enter_context(socket.create_connection((name, int(port))))
            slow.sendall(f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000\r\n\r\nx".encode())

        assert names_a_king(address, king)


def test_a_client_that_goes_before_its_answer_harms_nobody(address, king):
    name, port = address.split(":")
    request = post(body=king).replace(b"{address}", address.encode())
    for _ in range(20):
        with socket.create_connection((name, int(port))) as connection:
            connection.sendall(request)

    assert names_a_king(address, king)


def test_a_request_for_a_socket_stays_a_plain_request(address):
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n"
    status, _ = send(address, get("/predict", headers=upgrade))

    assert status != 101


def test_more_bytes_than_memory_is_set_aside_for_are_refused_until_there_is_room(address, king):
    name, port = address.split(":")
    whole = LARGEST_BODY_BYTES - 1
    head = f"POST /predict HTTP/1.1\r\nHost: {address}\r\nContent-Length: {whole}\r\n\r\n".encode()
    answers = []
    with ExitStack() as stack:
        for _ in range(14):
            slow = stack.enter_context(socket.create_connection((name, int(port)), timeout=10))
            slow.sendall(head + bytes(whole - 1))
            slow.settimeout(0.2)
            try:
                answers.append(int(slow.recv(100)[9:12]))
                break
            except TimeoutError:
                answers.append(None)  # it waits for the last byte

    assert answers.count(None) == 12
    assert answers[-1] == 503
    assert names_a_king(address, king)
