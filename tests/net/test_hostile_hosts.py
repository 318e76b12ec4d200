"""Whatever a host sends, it costs a bounded number of steps: robots.txt, headers, redirects and bodies.

Steps are lines of the package that are executed; they are counted, not timed.
"""

import gzip
import re
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import imgkit
from imgkit.net import addresses, body, fetch, opt_out, outcomes, robots
from imgkit.net.addresses import RefusedAddress, Target, parse
from imgkit.net.body import BodyReader
from imgkit.net.cookies import received
from imgkit.net.outcomes import Failure, Fetched, Redirect
from imgkit.net.retry import Completed, DownloadAttempt, NextAttempt, follow
from imgkit.net.robots import read_robots

PACKAGE = str(Path(imgkit.__file__).parent)


def steps(function, *arguments, **options):
    """The result of a call, and the lines of the package that it took."""
    count = 0

    def per_line(frame, event, argument):
        nonlocal count
        count += event == "line"
        return per_line

    def per_call(frame, event, argument):
        return per_line if frame.f_code.co_filename.startswith(PACKAGE) else None

    before = sys.gettrace()
    sys.settrace(per_call)
    try:
        result = function(*arguments, **options)
    finally:
        sys.settrace(before)
    return result, count


def test_lines_are_counted():
    assert steps(parse, "http://example.org/")[1] > 20


# robots.txt

STARS = st.integers(0, 60).map(lambda n: "/" + "*a" * n)
RULE = st.builds(
    "{}: {}{}".format,
    st.sampled_from(["Disallow", "Allow", "DISALLOW ", "Content-Usage", "Content-Signal", "Crawl-delay"]),
    STARS | st.text("a*/$%2F#: é", max_size=60) | st.just("train-ai=n") | st.just("train-ai" + " " * 500),
    st.sampled_from(["", "$", "*$", "b"]),
)
LINE = RULE | st.sampled_from(["User-agent: *", "User-agent: imgkit", "User-agent: x", "", "junk", ":" * 300])
PATH = st.text("a/*%", max_size=300).map(lambda text: f"/{text}") | st.just("/" + "a" * 8000)


@settings(max_examples=200, deadline=None)
@given(st.lists(LINE, max_size=60), st.integers(1, 40), PATH)
@example(["User-agent: *", "Disallow: /" + "*a" * 5000 + "b"], 1, "/" + "a" * 8000)
@example(["User-agent: a", "User-agent: *"], 400, "/a")
@example(["User-agent: *", *[f"Disallow: /{n}" for n in range(400)]], 45, "/a")
def test_a_robots_txt_costs_steps_in_proportion_to_its_lines(lines, times, path):
    text = "\n".join(lines * times)

    rules, reading = steps(read_robots, text)
    _, asking = steps(rules.refuses, path)

    assert reading <= 40 * (len(lines) * times + 1) + 100
    assert asking <= 200 + len(rules.lengths) + 6 * (robots.MOST_WILDCARDS + 2) * len(rules.wildcards)
    assert len(rules.wildcards) <= robots.MOST_WILDCARD_RULES + 1
    assert len(rules.opt_outs) <= robots.MOST_OPT_OUTS + 1
    assert len(rules.plain) <= robots.MOST_RULES + 1


def test_eighteen_thousand_rules_cost_a_few_steps_an_address():
    rules = read_robots("User-agent: *\n" + "\n".join(f"Disallow: /private/{n}/" for n in range(9_999)))

    assert steps(rules.refuses, "/private/9998/1.jpg")[1] < 60
    assert steps(rules.refuses, "/public/1.jpg")[1] < 60
    assert rules.refuses("/private/9998/1.jpg").detail == "Disallow: /private/9998/"
    assert steps(read_robots("User-agent: *\n" + "Disallow: /*a*b*c\n" * 18_000).refuses, "/" + "ab" * 4000)[1] < 20


def test_no_pattern_of_a_host_becomes_a_regular_expression(monkeypatch):
    rules = read_robots("User-agent: *\nDisallow: /" + "*a" * 15 + "$\nDisallow: /x*y\nDisallow: /z")
    monkeypatch.setattr(re, "compile", lambda *_: pytest.fail("a pattern was compiled"))

    assert rules.refuses("/" + "a" * 8000) is not None


def test_the_longest_path_is_looked_at_once_for_each_rule():
    path = "/" + "ab" * 4000
    rules = read_robots("User-agent: *\n" + "\n".join(f"Disallow: /{'*ab' * 15}*{n}x" for n in range(999)))

    assert len(rules.wildcards) == 999
    assert steps(rules.refuses, path)[1] <= 6 * 18 * 999 + 200


# headers


HEADER = st.sampled_from(
    ["X-Robots-Tag", "Content-Usage", "Content-Signal", "tdm-reservation", "Retry-After", "Location", "X"]
)
LONG = {
    "blanks": "train-ai" + " " * 60_000,
    "commas": "," * 60_000,
    "agents": "a:" * 30_000,
    "digits": "9" * 60_000,
    "days": "Wed, " * 10_000,
    "labels": "http://" + "a." * 30_000,
    "accents": "//" + "é" * 30_000,
    "bytes": "\xff" * 60_000,
}
VALUE = st.text(max_size=200) | st.sampled_from(["noai", "a: noai", "train-ai=n", *LONG])


def spelt_out(value):
    """A value; those that are too long for a report of a failure go by a name."""
    return LONG.get(value, value)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(HEADER, VALUE), max_size=100))
def test_headers_cost_steps_in_proportion_to_their_length(headers):
    headers = [(name, spelt_out(value)) for name, value in headers]
    length = sum(len(name) + len(value) for name, value in headers)

    _, opting = steps(opt_out.opt_out, headers)
    assert opting <= 10 * (length + 1)

    for _, value in headers:
        assert steps(outcomes.of_status, 503, retry_after=value)[1] < 100
        moved, moving = steps(fetch._moved, value, [], parse("http://example.org/a"))
        assert isinstance(moved, Redirect | Failure)
        assert moving < 1000 + len(value)
        assert len(getattr(moved, "detail", "")) < 1000
        cookies, receiving = steps(received, [value, f"a={value}"], parse("http://example.org/a"))
        assert receiving < 1000 + 10 * len(value)
        assert len(cookies) <= 2
        assert fetch._announced(value) is None or value.isdigit()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["", "http://", "https://a."]), st.text(max_size=300) | VALUE)
def test_an_address_costs_few_steps_whatever_its_length(scheme, rest):
    url = f"{scheme}{spelt_out(rest)}"

    def parsed():
        try:
            return parse(url)
        except RefusedAddress as refused:
            return refused

    found, count = steps(parsed)

    assert count < 1500
    assert isinstance(found, RefusedAddress | Target)
    assert len(found.detail if isinstance(found, RefusedAddress) else "") < 9000


def test_a_host_name_that_is_slow_to_encode_is_refused_before():
    with pytest.raises(RefusedAddress) as refused:
        parse("http://" + "é" * 1001 + "/")

    assert (refused.value.reason, refused.value.detail) == ("net.scheme", "a host name of 1,001 characters")
    assert addresses.LONGEST_HOST == 1000


# redirects


ANSWER = st.one_of(
    st.integers(0, 9).map(lambda n: Redirect(f"http://example.org/{n}")),
    st.builds(
        Failure,
        reason=st.sampled_from(["http.403", "http.429", "http.5xx", "net.read", "net.slow", "net.dns", "net.redirect"]),
        transient=st.booleans(),
        retry_after=st.none() | st.floats(0, 10**6),
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(ANSWER, min_size=1, max_size=40), st.integers(0, 6))
def test_no_sequence_of_answers_makes_more_than_so_many_requests(script, fallbacks):
    attempt = DownloadAttempt(
        url="http://example.org/",
        page_url="http://p.org/",
        fallbacks=tuple(f"http://{n}.org/" for n in range(fallbacks)),
    )
    requests, waited = 0, 0.0
    while True:
        step, count = steps(follow, attempt, script[requests % len(script)], seconds=1.0)
        assert count < 60
        requests += 1
        attempt = step.attempt
        if isinstance(step, Completed):
            break
        assert isinstance(step, NextAttempt)
        waited += step.after_s

    tries_of_an_address = 3 + 1  # three, and one with the page as referer
    assert requests <= tries_of_an_address * (5 + 1) * (1 + fallbacks)
    assert requests == step.attempt.requests
    assert waited <= 120.0 * 2 * (1 + fallbacks)


# bodies


def zeros(size):
    return gzip.compress(bytes(size), mtime=0)


PIECES = st.lists(
    st.binary(max_size=2000)
    | st.sampled_from(
        [b"\xff\xd8\xff" + bytes(3000), zeros(5_000_000), zlib.compress(bytes(9_000_000)), b"<html>" * 400]
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(
    PIECES,
    st.sampled_from(["", "identity", "gzip", "x-gzip", "deflate", "gzip, gzip", "br", "gzip,br", ","]),
    st.none() | st.integers(0, 10**15),
    st.integers(0, 400),
    st.booleans(),
)
def test_a_body_never_holds_more_than_its_limit_and_costs_few_steps(pieces, coding, announced, repeated, picture):
    limit = 2_000_000
    receiver = BodyReader(coding=coding, announced=announced, max_bytes=limit, max_ratio=20, picture=picture)
    if receiver.problem is not None:
        return
    received = 0
    for piece in [*pieces, *pieces[-1:] * repeated]:
        failure, count = steps(receiver.take, piece)
        received += len(piece)
        assert count < 2_000
        if failure is not None:
            return
        assert len(receiver.body) <= limit
        assert received <= limit
    steps(receiver.end)


def test_what_follows_the_end_of_a_packed_body_is_neither_kept_nor_endless():
    receiver = BodyReader(coding="gzip", announced=None, max_bytes=100_000, max_ratio=20, picture=False)
    assert receiver.take(gzip.compress(b"a picture")) is None

    ends = [receiver.take(bytes(10_000)) for _ in range(12)]

    assert [one.reason if one else "" for one in ends] == [""] * 9 + ["body.encoding_bomb"] * 3
    assert receiver.body == b"a picture"
    assert len(receiver._unpacker.unused_data) == 0


def test_a_packed_body_of_nothing_ends_at_the_limit_too():
    receiver = BodyReader(coding="deflate", announced=None, max_bytes=100_000, max_ratio=20, picture=False)
    packer = zlib.compressobj()
    head = packer.compress(b"") + packer.flush(zlib.Z_SYNC_FLUSH)
    empty = b"\x00\x00\x00\xff\xff" * 2000  # blocks that hold nothing

    ends = [receiver.take(piece) for piece in [head, *[empty] * 12]]

    assert next(one for one in ends if one).reason == "body.encoding_bomb"
    assert receiver.body == b""


def test_a_body_is_unpacked_by_a_mebibyte_at_a_time():
    assert body._STEP == 1024 * 1024
    receiver = BodyReader(coding="gzip", announced=None, max_bytes=20_000_000, max_ratio=20, picture=False)

    failure = receiver.take(zeros(19_000_000))

    assert failure.reason == "body.encoding_bomb"  # by its ratio, long before the limit of bytes
    assert len(receiver.body) <= 2 * 1024 * 1024
    assert Fetched(body=b"", url="").body == b""
