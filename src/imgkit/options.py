"""Options that are declared once, as fields of a config, for the command line, settings files and validation."""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from imgkit.errors import UsageError

_KEY: Final = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What is said about a field of a config besides its type and default.

    ``help`` is one sentence with the unit; ``flag`` is the name on the command line where that is not the field's, and
    "" with ``on_command_line`` False where there is none; ``aliases`` are other names that mean the same. A number lies
    in ``minimum`` to ``maximum``, both included. ``default_text`` says what happens where the default is None, or how
    it is called. ``group`` names what the option belongs to. ``variable`` is the environment variable that is read
    where nothing is written. A tuple is written as one text with commas, or, where ``repeated``, by repeating the
    option; ``choices`` are what its parts may be.
    """

    help: str
    flag: str = ""
    aliases: tuple[str, ...] = ()
    on_command_line: bool = True
    minimum: float | None = None
    maximum: float | None = None
    default_text: str = ""
    group: str = ""
    variable: str = ""
    repeated: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Declared:
    """An option of a config as others read it: its field's name, type, default and choices, and what is said of it.

    ``kind`` is the type without None; ``choices`` are those of a ``Literal``, else those that the option lists.
    """

    name: str
    kind: Any
    optional: bool
    default: Any
    choices: tuple[str, ...]
    option: Option

    @property
    def flag(self) -> str:
        """The name on the command line, such as ``--lr-find``."""
        return self.option.flag or f"--{self.name.replace('_', '-')}"


def option(default: Any = MISSING, *, factory: Any = MISSING, **said: Any) -> Any:  # noqa: ANN401  (a field)
    """Return a dataclass field with ``default``, or with what ``factory`` makes, about which ``said`` is said.

    See :class:`Option` for the names.
    """
    return field(default=default, default_factory=factory, metadata={_KEY: Option(**said)})


def declared(config: type) -> dict[str, Declared]:
    """Return the options of a config dataclass by field name, in the order of its fields.

    Raises:
        TypeError: a field was written without :func:`option`.
    """
    kinds = get_type_hints(config)
    found = {}
    for each in dataclasses.fields(config):
        if _KEY not in each.metadata:
            raise TypeError(f"{config.__name__}.{each.name} has no option(): say what it is for")
        kind, optional = _without_none(kinds[each.name])
        said = each.metadata[_KEY]
        choices = tuple(map(str, get_args(kind))) if get_origin(kind) is Literal else said.choices
        default = each.default if each.default_factory is MISSING else each.default_factory()
        found[each.name] = Declared(each.name, kind, optional, default, choices, said)
    return found


def _without_none(kind: Any) -> tuple[Any, bool]:  # noqa: ANN401  (a type)
    if get_origin(kind) not in (Union, types.UnionType):
        return kind, False
    (inner,) = (part for part in get_args(kind) if part is not type(None))
    return inner, True


def out_of_range(config: object) -> str | None:
    """Return a sentence about the first value of ``config`` that its option does not allow, None where all are fine."""
    for each in declared(type(config)).values():
        value = getattr(config, each.name)
        if value is None and each.optional:
            continue
        unknown = [one for one in (value if isinstance(value, tuple) else (value,)) if one not in each.choices]
        if each.choices and unknown:
            return f"{each.flag} {unknown[0]} is not known. Nothing was changed. Choose {', '.join(each.choices)}."
        if isinstance(value, int | float) and not isinstance(value, bool) and not _allowed(value, each.option):
            return f"{each.flag} is {value:g}. Nothing was changed. Give a number {_range(each.option)}."
    return None


def require_allowed(config: object) -> None:
    """Make sure that every value of ``config`` is one that its option allows.

    Raises:
        UsageError: one is not; the sentence names its option.
    """
    if refusal := out_of_range(config):
        raise UsageError(refusal)


def _allowed(value: float, said: Option) -> bool:
    low = said.minimum is None or value >= said.minimum
    return low and (said.maximum is None or value <= said.maximum)  # not a number is neither


def _range(said: Option) -> str:
    if said.minimum is None:
        return f"of at most {said.maximum:g}"
    return f"of at least {said.minimum:g}" if said.maximum is None else f"from {said.minimum:g} to {said.maximum:g}"


def typed(value: object, kind: Any) -> Any:  # noqa: ANN401  (a type and a value of it)
    """Return a value of a settings file as a ``kind``; the message of the ValueError says what was expected."""
    inner, optional = _without_none(kind)
    if optional:
        return None if value is None else typed(value, inner)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError(f"one of {', '.join(map(str, get_args(kind)))}")
        return value
    if get_origin(kind) is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError("a list such as [160, 224]")
        return tuple(typed(each, get_args(kind)[0]) for each in value)
    if kind is Path:
        if not isinstance(value, str) or not value:
            raise ValueError("a path")
        return Path(value)
    return _plain(value, kind)


def _plain(value: object, kind: type) -> bool | int | float | str:
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            return float(value)  # YAML 1.1 takes 1e-4 for a text
        except ValueError:
            pass
    if kind is str and isinstance(value, str):
        return value
    raise ValueError({bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[kind])


def from_command_line(config: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was ``given`` on the command line as values for ``config``; None means: not given.

    Raises:
        ValueError: a list cannot be read; the message holds the option and what was written.
    """
    options = declared(config)
    values: dict[str, Any] = {}
    for name, value in given.items():
        each = options[name]
        negative = each.default is True and "/" not in each.flag  # the option is --no-...
        if value is None or (negative and not value):
            continue
        if negative:
            values[name] = False
        elif get_origin(each.kind) is tuple:
            values[name] = tuple(value) if each.option.repeated else _list(each, value)
        else:
            values[name] = value
    return values


def _list(each: Declared, text: str) -> tuple[Any, ...]:
    (kind, *_) = get_args(each.kind)
    if kind is str:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        known = [one for one in each.choices if one in parts]
        return (*known, *(one for one in parts if one not in known))
    try:
        return tuple(kind(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{each.flag} {text}") from error
