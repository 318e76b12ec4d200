"""Parse an address of the web once and strictly, into the parts that are connected to and sent."""

import html
import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

import idna

from imgkit.manifest.addresses import with_scheme

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS: Final = {"http": 80, "https": 443}
LONGEST_ADDRESS: Final = 8192  # characters; what servers accept for a request line
LONGEST_HOST: Final = 1000  # characters as written; encoded and checked it has at most 253
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}$")  # as lenient as browsers: some hosts have names that end with a hyphen
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_STRAY_PERCENT = re.compile(r"%(?![0-9a-fA-F]{2})")
_SAFE = "/%:@!$&'()*+,;=~-._[]"


class RefusedAddress(Exception):
    """An address that is not contacted. ``reason`` is a code of :mod:`imgkit.reasons`."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Target:
    """An address in the parts that matter.

    ``host`` is lower-case ASCII without a trailing dot, or the canonical text of an IP address, which is then in
    ``literal``. ``path`` is what the request line says: percent-encoded, with the query, without the fragment.
    """

    scheme: str
    host: str
    port: int
    path: str
    literal: IPAddress | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port: who is asked, and whose robots.txt counts."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def url(self) -> str:
        """The whole address."""
        return self.origin + self.path


def parse(url: str, *, base: str = "") -> Target:
    """Return the parts of ``url``; blemishes that providers make (spaces, ``&amp;``, ``//host``) are mended.

    Args:
        url: from anywhere.
        base: the address that a relative ``url`` starts from; without one, ``//host/path`` is https.

    Raises:
        Refused: ``net.scheme`` when it is not a well-formed http or https address, ``net.blocked_address`` when the
            host is a number in disguise.
    """
    text = _mended(url, base)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise RefusedAddress("net.scheme", f"not a web address: {error}") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise RefusedAddress("net.scheme", f"{parts.scheme or 'no scheme'}: address")
    if "@" in parts.netloc:
        raise RefusedAddress("net.scheme", "a user name in the address")
    if port == 0:
        raise RefusedAddress("net.port", "port 0")
    host, literal = _host(parts.hostname or "")
    return Target(
        scheme=parts.scheme,
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        path=_path(parts.path, parts.query),
        literal=literal,
    )


def _mended(url: str, base: str) -> str:
    text = url.strip()
    if len(text) > LONGEST_ADDRESS:
        raise RefusedAddress("net.scheme", f"an address of {len(text):,} characters")
    if _CONTROL.search(text):
        raise RefusedAddress("net.scheme", "control characters in the address")
    if "&amp;" in text:
        text = html.unescape(text)
    if base:
        try:
            text = urljoin(base, text)
        except ValueError as error:
            raise RefusedAddress("net.scheme", f"not a web address: {error}") from error
    else:
        text = with_scheme(text)
    scheme = _SCHEME.match(text)
    if not scheme or scheme[1].lower() not in DEFAULT_PORTS:
        raise RefusedAddress(
            "net.scheme", f"{scheme[1].lower()[:20]}: address" if scheme else "no scheme in the address"
        )
    authority = re.split(r"[/?#]", text[scheme.end() :].removeprefix("//"), maxsplit=1)[0]
    if "\\" in authority or re.search(r"\s", authority):
        raise RefusedAddress("net.scheme", "a backslash or space in the host name")
    return text


def _host(name: str) -> tuple[str, IPAddress | None]:
    if ":" in name:
        return _ipv6(name)
    if len(name) > LONGEST_HOST:
        raise RefusedAddress("net.scheme", f"a host name of {len(name):,} characters")
    host = _mapped(name).removesuffix(".")
    if not host:
        raise RefusedAddress("net.scheme", "no host in the address")
    if _looks_like_a_number(host):
        return _ipv4(host, as_written=name)
    try:
        host = ".".join(map(_ascii_label, host.split(".")))
    except UnicodeError as error:
        raise RefusedAddress("net.scheme", f"not a host name: {error}") from error
    if len(host) > 253 or not all(_LABEL.match(label) for label in host.split(".")):
        raise RefusedAddress("net.scheme", "not a host name")
    return host, None


def _mapped(name: str) -> str:
    """Return a host name in the form of UTS 46, as browsers map it: "ß" stays, full-width letters do not."""
    if name.isascii():
        return name.lower()
    try:
        text = idna.uts46_remap(name, std3_rules=False, transitional=False)
    except idna.IDNAError as error:
        raise RefusedAddress("net.scheme", f"not a host name: {error}") from error
    return unicodedata.normalize("NFKC", text).replace("\u3002", ".").lower()


def _ascii_label(label: str) -> str:
    """Return a label as it is asked for in the DNS; signs that IDNA 2008 leaves out are coded as browsers code them."""
    if label.isascii():
        return label
    try:
        return idna.alabel(label).decode("ascii")
    except idna.IDNAError:
        return f"xn--{label.encode('punycode').decode('ascii')}"


def _looks_like_a_number(host: str) -> bool:
    """As browsers decide: when the last label is a number, the whole is meant as an IPv4 address."""
    last = host.rsplit(".", 1)[-1]
    return last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) is not None


def _ipv4(host: str, *, as_written: str) -> tuple[str, IPAddress]:
    try:
        address = ipaddress.IPv4Address(host)
    except ValueError as error:
        raise RefusedAddress("net.blocked_address", f"{as_written} is a number in disguise") from error
    if as_written.removesuffix(".") != str(address):
        raise RefusedAddress("net.blocked_address", f"{as_written} is {address} in disguise")
    return str(address), address


def _ipv6(name: str) -> tuple[str, IPAddress]:
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError as error:
        raise RefusedAddress("net.scheme", f"not an IPv6 address: {name}") from error
    if address.scope_id:
        raise RefusedAddress("net.blocked_address", f"{name} is bound to an interface")
    return str(address), address


def _path(path: str, query: str) -> str:
    text = quote(_STRAY_PERCENT.sub("%25", path or "/"), safe=_SAFE)
    if not text.startswith("/"):
        text = f"/{text}"
    return f"{text}?{quote(_STRAY_PERCENT.sub('%25', query), safe=_SAFE + '?')}" if query else text
