"""List the networks that a classifier can start from: what each costs, and whether its weights are on this machine."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import huggingface_hub
import torch
from torch import nn

from imgkit.errors import UsageError
from imgkit.vision.features import torchvision_ops
from imgkit.vision.features.backbone import GPU_MODEL
from imgkit.vision.features.weights import PACKAGED_MODEL, packaged_file

torchvision_ops.ensure()
import timm  # noqa: E402  (needs the line above)

Here = Literal["installed", "hub cache", "no"]
MOST: Final = 40  # rows; counting the parameters of a network takes about 0.1 s

RECOMMENDED: Final[dict[str, str]] = {
    PACKAGED_MODEL: "the default on a CPU; needs no network",
    "mobilenetv4_conv_medium.e500_r256_in1k": "better on a CPU",
    "convnext_nano.in12k_ft_in1k": "fast on a GPU",
    GPU_MODEL: "the default on a GPU",
    "tiny_vit_21m_224.dist_in22k_ft_in1k": "small and good",
    "convnext_base.fb_in22k_ft_in1k": "best, slow",
    "vit_base_patch16_clip_224.laion2b_ft_in12k_in1k": "best, slow, another kind",
}
"""Recommended networks with a note each; chosen by the results tables of timm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainedNetwork:
    """One pretrained network. ``size`` is the side in pixels of its pretraining.

    ``fixed`` says that it accepts no other input size; ``usable`` that its head is one linear layer, as imgkit needs.
    ``here`` says where its weights are on this machine; ``weight_bytes`` is 0 where there are none.
    """

    name: str
    parameters: int
    size: int
    fixed: bool
    usable: bool
    here: Here
    weight_bytes: int
    licence: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """The networks that match, at most as many as the limit, and the number of further matches."""

    models: tuple[PretrainedNetwork, ...]
    more: int


def catalogue(
    patterns: Sequence[str] = (), *, only_here: bool = False, most: int = MOST, hub_cache: Path | None = None
) -> Catalogue:
    """List networks with pretrained weights. Nothing is downloaded and no weights are loaded.

    Args:
        patterns: names with ``*`` and ``?``, or parts of names; () lists the recommended ones and all that are here.
        only_here: leave out those whose weights are not on this machine.
        most: rows at most; ``more`` counts the rest.
        hub_cache: folder of the hub's downloads; None is the hub client's own.

    Raises:
        UsageError: nothing matches.
    """
    found = _here(hub_cache)
    if patterns:
        names = [name for name in _known() if any(_matches(name, pattern) for pattern in patterns)]
        if not names:
            raise UsageError(
                f"no model with pretrained weights matches {' or '.join(patterns)}. Nothing was changed. Try part of a "
                "name, for instance: imgkit models convnext"
            )
    else:
        names = [*RECOMMENDED, *(name for name in found if name not in RECOMMENDED)]
    if only_here:
        names = [name for name in names if name in found]
    return Catalogue(models=tuple(_listed(name, found) for name in names[:most]), more=max(0, len(names) - most))


def _known() -> list[str]:
    """Return the names that stand for weights, the packaged ones without timm's tag since they are others."""
    listed: list[str] = timm.list_pretrained()
    packaged = [name for name in dict.fromkeys(each.split(".")[0] for each in listed) if packaged_file(name)]
    return [*packaged, *listed]


def _here(hub_cache: Path | None) -> dict[str, Path]:
    """Return the weight files on this machine by the name of their network."""
    files: dict[str, Path] = {}
    for name in _known():
        packaged = packaged_file(name) if "." not in name else None
        cached = packaged or _in_hub_cache(name, hub_cache)
        if cached is not None:
            files[name] = cached
    return files


def _in_hub_cache(name: str, hub_cache: Path | None) -> Path | None:
    config = timm.get_pretrained_cfg(name)
    if config is None or not config.hf_hub_id:
        return None
    for file in (config.hf_hub_filename or "model.safetensors", "open_clip_model.safetensors"):
        cached = huggingface_hub.try_to_load_from_cache(config.hf_hub_id, file, cache_dir=hub_cache)
        if isinstance(cached, str):
            return Path(cached)
    return None


def _listed(name: str, found: dict[str, Path]) -> PretrainedNetwork:
    with torch.device("meta"):  # layers without memory for their weights
        model: Any = timm.create_model(name)
    config: dict[str, Any] = model.pretrained_cfg
    last = model.get_classifier()
    file = found.get(name)
    return PretrainedNetwork(
        name=name,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        size=int(config["input_size"][1]),
        fixed=bool(config.get("fixed_input_size")),
        usable=isinstance(last, nn.Linear | nn.Identity),
        here="no" if file is None else "installed" if packaged_file(name) == file else "hub cache",
        weight_bytes=file.stat().st_size if file else 0,
        licence=str(config.get("license") or "not named"),
        note=RECOMMENDED.get(name, ""),
    )


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern if any(mark in pattern for mark in "*?[") else f"*{pattern}*")
