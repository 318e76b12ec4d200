"""The address guard: whatever an address looks like, a private network is never connected to."""

import ipaddress
import itertools

import pytest

from imgkit.errors import UsageError
from imgkit.net.addresses import RefusedAddress, parse
from imgkit.net.dns import Lookup
from imgkit.net.fetch import Fetcher
from imgkit.net.guard import Allowed, Guard, why_not_public
from imgkit.net.outcomes import Failure
from loopback import Server, always, reply

JPEG = b"\xff\xd8\xff\xe0" + bytes(2000)

NOT_PUBLIC = """
0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.254 127.0.0.1 127.1.2.3 127.255.255.254 169.254.169.254
172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1 192.168.255.255 198.18.0.1
198.19.255.255 198.51.100.7 203.0.113.9 224.0.0.1 239.1.1.1 240.0.0.1 255.255.255.255
:: ::1 ::127.0.0.1 ::a00:1 ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:8.8.8.8
64:ff9b::127.0.0.1 64:ff9b::a00:1 64:ff9b::192.168.1.1 64:ff9b:1::a00:1 64:ff9b:1::8.8.8.8 100::1 2001::1
2001:0:7f00:1:: 2001:10::1 2001:db8::1 2002:7f00:1:: 2002:a00:1:: 2002:c0a8:101:: 2002:a9fe:a9fe:: 3fff::1 5f00::1
fc00::1 fd00::2 fe80::1 fec0::1 ff02::1 ff0e::1 2606:4700::5efe:10.0.0.1 2606:4700::200:5efe:127.0.0.1
4000::1 e000::1
""".split()  # noqa: SIM905 - a table
PUBLIC = """
1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.1 93.184.216.34 100.63.255.255 100.128.0.1 172.15.255.255 172.32.0.1 191.255.0.1
192.167.255.255 192.169.0.1 198.17.255.255 198.20.0.1 223.255.255.254 2606:4700:4700::1111 2a00:1450:4001:81b::200e
2001:4860:4860::8888 64:ff9b::8.8.8.8 2002:808:808::1 2606:4700::5efe:8.8.8.8
""".split()  # noqa: SIM905

LOOPBACK_SPELLINGS = [
    "127.0.0.1", "127.0.0.1.", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F000001", "017700000001",
    "0177.0.0.1", "0x7f.0.0.1", "127.0.0.0x1", "127.000.000.001", "①②⑦.⓪.⓪.①", "127。0。0。1", "１２７.0.0.1",
    "127.0.0.1%00", "0", "0.0.0.0", "localhost", "LOCALHOST", "localhost.", "a.localhost", "loopback", "canary.local",
    "canary.internal", "x.home.arpa", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "[::127.0.0.1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::1%lo]", "[fe80::1%25eth0]",
    "127.0.0.1\\@example.org", "example.org@127.0.0.1", "user:secret@127.0.0.1", "ｌｏｃａｌｈｏｓｔ", "10.0.0.1",
    "169.254.169.254", "[fd00::2]", "192.168.1.1", "172.16.0.1", "100.64.0.1", "[ff02::1]", "224.0.0.1",
    "255.255.255.255", "198.18.0.1", "[fec0::1]", "", ".", "..", "a..example.org",
]  # fmt: skip


@pytest.fixture(scope="module")
def canary():
    """A server on this machine that would answer anyone, over IPv4 and IPv6."""
    with Server(always(reply(JPEG)), "127.0.0.1") as four, Server(always(reply(JPEG)), "::1", four.port) as six:
        four.other = six
        yield four


def fetcher_with(guard):
    return Fetcher(guard, user_agent="imgkit-test")


def resolving(answers):
    """A resolver that knows these names; each value is a list of answers for one lookup after the other."""
    asked = {name: itertools.cycle(each) for name, each in answers.items()}

    def resolve(host):
        if host not in asked:
            raise OSError("no such name")
        return next(asked[host])

    return Lookup(resolve, timeout_s=2)


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_an_address_outside_the_public_internet_is_known(text):
    assert why_not_public(ipaddress.ip_address(text)) != ""


@pytest.mark.parametrize("text", PUBLIC)
def test_a_public_address_passes(text):
    assert why_not_public(ipaddress.ip_address(text)) == ""


@pytest.mark.parametrize("host", LOOPBACK_SPELLINGS)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_spelling_of_a_private_host_reaches_it(canary, scheme, host):
    before = canary.connections + canary.other.connections
    fetcher = fetcher_with(Guard(ports=frozenset({canary.port}), lookup=resolving({})))

    answer = fetcher.fetch(f"{scheme}://{host}:{canary.port}/secret.jpg")

    fetcher.close()
    assert isinstance(answer, Failure)
    assert answer.reason in ("net.blocked_address", "net.scheme")
    assert canary.connections + canary.other.connections == before


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_a_public_name_that_resolves_to_a_private_address_is_refused_before_anyone_is_contacted(canary, text):
    before = canary.connections + canary.other.connections
    guard = Guard(ports=frozenset({canary.port}), lookup=resolving({"pictures.example.org": [["8.8.8.8", text]]}))
    fetcher = fetcher_with(guard)

    answer = fetcher.fetch(f"http://pictures.example.org:{canary.port}/a.jpg")

    fetcher.close()
    assert answer.reason == "net.blocked_address"
    assert not answer.transient
    assert canary.connections + canary.other.connections == before


@pytest.mark.parametrize(
    "location",
    [
        *(f"http://{host}:{{port}}/secret" for host in LOOPBACK_SPELLINGS if "%" not in host and host),
        "//127.0.0.1:{port}/secret",
        "http:127.0.0.1:{port}/secret",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "http://rebound.example.org:{port}/secret",
    ],
)
def test_no_redirect_leads_to_a_private_host(canary, location):
    before = canary.connections + canary.other.connections
    target = location.replace("{port}", str(canary.port))
    moved = reply(status="302 Found", headers=[f"Location: {target}"]).decode().encode("utf-8")
    with Server(always(moved), "127.0.0.2") as open_server:
        guard = Guard(
            Allowed.read([open_server.host]),
            ports=frozenset({canary.port}),
            lookup=resolving({"rebound.example.org": [["127.0.0.1"]]}),
        )
        fetcher = fetcher_with(guard)

        answer = fetcher.fetch(f"{open_server.url}/a.jpg")

        fetcher.close()
        assert open_server.connections >= 1
    assert answer.reason in ("net.blocked_address", "net.scheme", "net.redirect", "net.port", "http.4xx")
    assert canary.connections + canary.other.connections == before


def test_the_address_that_was_checked_is_the_one_connected_to():
    """A name that is public when it is checked and private when it is used again leads nowhere new."""
    answers = {"rebinding.example.org": [["8.8.8.8"], ["127.0.0.1"]]}
    guard = Guard(lookup=resolving(answers))

    first = guard.addresses(guard.check("http://rebinding.example.org/"))
    second = guard.addresses(guard.check("http://rebinding.example.org/"))

    assert [str(one) for one in first + second] == ["8.8.8.8", "8.8.8.8"]


def test_an_own_public_address_is_refused():
    guard = Guard(is_ours=lambda address: str(address) == "8.8.4.4")

    with pytest.raises(RefusedAddress, match="this machine") as refused:
        guard.check("http://8.8.4.4/")

    assert refused.value.reason == "net.blocked_address"


@pytest.mark.parametrize("port", [0, 1, 22, 25, 81, 3306, 5432, 6379, 8081, 11211, 65535])
def test_only_ports_of_web_servers_are_asked(port):
    with pytest.raises(RefusedAddress) as refused:
        Guard().check(f"http://pictures.example.org:{port}/a.jpg")

    assert refused.value.reason == "net.port"


@pytest.mark.parametrize(
    ("entry", "url", "allowed"),
    [
        ("127.0.0.5", "http://127.0.0.5:9999/", True),
        ("127.0.0.5:9999", "http://127.0.0.5:9999/", True),
        ("127.0.0.5:9999", "http://127.0.0.5:9998/", False),
        ("127.0.0.5:9999", "http://127.0.0.6:9999/", False),
        ("127.0.0.0/8", "http://127.3.2.1/", True),
        ("127.0.0.0/8:8080", "http://127.3.2.1:8080/", True),
        ("127.0.0.0/8:8080", "http://127.3.2.1:8000/", False),
        ("[::1]:9000", "http://[::1]:9000/", True),
        ("::1", "http://[::1]:9000/", True),
        ("fd00::/8", "http://[fd12::1]/", True),
        ("nas.local", "http://NAS.local./", True),
        ("nas.local:8080", "http://nas.local:8080/", True),
        ("nas.local:8080", "http://nas.local/", False),
        ("nas.local", "http://other.local/", False),
        ("localhost", "http://localhost:5000/", True),
    ],
)
def test_an_exception_allows_what_it_names_and_nothing_else(entry, url, allowed):
    guard = Guard(Allowed.read([entry]))

    try:
        guard.check(url)
    except RefusedAddress:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize("entry", ["nas.local:0", "nas.local:port", "http://nas.local", "[::1", "10.0.0.0/33", "a b"])
def test_an_exception_that_cannot_be_read_is_named(entry):
    with pytest.raises(UsageError, match="allow-private-hosts"):
        Allowed.read([entry])


def test_an_exception_is_logged(caplog):
    with caplog.at_level("WARNING"):
        Guard(Allowed.read(["10.0.0.0/8:8080"]))

    assert "private network allowed: 10.0.0.0/8:8080" in caplog.text


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("HTTP://Pictures.Example.ORG./a b.jpg", "http://pictures.example.org/a%20b.jpg"),
        ("//cdn.example.org/x.jpg", "https://cdn.example.org/x.jpg"),
        ("https://example.org/p?a=1&amp;b=2", "https://example.org/p?a=1&b=2"),
        ("https://münchen.example/café.jpg", "https://xn--mnchen-3ya.example/caf%C3%A9.jpg"),
        ("https://example.org:443/100%.jpg#top", "https://example.org/100%25.jpg"),
        ("https://example.org/a%20b%2Fc.jpg?q=ä", "https://example.org/a%20b%2Fc.jpg?q=%C3%A4"),
        ("  https://example.org  ", "https://example.org/"),
        ("https://example.org?x=1", "https://example.org/?x=1"),
        ("http://[2606:4700:0::1]:8080/x", "http://[2606:4700::1]:8080/x"),
    ],
)
def test_blemishes_of_an_address_are_mended(url, clean):
    assert parse(url).url == clean
    assert parse(clean).url == clean


@pytest.mark.parametrize(
    "url",
    ["", "x", "/a.jpg", "data:image/png;base64,AA", "blob:https://example.org/1", "ftp://example.org/a.jpg",
     "file:///etc/passwd", "javascript:1", "http://", "http:///a.jpg", "http://[::1/", "http://a\x00b.example.org/",
     "http://exa mple.org/", "http://example.org:99999/", "http://example.org:x/", "http://" + "a" * 64 + ".org/",
     "http://example.org/" + "a" * 9000, "mailto:a@example.org", "http://a/b@c\\d\n/"],
)  # fmt: skip
def test_what_is_no_web_address_is_refused_and_never_crashes(url):
    with pytest.raises(RefusedAddress) as refused:
        parse(url)

    assert refused.value.reason in ("net.scheme", "net.port")
