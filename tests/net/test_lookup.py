"""Host names: looked up once, twice tried, within a time limit."""

import ipaddress
import socket
import threading

import pytest

from imgkit.net.dns import Lookup, LookupFailedError, resolve_with_system


def addresses(*texts):
    return tuple(map(ipaddress.ip_address, texts))


def test_an_answer_is_remembered():
    asked = []
    lookup = Lookup(lambda host: asked.append(host) or ["8.8.8.8", "2606:4700::1%eth0"])

    assert lookup("a.org") == addresses("8.8.8.8", "2606:4700::1")
    assert lookup("a.org") == addresses("8.8.8.8", "2606:4700::1")
    assert lookup("b.org") == addresses("8.8.8.8", "2606:4700::1")
    assert asked == ["a.org", "b.org"]


def test_a_failure_is_tried_twice_and_remembered_until_it_is_forgotten():
    asked = []

    def resolve(host):
        asked.append(host)
        if host == "good.org":
            return ["8.8.8.8"]
        raise OSError("no such name")

    lookup = Lookup(resolve)
    lookup("good.org")
    for _ in range(2):
        with pytest.raises(LookupFailedError, match=r"^bad\.org: no such name$"):
            lookup("bad.org")
    assert asked == ["good.org", "bad.org", "bad.org"]

    lookup.forget_failures()
    with pytest.raises(LookupFailedError):
        lookup("bad.org")
    lookup("good.org")

    assert asked == ["good.org", "bad.org", "bad.org", "bad.org", "bad.org"]


def test_a_second_try_may_succeed():
    answers = iter([OSError("for a moment"), ["8.8.8.8"]])

    def resolve(host):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert Lookup(resolve)("a.org") == addresses("8.8.8.8")


@pytest.mark.parametrize("answer", [[], ["no address"], None])
def test_whatever_the_resolver_does_is_a_failure_of_the_lookup(answer):
    with pytest.raises(LookupFailedError, match=r"^a\.org: "):
        Lookup(lambda host: answer)("a.org")


def test_a_resolver_that_does_not_come_back_holds_nobody_up():
    released = threading.Event()
    lookup = Lookup(lambda host: released.wait(30) and ["8.8.8.8"], timeout_s=0.01)

    with pytest.raises(LookupFailedError, match=r"^a\.org: no answer within 0\.01 s$"):
        lookup("a.org")

    released.set()


def test_the_addresses_of_the_system_come_once_each_in_its_order(monkeypatch):
    def getaddrinfo(host, port, *, type):
        assert (host, port, type) == ("a.org", None, socket.SOCK_STREAM)
        return [
            (family, type, 6, "", (text, 0)) for family, text in ((10, "2606:4700::1"), (2, "8.8.8.8"), (2, "8.8.8.8"))
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)

    assert resolve_with_system("a.org") == ["2606:4700::1", "8.8.8.8"]


def test_a_name_that_many_ask_for_at_once_is_looked_up_once():
    asked, released, answers = [], threading.Event(), []

    def resolve(host):
        asked.append(host)
        released.wait(30)
        return ["8.8.8.8"]

    lookup = Lookup(resolve)
    threads = [threading.Thread(target=lambda: answers.append(lookup("a.org"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    released.set()
    for thread in threads:
        thread.join()

    assert asked == ["a.org"]
    assert answers == [addresses("8.8.8.8")] * 4
