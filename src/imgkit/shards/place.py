"""A folder at any address that fsspec knows: local, in memory, S3, Google Cloud, SSH, ..."""

import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from imgkit.errors import ResourceError, UsageError

INDEX: Final = "shards.json"
SUMS: Final = "SHA256SUMS"
_SUM: Final = re.compile(r"^([0-9a-f]{64})  (\S+)$", re.M)


class Place:
    """The folder at ``url``.

    Raises:
        UsageError: the address is none, or the package for its kind is not installed.
    """

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = url.rstrip("/")
        try:
            found, path = url_to_fs(self.url)
        except ImportError as error:
            raise UsageError(f"{url} needs a package: {error}. Nothing was written.", code="fsspec.missing") from error
        except (ValueError, OSError) as error:
            raise UsageError(f"{url} is no address for shards: {error}. Nothing was written.") from error
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
        """Copy a file from there."""
        with self._explained("reading", name):
            self._files.get_file(self._at(name), str(target))

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
            raise UsageError(f"{self.url}/{INDEX} is not imgkit's. Nothing was changed. Choose another address.")
        return found

    def sums(self) -> dict[str, str]:
        """Return name to SHA-256 of the files that are there as a whole."""
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
            what = f"{self.url}/{name}".rstrip("/")
            raise ResourceError(
                f"{doing} {what} failed: {error.strerror or error}. The shards that are in {SUMS} there are whole. Run "
                "the same command again to go on.",
                code="shards.place",
            ) from error
