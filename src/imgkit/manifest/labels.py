"""Turn a label that a person wrote into the name of a folder that every file system can hold."""

import re
import unicodedata
from typing import Final

LONGEST_BYTES: Final = 80  # leaves room for a temporary prefix within the 255 bytes of most file systems
LONGEST_FOLDER_BYTES: Final = 200
DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin|conout|clock)$", re.IGNORECASE)


def slug(name: str) -> str:
    """Return the folder name for a label: NFKC, letters, digits, ``-`` and ``_``, at most 80 bytes of UTF-8.

    Everything else becomes ``_``; upper and lower case stay. Names of Windows devices get a ``_`` behind. "" comes
    back when nothing of the name is left; no slug starts or ends with ``-`` or holds a dot or a slash.
    """
    text = "".join(c if _is_kept(c) else "_" for c in unicodedata.normalize("NFKC", name))
    text = re.sub(r"_{2,}", "_", text).strip("-_")
    text = text.encode()[:LONGEST_BYTES].decode(errors="ignore").rstrip("-_")
    return f"{text}_" if DEVICES.match(text) else text


def is_folder_name(text: str) -> bool:
    """Whether a text can be the folder of a label: what ``slug`` may return, or an older imgkit did.

    No dot, no slash, no backslash and no control character is in it, so it leads nowhere but into the folder above.
    """
    return 0 < len(text.encode("utf-8", "replace")) <= LONGEST_FOLDER_BYTES and all(map(_is_kept, text))


def _is_kept(character: str) -> bool:
    # M: marks are part of a letter in many scripts
    return character in "-_" or unicodedata.category(character)[0] in "LMN"
