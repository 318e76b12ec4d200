"""Take keys out of what is written: logs, errors, answers that are kept."""

import base64
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

SHORTEST: Final = 6
"""Characters of a secret; shorter values are words of every text."""

_SECRET_NAME: Final = re.compile(
    r"(KEY|SECRET|TOKEN|PASSWORD|PASSPHRASE|CREDENTIALS|CLIENT_ID|GOOGLE_CX)$", re.IGNORECASE
)
_SECRET_PARAMETER: Final = re.compile(r"key|secret|token|pass|auth|cred|sig", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://\S+")


class Redactor:
    """Replaces secrets by their names, in whatever form they stand: as they are, percent-encoded, in JSON or base64.

    Args:
        secrets: name to secret; those of fewer than ``SHORTEST`` characters are left alone.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._names: dict[str, str] = {}
        self._pattern: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Mapping[str, str]) -> None:
        """Take further secrets, as for the constructor."""
        for name, secret in secrets.items():
            if len(secret) >= SHORTEST:
                self._names |= {form.lower(): name for form in _forms(secret)}
        # the longest first: one secret may begin with another
        alternatives = "|".join(re.escape(form) for form in sorted(self._names, key=len, reverse=True))
        self._pattern = re.compile(alternatives, re.IGNORECASE) if self._names else None

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "Redactor":
        """Return one for the variables whose names say that they are secret, and for passwords in addresses."""
        found = {name: value.strip() for name, value in environ.items() if _SECRET_NAME.search(name)}
        for name, value in environ.items():
            for number, secret in enumerate(secrets_of(value)):
                found[f"{name} {number + 1}" if number else name] = secret
        return cls(found)

    def text(self, text: str) -> str:
        """Return ``text`` with ``[NAME]`` in place of each secret."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: f"[{self._names.get(found[0].lower(), 'key')}]", text)

    def data(self, data: bytes) -> bytes:
        """Return the same for bytes of any encoding."""
        if self._pattern is None:
            return data
        return self.text(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def without_objects(text: str) -> str:
    """Return an error's text without the addresses of objects in memory, which tell nobody anything."""
    return re.sub(r"\s*<?[\w.]+ object at 0x[0-9a-fA-F]+>?:?", "", text).strip()


def without_password(address: str) -> str:
    """Return an address with ``…`` in place of the name and password in front of its host."""
    return re.sub(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)?[^/?#]*@", lambda found: f"{found[1] or ''}…@", address)


def shown_address(address: str) -> str:
    """Return an address as it may be printed and kept: without a name and password, and without its query."""
    return re.sub(r"\?.*", "?…", without_password(address), count=1, flags=re.DOTALL) if "://" in address else address


def secrets_of(text: str) -> list[str]:
    """Return what is secret in the addresses in a text: passwords, and values of parameters that are called a key."""
    found: dict[str, None] = {}
    for address in _ADDRESS.findall(text):
        try:
            parts = urlsplit(address)
            pairs = parse_qsl(parts.query)
        except ValueError:
            continue
        name, at, _ = parts.netloc.rpartition("@")
        if at:
            user, colon, password = name.partition(":")
            found |= dict.fromkeys((password, unquote(password)) if colon else (user, unquote(user)))
        found |= dict.fromkeys(value for key, value in pairs if _SECRET_PARAMETER.search(key))
    return [secret for secret in found if len(secret) >= SHORTEST]


def _forms(secret: str) -> Iterable[str]:
    once = quote(secret, safe="")
    in_json = json.dumps(secret)[1:-1]
    yield from (secret, quote(secret), once, quote_plus(secret), quote(once, safe=""))
    yield from (in_json, in_json.replace("/", "\\/"), repr(secret)[1:-1])
    yield base64.b64encode(secret.encode("utf-8", "surrogatepass")).decode("ascii")
