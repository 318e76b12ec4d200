"""Opt-outs in headers: whom a line speaks to, and in which spellings."""

import pytest

from imgkit.net.addresses import parse
from imgkit.net.host_queue import HostLimits, HostQueue
from imgkit.net.opt_out import opt_out
from imgkit.net.outcomes import Failure


@pytest.mark.parametrize(
    ("name", "value", "closes"),
    [
        ("X-Robots-Tag", "*: noai", True),
        ("x-robots-tag", " NOAI ", True),
        ("X-Robots-Tag", "imgkit: noai", True),
        ("X-Robots-Tag", "otherbot: noai, *: noindex", True),
        ("X-Robots-Tag", "noimageindex", True),
        ("X-Robots-Tag", "noml", True),
        ("X-Robots-Tag", "none", True),
        ("X-Robots-Tag", "noaiplease", False),
        ("TDM-Reservation", " 1 ", True),
        ("tdm-reservation", "10", False),
        ("Content-Usage", "TRAIN-AI = n", True),
        ("Content-Usage", "ai-train=no", False),
        ("Content-Signal", "train-ai=n", False),
        ("Content-Signal", "ai-train=nope", False),
    ],
)
def test_whom_a_line_closes_out(name, value, closes):
    assert opt_out([(name, value)]) == (f"{name}: {value}" if closes else "")


def test_a_wait_never_shortens_the_pause_that_holds_already():
    queue = HostQueue()
    for number in range(2):
        queue.add("a", number, HostLimits(connections=1, gap_s=50.0), now=0.0)
    queue.take(0.0)
    queue.answered("a", Failure(reason="http.5xx", transient=True, retry_after=5.0), now=1.0)

    assert queue.take(49.0) is None
    assert queue.take(50.0) == ("a", 1)


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a'b(c);d=e,f$g!h*i", "/a'b(c);d=e,f$g!h*i"),
        ("/a[1]+~-._@:&", "/a[1]+~-._@:&"),
        ('/a"b<c>', "/a%22b%3Cc%3E"),
        ("/a&amp;b", "/a&b"),
        ("/a&lt;b", "/a&lt;b"),
    ],
)
def test_how_a_path_is_sent(path, sent):
    assert parse(f"http://example.org{path}").path == sent
