"""The settings of one review, with every default and its reason."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEFAULT_PORT: Final = 5757


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewConfig:
    """One review of a data folder.

    ``port`` None takes the port of the last review if it is free (an open page goes on where it was), else 5757 or one
    of the nine after it; a given port is taken or the review refuses to start. ``open_browser`` False prints the
    address only. ``reviewer`` is noted with each action; "" is the name of the account.
    """

    data: Path
    port: int | None = None
    open_browser: bool = True
    reviewer: str = ""
