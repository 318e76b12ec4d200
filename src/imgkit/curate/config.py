"""The settings of one curate, with every default and its reason."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Policy = Literal["strict", "suggest", "keep"]
POLICIES: tuple[Policy, ...] = get_args(Policy)

Kind = Literal["drawings", "text"]
KINDS: tuple[Kind, ...] = get_args(Kind)
"""What a person may want to keep although it is no photograph."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """One curate of a data folder.

    ``policy`` says what happens to suspects that nobody looked at: "strict" leaves all of them out, "suggest" those
    whose detector is nearly always right at that score, "keep" none.

    ``backbone`` is a timm name (None: the default of the machine), ``weights`` is "auto", "packaged", "hub", a file, or
    "none" for a curate without a model: then only copies and quality are looked at.

    ``allow`` names kinds that are wanted: "drawings" (drawings, renders, toys), "text" (covers, pages, charts).
    ``near_bits`` is the largest Hamming distance of two perceptual hashes that are compared pixel by pixel.
    """

    data: Path
    policy: Policy = "suggest"
    backbone: str | None = None
    weights: str = "auto"
    device: str = "auto"
    allow: tuple[Kind, ...] = ()
    near_bits: int = 10
    folds: int = 5
    neighbours: int = 10
    validation_share: float = 0.15
    test_share: float = 0.15
    seed: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the settings as JSON-ready values."""
        values = dataclasses.asdict(self)
        return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
