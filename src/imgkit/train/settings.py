"""Read and write the settings of a run as a YAML file that a person may edit."""

import difflib
import types
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from imgkit.errors import UsageError
from imgkit.train.config import TrainConfig

FILE: Final = "run.yaml"
OF_ONE_RUN: Final = ("name", "resume")  # the same settings make another run


def settings_text(config: TrainConfig, *, note: str = "") -> str:
    """Return the settings as YAML that ``read_settings`` reads, with ``note`` as a comment above."""
    values = {name: value for name, value in config.as_json().items() if name not in OF_ONE_RUN}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    comment = "".join(f"# {line}\n" for line in note.splitlines())
    return comment + str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings of a YAML file, by the names of :class:`TrainConfig`.

    A name may be written with ``-`` for ``_``. What the file does not name is left out.

    Raises:
        UsageError: the file cannot be read, or holds a name or a value that is no setting.
    """
    try:
        stored = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read ({error}). Nothing was changed. Give a YAML file.") from error
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f", line {where.line + 1}" if where else ""
        raise UsageError(
            f"{path}{line}: no YAML. Nothing was changed. Write one `name: value` on each line."
        ) from error
    if not isinstance(stored, dict | None):
        raise UsageError(f"{path}: no settings. Nothing was changed. Write one `name: value` on each line.")
    return settings(stored or {}, where=str(path))


def settings(stored: Mapping[object, object], *, where: str) -> dict[str, Any]:
    """Return ``stored`` as values for :class:`TrainConfig`, each of the type that it has there.

    Raises:
        UsageError: ``where`` names something that is no setting, or gives it another type.
    """
    kinds = get_type_hints(TrainConfig)
    known = [field.name for field in fields(TrainConfig) if field.name not in OF_ONE_RUN]
    values: dict[str, Any] = {}
    for written, value in stored.items():
        name = str(written).replace("-", "_")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            advice = f"Did you mean {close[0]}?" if close else f"The settings are {', '.join(known)}."
            raise UsageError(f"{where}: there is no setting {written!r}. Nothing was changed. {advice}")
        if name in values:
            raise UsageError(f"{where}: {name} is there twice. Nothing was changed. Leave one of them.")
        try:
            values[name] = _typed(value, kinds[name])
        except ValueError as error:
            raise UsageError(
                f"{where}: {name} is {value!r}, which is not {error}. Nothing was changed. Correct it."
            ) from error
    return values


def _typed(value: object, kind: Any) -> Any:  # noqa: ANN401  (a type and a value of it)
    """Return ``value`` as a ``kind``; the message of the ValueError says what was expected."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        (inner,) = (part for part in parts if part is not type(None))
        return _typed(value, inner)
    if origin is Literal:
        if value not in parts:
            raise ValueError(f"one of {', '.join(map(str, parts))}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError("a list such as [160, 224]")
        return tuple(_typed(each, parts[0]) for each in value)
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
