"""Refuse settings that cannot work, before anything is read or written."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final, get_args

from imgkit.errors import UsageError
from imgkit.train.config import MONITORS, AskedPrecision, Balance, Length, Preset, TrainConfig
from imgkit.train.trackers import find_program
from imgkit.vision.device import choose_device
from imgkit.vision.weights import PACKAGED_MODEL

CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "monitor": MONITORS,
    "balance": get_args(Balance),
    "preset": get_args(Preset),
    "recipe": get_args(Length),
    "precision": get_args(AskedPrecision),
}
OF_FINE_TUNING: Final = (
    *("epochs", "steps", "minutes", "batch", "lr", "lr_find", "recipe", "progressive", "balance", "layer_decay"),
    *("weight_decay", "smoothing", "drop_path", "crop_area", "keep_color", "flip", "patience", "compile"),
)
PRESETS: Final = {
    ("cpu", "fast"): PACKAGED_MODEL,
    ("cpu", "best"): "mobilenetv4_conv_medium.e500_r256_in1k",
    ("gpu", "fast"): "convnext_nano.in12k_ft_in1k",
    ("gpu", "best"): "convnext_base.fb_in22k_ft_in1k",
}
SMALLEST_SIZE, LARGEST_SIZE = 32, 2048


def checked(config: TrainConfig) -> TrainConfig:
    """Return the settings, with what follows from them filled in.

    Raises:
        UsageError: they cannot work.
    """
    for name, choices in CHOICES.items():
        value: Any = getattr(config, name)
        if value not in choices:
            raise UsageError(f"--{name} is {value!r}. Nothing was changed. Choose {', '.join(choices)}.")
    if not (0 < config.validation_share < 1 and 0 < config.test_share < 1):
        raise UsageError("the shares for validation and test lie between 0 and 1. Nothing was changed.")
    if config.validation_share + config.test_share > 0.8:
        raise UsageError("validation and test take more than 80 % of the pictures. Nothing was changed.")
    if config.track is not None:
        find_program(config.track)
    if config.weights not in ("auto", "packaged", "hub") and not Path(config.weights).is_file():
        raise UsageError(
            f"--weights {config.weights} is no file. Nothing was changed. Give a file, or auto, packaged or hub."
        )
    return _sized(_named(config))


def _named(config: TrainConfig) -> TrainConfig:
    """Return the settings with the backbone of the preset; that of the usual one may depend on what can be had."""
    if config.backbone is not None or config.preset == "default":
        return config
    place = "gpu" if choose_device(config.device).type != "cpu" else "cpu"
    return replace(config, backbone=PRESETS[place, config.preset])


def idle(config: TrainConfig) -> list[str]:
    """Return the settings that were changed and do nothing where only the probe is trained."""
    usual = {field.name: field.default for field in fields(TrainConfig)}
    return [name for name in OF_FINE_TUNING if getattr(config, name) != usual[name]]


def _sized(config: TrainConfig) -> TrainConfig:
    sizes = config.progressive
    for size in (*sizes, *([config.size] if config.size else [])):
        if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
            raise UsageError(
                f"a size of {size} px cannot be used. Nothing was changed. Give {SMALLEST_SIZE} to {LARGEST_SIZE}."
            )
    if not sizes:
        return config
    if list(sizes) != sorted(set(sizes)):
        raise UsageError(
            f"--progressive {','.join(map(str, sizes))} does not grow. Nothing was changed. Write it as 160,192,224."
        )
    if config.size not in (None, sizes[-1]):
        raise UsageError(
            f"--progressive ends at {sizes[-1]} px and --size is {config.size}. Nothing was changed. Leave one out."
        )
    return replace(config, size=sizes[-1])
