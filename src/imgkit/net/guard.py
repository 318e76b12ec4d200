"""The address guard: nothing but public web servers is ever connected to, unless a person allowed it by name.

The address that was checked is the address that is connected to: there is no second lookup in between, so a name whose
DNS answer changes (DNS rebinding) cannot lead to a private network. Every redirect is checked too.

Which IP addresses belong to the public internet: our own table, since Python's changes with its patch level."""

import ipaddress
import logging
import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from imgkit.errors import UsageError
from imgkit.net.addresses import IPAddress, RefusedAddress, Target, parse
from imgkit.net.dial import dial
from imgkit.net.dns import Lookup

logger = logging.getLogger(__name__)

PORTS: Final = frozenset({80, 443, 8000, 8080, 8443})
"""Ports on which public pictures are served."""

PRIVATE_NAMES: Final = ("localhost", "local", "internal", "localdomain", "home.arpa")
"""A host of these names, or below them, is not public."""

ALLOW_VARIABLE: Final = "IMGKIT_ALLOW_PRIVATE_HOSTS"
"""Environment variable with exceptions to the guard, separated by commas; see ``Allowed.read``."""

_NAME = re.compile(r"[^\s/?#@:\\]+$")
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a person allowed in spite of the guard: names and networks, each for one port or (None) for all."""

    names: frozenset[tuple[str, int | None]] = frozenset()
    networks: tuple[tuple[Network, int | None], ...] = ()

    @classmethod
    def read(cls, entries: Sequence[str]) -> "Allowed":
        """Read entries of the form host, address or CIDR block, each with an optional ``:port``.

        Raises:
            UsageError: an entry is none of these.
        """
        names: set[tuple[str, int | None]] = set()
        networks: list[tuple[Network, int | None]] = []
        for entry in filter(None, (one.strip() for one in entries)):
            host, port = _split_port(entry)
            try:
                networks.append((ipaddress.ip_network(host, strict=False), port))
            except ValueError:
                if not _NAME.match(host):
                    raise _unreadable(entry) from None
                try:
                    names.add((parse(f"http://{host}/").host, port))
                except RefusedAddress as error:
                    raise _unreadable(entry) from error
        return cls(names=frozenset(names), networks=tuple(networks))

    def name(self, host: str, port: int) -> bool:
        """Say whether this host name is allowed whatever it resolves to."""
        return (host, port) in self.names or (host, None) in self.names

    def address(self, address: IPAddress, port: int) -> bool:
        """Say whether this IP address is allowed."""
        return any(
            address.version == network.version and address in network and only in (None, port)
            for network, only in self.networks
        )

    def port(self, port: int) -> bool:
        """Say whether some network is allowed with this port."""
        return any(only in (None, port) for _, only in self.networks)


class Guard:
    """Decides whom to contact, and makes the connection.

    Args:
        allowed: exceptions; each is logged.
        ports: where public web servers listen.
        lookup: host name to addresses.
        is_ours: says whether an address is this machine's own.
        removed: returns why an address must not be asked for, whoever names it: what was removed on request. "" where
            it may be.
    """

    def __init__(
        self,
        allowed: Allowed = Allowed(),
        *,
        ports: frozenset[int] = PORTS,
        lookup: Lookup | None = None,
        is_ours: Callable[[IPAddress], bool] | None = None,
        removed: Callable[[str], str] = lambda url: "",
    ) -> None:
        self.allowed = allowed
        self._removed = removed
        self._ports = ports
        self.lookup = lookup or Lookup()
        self._is_ours = is_ours or is_own_address
        for name, port in sorted(allowed.names, key=str):
            logger.warning("private host allowed: %s%s", name, f":{port}" if port else "")
        for network, port in allowed.networks:
            logger.warning("private network allowed: %s%s", network, f":{port}" if port else "")

    def check(self, url: str, *, base: str = "") -> Target:
        """Return the parts of an address that may be looked up; asks nobody.

        Raises:
            Refused: see ``addresses.parse``; ``net.port``; ``net.blocked_address`` for private names and addresses;
                ``policy.removed`` for what was removed on request.
        """
        target = parse(url, base=base)
        if why := self._removed(target.url):
            raise RefusedAddress("policy.removed", why)
        if self.allowed.name(target.host, target.port):
            return target
        if target.literal is not None:
            self._check_address(target.literal, target)
            return target
        if is_private_name(target.host):
            raise RefusedAddress("net.blocked_address", f"{target.host} is a private name")
        if target.port not in self._ports and not self.allowed.port(target.port):
            raise RefusedAddress("net.port", f"port {target.port}")
        return target

    def addresses(self, target: Target) -> tuple[IPAddress, ...]:
        """Return the addresses of a checked target, every one of them checked.

        Raises:
            Refused: one of them is not allowed.
            LookupFailedError: there are none.
        """
        if target.literal is not None:
            if not self.allowed.name(target.host, target.port):
                self._check_address(target.literal, target)
            return (target.literal,)
        found = self.lookup(target.host)
        if not self.allowed.name(target.host, target.port):
            for address in found:
                self._check_address(address, target)
        return found

    def connect(self, target: Target, *, timeout_s: float) -> socket.socket:
        """Return a socket connected to a checked address of ``target``.

        Raises:
            Refused, LookupFailedError: as ``addresses``.
            OSError: no connection.
        """
        addresses = self.addresses(target)
        connection = dial(addresses, target.port, timeout_s=timeout_s)
        try:
            peer = ipaddress.ip_address(connection.getpeername()[0].split("%")[0])
            if peer not in addresses:
                raise RefusedAddress("net.blocked_address", f"connected to {peer}, which was not checked")
        except BaseException:
            connection.close()
            raise
        return connection

    def connect_to_proxy(self, proxy: Target, *, timeout_s: float) -> socket.socket:
        """Return a socket connected to the proxy that a person named; where it stands is theirs to know."""
        addresses = (proxy.literal,) if proxy.literal is not None else self.lookup(proxy.host)
        return dial(addresses, proxy.port, timeout_s=timeout_s)

    def is_private(self, target: Target) -> bool:
        """Say whether ``target`` is only reachable because a person allowed it: their own server."""
        if target.literal is None:
            return self.allowed.name(target.host, target.port)
        return self.allowed.name(target.host, target.port) or self.allowed.address(target.literal, target.port)

    def _check_address(self, address: IPAddress, target: Target) -> None:
        if self.allowed.address(address, target.port):
            return
        if why := why_not_public(address):
            raise RefusedAddress("net.blocked_address", why)
        if self._is_ours(address):
            raise RefusedAddress("net.blocked_address", f"{address} is this machine")
        if target.port not in self._ports:
            raise RefusedAddress("net.port", f"port {target.port}")


def allowed_by(environ: Mapping[str, str], *entries: str) -> Allowed:
    """Return the exceptions of the environment and of further ``entries``.

    Raises:
        UsageError: as ``Allowed.read``.
    """
    return Allowed.read([*entries, *environ.get(ALLOW_VARIABLE, "").split(",")])


def is_private_name(host: str) -> bool:
    """Say whether a host name is private by itself, whatever it resolves to: without a dot, or below a private one."""
    return "." not in host or host.endswith(tuple(f".{name}" for name in PRIVATE_NAMES))


def is_own_address(address: IPAddress) -> bool:
    """Say whether an address is one of this machine's interfaces. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect_ex((str(address), 9))  # datagrams: only asks the routing table which address would be ours
            return ipaddress.ip_address(probe.getsockname()[0].split("%")[0]) == address
    except OSError:
        return False


def _split_port(entry: str) -> tuple[str, int | None]:
    host, port = entry, ""
    if entry.startswith("["):
        host, bracket, port = entry[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise _unreadable(entry)
        port = port[1:]
    elif entry.count(":") == 1:
        host, port = entry.split(":")
    if not host or (port and not (port.isdigit() and 0 < int(port) < 65536)):
        raise _unreadable(entry)
    return host, int(port) if port else None


def _unreadable(entry: str) -> UsageError:
    return UsageError(
        f"--allow-private-hosts: cannot read '{entry}'. Nothing was changed. Write a host, an address or a CIDR "
        "block, each with an optional port: nas.local, 10.0.0.7:8080, 192.168.0.0/16"
    )


IPV4_NOT_PUBLIC: Final = tuple(
    (ipaddress.IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "a private network"),
        ("100.64.0.0/10", "a provider's inner network"),
        ("127.0.0.0/8", "this machine"),
        ("169.254.0.0/16", "link-local, where clouds serve credentials"),
        ("172.16.0.0/12", "a private network"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "a private network"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
    )
)
IPV6_PUBLIC: Final = ipaddress.IPv6Network("2000::/3")
IPV6_NOT_PUBLIC: Final = tuple(
    (ipaddress.IPv6Network(network), what)
    for network, what in (
        ("2001::/23", "reserved for protocols, Teredo among them"),
        ("2001:db8::/32", "for documentation"),
        ("3fff::/20", "for documentation"),
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # how networks without IPv4 reach the IPv4 internet
_6TO4: Final = ipaddress.IPv6Network("2002::/16")
_ISATAP: Final = 0x00005EFE
_ISATAP_IGNORED_BITS: Final = 0x03000000  # "universal" and "group" of the interface identifier


def why_not_public(address: IPAddress) -> str:
    """Return what else than the public internet an address belongs to, "" when it is public.

    An IPv6 address that carries an IPv4 address is public only if that one is too.
    """
    if isinstance(address, ipaddress.IPv4Address):
        return next((f"{address} is {what}" for network, what in IPV4_NOT_PUBLIC if address in network), "")
    for inner in _inner(address):
        if why := why_not_public(inner):
            return f"{address} leads to {why}"
    if address in _NAT64:
        return ""
    if address not in IPV6_PUBLIC:
        return f"{address} is not a public IPv6 address"
    return next((f"{address} is {what}" for network, what in IPV6_NOT_PUBLIC if address in network), "")


def _inner(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    number = int(address)
    low = number & 0xFFFFFFFF
    if number >> 32 in (0, 0xFFFF):  # compatible and mapped
        yield ipaddress.IPv4Address(low)
    if address in _NAT64:
        yield ipaddress.IPv4Address(low)
    if address in _6TO4:
        yield ipaddress.IPv4Address((number >> 80) & 0xFFFFFFFF)
    if (number >> 32) & 0xFFFFFFFF & ~_ISATAP_IGNORED_BITS == _ISATAP:
        yield ipaddress.IPv4Address(low)
