"""The rules of the guard one by one, with the reason and the words of each refusal; nobody is contacted."""

import ipaddress
import socket

import pytest

from imgkit.net import guard as guard_module
from imgkit.net.addresses import RefusedAddress, Target, parse
from imgkit.net.dns import Lookup, LookupFailedError
from imgkit.net.guard import (
    IPV4_NOT_PUBLIC,
    IPV6_NOT_PUBLIC,
    IPV6_PUBLIC,
    PORTS,
    PRIVATE_NAMES,
    Allowed,
    Guard,
    allowed_by,
    is_own_address,
    is_private_name,
    why_not_public,
)

NOBODY = lambda address: False  # noqa: E731


def refusal(call, *arguments):
    """The reason and the words of a refusal, ("", "") when there is none."""
    try:
        call(*arguments)
    except RefusedAddress as refused:
        return refused.reason, refused.detail
    return "", ""


def guarded(*allowed, names=None, ours=NOBODY):
    """A guard with exceptions, which resolves these names."""

    def resolve(host):
        return (names or {})[host]

    return Guard(Allowed.read(allowed), lookup=Lookup(resolve, timeout_s=5), is_ours=ours)


def test_the_ports_and_names_are_these():
    assert sorted(PORTS) == [80, 443, 8000, 8080, 8443]
    assert PRIVATE_NAMES == ("localhost", "local", "internal", "localdomain", "home.arpa")


@pytest.mark.parametrize("port", [80, 443, 8000, 8080, 8443])
@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700:4700::1111]", "pictures.example.org"])
def test_a_public_host_on_a_port_of_web_servers_passes(host, port):
    assert guarded().check(f"http://{host}:{port}/a").port == port


@pytest.mark.parametrize("port", [22, 81, 442, 444, 7999, 8001, 8081, 8442, 8444, 6379, 65535])
@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700:4700::1111]", "pictures.example.org"])
def test_a_public_host_on_an_odd_port_is_refused(host, port):
    assert refusal(guarded().check, f"http://{host}:{port}/") == ("net.port", f"port {port}")


@pytest.mark.parametrize("port", [80, 22])
def test_a_private_host_is_refused_as_private_whatever_its_port(port):
    assert refusal(guarded().check, f"http://10.0.0.1:{port}/") == (
        "net.blocked_address",
        "10.0.0.1 is a private network",
    )
    assert refusal(guarded().check, f"http://nas.local:{port}/") == (
        "net.blocked_address",
        "nas.local is a private name",
    )


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("nas", True),
        ("a.localhost", True),
        ("a.b.local", True),
        ("metadata.google.internal", True),
        ("x.localdomain", True),
        ("x.home.arpa", True),
        ("notlocal.example", False),
        ("mylocalhost.org", False),
        ("local.example.org", False),
        ("arpa.org", False),
        ("home-arpa.org", False),
        ("xlocal.org", False),
        ("example.notlocal", False),
    ],
)
def test_a_name_is_private_by_its_last_labels(host, private):
    assert is_private_name(host) is private


@pytest.mark.parametrize("answers", [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["10.0.0.1"]])
def test_every_address_of_a_name_must_be_public(answers):
    guard = guarded(names={"a.example.org": answers})

    assert refusal(guard.addresses, parse("http://a.example.org/")) == (
        "net.blocked_address",
        "10.0.0.1 is a private network",
    )


def test_the_addresses_of_a_public_name_come_in_their_order():
    guard = guarded(names={"a.example.org": ["8.8.8.8", "2606:4700::1", "1.1.1.1"]})

    assert [str(one) for one in guard.addresses(parse("http://a.example.org/"))] == [
        "8.8.8.8",
        "2606:4700::1",
        "1.1.1.1",
    ]


def test_a_name_that_leads_to_this_machine_by_its_public_address_is_refused():
    guard = guarded(names={"a.example.org": ["8.8.8.8"]}, ours=lambda address: str(address) == "8.8.8.8")

    assert refusal(guard.addresses, parse("http://a.example.org/")) == (
        "net.blocked_address",
        "8.8.8.8 is this machine",
    )


def test_a_port_that_some_network_is_allowed_with_is_allowed_there_only():
    guard = guarded("10.0.0.0/8:9000", names={"in.example.org": ["10.1.2.3"], "out.example.org": ["8.8.8.8"]})

    inside, outside = (guard.check(f"http://{name}.example.org:9000/") for name in ("in", "out"))

    assert [str(one) for one in guard.addresses(inside)] == ["10.1.2.3"]
    assert refusal(guard.addresses, outside) == ("net.port", "port 9000")
    assert refusal(guard.check, "http://in.example.org:9001/") == ("net.port", "port 9001")
    assert refusal(guarded("10.0.0.0/8").check, "http://in.example.org:9001/") == ("", "")


def test_an_allowed_name_may_resolve_to_anything_on_its_port_only():
    names = {"nas.local": ["10.0.0.7"], "pictures.example.org": ["10.0.0.8"]}
    guard = guarded("nas.local:9000", "pictures.example.org", names=names)

    assert [str(one) for one in guard.addresses(guard.check("http://nas.local:9000/"))] == ["10.0.0.7"]
    assert [str(one) for one in guard.addresses(guard.check("http://pictures.example.org:22/"))] == ["10.0.0.8"]
    assert refusal(guard.check, "http://nas.local:9001/")[0] == "net.blocked_address"
    assert refusal(guard.addresses, parse("http://nas.local/"))[0] == "net.blocked_address"


def test_a_literal_address_is_checked_again_when_it_is_connected_to():
    assert refusal(guarded().addresses, parse("http://127.0.0.1/"))[0] == "net.blocked_address"
    assert refusal(guarded("127.0.0.1:80").addresses, parse("http://127.0.0.1:81/"))[0] == "net.blocked_address"
    assert guarded("127.0.0.1:81").addresses(parse("http://127.0.0.1:81/")) == (ipaddress.ip_address("127.0.0.1"),)


@pytest.mark.parametrize(
    ("allowed", "url", "private"),
    [
        ("nas.local", "http://nas.local/", True),
        ("nas.local:81", "http://nas.local/", False),
        ("10.0.0.0/8", "http://10.1.1.1/", True),
        ("10.0.0.0/8:81", "http://10.1.1.1/", False),
        ("fd00::/8", "http://[fd00::1]/", True),
        ("10.0.0.0/8", "http://pictures.example.org/", False),
        ("nas.local", "http://8.8.8.8/", False),
    ],
)
def test_an_own_server_is_one_that_was_allowed(allowed, url, private):
    assert guarded(allowed).is_private(parse(url)) is private


def test_exceptions_come_from_the_environment_and_from_arguments():
    allowed = allowed_by({"IMGKIT_ALLOW_PRIVATE_HOSTS": " nas.local , 10.0.0.0/8:81,"}, "b.local:9")

    assert allowed == Allowed(
        names=frozenset({("nas.local", None), ("b.local", 9)}),
        networks=((ipaddress.ip_network("10.0.0.0/8"), 81),),
    )
    assert allowed_by({}) == Allowed()


@pytest.mark.parametrize(
    ("network", "port", "address", "allowed"),
    [
        ("0.0.0.0/0", 80, "::1", False),
        ("::/0", 80, "1.1.1.1", False),
        ("10.0.0.0/8:81", 80, "10.0.0.1", False),
        ("10.0.0.0/8:81", 81, "10.0.0.1", True),
        ("10.0.0.0/8", 81, "11.0.0.1", False),
        ("10.0.0.7", 5, "10.0.0.7", True),
        ("10.0.0.7", 5, "10.0.0.8", False),
    ],
)
def test_an_address_is_allowed_by_a_network_of_its_version_and_port(network, port, address, allowed):
    assert Allowed.read([network]).address(ipaddress.ip_address(address), port) is allowed


class Connected:
    """A socket that is connected to some address."""

    def __init__(self, peer):
        self.peer, self.closed = peer, False

    def getpeername(self):
        if self.peer is None:
            raise OSError("not connected")
        return self.peer

    def close(self):
        self.closed = True


@pytest.mark.parametrize(
    ("peer", "reason"),
    [
        (("8.8.8.8", 80), ""),
        (("8.8.4.4", 80), "net.blocked_address"),
        (("127.0.0.1", 80), "net.blocked_address"),
        (("2606:4700::1%eth0", 80, 0, 0), ""),
    ],
)
def test_a_connection_to_an_address_that_was_not_checked_is_closed(monkeypatch, peer, reason):
    connected, dialled = Connected(peer), []
    monkeypatch.setattr(
        guard_module,
        "dial",
        lambda addresses, port, timeout_s: dialled.append((list(map(str, addresses)), port, timeout_s)) or connected,
    )
    guard = guarded(names={"a.example.org": ["8.8.8.8", "2606:4700::1"]})

    found = refusal(lambda: guard.connect(guard.check("http://a.example.org/"), timeout_s=3.0))

    assert found[0] == reason
    assert connected.closed is bool(reason)
    assert dialled == [(["8.8.8.8", "2606:4700::1"], 80, 3.0)]


def test_a_connection_that_cannot_be_asked_for_its_peer_is_closed(monkeypatch):
    connected = Connected(None)
    monkeypatch.setattr(guard_module, "dial", lambda *_, **__: connected)
    guard = guarded(names={"a.example.org": ["8.8.8.8"]})

    with pytest.raises(OSError, match="not connected"):
        guard.connect(parse("http://a.example.org/"), timeout_s=1.0)

    assert connected.closed is True


def test_a_private_address_is_refused_before_it_is_dialled(monkeypatch):
    monkeypatch.setattr(guard_module, "dial", lambda *_, **__: pytest.fail("dialled"))
    guard = guarded(names={"a.example.org": ["127.0.0.1"]})

    assert refusal(lambda: guard.connect(parse("http://a.example.org/"), timeout_s=1.0))[0] == "net.blocked_address"
    assert refusal(lambda: guard.connect(parse("http://127.0.0.1/"), timeout_s=1.0))[0] == "net.blocked_address"
    with pytest.raises(LookupFailedError):
        guard.connect(parse("http://unknown.example.org/"), timeout_s=1.0)


def test_a_proxy_may_stand_anywhere(monkeypatch):
    dialled = []
    monkeypatch.setattr(
        guard_module,
        "dial",
        lambda addresses, port, timeout_s: dialled.append((list(map(str, addresses)), port, timeout_s)),
    )
    guard = guarded(names={"proxy.local": ["10.0.0.9"]})

    guard.connect_to_proxy(parse("http://127.0.0.1:3128"), timeout_s=2.0)
    guard.connect_to_proxy(parse("http://proxy.local:3129"), timeout_s=2.5)

    assert dialled == [(["127.0.0.1"], 3128, 2.0), (["10.0.0.9"], 3129, 2.5)]


def test_an_address_of_this_machine_is_known():
    assert is_own_address(ipaddress.ip_address("127.0.0.1")) is True
    assert is_own_address(ipaddress.ip_address("203.0.113.77")) is False


def test_an_address_that_no_route_leads_to_is_not_ours(monkeypatch):
    def no_socket(*_):
        raise OSError("no such family")

    monkeypatch.setattr(socket, "socket", no_socket)

    assert is_own_address(ipaddress.ip_address("::1")) is False


def test_each_exception_is_logged_with_its_port(caplog):
    with caplog.at_level("WARNING"):
        Guard(Allowed.read(["nas.local:81", "b.local", "10.0.0.0/8", "[fd00::/8]:9"]))

    assert [record.getMessage() for record in caplog.records] == [
        "private host allowed: b.local",
        "private host allowed: nas.local:81",
        "private network allowed: 10.0.0.0/8",
        "private network allowed: fd00::/8:9",
    ]


# the table of networks


def test_the_networks_that_are_not_public_are_these():
    assert [str(network) for network, _ in IPV4_NOT_PUBLIC] == [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    ]
    assert str(IPV6_PUBLIC) == "2000::/3"
    assert [str(network) for network, _ in IPV6_NOT_PUBLIC] == ["2001::/23", "2001:db8::/32", "3fff::/20"]


@pytest.mark.parametrize("network", [network for network, _ in IPV4_NOT_PUBLIC], ids=str)
def test_a_network_is_closed_from_its_first_address_to_its_last(network):
    for inside in (network[0], network[-1]):
        assert why_not_public(inside).startswith(f"{inside} is ")
    for outside in (int(network[0]) - 1, int(network[-1]) + 1):
        if 0 <= outside < 2**32:
            address = ipaddress.IPv4Address(outside)
            elsewhere = any(address in other for other, _ in IPV4_NOT_PUBLIC)
            assert bool(why_not_public(address)) is elsewhere


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("169.254.169.254", "169.254.169.254 is link-local, where clouds serve credentials"),
        ("::ffff:10.0.0.1", "::ffff:a00:1 leads to 10.0.0.1 is a private network"),
        ("::10.0.0.1", "::a00:1 leads to 10.0.0.1 is a private network"),
        ("64:ff9b::10.0.0.1", "64:ff9b::a00:1 leads to 10.0.0.1 is a private network"),
        ("2002:a00:1::", "2002:a00:1:: leads to 10.0.0.1 is a private network"),
        ("2606:4700::5efe:10.0.0.1", "2606:4700::5efe:a00:1 leads to 10.0.0.1 is a private network"),
        ("2606:4700::300:5efe:10.0.0.1", "2606:4700::300:5efe:a00:1 leads to 10.0.0.1 is a private network"),
        ("fd00::1", "fd00::1 is not a public IPv6 address"),
        ("2001:db8::1", "2001:db8::1 is for documentation"),
        ("2001:1ff::1", "2001:1ff::1 is reserved for protocols, Teredo among them"),
        ("2001:200::1", ""),
        ("3fff:fff::1", "3fff:fff::1 is for documentation"),
        ("3fff:1000::1", ""),
        ("1fff:ffff::1", "1fff:ffff::1 is not a public IPv6 address"),
        ("64:ff9b::8.8.8.8", ""),
        ("64:ff9b:0:0:0:1:8.8.8.8", "64:ff9b::1:808:808 is not a public IPv6 address"),
        ("2606:4700::400:5efe:10.0.0.1", ""),
    ],
)
def test_why_an_address_is_not_public(text, why):
    found = why_not_public(ipaddress.ip_address(text))

    assert found.replace("::ffff:10.0.0.1", "::ffff:a00:1") == why


# addresses


def test_the_parts_of_an_address():
    assert parse("https://Example.org:8443/a/b.jpg?x=1#y") == Target(
        scheme="https", host="example.org", port=8443, path="/a/b.jpg?x=1"
    )
    assert parse("http://[2606:4700::1]/") == Target(
        scheme="http", host="2606:4700::1", port=80, path="/", literal=ipaddress.ip_address("2606:4700::1")
    )
    assert (parse("http://example.org:80/").port, parse("https://example.org/").port) == (80, 443)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://example.org:80/a", "http://example.org"),
        ("http://example.org:443/a", "http://example.org:443"),
        ("https://example.org:443/a", "https://example.org"),
        ("https://[2606:4700::1]:80/a", "https://[2606:4700::1]:80"),
    ],
)
def test_the_origin_is_scheme_host_and_port(url, origin):
    assert parse(url).origin == origin


@pytest.mark.parametrize(
    ("url", "base", "clean"),
    [
        ("b.jpg", "http://example.org/a/c.jpg", "http://example.org/a/b.jpg"),
        ("/b.jpg", "http://example.org/a/c.jpg", "http://example.org/b.jpg"),
        ("//other.org/b.jpg", "http://example.org/a", "http://other.org/b.jpg"),
        ("?x=1", "http://example.org/a", "http://example.org/a?x=1"),
        ("https://other.org/", "http://example.org/a", "https://other.org/"),
    ],
)
def test_a_relative_address_starts_from_its_base(url, base, clean):
    assert parse(url, base=base).url == clean


@pytest.mark.parametrize(
    ("url", "reason", "detail"),
    [
        ("file:///etc/passwd", "net.scheme", "file: address"),
        ("a.jpg", "net.scheme", "no scheme in the address"),
        ("http://user@example.org/", "net.scheme", "a user name in the address"),
        ("http://user:secret@example.org/", "net.scheme", "a user name in the address"),
        ("http://@example.org/", "net.scheme", "a user name in the address"),
        ("http://example.org:0/", "net.port", "port 0"),
        ("http:///a", "net.scheme", "no host in the address"),
        ("http://a\x07b.org/", "net.scheme", "control characters in the address"),
        ("http://a\x7fb.org/", "net.scheme", "control characters in the address"),
        ("http://exa mple.org/", "net.scheme", "a backslash or space in the host name"),
        ("http://example.org\\@10.0.0.1/", "net.scheme", "a backslash or space in the host name"),
        ("http://exa$mple.org/", "net.scheme", "not a host name"),
        ("http://example..org/", "net.scheme", "not a host name"),
        ("http://127.1/", "net.blocked_address", "127.1 is a number in disguise"),
        ("http://0x7f.0.0.1/", "net.blocked_address", "0x7f.0.0.1 is a number in disguise"),
        ("http://example.0x/", "net.blocked_address", "example.0x is a number in disguise"),
        ("http://１.1.1.1/", "net.blocked_address", "１.1.1.1 is 1.1.1.1 in disguise"),
        ("http://[fe80::1%25eth0]/", "net.blocked_address", "fe80::1%25eth0 is bound to an interface"),
    ],
)
def test_why_an_address_is_refused(url, reason, detail):
    assert refusal(parse, url) == (reason, detail)


def test_the_longest_address_and_the_longest_names():
    assert refusal(parse, "http://example.org/" + "a" * (8192 - 19)) == ("", "")
    assert refusal(parse, "http://example.org/" + "a" * (8193 - 19)) == ("net.scheme", "an address of 8,193 characters")
    label = "a" * 63
    assert refusal(parse, f"http://{label}.org/") == ("", "")
    assert refusal(parse, f"http://{label}a.org/")[0] == "net.scheme"
    long = ".".join([label, label, label, "a" * 61])  # 253 characters
    assert (len(long), refusal(parse, f"http://{long}/")) == (253, ("", ""))
    assert refusal(parse, f"http://{long}b/")[0] == "net.scheme"
    assert refusal(parse, "http://my_pictures.example.org/") == ("", "")
