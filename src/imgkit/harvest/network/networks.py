"""Which IP addresses belong to the public internet: our own table, since Python's changes with its patch level."""

import ipaddress
from collections.abc import Iterator
from typing import Final

from imgkit.harvest.network.addresses import IPAddress

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
