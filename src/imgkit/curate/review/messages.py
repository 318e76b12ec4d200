"""Read what the page sends, strictly: a request is understood whole or refused whole."""

import json
import re
from dataclasses import dataclass
from typing import Final, Literal, TypeVar, cast, get_args

from imgkit.manifest.nouns import Action, ReviewKind
from imgkit.reasons import REASONS

T = TypeVar("T")

KEY: Final = re.compile(r"[0-9a-z]{8,40}\.[0-9]{1,9}")
MODES: Final = (
    *("weed", "uncertain", "confirm", "suspects", "labels", "duplicates", "grid", "similar"),
    *("audit", "second", "trash"),
)
DecisionAction = Literal["", "keep", "reject", "relabel", "unsure"]
_DECIDES: Final = ("keep", "reject", "relabel")
_LONGEST_DWELL_MS: Final = 86_400_000


class MalformedError(ValueError):
    """The request is not one that the page sends; the sentence says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionChange:
    """What is to be in force for some items. ``to`` is the number of a label, -1 unless the action is relabel."""

    action: Action
    reason: str
    to: int
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """An action as the page sends it. ``at`` is the item that was painted, as ``<label number>.<image id>``."""

    key: str
    kind: ReviewKind
    mode: str
    at: str
    dwell_ms: int
    changes: tuple[DecisionChange, ...]
    undoes: str
    audit: int | None
    answer: DecisionAction


def actions_from(body: bytes) -> list[Posted]:
    """Return the actions in a request body, in order.

    Raises:
        MalformedError: anything is missing, of another type or out of range.
    """
    actions = _expect(object_from(body).get("actions"), list, "actions")
    return [_posted(_expect(one, dict, "action")) for one in actions]


def object_from(body: bytes) -> dict[str, object]:
    """Return the JSON object in a request body.

    Raises:
        MalformedError: it is no JSON object.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError("not JSON") from error
    return cast("dict[str, object]", _expect(value, dict, "body"))


def text_from(values: dict[str, object], name: str, *, longest: int) -> str:
    """Return a text of 1 to ``longest`` characters.

    Raises:
        MalformedError: it is missing, of another type, too long, or holds control characters.
    """
    text = _expect(values.get(name), str, name).strip()
    if not 0 < len(text) <= longest or not text.isprintable():
        raise MalformedError(f"{name}: 1 to {longest} printable characters")
    return text


def _posted(values: dict[str, object]) -> Posted:
    kind = _one_of(values, "kind", get_args(ReviewKind))
    undoes = _expect(values.get("undoes", ""), str, "undoes")
    if (kind == "undo") != bool(undoes) or (undoes and not KEY.fullmatch(undoes)):
        raise MalformedError("undoes")
    key = _expect(values.get("key"), str, "key")
    if not KEY.fullmatch(key):
        raise MalformedError("key")
    changes = [_change(_expect(one, dict, "do")) for one in _expect(values.get("do", []), list, "do")]
    if (kind == "decide" and not changes) or (kind in ("undo", "unsure") and changes):
        raise MalformedError("do")
    audit = values.get("audit")
    if (kind == "answer") != (audit is not None):
        raise MalformedError("audit")
    return Posted(
        key=key,
        kind=cast("ReviewKind", kind),
        mode=_one_of(values, "mode", MODES),
        at=_expect(values.get("at", ""), str, "at"),
        dwell_ms=_number(values.get("dwell", 0), "dwell", high=_LONGEST_DWELL_MS),
        changes=tuple(changes),
        undoes=undoes,
        audit=None if audit is None else _number(audit, "audit", high=1 << 31),
        answer=cast("DecisionAction", _one_of(values, "answer", get_args(DecisionAction), default="")),
    )


def _change(values: dict[str, object]) -> DecisionChange:
    action = _one_of(values, "action", _DECIDES)
    items = _expect(values.get("items"), list, "items")
    if not items or not all(isinstance(one, str) for one in items):
        raise MalformedError("items")
    reason = _expect(values.get("reason", ""), str, "reason")
    if reason and reason not in REASONS:
        raise MalformedError("reason")
    to = _number(values.get("to", -1), "to", low=-1, high=1 << 20)
    if (action == "relabel") != (to >= 0):
        raise MalformedError("to")
    return DecisionChange(action=cast("Action", action), reason=reason, to=to, items=tuple(cast("list[str]", items)))


def _one_of(values: dict[str, object], name: str, allowed: tuple[str, ...], *, default: str | None = None) -> str:
    value = values.get(name, default)
    if not isinstance(value, str) or value not in allowed:
        raise MalformedError(name)
    return value


def _number(value: object, name: str, *, low: int = 0, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise MalformedError(name)
    return value


def _expect(value: object, kind: type[T], name: str) -> T:
    if not isinstance(value, kind):
        raise MalformedError(f"{name}: expected {kind.__name__}")
    return value
