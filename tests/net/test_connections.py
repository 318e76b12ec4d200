"""Idle connections: which are kept, which are used again, and for whom."""

import contextlib
import errno
import selectors
import socket
from ipaddress import ip_address
from types import SimpleNamespace

import pytest

from imgkit.errors import UsageError
from imgkit.net import connect
from imgkit.net import dial as dial_module
from imgkit.net.addresses import parse
from imgkit.net.connect import ConnectionPool, proxy_target
from imgkit.net.dial import dial, interleaved
from imgkit.net.guard import Allowed, Guard
from imgkit.net.watchdog import Watch
from loopback import Server, always, reply


@pytest.fixture
def pool():
    opened = ConnectionPool(Guard(Allowed.read(["127.0.0.0/8"])))
    opened.lent = []
    yield opened
    opened.close()
    for pooled in opened.lent:
        pooled.close()


@pytest.fixture
def server():
    with Server(always(reply(b"x"))) as running:
        yield running


def watch():
    return Watch(deadline=float("inf"), reason="net.deadline")


def borrowed(pool, url, watched=None):
    pooled = pool.acquire(parse(url), watched or watch(), connect_s=5.0)
    pool.lent.append(pooled)
    return pooled


def asked(pool, url):
    """A connection that served one request."""
    target, pooled = parse(url), borrowed(pool, url)
    if not pooled.reused:
        pooled.connect()
    pooled.request(target, {}, headers_s=5.0, gap_s=5.0).read()
    return pooled


def test_the_numbers():
    assert (connect.IDLE_SECONDS, connect.IDLE_PER_HOST, connect.IDLE_IN_ALL) == (15.0, 2, 64)
    assert dial_module.HEAD_START_SECONDS == 0.25


def test_a_connection_that_was_given_back_is_used_again_and_others_are_made(pool, server):
    one = asked(pool, server.url)
    pool.release(one)

    again = asked(pool, f"{server.url}/other")
    other = asked(pool, server.url)

    assert again is one
    assert (again.reused, other.reused, server.connections) == (True, False, 2)


def test_a_connection_serves_its_own_origin_only(pool, server):
    with Server(always(reply(b"y")), "127.0.0.2", server.port) as same_port:
        pool.release(asked(pool, server.url))

        assert asked(pool, same_port.url).reused is False
        assert asked(pool, server.url).reused is True


def test_two_idle_connections_are_kept_for_a_host(pool, server):
    links = [asked(pool, server.url) for _ in range(3)]
    for pooled in links:
        pool.release(pooled)

    assert [asked(pool, server.url).reused for _ in range(3)] == [True, True, False]
    assert links[2].connection.sock is None  # closed


@pytest.mark.parametrize(("seconds", "reused"), [(14.9, True), (15.0, False), (99.0, False)])
def test_an_idle_connection_is_kept_for_fifteen_seconds(pool, server, monkeypatch, seconds, reused):
    now = [100.0]
    monkeypatch.setattr(connect, "time", SimpleNamespace(monotonic=lambda: now[0]))  # of this module alone
    pool.release(asked(pool, server.url))
    now[0] += seconds

    assert borrowed(pool, server.url).reused is reused


def test_the_connection_that_was_idle_longest_goes_when_there_are_too_many(pool, monkeypatch):
    monkeypatch.setattr(connect, "IDLE_IN_ALL", 2)
    now = [100.0]
    monkeypatch.setattr(connect, "time", SimpleNamespace(monotonic=lambda: now[0]))  # of this module alone
    answer = always(reply(b"x"))
    with Server(answer, "127.0.0.2") as a, Server(answer, "127.0.0.3") as b, Server(answer, "127.0.0.4") as c:
        for server in (b, a, c):
            pool.release(asked(pool, server.url))
            now[0] += 1.0

        assert [asked(pool, one.url).reused for one in (b, a, c)] == [False, True, True]


def test_closing_closes_what_is_idle(pool, server):
    pooled = asked(pool, server.url)
    pool.release(pooled)

    pool.close()

    assert pooled.connection.sock is None
    assert asked(pool, server.url).reused is False


def test_a_watch_that_was_broken_breaks_what_it_is_given(pool, server):
    broken = watch()
    broken.abort("net.deadline")
    pooled = borrowed(pool, server.url, broken)

    with pytest.raises(OSError):  # noqa: PT011 - the system's words
        pooled.connect()
        pooled.request(parse(server.url), {}, headers_s=5.0, gap_s=5.0).read()


@pytest.mark.parametrize(
    ("text", "url"), [("proxy.local:3128", "http://proxy.local:3128/"), ("http://10.0.0.1:8", "http://10.0.0.1:8/")]
)
def test_a_proxy_is_read_with_and_without_its_scheme(text, url):
    assert proxy_target(text).url == url


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("https://proxy.local:3128", "cannot use 'https://proxy.local:3128' (an https proxy)"),
        ("http://me:secret@proxy.local", "cannot use 'http://…@proxy.local' (a user name in the address)"),
        ("me:secret@proxy.local", "cannot use '…@proxy.local' (a user name in the address)"),
        ("socks5://proxy.local", "cannot use 'socks5://proxy.local' (socks5: address)"),
    ],
)
def test_what_is_no_proxy_is_said_without_its_password(text, detail):
    with pytest.raises(UsageError) as error:
        proxy_target(text)

    assert detail in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "order"),
    [
        (["1.1.1.1", "2.2.2.2"], ["1.1.1.1", "2.2.2.2"]),
        (["1.1.1.1", "2.2.2.2", "::1", "::2"], ["1.1.1.1", "::1", "2.2.2.2", "::2"]),
        (["::1", "::2", "::3", "1.1.1.1"], ["::1", "1.1.1.1", "::2", "::3"]),
        (["::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"], ["::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"]),
    ],
)
def test_families_take_turns(given, order):
    assert [str(one) for one in interleaved(list(map(ip_address, given)))] == order


def test_the_first_address_that_accepts_is_taken(server):
    connected = dial([ip_address("127.0.0.9"), ip_address("127.0.0.1")], server.port, timeout_s=5.0)

    assert connected.getpeername() == ("127.0.0.1", server.port)
    assert connected.gettimeout() == 5.0
    connected.close()


def test_the_last_refusal_is_the_error_when_all_refuse(server):
    with pytest.raises(ConnectionRefusedError):
        dial([ip_address("127.0.0.9"), ip_address("127.0.0.8")], server.port, timeout_s=5.0)


def test_a_connection_that_was_given_back_is_not_broken_by_the_watch_it_had(pool, server):
    first = watch()
    pooled = borrowed(pool, server.url, first)
    pooled.connect()
    pooled.request(parse(server.url), {}, headers_s=5.0, gap_s=5.0).read()
    pool.release(pooled)

    first.abort("net.deadline")

    assert asked(pool, server.url) is pooled


@pytest.mark.parametrize(
    ("url", "proxy", "tunnel", "asked_host"),
    [
        ("https://a.org/", "", None, "a.org"),
        ("https://a.org/", "p.org:3128", "a.org", "p.org"),
        ("http://a.org/", "p.org:3128", None, "p.org"),
        ("http://a.org/", "", None, "a.org"),
    ],
)
def test_only_an_encrypted_address_behind_a_proxy_needs_a_tunnel(url, proxy, tunnel, asked_host):
    made = ConnectionPool(Guard(), proxy=proxy).acquire(parse(url), watch(), connect_s=1.0)

    assert (made.connection._tunnel_host, made.connection.host) == (tunnel, asked_host)
    assert made.failure == ("net.proxy" if proxy else "net.connect")
    made.close()


# which of several addresses is connected to


@pytest.fixture
def hanging():
    """Sockets that never come to be connected, and what was started."""
    pairs, started = [], []

    def start(selector, address, port):
        started.append(str(address))
        one, other = socket.socketpair()
        pairs.append((one, other))
        one.setblocking(False)
        if str(address) != "1.1.1.9":  # that one answers at once
            with contextlib.suppress(BlockingIOError):
                while True:
                    one.send(bytes(65536))
        selector.register(one, selectors.EVENT_WRITE)

    yield start, pairs, started
    for pair in pairs:
        for one in pair:
            one.close()


def test_addresses_that_never_answer_end_with_the_time_and_leave_nothing_open(hanging, monkeypatch):
    start, pairs, started = hanging
    monkeypatch.setattr(dial_module, "_start", start)
    monkeypatch.setattr(dial_module, "HEAD_START_SECONDS", 0.001)

    with pytest.raises(TimeoutError, match=r"^no address answered within 0\.05 s$"):
        dial([ip_address("1.1.1.1"), ip_address("::1"), ip_address("2.2.2.2")], 80, timeout_s=0.05)

    assert started == ["1.1.1.1", "::1", "2.2.2.2"]
    assert [one.fileno() for one, _ in pairs] == [-1] * 3


def test_the_second_address_gets_its_turn_while_the_first_one_hangs_and_the_loser_is_closed(hanging, monkeypatch):
    start, pairs, started = hanging
    monkeypatch.setattr(dial_module, "_start", start)
    monkeypatch.setattr(dial_module, "HEAD_START_SECONDS", 0.001)

    connected = dial([ip_address("1.1.1.1"), ip_address("1.1.1.9"), ip_address("2.2.2.2")], 80, timeout_s=30)

    assert connected is pairs[1][0]
    assert connected.gettimeout() == 30
    assert started == ["1.1.1.1", "1.1.1.9"]
    assert pairs[0][0].fileno() == -1


def test_an_address_is_dialled_without_waiting_for_it(server):
    with selectors.DefaultSelector() as selector:
        assert dial_module._start(selector, ip_address("127.0.0.1"), server.port) is None
        (key,) = selector.get_map().values()

        assert key.fileobj.getblocking() is False
        assert key.events == selectors.EVENT_WRITE
        key.fileobj.close()


@pytest.mark.parametrize(("text", "family"), [("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)])
def test_each_address_is_dialled_in_its_own_family(monkeypatch, text, family):
    made = []

    class Refusing(socket.socket):
        def __init__(self, *kind):
            super().__init__(*kind)
            made.append((self, kind))

        def connect_ex(self, address):
            return errno.ENETUNREACH

    monkeypatch.setattr(dial_module.socket, "socket", Refusing)
    with selectors.DefaultSelector() as selector:
        dial_module._start(selector, ip_address(text), 80)

    assert [kind for _, kind in made] == [(family, socket.SOCK_STREAM)]


def test_an_address_that_refuses_at_once_is_no_candidate(monkeypatch):
    class Refusing(socket.socket):
        def connect_ex(self, address):
            return errno.ENETUNREACH

    made = []
    monkeypatch.setattr(dial_module.socket, "socket", lambda *kind: made.append(Refusing(*kind)) or made[-1])
    with selectors.DefaultSelector() as selector:
        error = dial_module._start(selector, ip_address("127.0.0.1"), 80)

        assert error.errno == errno.ENETUNREACH
        assert not selector.get_map()
    assert made[0].fileno() == -1
