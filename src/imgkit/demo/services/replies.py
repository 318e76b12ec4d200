"""What the services that speak JSON share: sending it, reading numbers, and the licences of their pictures."""

import json
from collections.abc import Mapping
from typing import Final

from imgkit.demo.web.exchange import Exchange, Headers

JSON = "application/json; charset=utf-8"
LICENCES: Final[dict[str, tuple[str, str]]] = {
    "by": ("CC BY 2.0", "https://creativecommons.org/licenses/by/2.0/"),
    "by-sa": ("CC BY-SA 2.0", "https://creativecommons.org/licenses/by-sa/2.0/"),
    "by-nc": ("CC BY-NC 2.0", "https://creativecommons.org/licenses/by-nc/2.0/"),
    "by-nd": ("CC BY-ND 2.0", "https://creativecommons.org/licenses/by-nd/2.0/"),
    "by-nc-sa": ("CC BY-NC-SA 2.0", "https://creativecommons.org/licenses/by-nc-sa/2.0/"),
    "by-nc-nd": ("CC BY-NC-ND 2.0", "https://creativecommons.org/licenses/by-nc-nd/2.0/"),
    "cc0": ("CC0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "pdm": ("Public domain", "https://creativecommons.org/publicdomain/mark/1.0/"),
    "arr": ("All rights reserved", ""),
}
"""Names and addresses of the licences that pictures of the world have."""


def send_json(exchange: Exchange, body: object, *, status: int = 200, headers: Headers = ()) -> None:
    """Answer with JSON."""
    data = json.dumps(body, ensure_ascii=False).encode()
    exchange.send(status, data, content_type=JSON, headers=headers)


def whole_number(params: Mapping[str, str], name: str, default: int) -> int:
    """Return a parameter as a number; ``default`` when it is missing, -1 when it is no number."""
    text = params.get(name, "")
    if not text:
        return default
    return int(text) if text.isdigit() else -1


def words(params: Mapping[str, str], name: str) -> list[str]:
    """Return a parameter that is a list with commas."""
    return [word for word in params.get(name, "").split(",") if word]
