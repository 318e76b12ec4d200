"""Hosts as browsers take them: codings, parts, hints, cookies and names that are not by the book."""

import gzip
import zlib

import pytest

from imgkit.net.addresses import RefusedAddress, parse
from imgkit.net.body import BodyReader
from imgkit.net.cookies import cookie_header, merged, received
from imgkit.net.fetch import Fetcher
from imgkit.net.guard import Allowed, Guard
from imgkit.net.outcomes import Failure, Fetched
from loopback import Server, always, reply

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 20


@pytest.fixture
def fetcher():
    opened = Fetcher(Guard(Allowed.read(["127.0.0.0/8"])), user_agent="imgkit-test/1")
    yield opened
    opened.close()


def fetched(fetcher, body, *headers, status="200 OK"):
    with Server(always(reply(body, status=status, headers=headers))) as server:
        return fetcher.fetch(f"{server.url}/a.jpg")


def raw_deflate(data):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("body", "coding"),
    [
        pytest.param(JPEG, "utf-8", id="a coding that is none"),
        pytest.param(JPEG, "br", id="said to be packed, and is not"),
        pytest.param(JPEG, "gzip", id="said to be gzip, and is not"),
        pytest.param(JPEG, "aws-chunked, binary", id="two words that mean nothing"),
        pytest.param(gzip.compress(JPEG), "gzip, utf-8", id="gzip beside a word that means nothing"),
        pytest.param(raw_deflate(JPEG), "deflate", id="deflate without its wrapping"),
        pytest.param(gzip.compress(JPEG[:999]) + gzip.compress(JPEG[999:]), "gzip", id="gzip in two parts"),
        pytest.param(gzip.compress(JPEG) + bytes(20), "gzip", id="zeros behind gzip"),
    ],
)
def test_a_picture_arrives_whatever_its_coding_is_called(fetcher, body, coding):
    answer = fetched(fetcher, body, f"Content-Encoding: {coding}")

    assert isinstance(answer, Fetched)
    assert answer.body == JPEG


@pytest.mark.parametrize("step", [1, 3, 15, 16, 17])
@pytest.mark.parametrize("body", [JPEG, raw_deflate(JPEG), zlib.compress(JPEG)], ids=["as it is", "bare", "wrapped"])
def test_how_a_body_is_packed_is_told_in_whatever_pieces_it_comes(body, step):
    receiver = BodyReader(coding="deflate", announced=None, max_bytes=10_000, max_ratio=20, picture=True)

    assert [receiver.take(body[at : at + step]) for at in range(0, len(body), step)] == [None] * -(-len(body) // step)
    assert (receiver.end(), receiver.body) == (None, JPEG)


def test_a_body_of_very_many_packed_parts_is_read_up_to_a_thousand():
    receiver = BodyReader(coding="gzip", announced=None, max_bytes=100_000, max_ratio=20, picture=False)

    assert receiver.take(gzip.compress(b"x") * 1200) is None
    assert (receiver.end(), receiver.body) == (None, b"x" * 1000)


def test_a_packed_body_shorter_than_what_tells_it_is_unpacked_at_its_end():
    receiver = BodyReader(coding="deflate", announced=None, max_bytes=100, max_ratio=20, picture=False)

    assert receiver.take(zlib.compress(b"ab")) is None
    assert (receiver.end(), receiver.body) == (None, b"ab")


def test_a_coding_that_hides_the_picture_is_named(fetcher):
    answer = fetched(fetcher, b"\x8b\x00" + bytes(2000), "Content-Encoding: br")

    assert isinstance(answer, Failure)
    assert (answer.reason, answer.detail) == ("body.not_image", "coded as br though nobody asked for it")


@pytest.mark.parametrize(
    ("content_range", "reason"),
    [
        (f"bytes 0-{len(JPEG) - 1}/{len(JPEG)}", None),
        (f"bytes 0-99/{len(JPEG)}", "net.short"),
        (f"bytes 1-{len(JPEG)}/{len(JPEG) + 1}", "net.short"),
        (f"bytes 0-{len(JPEG) - 1}/*", "net.short"),
    ],
)
def test_a_part_that_is_the_whole_is_taken(fetcher, content_range, reason):
    answer = fetched(fetcher, JPEG, f"Content-Range: {content_range}", status="206 Partial Content")

    assert getattr(answer, "reason", None) == reason


def test_hints_before_the_answer_are_skipped(fetcher):
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    with Server(always(hints + b"HTTP/1.1 100 Continue\r\n\r\n" + hints + reply(JPEG))) as server:
        answer = fetcher.fetch(f"{server.url}/a.jpg")

    assert isinstance(answer, Fetched)


def test_hints_without_end_are_given_up(fetcher):
    with Server(always(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000)) as server:
        answer = fetcher.fetch(f"{server.url}/a.jpg")

    assert isinstance(answer, Failure)


def test_a_cookie_that_a_redirect_sets_is_sent_back_within_that_fetch_and_not_in_the_next(fetcher):
    away = reply(b"", status="302 Found", headers=["Location: /a.jpg", "Set-Cookie: seen=1; Path=/; HttpOnly"])

    def answer(request, connection):
        connection.sendall(reply(JPEG) if "Cookie: seen=1\r\n" in request else away)

    with Server(answer) as server:
        first, second = fetcher.fetch(f"{server.url}/a.jpg"), fetcher.fetch(f"{server.url}/a.jpg")
        cookies = ["Cookie:" in request for request in server.requests]

    assert isinstance(first, Fetched)
    assert isinstance(second, Fetched)
    assert cookies == [False, True, False, True]


HERE = parse("https://img.a.example/x/1.jpg")


@pytest.mark.parametrize(
    ("line", "url", "sent"),
    [
        pytest.param("a=1", "https://img.a.example/y", True, id="the same host"),
        pytest.param("a=1", "https://www.a.example/", False, id="another host"),
        pytest.param("a=1; Domain=.a.example", "https://www.a.example/", True, id="its domain"),
        pytest.param("a=1; Domain=b.example", "https://b.example/", False, id="a domain that it is not in"),
        pytest.param("a=1; Domain=example", "https://other.example/", False, id="a domain without a dot"),
        pytest.param("a=1; Path=/x", "https://img.a.example/x/2.jpg", True, id="below the path"),
        pytest.param("a=1; Path=/x", "https://img.a.example/xy", False, id="beside the path"),
        pytest.param("a=1; Secure", "http://img.a.example/y", False, id="not in the clear"),
        pytest.param("a=1\x01b", "https://img.a.example/y", False, id="control characters"),
        pytest.param("no cookie", "https://img.a.example/y", False, id="none"),
    ],
)
def test_a_cookie_goes_only_where_it_belongs(line, url, sent):
    assert cookie_header(received([line], HERE), parse(url)) == ("a=1" if sent else "")


def test_a_new_cookie_takes_the_place_of_the_old_one_and_too_many_are_dropped():
    known = received(["a=1", "b=2"], HERE)

    assert cookie_header(merged(known, received(["a=3"], HERE)), HERE) == "a=3; b=2"
    assert len(merged(known, received([f"c{n}=1" for n in range(50)], HERE))) == 20


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("www.example.com/cat.jpg", "https://www.example.com/cat.jpg"),
        ("cdn.example.com:8443/cat.jpg?x=1", "https://cdn.example.com:8443/cat.jpg?x=1"),
        ("//example.com/cat.jpg", "https://example.com/cat.jpg"),
        ("https://foo-.blog.example/x.jpg", "https://foo-.blog.example/x.jpg"),
        ("https://-a_b-.example/x.jpg", "https://-a_b-.example/x.jpg"),
        ("https://straße.example/", "https://xn--strae-oqa.example/"),
        ("https://STRASSE.example/", "https://strasse.example/"),
        ("https://ｅｘａｍｐｌｅ.com/", "https://example.com/"),
        ("https://☕.example/", "https://xn--53h.example/"),
    ],
)
def test_names_are_what_browsers_make_of_them(text, url):
    assert parse(text).url == url


@pytest.mark.parametrize("text", ["cat.jpg", "photos/cat.jpg", "mailto:a@b.c", "javascript:1", "http://１２７.0.0.1/"])
def test_what_is_no_web_address_stays_none(text):
    with pytest.raises(RefusedAddress):
        parse(text)
