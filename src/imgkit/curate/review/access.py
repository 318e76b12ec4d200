"""Who may open the page: the token of a review, the port, and the way a browser gets there."""

import contextlib
import getpass
import hashlib
import hmac
import json
import os
import re
import secrets
import socket
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from imgkit.curate.review.config import DEFAULT_PORT
from imgkit.curate.review.request_filter import AccessRules
from imgkit.errors import ResourceError, UsageError
from imgkit.files import resource_error
from imgkit.manifest import DataFolder

LOOPBACK: Final = "127.0.0.1"
PORTS_TRIED: Final = 10
_TOKEN_BYTES: Final = 32
_PROJECT_BYTES: Final = 6
_PROJECT: Final = re.compile(r"[0-9a-f]{12}")
_OWNER_ONLY: Final = 0o600


def new_token() -> str:
    """Return the token of one review: a new one for each start, so that it opens nothing once the review has ended."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def project_of(folder: DataFolder) -> str:
    """Return the name by which a browser knows a data folder, made on first use; it gives no access to anything.

    It stays the same over restarts, so that a page sends what it could not send before, and to no other folder.
    """
    file = folder.review / "project"
    try:
        project = file.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        project = ""
    if not _PROJECT.fullmatch(project):
        project = secrets.token_hex(_PROJECT_BYTES)
        write_private(file, project)
    return project


def write_private(file: Path, text: str) -> None:
    """Write a small file that only its owner may read.

    Raises:
        ResourceError: it cannot be written.
    """
    temporary = file.with_name(f".tmp-{os.getpid()}-{file.name}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
        temporary.replace(file)
    except OSError as error:
        raise resource_error(error, file) from error


def rules_for(token: str, port: int) -> AccessRules:
    """Return what the server of this token and port accepts."""
    return AccessRules(
        hosts=frozenset(f"{name}:{port}" for name in (LOOPBACK, "localhost", "[::1]")),
        token=token,
        write_key=derived(token, "write"),
        picture_key=derived(token, "pictures"),
    )


def derived(token: str, purpose: str) -> str:
    """Return a key that follows from the token and does not give it away."""
    return hmac.new(token.encode(), purpose.encode(), hashlib.sha256).hexdigest()[:32]


def listen(port: int | None, *, last: int | None) -> socket.socket:
    """Return a socket on loopback.

    Args:
        port: the one to take, or None for the last one, the usual ones or any.
        last: the port of the review before.

    Raises:
        UsageError: the given port is in use.
    """
    if port is not None:
        bound = _bind(port)
        if bound is None:
            raise UsageError(
                f"port {port} on {LOOPBACK} is in use. Nothing was changed. Stop what uses it, or choose another "
                "port with --port."
            )
        return bound
    usual = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED)
    for one in dict.fromkeys((*((last,) if last else ()), *usual, 0)):
        if bound := _bind(one):
            return bound
    raise UsageError(f"no free port on {LOOPBACK}. Nothing was changed. Choose one with --port.")


def _bind(port: int) -> socket.socket | None:
    # the protocol is named because asyncio sends at once (no 40 ms for Nagle's algorithm) only where it is
    one = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name != "nt":  # there it would let a second program share the port
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((LOOPBACK, port))
        one.listen(128)
    except OSError:
        one.close()
        return None
    return one


def note_running(folder: DataFolder, *, port: int, url: str) -> None:
    """Leave the address for a second review that finds this one running, and the port for the next one."""
    write_private(folder.review / "server.json", json.dumps({"pid": os.getpid(), "port": port, "url": url}))


def note_ended(folder: DataFolder, *, port: int) -> None:
    """Leave the port for the next review, and no address: the token in it has ended."""
    with contextlib.suppress(ResourceError):
        write_private(folder.review / "server.json", json.dumps({"port": port}))
    (folder.review / "token").unlink(missing_ok=True)  # of an earlier version, which kept it


def last_server(folder: DataFolder) -> Mapping[str, object]:
    """Return what the last server of this folder noted, {} if there was none."""
    with contextlib.suppress(OSError, ValueError):
        noted = json.loads((folder.review / "server.json").read_text(encoding="utf-8"))
        if isinstance(noted, dict):
            return noted
    return {}


def can_open_browser(environ: Mapping[str, str], *, system: str) -> bool:
    """Return whether a browser on this machine would show up before the person who typed the command."""
    if environ.get("SSH_CONNECTION"):
        return False
    return system != "linux" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def open_browser(folder: DataFolder, url: str) -> Path:
    """Open the page and return the private file that leads there.

    The token would be visible to everyone on the machine in the browser's arguments, so the browser opens a file.
    """
    file = folder.review / "open.html"
    write_private(file, f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={url}">')
    webbrowser.open(file.resolve().as_uri())
    return file


def account_name() -> str:
    """Return the name of the account, "" where there is none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""
