"""The option ``--layout``, which says what folders called train, val or test are."""

from typing import get_args

from imgkit.errors import UsageError
from imgkit.vision.imagefolder import LAYOUT_HELP, AskedLayout

__all__ = ["LAYOUT_HELP", "asked_layout"]

LAYOUTS: tuple[AskedLayout, ...] = get_args(AskedLayout)


def asked_layout(name: str) -> AskedLayout:
    """Return the layout that was asked for.

    Raises:
        UsageError: it is none.
    """
    for layout in LAYOUTS:
        if layout == name:
            return layout
    raise UsageError(f"--layout {name} is not known. Nothing was changed. Choose one of {', '.join(LAYOUTS)}.")
