"""The checks, cheap ones first, in one table. A check is added by one file and one line of the table."""

import importlib
import pkgutil
from typing import Final

from imgkit.curate.checks.check import AnyCheck, Reason
from imgkit.manifest import Finding

ORDER: Final = (
    "readable",
    "exact",
    "near",
    "rejected_copy",
    "leak",
    "placeholder",
    "conflict",
    "quality",
    "art",
    "not_photo",
    "text",
    "offtopic",
    "intruder",
    "words",
    "junk",
    "label",
    "side",
)
"""The files of the checks, in the order in which they run; a later one may build on an earlier one's findings."""


def _declared(name: str) -> AnyCheck:
    try:
        check: AnyCheck = importlib.import_module(f"{__name__}.{name}").CHECK
    except (AttributeError, TypeError, ValueError) as error:
        raise ImportError(f"the check {name} is not described in full: {error}") from error
    if check.name != name:
        raise ImportError(f"the check in {name}.py calls itself {check.name}: give it the name of its file")
    return check


def _unregistered() -> list[str]:
    return sorted({one.name for one in pkgutil.iter_modules(__path__)} - {"check", *ORDER})


def _reasons() -> dict[str, Reason]:
    """Return the reasons of the checks by code."""
    found: dict[str, Reason] = {}
    for name, check in CHECKS.items():
        reason = check.reason or (check.detector.reason if check.detector else None)
        if reason is not None and found.setdefault(reason.code, reason) != reason:
            raise ImportError(f"the check {name} says of the reason {reason.code} something else than another one")
    return found


if _unregistered():
    raise ImportError(f"{', '.join(_unregistered())}: not in the table of checks. Add a line to {__name__}.ORDER")

CHECKS: Final[dict[str, AnyCheck]] = {name: _declared(name) for name in ORDER}
"""Name of a check to the check, in the order in which they run."""

CHECK_REASONS: Final = _reasons()
"""Code of a reason to the reason, in the order of the checks."""

REASONS: Final[dict[str, str]] = {code: reason.phrase for code, reason in CHECK_REASONS.items() if reason.phrase}
"""Code of a reason to its phrase, where :mod:`imgkit.reasons` does not have it already."""

KINDS: Final = tuple(dict.fromkeys(check.kind for check in CHECKS.values() if check.kind))
"""What a person may want to keep although it is no photograph."""


def describe(finding: Finding) -> str:
    """Return a short description of a finding for people, "" for a check that is not in the table."""
    check = CHECKS.get(finding.check)
    return check.describe(finding) if check else ""
