"""The settings of one training run, with every default and its reason."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Monitor = Literal["macro-f1", "accuracy", "loss"]
MONITORS: tuple[Monitor, ...] = ("macro-f1", "accuracy", "loss")

Balance = Literal["auto", "none", "sampler", "logits"]
"""What is done for rare labels: "sampler" draws them more often, "logits" adds the share of a label to its logit while
training, "auto" is the sampler where the labels are lopsided."""

Length = Literal["short", "long"]
"""How long and how varied training is: "long" mixes pictures and takes four times the steps."""

Preset = Literal["fast", "default", "best"]
"""Which backbone is taken where none is named."""

AskedPrecision = Literal["auto", "fp32", "bf16", "fp16"]

SMALLEST_VALIDATION_PER_LABEL = 30  # with fewer, one split says little: out-of-fold numbers are used instead


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """One training run. None means: derived from the data and the machine, and printed in the plan.

    The pictures: ``data`` is a folder (label folders, train/val/test folders, or one with a metadata.csv) or a CSV;
    ``split_file`` gives some pictures' splits, matched by label and file name.

    The run: its folder is ``runs / name``; ``resume`` goes on with an unfinished one, with the settings that it has.

    The model: ``backbone`` is a timm name, None the one of the ``preset``; ``weights`` is "auto", "packaged", "hub" or
    a file; ``size`` is the side in pixels of the pictures that it sees. ``precision`` is the number format of features
    and training; ``compile`` asks for compiled training steps where they pay, ``deterministic`` for the same numbers
    from the same GPU every time.

    The work: ``finetune`` None means yes on a GPU, no on a CPU; the length is ``steps``, else ``epochs``, else derived;
    ``minutes`` caps it. ``lr`` is that of the head at a batch of 64; deeper layers get less by ``layer_decay`` each;
    with ``lr_find`` it is only where the search falls back to. ``progressive`` are sides in pixels that training goes
    through, the last one that of the model. ``track`` names a program that draws the figures of many runs.
    """

    data: Path
    runs: Path = Path("runs")
    name: str | None = None
    resume: bool = False
    cache: Path | None = None
    split_file: Path | None = None
    validation_share: float = 0.15
    test_share: float = 0.15
    folds: int = 5
    seed: int = 0

    preset: Preset = "default"
    backbone: str | None = None
    weights: str = "auto"
    size: int | None = None
    device: str = "auto"
    precision: AskedPrecision = "auto"
    compile: bool = False
    deterministic: bool = False

    finetune: bool | None = None
    epochs: int | None = None
    steps: int | None = None
    minutes: float | None = None
    batch: int | None = None
    lr: float = 1e-4
    lr_find: bool = False
    recipe: Length = "short"
    progressive: tuple[int, ...] = ()
    balance: Balance = "auto"
    layer_decay: float = 0.8
    weight_decay: float = 0.05
    smoothing: float = 0.1
    drop_path: float = 0.1
    crop_area: float = 0.35  # the smallest share of a picture that a training crop shows
    keep_color: bool = False
    flip: bool = True
    monitor: Monitor = "macro-f1"
    patience: int | None = None
    track: str | None = None
    checkpoint_seconds: float = 60.0  # between two checkpoints: what a power cut can cost

    def as_json(self) -> dict[str, object]:
        """Return the settings as JSON-ready values."""
        values = dataclasses.asdict(self)
        return {key: str(value) if isinstance(value, Path) else value for key, value in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "TrainConfig":
        """Return the settings that ``as_json`` gave.

        Raises:
            TypeError: they are settings of another version.
        """
        paths = {name: Path(values[name]) for name in PATHS if values.get(name) is not None}
        return cls(**{**values, **paths, "progressive": tuple(values.get("progressive", ()))})


PATHS = ("data", "runs", "cache", "split_file")
