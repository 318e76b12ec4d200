"""The settings of one curate, with every default and its reason."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from imgkit.curate.checks import KINDS
from imgkit.options import option, require_allowed

Policy = Literal["strict", "suggest", "keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CurateConfig:
    """One curate of a data folder; each field says what it is for.

    ``policy`` says what happens to suspects that nobody looked at: "strict" leaves all of them out, "suggest" those
    whose detector is nearly always right at that score, "keep" none.

    ``backbone`` is a timm name (None: the default of the machine), ``weights`` is "auto", "packaged", "hub", a file, or
    "none" for a curate without a model: then only copies and quality are looked at.
    """

    data: Path = option(Path("data"), variable="IMGKIT_DATA", help="The data folder that harvest filled.")
    policy: Policy = option(
        "suggest",
        help="What happens to suspects that nobody looked at: strict leaves all out, suggest those most strongly "
        "suspected, keep none.",
    )
    allow: tuple[str, ...] = option(
        (),
        choices=KINDS,
        help=f"Kinds to keep although they are no good photographs: {', '.join(KINDS)}; several with a comma.",
    )
    backbone: str | None = option(
        None, help="A timm model that computes the features.", default_text="the best for this machine"
    )
    weights: str = option("auto", help="auto, packaged (offline), hub, a file, or none: copies and quality only.")
    device: str = option("auto", help="auto, cpu, cuda, cuda:1 or mps.")
    seed: int = option(0, help="Of the split and of the folds.")
    near_bits: int = option(
        10,
        minimum=0,
        maximum=64,
        on_command_line=False,
        help="Largest Hamming distance of two perceptual hashes that are compared pixel by pixel.",
    )
    folds: int = option(5, minimum=2, on_command_line=False, help="Parts of the pictures in cross-validation.")
    neighbours: int = option(10, minimum=1, on_command_line=False, help="Nearest pictures that are asked about one.")
    validation_share: float = option(
        0.15, minimum=0.0, maximum=1.0, on_command_line=False, help="Share of the pictures for validation."
    )
    test_share: float = option(
        0.15, minimum=0.0, maximum=1.0, on_command_line=False, help="Share of the pictures for the test."
    )

    def __post_init__(self) -> None:
        require_allowed(self)

    def as_json(self) -> dict[str, object]:
        """Return the settings as JSON-ready values."""
        values = dataclasses.asdict(self)
        return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}
