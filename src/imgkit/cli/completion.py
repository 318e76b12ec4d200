"""Completion in the shell: the words that an option or an argument takes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, get_origin

import shellingham

from imgkit.options import Declared

SHELLS: Final = ("bash", "zsh", "fish", "powershell", "pwsh")
INSTALL: Final = "--install-completion"
ASKED: Final = (INSTALL, "--show-completion")

Words = Callable[[], Iterable[str]]
Completer = Callable[[str], list[str]]


def completer(words: Words, *, commas: bool = False) -> Completer:
    """Return a function that gives those of ``words()`` that begin as what was typed; it is called at each key only.

    With ``commas`` a value is a list with commas, of which the last part is completed; what is there is not offered.
    """

    def complete(incomplete: str) -> list[str]:
        before, comma, begun = incomplete.rpartition(",") if commas else ("", "", incomplete)
        there = before.split(",") if before else []
        return [f"{before}{comma}{word}" for word in words() if word.startswith(begun) and word not in there]

    return complete


def networks(incomplete: str) -> list[str]:
    """Return the architectures of timm that begin as ``incomplete``; once a dot is typed, names of weights."""
    from imgkit.models import architectures

    names = architectures.weights() if "." in incomplete else architectures.architectures()
    return [name for name in names if name.startswith(incomplete)]


def _providers() -> Iterable[str]:
    from imgkit.harvest.providers import PROVIDERS

    return PROVIDERS


def _licences() -> Iterable[str]:
    from imgkit.harvest.search.licences import CODES

    return CODES


devices: Final = completer(lambda: ("auto", "cpu", "cuda", "mps"))
layouts: Final = completer(lambda: ("auto", "labels", "splits"))
engines: Final = completer(lambda: ("local", "ray"))

OF_FIELDS: Final[dict[str, Completer]] = {
    "backbone": networks,
    "device": devices,
    "licences": completer(_licences),
    "providers": completer(_providers),
    "track": completer(lambda: ("tensorboard", "wandb", "mlflow")),
    "weights": completer(lambda: ("auto", "packaged", "hub")),
}
"""How the values of a config's field are completed, by its name, where its type does not say what they are."""


def of_option(each: Declared) -> Completer | None:
    """Return what completes the values of an option, None where they are free text, numbers or files."""
    if each.choices:
        return completer(lambda: each.choices, commas=get_origin(each.kind) is tuple and not each.option.repeated)
    return OF_FIELDS.get(each.name)


def refusal(arguments: Sequence[str]) -> str:
    """Return the sentence that says why completion cannot be installed or shown here, "" where it can."""
    if not arguments or arguments[0] not in ASKED:
        return ""
    if len(arguments) > 1:
        return (
            f"{arguments[0]} takes no value: it is for the shell that it is run in. Nothing was changed. Leave out "
            f"{' '.join(arguments[1:])}."
        )
    try:
        shell, _ = shellingham.detect_shell()
    except shellingham.ShellDetectionFailure:
        shell = ""
    if shell in SHELLS:
        return ""
    found = f"this shell ({shell}) has no completion" if shell else "it is not clear which shell this is"
    return f"{found}. Nothing was changed. Run {arguments[0]} at the prompt of bash, zsh, fish or PowerShell."
