"""A folder at any address that fsspec knows: local, in memory, S3, Google Cloud, SSH, ..."""

import errno
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from imgkit.errors import ResourceError, UsageError
from imgkit.files import resource_error
from imgkit.redaction import Redactor, secrets_of, shown_address

INDEX: Final = "shards.json"
SUMS: Final = "SHA256SUMS"
_SUM: Final = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.M)


class RemoteFolder:
    """The folder at ``url``; ``shown`` is the address without passwords, for messages and records.

    Raises:
        UsageError: the address is not valid, or the fsspec package for its scheme is not installed.
    """

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        given = url.rstrip("/")
        self.shown = shown_address(given)
        self._redactor = Redactor({f"secret {number}": secret for number, secret in enumerate(secrets_of(given), 1)})
        try:
            found, path = url_to_fs(given)
        except ImportError as error:
            raise UsageError(
                f"{self.shown} needs a package: {self._redactor.text(str(error))}. Nothing was written.",
                code="fsspec.missing",
            ) from error
        except (ValueError, OSError) as error:
            raise UsageError(
                f"{self.shown} is no address for shards: {self._redactor.text(str(error))}. Nothing was written."
            ) from error
        self._files: Any = found
        self._path = str(path)

    def names(self) -> set[str]:
        """Return the names of the files there; none where the folder is not there yet."""
        with self._explained("listing"):
            try:
                return {posixpath.basename(str(name)) for name in self._files.ls(self._path, detail=False)}
            except FileNotFoundError:
                return set()

    def put(self, source: Path, name: str) -> None:
        """Copy a local file there."""
        with self._explained("writing", name):
            self._files.makedirs(self._path, exist_ok=True)
            self._files.put_file(str(source), self._at(name))

    def write(self, name: str, data: bytes) -> None:
        """Write a small file there."""
        with self._explained("writing", name):
            self._files.makedirs(self._path, exist_ok=True)
            self._files.pipe_file(self._at(name), data)

    def get(self, name: str, target: Path) -> None:
        """Copy a file from there.

        Raises:
            ResourceError: it cannot be read, or there is no room for it here.
        """
        with self._explained("reading", name):
            try:
                self._files.get_file(self._at(name), str(target))
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise resource_error(error, target) from error
                raise

    def index(self) -> dict[str, Any] | None:
        """Return what ``shards.json`` says, None where there is none.

        Raises:
            UsageError: it is there and cannot be read.
        """
        data = self._read(INDEX)
        if data is None:
            return None
        try:
            found = json.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict) or "plan" not in found or "shards" not in found:
            raise UsageError(f"{self.shown}/{INDEX} is not imgkit's. Nothing was changed. Choose another address.")
        return found

    def sums(self) -> dict[str, str]:
        """Return name to SHA-256 of the files that are complete."""
        text = (self._read(SUMS) or b"").decode("ascii", "replace")
        return {name: sum_ for sum_, name in _SUM.findall(text)}

    def write_sums(self, sums: Mapping[str, str]) -> None:
        """Write the list that ``sha256sum --check`` reads."""
        self.write(SUMS, "".join(f"{sum_}  {name}\n" for name, sum_ in sums.items()).encode())

    def _read(self, name: str) -> bytes | None:
        with self._explained("reading", name):
            try:
                data: bytes = self._files.cat_file(self._at(name))
            except FileNotFoundError:
                return None
        return data

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    @contextmanager
    def _explained(self, doing: str, name: str = "") -> Iterator[None]:
        try:
            yield
        except OSError as error:
            what, why = f"{self.shown}/{name}".rstrip("/"), self._redactor.text(str(error.strerror or error))
            raise ResourceError(
                f"{doing} {what} failed: {why}. The shards that are in {SUMS} there are whole. Run "
                "the same command again to go on.",
                code="shards.place",
            ) from error
