"""The keys of the page, and how a person changes them in a TOML file."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from imgkit.errors import UsageError

KEYS: Final[dict[str, tuple[str, ...]]] = {
    "keep": ("Space", "k"),
    "reject": ("x",),
    "reject_as": ("Shift+x",),
    "reject_drawing": ("d",),
    "reject_text": ("t",),
    "reject_object": ("j",),
    "reject_species": ("s",),
    "reject_quality": ("q",),
    "accept": ("Enter",),
    "relabel": ("/", "l"),
    "repeat": (".",),
    "unsure": ("u",),
    "undo": ("Backspace", "Ctrl+z"),
    "redo": ("Ctrl+Shift+z", "Ctrl+y"),
    "next": ("ArrowRight", "ArrowDown"),
    "previous": ("ArrowLeft", "ArrowUp"),
    "first": ("Home",),
    "last": ("End",),
    "page_down": ("PageDown",),
    "page_up": ("PageUp",),
    "grid": ("g",),
    "single": ("e",),
    "compare": ("c",),
    "zoom": ("z",),
    "lock_zoom": ("Shift+z",),
    "square": ("y",),
    "select_all": ("Ctrl+a",),
    "clear": ("Escape",),
    "keep_page": ("Shift+Enter",),
    "keep_left": ("ArrowLeft",),
    "keep_right": ("ArrowRight",),
    "keep_both": ("b",),
    "keep_neither": ("n",),
    "flip": ("v",),
    "difference": ("o",),
    "previous_group": ("[",),
    "next_group": ("]",),
    "accept_group": ("a",),
    "information": ("i",),
    "filter": ("f",),
    "mode": ("m",),
    "similar": ("r",),
    "search": ("Ctrl+f",),
    "peek": ("p",),
    "help": ("?",),
}
"""What a key does to the keys that do it, named as browsers name them, with Ctrl+, Alt+ and Shift+ in front.

Digits 1 to 9 give one of the first nine labels and stay what they are. The keys of ``COMPARING`` go before the others
where pictures are compared, and mean nothing elsewhere.
"""


COMPARING: Final = frozenset(
    {"keep_left", "keep_right", "keep_both", "keep_neither", "flip", "difference"}
    | {"previous_group", "next_group", "accept_group"}
)
"""What is done where pictures are compared."""


YIELDING: Final = frozenset(
    {"reject_drawing", "reject_text", "reject_object", "reject_species", "reject_quality", "similar", "search", "peek"}
)
"""Actions added later: where a person's own file gives their default key to another action, that one keeps it."""


def keys_file(environ: Mapping[str, str]) -> Path:
    """Return where a person may keep own keys: ``IMGKIT_KEYS``, else ``imgkit/keys.toml`` among their settings."""
    if given := environ.get("IMGKIT_KEYS"):
        return Path(given)
    settings = environ.get("XDG_CONFIG_HOME") or environ.get("APPDATA")
    return (Path(settings) if settings else Path.home() / ".config") / "imgkit" / "keys.toml"


def load_keys(environ: Mapping[str, str] = os.environ) -> dict[str, tuple[str, ...]]:
    """Return the keys by action, with a person's own in place of the defaults.

    The file is TOML, one line an action: ``reject = ["d", "Delete"]``. An empty list switches an action's keys off.

    Raises:
        UsageError: the file is no TOML, names an unknown action, or gives one key to two actions.
    """
    file = keys_file(environ)
    try:
        own = tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return dict(KEYS)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read the keys in {file}: {error}. Nothing was changed. Correct or move it."
        ) from error
    keys = dict(KEYS)
    taken = {str(key) for given in own.values() for key in (given if isinstance(given, list) else [given])}
    for action in YIELDING - set(own):
        keys[action] = tuple(key for key in keys[action] if key not in taken)
    for action, given in own.items():
        if action not in KEYS:
            raise UsageError(f'{file}: there is no action "{action}". Known: {", ".join(KEYS)}.')
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise UsageError(f'{file}: {action}: write it as {action} = ["x", "Delete"].')
        keys[action] = tuple(names)
    _refuse_double_use(keys, set(own), file)
    return keys


def _refuse_double_use(keys: Mapping[str, tuple[str, ...]], own: set[str], file: Path) -> None:
    for action in sorted(own):
        for other in sorted(keys):
            same_place = (action in COMPARING) == (other in COMPARING)
            if other != action and same_place and (shared := set(keys[other]) & set(keys[action])):
                raise UsageError(f"{file}: {min(shared)} is the key of both {action} and {other}. Choose another one.")
