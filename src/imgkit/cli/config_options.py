"""Give a command the options that its config declares, so that none is written twice."""

import builtins
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, get_origin

import typer

from imgkit.cli.completion import of_option
from imgkit.options import Declared, declared

MORE: Final = "More options"


def with_options_of(
    config: type, *, only: Sequence[str] = (), common: Sequence[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator for a command that takes the options of ``config`` as one keyword argument ``given``.

    The command gets ``given`` as {field name: value}, with None for what was not written on the command line. Its other
    parameters stay arguments and options of its own: arguments come first, options after those of ``config``.

    Args:
        config: the dataclass whose fields are options.
        only: names of the fields to take; () takes all.
        common: names of the options, of the config and the command's own, that come first on the help page; the others
            are in a panel for the group that they belong to, or for all the rest. () makes no panels.

    Raises:
        ValueError: ``only`` or ``common`` names something that is no option of the command.
    """
    on_command_line = {name: each for name, each in declared(config).items() if each.option.on_command_line}
    options = [each for name, each in on_command_line.items() if not only or name in only]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "given"]
        first = [p for p in own if _is_argument(p)]
        rest = [p for p in own if not _is_argument(p)]
        _require_known([*only, *common], [*on_command_line, *(p.name for p in rest)])

        def run(**values: object) -> None:
            given = {each.name: values.pop(_parameter_name(each)) for each in options}
            command(given=given, **values)

        parameters = [*first, *map(_parameter, options), *rest]
        names = [*(p.name for p in first), *(each.name for each in options), *(p.name for p in rest)]
        groups = {each.name: each.option.group for each in options}
        for name, parameter in zip(names, parameters, strict=True):
            if common and name not in common and parameter not in first:
                _said(parameter).rich_help_panel = groups.get(name, "").capitalize() or MORE
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what typer reads
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
        return run

    return decorate


def _require_known(named: Sequence[str], known: Sequence[str]) -> None:
    if unknown := [name for name in named if name not in known]:
        raise ValueError(f"no such option: {', '.join(unknown)}")


def _said(parameter: inspect.Parameter) -> Any:  # noqa: ANN401  (what typer.Option returns)
    return next(said for said in parameter.annotation.__metadata__ if isinstance(said, typer.models.OptionInfo))


def _is_argument(parameter: inspect.Parameter) -> bool:
    return any(isinstance(said, typer.models.ArgumentInfo) for said in parameter.annotation.__metadata__)


def _parameter_name(each: Declared) -> str:
    return f"{each.name}_" if hasattr(builtins, each.name) else each.name


def _parameter(each: Declared) -> inspect.Parameter:
    said = each.option
    negative = each.kind is bool and each.default is True and "/" not in each.flag  # the option is --no-...
    plain = each.default is not None and not isinstance(each.default, bool | tuple | dict)
    shown = said.default_text or (str(each.default) if plain else "")
    number = each.kind in (int, float)
    info = typer.Option(
        each.flag,
        *said.aliases,
        help=said.help,
        envvar=said.variable or None,
        show_default=shown or False,
        min=said.minimum if number else None,
        max=said.maximum if number else None,
        autocompletion=of_option(each),
    )
    kind: Any = bool if negative else _kind(each) | None
    return inspect.Parameter(
        _parameter_name(each),
        inspect.Parameter.KEYWORD_ONLY,
        default=False if negative else None,
        annotation=Annotated[kind, info],
    )


def _kind(each: Declared) -> Any:  # noqa: ANN401  (a type)
    if each.option.repeated:
        return list[str]
    if each.choices or get_origin(each.kind) is tuple:
        return str
    return each.kind if each.kind in (bool, int, float, str, Path) else str
