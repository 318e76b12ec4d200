"""Write and read the model folder: model.safetensors and a config.json that timm and imgkit both understand.

``timm.create_model("local-dir:<folder>", pretrained=True)`` gives the network with its label names; what timm does not
know is under the key ``imgkit`` and in familiar.safetensors (the centres of the labels). Never a pickle.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch
from torch import nn

import imgkit
from imgkit.errors import IntegrityError, UsageError
from imgkit.files import sha256_of, write_atomically, write_text
from imgkit.train.familiar import Familiar

WEIGHTS_FILE = "model.safetensors"
FAMILIAR_FILE = "familiar.safetensors"
TRAINED_ON_FILE = "trained-on.txt"
CONFIG_FILE = "config.json"
FORMAT = 2  # of the part under "imgkit"
FROM_ELSEWHERE = (
    "url",
    "file",
    "state_dict",
    "hf_hub_id",
    "hf_hub_filename",
    "source",
    "label_names",
    "label_descriptions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What a model folder says beyond the network.

    ``labels`` are in the order of the outputs; ``familiar`` tells which pictures show none of them; ``trained`` is for
    people: from which run, on how much; ``trained_on`` holds the SHA-256 of the pictures that were learned from or
    chosen by, so that nobody scores the model on them by mistake. The softmax of the outputs is calibrated as it is:
    the temperature was divided into the last layer.
    """

    labels: tuple[str, ...]
    familiar: Familiar
    trained: Mapping[str, object]
    trained_on: frozenset[str]


def write_model(folder: Path, model: nn.Module, architecture: str, about: About) -> None:
    """Write a model folder. The configuration comes last, so a folder with one is complete.

    Args:
        folder: made if needed.
        model: a timm model whose last layer has one output for each label.
        architecture: timm's name of it, with or without the tag of the pretrained weights.
        about: the rest.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / WEIGHTS_FILE, safetensors.torch.save(state, metadata={"format": "pt"}))
    write_text(folder / TRAINED_ON_FILE, "".join(f"{digest}\n" for digest in sorted(about.trained_on)))
    centres = {"centres": torch.from_numpy(about.familiar.centres)}
    write_atomically(folder / FAMILIAR_FILE, safetensors.torch.save(centres))
    stored = cast(dict[str, Any], model.pretrained_cfg)
    patches = getattr(getattr(model, "patch_embed", None), "img_size", None)  # a network that takes one size only
    config = {
        **({"model_args": {"img_size": list(patches)}} if patches else {}),
        "architecture": architecture.split(".")[0],
        "num_classes": len(about.labels),
        "num_features": model.num_features,
        "label_names": list(about.labels),
        "pretrained_cfg": {
            **{name: value for name, value in stored.items() if name not in FROM_ELSEWHERE and value is not None},
            "num_classes": len(about.labels),
            "custom_load": False,
        },
        "imgkit": {
            "format": FORMAT,
            "version": imgkit.__version__,
            "sha256": {name: sha256_of(folder / name) for name in (WEIGHTS_FILE, FAMILIAR_FILE, TRAINED_ON_FILE)},
            "unknown_below": about.familiar.threshold,
            "trained": dict(about.trained),
        },
    }
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def find_model(path: Path) -> Path:
    """Return the model folder at ``path``, which may also be a run's folder.

    Raises:
        UsageError: there is none.
    """
    for folder in (path, path / "model"):
        if (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file():
            return folder
    raise UsageError(
        f"{path} is no model folder: it has no {CONFIG_FILE} with {WEIGHTS_FILE} beside it. Nothing was changed. "
        "Give a folder that imgkit train wrote, such as runs/<name>/model."
    )


def read_about(folder: Path) -> About:
    """Return what a model folder says beyond the network, after checking its weights against their hash.

    Raises:
        UsageError: another program wrote it.
        IntegrityError: its files do not belong together.
    """
    try:
        config = json.loads((folder / CONFIG_FILE).read_text("utf-8"))
        ours = config["imgkit"]
        if ours["format"] != FORMAT:
            raise ValueError(f"format {ours['format']} instead of {FORMAT}")
        labels, trained = tuple(config["label_names"]), dict(ours["trained"])
        threshold, expected = float(ours["unknown_below"]), dict(ours["sha256"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{folder / CONFIG_FILE} was not written by this imgkit ({type(error).__name__}: {error}). Nothing was "
            "changed. Give a folder such as runs/<name>/model."
        ) from error
    changed = [name for name, digest in expected.items() if not _holds(folder / name, digest)]
    if changed or len(labels) != config["num_classes"]:
        raise IntegrityError(
            f"the files in {folder} do not belong together: {changed[0] if changed else CONFIG_FILE} was changed. "
            "Nothing was predicted. Copy the whole folder again, or train again."
        )
    centres = safetensors.torch.load_file(folder / FAMILIAR_FILE)["centres"].numpy()
    return About(
        labels=labels,
        familiar=Familiar(centres=centres, threshold=threshold),
        trained=trained,
        trained_on=frozenset((folder / TRAINED_ON_FILE).read_text("utf-8").split()),
    )


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest
