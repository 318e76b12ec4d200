"""Read and write the settings of a run as a YAML file that a person may edit."""

import difflib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, get_type_hints

import yaml

from imgkit.errors import UsageError
from imgkit.options import typed
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
            values[name] = typed(value, kinds[name])
        except ValueError as error:
            raise UsageError(
                f"{where}: {name} is {value!r}, which is not {error}. Nothing was changed. Correct it."
            ) from error
    return values
