"""Names of timm's architectures and weights, read from its source: importing timm takes seconds, completion may not."""

import importlib.util
import re
from pathlib import Path
from typing import Any, Final

_ARCHITECTURE: Final = re.compile(r"^@register_model\s+def (\w+)\(", re.M)
_WEIGHTS: Final = re.compile(r"^ +['\"]([\w-]+)\.(?!untrained)([\w.-]+)['\"] *: *", re.M)


def architectures() -> list[str]:
    """Return the names of timm's architectures, such as "convnext_tiny", sorted; [] where timm is not installed."""
    return _found(_ARCHITECTURE)


def weights() -> list[str]:
    """Return the names of architectures with the tag of their weights, such as "convnext_tiny.in12k", sorted.

    Names that timm puts together while it is imported are not among them: about three in a hundred.
    """
    known = set(architectures())
    return [f"{name}.{tag}" for name, tag in _found(_WEIGHTS) if name in known]


def _found(pattern: re.Pattern[str]) -> list[Any]:
    """Return what the groups of a pattern match in timm's source, each once, sorted."""
    spec = importlib.util.find_spec("timm")
    folders = spec.submodule_search_locations or [] if spec else []
    files = [file for folder in folders for file in (Path(folder) / "models").glob("*.py")]
    return sorted({found for file in files for found in pattern.findall(file.read_text(encoding="utf-8"))})
